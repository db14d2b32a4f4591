"""A driver's own stay: extended for the exact rest, ended and paid, and a barcode made anew."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import func, select

from server.casework.models import CaseKind
from server.casework.service import AlreadyDecided
from server.database import Transactions
from server.parking.models import ParkingSession, UnendedStay
from server.payments import unended
from server.payments.models import OWNER
from server.settings import Settings
from tests.server.conftest import CLIENT_SECRET
from tests.server.deciding import close_by_two
from tests.server.driver.conftest import Driver
from tests.server.payments.conftest import EXCLUSIVE, Office, violations
from tests.server.payments.voice import Voice

HOUR = timedelta(hours=1)
DAY_RP = 20000
OPEN = select(UnendedStay).where(UnendedStay.closed_at.is_(None), ~unended.IS_PAID)
"""The most that a day costs a car at the hourly spot."""


async def page(driver: Driver, path: str) -> str:
    answer = await driver.api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def slug(driver: Driver, path: str, **form: object) -> str:
    answer = await driver.send(path, **form)
    return str(answer.json()["slug"]) if answer.is_error else answer.headers["location"]


async def test_a_running_stay_is_extended_for_what_the_longer_one_costs_more(
    driver: Driver, database_url: str
) -> None:
    stay = await driver.asks(minutes=60, told_rp=4000)
    assert "Perpanjang" not in await page(driver, f"/s/{stay}")  # nothing is paid yet
    await driver.pays(stay)
    shown = await page(driver, f"/s/{stay}")
    assert "Dibayar sampai" in shown
    assert '<option value="60">1 jam: Rp2.000' in shown
    answer = await driver.send(f"/s/{stay}/extend", minutes=60)
    more = answer.headers["location"]
    assert "Rp2.000" in await page(driver, more)
    # Until it is paid, the stay is paid until when it was.
    assert "Bayar tagihan yang menunggu" in await page(driver, f"/s/{stay}")
    async with driver.app.state.transactions.begin() as db:
        row = await db.get_one(ParkingSession, stay)
        assert row.ends_at is not None
        assert row.ends_at - row.started_at == 2 * HOUR
    await driver.pays(_id(more))
    assert (await driver.charge(_id(more)))["amount_rp"] == 2000
    assert f'href="/s/{stay}"' in await page(driver, more)
    assert await violations(database_url) == {}


def _id(location: str) -> UUID:
    return UUID(location.rsplit("/", 1)[-1])


async def test_time_that_is_over_is_not_extended(driver: Driver) -> None:
    stay = await driver.asks(minutes=60, told_rp=4000)
    await driver.pays(stay)
    await driver.waits(stay, HOUR + timedelta(seconds=1))
    shown = await page(driver, f"/s/{stay}")
    assert "Waktu parkir habis" in shown
    assert "Perpanjang parkir" not in shown
    assert await slug(driver, f"/s/{stay}/extend", minutes=60) == "stay-over"


async def test_who_does_not_know_how_long_pays_when_he_leaves(
    driver: Driver, database_url: str
) -> None:
    stay = await driver.asks(minutes=0)
    await driver.waits(stay, HOUR + timedelta(minutes=5))
    shown = await page(driver, f"/s/{stay}")
    assert "Parkir berjalan, bayar saat selesai" in shown
    assert "Rp6.000" in shown  # two hours have begun
    assert re.search(r"setelah 1 jam \d+ menit", shown)
    form = {"id": str(uuid4())}
    first, again = [await driver.send(f"/s/{stay}/leave", **form) for _ in range(2)]
    assert first.headers["location"] == again.headers["location"] == f"/c/{form['id']}"
    charge = _id(first.headers["location"])
    assert (await driver.charge(charge))["amount_rp"] == 6000
    await driver.lets_lapse(charge)
    assert "Parkir selesai, belum dibayar" in await page(driver, f"/s/{stay}")
    renewed = _id(await slug(driver, f"/c/{charge}/again"))
    assert (await driver.charge(renewed))["amount_rp"] == 6000
    await driver.pays(renewed)
    assert "Parkir selesai, lunas" in await page(driver, f"/s/{stay}")
    assert await slug(driver, f"/s/{stay}/leave") == "stay-over"
    assert await violations(database_url) == {}


async def test_a_spot_for_one_vehicle_is_paid_beforehand(driver: Driver) -> None:
    """Else it could be reserved without a rupiah."""
    assert "bayar saat selesai" not in await page(driver, f"/p/{EXCLUSIVE}")
    refused = await slug(driver, f"/p/{EXCLUSIVE}", vehicle_class="car", minutes=0)
    assert refused == "paid-beforehand"


async def test_a_stay_that_nobody_ends_ends_by_itself_and_is_still_owed(
    driver: Driver, transactions: Transactions, database_url: str
) -> None:
    books = driver.app.state.payments.books
    forgotten, forgiven, left, paid = [await driver.asks(minutes=0) for _ in range(4)]
    for stay in (forgotten, forgiven, left):
        await driver.waits(stay, timedelta(hours=25))
    await slug(driver, f"/s/{left}/leave")
    await slug(driver, f"/s/{paid}/leave")
    now = datetime.now(UTC)
    assert await unended.end_all(transactions, books, now=now) == 2
    assert await unended.end_all(transactions, books, now=now) == 0
    shown = await page(driver, f"/s/{forgotten}")
    assert "Parkir selesai, belum dibayar" in shown
    assert "berakhir sendiri setelah 24 jam" in shown
    assert "untuk 24 jam<" in shown
    async with transactions.begin() as db:
        row = await db.get_one(ParkingSession, forgotten)
        assert row.ended_at is not None
        assert row.ended_at - row.started_at == 24 * HOUR
        listed = (await db.scalars(OPEN)).all()
        assert {each.parking_session_id for each in listed} == {forgotten, forgiven}
        assert {(each.owner, each.owed_rp) for each in listed} == {(OWNER, DAY_RP)}
    await close_by_two(transactions, CaseKind.UNENDED, forgiven, "pergi pukul 9", now)
    with pytest.raises(AlreadyDecided):
        await close_by_two(transactions, CaseKind.UNENDED, forgiven, "lagi", now)
    assert "Tidak ada yang perlu dibayar" in await page(driver, f"/s/{forgiven}")
    # Who comes back pays what is owed, and the case is gone.
    charge = _id(await slug(driver, f"/s/{forgotten}/leave"))
    assert (await driver.charge(charge))["amount_rp"] == DAY_RP
    await driver.pays(charge)
    assert "Parkir selesai, lunas" in await page(driver, f"/s/{forgotten}")
    async with transactions.begin() as db:
        assert (await db.scalars(OPEN)).all() == []
    assert await violations(database_url) == {}


async def test_only_a_stay_that_a_driver_began_is_ended_by_its_link(
    driver: Driver, acquirer_key: RSAPrivateKey, settings: Settings
) -> None:
    voice = Voice(acquirer_key, CLIENT_SECRET, settings.acquirer_merchant_id)
    handheld = await Office(driver.app, voice).open_shift()
    begun = str(uuid4())
    answer = await driver.api.post(
        "/v1/spots/RSU-003-I/stays",
        json={"id": begun, "vehicle_class": "car"},
        auth=handheld.signed,
    )
    assert answer.status_code == 201
    assert "Selesai parkir" not in await page(driver, f"/s/{begun}")
    assert await slug(driver, f"/s/{begun}/leave") == "stay-of-attendant"
    stay = await driver.asks(minutes=60, told_rp=4000)
    await driver.pays(stay)
    assert await slug(driver, f"/s/{stay}/leave") == "stay-over"


async def test_a_barcode_that_lapsed_is_made_anew_for_the_same_stay(
    driver: Driver, transactions: Transactions, database_url: str
) -> None:
    old = await driver.asks(minutes=120, told_rp=6000, plate="KH 1234 AB")
    assert await slug(driver, f"/c/{old}/again") == "barcode-not-lapsed"
    await driver.lets_lapse(old)
    form = {"id": str(uuid4())}
    first, again = [await driver.send(f"/c/{old}/again", **form) for _ in range(2)]
    assert first.headers["location"] == again.headers["location"] == f"/c/{form['id']}"
    renewed = _id(first.headers["location"])
    assert (await driver.charge(renewed))["amount_rp"] == 6000
    async with transactions.begin() as db:
        was, now = await db.get_one(ParkingSession, old), await db.get_one(ParkingSession, renewed)
        assert (was.state, now.state) == ("voided", "open")
        assert now.plate_masked == was.plate_masked == "KH 1••• AB"
        assert now.plate_hash == was.plate_hash
        assert now.ends_at is not None
        assert now.ends_at - now.started_at == 2 * HOUR
        assert await db.scalar(select(func.count()).select_from(ParkingSession)) == 2
    await driver.pays(renewed)
    assert await violations(database_url) == {}


async def test_an_extension_that_lapsed_is_made_anew(driver: Driver) -> None:
    stay = await driver.asks(minutes=60, told_rp=4000)
    await driver.pays(stay)
    more = _id(await slug(driver, f"/s/{stay}/extend", minutes=120))
    await driver.lets_lapse(more)
    renewed = _id(await slug(driver, f"/c/{more}/again"))
    assert (await driver.charge(renewed))["amount_rp"] == 4000


@pytest.mark.parametrize("path", ["/s/{}/extend", "/s/{}/leave", "/c/{}/again"])
async def test_a_form_of_another_site_is_refused(driver: Driver, path: str) -> None:
    stay = await driver.asks(minutes=0)
    answer = await driver.api.post(
        path.format(stay), data={"id": str(uuid4())}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert (answer.status_code, answer.json()["slug"]) == (403, "foreign-form")
