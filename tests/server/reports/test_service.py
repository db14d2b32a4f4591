"""Whose cash is how old, how complaints are answered, and on which business day claims count."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.business_days import BusinessDays
from server import sample
from server.complaints import service as complaints
from server.complaints.service import Told
from server.complaints.states import ComplaintKind, ComplaintOutcome
from server.database import Transactions
from server.figures import service as figures
from server.figures.sums import REPORTED
from server.identity import service as identity
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.postings import Leg
from server.payments.books import Books
from server.reports import people
from server.reports.arrears import _split
from server.reports.table import Asked, Period
from server.workdays import Workdays
from tests.server.reports.test_reports import column, told, total

LAST = date(2026, 10, 31)
OCTOBER = Period(date(2026, 10, 1), LAST)


async def held(transactions: Transactions, day: date, who: str, amount_rp: int) -> None:
    """Cash that an attendant took, or paid in."""
    async with transactions.begin() as db:
        await ledger.record(
            db,
            [Leg(postings.CASH_HELD, amount_rp, who), Leg(postings.BANK, -amount_rp)],
            source=f"uji:{day}:{who}:{amount_rp}",
            description="uji",
            business_day=day,
            now=datetime(2026, 11, 1, 5, tzinfo=UTC),
        )


@pytest.mark.parametrize("swept", [False, True])
async def test_what_is_paid_in_settles_the_oldest_cash(
    transactions: Transactions, books: Books, swept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago, who, amount_rp in (
        (60, "J-001", 5000),
        (40, "J-001", 3000),
        (20, "J-001", -6000),
        (10, "J-001", 700),
        (3, "J-001", 50),
        (0, "J-001", 6),
        (5, "J-002", 900),
        (1, "J-002", -900),
        (-1, "J-002", 77),  # the day after the period
    ):
        await held(transactions, LAST - timedelta(days=ago), who, amount_rp)
    if swept:
        async with transactions.begin() as db:
            # As two sweeps make it, once nothing else in the cluster runs.
            done = await figures._count_page(
                db,
                "reports_bound",
                REPORTED,
                figures._made_at(datetime.now(UTC) + timedelta(days=1)),
                books.timezone,
            )
        assert done == (9, True)
    made = await told(transactions, books, "tunggakan", OCTOBER)
    assert column(made, "attendant") == ["J-001"]
    assert column(made, "since") == [LAST - timedelta(days=40)]
    assert column(made, "days") == [40]
    names = ("owed_rp", "fresh_rp", "week_rp", "month_rp", "old_rp")
    assert [total(made, name) for name in names] == [2756, 6, 50, 700, 2000]
    owed = await told(transactions, books, "setoran", OCTOBER)
    names = ("before_rp", "cash_rp", "paid_in_rp", "owed_rp")
    assert [total(owed, name) for name in names] == [8000, 1656, 6900, 2756]


def test_a_days_cash_is_shared_out_to_its_zones_to_the_rupiah() -> None:
    assert _split(100, {"PSR": 1, "ALN": 2}) == [("ALN", 66), ("PSR", 34)]
    assert _split(100, {}) == [("–", 100)]
    assert sum(part for _, part in _split(99_999, {"A": 7, "B": 11, "C": 13})) == 99_999


async def test_complaints_are_in_time_by_the_day_they_were_due(
    transactions: Transactions, books: Books
) -> None:
    friday = datetime(2026, 10, 2, 3, tzinfo=UTC)
    due_on = date(2026, 10, 9)
    answers = (timedelta(days=3), timedelta(days=4), timedelta(days=10), None)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        checker = await identity.officer_named(db, sample.CHECKER)
    for number, after in enumerate(answers):
        at = friday + timedelta(minutes=number)
        async with transactions.begin() as db:
            told_of = Told(ComplaintKind.OTHER, story="uji")
            made = await complaints.take(db, told_of, due_on=due_on, now=at)
            if after is not None:
                ended, at = ComplaintOutcome.UNCLEAR, at + after
                await complaints.answer(db, officer, made.id, "uji", None, now=at)
                await complaints.answer(db, checker, made.id, "uji", ended, now=at)
    closed = replace(books, workdays=Workdays({date(2026, 10, 6): "uji"}))
    report = await told(transactions, closed, "pengaduan", OCTOBER)
    names = ("count", "in_time", "late", "waiting", "overdue", "closed", "reopened")
    assert [total(report, name) for name in names] == [4, 2, 1, 0, 1, 3, 0]
    # Monday is one working day on, Tuesday the office was closed, the last is Monday a week later.
    assert column(report, "median") == [1]
    empty = await told(transactions, books, "pengaduan", Period(LAST, LAST))
    assert empty.rows == []


def test_claims_count_on_the_business_day_as_payments_do(books: Books) -> None:
    evening = replace(books, business_days=BusinessDays.read("22.00", books.timezone))
    first, after = people._moments(Asked(OCTOBER, evening, LAST))
    assert evening.business_day(first) == OCTOBER.first
    assert evening.business_day(first - timedelta(seconds=1)) == date(2026, 9, 30)
    assert evening.business_day(after - timedelta(seconds=1)) == LAST
    assert evening.business_day(after) == date(2026, 11, 1)
