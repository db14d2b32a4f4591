"""A fee that two officers claim is paid by money that came, or refused, and never forgotten."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from domain.mdr import MerchantCriteria
from server import sample, verify
from server.casework.service import CaseNotReopenable, OutcomeUnfit, SamePerson
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Officer, Role
from server.ledger import postings
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import claims
from server.reconciliation.claims import Ending
from server.reconciliation.discrepancies import Resolution
from server.reconciliation.models import Discrepancy, FeeClaim
from tests.server.reconciliation.test_discrepancies import AT, Desk
from tests.server.reconciliation.test_service import DAY, booked, line, settlement, statement


class Claims(Desk):
    """The office, with its two officers at the claim they made."""

    async def claimed(self) -> FeeClaim:
        async with self.transactions.begin() as db:
            return (await db.scalars(select(FeeClaim))).one()

    async def sources(self) -> list[tuple[str, int]]:
        claim = await self.claimed()
        async with self.transactions.begin() as db:
            return [(one.key, one.left_rp) for one in await claims.sources(db, claim)]

    async def ask(self, outcome: Ending, source: str = "") -> None:
        claim, maker = await self.claimed(), await self.by(sample.OFFICER)
        async with self.transactions.begin() as db:
            await claims.propose(db, maker, claim.id, outcome, source, "uji", now=self.now)

    async def answer(self, *, accept: bool = True, who: UUID | None = None) -> None:
        claim, checker = await self.claimed(), who or await self.by(sample.CHECKER)
        async with self.transactions.begin() as db:
            await claims.decide(
                db, checker, claim.id, self.books, accept=accept, why="", now=self.now
            )

    async def end(self, outcome: Ending, source: str = "") -> None:
        await self.ask(outcome, source)
        await self.answer()

    async def ask_again(self) -> None:
        claim, officer = await self.claimed(), await self.by(sample.OFFICER)
        async with self.transactions.begin() as db:
            await claims.reopen(db, officer, claim.id, "ada bukti baru", now=self.now)

    async def case(self) -> Case:
        async with self.transactions.begin() as db:
            moved = Case.statement_line_id.is_not(None)
            return (await db.scalars(select(Case).where(moved))).one()


@pytest.fixture
async def desk(transactions: Transactions, books: Books, now: object) -> Claims:
    """The acquirer kept Rp6 of Rp2.000, and nothing is due: two officers claimed it."""
    desk = Claims(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)  # type: ignore[arg-type]
    await desk.book([booked(1, AT)])
    await desk.settle(settlement(line(1, AT, mdr_rp=6)))
    await desk.bank(statement(DAY, (1994, "PENCAIRAN BCH-A1")))
    await desk.reconcile()
    await desk.resolve(await desk.the("mdr-differs"), Resolution.CLAIMED)
    assert (await desk.balances())[postings.FEE_CLAIMS] == 6
    return desk


async def test_what_the_acquirer_pays_into_the_account_ends_its_claim(desk: Claims) -> None:
    claim = await desk.claimed()
    assert (claim.state, claim.amount_rp, claim.owner) == ("open", 6, "bendahara penerimaan")
    assert await desk.sources() == []
    with pytest.raises(OutcomeUnfit):
        await desk.ask(Ending.PAID)
    await desk.bank(statement(DAY, (10, "KOREKSI MDR OKT"), reference="STM-2"))
    case = await desk.case()
    assert await desk.sources() == [(f"case:{case.id}", 10)]
    await desk.ask(Ending.PAID, f"case:{case.id}")
    async with desk.transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await db.execute(
            Officer.__table__.update()  # type: ignore[attr-defined]
            .where(Officer.id == maker)
            .values(role=Role.VERIFIKATOR.value)
        )
    with pytest.raises(SamePerson):
        await desk.answer(who=maker)
    await desk.answer()
    balances = await desk.balances()
    assert (balances.get(postings.FEE_CLAIMS), balances[postings.SUSPENSE]) == (None, -4)
    assert (await desk.claimed()).outcome == "paid"
    assert (await desk.case()).state == "open"  # of the other four rupiah
    await desk.sound()


async def test_money_that_paid_a_claim_whole_is_no_case_and_no_difference_any_more(
    desk: Claims,
) -> None:
    await desk.bank(statement(DAY, (6, "KOREKSI BCH-B77"), reference="STM-2"))
    case = await desk.case()
    await desk.end(Ending.PAID, f"case:{case.id}")
    assert (await desk.case()).outcome == "claim_paid"
    assert (await desk.reconcile()).differences[0].kind == "mdr-differs"
    assert await desk.open() == set()
    # A batch of that name comes later: what two officers decided of its money stands.
    later = (DAY + timedelta(days=1)).isoformat()
    await desk.settle(settlement(line(2, f"{later}T09:00:00+07:00", batch="BCH-B77", gross_rp=6)))
    assert (await desk.balances()).get(postings.FEE_CLAIMS) is None
    await desk.sound()
    await desk.ask_again()
    await desk.end(Ending.TAKEN_BACK)
    assert ((await desk.case()).state, (await desk.claimed()).state) == ("open", "open")
    balances = await desk.balances()
    assert balances[postings.FEE_CLAIMS] == 6
    await desk.sound()


async def test_a_line_that_gives_the_fee_back_ends_its_claim(desk: Claims) -> None:
    corrected = line(3, AT, gross_rp=0, mdr_rp=-6, batch="BCH-A2")
    await desk.settle(settlement(corrected), "korektif.csv")
    await desk.reconcile()
    ((key, left_rp),) = await desk.sources()
    assert (key[:5], left_rp) == ("line:", 6)
    await desk.end(Ending.PAID, key)
    balances = await desk.balances()
    assert (balances.get(postings.FEE_CLAIMS), balances.get(postings.MDR_EXPENSE)) == (None, None)
    await desk.reconcile()
    assert not {one for one in await desk.open() if one[0] == "mdr-differs"}
    await desk.sound()


async def test_what_the_acquirer_refuses_is_a_loss_and_may_be_asked_again(desk: Claims) -> None:
    await desk.ask(Ending.REFUSED)
    await desk.answer(accept=False)
    assert (await desk.balances())[postings.FEE_CLAIMS] == 6
    await desk.end(Ending.REFUSED)
    balances = await desk.balances()
    assert (balances.get(postings.FEE_CLAIMS), balances[postings.WRITTEN_OFF]) == (None, 6)
    # The claim itself cannot be taken back while its end is posted.
    difference = await desk.the("mdr-differs")
    await desk.reopen(difference)
    with pytest.raises(OutcomeUnfit):
        await desk.propose(difference, Resolution.TAKEN_BACK)
    await desk.ask_again()
    await desk.end(Ending.TAKEN_BACK)
    await desk.sound()
    await desk.resolve(difference, Resolution.TAKEN_BACK)
    claim = await desk.claimed()
    assert (claim.state, claim.outcome) == ("closed", "withdrawn")
    assert (await desk.balances()).get(postings.FEE_CLAIMS) is None
    with pytest.raises(CaseNotReopenable):
        await desk.ask_again()
    await desk.sound()


async def test_a_claim_that_is_not_on_its_account_is_noticed(
    desk: Claims, owner: Transactions
) -> None:
    async with owner() as db:
        connection = await db.connection()
        await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        await connection.exec_driver_sql("DELETE FROM fee_claims")
        assert (await verify.broken(db))["I7-claims-as-decided"] == ["6"]
        await db.rollback()
    assert isinstance(await desk.the("mdr-differs"), Discrepancy)
