"""How the system itself is, in plain words: what runs, what waits, and since when."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import REGISTRY

from server import pages
from server.database import Transaction, fetch
from server.office.signed_in import OfficerDep
from server.payments import choices
from server.payments.choices import Doing
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
GIGABYTE = 10**9
LITTLE_DISK = 10
"""Percent of a disk: with less left somebody should see to it."""

# Each along an index, whatever there is.
ASKED = """
    SELECT (SELECT received_at FROM notifications ORDER BY id DESC LIMIT 1) AS notified_at,
        (SELECT max(imported_at) FROM imported_files WHERE kind = 'settlement') AS settled_at,
        (SELECT max(imported_at) FROM imported_files WHERE kind = 'statement') AS banked_at,
        (SELECT max(ran_at) FROM reconciliations) AS reconciled_at,
        (SELECT max(at) FROM audit_sweeps) AS sealed_at,
        (SELECT max(made_at) FROM audit_checkpoints) AS checkpoint_at,
        (SELECT waiting_at FROM takings_swept) AS summed_at,
        (SELECT count(*) FROM charges WHERE next_inquiry_at < $1) AS late_inquiries,
        (SELECT count(*) FROM refunds WHERE next_inquiry_at < $1) AS late_refunds,
        (SELECT count(*) FROM outbox WHERE fanned_out_at IS NULL) AS untold,
        (SELECT count(*) FROM webhook_deliveries WHERE next_attempt_at < $1) AS undelivered,
        (SELECT coalesce(sum(r.unsynced_count), 0) FROM device_reports r
            JOIN devices d ON d.id = r.device_id WHERE d.state = 'active') AS unsynced,
        (SELECT count(*) FROM quarantine_cases WHERE closed_at IS NULL) AS quarantined,
        (SELECT count(*) FROM report_schedules
            WHERE ended_at IS NULL AND failed_at IS NOT NULL) AS unwritten,
        (SELECT count(*) FROM report_schedules s
            WHERE ended_at IS NULL AND too_long_until > coalesce((
                SELECT max(last_day) FROM scheduled_files WHERE schedule_id = s.id
            ), '-infinity')) AS left_out,
        (SELECT count(*) FROM (
            SELECT sent_at, tries, failure FROM scheduled_mails
            UNION ALL SELECT sent_at, tries, failure FROM left_out_mails
        ) mails WHERE sent_at IS NULL AND tries > 0 AND failure IS NOT NULL) AS unmailed,
        pg_database_size(current_database()) AS bytes
"""
JOBS = """
    SELECT entrypoint, max(last_run) AS last_run, min(next_run) AS next_run
    FROM pgqueuer_schedules GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True)
class Fact:
    """One thing about the system: its name in words.html, when or how many, and whether it is well;
    None where nothing can be said of that.
    """

    name: str
    at: datetime | None = None
    count: int | None = None
    well: bool | None = None


@router.get("/health")
async def health_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    now = datetime.now(UTC)
    (row,) = await fetch(db, ASKED, now - timedelta(minutes=2))
    jobs = await fetch(db, JOBS)
    doing = await choices.doing(db, now) if len(wired.acquirers) > 1 else {}
    disk = shutil.disk_usage(pages.HERE)
    return pages.render(
        request,
        TEMPLATES,
        "health.html",
        books=wired.books,
        now=now,
        happened=list(_happened(row, now)),
        waits=list(_waits(row)),
        jobs=[(job["entrypoint"], job["last_run"], _late(job, now)) for job in jobs],
        acquirers=[
            (each.profile.name, doing.get(each.profile.name, Doing())) for each in wired.acquirers
        ],
        checked_at=_checked_at(),
        violations=_violations(),
        database_gb=row["bytes"] / GIGABYTE,
        free_gb=disk.free / GIGABYTE,
        free_percent=disk.free * 100 // disk.total,
        little_disk=LITTLE_DISK,
    )


def _happened(row: Any, now: datetime) -> Iterator[Fact]:
    """When something happened last; well while that is not too long ago."""
    for name, most in (
        ("sealed_at", timedelta(hours=2)),
        ("checkpoint_at", timedelta(hours=26)),
        ("summed_at", timedelta(minutes=10)),
        ("notified_at", None),
        ("settled_at", timedelta(days=4)),
        ("banked_at", timedelta(days=4)),
        ("reconciled_at", timedelta(days=4)),
    ):
        at = row[name]
        yield Fact(name, at=at, well=None if at is None or most is None else now - at <= most)


def _waits(row: Any) -> Iterator[Fact]:
    """How many wait that should not; records of handhelds may."""
    for name in (
        "late_inquiries",
        "late_refunds",
        "untold",
        "undelivered",
        "quarantined",
        "unwritten",
        "left_out",
        "unmailed",
    ):
        yield Fact(name, count=row[name], well=row[name] == 0)
    yield Fact("unsynced", count=int(row["unsynced"]))


def _late(job: Any, now: datetime) -> bool:
    return bool(job["next_run"] < now - timedelta(minutes=10))


def _violations() -> int:
    """How many invariants this process last found broken."""
    return sum(
        1
        for metric in REGISTRY.collect()
        if metric.name == "karcis_invariant_violations"
        for sample in metric.samples
        if sample.value
    )


def _checked_at() -> datetime | None:
    """When this process looked at the invariants; None where another one keeps the timetable."""
    name = "karcis_invariants_checked_timestamp_seconds"
    told = [REGISTRY.get_sample_value(name, {"rows": rows}) for rows in ("all", "recent")]
    latest = max((moment for moment in told if moment), default=None)
    return None if latest is None else datetime.fromtimestamp(latest, UTC)
