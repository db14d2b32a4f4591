"""A CUPS queue, by `lp` and `lpstat`: for printers that already hang on a print server.

CUPS takes the bytes and prints them when it can. That it did is never told, so it is uncertain.
"""

import os
import shutil
import subprocess

from printer.errors import Lost, NotSent
from printer.transports.way import Transport


class Cups(Transport):
    """The raw queue `name`; each write becomes one job of it."""

    answers = False

    def __init__(self, name: str) -> None:
        self._name = name
        self._open = False

    def _connect(self, deadline_s: float) -> None:
        """Unknown and stopped queues are `NotSent`: a job would come out some other day."""
        try:
            said = run(["lpstat", "-p", self._name], max(0.001, deadline_s))
        except subprocess.TimeoutExpired:
            raise NotSent("CUPS does not answer in time") from None
        if said.returncode != 0:
            raise NotSent(f"CUPS knows no queue {self._name}: {said.stderr.strip()}")
        if " disabled since" in said.stdout:
            raise NotSent(f"the CUPS queue {self._name} is stopped: cupsenable {self._name}")
        self._open = True

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand one job to CUPS."""
        if not self._open:
            raise NotSent(f"the queue {self._name} is not open")
        try:
            said = run(["lp", "-d", self._name, "-o", "raw"], deadline_s, data)
        except subprocess.TimeoutExpired:
            message = f"CUPS did not say in {deadline_s:g} s whether it took the job"
            raise Lost(message, len(data)) from None
        if said.returncode != 0:
            raise NotSent(f"CUPS refused the job: {said.stderr.strip()}")

    def read(self, size: int, deadline_s: float) -> bytes:
        """Silence."""
        return b""

    def _disconnect(self, linger_s: float) -> None:
        self._open = False


def run(
    command: list[str], deadline_s: float, data: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run a command of CUPS in plain English. Raises `NotSent` if it is missing, or TimeoutExpired.

    It is killed at the deadline.
    """
    if shutil.which(command[0]) is None:
        raise NotSent(f"the command {command[0]} of CUPS is missing: apt install cups-client")
    done = subprocess.run(  # noqa: S603 - the arguments are ours, the name is checked by `from_url`
        command,
        input=data,
        capture_output=True,
        timeout=deadline_s,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    return subprocess.CompletedProcess(
        command,
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )
