"""Spots and the outlines of zones from GeoJSON (RFC 7946), as a survey or our own open data has it.

A Point is a spot, a Polygon or MultiPolygon the outline of its zone. All of a file is taken in, or
nothing, and every feature that is wrong is named by its number.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import parse_spot_code
from server.spots import service
from server.spots.models import ZONE_CODE, Zone
from server.spots.service import SpotFileError, SpotRow

MOST_CORNERS = 5_000
LONGEST = 200
WGS84 = re.compile("CRS84$|EPSG:{1,2}4326$")


@dataclass
class _File:
    rows: list[SpotRow] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    outlines: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """Of each zone, the feature that first spoke of it."""


async def import_features(db: AsyncSession, text: str) -> int:
    """Take in spots and outlines, all or nothing; known ones are updated. Returns how many spots.

    Raises SpotFileError naming the features that are wrong.
    """
    file = _read(text)
    known = dict(await service.zone_names(db))
    names = known | file.names
    unnamed = [zone for zone in file.numbers if zone not in names]
    service.refuse(
        [f"feature {file.numbers[z]}: zone {z} is new: give its zone_name" for z in unnamed]
    )
    await service.put(db, [replace(row, zone_name=names[row.zone]) for row in file.rows])
    for zone, outline in file.outlines.items():
        await service.put_zone(db, zone, names[zone])
        await db.execute(
            update(Zone)
            .where(Zone.code == zone, Zone.outline.is_distinct_from(outline))
            .values(outline=outline)
        )
    return len(file.rows)


async def outlines(db: AsyncSession, zone: str = "") -> list[tuple[str, dict[str, Any]]]:
    """(name, geometry) of each zone that has one; of one zone, where its code is given."""
    asked = select(Zone.name, Zone.outline).where(Zone.outline.is_not(None)).order_by(Zone.code)
    rows = await db.execute(asked.where(Zone.code == zone) if zone else asked)
    return [(name, outline) for name, outline in rows if outline is not None]


def rings(outline: Mapping[str, Any]) -> list[list[list[float]]]:
    """All rings of an outline, whatever shapes it has."""
    shapes = outline["coordinates"]
    return shapes if outline["type"] == "Polygon" else [ring for shape in shapes for ring in shape]


def _read(text: str) -> _File:
    try:
        told = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as exc:
        raise SpotFileError(f"not JSON: {exc}") from exc
    if not isinstance(told, Mapping) or told.get("type") != "FeatureCollection":
        raise SpotFileError("want a GeoJSON FeatureCollection")
    if "crs" in told and WGS84.search(_crs(told["crs"])) is None:
        raise SpotFileError("want coordinates in EPSG:4326, as GeoJSON has them")
    features = told.get("features")
    if not isinstance(features, list) or not features:
        raise SpotFileError("there are no features in it")
    file, wrong = _File(), []
    for number, feature in enumerate(features, 1):
        try:
            _take(file, feature, number)
        except ValueError as exc:
            wrong.append(f"feature {number}: {exc}")
    service.refuse(wrong)
    return file


def _crs(told: object) -> str:
    """How older files name what their coordinates are in."""
    properties = told.get("properties") if isinstance(told, Mapping) else None
    return str(properties.get("name", "")) if isinstance(properties, Mapping) else ""


def _take(file: _File, feature: object, number: int) -> None:
    """One feature into what was read; raises ValueError in words."""
    match feature:
        case {"type": "Feature", "geometry": dict() as geometry, "properties": dict() as told}:
            pass
        case _:
            raise ValueError("want a Feature with geometry and properties")
    take = _KINDS.get(str(geometry.get("type")))
    if take is None:
        raise ValueError("want a Point for a spot, or a Polygon or MultiPolygon for a zone")
    zone, name = take(file, geometry, told)
    file.numbers.setdefault(zone, number)
    if name and file.names.setdefault(zone, name) != name:
        raise ValueError(f"zone {zone} has another name above")


def _spot(file: _File, geometry: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, str]:
    longitude, latitude = _position(geometry.get("coordinates"))
    code = parse_spot_code(_word(told, "code") or _word(told, "spot"))
    zone = _word(told, "zone") or code.partition("-")[0]
    if re.fullmatch(ZONE_CODE, zone) is None or not code.startswith(f"{zone}-"):
        raise ValueError(f"spot {code} is not of zone {zone}")
    if code in file.codes:
        raise ValueError(f"spot {code} stands twice")
    place = _word(told, "place")
    if not place:
        raise ValueError("place is missing")
    name, exclusive = _word(told, "zone_name"), _truth(told.get("exclusive", False))
    file.codes.add(code)
    file.rows.append(SpotRow(zone, name, code, place, latitude, longitude, exclusive))
    return zone, name


def _zone(file: _File, geometry: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, str]:
    zone = _word(told, "zone") or _word(told, "code")
    if re.fullmatch(ZONE_CODE, zone) is None:
        raise ValueError(f"zone {zone} is not three capital letters")
    if zone in file.outlines:
        raise ValueError(f"zone {zone} has an outline above")
    kind, shapes = geometry["type"], geometry.get("coordinates")
    shapes = [shapes] if kind == "Polygon" else shapes
    if not isinstance(shapes, list) or not shapes:
        raise ValueError("want rings of positions")
    rings = [[_ring(ring) for ring in _some(shape)] for shape in shapes]
    if sum(len(ring) for shape in rings for ring in shape) > MOST_CORNERS:
        raise ValueError(f"more than {MOST_CORNERS} corners")
    file.outlines[zone] = {"type": kind, "coordinates": rings[0] if kind == "Polygon" else rings}
    return zone, _word(told, "zone_name") or _word(told, "name")


_KINDS: Mapping[str, Callable[[_File, Mapping[str, Any], Mapping[str, Any]], tuple[str, str]]] = {
    "Point": _spot,
    "Polygon": _zone,
    "MultiPolygon": _zone,
}


def _some(told: object) -> list[Any]:
    if not isinstance(told, list) or not told:
        raise ValueError("want rings of positions")
    return told


def _ring(told: object) -> list[list[float]]:
    ring = [list(_position(position)) for position in _some(told)]
    if len(ring) < 4 or ring[0] != ring[-1]:
        raise ValueError("a ring must have four positions and end where it begins")
    return ring


def _position(told: object) -> tuple[float, float]:
    """Longitude and latitude, in this order; a height is not asked for."""
    if not isinstance(told, list) or len(told) < 2 or not all(_is_number(x) for x in told[:2]):
        raise ValueError("want a position as [longitude, latitude]")
    longitude, latitude = told[:2]
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        hint = " (longitude comes first)" if abs(latitude) > 90 >= abs(longitude) else ""
        raise ValueError(f"latitude or longitude out of range{hint}")
    return float(longitude), float(latitude)


def _is_number(told: object) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool)


def _word(told: Mapping[str, Any], name: str) -> str:
    """A property as one line; empty where there is none."""
    value = told.get(name)
    if value is None:
        return ""
    line = " ".join(value.split()) if isinstance(value, str) else ""
    if not line or not line.isprintable() or len(line) > LONGEST:
        raise ValueError(f"{name} is not a line of text")
    return line


def _truth(told: object) -> bool:
    if isinstance(told, bool):
        return told
    if told in ("yes", "no"):
        return told == "yes"
    raise ValueError("exclusive must be true or false")
