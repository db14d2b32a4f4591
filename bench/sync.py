"""Seconds from a connection being back to the server having 500 events recorded without one."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attendant_app import sync
from attendant_app.runtime import Handheld, device_time
from bench import ground as grounds
from bench import handhelds
from bench.figure import Figure
from bench.ground import Ground
from domain.events import EventKind

EVENTS = 500
PROMISED_S = 10
ROUNDS = 3


def measure() -> list[Figure]:
    with grounds.ground() as ground, tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(_rounds(ground, Path(folder)))
    ours, single = ([row[place] for row in rounds] for place in (0, 1))
    return [
        Figure.of_rounds(
            "sync",
            f"s for {EVENTS} events",
            list(zip(ours, single, strict=True)),
            "one event a request",
            f"Promised: {PROMISED_S} s from when the server can be reached; worst {max(ours):.1f}.",
        )
    ]


async def _rounds(ground: Ground, folder: Path) -> list[tuple[float, float]]:
    async with handhelds.signed_in(ground, folder) as (handheld,):
        found = []
        for _ in range(ROUNDS):
            ours = await _reach(handheld)
            with _batches_of(1):
                found.append((ours, await _reach(handheld)))
    return found


async def _reach(handheld: Handheld) -> float:
    for number in range(EVENTS):
        with handheld.store.transaction():
            body = {"charge_id": f"bench-{number}", "spot": "PSR-001-U", "quoted_rp": 2_000}
            handheld.record(EventKind.CASH_TAKEN, body, device_time())
    started = time.perf_counter()
    async with handhelds.working(handheld):
        while handheld.store.unsynced()[0]:
            await handheld.bell.wait(handheld.bell.rings, 0.01)
        elapsed_s = time.perf_counter() - started
    if handheld.store.quarantined():
        raise RuntimeError("events were refused")
    return elapsed_s


@contextmanager
def _batches_of(size: int) -> Iterator[None]:
    usual, sync.BATCH = sync.BATCH, size
    yield
    sync.BATCH = usual
