"""What the regency publishes of its parking: where it is, what it costs, how much it is used.

Nothing leaves here that is of one vehicle. Counts pass `blur`, moments are whole hours or quarters,
and a stay is told only where more than three are alike in all that is told of them (ADR 0032).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from domain.tariff import Band, ClassRate, TariffVersion, VehicleClass, tariff_from_json
from server.database import Connected, fetch
from server.errors import Problem
from server.inspection.stays import FLAT_STAY
from server.spots import service as spots
from server.spots.service import KnownSpot

FEW = 3
"""As many vehicles as nobody is told of."""
ROUNDED_TO = 5
MINUTE = timedelta(minutes=1)
"""How long answers that tell of closures are kept."""
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAYS_AT_ONCE = 31
DAYS_UNASKED = 7


class PeriodNotOffered(Problem):
    slug = "period-not-offered"
    status = 422
    title_id = "Rentang waktu ini tidak disediakan"
    title_en = "This period is not offered"


def blur(count: int) -> int:
    """The nearest five; none for three or fewer. So no difference of two counts tells of one."""
    return 0 if count <= FEW else ROUNDED_TO * ((count + ROUNDED_TO // 2) // ROUNDED_TO)


# Places and prices


@dataclass(frozen=True)
class Zone:
    """A priced area with its spots, in the order of their codes."""

    id: UUID
    code: str
    name: str
    spots: tuple[KnownSpot, ...]

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude in the middle of its spots."""
        count = len(self.spots)
        latitude = sum(spot.latitude for spot in self.spots) / count
        longitude = sum(spot.longitude for spot in self.spots) / count
        return round(latitude, 6), round(longitude, 6)


async def zones(db: Connected) -> list[Zone]:
    """Every zone that has spots, in the order of their codes."""
    by_zone: dict[UUID, list[KnownSpot]] = defaultdict(list)
    for spot in await spots.all_spots(db):
        by_zone[spot.zone_id].append(spot)
    found = [
        Zone(id_, its[0].zone_code, its[0].zone_name, tuple(its)) for id_, its in by_zone.items()
    ]
    return sorted(found, key=lambda zone: zone.code)


def made_at(id_: UUID) -> datetime:
    """When a row was made: its id is a UUIDv7, which tells it (RFC 9562 §5.7)."""
    return datetime.fromtimestamp((id_.int >> 80) / 1_000, UTC)


async def tariffs(db: AsyncSession, today: date) -> list[tuple[str, TariffVersion]]:
    """(zone code, version) of every version in force today or later."""
    rows = await spots.tariffs_from(db, today)
    return [(code, tariff_from_json(version)) for code, version in rows]


def holidays(version: TariffVersion) -> list[date]:
    """Those on which it is in force."""
    return [day for day in version.holidays if version.covers(day)]


def windows(version: TariffVersion, rate: ClassRate) -> Iterator[tuple[Band | None, bool]]:
    """A rate's prices: of all hours, of each window by weekday, of each of a holiday (True)."""
    yield None, False
    for band in rate.bands:
        if band.weekdays:
            yield band, False
        if band.holidays and any(holiday_windows(version, band, ZoneInfo("UTC"))):
            yield band, True


def holiday_windows(
    version: TariffVersion, band: Band, timezone: ZoneInfo
) -> Iterator[tuple[datetime, datetime]]:
    """When each window of a band for holidays begins and ends; of one that began on the evening
    before the version is in force, what is left of it."""
    for day in version.holidays:
        last = day if band.starts < band.ends else day + timedelta(days=1)
        ends = datetime.combine(last, band.ends, timezone)
        if version.covers(day):
            yield datetime.combine(day, band.starts, timezone), ends
        elif last == version.valid_from and band.ends > time():
            yield datetime.combine(last, time(), timezone), ends


# How much is used

# Paid, or recorded by an attendant: what was only asked for is nobody's vehicle yet. One without an
# end is taken to stand a while, as inspectors take it.
STOOD = """
    SELECT spots.zone_id, s.vehicle_class, s.started_at, coalesce(s.ended_at, s.ends_at) AS told,
        coalesce(s.ended_at, s.ends_at, s.started_at + $3::interval) AS until
    FROM parking_sessions s JOIN spots ON spots.id = s.spot_id
    LEFT JOIN payments p ON p.id = s.id AND p.state = 'paid'
    LEFT JOIN covered_stays c ON c.id = s.id
    WHERE s.started_at >= $1::timestamptz - interval '1 day' AND s.started_at < $2::timestamptz
      AND s.state IN ('open', 'ended')
      AND (s.shift_id IS NOT NULL OR p.id IS NOT NULL OR c.id IS NOT NULL)
"""

OCCUPANCY = f"""
    SELECT zone_id, vehicle_class, count(*) FROM ({STOOD}) stood
    WHERE started_at <= $1 AND until > $1 GROUP BY 1, 2
"""  # noqa: S608 - of our own texts, never a request's


def occupancy_at(now: datetime) -> datetime:
    """The quarter of an hour that is told now: what was bought in it is paid or over by then."""
    late = now - QUARTER
    return late - timedelta(seconds=late.timestamp() % QUARTER.total_seconds())


class Occupancy(NamedTuple):
    zone_id: UUID
    vehicle_class: VehicleClass
    vehicles: int


async def occupancy(db: Connected, at: datetime) -> list[Occupancy]:
    """Vehicles recorded in each zone at a moment, not blurred yet."""
    rows = await fetch(db, OCCUPANCY, at, at + timedelta(microseconds=1), FLAT_STAY)
    return [Occupancy(zone, VehicleClass(kind), count) for zone, kind, count in rows]


# Counted by their hours first: to spell out each stay's hours took most of the time.
HOURLY = f"""
    WITH alike AS (
        SELECT zone_id, vehicle_class, date_trunc('hour', started_at) AS began,
            date_trunc('hour', until - interval '1 microsecond') AS ended, count(*) AS stays,
            count(told) AS dwelt, sum(extract(epoch FROM told - started_at)) AS dwell_s,
            sum(extract(epoch FROM
                least(until, date_trunc('hour', started_at) + interval '1 hour') - started_at
            )) AS first_s,
            sum(extract(epoch FROM
                until - date_trunc('hour', until - interval '1 microsecond')
            )) AS last_s
        FROM ({STOOD}) stood GROUP BY 1, 2, 3, 4
    )
    SELECT zone_id, vehicle_class, hour,
        coalesce(sum(stays) FILTER (WHERE began = hour), 0)::bigint, sum(stays)::bigint,
        coalesce(sum(dwelt) FILTER (WHERE began = hour), 0)::bigint,
        coalesce(sum(dwell_s) FILTER (WHERE began = hour), 0)::bigint,
        sum(CASE hour WHEN began THEN first_s WHEN ended THEN last_s ELSE 3600 * stays END)::bigint
    FROM alike CROSS JOIN LATERAL generate_series(
        greatest(began, $1), least(ended, $2::timestamptz - interval '1 hour'), interval '1 hour'
    ) AS hour
    GROUP BY 1, 2, 3 ORDER BY 3, 1, 2
"""  # noqa: S608 - of our own texts, never a request's


class HourOfUse(NamedTuple):
    """Vehicles of a class that came to a zone in an hour, and that stood there in it.

    Of those that came, `dwelt` have a known end and stay for `dwell_s` in all. All that stood there
    did so for `stood_s` of this hour.
    """

    zone_id: UUID
    vehicle_class: VehicleClass
    hour: datetime
    arrivals: int
    standing: int
    dwelt: int
    dwell_s: int
    stood_s: int


async def hourly_use(db: Connected, since: datetime, until: datetime) -> list[HourOfUse]:
    """Between two whole hours, not blurred yet; hours without any vehicle are left out."""
    rows = await fetch(db, HOURLY, since, until, FLAT_STAY)
    return [HourOfUse(zone, VehicleClass(kind), *told) for zone, kind, *told in rows]


ALIKE = f"""
    SELECT zone_id, vehicle_class, date_trunc('hour', started_at) AS began,
        date_trunc('hour', told - interval '1 microsecond') + interval '1 hour' AS ended, count(*)
    FROM ({STOOD}) stood WHERE started_at >= $1 AND (told IS NULL OR told < $2)
    GROUP BY 1, 2, 3, 4 HAVING count(*) > $4 ORDER BY 3 DESC, 1, 2, 4
"""  # noqa: S608 - of our own texts, never a request's


class AlikeStays(NamedTuple):
    """More than three stays that are told of alike; `ended` is empty where no end is known."""

    zone_id: UUID
    vehicle_class: VehicleClass
    began: datetime
    ended: datetime | None
    stays: int


async def alike_stays(db: Connected, since: datetime, until: datetime) -> list[AlikeStays]:
    """The stays that began and, where an end is known, ended between two moments; newest first.

    Their hours are rounded outwards. Those of which too few are alike are left out.
    """
    rows = await fetch(db, ALIKE, since, until, FLAT_STAY, FEW)
    return [
        AlikeStays(zone, VehicleClass(kind), began, ended, count)
        for zone, kind, began, ended, count in rows
    ]


# Periods


@dataclass(frozen=True)
class Period:
    """Local days, both included, as the moments from which and until which things are told."""

    since: datetime
    until: datetime


def period(
    first: date | None, last: date | None, *, now: datetime, zone: ZoneInfo, whole_days: bool
) -> Period:
    """The days asked for, else the last seven; up to the last whole hour, or the last whole day.

    Raises PeriodNotOffered.
    """
    local = now.astimezone(zone)
    newest = local.date() - timedelta(days=int(whole_days))
    last = newest if last is None else last
    try:
        first = last - timedelta(days=DAYS_UNASKED - 1) if first is None else first
        since, until = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    except OverflowError as exc:
        raise PeriodNotOffered("a day that no calendar has") from exc
    if first > last or last > newest or (last - first).days >= DAYS_AT_ONCE:
        raise PeriodNotOffered(f"at most {DAYS_AT_ONCE} days, none after {newest}")
    this_hour = local.replace(minute=0, second=0, microsecond=0)
    return Period(since, min(until, this_hour.astimezone(UTC)))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def by_zone(rows: Iterable[Occupancy]) -> dict[UUID, int]:
    """All vehicles of each zone, not blurred yet."""
    summed: dict[UUID, int] = defaultdict(int)
    for row in rows:
        summed[row.zone_id] += row.vehicles
    return summed
