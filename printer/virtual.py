"""A printer that is not there: takes bytes on TCP, a pty or a file, answers, keeps the receipts.

What the bytes mean is the business of `interpreter`, and what state the hardware is in that of
`hardware`; here are the time, the power, the scripted faults of the way, and the files.
"""

import asyncio
import contextlib
import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from printer.errors import UnknownFault
from printer.hardware import NO_FAULTS, Faults
from printer.interpreter import interpreter
from printer.mechanism import BUFFER_BYTES
from printer.paper import Receipt
from printer.profiles import Profile
from printer.ways_in import Connection, Followed, Pty, WayIn

_CHUNK = 4096
_TICK_S = 0.02  # how often a slow printer goes on
_TAIL_S = 0.3  # so long a connection must stay open for its tail to arrive, under drop-tail
_QUIET_S = 2.0  # on a way that does not end, so much silence ends a receipt
_COOL_S = 2.0  # until a hot head has cooled

# What a person can do to the printer, by its part and the state that it gets.
ACTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("paper", "full"): {"lines_left": None, "near_end": False},
    ("paper", "near-end"): {"lines_left": None, "near_end": True},
    ("paper", "out"): {"lines_left": 0},
    ("cover", "open"): {"cover_open": True},
    ("cover", "closed"): {"cover_open": False},
    ("head", "hot"): {"hot": True},
    ("head", "cool"): {"hot": False},
    ("knife", "jammed"): {"jammed": True},
    ("knife", "free"): {"jammed": False},
    ("power", "on"): {"power": True},
    ("power", "off"): {"power": False},
}


class VirtualPrinter:
    """A printer that serves one client at a time, as the real ones do.

    It listens on TCP, or is the other end of a new pty, or follows `file`. Each receipt becomes
    `receipt-0001.bin`, `.txt` and `.png` in `out`, the picture last and each whole from the moment
    it can be seen. A receipt ends at the cut; without a cutter when the paper was fed and nothing
    follows; also when the client or the roll is gone.
    """

    def __init__(
        self,
        profile: Profile,
        out: Path,
        faults: Faults = NO_FAULTS,
        *,
        host: str = "127.0.0.1",
        port: int = 9100,
        pty: bool = False,
        file: Path | None = None,
        idle_s: float = 0.3,
        on_receipt: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self.host = host
        self.port = port  # the real one after start, if 0 was asked for
        self.address = ""  # as a URL, after start
        self.profile = profile
        self.out = out
        self._pty = pty
        self._file = file
        self._faults = faults
        self._idle_s = idle_s
        self._on_receipt = on_receipt
        self.hardware = faults.hardware()
        self.interpreter = interpreter(
            profile, self.hardware, self._keep, unasked_asb=faults.unasked_asb
        )
        self._received = 0
        self._stall, self._cut_at = faults.stall, faults.cut_at
        self._turn = asyncio.Lock()
        self._clients: set[asyncio.Task[None]] = set()
        self._way: WayIn | None = None
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._budget = 0.0  # bytes that a slow printer may print by now
        self._counted_at = 0.0

    async def start(self) -> None:
        """Be ready. Raises `OSError` if the port is taken or `out` or the file cannot be made."""
        self.out.mkdir(parents=True, exist_ok=True)
        taken = (re.fullmatch(r"receipt-(\d+)\..*", path.name) for path in self.out.iterdir())
        self._numbers = itertools.count(max((int(m[1]) for m in taken if m), default=0) + 1)
        self._loop = asyncio.get_running_loop()
        if self._pty or self._file:
            way = Followed(self._file) if self._file else Pty()
            self.address = f"{'file' if self._file else 'serial'}://{way.path}"
            self._clients.add(asyncio.create_task(self._serve(way)))
        else:
            await self._listen()
            self.address = f"tcp://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Stop listening and drop the clients; what is on paper is kept."""
        self._hang_up()
        await asyncio.gather(*self._clients, return_exceptions=True)
        for timer in self._timers.values():
            timer.cancel()
        self.interpreter.tear_off()

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

    @property
    def connected(self) -> bool:
        """True while somebody is on the line."""
        return self._way is not None

    async def changed(self) -> None:
        """Wait until something is printed, received, or done to it."""
        await self._changed.wait()

    async def change(self, part: str, state: str) -> None:
        """Do what a person does, one of `ACTIONS`. Raises `UnknownFault`."""
        if (part, state) not in ACTIONS:
            known = ", ".join(f"{part}:{state}" for part, state in ACTIONS)
            raise UnknownFault(f"nothing makes {part} {state}; there are: {known}")
        had_power, was_out = self.hardware.power, self.hardware.paper_out
        for name, value in ACTIONS[part, state].items():
            setattr(self.hardware, name, value)
        if had_power and not self.hardware.power:
            self._switch_off()
        elif not had_power and self.hardware.power:
            await self._switch_on()
        if was_out and not self.hardware.paper_out and not self._keeps_buffer:
            self.interpreter.clear(raster_goes_on=self._faults.raster_swallowed)
        self._advance()

    def do(self, part: str, state: str) -> None:
        """`change` for callers in other threads than the printer's."""
        asyncio.run_coroutine_threadsafe(self.change(part, state), self._loop).result()

    # --- power ---

    @property
    def _keeps_buffer(self) -> bool:
        if self._faults.keeps_buffer or self._faults.loses_buffer:
            return self._faults.keeps_buffer
        return "loses-buffer" not in self.profile.quirks

    async def _listen(self) -> None:
        # A small buffer, as printers have: a sender must notice that nothing is taken.
        self._server = await asyncio.start_server(
            lambda *streams: self._serve(Connection(*streams)), self.host, self.port, limit=_CHUNK
        )
        for listener in self._server.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port = self._server.sockets[0].getsockname()[1]

    def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in self._clients:
            client.cancel()

    def _switch_off(self) -> None:
        self._lose_power()
        if self._server is not None:
            self._hang_up()

    async def _switch_on(self) -> None:
        self.hardware.jammed = self.hardware.hot = False
        self._stall = None
        if self._pty or self._file:
            if self._way is not None:
                self._way.drop()  # what came while it was off
        else:
            await self._listen()

    def _lose_power(self) -> None:
        self.interpreter.tear_off()
        self.interpreter.switch_on(raster_goes_on=self._faults.raster_swallowed)
        if self._way is not None:
            self._way.drop()

    # --- the way in ---

    async def _serve(self, way: WayIn) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        # A client that went away, or our own stop, ends the connection and is not an error.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            async with self._turn:
                self._way = way
                try:
                    self._advance()
                    await self._converse(way)
                finally:
                    self._way = None
                    self._advance()
        self._clients.discard(task)
        await way.close()

    async def _converse(self, way: WayIn) -> None:
        held = b""
        while True:
            while self._stalled or self.interpreter.waiting >= BUFFER_BYTES:
                await self.changed()
            try:
                async with asyncio.timeout(_TAIL_S if held else None):
                    data = await way.read(self._room())
            except TimeoutError:
                data, held = held, b""
            else:
                if not data:
                    return
                if tail := self._faults.drop_tail:
                    held += data
                    data, held = held[:-tail], held[-tail:]
            if self.hardware.power:
                self._take(data)

    @property
    def _stalled(self) -> bool:
        return self._stall is not None and self._received >= self._stall

    def _room(self) -> int:
        """How much to read next, so that stall and power cut come at their very byte."""
        limits = (self._stall, self._cut_at)
        left = [at - self._received for at in limits if at is not None and at > self._received]
        return min([_CHUNK, *left])

    def _take(self, data: bytes) -> None:
        self._received += len(data)
        self.interpreter.receive(data)
        self._advance()
        if self._cut_at is not None and self._received >= self._cut_at:
            self._cut_at = None
            self._lose_power()

    # --- time ---

    def _advance(self) -> None:
        """Print what can be printed by now, answer, and see what is to be done later."""
        printer = self.interpreter
        if self._faults.slow is None:
            printer.print()
        else:
            self._print_slowly(self._faults.slow)
        if self.hardware.hot:
            self._later(_COOL_S, self._cool)
        self._answer(printer.replies())
        self._end_receipt()
        self._changed.set()
        self._changed = asyncio.Event()

    def _end_receipt(self) -> None:
        """Tear it off at once if nobody can go on with it, else when nothing more comes."""
        if (timer := self._timers.pop(self._tear_off, None)) is not None:
            timer.cancel()
        if self.interpreter.busy or self.hardware.stopped:
            return
        if self._way is None:
            self.interpreter.tear_off()
        elif self.interpreter.torn:
            self._later(self._idle_s, self._tear_off)
        elif not self._way.ends:
            self._later(_QUIET_S, self._tear_off)

    def _tear_off(self) -> None:
        self.interpreter.tear_off()
        self._advance()

    def _print_slowly(self, bytes_per_s: int) -> None:
        now = self._loop.time()
        earned = (now - self._counted_at) * bytes_per_s
        self._budget = min(self._budget + earned, max(1.0, bytes_per_s * 2 * _TICK_S))
        self._counted_at = now
        if self._budget >= 1:
            before = self.interpreter.waiting
            self.interpreter.print(int(self._budget))
            self._budget -= before - self.interpreter.waiting
        if self.interpreter.busy:
            self._later(_TICK_S, self._advance)

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        """Do it once after `delay_s`, unless it is waited for already."""
        if do not in self._timers:
            self._timers[do] = self._loop.call_later(delay_s, self._due, do)

    def _due(self, do: Callable[[], None]) -> None:
        del self._timers[do]
        do()

    def _cool(self) -> None:
        self.hardware.hot = False
        self._advance()

    def _answer(self, replies: bytes) -> None:
        way = self._way
        if not replies or way is None or self._faults.silent or not self.hardware.power:
            return
        if self._faults.wrong_status:
            replies = bytes(byte ^ 0xE5 for byte in replies)  # no reply has both upper bits
        if self._faults.late_status:
            self._loop.call_later(
                self._faults.late_status, lambda: way.write(replies) if way is self._way else None
            )
        else:
            way.write(replies)

    # --- files ---

    def _keep(self, receipt: Receipt) -> None:
        stem = self.out / f"receipt-{next(self._numbers):04d}"
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
    profile: Profile, out: Path, faults: Faults = NO_FAULTS, *, port: int = 0, **options: Any
) -> Iterator[VirtualPrinter]:
    """A virtual printer in a thread of its own, for callers that block; listening when entered."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="virtual printer", daemon=True)
    thread.start()
    printer = VirtualPrinter(profile, out, faults, port=port, **options)
    try:
        asyncio.run_coroutine_threadsafe(printer.start(), loop).result()
        yield printer
    finally:
        asyncio.run_coroutine_threadsafe(printer.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
