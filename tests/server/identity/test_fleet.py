"""What devices report of themselves: kept, judged, summed up by street, and forgotten in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from server.database import Transactions
from server.identity import fleet, links
from server.identity.fleet import Concern, concerns
from server.identity.models import DeviceReport, SpotLink
from server.office.signal import Hearing, Street, drawn, streets
from tests.server.handhelds import Handheld, on_shift

SPOT = "PSR-001-U"
WELL = {"battery_percent": 80, "charging": False, "storage_free_mb": 9000, "clock_offset_s": 1}


async def report(api: httpx.AsyncClient, handheld: Handheld, **told: Any) -> httpx.Response:
    path = f"/v1/devices/{handheld.device_id}/report"
    return await api.post(path, json=told, auth=handheld.signed)


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def test_a_device_tells_of_itself_and_what_it_does_not_know_is_unknown(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    await report(api, handheld, version=fleet.VERSION, signal_dbm=-61, **WELL)
    assert (await report(api, handheld, unsynced_count=3, quarantined_count=1)).status_code == 200
    async with transactions.begin() as db:
        (kept,) = await db.scalars(select(DeviceReport))
    assert (kept.unsynced_count, kept.quarantined_count) == (3, 1)
    assert (kept.battery_percent, kept.signal_dbm, kept.version) == (None, None, None)


@pytest.mark.parametrize(
    ("told", "concern"),
    [
        ({"battery_percent": 12}, Concern.BATTERY),
        ({"storage_free_mb": 80}, Concern.STORAGE),
        ({"clock_offset_s": -7200}, Concern.CLOCK),
        ({"version": "0.0.1"}, Concern.VERSION),
        ({"unsynced_count": 4, "oldest_unsynced_s": 7200}, Concern.UNSENT),
        ({"quarantined_count": 1}, Concern.HELD),
    ],
)
def test_what_somebody_should_see_to_is_named(told: dict[str, Any], concern: Concern) -> None:
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    well = DeviceReport(reported_at=now, version=fleet.VERSION, **WELL)
    assert concerns(well, on_shift=True, now=now) == []
    ill = DeviceReport(reported_at=now, **{"version": fleet.VERSION, **WELL, **told})
    assert concerns(ill, on_shift=True, now=now) == [concern]


def test_silence_matters_on_shift_and_a_low_battery_off_its_charger() -> None:
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    quiet = DeviceReport(reported_at=now - timedelta(hours=1), battery_percent=5, charging=True)
    assert concerns(quiet, on_shift=True, now=now) == [Concern.SILENT]
    assert concerns(quiet, on_shift=False, now=now) == []


async def test_what_is_heard_at_a_spot_is_summed_by_street_and_forgotten_after_a_month(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    heard = {"spot": SPOT, "pulses": 40, "lost": 10, "median_ms": 100}
    await report(api, handheld, links=[heard, heard])
    await report(api, handheld, links=[{"spot": SPOT, "pulses": 40, "lost": 40}])
    await report(api, handheld, links=[{"spot": "not a spot", "pulses": 1, "lost": 1}])
    async with transactions.begin() as db:
        found = await streets(db, datetime.now(UTC) - timedelta(days=1))
    worst = found[0]
    assert (worst.pulses, worst.lost, worst.latency_ms) == (120, 60, 100)
    assert worst.hearing is Hearing.DEAD
    assert {street.hearing for street in found[1:]} <= {Hearing.UNKNOWN}
    async with transactions.begin() as db:
        stranger = SpotLink(spot_code="X", day=now.date(), pulses=1, lost=0, answer_ms=9)
        stranger.day -= links.KEPT + timedelta(days=5)
        db.add(stranger)
    await links.prune(transactions, now=datetime.now(UTC))
    async with transactions.begin() as db:
        assert "X" not in (await db.scalars(select(SpotLink.spot_code))).all()


@pytest.mark.parametrize(
    "heard",
    [
        {"spot": SPOT, "pulses": 1, "lost": 2},
        {"spot": SPOT, "pulses": 2, "lost": 1},
        {"spot": SPOT, "pulses": 1, "lost": 1, "median_ms": 5},
        {"spot": SPOT, "pulses": 10**9, "lost": 10**9},
    ],
)
async def test_counts_that_do_not_agree_are_refused(
    api: httpx.AsyncClient, handheld: Handheld, heard: dict[str, Any]
) -> None:
    assert (await report(api, handheld, links=[heard])).status_code == 422


async def test_the_fleet_is_measured_without_naming_a_device(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    await report(api, handheld, unsynced_count=7, clock_offset_s=-90)
    await fleet.watch(transactions, now=datetime.now(UTC) + timedelta(minutes=30))
    text = (await api.get("/metrics")).text
    assert "karcis_device_unsynced_events 7.0" in text
    assert "karcis_device_clock_offset_seconds 90.0" in text
    assert str(handheld.device_id) not in text
    silent = fleet.LAST_SEEN._value.get()
    assert 1795 < silent < 1900


def street(latitude: float, longitude: float, pulses: int = 100, lost: int = 0) -> Street:
    return Street("Z", "Jl.", latitude, longitude, pulses, lost, (pulses - lost) * 90)


def test_the_map_keeps_north_up_and_every_street_inside() -> None:
    north, south = street(-2.50, 112.95), street(-2.60, 112.96)
    seen = drawn([north, south])
    assert seen.places[0][1] < seen.places[1][1]
    assert seen.places[0][0] < seen.places[1][0]
    assert all(0 < x < seen.width and 0 < y < seen.height for x, y in seen.places)
    assert drawn([north]).places == [(seen.width // 2, seen.height // 2)]
    assert drawn([]).places == []


@pytest.mark.parametrize(
    ("lost", "ms", "hearing"),
    [(0, 90, "good"), (4, 90, "good"), (5, 90, "broken"), (50, 90, "dead"), (0, 900, "slow")],
)
def test_how_a_street_hears_follows_from_what_was_lost(lost: int, ms: int, hearing: str) -> None:
    at = Street("Z", "Jl.", 0, 0, pulses=100, lost=lost, answer_ms=(100 - lost) * ms)
    assert at.hearing == hearing
    assert Street("Z", "Jl.", 0, 0, pulses=10, lost=10, answer_ms=0).hearing is Hearing.UNKNOWN
