"""GeoJSON of spots and zones: taken in whole or not at all, each wrong feature by its number."""

import json
from typing import Any

import pytest

from domain.parking import spot_code
from server.database import Transactions
from server.errors import FileRefused
from server.open_data import datasets
from server.open_data import service as open_data
from server.spots import geojson, service
from server.spots.models import Spot

NEW = spot_code("BRU", 1)
SQUARE = [[112.9, -2.5], [112.91, -2.5], [112.91, -2.49], [112.9, -2.5]]


def point(code: str = NEW, at: Any = (112.9, -2.5), **changes: Any) -> dict[str, Any]:
    properties = {"code": code, "zone_name": "Baru", "place": "Jl. Baru 1", **changes}
    geometry = {"type": "Point", "coordinates": list(at)}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def outline(coordinates: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": {"zone": "BRU", **properties}}


def file(*features: Any, **more: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features, **more})


async def take_in(transactions: Transactions, text: str) -> int:
    async with transactions.begin() as db:
        return await geojson.import_features(db, text)


async def test_spots_and_their_zones_outline_are_taken_in_and_again_change_nothing(
    transactions: Transactions,
) -> None:
    text = file(point(zone_name=None, exclusive="yes"), outline([SQUARE], zone_name="Baru"))
    for _ in range(2):
        assert await take_in(transactions, text) == 1
    async with transactions.begin() as db:
        found = await service.find(db, NEW)
        assert (found.latitude, found.longitude, found.exclusive) == (-2.5, 112.9, True)
        assert (found.zone_code, found.zone_name) == ("BRU", "Baru")
        assert await geojson.outlines(db) == [("BRU", {"type": "Polygon", "coordinates": [SQUARE]})]
    two = file(outline([[SQUARE], [SQUARE]], "MultiPolygon"))
    assert await take_in(transactions, two) == 0
    async with transactions.begin() as db:
        [(_, told)] = await geojson.outlines(db, "BRU")
        assert told["coordinates"] == [[SQUARE], [SQUARE]]
        assert await geojson.outlines(db, "PSR") == []


async def test_what_open_data_gives_out_can_be_read_back(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        rows = datasets.spot_rows(await open_data.zones(db), "https://parkir.example")
        before = {spot.code: spot for spot in await service.all_spots(db)}
        one = await db.get(Spot, before["PSR-001-U"].id)
        assert one is not None
        one.place = "Jl. Lain"
    assert await take_in(transactions, datasets.as_geojson(rows).decode()) == len(before)
    async with transactions.begin() as db:
        assert {spot.code: spot for spot in await service.all_spots(db)} == before


WRONG: dict[str, Any] = {
    "latitude or longitude out of range (longitude comes first)": point(at=(-2.5, 112.9)),
    "want a position as [longitude, latitude]": point(at=("112.9", "-2.5")),
    "place is missing": point(place=None),
    "place is not a line of text": point(place=7),
    "is not of zone PSR": point(zone="PSR"),
    "exclusive must be true or false": point(exclusive=1),
    "zone BRU is new: give its zone_name": point(zone_name=None),
    "want a Point for a spot": outline(SQUARE, "LineString"),
    "a ring must have four positions and end where it begins": outline([SQUARE[:3]]),
    "want rings of positions": outline([]),
    "want a Feature with geometry and properties": {"type": "Feature", "geometry": None},
    "want a Feature": "?",
    "kode": point("BRU-001-A"),
}


@pytest.mark.parametrize("said", WRONG)
async def test_a_wrong_feature_is_named_and_nothing_of_the_file_is_taken_in(
    transactions: Transactions, said: str
) -> None:
    with pytest.raises(FileRefused) as refused:
        await take_in(transactions, file(point("PSR-001-U"), WRONG[said]))
    assert "feature 2: " in refused.value.english
    assert "fitur 2: " in refused.value.indonesian
    if said != "kode":
        assert said in str(refused.value)
    async with transactions.begin() as db:
        assert (await service.find(db, "PSR-001-U")).place != "Jl. Baru 1"


async def test_every_wrong_feature_is_named(transactions: Transactions) -> None:
    with pytest.raises(FileRefused) as refused:
        await take_in(
            transactions, file("?", point(), point(), point(spot_code("BRU", 2), (0, 91)))
        )
    said = str(refused.value)
    assert [f"feature {n}:" in said for n in (1, 2, 3, 4)] == [True, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", file(), '{"type": "FeatureCollection"}', "[" * 100_000,
        file(point(), crs={"type": "name", "properties": {"name": "EPSG:32749"}}),
    ],
)  # fmt: skip
async def test_what_is_no_such_file_is_refused(transactions: Transactions, text: str) -> None:
    with pytest.raises(FileRefused):
        await take_in(transactions, text)


async def test_older_files_that_name_the_same_coordinates_are_read(
    transactions: Transactions,
) -> None:
    for name in ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326"):
        crs = {"type": "name", "properties": {"name": name}}
        assert await take_in(transactions, file(point(), crs=crs)) == 1
