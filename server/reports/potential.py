"""What spots could bring in against what they do: by what was counted on the street.

Where inspectors counted vehicles, what was recorded of them is known, and what was paid is raised
by as much. Where nobody counted, an assumption stands in its place, and says that it is one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Rounding, multiply_divide
from domain.tariff import ClassRate, FlatRate, TariffVersion
from server.figures import service as figures
from server.figures.service import Part, Wanted
from server.inspection.models import HeadCount
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said
from server.reports.takings import class_name
from server.reports.targets import GROUP
from server.spots import service as spots
from server.spots.models import Spot, Zone

VEHICLES_A_DAY = 6
"""Of a spot nobody counted at: twelve hours, half of them taken, an hour a vehicle."""
COUNTED = Said("hitung lapangan", "counted")
ASSUMED = Said("perkiraan", "assumed")
EVERY = Said("semua", "all")
Tally = dict[tuple[str, str], tuple[int, int]]


async def _rows(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    tallies, counts = await _head_counts(db, asked)
    paid = await _paid(db, asked)
    rows: list[Row] = []
    for zone_id, code, count in await _zones(db, asked):
        if code in counts:
            rows += _counted(code, counts[code], tallies, paid)
        else:
            price = await _price(db, zone_id, asked)
            rows.append(_assumed(code, count, price, paid, asked.period.days))
    return rows


async def _zones(db: AsyncSession, asked: Asked) -> Sequence[Any]:
    found = (
        select(Zone.id, Zone.code, func.count(Spot.id))
        .outerjoin(Spot, Spot.zone_id == Zone.id)
        .group_by(Zone.id)
        .order_by(Zone.code)
    )
    if (zone := asked.of(Filter.ZONE)) is not None:
        found = found.where(Zone.code == zone)
    return (await db.execute(found)).all()


async def _head_counts(db: AsyncSession, asked: Asked) -> tuple[Tally, Mapping[str, int]]:
    """What was counted and what of it was recorded, by zone and class; and how often."""
    days = asked.books.business_days
    first, after = days.bounds(asked.period.first)[0], days.bounds(asked.period.last)[1]
    found = await db.execute(
        select(Zone.code, HeadCount.counted, HeadCount.recorded)
        .join(Spot, Spot.id == HeadCount.spot_id)
        .join(Zone, Zone.id == Spot.zone_id)
        .where(HeadCount.received_at >= first, HeadCount.received_at < after)
    )
    tallies: Tally = {}
    counts: dict[str, int] = defaultdict(int)
    for zone, counted, recorded in found:
        counts[zone] += 1
        for kind in {*counted, *recorded}:
            seen, known = tallies.get((zone, kind), (0, 0))
            tallies[zone, kind] = (seen + counted.get(kind, 0), known + recorded.get(kind, 0))
    return tallies, counts


async def _paid(db: AsyncSession, asked: Asked) -> dict[tuple[str, str], int]:
    told = await figures.takings(
        db,
        Wanted(asked.period.first, asked.period.last, zone=asked.of(Filter.ZONE)),
        asked.books.timezone,
        (Part.ZONE, Part.VEHICLE_CLASS),
    )
    return {(t.zone or "", t.vehicle_class or ""): t.gross_rp for t in told}


def _counted(
    zone: str, counts: int, tallies: Tally, paid: Mapping[tuple[str, str], int]
) -> list[Row]:
    kinds = sorted({kind for code, kind in (*tallies, *paid) if code == zone and kind})
    rows: list[Row] = []
    for kind in kinds:
        counted, recorded = tallies.get((zone, kind), (0, 0))
        paid_rp = paid.get((zone, kind), 0)
        known: dict[str, Any] = {"counts": counts, "counted": counted, "recorded": recorded}
        potential_rp = _raised(paid_rp, counted, recorded)
        rows.append(_row(zone, class_name(kind), COUNTED, paid_rp, potential_rp) | known)
    return rows


def _raised(paid_rp: int, counted: int, recorded: int) -> int | None:
    """None where vehicles were counted and none was recorded: there is nothing to raise."""
    if counted <= recorded:
        return paid_rp
    if not recorded:
        return None
    return multiply_divide(paid_rp, counted, recorded, Rounding.HALF_UP)


def _assumed(
    zone: str, count: int, price_rp: int, paid: Mapping[tuple[str, str], int], days: int
) -> Row:
    paid_rp = sum(amount for (code, _), amount in paid.items() if code == zone)
    potential_rp = max(paid_rp, count * days * VEHICLES_A_DAY * price_rp)
    return _row(zone, EVERY, ASSUMED, paid_rp, potential_rp) | {"spots": count}


def _row(
    zone: str, kind: Said, basis: Said, paid_rp: int, potential_rp: int | None
) -> dict[str, Any]:
    return {
        "zone": zone,
        "class": kind,
        "basis": basis,
        "paid_rp": paid_rp,
        "potential_rp": potential_rp,
        "gap_rp": None if potential_rp is None else potential_rp - paid_rp,
    }


async def _price(db: AsyncSession, zone_id: Any, asked: Asked) -> int:
    """The least that anybody pays for an hour there, so that nothing is exaggerated."""
    try:
        _, tariff = await spots.tariff_on(db, zone_id, asked.period.last)
    except spots.NoTariff:
        return 0
    return _least(tariff)


def _least(tariff: TariffVersion) -> int:
    return min((_hour(rate) for rate in tariff.rates.values()), default=0)


def _hour(rate: ClassRate) -> int:
    return rate.amount_rp if isinstance(rate, FlatRate) else rate.first_hour_rp


REPORTS = (
    Report(
        "potensi",
        GROUP,
        Said("Potensi dibanding yang dibayar", "Potential against paid"),
        Said("Berapa yang mungkin tidak tertagih?", "How much may go uncollected?"),
        (
            Column("zone", Said("Zona", "Zone")),
            Column("class", Said("Kendaraan", "Vehicle")),
            Column("basis", Said("Dasar", "Basis")),
            Column("spots", Said("Titik", "Spots"), Kind.COUNT),
            Column("counts", Said("Kali dihitung", "Counts made"), Kind.COUNT),
            Column("counted", Said("Terhitung", "Counted"), Kind.COUNT, total=True),
            Column("recorded", Said("Tercatat", "Recorded"), Kind.COUNT, total=True),
            Column("paid_rp", Said("Dibayar", "Paid"), Kind.RUPIAH, total=True),
            Column("potential_rp", Said("Potensi", "Potential"), Kind.RUPIAH, total=True),
            Column("gap_rp", Said("Selisih", "Difference"), Kind.RUPIAH, total=True),
            Column(
                "share",
                Said("Dibayar %", "Paid %"),
                Kind.PERCENT,
                share=("paid_rp", "potential_rp"),
            ),
        ),
        _rows,
        notes=(
            Said(
                "Dasar hitung lapangan: potensi = dibayar x kendaraan terhitung / kendaraan"
                " tercatat pada saat yang sama, per zona dan jenis, tidak pernah kurang dari yang"
                " dibayar. Kosong bila ada kendaraan tetapi tidak satu pun tercatat.",
                "Basis counted: potential = paid x vehicles counted / vehicles recorded at the same"
                " time, by zone and class, never less than what was paid. Empty where there were"
                " vehicles and none was recorded.",
            ),
            Said(
                f"Dasar perkiraan (zona yang tidak pernah dihitung): potensi = titik x hari x"
                f" {VEHICLES_A_DAY} kendaraan sehari (12 jam, separuhnya terisi, sejam sekali"
                " parkir) x tarif sejam yang termurah di zona itu.",
                f"Basis assumed (zones nobody counted in): potential = spots x days x"
                f" {VEHICLES_A_DAY} vehicles a day (12 hours, half of them taken, an hour each) x"
                " the cheapest price of an hour in that zone.",
            ),
        ),
        filters=frozenset({Filter.ZONE}),
    ),
)
