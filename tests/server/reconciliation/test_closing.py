"""A day is closed by two officers, and what is left of it to explain is told with it."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from domain.payment import CaseOutcome
from domain.tariff import VehicleClass
from server.database import Insertions, Transactions, new_id
from server.identity import service as identity
from server.identity.models import DeviceReport, Shift, ShiftClosing, ShiftDifference
from server.identity.service import RoleNotAllowed
from server.ledger import postings
from server.ledger.models import Entry
from server.parking import service as parking
from server.parking.models import UnendedStay
from server.parking.service import Stay
from server.payments import arrivals
from server.payments.books import Books
from server.payments.models import Case, Charge, Inquiry
from server.reconciliation import close_lists, closing, sources
from server.reconciliation.closing import (
    DayCloseNotPossible,
    DayHasDifferences,
    DayNotOver,
    DayNotReconciled,
)
from server.reconciliation.models import DayClose, HeldLine, SettlementLine
from server.reconciliation.states import CLOSE_TABLE, CloseEvent, CloseState
from server.sample import CHECKER, OFFICER
from server.spots import service as spots
from server.sync.models import QuarantineCase, QuarantinedEvent
from server.webhooks.models import OutboxFact
from tests.server.booking import SPOT, all_due
from tests.server.handhelds import on_shift
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_files import FIXTURES
from tests.server.reconciliation.test_service import (
    CSV,
    DAY,
    STATEMENT,
    Office,
    booked,
    line,
    settlement,
    statement,
)
from tests.server.reconciliation.test_ties import Ties, desk

__all__ = ["desk"]
NOON_AFTER = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


@pytest.fixture
def office(transactions: Transactions, books: Books) -> Office:
    return Office(transactions, books, NOON_AFTER)


async def close(office: Office, now: datetime = NOON_AFTER, note: str = "") -> DayClose:
    return await closes.close(office.transactions, DAY, office.books, note, now=now)


async def clean_day(office: Office) -> None:
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    await office.settle(CSV)
    await office.bank(STATEMENT)


async def acting(
    office: Office, login: str, act: Callable[..., Awaitable[None]], *rest: Any
) -> None:
    async with office.transactions.begin() as db:
        officer = await identity.officer_named(db, login)
        await act(db, officer, *rest, now=NOON_AFTER)


async def stands(office: Office) -> list[tuple[int, str]]:
    async with office.transactions.begin() as db:
        return [(c.number, c.state) for c in await closing.closes_of(db, DAY)]


async def told(office: Office) -> list[dict[str, Any]]:
    async with office.transactions.begin() as db:
        facts = await db.scalars(select(OutboxFact).where(OutboxFact.type == "day.closed"))
        return [fact.data for fact in facts]


async def test_a_reconciled_day_is_prepared_by_one_and_locked_by_another(office: Office) -> None:
    await clean_day(office)
    with pytest.raises(DayNotReconciled):
        await close(office)
    await office.reconcile()
    with pytest.raises(DayNotOver):
        await close(office, now=NOON_AFTER - timedelta(days=1))
    prepared = await closes.prepare(office.transactions, DAY, office.books, now=NOON_AFTER)
    again = await closes.prepare(office.transactions, DAY, office.books, now=NOON_AFTER)
    assert (again.id, await told(office)) == (prepared.id, [])
    with pytest.raises(RoleNotAllowed):
        await acting(office, OFFICER, closing.lock, prepared.id)
    await acting(office, CHECKER, closing.lock, prepared.id)
    with pytest.raises(DayCloseNotPossible):
        await acting(office, CHECKER, closing.lock, prepared.id)
    totals = {
        "collected_rp": 18_000, "gross_rp": 18_000, "mdr_rp": 126, "net_rp": 17_874,
        "bank_rp": 17_874,
    }  # fmt: skip
    async with office.transactions.begin() as db:
        kept = (await db.scalars(select(DayClose))).one()
    assert (kept.day, kept.snapshot["totals"], kept.decided_at) == (DAY, totals, NOON_AFTER)
    assert kept.sha256 == closing.digest(kept.snapshot)
    accounts = {a["code"]: a["balance_rp"] for a in kept.snapshot["accounts"]}
    assert (accounts["1110"], sum(accounts.values())) == (17_874, 0)
    assert await told(office) == [
        {
            **totals, "version": 1, "day": "2026-11-21", "number": 1,
            "closed_at": "2026-11-22T05:00:00Z",
        }
    ]  # fmt: skip


async def test_a_day_is_reopened_by_two_and_closed_again_under_the_next_number(
    office: Office,
) -> None:
    await clean_day(office)
    await office.reconcile()
    first = await close(office)
    await acting(office, OFFICER, closing.ask_reopening, first.id, "salah")
    async with office.transactions.begin() as db:
        assert await closing.is_closed(db, DAY), "asking alone opens nothing"
        checker = await identity.officer_named(db, CHECKER)
        await closing.decide_reopening(db, checker, first.id, "tidak", agree=False, now=NOON_AFTER)
    assert await stands(office) == [(1, "locked")]
    await closes.reopen(office.transactions, first, now=NOON_AFTER)
    async with office.transactions.begin() as db:
        assert not await closing.is_closed(db, DAY)
    second = await closes.prepare(office.transactions, DAY, office.books, now=NOON_AFTER)
    await acting(office, CHECKER, closing.decline, second.id, "periksa lagi")
    await close(office)
    assert await stands(office) == [(3, "locked"), (2, "declined"), (1, "reopened")]
    assert [fact["number"] for fact in await told(office)] == [1, 3]


async def test_money_that_comes_after_a_close_is_posted_and_told_of_as_late(
    office: Office,
) -> None:
    await clean_day(office)
    await office.reconcile()
    closed = await close(office)
    await office.bank(statement(DAY, (700, "BUNGA"), reference="STM-LATE"))
    async with office.transactions.begin() as db:
        late, entries = await closing.late_entries(db, closed, 5)
        days = await closing.calendar(
            db, DAY, DAY, DAY + timedelta(days=9), {DAY: DAY + timedelta(days=2)}
        )
    assert (late, [entry.description for entry in entries]) == (
        1,
        ["Mutasi bank STM-LATE/1/1/2026-11-21"],
    )
    assert [(d.state, d.late, d.is_overdue, d.bank_rp) for d in days] == [
        ("locked", 1, False, 17_874)
    ]


async def test_a_day_that_nobody_closes_in_time_is_overdue(office: Office) -> None:
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    due = {DAY + timedelta(days=n): DAY + timedelta(days=n + 2) for n in range(-1, 5)}
    async with office.transactions.begin() as db:
        days = await closing.calendar(
            db, DAY - timedelta(days=1), DAY + timedelta(days=4), DAY + timedelta(days=3), due
        )
    assert [(d.state, d.is_overdue) for d in days] == [
        ("before", False), ("open", True), ("open", False), ("open", False),
        ("running", False), ("coming", False),
    ]  # fmt: skip


async def test_a_day_with_open_differences_is_closed_with_a_note_that_says_why(
    office: Office,
) -> None:
    at = f"{DAY}T08:00:00+07:00"
    await office.settle(settlement(line(1, at, mdr_rp=14)))
    await office.reconcile()
    with pytest.raises(DayHasDifferences):
        await close(office)
    kept = await close(office, note="uang dari titik lama, dicari pembayarnya")
    found = {d["kind"]: d["difference_rp"] for d in kept.snapshot["differences"]}
    assert found == {"not-booked": 2000}
    (awaited,) = kept.snapshot["expected"]
    assert (awaited["kind"], awaited["amount_rp"]) == ("payout-missing", 1986)


async def test_what_is_not_due_yet_asks_for_no_note_and_stands_in_the_close(
    office: Office,
) -> None:
    await office.book([booked(1, f"{DAY}T08:00:00+07:00")])
    await office.reconcile(now=NOON_AFTER)
    assert await office.open() == set()
    kept = await close(office)
    assert kept.snapshot["differences"] == []
    until = f"{DAY + timedelta(days=3)}"
    awaited = {"kind": "file-missing", "of": "sandbox", "until": until, "count": 1}
    assert kept.snapshot["expected"] == [awaited | {"amount_rp": 2000}]


@pytest.mark.parametrize("state", CloseState)
def test_each_event_of_a_close_is_decided_in_each_state(state: CloseState) -> None:
    follows = {event: CLOSE_TABLE.get((state, event)) for event in CloseEvent}
    assert {event.value: after.value for event, after in follows.items() if after} == {
        "prepared": {"locked": "locked", "declined": "declined"},
        "locked": {"reopening_asked": "reopening"},
        "declined": {},
        "reopening": {"reopening_approved": "reopened", "reopening_refused": "locked"},
        "reopened": {},
    }[state]


async def test_what_came_after_the_officer_looked_keeps_the_day_open(office: Office) -> None:
    await office.reconcile()
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    with pytest.raises(DayHasDifferences):
        await close(office, now=all_due(DAY))


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


async def test_what_is_open_of_a_day_beside_its_money_is_listed_and_wants_a_note(
    office: Office, api: httpx.AsyncClient
) -> None:
    await clean_day(office)
    await office.reconcile()
    handheld = await on_shift(api, office.transactions, datetime.now(UTC))
    at = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    told = {"owner": "uji", "opened_at": NOON_AFTER}
    async with office.transactions.begin() as db:
        attendant = (await db.scalars(select(Shift.attendant_id))).one()
        stay, spot = new_id(), await spots.find(db, SPOT)
        unpaid = Stay(stay, spot, VehicleClass.CAR, None, None)
        await parking.start(db, Insertions(), [unpaid], now=at)
        of = {"device_id": handheld.device_id, "attendant_id": attendant}
        opened, counted, other = [
            Shift(
                id=new_id(), **of, token_hash=name.encode(), opened_at=begun,
                expires_at=begun + timedelta(hours=12),
            )
            for name, begun in (("a", at), ("b", at), ("c", at - timedelta(days=1)))
        ]  # fmt: skip
        case = QuarantineCase(id=new_id(), device_id=handheld.device_id, **told)
        db.add_all([opened, counted, other, case])
        await db.flush()
        db.add(
            ShiftClosing(
                shift_id=counted.id, closed_at=at, expected_rp=0, counted_rp=500, shown_rp=0,
                event_seq=1,
            )
        )  # fmt: skip
        await db.flush()
        db.add(ShiftDifference(shift_id=counted.id, difference_rp=500, **told))
        db.add(UnendedStay(parking_session_id=stay, owed_rp=2000, **told))
        for n, moment in enumerate(("bukan waktu", at.isoformat())):
            event = {"at": moment}
            db.add(
                QuarantinedEvent(
                    device_id=handheld.device_id, case_id=case.id, digest=bytes([n]) * 32,
                    event=event, reason="gap", received_at=NOON_AFTER,
                )
            )  # fmt: skip
        report = DeviceReport(device_id=handheld.device_id, reported_at=at, unsynced_count=3)
        await db.merge(report)
    with pytest.raises(DayHasDifferences):
        await close(office)
    kept = await close(office, note="ditangani besok")
    assert {e["kind"]: (e["count"], e["amount_rp"]) for e in kept.snapshot["exceptions"]} == {
        "quarantine": (1, 0), "count": (1, 500), "unended": (1, 2000), "unsynced": (1, 0),
        "shift": (1, 0),
    }  # fmt: skip


async def test_a_close_lists_what_makes_up_its_day(office: Office) -> None:
    await clean_day(office)
    await office.reconcile()
    lists = (await close(office)).snapshot["lists"]
    (payments,) = lists["payments"]
    assert payments | {"count": 0} == {
        "zone": "PSR", "means": "qris", "count": 0, "amount_rp": 18_000
    }  # fmt: skip
    (numbers,) = lists["receipts"]
    assert (numbers["first"], numbers["last"]) == (1, payments["count"])
    assert sum(b["net_rp"] for b in lists["batches"]) == 17_874
    assert sum(m["amount_rp"] for m in lists["movements"] if not m["rkud"]) == 17_874
    shas = {f["kind"]: f["sha256"] for f in lists["files"]}
    assert shas == {
        "settlement": hashlib.sha256(CSV).hexdigest(),
        "statement": hashlib.sha256(STATEMENT).hexdigest(),
    }


async def test_what_two_officers_matched_is_named_in_the_close_and_told_apart_in_an_sts(
    desk: Ties,
) -> None:
    await desk.end((await desk.held()).id, CaseOutcome.MATCHED, "BCH-A1")
    async with desk.transactions.begin() as db:
        listed = (await close_lists.lists(db, DAY))["movements"]
        every = (await db.scalars(select(Entry.id))).all()
        earned = await sources.moved(db, postings.BANK, every, desk.books.business_days)
    assert [(one["named"], one["amount_rp"]) for one in listed] == [("BCH-A1", 2000)]
    assert {source: rp for (_, source), rp in earned.items() if rp} == {"4110.PSR": 2000}


async def test_a_line_taken_back_does_not_settle_a_refund_that_is_held(office: Office) -> None:
    at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(1, at)])
    await office.settle(settlement(line(1, at)))
    async with office.transactions.begin() as db:
        told = (await db.scalars(select(SettlementLine))).one()
        names = ("file_id", "acquirer", "batch_id", "settlement_date", "paid_at", "reference")
        back = {name: getattr(told, name) for name in (*names, "acquirer_reference", "rrn")}
        back |= {"gross_rp": -2000, "mdr_rp": 0, "net_rp": -2000}
        db.add(SettlementLine(**back, line_number=3, takes_back_id=told.id))
        db.add(HeldLine(**back, line_number=2))
    async with office.transactions.begin() as db:
        left = await close_lists.exceptions(db, DAY, office.books)
    assert {"kind": "held", "count": 1, "amount_rp": -2000} in left


async def test_what_comes_for_a_closed_day_is_told_on_the_day_it_came(office: Office) -> None:
    await clean_day(office)
    await office.reconcile()
    await close(office)
    office.now = NOON_AFTER + timedelta(days=2)
    await office.bank(statement(DAY, (700, "BUNGA"), reference="STM-LATE"))
    came = DAY + timedelta(days=3)
    async with office.transactions.begin() as db:
        count, entries = await closing.posted_for_closed(db, came, office.books, 5)
        before, _ = await closing.posted_for_closed(db, came - timedelta(days=1), office.books, 5)
    assert (count, [entry.business_day for entry in entries], before) == (1, [DAY], 0)
