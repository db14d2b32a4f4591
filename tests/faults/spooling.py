"""A process that prints slips until nothing waits, broken as its environment says.

`python -m tests.faults.spooling`. It may die at a write to its file, or after so many bytes left
for the printer, or find its connection gone there. Its control, too, is here: a list in a file,
printed again after any error, without a key.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import printer
from printer import Columns, Cut, Document, Spooler, Text
from printer.errors import Lost
from tests.faults.handset import KILL_AT_WRITE, kill_at_write, watch_writes

FOLDER, URL, KEYS = "SPOOLING_FOLDER", "SPOOLING_URL", "SPOOLING_KEYS"
KIND = "SPOOLING_KIND"
KILL_AT_BYTE, DROP_AT_BYTE = "SPOOLING_KILL_AT_BYTE", "SPOOLING_DROP_AT_BYTE"
DEADLINE_S = 1.5
TRIES = 3


def slip(key: str) -> Document:
    """As short as a slip can be that says what it is, and that it is whole."""
    return Document((Text("KARCIS"), Columns("No", key), Text(f"-- AKHIR {key} --"), Cut()))


class Breaking:
    """A way to the printer on which something happens after so many bytes."""

    def __init__(self, way: printer.Transport, at: int, happen: Callable[[], None]) -> None:
        self._way, self._left, self._happen = way, at, happen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._way, name)

    def write(self, data: bytes, deadline_s: float) -> None:
        if len(data) <= self._left:
            self._left -= len(data)
            return self._way.write(data, deadline_s)
        left, self._left = self._left, sys.maxsize
        if left:
            self._way.write(data[:left], deadline_s)
        self._happen()
        self._way.close(0)
        kind = Lost if left else printer.NotSent
        raise kind("the connection is gone", left)


def way() -> printer.Transport:
    found = printer.from_url(os.environ[URL])
    if KILL_AT_BYTE in os.environ:
        at = int(os.environ[KILL_AT_BYTE])
        return Breaking(found, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
    if DROP_AT_BYTE in os.environ:
        return Breaking(found, int(os.environ[DROP_AT_BYTE]), lambda: None)
    return found


def spool(folder: Path, keys: list[str], kind: printer.Profile) -> None:
    with Spooler.open(folder / "queue.sqlite", owner=True) as slips:
        for key in keys:
            slips.submit(key, slip(key).to_json(), now=datetime.now(UTC))
        to = way()
        for _ in range(TRIES * len(keys)):
            for first in slips.jobs(printer.JobState.QUEUED, limit=1):
                # The pause is over as soon as it begins.
                now = max(datetime.now(UTC), first.next_try_at)
                slips.print_next(
                    printer.from_content,
                    to,
                    kind,
                    deadline_s=DEADLINE_S,
                    clock=lambda: now,  # noqa: B023
                )


def spool_naively(folder: Path, keys: list[str], kind: printer.Profile) -> None:
    file = folder / "queue.json"
    done = json.loads(file.read_text()) if file.exists() else []
    to = way()
    for key in keys:
        for _ in range(0 if key in done else TRIES):
            data = printer.encode(slip(key), kind)
            if printer.send(data, to, kind, deadline_s=DEADLINE_S).result is printer.Result.PRINTED:
                break
        done.append(key)
        file.write_text(json.dumps(done))


def main() -> None:
    if KILL_AT_WRITE in os.environ:
        watch_writes(kill_at_write(int(os.environ[KILL_AT_WRITE])))
    work = spool_naively if "naive" in sys.argv else spool
    kind = printer.profile(os.environ[KIND])
    work(Path(os.environ[FOLDER]), os.environ[KEYS].split(), kind)


if __name__ == "__main__":
    main()
