"""`make faults`: plays the rows of the fault catalogue and writes reports/faults.json.

Every row is played by Karcis and by a naive control, from the same seed. It ends non-zero when
Karcis broke a promise, or when the control lost nothing: then the harness is dead.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from server.system import make_keys
from tests.faults.rows import ROWS, Row
from tests.faults.stage import KARCIS, NAIVE, Cluster, Subject, Tally

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "faults.json"
REGRESSIONS = Path(__file__).with_name("regressions.txt")
"""Seeds that once failed, one `T3 12345` a line; played first, for ever."""
Turn = tuple[Row, int]
Result = tuple[Tally, Tally]
Results = dict[str, dict[int, Result]]
UNPLAYED = "not played to its end"
STAGES = 4
"""How many subjects play at once: a row mostly waits, for answers that are lost or late."""
screen = Console(highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="T3 …; all when none is named")
    parser.add_argument("--seed", type=int, help="play with this seed only")
    parser.add_argument("--keep", action="store_true", help="write down each seed that fails")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows = [row for row in ROWS if not asked.rows or row.name in asked.rows]
    if len(rows) < len(asked.rows):
        parser.error(f"there are {', '.join(row.name for row in ROWS)}")
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    plan = [(row, s) for row in rows for s in (*kept_seeds(row, asked.seed), seed)]
    results: Results = {}
    with (
        tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as folder,
        Cluster(Path(folder)) as cluster,
    ):
        together = [turn for turn in plan if not turn[0].alone]
        asyncio.run(play(cluster, together, Path(folder), results, at_once=STAGES, keep=asked.keep))
        alone = [turn for turn in plan if turn[0].alone]
        asyncio.run(play(cluster, alone, Path(folder), results, at_once=1, keep=asked.keep))
    write(results, afresh=not asked.rows)
    screen.print(table(rows, results))
    return 1 if any(map(failures, (r for seeds in results.values() for r in seeds.values()))) else 0


def kept_seeds(row: Row, asked: int | None = None) -> list[int]:
    lines = REGRESSIONS.read_text().splitlines() if REGRESSIONS.exists() else []
    return [int(line.split()[1]) for line in lines if line.split()[0] == row.name and asked is None]


async def play(
    cluster: Cluster,
    turns: Sequence[Turn],
    folder: Path,
    results: Results,
    *,
    at_once: int,
    keep: bool = False,
) -> None:
    """Play rows, each by both subjects, on no more than so many stages at once; `keep` seeds that
    fail."""
    stages = asyncio.Semaphore(at_once)

    async def turn(row: Row, seed: int) -> None:
        within = folder / f"{row.name}-{seed}"
        make_keys(within / "keys")
        ours, naive = await asyncio.gather(
            *(_play(stages, cluster, row, subject, seed, within) for subject in (KARCIS, NAIVE))
        )
        results.setdefault(row.name, {})[seed] = ours, naive
        screen.print(f"{row.name} {row.title} (seed {seed}): {ours.seconds + naive.seconds:.0f} s")
        for failure in failures((ours, naive)):
            screen.print(f"  [red]{row.name}: {failure}[/]")
        if ours.violations and keep and seed not in kept_seeds(row):
            with REGRESSIONS.open("a") as kept:
                kept.write(f"{row.name} {seed}\n")

    await asyncio.gather(*(turn(row, seed) for row, seed in turns))


async def _play(
    stages: asyncio.Semaphore,
    cluster: Cluster,
    row: Row,
    subject: Subject,
    seed: int,
    folder: Path,
) -> Tally:
    stage = row.on(
        cluster, subject, folder / subject.name, f"{row.name} {seed}", gated=row.gated,
        **row.environment,
    )  # fmt: skip
    async with stages, stage.standing():
        began = time.monotonic()
        try:
            await row.play(stage)
            await stage.settle()
            await stage.judge()
        except Exception:
            # The other rows go on; this one is told as broken, whoever played it.
            stage.tally.violate(UNPLAYED, traceback.format_exc(limit=-3))
        stage.tally.seconds = round(time.monotonic() - began, 1)
    return stage.tally


def failures(result: Result) -> list[str]:
    ours, naive = result
    found = [
        f"{count} x {what} {', '.join(ours.examples.get(what, []))}"
        for what, count in ours.violations.items()
    ]
    if UNPLAYED in naive.violations:
        found.append(f"the naive control was not played to its end {naive.examples[UNPLAYED]}")
    return found if naive.violations else [*found, "harness dead: the naive control lost nothing"]


def write(results: Results, *, afresh: bool) -> None:
    """All rows of one run; or renew those just played, where the others stay as they were found."""
    known = REPORT.exists() and not afresh
    told: dict[str, Any] = json.loads(REPORT.read_text()) if known else {}
    for name, seeds in results.items():
        ours, naive = (total([result[place] for result in seeds.values()]) for place in (0, 1))
        told[name] = {
            "seeds": list(seeds), **ours, "naive": naive, "commit": commit(), "machine": machine(),
        }  # fmt: skip
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(told, indent=1) + "\n")


def total(tallies: Sequence[Tally]) -> dict[str, Any]:
    """The figures of all seeds of a row together."""
    found: dict[str, Any] = {}
    for tally in tallies:
        for name, value in vars(tally).items():
            if name == "examples":
                continue
            found[name] = found[name] + value if name in found else value
    return found | {
        "violations": sum(found["violations"].values()),
        "violations_by_kind": dict(found["violations"]),
    }


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout.strip()


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python " + (
        platform.python_version()
    )


def table(rows: Sequence[Row], results: Results) -> Table:
    shown = Table("", "fault", title="Karcis, and what the naive control broke", width=110)
    for heading in ("fired", "kills", "acked", "stored", "replays", "violations", "naive", "s"):
        shown.add_column(heading, justify="right")
    for row in rows:
        for ours, naive in results.get(row.name, {}).values():
            wrong = sum(ours.violations.values())
            shown.add_row(
                row.name, row.title, f"{sum(ours.fired.values())}", f"{ours.kills}",
                f"{ours.acked}", f"{ours.stored}", f"{ours.replays}",
                f"[{'red' if wrong else 'green'}]{wrong}[/]", f"{sum(naive.violations.values())}",
                f"{ours.seconds + naive.seconds:.0f}",
            )  # fmt: skip
    return shown


if __name__ == "__main__":
    sys.exit(main())
