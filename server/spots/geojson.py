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

from server.errors import Faults, FileRefused
from server.spots import service
from server.spots.models import Zone
from server.spots.service import SpotRow

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

    Raises FileRefused naming the features that are wrong.
    """
    file = _read(text)
    known = dict(await service.zone_names(db))
    names = known | file.names
    faults = Faults()
    for zone in (zone for zone in file.numbers if zone not in names):
        with faults.gathered(*_at(file.numbers[zone])):
            raise FileRefused(
                f"zone {zone} is new: give its zone_name", f"zona {zone} baru: isi zone_name-nya"
            )
    faults.refuse_any()
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
    """(zone code, geometry) of each zone that has one; of one zone, where its code is given."""
    asked = select(Zone.code, Zone.outline).where(Zone.outline.is_not(None)).order_by(Zone.code)
    rows = await db.execute(asked.where(Zone.code == zone) if zone else asked)
    return [(code, outline) for code, outline in rows if outline is not None]


def rings(outline: Mapping[str, Any]) -> list[list[list[float]]]:
    """All rings of an outline, whatever shapes it has."""
    shapes = outline["coordinates"]
    return shapes if outline["type"] == "Polygon" else [ring for shape in shapes for ring in shape]


def _read(text: str) -> _File:
    try:
        told = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as exc:
        line = getattr(exc, "lineno", 1)
        raise FileRefused.in_line(line, "not sound JSON", "bukan JSON yang benar") from exc
    if not isinstance(told, Mapping) or told.get("type") != "FeatureCollection":
        raise FileRefused("want a GeoJSON FeatureCollection", "harus GeoJSON FeatureCollection")
    if "crs" in told and WGS84.search(_crs(told["crs"])) is None:
        raise FileRefused(
            "want coordinates in EPSG:4326, as GeoJSON has them",
            "koordinat harus EPSG:4326, seperti semestinya GeoJSON",
        )
    features = told.get("features")
    if not isinstance(features, list) or not features:
        raise FileRefused("there are no features in it", "tidak ada fitur di dalamnya")
    file, faults = _File(), Faults()
    for number, feature in enumerate(features, 1):
        with faults.gathered(*_at(number)):
            _take(file, feature, number)
    faults.refuse_any()
    return file


def _at(number: int) -> tuple[str, str]:
    return f"feature {number}: ", f"fitur {number}: "


def _crs(told: object) -> str:
    """How older files name what their coordinates are in."""
    properties = told.get("properties") if isinstance(told, Mapping) else None
    return str(properties.get("name", "")) if isinstance(properties, Mapping) else ""


def _take(file: _File, feature: object, number: int) -> None:
    """One feature into what was read; raises FileRefused."""
    match feature:
        case {"type": "Feature", "geometry": dict() as geometry, "properties": dict() as told}:
            pass
        case _:
            raise FileRefused(
                "want a Feature with geometry and properties",
                "harus Feature dengan geometry dan properties",
            )
    take = _KINDS.get(str(geometry.get("type")))
    if take is None:
        raise FileRefused(
            "want a Point for a spot, or a Polygon or MultiPolygon for a zone",
            "harus Point untuk titik, atau Polygon atau MultiPolygon untuk zona",
        )
    zone, name = take(file, geometry, told)
    file.numbers.setdefault(zone, number)
    if name and file.names.setdefault(zone, name) != name:
        raise service.named_otherwise(zone)


def _spot(file: _File, geometry: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, str]:
    longitude, latitude = _position(geometry.get("coordinates"))
    code = service.code_of(_word(told, "code") or _word(told, "spot"))
    zone = _word(told, "zone") or code.partition("-")[0]
    service.check_zone(zone, code)
    if code in file.codes:
        raise service.stands_twice(code)
    place = _word(told, "place")
    if not place:
        raise FileRefused("place is missing", "place tidak ada")
    name, exclusive = _word(told, "zone_name"), _truth(told.get("exclusive", False))
    file.codes.add(code)
    file.rows.append(SpotRow(zone, name, code, place, latitude, longitude, exclusive))
    return zone, name


def _zone(file: _File, geometry: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, str]:
    zone = _word(told, "zone") or _word(told, "code")
    service.check_zone(zone)
    if zone in file.outlines:
        raise FileRefused(
            f"zone {zone} has an outline above", f"zona {zone} sudah punya batas di atasnya"
        )
    kind, shapes = geometry["type"], geometry.get("coordinates")
    shapes = [shapes] if kind == "Polygon" else shapes
    rings = [[_ring(ring) for ring in _some(shape)] for shape in _some(shapes)]
    if sum(len(ring) for shape in rings for ring in shape) > MOST_CORNERS:
        raise FileRefused(f"more than {MOST_CORNERS} corners", f"lebih dari {MOST_CORNERS} sudut")
    file.outlines[zone] = {"type": kind, "coordinates": rings[0] if kind == "Polygon" else rings}
    return zone, _word(told, "zone_name") or _word(told, "name")


_KINDS: Mapping[str, Callable[[_File, Mapping[str, Any], Mapping[str, Any]], tuple[str, str]]] = {
    "Point": _spot,
    "Polygon": _zone,
    "MultiPolygon": _zone,
}


def _some(told: object) -> list[Any]:
    if not isinstance(told, list) or not told:
        raise FileRefused("want rings of positions", "harus cincin-cincin posisi")
    return told


def _ring(told: object) -> list[list[float]]:
    ring = [list(_position(position)) for position in _some(told)]
    if len(ring) < 4 or ring[0] != ring[-1]:
        raise FileRefused(
            "a ring must have four positions and end where it begins",
            "cincin harus punya empat posisi dan berakhir di tempat ia mulai",
        )
    return ring


def _position(told: object) -> tuple[float, float]:
    """Longitude and latitude, in this order; a height is not asked for."""
    if not isinstance(told, list) or len(told) < 2 or not all(_is_number(x) for x in told[:2]):
        raise FileRefused(
            "want a position as [longitude, latitude]", "posisi harus [longitude, latitude]"
        )
    longitude, latitude = told[:2]
    service.check_position(latitude, longitude)
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
        raise FileRefused(f"{name} is not a line of text", f"{name} bukan sebaris teks")
    return line


def _truth(told: object) -> bool:
    if isinstance(told, bool):
        return told
    if told in ("yes", "no"):
        return told == "yes"
    raise FileRefused("exclusive must be true or false", "exclusive harus true atau false")
