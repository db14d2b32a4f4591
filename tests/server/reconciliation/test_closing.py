"""A day is closed once, by a person, and only when nothing of it is left to explain."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from server.database import Transactions
from server.identity.models import Officer
from server.payments import arrivals
from server.payments.books import Books
from server.payments.models import Case, Charge, Inquiry
from server.reconciliation import closing
from server.reconciliation.closing import DayHasDifferences, DayNotOver, DayNotReconciled
from server.reconciliation.models import ClosedDay
from server.webhooks.models import OutboxFact
from tests.server.reconciliation.test_files import FIXTURES
from tests.server.reconciliation.test_service import (
    CSV,
    DAY,
    STATEMENT,
    Office,
    line,
    settlement,
    statement,
)

NOON_AFTER = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


@pytest.fixture
def office(transactions: Transactions, books: Books) -> Office:
    return Office(transactions, books, NOON_AFTER)


async def close(office: Office, now: datetime = NOON_AFTER) -> None:
    async with office.transactions.begin() as db:
        officer = (await db.scalars(select(Officer).limit(1))).one()
        await closing.close_day(db, DAY, officer, office.books, now=now)


async def clean_day(office: Office) -> None:
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    await office.settle(CSV)
    await office.bank(STATEMENT)


async def test_a_reconciled_day_without_differences_is_closed_once_and_told(
    office: Office,
) -> None:
    await clean_day(office)
    with pytest.raises(DayNotReconciled):
        await close(office)
    await office.reconcile()
    with pytest.raises(DayNotOver):
        await close(office, now=NOON_AFTER - timedelta(days=1))
    await close(office)
    await close(office, now=NOON_AFTER + timedelta(hours=1))
    async with office.transactions.begin() as db:
        day = (await db.scalars(select(ClosedDay))).one()
        facts = await db.scalars(select(OutboxFact).where(OutboxFact.type == "day.closed"))
        told = facts.one().data
    totals = {
        "collected_rp": 18_000, "gross_rp": 18_000, "mdr_rp": 126, "net_rp": 17_874,
        "bank_rp": 17_874,
    }  # fmt: skip
    assert (day.day, day.totals, day.closed_at) == (DAY, totals, NOON_AFTER)
    assert told == {
        **totals, "version": 1, "day": "2026-11-21", "closed_at": "2026-11-22T05:00:00Z",
    }  # fmt: skip


async def test_what_came_after_the_officer_looked_keeps_the_day_open(office: Office) -> None:
    await office.reconcile()
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    with pytest.raises(DayHasDifferences):
        await close(office)


async def test_an_open_case_of_the_day_keeps_it_open(office: Office) -> None:
    await clean_day(office)
    await office.reconcile()
    async with office.transactions.begin() as db:
        charge = (await db.scalars(select(Charge).limit(1))).one()
        asked = Inquiry(charge_id=charge.id, asked_at=NOON_AFTER, status="paid", answer={})
        db.add(asked)
        await db.flush()
        paid_at = charge.paid_at or NOON_AFTER
        arrival = arrivals.Arrival("ACQ-99", "99", 2_500, paid_at, inquiry_id=asked.id)
        await arrivals.record_one(
            db, charge.acquirer, charge.reference, arrival, office.books, now=NOON_AFTER
        )
        assert (await db.scalars(select(Case))).one().state == "open"
    with pytest.raises(DayHasDifferences):
        await close(office)


async def test_what_two_officers_recognised_keeps_no_day_open(office: Office) -> None:
    at = f"{DAY}T08:00:00+07:00"
    await office.settle(settlement(line(1, at, mdr_rp=14)))
    await office.bank(statement(DAY, (1986, "BATCH BCH-A1"), (700, "BUNGA")))
    differences = (await office.reconcile()).differences
    assert {d.kind for d in differences} == {"not-booked", "unknown-movement"}
    with pytest.raises(DayHasDifferences):
        await close(office)
    await office.recognise()
    report = await office.reconcile()
    assert (report.differences, report.gross_rp, report.bank_rp) == ((), 2000, 2686)
    assert await office.open() == set()
    await close(office)
