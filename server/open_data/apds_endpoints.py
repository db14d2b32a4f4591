"""HTTP of the feeds after APDS (ISO/TS 5206-1), under `/open-data/apds`. Reading only."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid5

import orjson
from fastapi import APIRouter, Query, Response

from server.database import Transaction
from server.errors import NotFound
from server.open_data import apds, service
from server.open_data.answers import Asked, AskedDep, From, Until
from server.open_data.service import HOUR, MINUTE
from server.spots import closures

router = APIRouter(prefix="/open-data/apds", include_in_schema=False)
PAGE = 500
Page = Annotated[int, Query(ge=1, le=10_000)]


def _publisher(asked: Asked) -> UUID:
    return uuid5(apds.campus_id(asked.publisher.base_url), "publisher")


def _list(asked: Asked, data: Sequence[Any], page: int, *, each: timedelta = HOUR) -> Response:
    """A page of the edition that is made `each` so long, as of when it was."""
    kept = asked.until_next(each)
    as_of = asked.now + kept - each
    body = orjson.dumps(apds.paginated(data, page, PAGE, as_of))
    return asked.answer(body, "application/json", kept=kept, modified=as_of)


def _one(asked: Asked, data: Sequence[dict[str, Any]], id_: str) -> Response:
    for row in data:
        if row["id"] == id_:
            return asked.answer(
                orjson.dumps(row), "application/json", kept=asked.until_next(MINUTE)
            )
    raise NotFound(id_)


async def _places(asked: Asked, db: Transaction) -> list[dict[str, Any]]:
    at, counted = await asked.occupancy()
    books = asked.books
    return apds.places(
        await asked.zones(),
        service.by_zone(counted),
        at,
        books.base_url,
        books.regency,
        books.timezone,
        await closures.standing(db, asked.now),
    )


@router.get("/places")
async def places(
    asked: AskedDep,
    db: Transaction,
    layer: Annotated[int | None, Query(ge=0, le=2)] = None,
    page: Page = 1,
) -> Response:
    """The regency (layer 0), its zones (1) and spots (2), down to the layer asked for."""
    found = await _places(asked, db)
    rows = [row for row in found if layer is None or row["layer"] <= layer]
    return _list(asked, rows, page, each=MINUTE)


@router.get("/places/{id_}")
async def place(id_: str, asked: AskedDep, db: Transaction) -> Response:
    return _one(asked, await _places(asked, db), id_)


async def _rates(asked: Asked, db: Transaction) -> list[dict[str, Any]]:
    tariffs = await service.tariffs(db, asked.books.day(asked.now))
    return apds.rates(tariffs, _publisher(asked), asked.books.timezone)


@router.get("/rates")
async def rates(asked: AskedDep, db: Transaction, page: Page = 1) -> Response:
    return _list(asked, await _rates(asked, db), page)


@router.get("/rates/{id_}")
async def rate(id_: str, asked: AskedDep, db: Transaction) -> Response:
    return _one(asked, await _rates(asked, db), id_)


@router.get("/sessions")
async def sessions(
    asked: AskedDep, from_: From = None, until: Until = None, page: Page = 1
) -> Response:
    """Of whole days that are over, the newest first."""
    stays = await asked.stays(asked.period(from_, until, whole_days=True))
    return _list(asked, apds.sessions(stays, _publisher(asked)), page)
