"""One owner a printer: a lock file for each address, so that two slips never interleave.

The kernel drops the lock with the process that holds it, however that ends.
"""

import fcntl
import os
import time
from pathlib import Path

from printer.errors import Busy, NotSent

_POLL_S = 0.02


class Claim:
    """The right to write to `address`, on this host and until `release`.

    Waits for an earlier owner at most `deadline_s`, then raises `Busy`. An empty address names
    nothing that two could share.
    """

    def __init__(self, address: str, deadline_s: float) -> None:
        self._fd = _open(address) if address else None
        end = time.monotonic() + deadline_s
        while self._fd is not None:
            try:
                # flock, not fcntl's record locks: those do not hold between threads.
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    self.release()
                    raise Busy(f"{address} is in use by another program") from None
                time.sleep(_POLL_S)
            else:
                return

    def release(self) -> None:
        """Give the printer up; a second time does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _open(address: str) -> int:
    import hashlib
    import tempfile

    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"printer-{name}.lock"
    try:
        while True:
            try:
                # Reading suffices for the lock, and only that is allowed on another user's file.
                return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                pass
            try:
                made = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                continue
            return made
    except OSError as error:
        raise NotSent(f"cannot lock {address}: {path}: {error.strerror}") from None
