"""T1 to T4: processes killed, and a database that dies, forgets to answer, or is full."""

import asyncio
import itertools
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import asyncpg

from tests.faults.filing import Moved, mt940
from tests.faults.gate import Fault
from tests.faults.stage import UNHEARD, Stage, reference_of

SERVER = Path(__file__).parents[2] / "server"


async def pay_once(stage: Stage) -> None:
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if text:
        await stage.pay(text)


async def pay_unheard(stage: Stage) -> None:
    """A payment whose notification is lost, so that only an inquiry finds it."""
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if charge and text:
        await stage.fault("drop_notifications", reference_of(charge), times=UNHEARD)
        await stage.pay(text)


Provoke = Callable[[Stage], Awaitable[None]]
SERVER_POINTS: dict[str, Provoke] = {
    "requested-not-committed": pay_once,
    "requested-not-generated": pay_once,
    "generated-not-recorded": pay_once,
    "issued-not-committed": pay_once,
    "issued-not-answered": pay_once,
    "posted-not-committed": pay_once,
    "posted-not-acknowledged": pay_once,
    "inquired-not-recorded": pay_unheard,
    "inquiry-not-committed": pay_unheard,
    "inquiry-not-announced": pay_unheard,
    "webhook-sent-not-recorded": pay_once,
}
"""Every `crash_point` that a server comes by, and what makes it do so."""
COMMAND_POINTS = {
    "settlement-not-committed": "settlement",
    "statement-not-committed": "statement",
    "command-not-answered": "settlement",
    "reconciled-not-committed": "reconcile",
    "cancelled-not-recorded": "cancel",
    "approved-not-sent": "refund",
    "refunded-not-recorded": "refund",
    "refund-not-committed": "refund",
    "sealed-not-committed": "seal",
}
"""Those that a command of the office comes by, and which command."""
NAIVE_POINTS: dict[str, Provoke] = {
    "generated-not-recorded": pay_once,
    "acknowledged-not-posted": pay_once,
}
EACH_POINT = 3
STATEMENT_NUMBERS = itertools.count(1)


def points_in_source() -> set[str]:
    sources = "\n".join(path.read_text() for path in SERVER.rglob("*.py"))
    return set(re.findall(r'crash_point\("([^"]+)"\)', sources))


async def kill_server(stage: Stage) -> None:
    """T1. The next server is started for the next point, and has the last one's work to mend."""
    provokes = SERVER_POINTS if stage.is_ours else NAIVE_POINTS
    commands = asyncio.create_task(_kill_commands(stage, await _prepare(stage)))
    order = list(provokes) * EACH_POINT
    stage.rng.shuffle(order)
    clients = []
    for point in order:
        await stage.restart(crash_at=point)
        await stage.up_or_dead()
        clients.append(asyncio.create_task(provokes[point](stage)))
        _killed(stage, point, await stage.died(within_s=30))
    await stage.restart()
    await asyncio.gather(*clients, commands)


def _killed(stage: Stage, point: str, dead: bool) -> None:
    stage.tally.runs += 1
    if dead:
        stage.tally.kills += 1
        stage.tally.fired[point] += 1
    else:
        stage.tally.violate("crash point not reached", point)


async def _prepare(stage: Stage) -> list[tuple[str, list[str]]]:
    """What officers will type, each about a charge of its own; they need no server for it."""
    if not stage.is_ours:
        return []
    receiver = f"http://127.0.0.1:{stage.sandbox_port}/livez"
    await stage.office("tests.faults.officer", "subscribe", receiver)
    return [(point, await _command(stage, point)) for point in list(COMMAND_POINTS) * EACH_POINT]


async def _command(stage: Stage, point: str) -> list[str]:
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if charge is None or text is None:
        raise RuntimeError("no charge to kill a command on")
    name = COMMAND_POINTS[point]
    if name == "cancel":
        return ["tests.faults.officer", "cancel", charge["id"]]
    if name == "settlement":
        return ["server", "settlement", "import", text]
    if name == "statement":
        number = next(STATEMENT_NUMBERS)
        file = stage.folder / f"rekening-{number}.sta"
        moved = Moved(date.fromisoformat(stage.today()), number, f"BUNGA {number}")
        file.write_bytes(mt940(number, [moved]))
        return ["server", "statement", "import", str(file)]
    await stage.pay(text)
    await stage.seen(charge, "paid", 30.0)
    if name == "seal":
        return ["server", "audit", "seal"]
    if name == "refund":
        return ["tests.faults.officer", "refund", charge["id"]]
    return ["server", "reconcile", "--date", stage.today()]


async def _kill_commands(stage: Stage, commands: list[tuple[str, list[str]]]) -> None:
    """Each dies once and is then typed again, as the officer would."""
    for point, command in commands:
        if "settlement" in command:  # a file with one payment more than the last one
            await stage.pay(command.pop())
            command.append(str(await stage.settlement()))
        _killed(stage, point, await stage.office(*command, crash_at=point) == -signal.SIGKILL)
        await stage.office(*command)


async def kill_postmaster(stage: Stage) -> None:
    """T2."""

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


async def lose_commits(stage: Stage) -> None:
    """T3. The transaction is committed, and whoever asked for it will never know."""

    def drop(piece: bytes) -> Fault | None:
        lost = b"COMMIT" in piece and stage.rng.random() < 0.03
        return Fault.LOSE_ANSWER if lost else None

    stage.database.judge = drop
    await stage.kerb(until=stage.after(15), drivers=16)
    stage.tally.runs = len(stage.asked)
    if not stage.database.fired[Fault.LOSE_ANSWER]:
        stage.tally.violate("harness dead: no acknowledgement was lost")


# T4: the database is away, or of no use

NOTICED_S, BACK_S = 5.0, 10.0


@asynccontextmanager
async def stopped(stage: Stage) -> AsyncIterator[None]:
    await asyncio.to_thread(stage.cluster.stop)
    yield
    await asyncio.to_thread(stage.cluster.start_again)


@asynccontextmanager
async def terminated(stage: Stage) -> AsyncIterator[None]:
    """Every connection ended by the database, which may at once be connected to again."""
    await stage.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    yield


@asynccontextmanager
async def exhausted(stage: Stage) -> AsyncIterator[None]:
    """All of the server's connections wait for a lock that somebody else holds.

    Whoever looks at a charge takes one each; those who ask for one share a few.
    """
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    assert charge is not None
    holder = await asyncpg.connect(stage.cluster.url(stage.name))
    async with holder.transaction():
        await holder.execute("LOCK TABLE charges IN ACCESS EXCLUSIVE MODE")
        path = f"/v1/charges/{charge['id']}"
        waiting = [asyncio.create_task(stage.call("GET", path)) for _ in range(60)]
        yield
    await holder.close()
    await asyncio.gather(*waiting)


@asynccontextmanager
async def read_only(stage: Stage) -> AsyncIterator[None]:
    """The database takes no writes, as it is left when its disk is full."""
    await stage.rows("ALTER SYSTEM SET default_transaction_read_only = on")
    await stage.rows("SELECT pg_reload_conf()")
    yield
    await stage.rows("ALTER SYSTEM RESET default_transaction_read_only")
    await stage.rows("SELECT pg_reload_conf()")


AILMENTS = (stopped,) * 3 + (terminated,) * 3 + (exhausted,) * 2 + (read_only,) * 2


async def ail_database(stage: Stage) -> None:
    """T4. Refusals are allowed, wrong answers are not; readiness must tell the truth in time."""
    ailments = list(AILMENTS)
    stage.rng.shuffle(ailments)
    well = asyncio.Event()
    drivers = asyncio.create_task(stage.kerb(until=well.is_set, drivers=4))
    for ailment in ailments:
        name = ailment.__name__
        async with ailment(stage):
            known = ailment is terminated or not stage.is_ours
            if not known and not await _readiness(stage, 503, NOTICED_S):
                stage.tally.violate("ready while it was not", name)
            await asyncio.sleep(1.0)  # for the drivers to meet it
        if not await _readiness(stage, 200, BACK_S):
            stage.tally.violate("not ready again in time", name)
        stage.tally.fired[name] += 1
        stage.tally.runs += 1
        await asyncio.sleep(0.5)
    well.set()
    await drivers


async def _readiness(stage: Stage, status: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = await stage.call("GET", "/readyz")
        if answer is not None and answer.status_code == status:
            return True
        await asyncio.sleep(0.1)
    return False
