"""A driver at the kerb, his wallet, and the clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from server.database import Transactions
from server.parking.models import ParkingSession
from server.payments import inquiries
from server.payments.models import Charge
from server.payments.wiring import Wiring
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import meddle, office, voice  # noqa: F401 - fixtures

HOURLY = "RSU-003-I"


@dataclass
class Driver:
    """Whoever has a phone: forms go out as its browser sends them."""

    app: FastAPI
    api: httpx.AsyncClient
    sandbox: Sandbox
    owner: Transactions

    async def send(self, path: str, **form: object) -> httpx.Response:
        return await self.api.post(path, data={"id": str(uuid4())} | form)

    async def asks(self, spot: str = HOURLY, **form: object) -> UUID:
        """The charge, or the stay, that a form at a spot makes."""
        answer = await self.send(f"/p/{spot}", **{"vehicle_class": "car"} | form)
        assert answer.status_code == 303, answer.text
        return UUID(answer.headers["location"].rsplit("/", 1)[-1])

    async def charge(self, charge_id: UUID) -> Any:
        return (await self.api.get(f"/v1/charges/{charge_id}")).json()

    async def ask_acquirer(self, charge_id: UUID, later: timedelta = timedelta()) -> None:
        wired: Wiring = self.app.state.payments
        await inquiries.inquire(
            self.app.state.transactions,
            wired.acquirers.first,
            wired.announcer,
            wired.books,
            charge_id.hex,
            datetime.now(UTC) + later,
        )

    async def pays(self, charge_id: UUID) -> None:
        await self.sandbox.pay((await self.charge(charge_id))["qris"])
        await self.ask_acquirer(charge_id)
        assert (await self.charge(charge_id))["state"] == "paid"

    async def lets_lapse(self, charge_id: UUID) -> None:
        ended = datetime.now(UTC) - timedelta(seconds=61)
        async with self.owner.begin() as db:
            await db.execute(update(Charge).where(Charge.id == charge_id).values(expires_at=ended))
        await self.ask_acquirer(charge_id)
        assert (await self.charge(charge_id))["state"] == "expired"

    async def waits(self, stay_id: UUID, span: timedelta) -> None:
        """As if a stay had begun so much earlier; it has ended no earlier."""
        async with self.owner.begin() as db:
            await db.execute(
                update(ParkingSession)
                .where(ParkingSession.id == stay_id)
                .values(
                    started_at=ParkingSession.started_at - span,
                    ends_at=ParkingSession.ends_at - span,
                )
            )


@pytest.fixture
def driver(app: FastAPI, api: httpx.AsyncClient, sandbox: Sandbox, owner: Transactions) -> Driver:
    return Driver(app, api, sandbox, owner)
