"""What of the handhelds' reports wants somebody's attention, and the fleet as a few numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from uuid import UUID

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.device import DeviceState
from server.database import Transactions, fetch
from server.identity.models import Device, DeviceReport, Shift, ShiftClosing

VERSION = version("karcis")
SILENT = timedelta(minutes=10)
LOW_BATTERY_PERCENT = 20
LITTLE_STORAGE_MB = 500
WRONG_CLOCK_S = 60
UNSENT_S = 3600

LAST_SEEN = Gauge(
    "karcis_device_last_seen_seconds", "The longest that a device on shift has been silent"
)
UNSYNCED = Gauge(
    "karcis_device_unsynced_events", "Records that active devices last said they had not sent"
)
CLOCK_OFFSET = Gauge(
    "karcis_device_clock_offset_seconds", "The clock of an active device that is furthest off"
)


class Concern(StrEnum):
    """What somebody should see to."""

    SILENT = "silent"
    UNSENT = "unsent"
    HELD = "held"
    BATTERY = "battery"
    STORAGE = "storage"
    CLOCK = "clock"
    VERSION = "version"


def concerns(report: DeviceReport, *, on_shift: bool, now: datetime) -> list[Concern]:
    """What a device's last report gives cause for, the most pressing first."""
    charge, free = report.battery_percent, report.storage_free_mb
    found = {
        Concern.SILENT: on_shift and now - report.reported_at > SILENT,
        Concern.UNSENT: (report.oldest_unsynced_s or 0) > UNSENT_S,
        Concern.HELD: bool(report.quarantined_count),
        Concern.BATTERY: charge is not None
        and charge < LOW_BATTERY_PERCENT
        and not report.charging,
        Concern.STORAGE: free is not None and free < LITTLE_STORAGE_MB,
        Concern.CLOCK: abs(report.clock_offset_s or 0) > WRONG_CLOCK_S,
        Concern.VERSION: report.version not in (None, VERSION),
    }
    return [concern for concern, stands in found.items() if stands]


async def devices_on_shift(db: AsyncSession, *, now: datetime) -> set[UUID]:
    return set(await db.scalars(select(Shift.device_id).where(*_open(now))))


def _open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    closed = exists().where(ShiftClosing.shift_id == Shift.id)
    return Shift.expires_at > now, ~closed


async def watch(transactions: Transactions, *, now: datetime) -> None:
    """Set the metrics. They name no device: which one it is, the office's page says."""
    async with transactions.begin() as db:
        measured = await _measure(db, now)
    LAST_SEEN.set(measured.silent_s)
    UNSYNCED.set(measured.unsynced)
    CLOCK_OFFSET.set(measured.clock_offset_s)


@dataclass(frozen=True)
class Measured:
    silent_s: float
    unsynced: int
    clock_offset_s: int


async def _measure(db: AsyncSession, now: datetime) -> Measured:
    works = exists().where(Shift.device_id == Device.id, *_open(now))
    row = (
        await db.execute(
            select(
                func.min(DeviceReport.reported_at).filter(works),
                func.coalesce(func.sum(DeviceReport.unsynced_count), 0),
                func.coalesce(func.max(func.abs(DeviceReport.clock_offset_s)), 0),
            )
            .join(Device, Device.id == DeviceReport.device_id)
            .where(Device.state == DeviceState.ACTIVE)
        )
    ).one()
    silent_s = (now - row[0]).total_seconds() if row[0] else 0.0
    return Measured(silent_s, int(row[1]), int(row[2]))


async def count_silent(db: AsyncSession, now: datetime) -> int:
    """How many devices on a shift have not been heard for too long."""
    (row,) = await fetch(
        db,
        """SELECT count(DISTINCT h.device_id) AS n FROM shifts h
        JOIN device_reports r ON r.device_id = h.device_id
        WHERE h.expires_at > $1 AND r.reported_at < $2
        AND NOT EXISTS (SELECT FROM shift_closings x WHERE x.shift_id = h.id)""",
        now,
        now - SILENT,
    )
    return int(row["n"])
