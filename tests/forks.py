"""Our programs as processes of their own, forked from one that has imported them already.

Python and a server's libraries take seconds to load, which is more than most tests do with them.
A fork is killed, and ends, like any other process.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_LOADED = ["pytest"]


def load(*modules: str) -> None:
    """Have these imported before the first fork; what others have asked for stays."""
    _LOADED.extend(modules)
    _FORKS.set_forkserver_preload(_LOADED)


@dataclass
class Fork:
    """One program: the arguments of a `python -m`, what it finds in its environment, its log.

    What it says on stderr goes to `errors`, or else to the log as well.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    errors: Path | None = None
    folder: Path | None = None
    process: ForkServerProcess | None = None

    def start(self) -> None:
        environment = {**os.environ, **self.environment}
        self.process = _FORKS.Process(
            target=_run,
            args=(self.command, environment, self.log, self.errors or self.log, self.folder),
            daemon=True,
        )
        self.process.start()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal that killed it."""
        return None if self.process is None else self.process.exitcode

    def wait(self, timeout_s: float | None = None) -> int | None:
        assert self.process is not None
        self.process.join(timeout_s)
        return self.process.exitcode

    def terminate(self) -> None:
        assert self.process is not None
        self.process.terminate()

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def why_dead(self) -> str | None:
        if self.exit_code is None:
            return None
        tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        return f"{self.command[-1]} ended with {self.exit_code}: {' / '.join(tail)}"


def _run(
    command: tuple[str, ...],
    environment: dict[str, str],
    log: Path,
    errors: Path,
    folder: Path | None,
) -> None:
    os.setsid()
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((log, 1), (errors, 2)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), descriptor)
    if folder is not None:
        os.chdir(folder)
    sys.argv = list(command)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
