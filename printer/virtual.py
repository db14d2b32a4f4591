"""A printer that is not there: listens on TCP, answers status, leaves a picture per receipt.

What the bytes mean is the business of `interpreter`; here are the connection, the scripted faults
of the way, and the files.
"""

import asyncio
import contextlib
import itertools
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from printer.interpreter import NO_FAULTS, Faults, Interpreter, Receipt
from printer.profiles import Profile


class VirtualPrinter:
    """A TCP printer that serves one client at a time, as the real ones do.

    Each receipt becomes `receipt-0001.bin`, `.txt` and `.png` in `out`, the picture last and each
    whole from the moment it can be seen. A receipt ends at the cut; without a cutter when the paper
    was fed and nothing follows, or the client is gone.
    """

    def __init__(
        self,
        profile: Profile,
        out: Path,
        faults: Faults = NO_FAULTS,
        *,
        host: str = "127.0.0.1",
        port: int = 9100,
        idle_s: float = 0.3,
        on_receipt: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self.host = host
        self.port = port  # the real one after start, if 0 was asked for
        self._out = out
        self._faults = faults
        self._idle_s = idle_s
        self._on_receipt = on_receipt
        self._interpreter = Interpreter(profile, faults, self._keep)
        self._received = 0
        self._turn = asyncio.Lock()
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `OSError` if the port is taken or `out` cannot be made."""
        self._out.mkdir(parents=True, exist_ok=True)
        taken = (re.fullmatch(r"receipt-(\d+)\..*", path.name) for path in self._out.iterdir())
        self._numbers = itertools.count(max((int(m[1]) for m in taken if m), default=0) + 1)
        # A small buffer, as printers have: a sender must notice that nothing is taken.
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=4096)
        for listener in self._server.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop the clients; what is on paper is kept."""
        if self._server is None:
            return
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        self._interpreter.finish()

    async def __aenter__(self) -> "VirtualPrinter":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        # A client that went away, or our own stop, ends the connection and is not an error.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            async with self._turn:
                try:
                    await self._converse(reader, writer)
                finally:
                    self._interpreter.finish()
        self._clients.discard(task)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        printer, faults = self._interpreter, self._faults
        while True:
            stalled = faults.stall is not None and self._received >= faults.stall
            if stalled or (printer.stopped and printer.full):
                await asyncio.Event().wait()
            try:
                async with asyncio.timeout(self._idle_s if printer.torn else None):
                    data = await reader.read(4096)
            except TimeoutError:
                printer.finish()
                continue
            if not data:
                return
            if faults.cut_at is not None and self._received < faults.cut_at:
                data = data[: faults.cut_at - self._received]
            self._received += len(data)
            writer.write(printer.feed(data))
            if self._received == faults.cut_at:
                printer.finish()
                printer.switch_on()
                # Without lingering the sender sees a reset, not the polite end of a stream.
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            await writer.drain()

    def _keep(self, receipt: Receipt) -> None:
        stem = self._out / f"receipt-{next(self._numbers):04d}"
        text = "".join(line + "\n" for line in receipt.text)
        _write_whole(stem.with_suffix(".bin"), lambda path: path.write_bytes(receipt.data))
        _write_whole(stem.with_suffix(".txt"), lambda path: path.write_text(text, encoding="utf-8"))
        picture = stem.with_suffix(".png")
        _write_whole(picture, lambda path: receipt.image.save(path, format="PNG"))
        self._on_receipt(picture)


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside, then rename: whoever sees the name sees the whole file."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def running(
    profile: Profile, out: Path, faults: Faults = NO_FAULTS, *, port: int = 0
) -> Iterator[VirtualPrinter]:
    """A virtual printer in a thread of its own, for callers that block; listening when entered."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="virtual printer", daemon=True)
    thread.start()
    printer = VirtualPrinter(profile, out, faults, port=port)
    try:
        asyncio.run_coroutine_threadsafe(printer.start(), loop).result()
        yield printer
    finally:
        asyncio.run_coroutine_threadsafe(printer.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
