"""HTTP of the feeds after the Curb Data Specification 1.0, under `/open-data/cds`."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import cos, hypot, radians
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from domain.tariff import TariffVersion
from server.database import Transaction
from server.errors import InvalidRequest, NotFound, Problem
from server.open_data import cds, service
from server.open_data.answers import Asked, AskedDep, Limit, Offset
from server.open_data.service import HOUR, MINUTE, Period, PeriodNotOffered
from server.spots import closures
from server.spots.service import KnownSpot

JSON_TYPE = "application/vnd.cds+json"
CSV_TYPE = "application/vnd.cds+csv"
PAGE = 500


class VersionNotOffered(Problem):
    slug = "version-not-offered"
    status = 406
    title_id = "Bentuk atau versi data ini tidak disediakan"
    title_en = "This form or version of the data is not offered"


class NotOffered(Problem):
    slug = "not-offered"
    status = 501
    title_id = "Bagian ini tidak disediakan"
    title_en = "This part is not offered"


def _negotiated(media_type: str, accept: str) -> None:
    """Raises VersionNotOffered unless `accept` takes version 1.0 (general-information.md)."""
    for offer in accept.split(",") if accept else ["*/*"]:
        kind, *parameters = (part.strip().lower() for part in offer.split(";"))
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        version = named.get("version", "1.0").strip('"')
        if kind in ("*/*", "application/*") or (
            kind == media_type and re.fullmatch(r"1\.0(\.\d+)?", version)
        ):
            return
    raise VersionNotOffered(f"{media_type};version=1.0")


async def _wants_json(request: Request) -> None:
    _negotiated(JSON_TYPE, request.headers.get("accept", ""))


async def _wants_csv(request: Request) -> None:
    _negotiated(CSV_TYPE, request.headers.get("accept", ""))


router = APIRouter(prefix="/open-data/cds", include_in_schema=False)
JSON_ONLY = [Depends(_wants_json)]
CSV_ONLY = [Depends(_wants_csv)]

Degrees = Annotated[float | None, Query(ge=-180, le=180)]


class Near:
    """A bounding box, or a circle of centimetres about a point; all of one or none."""

    def __init__(
        self,
        min_lat: Degrees = None,
        min_lng: Degrees = None,
        max_lat: Degrees = None,
        max_lng: Degrees = None,
        lat: Degrees = None,
        lng: Degrees = None,
        radius: Annotated[float | None, Query(gt=0, le=1e9)] = None,
    ) -> None:
        self._box = _all_or_none(min_lng, min_lat, max_lng, max_lat)
        self._circle = _all_or_none(lat, lng, radius)

    def of(self, found: Sequence[tuple[cds.Box, Any]]) -> list[Any]:
        """What intersects the box, and what is within the circle, the nearest first."""
        if self._box is not None:
            west, south, east, north = self._box
            found = [
                (box, it)
                for box, it in found
                if box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south
            ]
        if self._circle is not None:
            *_, radius = self._circle
            apart = sorted(((self._distance_cm(box), n) for n, (box, _) in enumerate(found)))
            found = [found[n] for distance, n in apart if distance <= radius]
        return [it for _, it in found]

    def _distance_cm(self, box: cds.Box) -> float:
        """From the circle's centre to the nearest point of a box."""
        lat, lng, _ = self._circle or ()
        west, south, east, north = box
        up = max(south - lat, 0, lat - north)
        right = max(west - lng, 0, lng - east) * cos(radians(lat))
        return hypot(up, right) * cds.METRES_PER_DEGREE * 100


def _all_or_none(*values: float | None) -> tuple[float, ...] | None:
    given = tuple(value for value in values if value is not None)
    if given and len(given) < len(values):
        raise InvalidRequest("give all parameters of a box or a circle, or none")
    return given or None


NearDep = Annotated[Near, Depends()]


def _answer(
    asked: Asked, data: Any, links: dict[str, Any] | None = None, *, each: timedelta = HOUR
) -> Response:
    """The members that every answer has (general-information.md, REST Endpoints).

    A new edition is made `each` so long.
    """
    kept = asked.until_next(each)
    body = {
        "version": cds.VERSION,
        "time_zone": asked.books.timezone.key,
        "last_updated": cds.timestamp(asked.now + kept - each),
        "currency": "IDR",
        "author": asked.publisher.name,
        "license_url": asked.publisher.license_url,
        "data": data,
        **({} if links is None else {"links": links}),
    }
    return asked.answer(orjson.dumps(body), f"{JSON_TYPE};version=1.0", kept=kept)


def _page(
    asked: Asked,
    name: str,
    rows: Sequence[Any],
    offset: int,
    limit: int,
    *,
    each: timedelta = HOUR,
) -> Response:
    """One page of many, with links after JSON API."""
    url = asked.request.url
    query = dict(asked.request.query_params)

    def link(start: int) -> str:
        asked_for = urlencode({**query, "offset": start, "limit": limit})
        return f"{asked.publisher.base_url}{url.path}?{asked_for}"

    last = max(0, (len(rows) - 1) // limit * limit)
    links = {
        "first": link(0),
        "last": link(last),
        "prev": None if offset == 0 else link(max(0, offset - limit)),
        "next": link(offset + limit) if offset + limit < len(rows) else None,
    }
    return _answer(asked, {name: rows[offset : offset + limit]}, links, each=each)


def _one(
    asked: Asked,
    name: str,
    rows: Sequence[dict[str, Any]],
    key: str,
    id_: UUID,
    *,
    each: timedelta = HOUR,
) -> Response:
    for row in rows:
        if row[key] == str(id_):
            return _answer(asked, {name: row}, each=each)
    raise NotFound(str(id_))


# Curbs


async def _policies(asked: Asked, db: Transaction) -> dict[str, list[dict[str, Any]]]:
    """The policies in force today or later, by zone code."""
    found: dict[str, list[dict[str, Any]]] = {}
    versions: list[tuple[str, TariffVersion]] = await service.tariffs(
        db, asked.books.day(asked.now)
    )
    for code, version in versions:
        found.setdefault(code, []).extend(cds.policies(version, asked.books.timezone))
    return found


def _at(moment: int | None, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if moment is None or row.get("start_date", 0) <= moment]


async def _closed(asked: Asked, db: Transaction) -> dict[str, dict[str, Any]]:
    """The policy that closes a spot now or later, by its code."""
    standing = await closures.standing(db, asked.now)
    found = {
        spot.code: cds.closed_policy(standing, spot.code)
        for zone in await asked.zones()
        for spot in zone.spots
    }
    return {code: policy for code, policy in found.items() if policy is not None}


async def _zones(asked: Asked, db: Transaction) -> list[tuple[KnownSpot, dict[str, Any]]]:
    policies, closed = await _policies(asked, db), await _closed(asked, db)
    return [
        (
            spot,
            cds.zone(
                spot,
                [
                    *policies.get(zone.code, []),
                    *([closed[spot.code]] if spot.code in closed else []),
                ],
            ),
        )
        for zone in await asked.zones()
        for spot in zone.spots
    ]


@router.get("/curbs/zones", dependencies=JSON_ONLY)
async def curb_zones(
    asked: AskedDep,
    db: Transaction,
    near: NearDep,
    area: UUID | None = None,
    include_geometry: bool = True,
    time: int | None = None,
    offset: Offset = 0,
    limit: Limit = PAGE,
) -> Response:
    zones = await _zones(asked, db)
    inside = [(cds.box_around(s), row) for s, row in zones if area in (None, s.zone_id)]
    rows = _at(time, near.of(inside))
    if not include_geometry:
        rows = [{k: v for k, v in row.items() if k != "geometry"} for row in rows]
    return _page(asked, "zones", rows, offset, limit, each=MINUTE)


@router.get("/curbs/zones/{id_}", dependencies=JSON_ONLY)
async def curb_zone(
    id_: UUID, asked: AskedDep, db: Transaction, time: int | None = None
) -> Response:
    rows = [row for _, row in await _zones(asked, db)]
    return _one(asked, "zone", _at(time, rows), "curb_zone_id", id_, each=MINUTE)


@router.get("/curbs/areas", dependencies=JSON_ONLY)
async def curb_areas(
    asked: AskedDep, near: NearDep, offset: Offset = 0, limit: Limit = PAGE
) -> Response:
    rows = near.of([(cds.box_of(zone), cds.area(zone)) for zone in await asked.zones()])
    return _page(asked, "areas", rows, offset, limit)


@router.get("/curbs/areas/{id_}", dependencies=JSON_ONLY)
async def curb_area(id_: UUID, asked: AskedDep) -> Response:
    rows = [cds.area(zone) for zone in await asked.zones()]
    return _one(asked, "area", rows, "curb_area_id", id_)


@router.get("/curbs/spaces", dependencies=JSON_ONLY)
async def curb_spaces(
    asked: AskedDep,
    near: NearDep,
    zone: UUID | None = None,
    offset: Offset = 0,
    limit: Limit = PAGE,
) -> Response:
    inside = [
        (cds.box_around(spot), cds.space(spot))
        for known in await asked.zones()
        for spot in known.spots
        if spot.exclusive and zone in (None, spot.id)
    ]
    return _page(asked, "spaces", near.of(inside), offset, limit)


@router.get("/curbs/spaces/{id_}", dependencies=JSON_ONLY)
async def curb_space(id_: UUID, asked: AskedDep) -> Response:
    spots = [spot for zone in await asked.zones() for spot in zone.spots if spot.exclusive]
    return _one(asked, "space", [cds.space(spot) for spot in spots], "curb_space_id", id_)


@router.get("/curbs/policies", dependencies=JSON_ONLY)
async def curb_policies(
    asked: AskedDep,
    db: Transaction,
    ids: Annotated[str | None, Query(max_length=4_000)] = None,
    offset: Offset = 0,
    limit: Limit = PAGE,
) -> Response:
    wanted = None if ids is None else {id_.strip().lower() for id_ in ids.split(",")}
    rows = [
        row
        for row in await _each_policy(asked, db)
        if wanted is None or row["curb_policy_id"] in wanted
    ]
    return _page(asked, "policies", rows, offset, limit, each=MINUTE)


@router.get("/curbs/policies/{id_}", dependencies=JSON_ONLY)
async def curb_policy(id_: UUID, asked: AskedDep, db: Transaction) -> Response:
    rows = await _each_policy(asked, db)
    return _one(asked, "policy", rows, "curb_policy_id", id_, each=MINUTE)


async def _each_policy(asked: Asked, db: Transaction) -> list[dict[str, Any]]:
    """Each once: zones of one price share their policies, as spots closed together do."""
    prices = [row for rows in (await _policies(asked, db)).values() for row in rows]
    rows = [*prices, *(await _closed(asked, db)).values()]
    return list({row["curb_policy_id"]: row for row in rows}.values())


# Events


@router.get("/events/events", dependencies=JSON_ONLY)
async def curb_events(
    asked: AskedDep,
    curb_area_id: UUID | None = None,
    curb_zone_id: UUID | None = None,
    curb_space_id: UUID | None = None,
    offset: Offset = 0,
    limit: Limit = PAGE,
) -> Response:
    """Of the last seven whole days. By zone or space there are none: that is told of nobody."""
    stays = await asked.stays(asked.period(None, None, whole_days=True))
    if curb_zone_id is not None or curb_space_id is not None:
        stays = []
    stays = [stay for stay in stays if curb_area_id in (None, stay.zone_id)]
    return _page(asked, "events", cds.events(await asked.zones(), stays), offset, limit)


@router.get("/events/status", dependencies=JSON_ONLY)
async def curb_status() -> Response:
    raise NotOffered("there are no sensors")


# Metrics

Moment = Annotated[int | None, Query(ge=0, le=253_402_300_799_000)]


class Metric:
    """Which area, and from when until when; in whole hours."""

    def __init__(
        self,
        asked: AskedDep,
        curb_place_type: Annotated[str | None, Query(pattern="^(area|zone|space)$")] = None,
        curb_place_id: UUID | None = None,
        start_time: Moment = None,
        end_time: Moment = None,
    ) -> None:
        self.asked = asked
        self._type, self._id = curb_place_type, curb_place_id
        self._since, self._until = start_time, end_time

    def period(self) -> Period:
        """The local days of these moments; raises PeriodNotOffered."""
        return self.asked.period(
            self._day(self._since), self._day(self._until, -1), whole_days=True
        )

    def _day(self, moment: int | None, less_ms: int = 0) -> date | None:
        if moment is None:
            return None
        try:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment + less_ms)
            return self.asked.books.day(at)
        except OverflowError as exc:
            raise PeriodNotOffered("a day that no calendar has") from exc

    def of(self, rows: Sequence[Any], at: str) -> list[Any]:
        """The rows of the place asked for, between its moments."""
        return [
            row
            for row in rows
            if self._type in (None, "area")
            and self._id in (None, row.zone_id)
            and (self._since is None or cds.timestamp(getattr(row, at)) >= self._since)
            and (self._until is None or cds.timestamp(getattr(row, at)) < self._until)
        ]


MetricDep = Annotated[Metric, Depends()]


def _csv_answer(asked: Asked, body: bytes) -> Response:
    kept = asked.until_next(HOUR)
    return asked.answer(body, f"{CSV_TYPE};version=1.0", kept=kept, modified=asked.this_hour)


@router.get("/metrics/sessions", dependencies=CSV_ONLY)
async def curb_sessions(asked: AskedDep, metric: MetricDep) -> Response:
    stays = metric.of(await asked.stays(metric.period()), "began")
    return _csv_answer(asked, cds.sessions_csv(stays))


@router.get("/metrics/aggregates", dependencies=CSV_ONLY)
async def curb_aggregates(
    asked: AskedDep,
    metric: MetricDep,
    metric_type: Annotated[
        str | None,
        Query(pattern="^(total_sessions|turnover|average_dwell_time|occupancy_percent)$"),
    ] = None,
) -> Response:
    hours = metric.of(await asked.hours(metric.period()), "hour")
    zones = await asked.zones()
    return _csv_answer(asked, cds.aggregates_csv(hours, zones, asked.books.timezone, metric_type))
