"""Differences that two officers decide, what is posted for them, and what comparisons then do."""

import asyncio
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from domain.mdr import MerchantCriteria
from domain.payment import CaseState
from server import sample, verify
from server.casework import service as casework
from server.casework.models import CaseKind
from server.casework.service import AlreadyDecided, CaseNotReopenable, OutcomeUnfit, SamePerson
from server.database import Transactions, fetch
from server.identity import service as identity
from server.identity.models import Officer, Role
from server.identity.service import RoleNotAllowed
from server.ledger import postings
from server.payments.books import Books
from server.reconciliation import closing, discrepancies
from server.reconciliation.discrepancies import Resolution
from server.reconciliation.models import Discrepancy
from tests.server.reconciliation.test_service import (
    DAY,
    Office,
    booked,
    line,
    settlement,
    statement,
)

AT = "2026-11-21T09:00:00+07:00"


class Desk(Office):
    """The office, with its two officers at one difference at a time."""

    async def the(self, kind: str) -> Discrepancy:
        async with self.transactions.begin() as db:
            return (await db.scalars(select(Discrepancy).where(Discrepancy.kind == kind))).one()

    async def by(self, login: str) -> UUID:
        async with self.transactions.begin() as db:
            return await identity.officer_named(db, login)

    async def propose(self, row: Discrepancy, outcome: Resolution, why: str = "uji") -> None:
        maker = await self.by(sample.OFFICER)
        async with self.transactions.begin() as db:
            await discrepancies.propose(db, maker, row.id, outcome, why, now=self.now)

    async def decide(
        self, row: Discrepancy, *, accept: bool = True, login: str = sample.CHECKER
    ) -> None:
        checker = await self.by(login)
        async with self.transactions.begin() as db:
            await discrepancies.decide(
                db, checker, row.id, self.books, accept=accept, why="", now=self.now
            )

    async def resolve(self, row: Discrepancy, outcome: Resolution) -> None:
        await self.propose(row, outcome)
        await self.decide(row)

    async def reopen(self, row: Discrepancy) -> None:
        officer = await self.by(sample.OFFICER)
        async with self.transactions.begin() as db:
            await discrepancies.reopen(db, officer, row.id, "ada bukti baru", now=self.now)

    async def events(self, row: Discrepancy) -> list[tuple[str, bool]]:
        """Each step with whether people took it."""
        async with self.transactions.begin() as db:
            steps = await casework.steps_of(db, CaseKind.DISCREPANCY, row.id)
        return [(step.event, step.officer_id is not None) for step in steps]

    async def somebody_waits(self) -> None:
        """For a row or transaction that another one of this database holds."""
        async with asyncio.timeout(60):
            while True:
                async with self.transactions.begin() as db:
                    waiting = await fetch(
                        db,
                        "SELECT 1 FROM pg_locks k JOIN pg_stat_activity a USING (pid)"
                        " WHERE NOT k.granted AND a.datname = current_database()",
                    )
                if waiting:
                    return
                await asyncio.sleep(0.01)

    async def sound(self) -> None:
        async with self.transactions.begin() as db:
            assert not any((await verify.broken(db)).values())


@pytest.fixture
def desk(transactions: Transactions, books: Books, now: datetime) -> Desk:
    return Desk(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)


@pytest.fixture
async def unsettled(desk: Desk) -> Discrepancy:
    """Rp2.000 was paid, and the day's settlement file does not tell of it."""
    await desk.book([booked(1, AT)])
    await desk.settle(settlement(line(0, AT, gross_rp=0)))
    await desk.reconcile()
    return await desk.the("not-settled")


async def test_two_officers_write_off_what_never_came_and_the_day_can_close(
    desk: Desk, unsettled: Discrepancy
) -> None:
    await desk.propose(unsettled, Resolution.WRITTEN_OFF)
    with pytest.raises(AlreadyDecided):
        await desk.propose(unsettled, Resolution.WRITTEN_OFF)
    with pytest.raises(RoleNotAllowed):
        await desk.decide(unsettled, login=sample.OFFICER)
    assert await desk.balances() == {postings.RECEIVABLE: 2000, "4110.PSR": -2000}
    await desk.decide(unsettled)
    assert await desk.balances() == {postings.WRITTEN_OFF: 2000, "4110.PSR": -2000}
    with pytest.raises(AlreadyDecided):
        await desk.decide(unsettled)
    await desk.reconcile()  # and the same difference stays decided
    told = await desk.the("not-settled")
    assert (told.state, told.outcome) == ("closed", "written_off")
    assert await desk.events(unsettled) == [("proposed", True), ("accepted", True)]
    await desk.sound()
    await _close(desk)


async def test_a_comparison_waits_for_a_proposal_and_lets_it_stand(
    desk: Desk, unsettled: Discrepancy
) -> None:
    maker = await desk.by(sample.OFFICER)
    async with desk.transactions.begin() as db:
        why = Resolution.WRITTEN_OFF
        await discrepancies.propose(db, maker, unsettled.id, why, "uji", now=desk.now)
        comparing = asyncio.create_task(desk.reconcile())
        await desk.somebody_waits()
    await comparing
    assert (await desk.the("not-settled")).state == "proposed"
    await desk.decide(unsettled)
    assert await desk.events(unsettled) == [("proposed", True), ("accepted", True)]


async def _close(desk: Desk) -> None:
    maker = await desk.by(sample.OFFICER)
    later = max(datetime(2026, 12, 31, tzinfo=desk.books.timezone), desk.now)
    async with desk.transactions.begin() as db:
        close = await closing.prepare(db, DAY, maker, desk.books, now=later)
        assert close.state == "prepared"


async def test_a_day_stays_open_while_a_difference_waits_for_officers(
    desk: Desk, unsettled: Discrepancy
) -> None:
    for step in ("open", "proposed"):
        assert (await desk.the("not-settled")).state == step
        with pytest.raises(closing.DayHasDifferences):
            await _close(desk)
        if step == "open":
            await desk.propose(unsettled, Resolution.WRITTEN_OFF)


async def test_a_declined_proposal_posts_nothing_and_another_may_follow(
    desk: Desk, unsettled: Discrepancy
) -> None:
    before = await desk.balances()
    await desk.propose(unsettled, Resolution.WRITTEN_OFF)
    await desk.decide(unsettled, accept=False)
    assert await desk.balances() == before
    assert (await desk.the("not-settled")).state == "open"
    await desk.resolve(unsettled, Resolution.WRITTEN_OFF)
    await desk.sound()


async def test_who_proposed_never_decides_whatever_the_role_became(
    desk: Desk, unsettled: Discrepancy, owner: Transactions
) -> None:
    await desk.propose(unsettled, Resolution.WRITTEN_OFF)
    async with owner.begin() as db:
        officer = await db.get_one(Officer, await desk.by(sample.OFFICER))
        officer.role = Role.VERIFIKATOR.value
    with pytest.raises(SamePerson):
        await desk.decide(unsettled, login=sample.OFFICER)


async def test_what_was_written_off_and_comes_after_all_is_opened_by_the_books(
    desk: Desk, unsettled: Discrepancy
) -> None:
    await desk.resolve(unsettled, Resolution.WRITTEN_OFF)
    await desk.settle(settlement(line(1, AT)))
    await desk.reconcile()
    told = await desk.the("not-settled")
    assert (told.state, told.outcome, told.difference_rp) == ("open", None, 0)
    await desk.sound()
    with pytest.raises(OutcomeUnfit):  # what is posted is no longer right
        await desk.propose(unsettled, Resolution.WRITTEN_OFF)
    await desk.resolve(unsettled, Resolution.TAKEN_BACK)
    assert postings.WRITTEN_OFF not in await desk.balances()
    assert (await desk.the("not-settled")).state == "open"
    await desk.reconcile()
    assert (await desk.the("not-settled")).state == "closed"
    assert await desk.events(unsettled) == [
        ("proposed", True),
        ("accepted", True),
        ("reopened", False),
        ("proposed", True),
        ("corrected", True),
    ]
    await desk.sound()


async def test_an_officer_opens_again_and_two_decide_that_it_stands_or_not(
    desk: Desk, unsettled: Discrepancy
) -> None:
    with pytest.raises(CaseNotReopenable):
        await desk.reopen(unsettled)
    await desk.resolve(unsettled, Resolution.WRITTEN_OFF)
    once = await desk.balances()
    await desk.reopen(unsettled)
    await desk.reconcile()
    assert (await desk.the("not-settled")).state == "open"
    assert await desk.balances() == once
    await desk.resolve(unsettled, Resolution.WRITTEN_OFF)  # it stands, and is posted once
    assert await desk.balances() == once
    await desk.reopen(unsettled)
    await desk.resolve(unsettled, Resolution.TAKEN_BACK)
    assert await desk.balances() == {postings.RECEIVABLE: 2000, "4110.PSR": -2000}
    await desk.resolve(unsettled, Resolution.WRITTEN_OFF)
    assert await desk.balances() == once
    await desk.sound()


async def test_a_proposal_about_what_changed_meanwhile_lapses(
    desk: Desk, unsettled: Discrepancy
) -> None:
    await desk.propose(unsettled, Resolution.WRITTEN_OFF)
    await desk.settle(settlement(line(1, AT)))
    await desk.reconcile()
    assert (await desk.the("not-settled")).state == "closed"
    assert await desk.events(unsettled) == [("proposed", True), ("settled", False)]
    with pytest.raises(AlreadyDecided):
        await desk.decide(unsettled)
    with pytest.raises(CaseNotReopenable):  # the books closed it, and would again
        await desk.reopen(unsettled)
    assert (await desk.the("not-settled")).state == CaseState.CLOSED


async def test_a_fee_is_accepted_or_claimed_and_another_fee_is_asked_about_anew(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    desk = Desk(transactions, books, now)
    await desk.book([booked(1, AT), booked(2, AT)])
    await desk.settle(settlement(line(1, AT, mdr_rp=20), line(2, AT, mdr_rp=20)))
    await desk.reconcile()
    async with transactions.begin() as db:
        rows = list(await db.scalars(select(Discrepancy).where(Discrepancy.kind == "mdr-differs")))
    assert len(rows) == 2
    accepted, claimed = rows
    before = await desk.balances()
    await desk.resolve(accepted, Resolution.ACCEPTED)
    assert await desk.balances() == before
    await desk.resolve(claimed, Resolution.CLAIMED)
    excess_rp = -claimed.difference_rp
    assert excess_rp > 0
    after = await desk.balances()
    assert after[postings.FEE_CLAIMS] == excess_rp
    assert after[postings.MDR_EXPENSE] == before[postings.MDR_EXPENSE] - excess_rp
    await desk.reconcile()
    assert {kind for kind, _ in await desk.open()} == {"payout-missing"}
    await desk.sound()


async def test_a_batch_that_the_bank_never_paid_is_written_off_where_it_was_awaited(
    desk: Desk,
) -> None:
    await desk.book([booked(1, AT)])
    await desk.settle(settlement(line(1, AT)))
    await desk.reconcile()
    row = await desk.the("payout-missing")
    await desk.resolve(row, Resolution.WRITTEN_OFF)
    assert await desk.balances() == {postings.WRITTEN_OFF: 2000, "4110.PSR": -2000}
    await desk.sound()
    await desk.bank(statement(date(2026, 11, 22), (2000, f"PENCAIRAN {row.subject}")))
    await desk.reconcile()
    assert (await desk.the("payout-missing")).state == "open"
    await desk.resolve(row, Resolution.TAKEN_BACK)
    assert await desk.balances() == {postings.BANK: 2000, "4110.PSR": -2000}
    await desk.sound()


async def test_money_in_suspense_is_decided_by_its_own_case(desk: Desk) -> None:
    await desk.bank(statement(DAY, (7000, "TIDAK DIKENAL")))
    await desk.reconcile()
    row = await desk.the("unknown-movement")
    for outcome in Resolution:
        with pytest.raises(OutcomeUnfit):
            await desk.propose(row, outcome)
    await desk.recognise()
    await desk.reconcile()
    assert (await desk.the("unknown-movement")).state == "closed"


async def test_a_decision_on_one_acquirers_payment_leaves_anothers_missing_file_as_it_is(
    desk: Desk,
) -> None:
    await desk.book([booked(1, AT), {**booked(2, AT), "acquirer": "b"}])
    await desk.settle(settlement(line(0, AT, gross_rp=0)), acquirer="b")
    await desk.reconcile()
    missing = await desk.the("file-missing")
    await desk.resolve(missing, Resolution.WRITTEN_OFF)
    await desk.propose(await desk.the("not-settled"), Resolution.WRITTEN_OFF)
    await desk.reconcile()
    assert (await desk.the("file-missing")).state == CaseState.CLOSED
    await desk.decide(await desk.the("not-settled"))
    await desk.reconcile()
    assert await desk.open() == set()
    assert postings.RECEIVABLE not in await desk.balances()
    await desk.sound()
