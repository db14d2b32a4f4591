"""Time in the simulation: one loop that never waits, and a clock for each actor that may be wrong.

The handheld's own loops run on it unchanged: a sleep takes no time, and the next due timer is next.
"""

import asyncio
import random
import secrets
import selectors
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from attendant_app import earnings, runtime, sync

STARTS = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its heap of timers is the one heap of all messages; its time is that of the last one due."""

    def __init__(self) -> None:
        self.virtual_s = 0.0
        super().__init__(_NoWait(self))

    def time(self) -> float:
        return self.virtual_s


class _NoWait(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is due, and nothing will be")
        self._loop.virtual_s += max(timeout, 0.0)
        return []


@dataclass
class Clock:
    """What an actor takes for the time: `offset_s` off at the start, and further by `drift`."""

    loop: VirtualLoop
    offset_s: float = 0.0
    drift: float = 0.0

    def seconds(self) -> float:
        return self.loop.virtual_s * (1 + self.drift) + self.offset_s

    def now(self) -> datetime:
        return STARTS + timedelta(seconds=self.seconds())


_clock: ContextVar[Clock] = ContextVar("clock")


class _Told(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return _clock.get().now()


@contextmanager
def governed(loop: VirtualLoop, rng: Random) -> Iterator[None]:
    """The handheld's modules take time from the actor's clock and chance from the seed."""
    times = SimpleNamespace(
        time=lambda: _clock.get().now().timestamp(),
        time_ns=lambda: int(_clock.get().now().timestamp() * 1000) * 1_000_000,
        monotonic=loop.time,
        clock_gettime=lambda _: loop.time(),
        CLOCK_MONOTONIC=time.CLOCK_MONOTONIC,
    )
    chance = SimpleNamespace(urandom=rng.randbytes)
    tokens = SimpleNamespace(token_urlsafe=lambda size: rng.randbytes(size).hex())
    instead = {time: times, random: rng, secrets: tokens}
    changes: list[tuple[Any, str, Any]] = [
        (module, known.__name__, instead[known])
        for name, module in sorted(sys.modules.items())
        if name.startswith("attendant_app.")
        for known in instead
        if getattr(module, known.__name__, None) is known
    ]
    changes += [(runtime, "datetime", _Told), (runtime, "os", chance)]
    # Asked as often as a real handheld asks, most of the time would go into asking; and where it
    # looks again only in case it was not woken, a waking that is missing shows here.
    changes += [(sync, "PULSE_S", 16.0), (sync, "POLL_S", 5.0), (sync, "ASK_S", 300.0)]
    changes += [(sync, "IDLE_S", 20.0), (earnings, "IDLE_S", 20.0), (earnings, "REFRESH_S", 300.0)]
    changes += [(earnings, "LOOK_S", 30.0)]
    patches = [mock.patch.object(module, name, value) for module, name, value in changes]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def carry(clock: Clock) -> None:
    """From here on, and in the tasks begun here, this is the time."""
    _clock.set(clock)
