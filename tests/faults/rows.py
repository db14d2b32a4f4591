"""The rows of the fault catalogue: what is done to whoever takes the payments.

A row plays on one stage and leaves the judging to it; what only it can see, it tallies itself.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.settings import Settings
from tests.faults.gate import Fault
from tests.faults.stage import SECRET, Stage
from tests.server.payments.voice import NOTIFY, Voice

ROOT = Path(__file__).parents[2]
SUCCESS = "2005200"


@dataclass(frozen=True)
class Row:
    """`play` does the harm; `side_by_side` lets both subjects play at once: it mostly waits."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]
    gated: bool = False
    side_by_side: bool = False
    environment: dict[str, str] = field(default_factory=dict)


# T1: the server process is killed at each named point


async def _pay_once(stage: Stage) -> None:
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if text:
        await stage.pay(text)


async def _pay_unheard(stage: Stage) -> None:
    """A payment whose notification is lost, so that only an inquiry finds it."""
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if charge and text:
        await stage.fault("drop_notifications", charge["id"].replace("-", ""), times=1_000)
        await stage.pay(text)


Provoke = Callable[[Stage], Awaitable[None]]
CRASH_POINTS: dict[str, Provoke] = {
    "generated-not-recorded": _pay_once,
    "posted-not-acknowledged": _pay_once,
}
NAIVE_POINTS: dict[str, Provoke] = {
    "generated-not-recorded": _pay_once,
    "acknowledged-not-posted": _pay_once,
}
EACH_POINT = 3


def points_in_source() -> set[str]:
    sources = (ROOT / "server").rglob("*.py")
    return {
        name
        for path in sources
        for name in re.findall(r'crash_point\("([^"]+)"\)', path.read_text())
    }


async def t1(stage: Stage) -> None:
    if points_in_source() != set(CRASH_POINTS):
        stage.tally.violate("unlisted crash point", points_in_source() ^ set(CRASH_POINTS))
    provokes = CRASH_POINTS if stage.is_ours else NAIVE_POINTS
    order = list(provokes) * EACH_POINT
    stage.rng.shuffle(order)
    clients = []
    for point in order:
        await stage.restart(crash_at=point)
        await stage.up_or_dead()
        clients.append(asyncio.create_task(provokes[point](stage)))
        if await stage.died(within_s=20):
            stage.tally.kills += 1
            stage.tally.fired[point] += 1
        else:
            stage.tally.violate("crash point not reached", point)
        stage.tally.runs += 1
    await stage.restart()
    await asyncio.gather(*clients)


# T2, T3: the database under load


async def t2(stage: Stage) -> None:
    async def kill() -> None:
        for _ in range(5):
            await asyncio.sleep(stage.rng.uniform(1.0, 2.0))
            stage.cluster.kill()
            await asyncio.to_thread(stage.cluster.start_again)
            stage.tally.kills += 1
            stage.tally.runs += 1
            stage.tally.fired["postmaster killed"] += 1

    killing = asyncio.create_task(kill())
    await stage.kerb(until=killing.done)
    await killing


async def t3(stage: Stage) -> None:
    def drop(piece: bytes) -> Fault | None:
        lost = b"COMMIT" in piece and stage.rng.random() < 0.03
        return Fault.LOSE_ANSWER if lost else None

    stage.database.judge = drop
    async with asyncio.timeout(60):
        await stage.kerb(until=stage.after(15), drivers=16)
    stage.tally.runs = len(stage.asked)
    if not stage.database.fired[Fault.LOSE_ANSWER]:
        stage.tally.violate("harness dead: no acknowledgement was lost")


# T11: the same notification again and again


def voice_of(stage: Stage) -> Voice:
    """The acquirer's own voice, to say what the sandbox would not."""
    key = load_pem_private_key((stage.folder.parent / "keys/acquirer.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return Voice(key, SECRET, Settings().acquirer_merchant_id)


async def t11(stage: Stage) -> None:
    voice = voice_of(stage)
    await stage.fault("duplicate_notifications", times=20)
    for _ in range(20):
        await _pay_once(stage)
    charge = await stage.ask(stage.spots[0], stage.new_id())
    assert charge is not None
    reference = charge["id"].replace("-", "")
    await stage.fault("drop_notifications", reference, times=1_000)
    await stage.pay(charge["qris"])
    notifications = (await stage.truth())["notifications"]
    content = next(n["body"] for n in notifications if reference in n["body"]).encode()

    async def tell() -> bool:
        headers = voice.headers(content, at=datetime.now(UTC))
        answer = await stage.call("POST", NOTIFY, content=content, headers=headers)
        return answer is not None and answer.json()["responseCode"] == SUCCESS

    heard = await asyncio.gather(*(tell() for _ in range(100)))
    stage.tally.fired["said again at once"] = len(heard)
    stage.tally.violations["not acknowledged"] += heard.count(False)
    stage.tally.runs = 120


ROWS = (
    Row("T1", "server killed at each named point", t1),
    Row("T2", "postmaster killed under 8 drivers", t2),
    Row("T3", "3 % of COMMIT answers lost", t3, gated=True),
    Row("T11", "notification duplicated, 100 at once", t11),
)
