"""What a device tells of itself: from files as Linux writes them, and to the office as it runs."""

from pathlib import Path

import pytest

from attendant_app import device_report
from attendant_app.signals import MOST_SPOTS, Signals
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

WIRELESS = """\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  {level}  -256        0      0      0      0      5        0
"""


def supply(folder: Path, name: str, **values: str) -> None:
    (folder / name).mkdir(parents=True)
    for file, text in values.items():
        (folder / name / file).write_text(f"{text}\n")


def test_the_battery_is_the_devices_own(tmp_path: Path) -> None:
    assert device_report.battery(tmp_path / "none") == {}
    supply(tmp_path, "AC", type="Mains", online="1")
    supply(tmp_path, "A-mouse", type="Battery", scope="Device", capacity="5", status="Discharging")
    assert device_report.battery(tmp_path) == {}
    supply(tmp_path, "BAT0", type="Battery", capacity="73", status="Discharging")
    assert device_report.battery(tmp_path) == {"battery_percent": 73, "charging": False}


@pytest.mark.parametrize(
    ("level", "told"), [("-56.", -56), ("-110", -110), ("190.", None), ("0", None), ("x", None)]
)
def test_the_signal_is_told_where_it_is_in_decibels(
    tmp_path: Path, level: str, told: int | None
) -> None:
    file = tmp_path / "wireless"
    assert device_report.signal_dbm(file) is None
    file.write_text(WIRELESS.format(level=level))
    assert device_report.signal_dbm(file) == told


def test_what_was_heard_waits_until_it_is_told() -> None:
    signals = Signals()
    signals.note(5)
    assert signals.take() == {}  # nobody has said where
    signals.spot = SPOT
    for taken_ms in (100, None, 300):
        signals.note(taken_ms)
    taken = signals.take()
    signals.note(500)
    signals.put_back(taken)
    (heard,) = signals.take().values()
    assert heard.told(SPOT) == {"spot": SPOT, "pulses": 4, "lost": 1, "median_ms": 300}
    for number in range(3 * MOST_SPOTS):
        signals.spot = f"spot {number}"
        signals.note(None)
    told = [heard.told(spot) for spot, heard in signals.take().items()]
    assert len(told) == MOST_SPOTS
    assert told[0] == {"spot": "spot 0", "pulses": 1, "lost": 1}


def test_a_running_device_reports_itself_and_how_it_heard_the_street(
    device: Device, office: Office
) -> None:
    until(lambda: office.reports)  # at enrolment, before there is anything to send
    device.sign_in()
    first = office.reports[0]
    assert first["version"] == device_report.VERSION
    assert first["storage_free_mb"] > 0
    assert (first["unsynced_count"], first["quarantined_count"]) == (0, 0)
    office.state = "suspended"  # a device that may not work reports every five seconds
    device.kill()
    device.start()
    device.http.get(f"/spots/{SPOT}")

    def heard() -> list[dict[str, object]]:
        links = [link for report in office.reports for link in report["links"]]
        return [link for link in links if link["pulses"] > link["lost"]]

    told = until(heard)[0]
    assert told["spot"] == SPOT
    assert told["median_ms"] >= 0
