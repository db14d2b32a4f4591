"""The control: payments taken as one would at first, so that the harness is seen to notice losses.

Same PostgreSQL, same acquirer, same HTTP as Karcis. Nothing here is broken on purpose; it is only
what is left out that loses money: no key on what is inserted, the acquirer is acknowledged before
the commit, an unanswered request is made again under a new reference, nobody inquires, an expired
code is deleted, what a notification says is believed, and what handhelds send is written down once
more each time it comes; a plate is kept as it was said. Who has an enrolment code is let in, and
who has a device's name is it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.app import create_acquirer
from server.faults import crash_point
from server.payments.acquirer import AcquirerRefused, AcquirerUnknown
from server.settings import Settings

PRICES_RP = {"motorcycle": 2_000, "car": 4_000}
TRIES = 3
WRITE_EVERY_S = 0.02
TABLES = """
CREATE TABLE IF NOT EXISTS charges (
    reference text, spot text, qris text, state text, expires_at timestamptz, plate text);
CREATE TABLE IF NOT EXISTS posted (reference text, rrn text, amount_rp bigint);
CREATE TABLE IF NOT EXISTS refunds (reference text, charge text, amount_rp bigint);
CREATE TABLE IF NOT EXISTS events (id text, at timestamptz, seq int, device text);
CREATE TABLE IF NOT EXISTS codes (code text, expires_at timestamptz);
CREATE TABLE IF NOT EXISTS devices (id text, public_key text);
"""


class Naive:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.acquirer = create_acquirer(settings, settings.acquirer_terms[0])
        self.heard: list[tuple[str, str, int]] = []

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        self.pool = await asyncpg.create_pool(self.settings.database_url, min_size=1, max_size=8)
        await self.pool.execute(TABLES)
        working = [asyncio.create_task(self.write()), asyncio.create_task(self.expire())]
        yield
        for task in working:
            task.cancel()

    async def ready(self, _request: Request) -> Response:
        return JSONResponse({})

    async def ask(self, request: Request) -> Response:
        """A code for a spot; the spot's last code, when nobody paid it, is gone."""
        spot, body = request.path_params["spot"], await request.json()
        expires_at = datetime.now(UTC) + timedelta(seconds=self.settings.charge_lifetime_s)
        await self.pool.execute("DELETE FROM charges WHERE spot = $1 AND state = 'issued'", spot)
        for _ in range(TRIES):
            reference = uuid4().hex
            try:
                amount_rp = PRICES_RP[body["vehicle_class"]]
                barcode = await self.acquirer.generate(reference, amount_rp, expires_at)
            except AcquirerRefused:
                break
            except AcquirerUnknown:
                continue
            crash_point("generated-not-recorded")
            await self.pool.execute(
                "INSERT INTO charges VALUES ($1, $2, $3, 'issued', $4, $5)",
                reference, spot, barcode.qris, expires_at, body.get("plate"),
            )  # fmt: skip
            told = {"id": reference, "state": "issued", "qris": barcode.qris}
            return JSONResponse(told | {"expires_at": expires_at.isoformat()}, 201)
        return JSONResponse({}, 503)

    async def show(self, request: Request) -> Response:
        row = await self.pool.fetchrow(
            "SELECT qris, state, expires_at FROM charges WHERE reference = $1",
            request.path_params["reference"],
        )
        if row is None:
            return JSONResponse({}, 404)
        return JSONResponse(dict(row) | {"expires_at": row["expires_at"].isoformat()})

    async def notify(self, request: Request) -> Response:
        try:
            body = await request.json()
            amount_rp = int(float(body["amount"]["value"]))
            rrn = body.get("additionalInfo", {}).get("rrn", "")
            self.heard.append((body["originalPartnerReferenceNo"], rrn, amount_rp))
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"responseCode": "4005200"}, 400)
        return JSONResponse({"responseCode": "2005200", "responseMessage": "Successful"})

    async def refund(self, request: Request) -> Response:
        """Give back what was paid, when the sum still allows it."""
        charge, asked = request.path_params["reference"], (await request.json())["amount_rp"]
        sums = "SELECT coalesce(sum(amount_rp), 0) FROM {} WHERE {} = $1"
        paid = await self.pool.fetchval(sums.format("posted", "reference"), charge)
        given = await self.pool.fetchval(sums.format("refunds", "charge"), charge)
        for _ in range(TRIES if given + asked <= paid else 0):
            reference = uuid4().hex
            try:
                await self.acquirer.refund(charge, reference, asked, "diminta pengemudi")
            except AcquirerUnknown:
                continue
            except AcquirerRefused:
                break
            await self.pool.execute(
                "INSERT INTO refunds VALUES ($1, $2, $3)", reference, charge, asked
            )
            return JSONResponse({}, 201)
        return JSONResponse({}, 409)

    async def enrol(self, request: Request) -> Response:
        """Let a device in by a code that is still good, and strike the code."""
        body = await request.json()
        code, device_id = body["enrolment_code"], str(uuid4())
        good = "SELECT 1 FROM codes WHERE code = $1 AND expires_at > now()"
        if await self.pool.fetchval(good, code) is None:
            return JSONResponse({}, 403)
        await self.pool.execute("DELETE FROM codes WHERE code = $1", code)
        await self.pool.execute(
            "INSERT INTO devices VALUES ($1, $2)", device_id, body["public_key"]
        )
        return JSONResponse({"device_id": device_id}, 201)

    async def sync(self, request: Request) -> Response:
        """Write down what a handheld recorded, as it comes."""
        for event in (await request.json())["events"]:
            await self.pool.execute(
                "INSERT INTO events VALUES ($1, $2, $3, $4)",
                event["id"], datetime.fromisoformat(event["at"]),
                event.get("seq"), event.get("device_id"),
            )  # fmt: skip
        return JSONResponse({})

    async def write(self) -> None:
        """Post what was heard, in batches because that is quick; once more when it fails."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            batch, self.heard = self.heard, []
            for _ in range(2 if batch else 0):
                crash_point("acknowledged-not-posted")
                try:
                    await self.post(batch)
                    break
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    continue

    async def post(self, batch: list[tuple[str, str, int]]) -> None:
        async with self.pool.acquire() as db, db.transaction():
            for reference, rrn, amount_rp in batch:
                paid = "UPDATE charges SET state = 'paid' WHERE reference = $1"
                if await db.execute(paid, reference) != "UPDATE 0":
                    await db.execute(
                        "INSERT INTO posted VALUES ($1, $2, $3)", reference, rrn, amount_rp
                    )

    async def expire(self) -> None:
        while True:
            await asyncio.sleep(1)
            try:
                await self.pool.execute(
                    "DELETE FROM charges WHERE state = 'issued' AND expires_at < now()"
                )
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                continue


def main() -> None:
    settings = Settings()
    naive = Naive(settings)
    app = Starlette(
        routes=[
            Route("/readyz", naive.ready),
            Route("/v1/spots/{spot}/charges", naive.ask, methods=["POST"]),
            Route("/v1/charges/{reference}", naive.show),
            Route("/v1/charges/{reference}/refunds", naive.refund, methods=["POST"]),
            Route("/v1/devices", naive.enrol, methods=["POST"]),
            Route("/v1/sync", naive.sync, methods=["POST"]),
            Route("/v1.0/qr/qr-mpm-notify", naive.notify, methods=["POST"]),
        ],
        lifespan=naive.running,
    )
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
