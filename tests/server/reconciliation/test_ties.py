"""Money in suspense that two officers match with the batch or slip whose it is."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from domain.mdr import MerchantCriteria
from domain.payment import CaseOutcome
from server import sample
from server.casework.service import OutcomeUnfit, SamePerson
from server.database import Transactions
from server.identity.models import Officer, Role
from server.ledger import postings
from server.payments import proposals
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import ties
from server.reconciliation.matching import Confidence, Known
from server.reconciliation.models import Reconciliation
from server.reconciliation.ties import Candidate
from tests.server.reconciliation.test_discrepancies import AT, Desk
from tests.server.reconciliation.test_service import DAY, booked, line, settlement, statement

NAMELESS = "TRF DARI PT PEMBAYARAN"


class Ties(Desk):
    """The office, with its two officers at money that names nothing."""

    async def held(self, narrative: str = NAMELESS) -> Case:
        async with self.transactions.begin() as db:
            return (
                await db.scalars(
                    select(Case).where(Case.statement_line_id.is_not(None), Case.state != "closed")
                )
            ).one()

    async def case(self, case_id: UUID) -> Case:
        async with self.transactions.begin() as db:
            return await db.get_one(Case, case_id)

    async def suggested(self, case_id: UUID) -> list[Candidate]:
        async with self.transactions.begin() as db:
            return await ties.candidates(db, await db.get_one(Case, case_id), self.books)

    async def ask(self, case_id: UUID, outcome: CaseOutcome, pays: str | None = None) -> None:
        maker = await self.by(sample.OFFICER)
        async with self.transactions.begin() as db:
            told = ties.Proposal(outcome, "bukti transfer dari acquirer", pays=pays)
            await ties.propose(db, maker, case_id, told, self.books, now=self.now)

    async def answer(
        self, case_id: UUID, *, accept: bool = True, login: str = sample.CHECKER
    ) -> None:
        checker = await self.by(login)
        async with self.transactions.begin() as db:
            await ties.decide(db, checker, case_id, self.books, accept=accept, why="", now=self.now)

    async def end(self, case_id: UUID, outcome: CaseOutcome, pays: str | None = None) -> None:
        await self.ask(case_id, outcome, pays)
        await self.answer(case_id)

    async def ask_again(self, case_id: UUID) -> None:
        officer = await self.by(sample.OFFICER)
        self.now += timedelta(seconds=1)
        async with self.transactions.begin() as db:
            await proposals.reopen(db, officer, case_id, "salah batch", now=self.now)


@pytest.fixture
async def desk(transactions: Transactions, books: Books, now: object) -> Ties:
    """Two batches of Rp2.000 and Rp3.000 are paid out, the first by a credit that names nothing."""
    desk = Ties(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)  # type: ignore[arg-type]
    await desk.book([booked(1, AT), booked(2, AT, 3000)])
    await desk.settle(settlement(line(1, AT), line(2, AT, batch="BCH-A2", gross_rp=3000)))
    await desk.bank(statement(DAY, (2000, NAMELESS)))
    await desk.reconcile()
    assert await desk.open() == {
        ("payout-missing", "BCH-A1"),
        ("payout-missing", "BCH-A2"),
        ("unknown-movement", "0011223344/STM20261121/1/1/2026-11-21/1"),
    }
    return desk


async def test_two_officers_say_which_batch_a_nameless_credit_pays_and_take_it_back(
    desk: Ties,
) -> None:
    case = await desk.held()
    assert await desk.suggested(case.id) == [
        Candidate("BCH-A1", DAY, 2000, postings.IN_TRANSIT),
        Candidate("BCH-A2", DAY, 3000, postings.IN_TRANSIT),
    ]
    for nothing in (None, "BCH-B7"):
        with pytest.raises(OutcomeUnfit):
            await desk.ask(case.id, CaseOutcome.MATCHED, nothing)
    await desk.ask(case.id, CaseOutcome.MATCHED, "BCH-A1")
    async with desk.transactions.begin() as db:
        maker = (await db.scalars(select(Officer).where(Officer.login == sample.OFFICER))).one()
        maker.role = Role.VERIFIKATOR.value
    with pytest.raises(SamePerson):
        await desk.answer(case.id, login=sample.OFFICER)
    async with desk.transactions.begin() as db:
        (await db.get_one(Officer, maker.id)).role = Role.BENDAHARA.value
    await desk.answer(case.id, accept=False)
    assert (await desk.case(case.id)).pays is None
    await desk.end(case.id, CaseOutcome.MATCHED, "BCH-A1")
    balances = await desk.balances()
    assert (balances.get(postings.SUSPENSE), balances[postings.IN_TRANSIT]) == (None, 3000)
    (paid,) = (await desk.reconcile()).paid
    assert (paid.name, paid.known, paid.confidence) == (
        "BCH-A1", Known.BY_OFFICERS, Confidence.LIKELY,
    )  # fmt: skip
    async with desk.transactions.begin() as db:
        newest = select(Reconciliation.matched).order_by(Reconciliation.id.desc()).limit(1)
        kept = await db.scalar(newest)
    assert kept
    assert [(p["known"], p["confidence"]) for p in kept["paid"]] == [("by-officers", "likely")]
    assert await desk.open() == {("payout-missing", "BCH-A2")}
    await desk.sound()
    # Nothing of it is open any more, so no other credit can be said to pay it too.
    await desk.bank(statement(DAY, (2000, NAMELESS), reference="STM-2"))
    other = await desk.held()
    assert [one.name for one in await desk.suggested(other.id)] == ["BCH-A2"]
    # It was the wrong one: the books are as before, and the credit may be matched anew.
    await desk.ask_again(case.id)
    assert [paid.name for paid in (await desk.reconcile()).paid] == ["BCH-A1"]
    await desk.end(case.id, CaseOutcome.TAKEN_BACK)
    assert not (await desk.reconcile()).paid
    assert ("payout-missing", "BCH-A1") in await desk.open()
    assert (await desk.balances())[postings.SUSPENSE] == -4000
    await desk.sound()
    await desk.end(other.id, CaseOutcome.MATCHED, "BCH-A1")
    await desk.end(case.id, CaseOutcome.MATCHED, "BCH-A2")
    differences = {
        (d.kind, d.subject, d.difference_rp) for d in (await desk.reconcile()).differences
    }
    assert differences == {("payout-differs", "BCH-A2", -1000)}
    await desk.sound()


async def test_a_settlement_file_that_the_credit_names_undoes_what_officers_said(
    desk: Ties,
) -> None:
    await desk.bank(statement(DAY, (3000, "PENCAIRAN BCH-B7"), reference="STM-2"))
    async with desk.transactions.begin() as db:
        named = (await db.scalars(select(Case).where(Case.amount_rp == 3000))).one()
    await desk.end(named.id, CaseOutcome.MATCHED, "BCH-A2")
    await desk.reconcile()
    assert ("payout-missing", "BCH-A2") not in await desk.open()
    at = f"{DAY + timedelta(days=1)}T09:00:00+07:00"
    await desk.book([booked(7, at, 3000)])
    await desk.settle(settlement(line(7, at, batch="BCH-B7", gross_rp=3000)))
    for day in (DAY, DAY + timedelta(days=1)):
        await desk.reconcile(day)
    assert ("payout-missing", "BCH-A2") in await desk.open()
    told = await desk.case(named.id)
    assert (told.state, told.outcome, told.pays) == ("closed", "explained", None)
    assert (await desk.reconcile(DAY + timedelta(days=1))).paid[0].known is Known.NAMED
    await desk.sound()
