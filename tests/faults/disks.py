"""T7: a handheld whose disk is full, or fails to write."""

import asyncio
import os
import resource
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tests.faults.gate import Fault
from tests.faults.handheld_stage import HandheldStage, Handset

SIZE = "3m"
OFFLINE = 3
MOST_TRIES = 60
"""A log that was written back before has some room left in it when the disk has none."""
SENT_WITHIN_S = 30.0


@asynccontextmanager
async def full(handset: Handset) -> AsyncIterator[None]:
    """A small file system, filled to its last byte."""
    ballast = handset.folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    yield
    ballast.unlink()


@asynccontextmanager
async def failing(handset: Handset) -> AsyncIterator[None]:
    """No write of the process goes beyond the size its log has now: an error of the device."""
    pid = handset.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    limit = (handset.folder / "handheld.sqlite-wal").stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


async def fill_disk(stage: HandheldStage) -> None:
    """T7. Refused in words; nothing green; what is there is sent; all is well with room again."""
    if not stage.is_ours:
        return await _fill_naive(stage)
    for ailment in (failing, full) if os.geteuid() == 0 else (failing,):
        await _one(stage, ailment)
    return None


async def _one(
    stage: HandheldStage, ailment: Callable[[Handset], AbstractAsyncContextManager[None]]
) -> None:
    handset = await stage.handset()
    if ailment is full:
        with_room(stage, handset.folder)
    await handset.start()
    await handset.sign_in()
    await handset.take_cash(stage.spots[0])
    await handset.synced()
    handset.gate.judge = lambda _piece: Fault.CLOSE
    handset.gate.cut()
    for _ in range(OFFLINE):
        await handset.take_cash(stage.rng.choice(stage.spots))
    name = ailment.__name__
    async with ailment(handset):
        await _refused(stage, handset, name)
        handset.gate.judge = lambda _piece: None
        await _sent(stage, handset, name)
    await handset.until(lambda: _takes_cash(stage, handset))
    await handset.synced()
    stage.tally.runs += 1


def with_room(stage: HandheldStage, folder: Path) -> None:
    """A file system of its own under a handheld's data folder."""
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)
    stage.leave(lambda: subprocess.run(["umount", "-l", folder], check=True))


async def _refused(stage: HandheldStage, handset: Handset, ailment: str) -> None:
    refused = 0
    for _ in range(MOST_TRIES):
        answer = await handset.take_cash(stage.rng.choice(stage.spots))
        if answer.status_code == 201:
            if answer.json()["state"] == "paid":
                stage.tally.violate("green that was never written", answer.json()["id"])
            continue
        if answer.json().get("slug") != "storage-failed" or not answer.json().get("title_id"):
            stage.tally.violate("refused in other words", answer.text[:200])
        refused += 1
        if refused == OFFLINE:
            break
    stage.tally.fired[ailment] += refused
    if not refused:
        stage.tally.violate("harness dead: nothing was refused", ailment)
    page = await handset.http.get("/")
    if page.status_code >= 500 and not page.text:
        stage.tally.violate("a page without words", page.status_code)


async def _sent(stage: HandheldStage, handset: Handset, ailment: str) -> None:
    """What was recorded before reaches the server though its outcome cannot be written here."""
    wanted = list(handset.told)

    async def at_server() -> bool:
        rows = await stage.rows(
            "SELECT 1 FROM device_events WHERE kind = 'cash_taken'"
            " AND body ->> 'charge_id' = ANY($1)",
            wanted,
        )
        return len(rows) == len(wanted)

    try:
        await handset.until(at_server, SENT_WITHIN_S)
    except Exception as error:
        stage.tally.violate(
            "a full disk kept what was recorded from being sent", f"{ailment} {error}"
        )


async def _takes_cash(stage: HandheldStage, handset: Handset) -> bool:
    return (await handset.take_cash(stage.rng.choice(stage.spots))).status_code == 201


async def _fill_naive(stage: HandheldStage) -> None:
    handset = await stage.handset()
    await handset.start()
    handset.gate.judge = lambda _piece: Fault.CLOSE
    for _ in range(OFFLINE):
        await handset.take_cash(stage.rng.choice(stage.spots))
    resource.prlimit(handset.pid, resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
    for _ in range(OFFLINE):
        await handset.take_cash(stage.rng.choice(stage.spots))
    await asyncio.sleep(1.5)
    handset.process.kill()
    await asyncio.sleep(0.5)  # for what was on its way to end at the closed gate
    handset.gate.cut()
    handset.gate.judge = lambda _piece: None
    await handset.start()
    await handset.synced()
    stage.tally.runs = 1
