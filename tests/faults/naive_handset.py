"""The control of a handheld: facts kept as one would at first, so that losses are seen.

It answers the attendant before anything is written, saves its queue once a second over the file
before, sends again what was not answered without a key to know it by, drops what is refused, and
believes its own clock. Nothing in it is broken on purpose.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.faults import handset

SAVE_EVERY_S = 1.0
PATIENCE_S = 2.0


class NaiveHandset:
    def __init__(self) -> None:
        self.file = Path(os.environ["HANDHELD_DATA"]) / "queue.json"
        self.server = os.environ["HANDHELD_SERVER_URL"]
        self.queue: list[dict[str, Any]] = []

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, ValueError):
            self.queue = json.loads(self.file.read_text())
        working = [asyncio.create_task(self.save()), asyncio.create_task(self.push())]
        yield
        for task in working:
            task.cancel()

    async def status(self, _request: Request) -> Response:
        return JSONResponse({"enrolled": True, "online": True, "unsynced": len(self.queue)})

    async def take_cash(self, request: Request) -> Response:
        body = await request.json()
        fact = {"id": uuid4().hex, "at": now().isoformat(), "spot": body["spot"]}
        self.queue.append(fact)
        return JSONResponse(fact, 201)

    async def save(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            try:
                self.file.write_text(json.dumps(self.queue))
            except OSError:
                continue

    async def push(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
            while True:
                await asyncio.sleep(0.1)
                if not self.queue:
                    continue
                batch = list(self.queue)
                try:
                    await http.post(f"{self.server}/v1/sync", json={"events": batch})
                except httpx.HTTPError:
                    continue
                self.queue = self.queue[len(batch) :]


def now() -> datetime:
    told = os.environ.get(handset.CLOCK)
    wrong_s = float(Path(told).read_text() or 0) if told else 0.0
    return datetime.now(UTC) + timedelta(seconds=wrong_s)


def main() -> None:
    naive = NaiveHandset()
    app = Starlette(
        routes=[
            Route("/api/status", naive.status),
            Route("/api/cash-charges", naive.take_cash, methods=["POST"]),
        ],
        lifespan=naive.running,
    )
    port = int(os.environ["HANDHELD_PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
