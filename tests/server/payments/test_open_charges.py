"""A bot that reserves spots is stopped; who pays, or waits, may go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from server.payments.open_charges import OpenCharges
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import Office

CAR = {"vehicle_class": "car"}


@asynccontextmanager
async def at(app: FastAPI, address: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


async def asks(client: httpx.AsyncClient, spot: str, charge_id: str | None = None) -> Any:
    body = CAR | {"id": charge_id or str(uuid4())}
    return await client.post(f"/v1/spots/{spot}/charges", json=body)


async def test_an_address_holds_only_so_many_unpaid_barcodes(
    app: FastAPI, sandbox: Sandbox, office: Office
) -> None:
    app.state.open_charges = OpenCharges(2, 100)
    async with at(app, "192.0.2.1") as bot, at(app, "192.0.2.2") as neighbour:
        held = [(await asks(bot, spot)).json() for spot in ("PSR-001-U", "PSR-002-T")]
        refused = await asks(bot, "PSR-003-W")
        assert (refused.status_code, refused.json()["slug"]) == (429, "too-many-open-charges")
        assert 1 <= int(refused.headers["retry-after"]) <= 901
        # Asking again for the same is not more, and nobody else is to suffer.
        assert (await asks(bot, "PSR-001-U", held[0]["id"])).status_code == 201
        assert (await asks(neighbour, "PSR-003-W")).status_code == 201
        await sandbox.pay(held[0]["qris"])
        await office.inquire(UUID(held[0]["id"]))
        assert (await asks(bot, "PSR-003-W")).status_code == 201
        assert (await asks(bot, "PSR-004-S")).status_code == 429


async def test_a_spot_is_not_filled_from_many_addresses(app: FastAPI) -> None:
    app.state.open_charges = OpenCharges(100, 2)
    for number, status in enumerate((201, 201, 429)):
        async with at(app, f"192.0.2.{number}") as bot:
            assert (await asks(bot, "PSR-001-U")).status_code == status
            assert (await asks(bot, "PSR-002-T")).status_code == status


async def test_what_was_refused_holds_nothing(app: FastAPI) -> None:
    app.state.open_charges = OpenCharges(1, 100)
    async with at(app, "192.0.2.1") as driver:
        for _ in range(3):
            refused = await asks(driver, "RSU-003-I")  # by the hour, and no minutes told
            assert refused.json()["slug"] == "stay-not-priced"
        assert (await asks(driver, "PSR-001-U")).status_code == 201


async def test_the_page_of_a_refusal_says_how_long_to_wait(app: FastAPI) -> None:
    app.state.open_charges = OpenCharges(1, 100)
    async with at(app, "192.0.2.1") as driver:
        form = {"vehicle_class": "car"}
        await driver.post("/p/PSR-001-U", data=form | {"id": str(uuid4())})
        for language, words in (("id", "Tunggu 15 menit"), ("en", "Wait 15 minutes")):
            page = await driver.post(
                f"/p/PSR-002-T?lang={language}",
                data=form | {"id": str(uuid4())},
                headers={"Accept": "text/html"},
            )
            assert page.status_code == 429
            assert words in page.text
