"""How long a handheld is trusted while it is alone: by a clock that nobody sets."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from attendant_app import device_key, offline, problems, proofs, service
from attendant_app.proofs import Verdict
from attendant_app.runtime import Handheld
from attendant_app.settings import Settings
from attendant_app.store import Shift, Store, stamp
from tests.attendant_app.builders import MASTER_DATA, SPOT
from tests.attendant_app.test_proofs import SEAL, START, Clock, proof, tell

HOUR_S = 3600.0


class Device:
    """Its two clocks: the one people set, and the one that counts since it was started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = Clock(monkeypatch)
        monkeypatch.setattr(offline, "device_time", lambda: self.wall.now)
        self.up_s, self.boot = 5000.0, "first"
        monkeypatch.setattr(offline, "uptime_s", lambda: self.up_s)
        monkeypatch.setattr(offline, "boot", lambda: self.boot)

    def wait(self, hours: float) -> None:
        self.up_s += hours * HOUR_S
        self.wall.now += timedelta(hours=hours)

    def restart(self, off_hours: float = 0.0) -> None:
        self.boot, self.up_s = f"after {self.boot}", 10.0
        self.wall.now += timedelta(hours=off_hours)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Device:
    return Device(monkeypatch)


@pytest.fixture
async def handheld(tmp_path: Path, clocks: Device) -> AsyncIterator[Handheld]:
    store = Store(tmp_path)
    store.enrol("d-1", "HH", START)
    store.start_shift(Shift("s-1", "J-001", "Ahmad", "token", stamp(START), stamp(START)))
    async with httpx.AsyncClient() as http:
        made = Handheld(Settings(data=tmp_path), store, device_key.load_or_make(tmp_path), http)
        tell(made)
        offline.heard(made)
        yield made
    store.close()


def left_h(handheld: Handheld) -> float:
    offline.note(handheld)
    return offline.window(handheld).left_s / HOUR_S


def test_it_counts_down_from_the_last_answer(handheld: Handheld, clocks: Device) -> None:
    clocks.wait(5)
    assert left_h(handheld) == 7
    offline.heard(handheld)
    assert left_h(handheld) == 12
    clocks.wait(11.99)
    assert not offline.is_over(handheld)
    clocks.wait(0.02)
    assert offline.is_over(handheld)
    handheld.link.online = True
    assert not offline.is_over(handheld)


@pytest.mark.parametrize("set_by", [timedelta(days=-400), timedelta(hours=-26), timedelta(days=9)])
def test_setting_the_clock_changes_nothing(
    handheld: Handheld, clocks: Device, set_by: timedelta
) -> None:
    clocks.wait(3)
    clocks.wall.now += set_by
    assert left_h(handheld) == 9
    clocks.wait(10)
    assert left_h(handheld) == 0


def test_over_a_restart_the_time_it_was_off_counts(handheld: Handheld, clocks: Device) -> None:
    clocks.wait(3)
    assert left_h(handheld) == 9
    clocks.restart(off_hours=5)
    assert left_h(handheld) == 4
    clocks.wait(4)
    assert left_h(handheld) == 0


def test_restarts_with_the_clock_set_back_win_only_what_it_was_off(
    handheld: Handheld, clocks: Device
) -> None:
    for _ in range(5):
        for _ in range(4):  # what had passed is written down as it passes
            clocks.wait(0.625)
            offline.note(handheld)
        clocks.restart()
        clocks.wall.now -= timedelta(days=30)
        offline.note(handheld)
    assert left_h(handheld) == 0


async def test_when_it_is_over_only_cash_goes_on(handheld: Handheld, clocks: Device) -> None:
    clocks.wait(13)
    reading = proofs.judge(handheld, SEAL.sign(proof(paid_at=clocks.wall.now)))
    assert reading.verdict is Verdict.ALONE
    proofs.take(handheld, reading)
    assert handheld.store.events() == []
    with pytest.raises(problems.OfflineTooLong):
        await service.request_charge(handheld, SPOT, "motorcycle")
    cash = await service.take_cash(handheld, SPOT, "motorcycle")
    assert cash.quoted_rp == 2000


def test_a_list_of_void_proofs_that_is_not_of_today_is_said(
    handheld: Handheld, clocks: Device
) -> None:
    assert offline.old_list(handheld) is None
    clocks.wait(24)
    told = offline.old_list(handheld)
    assert told is not None
    assert told == START
    handheld.store.save_master_data(MASTER_DATA, handheld.office_time())
    assert offline.old_list(handheld) is None
