"""What this device tells the office of itself.

A value the device does not give is left out: the office shows it as unknown, never as nought.
"""

import shutil
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attendant_app import server_api
from attendant_app.runtime import Handheld, device_time

VERSION = version("karcis")
POWER = Path("/sys/class/power_supply")
WIRELESS = Path("/proc/net/wireless")


async def send(handheld: Handheld, device_id: str) -> dict[str, Any]:
    """Tell the office; its answer says where this device stands. Raises as `server_api.call`."""
    heard = handheld.signals.take()
    body = {**facts(handheld), "links": [at.told(spot) for spot, at in heard.items()]}
    try:
        answer = await server_api.call(
            handheld.http, "POST", f"/v1/devices/{device_id}/report", body=body
        )
    except (server_api.NoAnswer, server_api.Refusal):
        handheld.signals.put_back(heard)
        raise
    return answer.body


def facts(handheld: Handheld) -> dict[str, Any]:
    count, oldest = handheld.store.unsynced()
    age = device_time() - datetime.fromisoformat(oldest) if oldest else None
    told = {
        "version": VERSION,
        **battery(POWER),
        "signal_dbm": signal_dbm(WIRELESS),
        "storage_free_mb": shutil.disk_usage(handheld.settings.data).free // 1_000_000,
        "clock_offset_s": round(handheld.link.clock_offset_s),
        "unsynced_count": count,
        "oldest_unsynced_s": max(0, int(age.total_seconds())) if age else None,
        "quarantined_count": handheld.store.quarantined(),
    }
    return {name: value for name, value in told.items() if value is not None}


def battery(supplies: Path) -> dict[str, Any]:
    """Charge and whether it is charging, of the device's own battery as Linux tells it."""
    for supply in sorted(supplies.glob("*")):
        # `scope` is Device for a mouse's or a pen's battery, and absent or System for our own.
        if _line(supply / "type") != "Battery" or _line(supply / "scope") == "Device":
            continue
        charge = _line(supply / "capacity")
        if charge.isdecimal():
            charging = _line(supply / "status") in ("Charging", "Full")
            return {"battery_percent": min(int(charge), 100), "charging": charging}
    return {}


def signal_dbm(wireless: Path) -> int | None:
    """The Wi-Fi's level; unknown for a modem, which has no file that says."""
    for line in _text(wireless).splitlines()[2:]:  # two lines of headings
        try:
            level = round(float(line.split()[3]))
        except (IndexError, ValueError):
            continue
        # Some drivers count 0 to 100 or an unsigned byte here: that is no dBm.
        if -120 <= level < 0:
            return level
    return None


def _line(path: Path) -> str:
    return _text(path).strip()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
