"""Handhelds of the benches: their own parts in this process, over real HTTP to a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from attendant_app import device_key, server_api, shifts, signing, sync
from attendant_app.runtime import Handheld
from attendant_app.settings import Settings
from attendant_app.store import Store
from bench.ground import PIN, Ground
from server import sample
from server.database import create_engine, create_transactions


@asynccontextmanager
async def signed_in(ground: Ground, folder: Path, count: int = 1) -> AsyncIterator[list[Handheld]]:
    """So many enrolled handhelds whose attendant is at work; their background work does not run."""
    async with AsyncExitStack() as stack:
        yield [await _one(ground, folder / f"{number}", stack) for number in range(count)]


async def _one(ground: Ground, folder: Path, stack: AsyncExitStack) -> Handheld:
    settings = Settings(data=folder, server_url=f"http://127.0.0.1:{ground.settings.port}")
    store = Store(folder)
    stack.callback(store.close)
    http = await stack.enter_async_context(server_api.new_client(settings.server_url, "id"))
    handheld = Handheld(settings, store, device_key.load_or_make(folder), http)
    http.auth = signing.RequestSigner(handheld)
    engine = create_engine(ground.url)
    transactions, now = create_transactions(engine), datetime.now(UTC)
    async with transactions.begin() as db:
        code = await sample.enrolment_code(db, now=now)
    await shifts.enrol(handheld, code)
    async with transactions.begin() as db:
        await sample.approve_devices(db, now=now)
    await engine.dispose()
    await shifts.sign_in(handheld, sample.ATTENDANT, PIN)
    return handheld


@asynccontextmanager
async def working(*handhelds: Handheld) -> AsyncIterator[None]:
    """Their background work, as from the moment the server can be reached."""
    work = [asyncio.create_task(sync.run(handheld)) for handheld in handhelds]
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        for handheld in handhelds:
            handheld.link.online = False
