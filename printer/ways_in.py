"""What leads into the virtual printer: a TCP connection, a pty (as a serial cable), a file."""

import asyncio
import contextlib
import os
import socket
import stat
import struct
import termios
import tty
from pathlib import Path
from typing import Protocol

_CHUNK = 4096
_LOOK_S = 0.05  # how often a file is looked at: it does not tell when it grows


class WayIn(Protocol):
    """Where bytes come from and answers go to."""

    @property
    def ends(self) -> bool:
        """True if it is closed after a job, and false if only silence tells that one is over."""

    async def read(self, size: int) -> bytes:
        """1 to `size` bytes, or none when the other side is gone. Raises `ConnectionError`."""

    def write(self, data: bytes) -> None:
        """Answer, if this way carries answers."""

    def drop(self) -> None:
        """What a power cut does to it: what is on the way is lost."""

    async def close(self) -> None:
        """Leave it in order."""


class Connection:
    """A TCP client."""

    ends = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._dropped = False

    async def read(self, size: int) -> bytes:
        await self._writer.drain()  # a client that does not listen is not listened to
        return b"" if self._dropped else await self._reader.read(size)

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def drop(self) -> None:
        # Without lingering the sender sees a reset, not the polite end of a stream.
        self._dropped = True
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Pty:
    """A serial cable whose other end is the device `path`."""

    ends = False

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()  # theirs stays open, or its last close would end us
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)

    async def read(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(BlockingIOError):
                return os.read(self._ours, size)
            readable = asyncio.Event()
            loop.add_reader(self._ours, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self._ours)

    def write(self, data: bytes) -> None:
        # As on a cable: what nobody takes is lost.
        with contextlib.suppress(BlockingIOError):
            os.write(self._ours, data)

    def drop(self) -> None:
        termios.tcflush(self._theirs, termios.TCIFLUSH)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._ours, _CHUNK):
                pass

    async def close(self) -> None:
        os.close(self._theirs)
        os.close(self._ours)


class Followed:
    """A file that grows, read from its beginning, or a FIFO; made if it is not there."""

    ends = False

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o644)
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)

    async def read(self, size: int) -> bytes:
        while not (data := self._more(size)):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(_LOOK_S)
        return data

    def _more(self, size: int) -> bytes:
        if self._regular and os.fstat(self._fd).st_size < os.lseek(self._fd, 0, os.SEEK_CUR):
            os.lseek(self._fd, 0, os.SEEK_SET)  # it was emptied and is written anew
        try:
            return os.read(self._fd, size)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Nobody listens."""

    def drop(self) -> None:
        if self._regular:
            os.lseek(self._fd, 0, os.SEEK_END)
        while not self._regular and self._more(_CHUNK):
            pass

    async def close(self) -> None:
        os.close(self._fd)
