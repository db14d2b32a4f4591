"""What one running handheld holds together: its store, key, link to the server, and its bell."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from attendant_app import journal
from attendant_app.camera import Camera
from attendant_app.device_key import DeviceKey
from attendant_app.scanner import Watcher
from attendant_app.settings import Settings
from attendant_app.signals import Signals
from attendant_app.store import Store
from domain.device import DeviceState
from domain.events import EventKind
from domain.ids import uuid7


class Bell:
    """Rings when anything a screen may show has changed. Waiting never misses a ring."""

    def __init__(self) -> None:
        self.rings = 0
        self.closing = False
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self.rings += 1
        self._rung.set()
        self._rung = asyncio.Event()

    def close(self) -> None:
        """Ends the open event streams, so that they let the process stop."""
        self.closing = True
        self.ring()

    async def wait(self, heard: int, timeout_s: float) -> None:
        """Until there are more rings than `heard`, or the time is up."""
        if self.rings == heard:
            # Not wait_for: in Python 3.11 it swallows a cancellation that meets the ring.
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._rung.wait()


@dataclass
class Link:
    """Whether the server can be reached, and how far its clock is from this device's."""

    online: bool = False
    clock_offset_s: float = 0.0
    state: str = DeviceState.ACTIVE
    """What this device is at the office, as it said last; `unknown` where it knows no such one."""

    def learn_time(self, server_time: float | None) -> None:
        if server_time:
            offset = server_time - time.time()
            # The server's Date has whole seconds: only a larger difference is a wrong clock.
            self.clock_offset_s = offset if abs(offset) > 2 else 0.0


@dataclass
class Handheld:
    settings: Settings
    store: Store
    key: DeviceKey
    http: httpx.AsyncClient
    link: Link = field(default_factory=Link)
    bell: Bell = field(default_factory=Bell)
    signals: Signals = field(default_factory=Signals)
    training: bool = False
    """Whether this is practice: an office in this process, and nothing that is money."""
    printer_state: str = "unknown"
    """What the printer said last, as the end of a `printer-…` message key."""
    hand_offs: dict[int, str] = field(default_factory=dict)
    """Links that hand a slip to the app RawBT, by print job, until the attendant opens each."""
    work: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to push or print, so that nothing waits for a timer."""
    camera: Camera | None = None
    """The device's own camera, where the browser's is not to be used."""
    watcher: Watcher | None = None
    """What the frames of the live camera have shown; made with the first of them."""
    watching: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Reading pictures is the heavy thing here: more at once would only make each of them late."""

    def record(self, kind: EventKind, body: dict[str, Any], now: datetime) -> None:
        """Append one fact, with who was on shift; call inside a transaction of the store."""
        shift = self.store.shift()
        person = {} if shift is None else {"attendant": shift.attendant}
        journal.record(self.store, self.key, kind, person | body, now)

    def nudge(self) -> None:
        self.work.set()
        self.bell.ring()

    def office_time(self) -> datetime:
        """The server's time as well as it is known here; this device's clock may be wrong."""
        return device_time() + timedelta(seconds=self.link.clock_offset_s)


def device_time() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid7(time.time_ns() // 1_000_000, os.urandom(10)))
