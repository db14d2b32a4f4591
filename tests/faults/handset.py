"""The handheld's own program, broken as its environment says: `python -m tests.faults.handset`.

What breaks it stands around the program, never in it: the library's own hook sees each statement
before SQLite runs it, and the clock is the one every module of the process asks.
"""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from attendant_app import cli, offline

KILL_AT_WRITE = "HANDSET_KILL_AT_WRITE"
CLOCK = "HANDSET_CLOCK"
"""A file with the seconds by which this device's clock is wrong, read at every look at it."""
UPTIME = "HANDSET_UPTIME"
"""A file with the seconds that this device has been running longer than it has."""
WRITES = frozenset({"BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER"})


def kill_at_write(number: int) -> Callable[[str], None]:
    """Die as by `kill -9` before the write of this number, or right after the one before it."""
    left, written = number, False

    def see(statement: str) -> None:
        nonlocal left, written
        word = statement.split(maxsplit=1)[0].upper().rstrip(";")
        if word == "--":  # the body of a trigger
            return
        left -= word in WRITES or written
        written = word in WRITES and word != "BEGIN"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return see


def watch_writes(see: Callable[[str], None]) -> None:
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(see)
        return connection

    setattr(sqlite3, "connect", watched)  # noqa: B010 - mypy refuses the plain assignment


def shift_clock(file: Path) -> None:
    """Have every clock of this process wrong, save the monotonic one."""
    real_time, real_ns = time.time, time.time_ns

    def wrong_s() -> float:
        return float(file.read_text() or 0)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wrong":
            return cls.fromtimestamp(real_time() + wrong_s(), tz)

    time.time = lambda: real_time() + wrong_s()
    time.time_ns = lambda: real_ns() + int(wrong_s() * 1e9)
    for name, module in list(sys.modules.items()):
        if name.startswith("attendant_app") and getattr(module, "datetime", None) is datetime:
            setattr(module, "datetime", Wrong)  # noqa: B010 - mypy refuses the plain assignment


def run_longer(file: Path) -> None:
    """Have hours pass at once, by the clock that nobody sets."""
    real = offline.uptime_s
    offline.uptime_s = lambda: real() + float(file.read_text() or 0)


def main() -> None:
    if KILL_AT_WRITE in os.environ:
        watch_writes(kill_at_write(int(os.environ[KILL_AT_WRITE])))
    if CLOCK in os.environ:
        shift_clock(Path(os.environ[CLOCK]))
    if UPTIME in os.environ:
        run_longer(Path(os.environ[UPTIME]))
    time.tzset()
    cli.handheld(camera="")


if __name__ == "__main__":
    main()
