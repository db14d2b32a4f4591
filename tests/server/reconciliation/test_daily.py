"""Days compared by themselves: after a file, and every night, until nothing of them is awaited."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from domain.mdr import MerchantCriteria
from server import verify
from server.database import Transactions
from server.payments.books import Books
from server.payments.models import OWNER
from server.reconciliation import closing, daily, rules, service
from server.reconciliation.discrepancies import Resolution
from server.reconciliation.matching import Tolerances
from server.reconciliation.models import Discrepancy, Reconciliation
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_discrepancies import Desk
from tests.server.reconciliation.test_service import (
    DAY,
    Office,
    booked,
    line,
    settlement,
    statement,
)

AT = f"{DAY}T08:00:00+07:00"
MISSING = ("file-missing", f"sandbox/{DAY}")
FILE, BATCH = "sandbox", "BCH-A1"


class Nights(Office):
    """An office in which nobody ever asks for a comparison."""

    async def night(self, after: int, day: date = DAY) -> None:
        """The night that many days after a day."""
        now = datetime.fromisoformat(f"{day + timedelta(days=after)}T02:00:00+07:00")
        await daily.every_night(self.transactions, self.books, now=now)
        await daily.watch(self.transactions)
        self.now = now

    async def settle(
        self, content: bytes, name: str = "settlement.csv", acquirer: str = "sandbox"
    ) -> service.Imported:
        done = await super().settle(content, name, acquirer)
        await daily.after_import(self.transactions, done, self.books, now=self.now)
        return done

    async def bank(self, content: bytes, name: str = "statement.sta") -> service.Imported:
        done = await super().bank(content, name)
        await daily.after_import(self.transactions, done, self.books, now=self.now)
        return done

    async def awaited(self, day: date = DAY) -> dict[tuple[str, str], int] | None:
        """What is not due yet; None of a day that was never compared."""
        async with self.transactions.begin() as db:
            last = await closing.last_comparison(db, day)
        if last is None:
            return None
        return {(e["kind"], e["of"]): e["amount_rp"] for e in last.expected or ()}

    async def times(self, day: date) -> int:
        async with self.transactions.begin() as db:
            rows = await db.scalars(
                select(Reconciliation).where(Reconciliation.business_day == day)
            )
            return len(rows.all())


@pytest.fixture
def office(transactions: Transactions, books: Books, now: datetime) -> Nights:
    return Nights(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)


async def test_a_day_goes_from_awaited_to_missing_to_matched_and_nobody_asked(
    office: Nights,
) -> None:
    await office.book([booked(1, AT), booked(2, AT, 4000)])
    await office.night(1)
    assert await office.open() == set()
    assert await office.awaited() == {("file-missing", FILE): 6000}
    await office.night(4)  # awaited until the third day after
    assert (await office.open(), await office.awaited()) == ({MISSING}, {})
    assert REGISTRY.get_sample_value("karcis_settlement_files_missing") == 1
    async with office.transactions.begin() as db:
        (row,) = await db.scalars(select(Discrepancy))
    assert (row.difference_rp, row.owner) == (-6000, OWNER)
    settled_on = f"{DAY + timedelta(days=4)}"
    await office.settle(settlement(line(1, AT, settlement_date=settled_on)))
    # The file came, and what it does not tell of is due as well; its payout is not.
    assert await office.open() == {("not-settled", "ACQ-2/000000000002")}
    assert await office.awaited() == {("payout-missing", BATCH): 2000}
    await office.settle(
        settlement(line(2, AT, gross_rp=4000, settlement_date=settled_on)), "susulan.csv"
    )
    assert await office.open() == set()
    await office.night(8)
    assert await office.open() == {("payout-missing", BATCH)}
    await office.bank(statement(DAY + timedelta(days=9), (6000, f"PENCAIRAN {BATCH}")))
    assert (await office.open(), await office.awaited()) == (set(), {})
    async with office.transactions.begin() as db:
        last = await closing.last_comparison(db, DAY)
        assert last is not None
        assert last.matched is not None
        assert [(paid["name"], paid["days_late"]) for paid in last.matched["paid"]] == [(BATCH, 2)]
        assert not any((await verify.broken(db)).values())
    await daily.watch(office.transactions)
    assert REGISTRY.get_sample_value("karcis_settlement_files_missing") == 0


async def test_a_closed_day_is_looked_at_as_long_as_something_of_it_is_awaited(
    office: Nights,
) -> None:
    before = DAY - timedelta(days=1)
    await office.book([booked(1, AT), booked(2, f"{before}T08:00:00+07:00")])
    await office.settle(settlement(line(2, f"{before}T08:00:00+07:00", batch="BCH-A0")))
    await office.bank(statement(before, (2000, "BATCH BCH-A0")))
    await office.night(1)
    for day in (before, DAY):
        await closes.close(office.transactions, day, office.books, now=office.now)
    clean, awaited = await office.times(before), await office.times(DAY)
    await office.night(5)
    assert await office.open() == {MISSING}
    await office.night(6)
    assert (await office.times(before), await office.times(DAY)) == (clean, awaited + 1)


async def test_a_day_that_cannot_be_compared_keeps_no_other_from_it(
    office: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.book([booked(1, AT)])
    compare = service.reconcile

    async def broken(db, day, books, *, now):  # type: ignore[no-untyped-def]
        if day == DAY:
            raise RuntimeError("uji")
        return await compare(db, day, books, now=now)

    monkeypatch.setattr(service, "reconcile", broken)
    await office.night(3)
    told = [await office.times(DAY + timedelta(days=days)) for days in range(4)]
    assert told == [0, 1, 1, 0]  # and not the day that is running
    assert REGISTRY.get_sample_value("karcis_days_not_compared") == 1
    monkeypatch.undo()
    await office.night(3)
    assert await office.awaited() == {("file-missing", FILE): 2000}
    assert REGISTRY.get_sample_value("karcis_days_not_compared") == 0


async def test_working_days_count_where_the_rule_in_force_says_so(office: Nights) -> None:
    friday = date(2026, 11, 20)
    async with office.transactions.begin() as db:
        rule = Tolerances(late_after_days=1, working_days=True)
        assert await rules.add(db, rule, valid_from=friday, regulation="uji")
    await office.book([booked(1, f"{friday}T08:00:00+07:00")])
    await office.night(3, friday)  # the night to Monday
    assert await office.open() == set()
    await office.night(4, friday)
    assert await office.open() == {("file-missing", f"sandbox/{friday}")}


async def test_what_two_officers_decided_stays_so_though_it_is_awaited_again(
    transactions: Transactions, office: Nights
) -> None:
    """As by a rule that awaits it longer; here seen on an earlier day."""
    desk = Desk(transactions, office.books, office.now)
    await desk.book([booked(1, AT)])
    await desk.reconcile()
    await desk.resolve(await desk.the("file-missing"), Resolution.WRITTEN_OFF)
    for now in (datetime.fromisoformat(AT), None):
        await desk.reconcile(now=now)
        row = await desk.the("file-missing")
        assert (row.state, row.outcome) == ("closed", "written_off")
    await desk.sound()


async def test_a_statement_compares_the_days_of_all_that_it_pays(office: Nights) -> None:
    """One sum pays the batches of two days, and what was unknown is known by a later file."""
    second = DAY + timedelta(days=1)
    late = f"{second}T08:00:00+07:00"
    paid_on = DAY + timedelta(days=3)
    await office.book([booked(1, AT), booked(2, late)])
    await office.settle(settlement(line(1, AT), line(2, late, batch="BCH-A10")))
    assert [await office.awaited(day) for day in (DAY, second)] == [
        {("payout-missing", "BCH-A1"): 2000}, {("payout-missing", "BCH-A10"): 2000},
    ]  # fmt: skip
    await office.bank(statement(paid_on, (4000, "CAIR BCH-A1 BCH-A10"), (700, "CAIR BCH-A77")))
    assert [await office.awaited(day) for day in (DAY, second)] == [{}, {}]
    assert {kind for kind, _ in await office.open()} == {"unknown-movement"}
    await office.book([booked(3, AT, 700)])
    await office.settle(settlement(line(3, AT, batch="BCH-A77", gross_rp=700)), "lain.csv")
    assert await office.open() == set()
