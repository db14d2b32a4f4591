"""Raw TCP, usually port 9100. Such printers serve one client at a time."""

import socket
import time

from printer.errors import Lost, NotSent
from printer.transports import descriptor
from printer.transports.way import Transport

DEFAULT_PORT = 9100
_DRAIN_BYTES = 4096


class Network(Transport):
    """A printer on TCP.

    Name an address rather than a host: resolving a name is the system's and keeps no deadline.
    """

    def __init__(self, host: str, port: int = DEFAULT_PORT) -> None:
        self._target = (host, port)
        self.address = f"tcp://{host}:{port}"
        self._socket: socket.socket | None = None

    def _connect(self, deadline_s: float) -> None:
        try:
            # A timeout of 0 would mean "do not wait", which is another kind of socket.
            self._socket = socket.create_connection(self._target, timeout=max(0.001, deadline_s))
        except (OSError, UnicodeError) as error:  # the latter: no name could be written so
            host, port = self._target
            why = descriptor.reason(error) if isinstance(error, OSError) else "not a name"
            raise NotSent(f"cannot reach {host}:{port}: {why}") from None
        self._socket.setblocking(False)

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the network stack; that is not yet the printer."""
        descriptor.write(self._connected().fileno(), data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the printer said; `Lost` when it closed the connection."""
        data = descriptor.read(self._connected().fileno(), size, deadline_s)
        if data == b"":
            raise Lost("the printer closed the connection")
        return data or b""

    def _disconnect(self, linger_s: float) -> None:
        """Send the tail, wait until the printer closes too, then disconnect."""
        connection, self._socket = self._socket, None
        if connection is None:
            return
        with connection:
            end = time.monotonic() + linger_s
            try:
                # Closing with unread replies would reset the connection and drop the unsent tail,
                # so they are read until the printer closes its side.
                connection.shutdown(socket.SHUT_WR)
                while (left := end - time.monotonic()) > 0:
                    if not descriptor.read(connection.fileno(), _DRAIN_BYTES, left):
                        break
            except (OSError, Lost):
                pass

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise NotSent("the connection is not open")
        return self._socket
