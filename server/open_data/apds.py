"""The objects of APDS, the parking data standard of ISO/TS 5206-1: places, rates and sessions.

After the Alliance's OpenAPI 4.0 (https://sandbox.parking-data-standards.org). The regency is a
campus, a zone a place, a spot an identified area; its occupancy is `derived`, from payments.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from domain.closure import Closure
from domain.tariff import Band, ClassRate, FlatRate, TariffVersion, VehicleClass
from server.open_data.service import AlikeStays, Zone, blur, holiday_windows, made_at, windows
from server.spots.service import KnownSpot

OURS = uuid5(NAMESPACE_URL, "urn:karcis:apds")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
RUPIAH = "IDR"


def instant(moment: datetime) -> str:
    """`DateTime`: YYYY-MM-DDTHH:MM:SSZ."""
    return f"{moment.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%SZ}"


def reference(id_: object, class_name: str) -> dict[str, Any]:
    """`VersionedReference`. What changes here gets a new id, so each version is the first."""
    return {"id": str(id_), "version": 1, "className": class_name}


def text(in_bahasa: str, in_english: str | None = None) -> list[dict[str, str]]:
    """`MultilingualString`."""
    told = [{"language": "id", "string": in_bahasa}]
    return told if in_english is None else [*told, {"language": "en", "string": in_english}]


def paginated(data: Sequence[Any], page: int, size: int, as_of: datetime) -> dict[str, Any]:
    """`PaginatedList`: one page, counted from 1, of what is `as_of` one instant."""
    offset = (page - 1) * size
    return {
        "meta": {
            "referenceInstant": int(as_of.timestamp()),
            "offset": offset,
            "pageSize": size,
            "total": len(data),
        },
        "data": data[offset : offset + size],
    }


# Places


def campus_id(base_url: str) -> UUID:
    return uuid5(NAMESPACE_URL, base_url)


def places(
    zones: Sequence[Zone],
    standing: Mapping[UUID, int],
    at: datetime,
    base_url: str,
    regency: str,
    timezone: ZoneInfo,
    closures: Sequence[Closure] = (),
) -> list[dict[str, Any]]:
    """The whole hierarchy, from the regency down to its spots, with what is closed or will be."""
    campus = campus_id(base_url)
    first = min((made_at(zone.id) for zone in zones), default=at)
    return [
        {
            **_element(campus, "campus", text(regency), 0, first),
            "childIds": [reference(zone.id, "Place") for zone in zones],
        },
        *(
            _place(zone, campus, blur(standing.get(zone.id, 0)), at, timezone)
            | _restricted([each for each in closures if (each.zone, each.spot) == (zone.code, "")])
            for zone in zones
        ),
        *(
            _spot(spot)
            | _restricted([each for each in closures if each.covers(spot.code, each.starts)])
            for zone in zones
            for spot in zone.spots
        ),
    ]


def _element(
    id_: UUID, type_: str, name: list[dict[str, str]], layer: int, made: datetime
) -> dict[str, Any]:
    """`HierarchyElement` with all it requires."""
    return {
        "id": str(id_),
        "version": 1,
        "type": type_,
        "name": name,
        "layer": layer,
        "hierarchyElementRecord": {"creationTime": instant(made)},
    }


def _place(
    zone: Zone, campus: UUID, vehicles: int, at: datetime, timezone: ZoneInfo
) -> dict[str, Any]:
    latitude, longitude = zone.centre
    demand = {
        "frequency": "PT15M",
        "timestamp": instant(at),
        "demandType": [
            {
                "count": vehicles,
                "occupancyCalculation": "derived",
                "recordDateTime": instant(at),
            }
        ],
    }
    return {
        **_element(zone.id, "place", text(zone.name), 1, made_at(zone.id)),
        "aliases": [text(zone.code)],
        "parentId": reference(campus, "Campus"),
        "childIds": [reference(spot.id, "IdentifiedArea") for spot in zone.spots],
        "timeZone": timezone.key,
        "characteristics": {"openToPublic": True, "structureType": "onStreet"},
        "indicativePlacePointLocation": [_point(latitude, longitude)],
        "hierarchyElementReference": {
            "elementId": reference(zone.id, "Place"),
            "demandTable": [demand],
        },
    }


def _spot(spot: KnownSpot) -> dict[str, Any]:
    return {
        **_element(spot.id, "identifiedArea", text(spot.place), 2, made_at(spot.id)),
        "aliases": [text(spot.code)],
        "parentId": reference(spot.zone_id, "Place"),
        "indicativeIdentifiedAreaPointLocation": [_point(spot.latitude, spot.longitude)],
    }


def _restricted(closures: Sequence[Closure]) -> dict[str, Any]:
    """`OperatingRestrictions`: no parking while closed; a spot also tells what closes its zone."""
    if not closures:
        return {}
    return {
        "operatingRestrictions": [
            {
                "operatingRestriction": "noParking",
                "operatingRestrictionContext": text(
                    f"ditutup sementara: {closure.reason.label()}",
                    f"closed for now: {closure.reason.label('en')}",
                ),
                "times": {
                    "overallStartTime": instant(closure.starts),
                    **({} if closure.ends is None else {"overallEndTime": instant(closure.ends)}),
                },
            }
            for closure in closures
        ]
    }


def _point(latitude: float, longitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, latitude]}


# Rates


def rates(
    tariffs: Sequence[tuple[str, TariffVersion]], publisher: UUID, timezone: ZoneInfo
) -> list[dict[str, Any]]:
    """A rate table for each zone, class and window of time."""
    return [
        _rate_table(zone, version, kind, rate, window, publisher, timezone)
        for zone, version in tariffs
        for kind, rate in version.rates.items()
        for window in windows(version, rate)
    ]


def _rate_table(
    zone: str,
    version: TariffVersion,
    kind: VehicleClass,
    rate: ClassRate,
    window_of: tuple[Band | None, bool],
    publisher: UUID,
    timezone: ZoneInfo,
) -> dict[str, Any]:
    band, of_holidays = window_of
    starts = instant(_midnight(version.valid_from, timezone))
    window = f" {version.event}" if version.event else ""
    window += "" if band is None else f" {band.starts:%H.%M}-{band.ends:%H.%M}"
    window += " hari libur" if of_holidays else ""
    id_ = uuid5(OURS, f"{zone}|{version.regulation}|{starts}|{kind}|{window}")
    days = [] if band is None else [DAYS[day - 1] for day in sorted(band.weekdays)]
    collection = {
        "id": f"{id_}-1",
        "version": 1,
        "collectionSequence": 1,
        "applicableCurrency": RUPIAH,
        "resetTime": "00:00",
        "validStart": starts,
        "relativeTimes": True,
        "taxIncluded": True,
        "rateLines": _rate_lines(str(id_), rate, band),
        **_cap(rate),
    }
    return {
        "id": str(id_),
        "version": 1,
        "rateTableName": text(
            f"{zone} {kind.label()}{window}", f"{zone} {kind.label('en')}{window}"
        ),
        "rateTableID": text(version.regulation),
        "availability": "public",
        "rateResponsibleParty": reference(publisher, "Organisation"),
        "rateType": "daily" if isinstance(rate, FlatRate) else "hourly",
        "validity": _validity(version, window_of, days, timezone),
        # Required by the published schema, which describes neither.
        "validityStart": starts,
        "activeTimes": [],
        "rateLineCollections": [collection],
    }


def _validity(
    version: TariffVersion,
    window_of: tuple[Band | None, bool],
    days: list[str],
    timezone: ZoneInfo,
) -> dict[str, Any]:
    """When the table is in force; a window over midnight ends on the day after."""
    band, of_holidays = window_of
    times: dict[str, Any] = {"overallStartTime": instant(_midnight(version.valid_from, timezone))}
    if version.valid_until is not None:
        last = version.valid_until + timedelta(days=1)
        times["overallEndTime"] = instant(_midnight(last, timezone))
    if band is not None and of_holidays:
        times["validPeriods"] = [
            {"startOfPeriod": instant(starts), "endOfPeriod": instant(ends)}
            for starts, ends in holiday_windows(version, band, timezone)
        ]
    elif band is not None:
        window = {
            "startTimeOfPeriod": f"{band.starts:%H:%M}",
            "endTimeOfPeriod": f"{band.ends:%H:%M}",
        }
        times["validPeriods"] = [
            {
                "recurringDayWeekMonthPeriod": [{"applicableDay": days}],
                "recurringTimePeriodOfDay": [window],
            }
        ]
    return {
        "validityStatus": "definedByValidityTimeSpec",
        "validityTimeSpecification": times,
    }


def _rate_lines(id_: str, rate: ClassRate, band: Band | None) -> list[dict[str, Any]]:
    if isinstance(rate, FlatRate):
        once_rp = rate.amount_rp if band is None else band.first_rp
        return [_line(id_, 1, "flatRate", once_rp, usageCondition="once")]
    first_rp = rate.first_hour_rp if band is None else band.first_rp
    next_rp = rate.next_hour_rp if band is None else band.next_rp or 0
    hour = {"incrementPeriod": "PT1H"}
    first = {**hour, "durationStart": "00:00", "durationEnd": "01:00", "usageCondition": "once"}
    later = {**hour, "durationStart": "01:00", "usageCondition": "unlimited"}
    return [
        _line(id_, 1, "flatRateTier", first_rp, **first),
        _line(id_, 2, "incrementingRate", next_rp, **later),
    ]


def _line(id_: str, sequence: int, type_: str, value: int, **more: str) -> dict[str, Any]:
    return {
        "id": f"{id_}-1-{sequence}",
        "version": 1,
        "sequence": sequence,
        "rateLineType": type_,
        "value": value,
        **more,
    }


def _cap(rate: ClassRate) -> dict[str, Any]:
    if isinstance(rate, FlatRate) or rate.daily_cap_rp is None:
        return {}
    return {"maxValueCollection": {"currencyType": RUPIAH, "currencyValue": rate.daily_cap_rp}}


def _midnight(day: date, timezone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), timezone)


# Sessions


def sessions(stays: Sequence[AlikeStays], publisher: UUID) -> list[dict[str, Any]]:
    """Stays as sessions of one segment; right and credential, which are somebody's, are not told.

    Ids are made of nothing but what is told, so they lead to no stay and to no other feed.
    """
    return [
        _session(stay, publisher, number) for stay in stays for number in range(1, stay.stays + 1)
    ]


def _session(stay: AlikeStays, publisher: UUID, number: int) -> dict[str, Any]:
    times = {"actualStart": instant(stay.began)}
    if stay.ended is not None:
        times["actualEnd"] = instant(stay.ended)
    told = f"{stay.zone_id}|{stay.vehicle_class}|{times}|{number}"
    id_ = uuid5(OURS, told)
    nobody = {"id": "not-published", "className": "Credential"}
    segment = {
        "id": f"{id_}-1",
        "version": 1,
        **times,
        "assignedRight": {"id": "not-published", "version": 1, "className": "AssignedRight"},
        "validationType": ["qrCode"],
    }
    return {
        "id": str(id_),
        "version": 1,
        **times,
        "initiator": reference(publisher, "Organisation"),
        "hierarchyElement": reference(stay.zone_id, "Place"),
        "identifiedCredentials": [
            {"type": "qrCode", "credentialAssignedType": "other", "identifier": nobody}
        ],
        "segments": [segment],
    }
