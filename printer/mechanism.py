"""What every printer does with bytes, whatever they mean: takes them in, prints, stops, answers.

A language is a subclass: the commands as a coroutine that yields how many bytes it wants next, and
the few of them that are obeyed as soon as they arrive.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import ClassVar

import PIL.Image

from printer.hardware import Hardware
from printer.paper import Paper, Receipt, qr_symbol
from printer.profiles import Profile

LINE_DOTS = 30  # so much of a picture counts as one line of the roll
KNIFE_DOTS = 80  # from the print head to the cutter
TEAR_FEED_LINES = 3  # on printers without cutter a feed this long ends the receipt
MAX_ROWS = 12_000  # 1.5 m of paper, then the receipt is taken off by itself
BUFFER_BYTES = 65_536  # what the printer takes in while it cannot print

Program = Generator[int, bytes, None]


class Mechanism(ABC):
    """Bytes in, receipts and replies out. Never raises, whatever the bytes are.

    `hardware` may be changed between calls; whoever waits for an answer then asks for `replies`.
    """

    REAL_TIME: ClassVar[re.Pattern[bytes]]  # obeyed on arrival, in whatever data they stand
    BEGUN: ClassVar[tuple[bytes, ...]]  # beginnings of those, the first byte alone first
    HEAD_DOTS: ClassVar[int] = 24  # blank paper above the first line

    def __init__(
        self,
        profile: Profile,
        hardware: Hardware | None = None,
        on_receipt: Callable[[Receipt], None] = lambda _: None,
        *,
        unasked_asb: bool = False,
    ) -> None:
        self.profile = profile
        self.hardware = hardware or Hardware()
        self._on_receipt = on_receipt
        self._unasked_asb = unasked_asb
        self._in_raster = False
        self.switch_on()

    def switch_on(self, *, raster_goes_on: bool = False) -> None:
        """As after a power cut: empty buffer, default modes, a clean edge of paper.

        With `raster_goes_on` a raster that was cut off still waits for the rest of its rows.
        """
        self._pending = bytearray()
        self._recent = b""
        self._replies = bytearray()
        self._asb = self._unasked_asb  # whether it tells each change of its status
        self._told = b""  # the status told last
        self._data = bytearray()
        self._paper = Paper(self.profile, self.HEAD_DOTS)
        self._reset()
        if not (raster_goes_on and self._in_raster):
            self._restart()

    def _restart(self) -> None:
        self._in_raster = False
        self._program = self._run()
        self._wanted = next(self._program)

    # --- what a language brings ---

    @abstractmethod
    def _run(self) -> Program:
        """The commands, one after the other; what it yields is how many bytes it wants next.

        None wanted: it goes on by itself, as soon as the printer can print.
        """

    @abstractmethod
    def _reset(self) -> None:
        """The modes as after switching on, and no line begun."""

    @abstractmethod
    def _forget_line(self) -> None:
        """What was received of a line and is not printed."""

    @abstractmethod
    def _real_time(self, command: bytes) -> None:
        """Obey one of `REAL_TIME`."""

    @abstractmethod
    def _end_line(self, feed: bool = True) -> None:
        """Print what stands in the line buffer."""

    def _status(self) -> bytes:
        """The automatic status; nothing where the language has none."""
        return b""

    # --- the buffer ---

    @property
    def waiting(self) -> int:
        """How many bytes are in the buffer, which takes `BUFFER_BYTES` and then no more."""
        return len(self._pending)

    @property
    def busy(self) -> bool:
        """True if there is something that can be printed now."""
        return not self.hardware.stopped and len(self._pending) >= self._wanted

    @property
    def torn(self) -> bool:
        """True if the paper was fed far enough to be torn off, on a printer without cutter."""
        fed = self._paper.blank_lines >= TEAR_FEED_LINES
        return self.profile.cutter == "none" and fed and bool(self._paper.text)

    @property
    def slip(self) -> Receipt:
        """What is on the paper now, before it is torn off."""
        return self._paper.take(bytes(self._data))

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they arrive and print what can be; the replies, in order."""
        self.receive(data)
        self.print()
        return self.replies()

    def receive(self, data: bytes) -> None:
        """Put bytes into the buffer; real-time commands among them are obeyed at once."""
        window = self._recent + data
        kept = len(self._recent)  # so much of the window is in the buffer already
        for found in self.REAL_TIME.finditer(window):
            self._pending += window[kept : found.end()]
            kept = found.end()
            if self.profile.status != "none":
                self._real_time(found[0])
        self._pending += window[kept:]
        begun = window[max(window.rfind(self.BEGUN[0]), 0) :]
        self._recent = begun if begun in self.BEGUN else b""

    def print(self, limit: int | None = None) -> None:
        """Work through the buffer until it is empty, the hardware stops, or after `limit` bytes."""
        left = 0 if limit is None else max(0, len(self._pending) - limit)
        while self.busy and (len(self._pending) > left or not self._wanted):
            piece = bytes(self._pending[: self._wanted])
            del self._pending[: self._wanted]
            self._data += piece
            self._wanted = self._program.send(piece)
            if self._paper.y > MAX_ROWS:
                self.tear_off()
        if self.hardware.paper_out:
            self.tear_off()  # the end of the roll comes out by itself

    def replies(self) -> bytes:
        """What the printer has to say since it was last asked for."""
        if self._asb and self._told != self._status():
            self._tell_status()
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def _tell_status(self) -> None:
        self._told = self._status()
        self._replies += self._told

    def clear(self, *, raster_goes_on: bool = False) -> None:
        """Forget what waits in the buffer, and the command that was under way."""
        self._pending.clear()
        self._forget_line()
        if not (raster_goes_on and self._in_raster):
            self._restart()

    def tear_off(self) -> None:
        """Take the receipt off, if anything is on it; a line that is not ended stays inside."""
        if self._paper.text:
            self._on_receipt(self.slip)
        self._data.clear()
        self._paper = Paper(self.profile, self.HEAD_DOTS)

    def finish(self) -> None:
        """Print the line that was not ended, and take the receipt off."""
        self._end_line()
        self.tear_off()

    # --- what languages have in common ---

    def _skip(self, size: int) -> Program:
        while size > 0:
            size -= len((yield min(size, 4096)))

    def _picture(self, width_bytes: int, rows: int, align: int) -> Program:
        """A bitmap, most significant bit left, row by row as the head prints it."""
        self._in_raster = True
        for number in range(rows):
            row = yield width_bytes
            bitmap = PIL.Image.frombytes("1", (width_bytes * 8, 1), row, "raw", "1;I")
            self._paper.put(bitmap.convert("L"), align, 1)
            self._paper.named_picture(width_bytes * 8, 1)
            if number % LINE_DOTS == 0:
                self.hardware.use(1)
        self._in_raster = False

    def _draw_qr(self, data: bytes, level: str, module_dots: int, align: int) -> None:
        """As the hardware does: a symbol that is too wide prints nothing, and says nothing."""
        symbol = qr_symbol(data, level, module_dots)
        if symbol is None or symbol.width > self.profile.dots:
            return
        self._paper.put(symbol, align, symbol.height)
        self._paper.text.append(f"[QR {data.decode('utf-8', 'replace')}]")
        self.hardware.use(-(-symbol.height // LINE_DOTS))

    def _cut_off(self, feed_dots: int) -> None:
        self._paper.feed(feed_dots, 0)
        self.hardware.cut()
        self._paper.cut = not self.hardware.jammed
        self.tear_off()
