"""T16 and T35: one proof before two handhelds, and the whole system, simulated from seeds."""

import asyncio
import gc
import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import structlog

from tests.faults.stage import Stage, Tally
from tests.simulation import one_proof
from tests.simulation.served import served_on
from tests.simulation.world import Played, play

SEEDS, OF_THE_CONTROL = 300, 10
SERVED_EACH = 75
PROCESSES, AT_ONCE = 2, 10
REPORTS = Path(__file__).parents[2] / "reports"
REGRESSIONS = Path(__file__).parents[1] / "simulation" / "regressions.txt"
"""Seeds that once failed, one a line, `served` after those that did on the server; played first,
for ever."""
Play = tuple[int, bool]
"""A seed, and whether the server itself plays the office."""
EACH_SHAPE = 50


async def show_twice(stage: Stage) -> None:
    """T16. A process of its own: it takes the time of the whole process in hand."""
    first = stage.rng.randrange(10**6)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        tally = await loop.run_in_executor(pool, _show_twice, first, not stage.is_ours)
    _add(stage.tally, tally)


def _show_twice(first: int, naive: bool) -> Tally:
    logging.disable(logging.CRITICAL)
    tally = Tally()
    for shape in one_proof.SHAPES:
        for seed in range(first, first + EACH_SHAPE):
            world = one_proof.play(seed, shape, naive=naive)
            tally.runs += 1
            tally.fired[shape] += 1
            tally.violations += world.watch.violations
            for what, examples in world.watch.examples.items():
                tally.examples.setdefault(what, []).extend(examples)
    return tally


async def simulate(stage: Stage) -> None:
    first = stage.rng.randrange(10**6) * SEEDS
    count = SEEDS if stage.is_ours else OF_THE_CONTROL
    drawn = range(first, first + count)
    served = drawn[::SERVED_EACH] if stage.is_ours else range(0)
    kept = _kept() if stage.is_ours else []
    plays = [*kept, *((seed, seed in served) for seed in drawn)]
    context = multiprocessing.get_context("spawn")
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        played = [
            loop.run_in_executor(pool, _play, seeds, not stage.is_ours, url)
            for seeds, url in _groups(plays, stage.cluster.url("postgres"))
        ]
        for tally, failed in await asyncio.gather(*played):
            _add(stage.tally, tally)
            if stage.is_ours:
                _keep([play for play in failed if play not in kept])


def _kept() -> list[Play]:
    lines = [line.split() for line in REGRESSIONS.read_text().splitlines()]
    return [(int(seed), bool(served)) for seed, *served in lines]


def _groups(plays: Sequence[Play], cluster_url: str) -> list[tuple[list[int], str | None]]:
    """For each process at a time: first the slow ones on the server, as many to each."""
    served = [seed for seed, on_server in plays if on_server]
    others = [seed for seed, on_server in plays if not on_server]
    return [
        *((served[at::PROCESSES], cluster_url) for at in range(PROCESSES) if served[at:]),
        *((others[at : at + AT_ONCE], None) for at in range(0, len(others), AT_ONCE)),
    ]


def _play(seeds: Sequence[int], naive: bool, cluster_url: str | None) -> tuple[Tally, list[Play]]:
    """The seeds' tallies together, and which of them failed; their last events go to reports.

    With `cluster_url`, on the server itself instead of the simulated office.
    """
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.set_threshold(100_000, 50, 100)  # a seed leaves little behind, and there are many
    tally, failed = Tally(), []
    with ExitStack() as stack:
        office = cluster_url and stack.enter_context(served_on(cluster_url)).office
        for seed in seeds:
            played = play(seed, naive=naive, office=office or None)
            _count(
                tally,
                played,
                f"--seed {seed}{' --naive' if naive else ''}{' --served' if cluster_url else ''}",
            )
            if played.violations:
                failed.append((seed, cluster_url is not None))
    return tally, failed


def _count(tally: Tally, played: Played, how: str) -> None:
    tally.runs += 1
    tally.kills += played.kills
    tally.acked += played.acked
    tally.stored += played.stored
    tally.replays += played.replays
    tally.fired += played.fired
    tally.violations += played.violations
    again = f"python -m tests.simulation {how}"
    for what in played.violations:
        tally.examples.setdefault(what, []).append(again)
    if played.violations and "--naive" not in how:
        REPORTS.mkdir(exist_ok=True)
        (REPORTS / f"simulation-{played.seed}.log").write_text("\n".join([*played.log, again]))


def _add(total: Tally, tally: Tally) -> None:
    for name in ("runs", "kills", "acked", "stored", "replays", "fired", "violations"):
        setattr(total, name, getattr(total, name) + getattr(tally, name))
    for what, examples in tally.examples.items():
        total.examples[what] = [*total.examples.get(what, []), *examples][:3]


def _keep(failed: Sequence[Play]) -> None:
    with REGRESSIONS.open("a") as kept:
        kept.writelines(f"{seed}{' served' if served else ''}\n" for seed, served in failed)
