"""The system's handheld at the kerb, by its own interface, with a wire to the server to be cut."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from server import sample
from server.system import HANDHELD, SERVER, System
from tests.faults.gate import Gate, Mode


async def until(holds: Callable[[], Awaitable[Any]], within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def behind_a_gate(system: System) -> AsyncIterator[Gate]:
    """The system's handheld with a wire to the server that can be cut; afterwards as it was."""
    gate, program = Gate(system.port + SERVER), system.programs["handheld"]
    await gate.open()
    direct = program.environment
    program.kill()
    program.environment = {**direct, "HANDHELD_SERVER_URL": f"http://127.0.0.1:{gate.port}"}
    program.start()
    try:
        yield gate
    finally:
        program.kill()
        program.environment = direct
        program.start()
        await gate.close()


class Kerb:
    """The handheld, by its own interface."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.http = httpx.AsyncClient(
            base_url=system.url(HANDHELD), timeout=60, trust_env=False, follow_redirects=True
        )

    async def get(self, path: str) -> dict[str, Any]:
        try:
            return dict((await self.http.get(path)).json())
        except httpx.TransportError:
            return {}

    async def cut(self, gate: Gate) -> None:
        gate.mode = Mode.READ_NOTHING
        gate.cut()
        await until(self.offline)

    async def online(self) -> bool:
        return bool((await self.get("/api/status")).get("online"))

    async def offline(self) -> bool:
        return (await self.get("/api/status")).get("online") is False

    async def synced(self) -> bool:
        return (await self.get("/api/status")).get("unsynced") == 0

    async def has_pool(self) -> bool:
        with sqlite3.connect(self.system.data_dir / "handheld" / "handheld.sqlite") as db:
            sql = (
                "SELECT count(*) FROM pool JOIN workplace USING (spot)"
                " WHERE known IS NOT NULL AND used_at IS NULL"
            )
            return bool(db.execute(sql).fetchone()[0] >= 5)

    async def sign_in(self, spot: str) -> None:
        await until(self.online)

        async def signed_in() -> bool:
            if (await self.get("/api/status"))["signed_in"]:
                return True
            body = {"attendant": sample.ATTENDANT, "pin": self.system.secrets["attendant_pin"]}
            return (await self.http.post("/api/sign-in", json=body)).is_success

        await until(signed_in)

        async def open_home() -> bool:
            return (await self.http.get(f"/spots/{spot}")).is_success

        await until(open_home)
        await until(self.has_pool)

    async def scan(self, picture: bytes) -> dict[str, Any]:
        answer = await self.http.post("/api/scan", files={"image": ("photo.png", picture)})
        return dict(answer.json()["result"])
