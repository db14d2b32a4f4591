"""HTTP of the datasets, their catalogue, and the page that tells people of them.

Described by the catalogue and docs/open-data.md; programs that pay are described by /openapi.json.
"""

from datetime import timedelta
from pathlib import Path

import orjson
from fastapi import APIRouter, Response

from server import pages
from server.database import Transaction
from server.errors import NotFound
from server.open_data import datasets, dcat, service
from server.open_data.answers import Asked, AskedDep, From, Until
from server.open_data.datasets import DATASETS, Dataset, Row
from server.open_data.service import HOUR, MINUTE, QUARTER
from server.spots import closures

router = APIRouter(prefix="/open-data", include_in_schema=False)
TEMPLATES = Path(__file__).parent / "templates"
MEDIA = {**dcat.MEDIA, "csv": "text/csv; charset=utf-8; header=present"}


@router.get("")
async def open_data_page(asked: AskedDep) -> Response:
    yesterday = asked.books.day(asked.now) - timedelta(days=1)
    return pages.render(
        asked.request,
        TEMPLATES,
        "open_data.html",
        books=asked.books,
        datasets=DATASETS.values(),
        names={"json": "JSON", "csv": "CSV", "geojson": "GeoJSON"},
        publisher=asked.publisher,
        days=service.DAYS_AT_ONCE,
        first=yesterday - timedelta(days=service.DAYS_UNASKED - 1),
        last=yesterday,
    )


@router.get("/catalog.jsonld")
async def catalogue(asked: AskedDep) -> Response:
    body = orjson.dumps(dcat.catalogue(asked.publisher))
    return asked.answer(body, "application/ld+json")


@router.get("/tariffs.{format_}")
async def tariffs(format_: str, asked: AskedDep, db: Transaction) -> Response:
    today = asked.books.day(asked.now)
    rows = datasets.tariff_rows(await service.tariffs(db, today))
    return asked.answer(*_written(asked, datasets.TARIFFS, format_, rows))


@router.get("/closures.{format_}")
async def standing_closures(format_: str, asked: AskedDep, db: Transaction) -> Response:
    """What is closed now or will be."""
    standing = await closures.standing(db, asked.now)
    rows = datasets.closure_rows(standing, asked.books.timezone)
    written = _written(asked, datasets.CLOSURES, format_, rows)
    return asked.answer(*written, kept=MINUTE)


@router.get("/occupancy.{format_}")
async def occupancy(format_: str, asked: AskedDep) -> Response:
    at, counted = await asked.occupancy()
    rows = datasets.occupancy_rows(await asked.zones(), counted)
    told = _written(asked, datasets.OCCUPANCY, format_, rows, as_of=at.isoformat())
    return asked.answer(*told, kept=asked.until_next(QUARTER), modified=at)


@router.get("/hourly-use.{format_}")
async def hourly_use(
    format_: str, asked: AskedDep, from_: From = None, until: Until = None
) -> Response:
    period = asked.period(from_, until)
    hours = await asked.hours(period)
    rows = datasets.use_rows(await asked.zones(), hours, asked.books.timezone)
    span = {
        name: at.astimezone(asked.books.timezone).isoformat()
        for name, at in (("since", period.since), ("until", period.until))
    }
    told = _written(asked, datasets.HOURLY_USE, format_, rows, **span)
    return asked.answer(*told, kept=asked.until_next(HOUR), modified=asked.this_hour)


@router.get("/{name}.{format_}")
async def places(name: str, format_: str, asked: AskedDep) -> Response:
    """Zones or spots."""
    if name not in (datasets.ZONES.name, datasets.SPOTS.name):
        raise NotFound(name)
    zones = await asked.zones()
    rows = (
        datasets.zone_rows(zones)
        if name == datasets.ZONES.name
        else datasets.spot_rows(zones, asked.publisher.base_url)
    )
    return asked.answer(*_written(asked, DATASETS[name], format_, rows))


def _written(
    asked: Asked, dataset: Dataset, format_: str, rows: list[Row], **told: str
) -> tuple[bytes, str]:
    """The rows in a format that the dataset has, and its media type; raises NotFound."""
    if format_ not in dataset.formats:
        raise NotFound(format_)
    if format_ == "csv":
        body = datasets.as_csv(dataset, rows)
    elif format_ == "geojson":
        body = datasets.as_geojson(rows)
    else:
        publisher = asked.publisher
        head = {"publisher": publisher.name, "license": publisher.license_url}
        body = datasets.as_json(dataset, rows, {**head, **told})
    return body, MEDIA[format_]
