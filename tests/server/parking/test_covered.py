"""Stays that cost nothing: kept once, whatever the office knows by then, and counted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from domain.covered import serial
from domain.tariff import VehicleClass
from server.database import Transactions, new_id
from server.identity import service as identity
from server.ledger import postings
from server.parking import covered
from server.parking.covered import NewPass
from server.parking.covered_models import Exemption
from server.payments.books import Books
from server.reconciliation import deposits
from server.reconciliation.deposits import DepositKnown, PaidIn, SlipUnfit
from server.sync import service as sync
from tests.server.handhelds import Handheld, on_shift
from tests.server.payments.conftest import database_url

__all__ = ["database_url"]  # afterwards every invariant is asked

SPOT = "PSR-001-U"
NOW = datetime.now(UTC)
TODAY = NOW.date()
YEAR = timedelta(days=365)


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions) -> Handheld:
    return await on_shift(api, transactions, NOW)


async def registered(transactions: Transactions, **changes: Any) -> str:
    wanted = {
        "classes": (VehicleClass.CAR,), "zones": ("PSR",),
        "valid_from": TODAY - YEAR, "valid_until": TODAY + YEAR,
    }  # fmt: skip
    async with transactions.begin() as db:
        made = await covered.register(db, NewPass(**{**wanted, **changes}), "uji", now=NOW)
    return made.serial


async def ambulances(transactions: Transactions, since: date, article: str = "Perda 1 ps. 9"):
    row = Exemption(
        code="ambulans", picture="ambulance", vehicle_class="car", label_id="Ambulans",
        label_en="Ambulance", regulation=article, valid_from=since,
    )  # fmt: skip
    async with transactions.begin() as db:
        await covered.exempt(db, row)


async def rows(transactions: Transactions) -> list[dict[str, Any]]:
    from sqlalchemy import text

    async with transactions.begin() as db:
        found = await db.execute(
            text(
                "SELECT c.*, s.vehicle_class, s.exclusive FROM covered_stays c"
                " JOIN parking_sessions s ON s.id = c.id ORDER BY s.started_at, c.id"
            )
        )
        return [dict(row) for row in found.mappings()]


async def shift_of(transactions: Transactions) -> UUID:
    from sqlalchemy import text

    async with transactions.begin() as db:
        found: UUID = (await db.execute(text("SELECT id FROM shifts"))).scalar_one()
    return found


async def tell(api: httpx.AsyncClient, handheld: Handheld, *events: dict[str, Any]) -> None:
    answer = await api.post("/v1/sync", json={"events": list(events)}, auth=handheld.signed)
    assert {told["outcome"] for told in answer.json()["results"]} <= {"accepted", "duplicate"}


async def test_what_a_handheld_recorded_is_kept_once_with_the_offices_doubt(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    good = await registered(transactions)
    bikes = await registered(transactions, classes=(VehicleClass.MOTORCYCLE,))
    elsewhere = await registered(transactions, zones=("RSU",))
    old = await registered(transactions, valid_until=TODAY - timedelta(days=3))
    gone = await registered(transactions, zones=())
    async with transactions.begin() as db:
        for _ in range(2):
            await covered.revoke(db, gone, "dijual", now=NOW - timedelta(hours=1))
        with pytest.raises(covered.PassNotFound):
            await covered.revoke(db, serial(99), "x", now=NOW)
    await ambulances(transactions, TODAY - YEAR)
    shift = str(await shift_of(transactions))
    at = NOW.isoformat()
    expected = []
    for reason, doubt in (
        ({"pass": good}, None),
        ({"pass": bikes}, "other-class"),
        ({"pass": elsewhere}, "other-zone"),
        ({"pass": old}, "out-of-time"),
        ({"pass": gone}, "revoked"),
        ({"pass": serial(77)}, "unknown"),
        ({"exemption": "ambulans"}, None),
        ({"exemption": "roket"}, "unknown"),
    ):
        kind = "stay_covered" if "pass" in reason else "stay_exempted"
        body = {
            "stay_id": str(new_id()), "shift_id": shift, "spot": SPOT, "vehicle_class": "car",
            **reason,
        }  # fmt: skip
        handheld.event(kind, at=at, body=body)
        expected.append((body["stay_id"], doubt))
    for _ in range(2):
        await tell(api, handheld, *handheld.chain)
    kept = await rows(transactions)
    assert {str(row["id"]): row["doubt"] for row in kept} == dict(expected)
    assert not any(row["exclusive"] for row in kept)
    async with transactions.begin() as db:
        counted = await covered.per_attendant(db, NOW - timedelta(1), NOW + timedelta(1))
    assert counted == [("J-001", "langganan", 6, 5), ("J-001", "ambulans", 1, 0),
                       ("J-001", "roket", 1, 1)]  # fmt: skip


async def test_a_fact_that_says_nothing_sensible_stays_in_the_journal_only(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    whole = {
        "stay_id": str(new_id()), "shift_id": str(await shift_of(transactions)), "spot": SPOT,
        "vehicle_class": "car", "pass": serial(1),
    }  # fmt: skip
    for body in (
        {},
        whole | {"vehicle_class": "boat"},
        whole | {"spot": "bukan titik"},
        whole | {"shift_id": str(new_id())},
        {name: value for name, value in whole.items() if name != "pass"},
    ):
        handheld.event("stay_covered", at=NOW.isoformat(), body=body)
    await tell(api, handheld, *handheld.chain)
    assert await rows(transactions) == []


@pytest.mark.parametrize(
    ("at", "kept"),
    [(NOW.isoformat(), 1), ("0001-01-01T00:00:00+07:00", 0), ("9999-12-31T23:00:00-07:00", 0)],
    ids=["now", "first-year", "last-year"],  # not the moment: workers must agree on the names
)
async def test_no_far_date_stops_a_handheld(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, at: str, kept: int
) -> None:
    for_ever = await registered(transactions, valid_from=date.min, valid_until=date.max)
    body = {
        "stay_id": str(new_id()), "shift_id": str(await shift_of(transactions)), "spot": SPOT,
        "vehicle_class": "car", "pass": for_ever,
    }  # fmt: skip
    handheld.event("stay_covered", at=at, body=body)
    handheld.event("heads_counted", at=at, body={"spot": SPOT, "counted": {"car": 1}})
    await tell(api, handheld, *handheld.chain)
    assert [row["doubt"] for row in await rows(transactions)] == [None] * kept


async def test_handhelds_are_told_of_revoked_passes_and_of_exemptions_in_force(
    app: FastAPI, transactions: Transactions, books: Books, settings
) -> None:
    gone, old = await registered(transactions), None
    old = await registered(transactions, valid_until=TODAY - timedelta(days=3))
    await ambulances(transactions, TODAY - YEAR)
    await ambulances(transactions, TODAY + timedelta(days=5), "Perda 2 ps. 3")
    async with transactions.begin() as db:
        for pass_serial in (gone, old):
            await covered.revoke(db, pass_serial, "dijual", now=NOW)
        told = await sync.master_data(db, books, settings, app.state.payments.issuer, now=NOW)
    assert told.passes.revoked == [gone]
    added = [e for e in told.exemptions if "sampel" not in e.regulation]
    assert [(e.regulation, e.valid_until) for e in added] == [
        ("Perda 1 ps. 9", TODAY + timedelta(days=4)),
        ("Perda 2 ps. 3", None),
    ]


async def test_a_pass_is_earned_by_its_slip_once(transactions: Transactions, books: Books) -> None:
    sold = await registered(transactions, price_rp=50_000)
    paid = PaidIn(sold, postings.for_pass_sold(50_000), 50_000, "SLIP 778811", TODAY)
    day = books.day(NOW)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, "bendahara")
        paid = PaidIn(sold, paid.legs, 50_000, "SLIP 778811", day)
        await deposits.record_paid_in(db, paid, books, officer, now=NOW)
        with pytest.raises(DepositKnown):
            await deposits.record_paid_in(db, paid, books, officer, now=NOW)
        unfit = PaidIn(sold, paid.legs, 50_000, "slip", day)
        with pytest.raises(SlipUnfit):
            await deposits.record_paid_in(db, unfit, books, officer, now=NOW)
