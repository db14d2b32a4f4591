"""A million settlement lines in a CSV file against a million payments, beside the bare join.

Each run is a process of its own. Both read the same two files; the bare join takes what they say as
it stands and keeps nothing of what it leaves, ours checks each line and accounts for all of it.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.figure import Figure

LINES = 1_000_000
ROUNDS = 5
MEMORY_MB = 400
WANTED_MB = 600
BARE = """
    SELECT batch_id, count(*), sum(gross::BIGINT), sum(mdr::BIGINT), sum(net::BIGINT)
    FROM read_csv('{settled}', all_varchar = true, header = true, delim = ',') s
    JOIN read_csv('{booked}', all_varchar = true, header = true, delim = ',') b
    ON s.reference_no = b.acquirer_reference AND s.rrn = b.rrn
        AND s.gross::BIGINT = b.amount_rp::BIGINT
    GROUP BY batch_id
"""
HEADER = (
    "batch_id,settlement_date,transaction_time,partner_reference_no,reference_no,rrn,gross,mdr,net,"
    "currency\n"
)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        rounds = [(run("ours", folder), run("bare", folder)) for _ in range(ROUNDS)]
    walls = [(ours[0], bare[0]) for ours, bare in rounds]
    work = median(ours[1] / bare[1] for ours, bare in rounds)
    held_mb = max(ours[2] for ours, _ in rounds)
    return [
        Figure.of_rounds(
            "reconcile",
            "s",
            walls,
            "the bare DuckDB join of the same files",
            f"{LINES:,} lines each, {os.cpu_count()} processors; processor time {work:.2f}x.",
        ),
        Figure(
            name="reconcile-memory",
            value=held_mb,
            unit="MB",
            baseline_name=f"{WANTED_MB} MB",
            baseline_value=WANTED_MB,
            ratio=held_mb / WANTED_MB,
            runs=ROUNDS,
            note=f"The most that a run held (VmHWM), of which the engine may take {MEMORY_MB}.",
        ),
    ]


def write(folder: Path) -> None:
    """One line in two hundred is not alike on both sides, one way or another."""
    rng = random.Random(7)
    order = list(range(LINES))
    rng.shuffle(order)
    with (folder / "settled.csv").open("w") as settled:
        settled.write(HEADER)
        for at in order:
            gross = 2000 + 1000 * (at % 3)
            rrn = "" if at % 400 == 1 else f"{100_000_000_000 + at}"
            day = f"2026-11-{1 + at * 20 // LINES:02}"
            settled.write(
                f"BCH-{at // 20_000:04},{day},{day}T08:{at % 60:02}:00+07:00,{_ours(at)},"
                f"ACQ{at * 7919:018},{rrn},{gross},{gross * 7 // 1000},"
                f"{gross - gross * 7 // 1000},IDR\n"
            )
    rng.shuffle(order)
    with (folder / "booked.csv").open("w") as booked:
        booked.write("acquirer_reference,rrn,amount_rp,returned_rrn,day\n")
        for at in order:
            amount = 2000 + 1000 * (at % 3) + (at % 400 == 2)
            day = f"2026-11-{1 + at * 20 // LINES:02}"
            booked.write(f"ACQ{at * 7919:018},{100_000_000_000 + at},{amount},,{day}\n")


def _ours(at: int) -> str:
    return f"0193568a-0000-7000-8000-{at:012}"


def run(what: str, folder: Path) -> tuple[float, float, float]:
    """Seconds, seconds of processor time, and the MB that it held at most."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.reconcile", what, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    wall_s, cpu_s, held_mb = (float(word) for word in done.stdout.split())
    return wall_s, cpu_s, held_mb


def _ours_runs(folder: Path) -> None:
    import pandas  # noqa: F401 - ibis imports it on the way, which is no matching
    import pyarrow  # noqa: F401

    from server.reconciliation import volume
    from server.reconciliation.settlements import SANDBOX

    engine = volume.duckdb(folder, memory_mb=MEMORY_MB)
    started = time.perf_counter(), time.process_time()
    compared = volume.compare(
        volume.read_booked(engine, folder / "booked.csv"),
        volume.read_settled(engine, folder / "settled.csv", SANDBOX),
        lambda _: None,
        how=SANDBOX,
        payouts=False,
        booked_count=LINES,
        settled_count=volume.lines_of(folder / "settled.csv", SANDBOX),
    )
    _tell(*started)
    if (
        compared.lines != LINES
        or compared.matched.total() + sum(compared.differences.values()) != LINES
    ):
        raise SystemExit(f"not all accounted for: {compared}")


def _bare_runs(folder: Path) -> None:
    import duckdb

    engine = duckdb.connect(
        config={
            "memory_limit": f"{MEMORY_MB}MB",
            "threads": 2,
            "preserve_insertion_order": "false",
            "temp_directory": str(folder / "bare"),
        }
    )
    started = time.perf_counter(), time.process_time()
    engine.execute(
        BARE.format(settled=folder / "settled.csv", booked=folder / "booked.csv")
    ).fetchall()
    _tell(*started)


def _tell(wall: float, cpu: float) -> None:
    held_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(time.perf_counter() - wall, time.process_time() - cpu, held_kb * 1024 / 1e6)


if __name__ == "__main__":
    {"ours": _ours_runs, "bare": _bare_runs}[sys.argv[1]](Path(sys.argv[2]))
