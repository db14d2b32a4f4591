"""A device file such as /dev/usb/lp0, or a plain file that jobs are appended to.

Linux' usblp driver serves USB printers there: it is never detached and the printer never reset.
"""

import errno
import fcntl
import os
import select
import stat
import struct
import time
from pathlib import Path

from printer.errors import Busy, Lost, NotSent
from printer.transports import descriptor
from printer.transports.way import Transport

LPGETSTATUS = 0x060B  # <linux/lp.h>; usblp answers it with GET_PORT_STATUS
_PAUSE_S = 0.02

DEVICES, MEMORY = Path("/dev"), Path("/dev/shm")  # noqa: S108 - of files, like any folder


class File(Transport):
    """`path`, which `answers` if it is a device."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.address = f"file://{os.path.realpath(self._path)}"
        self._fd: int | None = None
        self.answers = False

    def _connect(self, deadline_s: float) -> None:
        """Open without blocking; a missing device and a missing right are `NotSent`."""
        try:
            try:
                self.answers = stat.S_ISCHR(self._path.stat().st_mode)
            except FileNotFoundError:
                self.answers = False
            # A device is read for its status; reading back a plain file would be reading ourselves.
            flags = os.O_RDWR if self.answers else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            if DEVICES in self._path.parents and MEMORY not in self._path.parents:
                flags &= ~os.O_CREAT  # an unplugged printer must not become a file
            self._fd = os.open(self._path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
        except OSError as error:
            if error.errno == errno.EBUSY:  # usblp serves one program at a time
                raise Busy(f"{self._path} is in use by another program") from None
            raise NotSent(f"cannot open {self._path}: {descriptor.reason(error)}") from None

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the device or file."""
        descriptor.write(self._opened(), data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the device said; a plain file is silent. `Lost` when it was unplugged."""
        fd = self._opened()
        end = time.monotonic() + deadline_s
        while self.answers:
            if data := descriptor.read(fd, size, end - time.monotonic()):
                return data
            if descriptor.hung_up(fd):
                raise Lost(f"{self._path} went away")
            if time.monotonic() >= end:
                break
            # Some USB printers send empty packets all the time; that is silence as well.
            time.sleep(_PAUSE_S)
        return b""

    def port_status(self) -> int | None:
        """The status byte of the USB printer class, from usblp."""
        if not self.answers:
            return None
        answer = bytearray(4)
        try:
            fcntl.ioctl(self._opened(), LPGETSTATUS, answer)
        except OSError:
            return None
        return int(struct.unpack("i", answer)[0]) & 0xFF

    def _disconnect(self, linger_s: float) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            # usblp throws away what the printer has not taken yet when it is closed.
            descriptor.wait(fd, select.POLLOUT, linger_s)
            os.close(fd)

    def _opened(self) -> int:
        if self._fd is None:
            raise NotSent(f"{self._path} is not open")
        return self._fd
