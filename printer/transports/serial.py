"""Serial lines by pyserial: RS-232, USB adapters, and Bluetooth bound to /dev/rfcommN.

Needs the extra `karcis[serial]`. An adapter that may move is best named by its link under
/dev/serial/by-id, which carries its serial number.
"""

import fcntl
import os
import struct
import termios
import time
from typing import TYPE_CHECKING, Literal

from printer.errors import Busy, Lost, NotInstalled, NotSent
from printer.transports import descriptor
from printer.transports.way import Transport

if TYPE_CHECKING:
    import serial

Flow = Literal["none", "rtscts", "xonxoff", "dsrdtr"]
DEFAULT_BAUD = 9600
_BITS_A_BYTE = 10  # with its start and stop bit


class Serial(Transport):
    """A serial line of `baud`; `flow` is what the printer holds the sender back with.

    With "none" nothing holds back, and the pace of the profile alone keeps its buffer from
    running over.
    """

    paced = True

    def __init__(self, path: str, baud: int = DEFAULT_BAUD, flow: Flow = "none") -> None:
        self.address = f"serial://{os.path.realpath(path)}"
        self._path, self._baud, self._flow = path, baud, flow
        self._port: serial.Serial | None = None

    def _connect(self, deadline_s: float) -> None:
        try:
            import serial
        except ModuleNotFoundError:
            raise NotInstalled("serial lines", "pyserial", "serial") from None
        try:
            self._port = serial.Serial(
                self._path,
                self._baud,
                timeout=0,
                rtscts=self._flow == "rtscts",
                xonxoff=self._flow == "xonxoff",
                dsrdtr=self._flow == "dsrdtr",
                exclusive=True,
            )
        except (OSError, ValueError, OverflowError, termios.error) as error:
            # SerialException is an OSError; the others are of speeds that the line cannot have.
            if isinstance(error.__context__, BlockingIOError):
                raise Busy(f"{self._path} is in use by another program") from None
            raise NotSent(f"cannot open {self._path}: {error}") from None

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the line's driver."""
        # Not by pyserial's own write: on a timeout it does not say how much it has written, and
        # with a timeout of 0 it spins for ever on a line that takes nothing.
        descriptor.write(self._opened(), data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the printer said; `Lost` when the line hung up."""
        data = descriptor.read(self._opened(), size, deadline_s)
        if data == b"":
            raise Lost("the line hung up")
        return data or b""

    def line_s(self, size: int) -> float:
        """At `baud`."""
        return size * _BITS_A_BYTE / self._baud

    def _disconnect(self, linger_s: float) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        try:
            # The driver tells what it holds itself, which leaves at the speed of the line; what an
            # adapter's or a radio's buffer holds it does not tell.
            time.sleep(linger_s + self.line_s(_unsent(port.fileno())))
            if _unsent(port.fileno()):
                # The printer has stopped, and closing would block on the rest.
                termios.tcflush(port.fileno(), termios.TCOFLUSH)
        except (OSError, termios.error):
            pass
        port.close()

    def _opened(self) -> int:
        if self._port is None:
            raise NotSent(f"{self._path} is not open")
        fd: int = self._port.fileno()
        return fd


def _unsent(fd: int) -> int:
    """Bytes the driver has not put on the line yet."""
    count = bytearray(4)
    fcntl.ioctl(fd, termios.TIOCOUTQ, count)
    return int(struct.unpack("i", count)[0])
