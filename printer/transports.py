"""Ways to carry bytes to a printer: open, write, read and close, each with a deadline in seconds.

A stalled printer must not hang the caller, and an error must tell what left this host: `NotSent`
may be repeated, `Partial` and `Lost` may already be on paper.
"""

import errno
import os
import select
import socket
import stat
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from printer.errors import BadAddress, Lost, NotSent, Partial, TransportError

DEFAULT_PORT = 9100
_DRAIN_BYTES = 4096


class Transport(Protocol):
    """What every way to a printer can do. Durations are seconds from the call."""

    @property
    def answers(self) -> bool:
        """False if nothing ever comes back this way, so that waiting for it is idle."""

    def open(self, deadline_s: float) -> None:
        """Connect. Raises `NotSent`."""

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand over all of `data`. Raises `NotSent`, `Partial` or `Lost`, each with `sent`."""

    def read(self, size: int, deadline_s: float) -> bytes:
        """1 to `size` bytes as soon as there are any; empty on silence. Raises `Lost`."""

    def close(self, linger_s: float = 2.0) -> None:
        """Let the tail go out for at most `linger_s`, then disconnect. Never raises."""


class Network:
    """A raw TCP printer, usually on port 9100. Such printers serve one client at a time.

    Name an address rather than a host: resolving a name is the system's and keeps no deadline.
    """

    answers = True

    def __init__(self, host: str, port: int = DEFAULT_PORT) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def open(self, deadline_s: float) -> None:
        """Connect; refused, unreachable and too slow are all `NotSent`."""
        try:
            self._socket = socket.create_connection(self._address, timeout=deadline_s)
        except OSError as error:
            host, port = self._address
            raise NotSent(f"cannot reach {host}:{port}: {_reason(error)}") from None
        self._socket.setblocking(False)

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the network stack; that is not yet the printer."""
        connection = self._connected()
        _write(connection.fileno(), data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the printer said; `Lost` when it closed the connection."""
        connection = self._connected()
        data = _read(connection.fileno(), size, deadline_s)
        if data == b"":
            raise Lost("the printer closed the connection")
        return data or b""

    def close(self, linger_s: float = 2.0) -> None:
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
                    if not _read(connection.fileno(), _DRAIN_BYTES, left):
                        break
            except (OSError, Lost):
                pass

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise NotSent("the connection is not open")
        return self._socket


class File:
    """A printer device such as /dev/usb/lp0, or a plain file that jobs are appended to."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._fd: int | None = None
        self.answers = False

    def open(self, deadline_s: float) -> None:
        """Open without blocking; a missing device and a missing right are `NotSent`."""
        try:
            try:
                self.answers = stat.S_ISCHR(self._path.stat().st_mode)
            except FileNotFoundError:
                self.answers = False
            # A device is read for its status; reading back a plain file would be reading ourselves.
            flags = os.O_RDWR if self.answers else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            if self._path.parent == Path("/dev") or Path("/dev") in self._path.parents:
                flags &= ~os.O_CREAT  # an unplugged printer must not become a file
            self._fd = os.open(self._path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
        except OSError as error:
            raise NotSent(f"cannot open {self._path}: {_reason(error)}") from None

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the device or file."""
        _write(self._opened(), data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the device said; a plain file is silent."""
        fd = self._opened()
        return (_read(fd, size, deadline_s) or b"") if self.answers else b""

    def close(self, linger_s: float = 2.0) -> None:
        """Close; the kernel holds what the device has not taken yet."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _opened(self) -> int:
        if self._fd is None:
            raise NotSent(f"{self._path} is not open")
        return self._fd


class Memory:
    """Keeps what was written in `data`; never answers."""

    answers = False

    def __init__(self) -> None:
        self.data = bytearray()

    def open(self, deadline_s: float) -> None:
        """Nothing to open."""

    def write(self, data: bytes, deadline_s: float) -> None:
        """Append to `data`."""
        self.data += data

    def read(self, size: int, deadline_s: float) -> bytes:
        """Silence."""
        return b""

    def close(self, linger_s: float = 2.0) -> None:
        """Nothing to close."""


def from_url(url: str) -> Transport:
    """`tcp://host[:port]` or `file:///path` as a transport, not yet open. Raises `BadAddress`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(f"{url!r} is not a URL: {error}") from None
    if parts.scheme == "tcp" and parts.hostname and port != 0 and parts.path in ("", "/"):
        return Network(parts.hostname, port or DEFAULT_PORT)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return File(unquote(parts.path))
    raise BadAddress(f"{url!r} is neither tcp://host:port nor file:///path")


def _write(fd: int, data: bytes, deadline_s: float) -> None:
    end = time.monotonic() + deadline_s
    view, sent = memoryview(data), 0
    kind: type[TransportError]
    while sent < len(data):
        try:
            sent += os.write(fd, view[sent:])
            continue
        except BlockingIOError:
            pass
        except OSError as error:
            kind = Lost if sent else NotSent
            raise kind(f"the printer went away: {_reason(error)}", sent) from None
        if not _wait(fd, select.POLLOUT, end - time.monotonic()):
            kind = Partial if sent else NotSent
            raise kind(f"the printer took {sent} of {len(data)} bytes in {deadline_s:g} s", sent)


def _read(fd: int, size: int, deadline_s: float) -> bytes | None:
    """Bytes, `b""` at the end of the stream, or None on silence."""
    if not _wait(fd, select.POLLIN, deadline_s):
        return None
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError as error:
        raise Lost(f"the printer went away: {_reason(error)}") from None


def _wait(fd: int, event: int, deadline_s: float) -> bool:
    # poll, not select: select fails on descriptors above 1023.
    poller = select.poll()
    poller.register(fd, event)
    return bool(poller.poll(max(0.0, deadline_s) * 1000))


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return "no answer in time"
    return error.strerror or str(error)
