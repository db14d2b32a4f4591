"""Telling listeners that a charge changed: NOTIFY after commit, on a connection of its own.

`pg_notify` inside a payment's transaction takes a global lock at commit, so it never happens there.
An announcement may be lost in a crash; whoever waits therefore also looks for himself now and then.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Gauge

log = structlog.get_logger()

CHANNEL = "karcis_charge"
RECONNECT_S = 1.0
MOST_WAITING = 10_000
BATCH = 500
LISTENERS = Gauge("karcis_charge_listeners", "Clients waiting for a charge to change")


class Announcer:
    """Sends and receives charge announcements for one server process."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._outgoing: deque[UUID] = deque()
        self._stirred = asyncio.Event()
        """Set when there is something to say, or nobody to say it to any more."""
        self._waiting: dict[UUID, set[Callable[[], None]]] = defaultdict(set)

    def announce(self, charge_id: UUID) -> None:
        """Tell every process that this committed charge changed. Never blocks, never raises."""
        if len(self._outgoing) >= MOST_WAITING:
            log.warning("announcement_dropped", charge_id=str(charge_id))
            return
        self._outgoing.append(charge_id)
        self._stirred.set()

    @asynccontextmanager
    async def changes(self, charge_id: UUID) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the charge may have changed; clear it before looking."""
        changed = asyncio.Event()
        self.watch(charge_id, changed.set)
        try:
            yield changed
        finally:
            self.unwatch(charge_id, changed.set)

    def watch(self, charge_id: UUID, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever the charge may have changed."""
        self._waiting[charge_id].add(wake)
        LISTENERS.inc()

    def unwatch(self, charge_id: UUID, wake: Callable[[], None]) -> None:
        """Undo `watch`; once more is harmless."""
        waiting = self._waiting.get(charge_id, set())
        if wake not in waiting:
            return
        waiting.discard(wake)
        LISTENERS.dec()
        if not waiting:
            del self._waiting[charge_id]

    async def run(self) -> None:
        """Listen and speak until cancelled; a lost connection is made anew."""
        while True:
            try:
                await self._converse()
            except Exception as exc:  # a connection cut at the wrong moment fails in any way
                log.warning("announcements_interrupted", error=type(exc).__name__)
                await asyncio.sleep(RECONNECT_S)

    async def _converse(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=5)
        try:
            connection.add_termination_listener(lambda _connection: self._stirred.set())
            await connection.add_listener(CHANNEL, self._heard)
            for charge_id in list(self._waiting):  # what was said while we were not listening
                self._wake(charge_id)
            while not connection.is_closed():
                self._stirred.clear()
                await self._speak(connection)
                await self._stirred.wait()
        finally:
            await connection.close(timeout=2)
        raise ConnectionResetError("the database ended the connection")

    async def _speak(self, connection: asyncpg.Connection) -> None:
        """Say all that waits; only what was said is forgotten."""
        while self._outgoing:
            batch = list(islice(self._outgoing, BATCH))
            await connection.execute(
                "SELECT pg_notify($1, id) FROM unnest($2::text[]) AS id",
                CHANNEL,
                [str(charge_id) for charge_id in batch],
                timeout=5,
            )
            for _ in batch:
                self._outgoing.popleft()

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._wake(UUID(str(payload)))

    def _wake(self, charge_id: UUID) -> None:
        for wake in tuple(self._waiting.get(charge_id, ())):
            wake()
