"""Bluetooth Classic printers, by their serial port profile (RFCOMM), found again by address.

Pair and trust the printer first. Where Python was built without Bluetooth sockets, the address
must be bound to a /dev/rfcommN (`rfcomm bind 0 AA:BB:CC:DD:EE:FF 1`), which is then used.
"""

import errno
import socket
import time
from pathlib import Path

from printer.errors import Busy, Lost, NotSent
from printer.transports import descriptor
from printer.transports.serial import Serial
from printer.transports.usb import told as sysfs_line
from printer.transports.way import Indirect, Transport

DEFAULT_CHANNEL = 1
TTYS = Path("/sys/class/tty")
DEVICES = Path("/dev")
_RETRY_S = 0.1
_ANY_BAUD = 115_200  # the air has none


class Bluetooth(Indirect):
    """The printer of that Bluetooth address, by whichever of the two ways this Python has."""

    paced = True

    def __init__(self, mac: str, channel: int = DEFAULT_CHANNEL) -> None:
        self._mac, self._channel = mac, channel
        self.address = f"bt://{mac.upper()}"

    def _find(self) -> Transport:
        if hasattr(socket, "AF_BLUETOOTH"):
            return _Rfcomm(self._mac, self._channel)
        return Serial(_bound(self._mac), _ANY_BAUD)


class _Rfcomm(Transport):
    def __init__(self, mac: str, channel: int) -> None:
        self._target = (mac, channel)
        self._socket: socket.socket | None = None

    def _connect(self, deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        while self._socket is None:
            try:
                self._socket = _dial(self._target, end - time.monotonic())
            except OSError as error:
                # A printer that just hung up, or an adapter that is busy elsewhere: soon over.
                passing = error.errno in (errno.EBUSY, errno.EIO)
                if passing and time.monotonic() + _RETRY_S < end:
                    time.sleep(_RETRY_S)
                    continue
                kind = Busy if error.errno == errno.EBUSY else NotSent
                reason = descriptor.reason(error)
                raise kind(f"cannot reach {self._target[0]}: {reason}") from None

    def write(self, data: bytes, deadline_s: float) -> None:
        descriptor.write(self._connected(), data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        data = descriptor.read(self._connected(), size, deadline_s)
        if data == b"":
            raise Lost("the printer closed the connection")
        return data or b""

    def _disconnect(self, linger_s: float) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            # Closing drops what the air and the module behind it still hold; nobody tells when
            # they are through.
            time.sleep(linger_s)
            connection.close()

    def _connected(self) -> int:
        if self._socket is None:
            raise NotSent("the connection is not open")
        return self._socket.fileno()


def _dial(target: tuple[str, int], deadline_s: float) -> socket.socket:
    connection = socket.socket(
        socket.AF_BLUETOOTH,  # type: ignore[attr-defined,unused-ignore]
        socket.SOCK_STREAM,
        socket.BTPROTO_RFCOMM,  # type: ignore[attr-defined,unused-ignore]
    )
    try:
        connection.settimeout(max(0.001, deadline_s))
        connection.connect(target)
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise
    return connection


def _bound(mac: str) -> str:
    """The device of the address. Linux tells the address of each bound one in sysfs."""
    for told in sorted(TTYS.glob("rfcomm*/address")):
        if sysfs_line(told).upper() == mac.upper():
            return str(DEVICES / told.parent.name)
    raise NotSent(
        f"this Python has no Bluetooth sockets, and {mac} is not bound: rfcomm bind 0 {mac} 1"
    )
