"""Telling listeners that a charge changed: NOTIFY after commit, on a connection of its own.

`pg_notify` inside a payment's transaction takes a global lock at commit, so it never happens there.
An announcement may be lost in a crash; whoever waits therefore also looks for himself now and then.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Gauge

log = structlog.get_logger()

CHANNEL = "karcis_charge"
RECONNECT_S = 1.0
LISTENERS = Gauge("karcis_charge_listeners", "Clients waiting for a charge to change")


class Announcer:
    """Sends and receives charge announcements for one server process."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._outgoing: asyncio.Queue[UUID] = asyncio.Queue(maxsize=10_000)
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    def announce(self, charge_id: UUID) -> None:
        """Tell every process that this committed charge changed. Never blocks, never raises."""
        try:
            self._outgoing.put_nowait(charge_id)
        except asyncio.QueueFull:
            log.warning("announcement_dropped", charge_id=str(charge_id))

    @asynccontextmanager
    async def changes(self, charge_id: UUID) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the charge may have changed; clear it before looking."""
        changed = asyncio.Event()
        self._waiting[charge_id].add(changed)
        LISTENERS.inc()
        try:
            yield changed
        finally:
            LISTENERS.dec()
            self._waiting[charge_id].discard(changed)
            if not self._waiting[charge_id]:
                del self._waiting[charge_id]

    async def run(self) -> None:
        """Listen and speak until cancelled; a lost connection is made anew."""
        while True:
            try:
                await self._converse()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
                log.warning("announcements_interrupted", error=type(exc).__name__)
                await asyncio.sleep(RECONNECT_S)

    async def _converse(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=5)
        try:
            await connection.add_listener(CHANNEL, self._heard)
            for charge_id in list(self._waiting):  # what was said while we were not listening
                self._wake(charge_id)
            while True:
                batch = [await self._outgoing.get()]
                with suppress(asyncio.QueueEmpty):
                    while len(batch) < 500:
                        batch.append(self._outgoing.get_nowait())
                await connection.execute(
                    "SELECT pg_notify($1, id) FROM unnest($2::text[]) AS id",
                    CHANNEL,
                    [str(charge_id) for charge_id in batch],
                    timeout=5,
                )
        finally:
            await connection.close(timeout=2)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._wake(UUID(str(payload)))

    def _wake(self, charge_id: UUID) -> None:
        for changed in self._waiting.get(charge_id, ()):
            changed.set()
