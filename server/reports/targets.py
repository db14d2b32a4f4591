"""What a year is to bring in, set with its regulation, and how far it has come.

What was realised is the net of the revenue accounts; the forecast is the simplest there is: as much
a day for the rest of the year as in its days so far.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Rounding, multiply_divide
from server.errors import Problem
from server.figures import service as figures
from server.figures.service import Part, Wanted
from server.reports.models import RevenueTarget
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said
from server.spots import service as spots
from server.spots.models import Zone

GROUP = Said("Target dan potensi", "Targets and potential")
ALL = Said("Seluruh kabupaten", "The whole regency")
MOST_RP = 10**13


class TargetUnfit(Problem):
    slug = "target-unfit"
    status = 422
    title_id = "Target ini tidak sah"
    title_en = "This target is not valid"


async def set_target(
    db: AsyncSession,
    *,
    year: int,
    month: int | None,
    zone: str | None,
    amount_rp: int,
    regulation: str,
    who: str,
    now: datetime,
) -> None:
    """From now on this counts, what did stays on record. Raises TargetUnfit or ZoneNotFound."""
    if not 2000 <= year <= 2999 or month not in (None, *range(1, 13)):
        raise TargetUnfit("2000 … 2999, 1 … 12")
    if not 0 <= amount_rp <= MOST_RP or not regulation.strip():
        raise TargetUnfit(f"0 … {MOST_RP}; regulation")
    db.add(
        RevenueTarget(
            year=year,
            month=month,
            zone_id=None if zone is None else await spots.zone_id(db, zone),
            amount_rp=amount_rp,
            regulation=regulation.strip(),
            set_by=who,
            set_at=now,
        )
    )
    await db.flush()


@dataclass(frozen=True)
class Targets:
    """Of a year: by zone code (None of the whole regency) twelve months' amounts."""

    months: Mapping[str | None, Sequence[int]]

    def of(self, zone: str | None) -> Sequence[int]:
        """Without one of its own the regency's is the sum of the zones'."""
        if zone is None and None not in self.months:
            return [sum(month) for month in zip(*self.months.values(), strict=True)] or [0] * 12
        return self.months.get(zone, [0] * 12)


async def targets(db: AsyncSession, year: int) -> Targets:
    """What counts, the newest of each; months that none was set for share what is left evenly."""
    rows = await db.execute(
        select(Zone.code, RevenueTarget.month, RevenueTarget.amount_rp)
        .outerjoin(Zone, Zone.id == RevenueTarget.zone_id)
        .where(RevenueTarget.year == year)
        .order_by(RevenueTarget.id)
    )
    newest: dict[str | None, dict[int | None, int]] = defaultdict(dict)
    for zone, month, amount_rp in rows:
        newest[zone][month] = amount_rp
    return Targets({zone: _spread(told) for zone, told in newest.items()})


def _spread(told: Mapping[int | None, int]) -> list[int]:
    """The rest of a rupiah's division goes to the last month."""
    months = [told.get(month) for month in range(1, 13)]
    open_months = [at for at, amount in enumerate(months) if amount is None]
    if not open_months:
        return [amount or 0 for amount in months]
    given = sum(amount or 0 for amount in months)
    left = max(0, told.get(None, given) - given)
    share, rest = divmod(left, len(open_months))
    spread = [share if amount is None else amount for amount in months]
    spread[open_months[-1]] += rest
    return spread


async def _realised(db: AsyncSession, asked: Asked, zone: str | None) -> dict[tuple[str, int], int]:
    """The net of each zone in each month."""
    told = await figures.takings(
        db,
        Wanted(asked.period.first, asked.period.last, zone=zone),
        asked.books.timezone,
        (Part.DAY, Part.ZONE),
    )
    found: dict[tuple[str, int], int] = defaultdict(int)
    for takings in told:
        if takings.business_day is not None:
            found[takings.zone or "", takings.business_day.month] += takings.net_rp
    return found


async def _by_month(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    zone, year = asked.of(Filter.ZONE), asked.period.last.year
    wanted = (await targets(db, year)).of(zone)
    realised = await _realised(db, asked, zone)
    rows: list[Row] = []
    target_so_far = came_so_far = 0
    for month in range(1, asked.period.last.month + 1):
        target = wanted[month - 1]
        came = sum(net for (_, at), net in realised.items() if at == month)
        target_so_far += target
        came_so_far += came
        rows.append(
            {
                "month": f"{year}-{month:02}",
                "target_rp": target,
                "realised_rp": came,
                "gap_rp": came - target,
                "target_so_far_rp": target_so_far,
                "realised_so_far_rp": came_so_far,
            }
        )
    return rows


async def _by_zone(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    known = await targets(db, asked.period.last.year)
    realised = await _realised(db, asked, None)
    rows: list[Row] = []
    for code, name in await spots.zone_names(db):
        came = sum(net for (zone, _), net in realised.items() if zone == code)
        rows.append({"zone": code, "zone_name": name, **_progress(known.of(code), came, asked)})
    whole = _progress(known.of(None), sum(realised.values()), asked)
    return [*rows, {"zone": "–", "zone_name": ALL, **whole}]


def _progress(months: Sequence[int], came_rp: int, asked: Asked) -> dict[str, int]:
    last = min(asked.period.last, asked.today)
    begun = asked.period.first
    elapsed = max(1, (last - begun).days + 1)
    whole = (date(begun.year, 12, 31) - begun).days + 1
    return {
        "target_rp": sum(months),
        "due_rp": _due(months, asked.period.last),
        "realised_rp": came_rp,
        "forecast_rp": multiply_divide(came_rp, whole, elapsed, Rounding.HALF_UP),
    }


def _due(months: Sequence[int], day: date) -> int:
    """What was to be in by a day: the months before it, and its share of its own."""
    length = monthrange(day.year, day.month)[1]
    own = multiply_divide(months[day.month - 1], day.day, length, Rounding.HALF_UP)
    return sum(months[: day.month - 1]) + own


OF_THE_YEAR = Said(
    "Dari 1 Januari sampai hari terakhir masa laporan, untuk tahun itu. Realisasi: pendapatan"
    " bersih menurut buku besar (akun 4110 dan 4120).",
    "From 1 January until the period's last day, for its year. Realised: net revenue as the ledger"
    " has it (accounts 4110 and 4120).",
)
SPREAD = Said(
    "Bulan tanpa target sendiri membagi rata sisa target tahunan; target kabupaten tanpa angka"
    " sendiri adalah jumlah target zona.",
    "Months without a target of their own share evenly what is left of the year's; a regency"
    " without one of its own has the sum of its zones'.",
)
FORECAST = Said(
    "Perkiraan akhir tahun = realisasi / hari yang lewat x hari setahun: laju rata-rata sejauh ini,"
    " tanpa musim dan hari libur.",
    "Forecast to year end = realised / days passed x days of the year: the average pace so far,"
    " without seasons or holidays.",
)

REPORTS = (
    Report(
        "target",
        GROUP,
        Said("Target dan realisasi per bulan", "Target and realisation by month"),
        Said("Apakah target PAD tercapai?", "Is the revenue target being met?"),
        (
            Column("month", Said("Bulan", "Month")),
            Column("target_rp", Said("Target", "Target"), Kind.RUPIAH, total=True),
            Column("realised_rp", Said("Realisasi", "Realised"), Kind.RUPIAH, total=True),
            Column("gap_rp", Said("Selisih", "Difference"), Kind.RUPIAH, total=True),
            Column("share", Said("%", "%"), Kind.PERCENT, share=("realised_rp", "target_rp")),
            Column("target_so_far_rp", Said("Target s.d.", "Target so far"), Kind.RUPIAH),
            Column("realised_so_far_rp", Said("Realisasi s.d.", "Realised so far"), Kind.RUPIAH),
            Column(
                "so_far",
                Said("% s.d.", "% so far"),
                Kind.PERCENT,
                share=("realised_so_far_rp", "target_so_far_rp"),
            ),
        ),
        _by_month,
        notes=(OF_THE_YEAR, SPREAD),
        of_year=True,
        filters=frozenset({Filter.ZONE}),
    ),
    Report(
        "target-zona",
        GROUP,
        Said("Target, realisasi, dan perkiraan per zona", "Target, realisation, forecast by zone"),
        Said("Zona mana yang akan mencapai targetnya?", "Which zones will meet their target?"),
        (
            Column("zone", Said("Zona", "Zone")),
            Column("zone_name", Said("Nama", "Name")),
            Column("target_rp", Said("Target setahun", "Target of the year"), Kind.RUPIAH),
            Column("due_rp", Said("Target sampai kini", "Target so far"), Kind.RUPIAH),
            Column("realised_rp", Said("Realisasi", "Realised"), Kind.RUPIAH),
            Column(
                "share",
                Said("% setahun", "% of year"),
                Kind.PERCENT,
                share=("realised_rp", "target_rp"),
            ),
            Column(
                "so_far",
                Said("% sampai kini", "% so far"),
                Kind.PERCENT,
                share=("realised_rp", "due_rp"),
            ),
            Column(
                "forecast_rp", Said("Perkiraan akhir tahun", "Forecast to year end"), Kind.RUPIAH
            ),
            Column(
                "forecast",
                Said("Perkiraan %", "Forecast %"),
                Kind.PERCENT,
                share=("forecast_rp", "target_rp"),
            ),
        ),
        _by_zone,
        notes=(OF_THE_YEAR, SPREAD, FORECAST),
        of_year=True,
    ),
)
