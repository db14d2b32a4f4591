"""A spot's page is drawn once for all, and yet nobody sees what is not so any more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from domain.parking import spot_code
from domain.sign import SignEvent
from domain.tariff import VehicleClass
from server import pages
from server.app import create_app
from server.database import Transactions, new_id
from server.driver.spot_pages import NOBODY, Choice, SpotPages, Visit
from server.payments.books import Books
from server.settings import Settings
from server.spots import service as spots
from server.spots import signs
from server.spots.service import NoTariff, SpotNotFound
from tests.server.driver.test_sign_pages import two_signs

FLAT, HOURLY = "PSR-001-U", "RSU-003-I"

# What an office does, and how the page of the flat spot shows it.
CHANGES = [
    ("UPDATE spots SET place = 'Jl. Baru 1' WHERE code = 'PSR-001-U'", "Jl. Baru 1"),
    ("UPDATE zones SET name = 'Pasar Baru' WHERE code = 'PSR'", "Pasar Baru"),
    (
        "UPDATE tariffs SET version = jsonb_set(version, '{rates,car,amount_rp}', '4500')"
        " WHERE version->'rates'->'car'->>'kind' = 'flat'",
        "Rp4.500",
    ),
    (
        "UPDATE tariffs SET version = jsonb_set(version, '{regulation}', '\"Perda Baru\"')",
        "Perda Baru",
    ),
    (
        "UPDATE spots SET zone_id = (SELECT id FROM zones WHERE code = 'RSU')"
        " WHERE code = 'PSR-001-U'",
        "jam pertama",
    ),
    ("DELETE FROM tariffs", "no-tariff"),
]


@pytest.fixture
async def two_processes(
    api: httpx.AsyncClient, settings: Settings
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """The server of the test, and another that shares nothing with it but the database."""
    other = create_app(settings)
    transport = httpx.ASGITransport(app=other)
    async with (
        other.router.lifespan_context(other),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client,
    ):
        yield [api, client]


async def test_a_change_shows_on_the_next_page_of_every_process(
    two_processes: list[httpx.AsyncClient], owner: Transactions
) -> None:
    for statement, shown in CHANGES:
        for process in two_processes:
            assert shown not in (await process.get(f"/p/{FLAT}")).text
        async with owner.begin() as db:
            await db.execute(text("SET LOCAL session_replication_role = replica"))
            await db.execute(text(statement))
        for process in two_processes:
            assert shown in (await process.get(f"/p/{FLAT}")).text, statement


async def test_a_sign_that_is_withdrawn_is_old_on_the_next_page(
    two_processes: list[httpx.AsyncClient], transactions: Transactions, settings: Settings
) -> None:
    link, _ = await two_signs(transactions, settings)
    path = link.removeprefix("http://127.0.0.1:8080")
    for process in two_processes:
        assert "data-sign" not in (await process.get(path)).text
    async with transactions.begin() as db:
        spot = await spots.find(db, FLAT)
        (version, *_) = [sign.version for sign in await signs.of_spot(db, spot.id)]
        withdrawn, now = SignEvent.WITHDRAWN, datetime.now(UTC)
        await signs.change(db, spot.id, version, withdrawn, "kantor", "dicuri", now=now)
    for process in two_processes:
        assert 'data-sign="old"' in (await process.get(path)).text
        assert "data-sign" not in (await process.get(f"/p/{FLAT}")).text


async def test_the_name_that_a_wallet_shows_is_the_last_barcodes(
    two_processes: list[httpx.AsyncClient],
) -> None:
    for process in two_processes:
        assert "Nama lain?" not in (await process.get(f"/p/{FLAT}")).text
    form = {"id": str(new_id()), "vehicle_class": "car"}
    assert (await two_processes[0].post(f"/p/{FLAT}", data=form)).status_code == 303
    for process in two_processes:
        assert "<strong>PARKIR KAB CONTOH</strong>" in (await process.get(f"/p/{FLAT}")).text


@pytest.fixture
def spot_pages(app: FastAPI) -> SpotPages:
    found: SpotPages = app.state.spot_pages
    return found


async def seen(
    spot_pages: SpotPages, code: str, at: datetime, language: str = "id", **chosen: Any
) -> str:
    choice = Choice(new_id(), chosen.get("vehicle_class"), chosen.get("minutes", 60))
    visit = Visit(f"/p/{code}", chosen.get("query", ""), language, at)
    return (await spot_pages.show(code, visit, choice)).decode()


async def test_a_price_ends_with_its_minute_and_a_tariff_with_its_day(
    spot_pages: SpotPages, owner: Transactions, books: Books
) -> None:
    night = '{"from": "18:00", "until": "06:00", "amount_rp": 6500}'
    async with owner.begin() as db:
        await db.execute(text("SET LOCAL session_replication_role = replica"))
        await db.execute(
            text(
                "UPDATE tariffs SET version = jsonb_set(version, '{rates,car,bands}',"
                " jsonb_build_array(CAST(:night AS jsonb))), valid_until = '2026-03-31'"
                " WHERE zone_id = (SELECT id FROM zones WHERE code = 'PSR')"
            ),
            {"night": night},
        )
    dusk = datetime(2026, 3, 31, 18, tzinfo=books.timezone)
    for at, price in (
        (dusk - timedelta(seconds=1), "Rp4.000"),
        (dusk, "Rp6.500"),
        (dusk + timedelta(seconds=59), "Rp6.500"),
        (dusk - timedelta(seconds=1), "Rp4.000"),
    ):
        assert f"{price} sekali parkir" in await seen(spot_pages, FLAT, at)
    with pytest.raises(NoTariff):
        await seen(spot_pages, FLAT, dusk + timedelta(hours=6))


async def test_those_who_ask_together_each_get_their_own_page(
    spot_pages: SpotPages, books: Books
) -> None:
    now = datetime.now(UTC).astimezone(books.timezone)
    asked = [
        (FLAT, "id", {}),
        (FLAT, "en", {}),
        (HOURLY, "id", {"minutes": 120}),
        (HOURLY, "id", {"minutes": 180}),
        (HOURLY, "id", {"minutes": 180, "vehicle_class": VehicleClass.TRUCK}),
        (FLAT, "id", {"query": "asal=poster"}),
    ]
    alone = [await seen(spot_pages, code, now, lang, **chosen) for code, lang, chosen in asked]
    spot_pages._drawn.cache_clear()
    together = await asyncio.gather(
        *(seen(spot_pages, code, now, lang, **chosen) for code, lang, chosen in asked),
        seen(spot_pages, spot_code("ZZZ", 1), now),
        return_exceptions=True,
    )
    assert isinstance(together.pop(), SpotNotFound)
    assert [without_id(page) for page in together] == [without_id(page) for page in alone]
    assert len(set(together)) == len(asked)


def without_id(page: Any) -> str:
    before, _, rest = page.partition('name="id" value="')
    found, _, after = rest.partition('"')
    assert UUID(found) != NOBODY
    return f"{before}{after}"


async def test_the_same_page_is_drawn_once_and_each_visit_has_an_id_of_its_own(
    spot_pages: SpotPages, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    text_ = pages.text

    def draw(*told: Any, **named: Any) -> str:
        drawn.append(1)
        return text_(*told, **named)

    monkeypatch.setattr(pages, "text", draw)
    now = datetime(2026, 3, 3, 9, tzinfo=books.timezone)
    visits = [await seen(spot_pages, FLAT, now + timedelta(seconds=s)) for s in range(5)]
    assert len(drawn) == 1
    assert len(set(visits)) == 5
    assert len({without_id(page) for page in visits}) == 1
