"""How the office answers complaints: how many, in time or late, how soon, and opened once more."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from statistics import median_high
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.complaints.models import Complaint, ComplaintChange
from server.complaints.states import ComplaintKind, ComplaintState
from server.identity.service import Right
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said
from server.spots.models import Spot, Zone

GROUP = Said("Pelayanan", "Service")
KINDS = {
    ComplaintKind.OVERCHARGED: Said("diminta lebih dari tarif", "asked for more than the tariff"),
    ComplaintKind.NO_RECEIPT: Said("karcis tidak diberikan atau palsu", "no receipt, or a false"),
    ComplaintKind.QR_NOT_OFFERED: Said("QRIS tidak ditawarkan", "QRIS not offered"),
    ComplaintKind.ATTENDANT: Said("perilaku petugas", "an attendant's conduct"),
    ComplaintKind.SIGN: Said("tanda atau stiker mencurigakan", "a suspicious sign or sticker"),
    ComplaintKind.PAID_NOT_RECORDED: Said("sudah bayar, tidak tercatat", "paid, not recorded"),
    ComplaintKind.NOTICE: Said("keberatan atas pemberitahuan", "objection to a notice"),
    ComplaintKind.OTHER: Said("lainnya", "other"),
}


async def _answered(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for zone, kind, told in await _complaints(db, asked):
        groups[kind, zone].append(told)
    return [
        {"kind": KINDS[ComplaintKind(kind)], "zone": zone, **_sums(told)}
        for (kind, zone), told in sorted(groups.items())
    ]


def _sums(told: Sequence[Any]) -> Row:
    days = [one["days"] for one in told if one["days"] is not None]
    return {
        "count": len(told),
        "in_time": sum(one["verdict"] == "in_time" for one in told),
        "late": sum(one["verdict"] == "late" for one in told),
        "waiting": sum(one["verdict"] == "waiting" for one in told),
        "overdue": sum(one["verdict"] == "overdue" for one in told),
        "closed": sum(one["closed"] for one in told),
        "reopened": sum(one["reopened"] for one in told),
        "median": median_high(days) if days else None,
    }


async def _complaints(db: AsyncSession, asked: Asked) -> list[tuple[str, str, Any]]:
    """Each complaint of the period: its zone, its kind, and how it was answered."""
    days = asked.books.business_days
    first_answer = (
        select(func.min(ComplaintChange.changed_at))
        .where(ComplaintChange.complaint_id == Complaint.id)
        .where(ComplaintChange.state_after != ComplaintState.OPEN)
        .where(ComplaintChange.state_before != ComplaintState.CLOSED)
        .scalar_subquery()
    )
    reopened = (
        select(func.count())
        .where(ComplaintChange.complaint_id == Complaint.id)
        .where(ComplaintChange.state_before == ComplaintState.CLOSED)
        .scalar_subquery()
    )
    found = (
        select(Complaint, Zone.code, first_answer, reopened)
        .outerjoin(Spot, Spot.id == Complaint.spot_id)
        .outerjoin(Zone, Zone.id == Spot.zone_id)
        .where(Complaint.opened_at >= days.bounds(asked.period.first)[0])
        .where(Complaint.opened_at < days.bounds(asked.period.last)[1])
    )
    if (wanted := asked.of(Filter.ZONE)) is not None:
        found = found.where(Zone.code == wanted)
    told = []
    for complaint, zone, answered_at, times in await db.execute(found):
        answered_on = None if answered_at is None else asked.books.day(answered_at)
        opened_on = asked.books.day(complaint.opened_at)
        row = {
            "verdict": _verdict(complaint.due_on, answered_on, asked.today),
            "days": answered_on and asked.books.workdays.late(opened_on, answered_on),
            "closed": complaint.state == ComplaintState.CLOSED,
            "reopened": times > 0,
        }
        told.append((zone or "–", complaint.kind, row))
    return told


def _verdict(due_on: date, answered_on: date | None, today: date) -> str:
    if answered_on is None:
        return "waiting" if today <= due_on else "overdue"
    return "in_time" if answered_on <= due_on else "late"


REPORTS = (
    Report(
        "pengaduan",
        GROUP,
        Said("Pengaduan: dijawab tepat waktu?", "Complaints: answered in time?"),
        Said(
            "Pengaduan apa yang datang, dan seberapa cepat dijawab?",
            "What do people complain of, and how soon are they answered?",
        ),
        (
            Column("kind", Said("Jenis", "Kind")),
            Column("zone", Said("Zona", "Zone")),
            Column("count", Said("Pengaduan", "Complaints"), Kind.COUNT, total=True),
            Column("in_time", Said("Tepat waktu", "In time"), Kind.COUNT, total=True),
            Column("late", Said("Terlambat", "Late"), Kind.COUNT, total=True),
            Column("waiting", Said("Menunggu", "Waiting"), Kind.COUNT, total=True),
            Column("overdue", Said("Lewat batas", "Overdue"), Kind.COUNT, total=True),
            Column(
                "share",
                Said("Tepat waktu %", "In time %"),
                Kind.PERCENT,
                share=("in_time", "count"),
            ),
            Column("median", Said("Median hari kerja", "Median working days"), Kind.COUNT),
            Column("closed", Said("Selesai", "Closed"), Kind.COUNT, total=True),
            Column("reopened", Said("Dibuka lagi", "Reopened"), Kind.COUNT, total=True),
        ),
        _answered,
        notes=(
            Said(
                "Menurut hari pengaduan masuk. Tepat waktu: jawaban pertama paling lambat pada hari"
                " batasnya, yang dihitung dalam hari kerja ketika pengaduan masuk. Median: hari"
                " kerja sampai jawaban pertama; di antara dua nilai dipakai yang lebih lama.",
                "By the day a complaint came in. In time: first answered by its due day, which was"
                " set in working days when it came. Median: working days until the first answer;"
                " of two in the middle the longer.",
            ),
        ),
        filters=frozenset({Filter.ZONE}),
        needs=Right.SEE_WORK,
    ),
)
