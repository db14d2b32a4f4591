"""The objects of the Curb Data Specification 1.0: Curbs, Events and Metrics.

A Curb Area is one of our zones; a Curb Zone, "an identifier on physical signage, typically for
payment purposes", is a spot; a spot that holds one vehicle is a Curb Space too. Stays are told by
area only. https://github.com/openmobilityfoundation/curb-data-specification, curbs/README.md,
events/README.md, metrics/README.md and general-information.md of release 1.0.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from itertools import count
from math import cos, radians
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from domain.closure import Closure, periods
from domain.tariff import Band, ClassRate, FlatRate, TariffVersion
from server.open_data.service import (
    AlikeStays,
    HourOfUse,
    Zone,
    blur,
    holiday_windows,
    made_at,
    windows,
)
from server.spots.service import KnownSpot

VERSION = "1.0.0"
OURS = uuid5(NAMESPACE_URL, "urn:karcis:open-data")
SEN = 100
"""CDS counts in the currency's smallest unit; ISO 4217 gives the rupiah two digits."""
SIDE_CM = 500
"""The length of a car's standard space (satuan ruang parkir): nobody measured ours."""
CLOSED_PRIORITY = -4
"""Below all of `policies`: in CDS the lowest goes before the others."""
METRES_PER_DEGREE = 111_320
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def timestamp(moment: datetime) -> int:
    """Milliseconds since 1970 (general-information.md, Timestamp)."""
    return int(moment.timestamp() * 1_000)


Box = tuple[float, float, float, float]
"""West, south, east, north."""


def box_around(spot: KnownSpot) -> Box:
    """The standard space about a spot's point, of which nothing but the point is surveyed."""
    half_m = SIDE_CM / 200
    north = half_m / METRES_PER_DEGREE
    east = north / cos(radians(spot.latitude))
    return (
        spot.longitude - east,
        spot.latitude - north,
        spot.longitude + east,
        spot.latitude + north,
    )


def box_of(zone: Zone) -> Box:
    """About all its spots."""
    west, south, east, north = zip(*map(box_around, zone.spots), strict=True)
    return min(west), min(south), max(east), max(north)


def polygon(box: Box) -> dict[str, Any]:
    """After RFC 7946 §3.1.6: closed, against the clock."""
    west, south, east, north = (round(edge, 7) for edge in box)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


# Curbs


def area(zone: Zone) -> dict[str, Any]:
    return {
        "curb_area_id": str(zone.id),
        "geometry": polygon(box_of(zone)),
        "name": zone.name,
        "published_date": timestamp(made_at(zone.id)),
        "last_updated_date": timestamp(max(made_at(spot.id) for spot in zone.spots)),
        "curb_zone_ids": [str(spot.id) for spot in zone.spots],
    }


def zone(spot: KnownSpot, policies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    made = timestamp(made_at(spot.id))
    return {
        "curb_zone_id": str(spot.id),
        "geometry": polygon(box_around(spot)),
        "curb_policy_ids": [policy["curb_policy_id"] for policy in policies],
        "published_date": made,
        "last_updated_date": max([made, *(policy["published_date"] for policy in policies)]),
        "start_date": made,
        "name": spot.place,
        "user_zone_id": spot.code,
        "street_name": spot.place,
        "curb_area_ids": [str(spot.zone_id)],
        **({"num_spaces": 1, "curb_space_ids": [_space_id(spot)]} if spot.exclusive else {}),
    }


def space(spot: KnownSpot) -> dict[str, Any]:
    made = timestamp(made_at(spot.id))
    return {
        "curb_space_id": _space_id(spot),
        "geometry": polygon(box_around(spot)),
        "name": spot.code,
        "published_date": made,
        "last_updated_date": made,
        "curb_zone_id": str(spot.id),
        "space_number": 1,
        "length": SIDE_CM,
    }


def _space_id(spot: KnownSpot) -> str:
    return str(uuid5(spot.id, "space"))


def policies(version: TariffVersion, timezone: ZoneInfo) -> list[dict[str, Any]]:
    """A policy for each class, and one more, which goes before it, for each window of time.

    One for the windows of holidays, each by its date, goes before those by weekdays.

    A policy's id is made of all it says: the same policy has it everywhere and for ever. What CDS
    1.0 has no field for, free minutes and a day's cap, is in the dataset of tariffs only.
    """
    made = []
    for kind, rate in version.rates.items():
        for band, of_holidays in windows(version, rate):
            policy = {
                "published_date": timestamp(_midnight(version.valid_from, timezone)),
                "priority": _priority(version, band, of_holidays),
                "rules": [
                    {
                        "activity": "parking",
                        "user_classes": [kind.value],
                        "rate": _rates(rate, band),
                    }
                ],
                "time_spans": list(
                    _holiday_spans(version, band, timezone)
                    if band is not None and of_holidays
                    else _time_spans(version, band, timezone)
                ),
            }
            told = json.dumps(policy, sort_keys=True)
            made.append({"curb_policy_id": str(uuid5(OURS, told)), **policy})
    return made


def closed_policy(closures: Iterable[Closure], spot: str) -> dict[str, Any] | None:
    """That nobody may park there, while it is closed; it goes before every price."""
    found = periods(closures, spot)
    if not found:
        return None
    spans = [
        {"start_date": timestamp(starts), **({} if ends is None else {"end_date": timestamp(ends)})}
        for starts, ends in found
    ]
    policy = {
        "published_date": spans[0]["start_date"],
        "priority": CLOSED_PRIORITY,
        "rules": [{"activity": "no parking"}],
        "time_spans": spans,
    }
    return {"curb_policy_id": str(uuid5(OURS, json.dumps(policy, sort_keys=True))), **policy}


def _rates(rate: ClassRate, band: Band | None) -> list[dict[str, Any]]:
    """By the hour; or, once for a stay, for its first day, after which nothing more is owed."""
    if isinstance(rate, FlatRate):
        first_rp, next_rp, unit = rate.amount_rp, 0, "day"
    else:
        first_rp, next_rp, unit = rate.first_hour_rp, rate.next_hour_rp, "hour"
    if band is not None:
        first_rp, next_rp = band.first_rp, band.next_rp or 0
    each = {"rate_unit": unit, "increment_duration": 1}
    return [
        {"rate": first_rp * SEN, **each, "start_duration": 0, "end_duration": 1},
        {"rate": next_rp * SEN, **each, "start_duration": 1},
    ]


def _priority(version: TariffVersion, band: Band | None, of_holidays: bool) -> int:
    """The lowest goes first: an event's before the ordinary ones, as its prices do."""
    priority = 2 if band is None else 0 if of_holidays else 1
    return priority - (3 if version.event else 0)


def _holiday_spans(
    version: TariffVersion, band: Band, timezone: ZoneInfo
) -> Iterator[dict[str, Any]]:
    for starts, ends in holiday_windows(version, band, timezone):
        yield {"start_date": timestamp(starts), "end_date": timestamp(ends)}


def _time_spans(
    version: TariffVersion, band: Band | None, timezone: ZoneInfo
) -> Iterator[dict[str, Any]]:
    """When it is in force; a window over midnight is two spans, the later one of the next days."""
    dates = {"start_date": timestamp(_midnight(version.valid_from, timezone))}
    if version.valid_until is not None:
        dates["end_date"] = timestamp(_midnight(version.valid_until + timedelta(days=1), timezone))
    if band is None:
        yield dates
        return
    first, ends = sorted(band.weekdays), f"{band.ends:%H:%M}"
    starts = {"time_of_day_start": f"{band.starts:%H:%M}"}
    if band.starts < band.ends:
        yield {**dates, **_on(first), **starts, "time_of_day_end": ends}
        return
    yield {**dates, **_on(first), **starts}
    if ends != "00:00":
        yield {**dates, **_on([day % 7 + 1 for day in first]), "time_of_day_end": ends}


def _on(weekdays: Sequence[int]) -> dict[str, Any]:
    return {"days_of_week": [WEEKDAYS[day - 1] for day in sorted(weekdays)]}


def _midnight(day: Any, timezone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), timezone)


# Events and Metrics


def events(zones: Sequence[Zone], stays: Sequence[AlikeStays]) -> list[dict[str, Any]]:
    """Arrivals and departures, the newest first (general-information.md, Event Times).

    Ids are made of nothing but what is told, so they lead to no stay and to no other feed.
    """
    known = {zone.id: zone for zone in zones}
    told = []
    for stay, number in _one_by_one(stays):
        name = _name("cds", stay, number)
        both = {
            "event_location": _location(known[stay.zone_id]),
            "curb_area_ids": [str(stay.zone_id)],
            "data_source_type": "payment",
            "data_source_device_id": str(OURS),
            "vehicle_type": stay.vehicle_class.value,
        }
        session = {} if stay.ended is None else {"event_session_id": str(uuid5(OURS, name))}
        for kind, at in (("park_start", stay.began), ("park_end", stay.ended)):
            if at is not None:
                told.append(
                    {
                        "event_id": str(uuid5(OURS, f"{name}|{kind}")),
                        "event_type": kind,
                        "event_time": timestamp(at),
                        "event_publication_time": timestamp(stay.ended or stay.began),
                        **both,
                        **session,
                    }
                )
    return sorted(told, key=lambda event: (-event["event_time"], event["event_id"]))


def _one_by_one(stays: Sequence[AlikeStays]) -> Iterator[tuple[AlikeStays, int]]:
    for stay in stays:
        for number, _ in zip(count(1), range(stay.stays), strict=False):
            yield stay, number


def _name(feed: str, stay: AlikeStays, number: int) -> str:
    ended = "" if stay.ended is None else timestamp(stay.ended)
    return f"{feed}|{stay.zone_id}|{stay.vehicle_class}|{timestamp(stay.began)}|{ended}|{number}"


def _location(zone: Zone) -> dict[str, Any]:
    latitude, longitude = zone.centre
    return {"type": "Point", "coordinates": [longitude, latitude]}


SESSION_COLUMNS = (
    "session_type",
    "event_session_id",
    "event_id_start",
    "event_id_end",
    "event_time_start",
    "event_time_end",
    "curb_area_ids",
    "vehicle_type",
)


def sessions_csv(stays: Sequence[AlikeStays]) -> bytes:
    """Metrics: Session, with the ids of Events."""
    rows = []
    for stay, number in _one_by_one(stays):
        name = _name("cds", stay, number)
        ended = stay.ended is not None
        rows.append(
            (
                "parking",
                uuid5(OURS, name) if ended else "",
                uuid5(OURS, f"{name}|park_start"),
                uuid5(OURS, f"{name}|park_end") if ended else "",
                timestamp(stay.began),
                "" if stay.ended is None else timestamp(stay.ended),
                stay.zone_id,
                stay.vehicle_class.value,
            )
        )
    return _csv(SESSION_COLUMNS, rows)


AGGREGATE_COLUMNS = ("curb_place_type", "curb_place_id", "metric_type", "date", "hour", "value")
METRICS = ("total_sessions", "turnover", "average_dwell_time", "occupancy_percent")
EACH_MINUTES, EACH_PERCENT = 5, 5
"""What averages and shares are rounded to."""


def aggregates_csv(
    hours: Sequence[HourOfUse], zones: Sequence[Zone], timezone: ZoneInfo, metric: str | None
) -> bytes:
    """Metrics: Aggregate, of all classes together, each of more than a few vehicles.

    In one hour sessions and turnover are the same number. Dwell is in minutes, of those that came
    in the hour and whose end is known: bought, or seen. Occupancy is a share, and told where all
    spots hold one vehicle: nobody counted the room of others.
    """
    spaces = {
        zone.id: len(zone.spots) for zone in zones if all(spot.exclusive for spot in zone.spots)
    }
    together: dict[tuple[UUID, datetime], list[HourOfUse]] = defaultdict(list)
    for row in hours:
        together[row.zone_id, row.hour].append(row)
    rows = []
    for (zone_id, hour), its in together.items():
        local = hour.astimezone(timezone)
        for name, value in _metrics(its, spaces.get(zone_id)):
            if metric in (None, name):
                rows.append(("area", zone_id, name, f"{local:%Y-%m-%d}", local.hour, value))
    return _csv(AGGREGATE_COLUMNS, rows)


def _metrics(its: Sequence[HourOfUse], spaces: int | None) -> Iterator[tuple[str, object]]:
    arrivals = blur(sum(row.arrivals for row in its))
    if arrivals:
        yield "total_sessions", arrivals
        yield "turnover", arrivals
    dwelt, dwell_s = sum(row.dwelt for row in its), sum(row.dwell_s for row in its)
    if blur(dwelt):
        yield "average_dwell_time", _nearest(dwell_s, 60 * dwelt, EACH_MINUTES)
    if spaces and blur(sum(row.standing for row in its)):
        percent = _nearest(100 * sum(row.stood_s for row in its), 3600 * spaces, EACH_PERCENT)
        yield "occupancy_percent", f"{min(100, percent) / 100:.2f}"


def _nearest(whole: int, parts: int, each: int) -> int:
    """`whole / parts` to the nearest multiple of `each`, a half upwards."""
    return each * ((2 * whole + parts * each) // (2 * parts * each))


def _csv(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()
