"""Inspectors: today's stays as devices look in them, and what they asked and counted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from attendant_app import device_key, inspector, pool
from attendant_app.runtime import Handheld as Runtime
from attendant_app.settings import Settings as HandheldSettings
from attendant_app.store import Shift, Store, stamp
from domain.plate import keyed
from server import sample
from server.database import Transactions
from server.inspection import stays
from server.inspection.models import HeadCount, StayCheck
from server.inspection.stays import LiveStay, unrecorded
from server.payments import proofs
from server.payments import queries as payments
from server.payments.books import Books
from server.payments.models import Charge
from tests.server.booking import book
from tests.server.cluster import PASSWORD
from tests.server.conftest import PLATE_KEY
from tests.server.handhelds import Handheld, on_shift
from tests.server.sync.test_push import push

SPOT = "PSR-001-U"
COVER = text(
    "INSERT INTO covered_stays (id, exemption, shift_id, recorded_at)"
    " SELECT :id, 'ambulance', id, now() FROM shifts"
)
PAY = text("UPDATE payments SET state = 'paid' WHERE id = :id")


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def live(api: httpx.AsyncClient, handheld: Handheld, zone: str = "PSR") -> dict[str, Any]:
    answer = await api.get(f"/v1/zones/{zone}/live-stays", auth=handheld.signed)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_device_on_shift_gets_todays_paid_stays_and_nobody_else_does(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    made = await api.post(
        f"/v1/spots/{SPOT}/charges", json={"vehicle_class": "car", "plate": "KH 7731 ZQ"}
    )
    assert (await live(api, handheld))["stays"] == []  # asked for, and not paid
    async with transactions.begin() as db:
        await db.execute(PAY, {"id": made.json()["id"]})
    told = await live(api, handheld)
    [stay] = told["stays"]
    assert stay["plate"] == keyed("KH 7731 ZQ", PLATE_KEY.encode())
    assert (stay["spot_code"], stay["vehicle_class"], stay["paid"]) == (SPOT, "car", True)
    assert (told["grace_s"], told["plate_key"]) == (15 * 60, PLATE_KEY)
    assert "7731" not in str(stay["plate"])
    assert (await live(api, handheld, "RSU"))["stays"] == []
    handheld.token = ""
    refused = await api.get("/v1/zones/PSR/live-stays", auth=handheld.signed)
    assert refused.status_code == 401


async def test_a_stay_covered_by_a_pass_or_an_exemption_is_in_the_list(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    made = await api.post(f"/v1/spots/{SPOT}/charges", json={"vehicle_class": "car"})
    async with transactions.begin() as db:
        await db.execute(COVER, {"id": made.json()["id"]})
    assert [stay["paid"] for stay in (await live(api, handheld))["stays"]] == [False]


async def test_a_stay_bought_past_midnight_is_in_the_new_days_list(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    body = {"vehicle_class": "car", "minutes": 60}
    made = await api.post("/v1/spots/RSU-003-I/charges", json=body)
    async with transactions.begin() as db:
        await db.execute(PAY, {"id": made.json()["id"]})
        began = datetime.now(UTC)
        assert len(await stays.today(db, "RSU", began + timedelta(minutes=30))) == 1
        assert await stays.today(db, "RSU", began + timedelta(minutes=90)) == []


async def test_what_was_asked_and_counted_is_kept_and_shown(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    made = await api.post(f"/v1/spots/{SPOT}/charges", json={"vehicle_class": "car"})
    stay_id = made.json()["id"]
    async with transactions.begin() as db:
        await db.execute(PAY, {"id": stay_id})
    at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    asked = {"spot": SPOT, "asked_by": "plate", "list_age_s": 90}
    events = [
        handheld.event("stay_checked", at=at, body=asked | {"result": "live", "stay_id": stay_id}),
        handheld.event("stay_checked", at=at, body=asked | {"result": "none", "stay_id": None}),
        handheld.event("stay_checked", at=at, body=asked | {"result": "none", "plate": "KH 1 A"}),
        handheld.event("heads_counted", at=at, body={"spot": SPOT, "counted": {"car": 4}}),
    ]
    assert await push(api, handheld, *events) == ["accepted"] * 4
    async with transactions.begin() as db:
        checks = list(await db.scalars(select(StayCheck).order_by(StayCheck.seq)))
        assert [(c.result, str(c.stay_id)) for c in checks] == [("live", stay_id), ("none", "None")]
        [count] = await db.scalars(select(HeadCount))
        assert (count.counted, count.recorded) == ({"car": 4}, {"car": 1})
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    page = (await api.get("/office/inspections")).text
    assert "75 % (30–95 %)" in page
    assert "masih berlaku" in page


async def test_what_an_inspector_scans_offline_becomes_the_offices_row(
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    books: Books,
    tmp_path: Path,
) -> None:
    paid_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    master = (await api.get("/v1/masterdata", auth=handheld.signed)).json()
    money = {"acquirer_reference": "ACQ", "rrn": None, "amount_rp": 4000, "paid_at": paid_at}
    async with transactions.begin() as db:
        await book(db, books, reference="kami", **money)
        charge = await db.scalar(select(Charge))
        view = await payments.charge_view(db, charge.id)
    proof = proofs.of_view(view, books)
    async with httpx.AsyncClient() as nowhere:
        listed = await live(api, handheld)
        device = offline_device(master, listed, tmp_path, nowhere)
        number = view.receipt_number
        for text in (proof, f"http://127.0.0.1:8080/r/{number}", proof[:-4] + "AAAA"):
            inspector.inspect(device, text)
        told = [(event.at, event.body) for event in device.store.events_waiting(9)]
        device.store.close()
    events = [handheld.event("stay_checked", at=at, body=body) for at, body in told]
    assert await push(api, handheld, *events) == ["accepted"] * 3
    async with transactions.begin() as db:
        checks = list(await db.scalars(select(StayCheck).order_by(StayCheck.seq)))
    assert [(c.asked_by, c.result) for c in checks] == [
        ("proof", "live"),
        ("receipt", "live"),
        ("proof", "forged"),
    ]
    assert [c.stay_id for c in checks] == [charge.id, charge.id, None]
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    page = (await api.get("/office/inspections")).text
    assert page.count(">bukti bayar</td>") == 2
    assert ">palsu</td>" in page


def offline_device(
    master: dict[str, Any], listed: dict[str, Any], folder: Path, nowhere: httpx.AsyncClient
) -> Runtime:
    """The handheld's own program with what the office told it, on shift and without a network."""
    store, now = Store(folder), datetime.now(UTC)
    store.enrol("d-1", "HP 1", now)
    store.start_shift(Shift("s-1", sample.ATTENDANT, "Ahmad", None, stamp(now), stamp(now)))
    store.save_master_data(master, now)
    store.db.execute("INSERT INTO live_stays VALUES (1, 'PSR', ?)", (json.dumps(listed),))
    device = Runtime(HandheldSettings(data=folder), store, device_key.load_or_make(folder), nowhere)
    pool.work_at(device, SPOT)
    return device


NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)


def stay(minutes_ago: int, lasts: int | None, vehicle_class: str = "car") -> LiveStay:
    began = NOON - timedelta(minutes=minutes_ago)
    until = None if lasts is None else began + timedelta(minutes=lasts)
    return LiveStay(None, None, SPOT, vehicle_class, began, until, True, [])  # type: ignore[arg-type]


def test_who_stands_there_at_a_moment() -> None:
    found = stays.recorded(
        [stay(10, 60), stay(60, 60), stay(-1, 60), stay(119, None), stay(120, None, "truck")], NOON
    )
    assert found == {"car": 2}


@pytest.mark.parametrize(
    ("counted", "known", "told"),
    # Wilson's interval as published: 10 of 10, 1 of 10, and more recorded than were seen.
    [(10, 0, (1.0, 0.7225, 1.0)), (10, 9, (0.1, 0.0179, 0.4042)), (5, 9, (0.0, 0.0, 0.4345))],
)
def test_the_unrecorded_share_has_its_interval(
    counted: int, known: int, told: tuple[float, float, float]
) -> None:
    found = unrecorded(counted, known)
    assert found is not None
    assert [round(value, 4) for value in found] == list(told)


def test_of_no_vehicle_there_is_no_share() -> None:
    assert unrecorded(0, 3) is None
