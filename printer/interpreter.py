"""Bytes -> receipts: what a printer would make of them, read with code of its own.

Knows nothing of `layout`, `escpos` and `preview`, so that a fault in the encoder shows here instead
of being repeated; QR codes come from another library too. Only the type face is shared.
"""

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import PIL.Image

from printer.errors import UnknownFault
from printer.glyphs import CELL_HEIGHT, CELL_WIDTH, glyph
from printer.profiles import Profile

LINE_SPACING = 30
KNIFE_DOTS = 80  # from the print head to the cutter
HEAD_DOTS = 24  # blank paper above the first line
TEAR_FEED_LINES = 3  # on printers without cutter a feed this long ends the receipt
MAX_ROWS = 12_000  # 1.5 m of paper, then the receipt is taken off by itself
BUFFER_BYTES = 65_536  # what the printer takes in while it cannot print


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, as scripted. Counts are per printer, not per connection."""

    paper_out: int | None = None  # lines until the roll is empty
    near_end: bool = False
    cover_open: bool = False
    silent: bool = False  # prints, but never answers
    stall: int | None = None  # bytes until it reads no further, connection kept
    cut_at: int | None = None  # bytes until the power fails, once; then it is as after switching on

    @classmethod
    def parse(cls, specs: Iterable[str]) -> "Faults":
        """`paper-out:N`, `near-end`, `cover-open`, `silent`, `stall[:K]`, `cut-at:K`.

        Raises `UnknownFault`.
        """
        played: dict[str, Any] = {}
        for spec in specs:
            name, colon, count = spec.partition(":")
            if name in ("near-end", "cover-open", "silent") and not colon:
                played[name.replace("-", "_")] = True
            elif name in ("paper-out", "cut-at", "stall") and count.isdecimal():
                played[name.replace("-", "_")] = int(count)
            elif spec == "stall":
                played["stall"] = 0
            else:
                raise UnknownFault(
                    f"no fault {spec!r}; there are: paper-out:LINES, near-end, cover-open, "
                    "silent, stall[:BYTES], cut-at:BYTES"
                )
        return cls(**played)


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Receipt:
    """One slip: its picture (one pixel a dot, as wide as the roll), its lines, and its bytes.

    `text` has one entry a printed line, right-stripped, none for blank lines; a bitmap is
    `[gambar WxH]`, a QR code drawn by the printer `[QR data]`. `data` lacks status requests.
    """

    image: PIL.Image.Image
    text: list[str]
    data: bytes


class _Cell(NamedTuple):
    """One character waiting in the line buffer, with the modes it was sent in."""

    char: str
    bold: bool
    width: int  # dots
    height: int


@dataclass(slots=True)
class _Style:
    """The modes that ESC @ resets."""

    bold: bool = False
    width: int = 1
    height: int = 1
    align: int = 0
    spacing: int = LINE_SPACING
    qr_module: int = 3
    qr_level: int = 0x30
    qr_data: bytes = b""


@dataclass(slots=True)
class _Paper:
    """The roll under the head: black dots put down so far, and what they say."""

    profile: Profile
    rows: PIL.Image.Image = field(init=False)
    y: int = HEAD_DOTS
    blank_lines: int = 0
    cut: bool = False
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = PIL.Image.new("L", (self.profile.paper_mm * 8, 512), 255)

    def put(self, bitmap: PIL.Image.Image, x: int, rows: int) -> None:
        """Print `bitmap` at printable column `x` and advance by `rows`."""
        self._grow(rows + bitmap.height)
        self.rows.paste(bitmap, ((self.rows.width - self.profile.dots) // 2 + x, self.y))
        self.y += rows
        self.blank_lines = 0

    def feed(self, dots: int, lines: int) -> None:
        self._grow(dots)
        self.y += dots
        self.blank_lines += lines

    def take(self, data: bytes) -> Receipt:
        image = self.rows.crop((0, 0, self.rows.width, self.y))
        if self.cut:
            for x in range(0, image.width, 16):
                image.paste(160, (x, self.y - 2, x + 8, self.y))
        return Receipt(image, list(self.text), data)

    def _grow(self, rows: int) -> None:
        if self.y + rows > self.rows.height:
            taller = PIL.Image.new("L", (self.rows.width, (self.y + rows) * 2), 255)
            taller.paste(self.rows, (0, 0))
            self.rows = taller


# Commands without effect on this paper, by the number of bytes that follow: they are stepped over.
_ESC_ARGUMENTS = dict.fromkeys(b" %-=?GMRTUV{", 1) | dict.fromkeys(b"$\\c", 2) | {0x70: 3, 0x57: 8}
_GS_ARGUMENTS = dict.fromkeys(b"BHITabfhw/", 1) | dict.fromkeys(b"$LPW\\", 2)


class Interpreter:
    """ESC/POS bytes in, receipts and replies out. Never raises, whatever the bytes are."""

    def __init__(
        self,
        profile: Profile,
        faults: Faults = NO_FAULTS,
        on_receipt: Callable[[Receipt], None] = lambda _: None,
    ) -> None:
        self.profile = profile
        self.faults = faults
        self._on_receipt = on_receipt
        self._lines_left = faults.paper_out
        self._recent = b""
        self.switch_on()

    def switch_on(self) -> None:
        """As after a power cut: empty buffer, default modes, a clean edge of paper."""
        self._pending = bytearray()
        self._replies = bytearray()
        self._data = bytearray()
        self._line: list[_Cell] = []
        self._style = _Style()
        self._paper = _Paper(self.profile)
        self._program = self._run()
        self._wanted = next(self._program)

    @property
    def stopped(self) -> bool:
        """True while it cannot print: data stays in the buffer, only DLE EOT is answered."""
        return self.faults.cover_open or self._lines_left == 0

    @property
    def full(self) -> bool:
        """True if the buffer takes nothing more."""
        return len(self._pending) >= BUFFER_BYTES

    @property
    def torn(self) -> bool:
        """True if the paper was fed far enough to be torn off, on a printer without cutter."""
        fed = self._paper.blank_lines >= TEAR_FEED_LINES
        return self.profile.cutter == "none" and fed and bool(self._paper.text)

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they arrive; the replies, in order."""
        self._real_time(data)
        self._pending += data
        while not self.stopped and len(self._pending) >= self._wanted:
            piece = bytes(self._pending[: self._wanted])
            del self._pending[: self._wanted]
            self._data += piece
            self._wanted = self._program.send(piece)
            if self._paper.y > MAX_ROWS:
                self.finish()
        replies = bytes(self._replies)
        self._replies.clear()
        return b"" if self.faults.silent else replies

    def finish(self) -> None:
        """Take the receipt off, if anything is on it."""
        if self._line:
            self._end_line()
        if self._paper.text:
            self._on_receipt(self._paper.take(bytes(self._data)))
        self._data.clear()
        self._paper = _Paper(self.profile)

    # --- the status, answered at once, even from within the data of a raster ---

    def _real_time(self, data: bytes) -> None:
        window = self._recent + data
        start = window.find(b"\x10\x04")
        while 0 <= start < len(window) - 2:
            if self.profile.status and 1 <= window[start + 2] <= 4:
                self._replies.append(self._status(window[start + 2]))
            start = window.find(b"\x10\x04", start + 3)
        # At most an unfinished request is kept, or a request would be answered twice.
        self._recent = (
            window[start:] if start >= 0 else window[-1:] if window[-1:] == b"\x10" else b""
        )

    def _status(self, n: int) -> int:
        cover, out = self.faults.cover_open, self._lines_left == 0
        near = self.faults.near_end or out
        match n:
            case 1:
                return 0x16 | (0x08 if cover or out else 0)
            case 2:
                return 0x12 | (0x04 if cover else 0) | (0x20 if out else 0)
            case 4:
                return 0x12 | (0x0C if near else 0) | (0x60 if out else 0)
            case _:
                return 0x12

    # --- the command language, as a coroutine that yields how many bytes it wants next ---

    def _run(self) -> Generator[int, bytes, None]:
        while True:
            byte = (yield 1)[0]
            match byte:
                case 0x0A:
                    self._line_feed()
                case 0x1B:
                    yield from self._esc()
                case 0x1C:
                    if (yield 1) in b"!-SCk":
                        yield 1
                case 0x1D:
                    yield from self._gs()
                case 0x10:
                    yield from self._dle()
                case _ if byte >= 0x20 and byte != 0x7F:
                    self._char(byte)

    def _dle(self) -> Generator[int, bytes, None]:
        match (yield 1)[0]:
            case 0x04 | 0x05:
                yield 1
                del self._data[-3:]
            case 0x14:
                yield from self._skip(7 if (yield 1)[0] == 8 else 2)

    def _esc(self) -> Generator[int, bytes, None]:
        code = (yield 1)[0]
        match chr(code):
            case "@":
                self._line.clear()
                self._style = _Style()
                if not self._paper.text:
                    self._data[:] = b"\x1b@"
            case "E" | "a" | "3" | "!" | "d" | "J":
                self._esc_number(chr(code), (yield 1)[0])
            case "2":
                self._style.spacing = LINE_SPACING
            case "*":
                mode, low, high = yield 3
                yield from self._skip((low + 256 * high) * (3 if mode >= 32 else 1))
            case "D":
                yield from self._skip_to_nul()
            case _:
                yield from self._skip(_ESC_ARGUMENTS.get(code, 0))

    def _esc_number(self, code: str, number: int) -> None:
        style = self._style
        match code:
            case "E":
                style.bold = bool(number & 1)
            case "a":
                style.align = number % 48 % 3
            case "3":
                style.spacing = number
            case "!":
                style.bold = bool(number & 0x08)
                style.height, style.width = 1 + bool(number & 0x10), 1 + bool(number & 0x20)
            case "d":
                self._end_line(feed=False)
                self._feed(number)
            case "J" if "ignores-esc-j" not in self.profile.quirks:
                self._end_line(feed=False)
                self._paper.feed(number, number // LINE_SPACING)

    def _gs(self) -> Generator[int, bytes, None]:
        code = (yield 1)[0]
        match chr(code):
            case "!":
                size = (yield 1)[0]
                self._style.width, self._style.height = 1 + (size >> 4 & 7), 1 + (size & 7)
            case "V":
                yield from self._cut()
            case "v":
                yield from self._raster()
            case "(":
                yield from self._parenthesis()
            case "r":
                self._answer((yield 1)[0])
            case "8":
                kind = yield 5
                yield from self._skip(int.from_bytes(kind[1:], "little"))
            case "k":
                system = (yield 1)[0]
                yield from self._skip((yield 1)[0]) if system >= 65 else self._skip_to_nul()
            case _:
                yield from self._skip(_GS_ARGUMENTS.get(code, 0))

    def _parenthesis(self) -> Generator[int, bytes, None]:
        """GS ( x pL pH: QR code (k), response request (H); all others are stepped over."""
        name, low, high = yield 3
        size = low + 256 * high
        body = (yield size) if size else b""
        if name == ord("k") and body[:1] == b"1" and self.profile.native_qr:
            self._qr(body)
        elif name == ord("H") and body[:2] == b"00" and len(body) == 6:
            if self.profile.acknowledge == "gs-r":
                self._replies += b"7\x22" + body[2:] + b"\0"
            del self._data[-(size + 5) :]

    def _answer(self, sensor: int) -> None:
        """GS r n: 1 paper, 2 drawer, in order with the printing."""
        del self._data[-3:]
        if sensor % 48 in (1, 2) and self.profile.acknowledge == "gs-r":
            self._replies.append(0x03 if self.faults.near_end else 0x00)

    def _qr(self, body: bytes) -> None:
        match body[1:2]:
            case b"C" if body[2:3]:
                self._style.qr_module = body[2]
            case b"E" if body[2:3]:
                self._style.qr_level = body[2]
            case b"P":
                self._style.qr_data = body[3:]
            case b"Q" if self._style.qr_data and not self._line:
                self._print_qr()

    def _print_qr(self) -> None:
        import qrcode.constants
        import qrcode.exceptions
        import qrcode.main
        import qrcode.util

        levels = (
            qrcode.constants.ERROR_CORRECT_L,
            qrcode.constants.ERROR_CORRECT_M,
            qrcode.constants.ERROR_CORRECT_Q,
            qrcode.constants.ERROR_CORRECT_H,
        )
        style = self._style
        symbol = qrcode.main.QRCode(error_correction=levels[(style.qr_level - 0x30) % 4], border=0)
        symbol.add_data(qrcode.util.QRData(style.qr_data))
        try:
            modules = symbol.get_matrix()
        except (qrcode.exceptions.DataOverflowError, ValueError):
            return
        side = len(modules) * style.qr_module
        if not 0 < side <= self.profile.dots:
            return  # as the hardware does: too wide prints nothing, and says nothing
        dots = PIL.Image.new("L", (len(modules), len(modules)), 255)
        dots.putdata([0 if dark else 255 for row in modules for dark in row])
        self._paper.put(
            dots.resize((side, side), PIL.Image.Resampling.NEAREST), self._indent(side), side
        )
        self._paper.text.append(f"[QR {style.qr_data.decode('utf-8', 'replace')}]")
        self._used(-(-side // LINE_SPACING))

    def _raster(self) -> Generator[int, bytes, None]:
        """GS v 0 m xL xH yL yH, row by row as the head prints it."""
        header = yield 6
        width_bytes, rows = header[2] + 256 * header[3], header[4] + 256 * header[5]
        if header[0] != ord("0") or not width_bytes or not rows:
            return
        self._end_line(feed=False)
        shown = min(width_bytes * 8, self.profile.dots)
        for _ in range(rows):
            row = yield width_bytes
            bitmap = PIL.Image.frombytes("1", (width_bytes * 8, 1), row, "raw", "1;I")
            bitmap = bitmap.crop((0, 0, shown, 1))
            self._paper.put(bitmap.convert("L"), self._indent(shown), 1)
        self._name_raster(width_bytes * 8, rows)
        self._used(-(-rows // LINE_SPACING))
        if "eats-lf-after-raster" in self.profile.quirks:
            follower = yield 1
            if follower != b"\n":
                self._pending[:0] = follower
                del self._data[-1:]

    def _name_raster(self, width: int, rows: int) -> None:
        """One entry for a picture that came in several bands."""
        text = self._paper.text
        if text and (above := re.fullmatch(rf"\[gambar {width}x(\d+)\]", text[-1])):
            rows += int(above[1])
            text.pop()
        text.append(f"[gambar {width}x{rows}]")

    def _cut(self) -> Generator[int, bytes, None]:
        mode = (yield 1)[0]
        extra = 0
        if mode in (65, 66, 97, 98, 103, 104):
            extra = (yield 1)[0] + KNIFE_DOTS
        if self.profile.cutter == "none":
            return
        self._end_line(feed=False)
        self._paper.feed(extra, 0)
        self._paper.cut = True
        self.finish()

    def _skip(self, size: int) -> Generator[int, bytes, None]:
        while size > 0:
            size -= len((yield min(size, 4096)))

    def _skip_to_nul(self) -> Generator[int, bytes, None]:
        while (yield 1) != b"\0":
            pass

    # --- paper ---

    def _char(self, byte: int) -> None:
        style = self._style
        width, height = CELL_WIDTH * style.width, CELL_HEIGHT * style.height
        if sum(cell.width for cell in self._line) + width > self.profile.columns * CELL_WIDTH:
            self._end_line()
        self._line.append(_Cell(bytes([byte]).decode("cp437"), style.bold, width, height))

    def _line_feed(self) -> None:
        if self._line:
            self._end_line()
        else:
            self._feed(1)

    def _feed(self, lines: int) -> None:
        self._paper.feed(lines * self._style.spacing, lines)
        self._used(lines)

    def _end_line(self, feed: bool = True) -> None:
        """Print what stands in the line buffer. ESC d brings its own feed, less this one line."""
        if not self._line:
            return
        cells, self._line = self._line, []
        height = max(cell.height for cell in cells)
        strip = PIL.Image.new("L", (sum(cell.width for cell in cells), height), 255)
        x = 0
        for char, bold, *size in cells:
            cell = glyph(char, bold).resize((size[0], size[1]), PIL.Image.Resampling.NEAREST)
            strip.paste(cell, (x, height - size[1]))  # on one base line
            x += size[0]
        advance = max(self._style.spacing, height) if feed else 0
        self._paper.put(strip, self._indent(strip.width), advance)
        self._paper.text.append("".join(cell.char for cell in cells).rstrip())
        self._used(1)

    def _indent(self, width: int) -> int:
        return (self.profile.dots - width) * self._style.align // 2

    def _used(self, lines: int) -> None:
        if self._lines_left is not None:
            self._lines_left = max(0, self._lines_left - lines)


def interpret(data: bytes, profile: Profile) -> list[Receipt]:
    """The receipts that these bytes print, without any network."""
    receipts: list[Receipt] = []
    printer = Interpreter(profile, on_receipt=receipts.append)
    printer.feed(data)
    printer.finish()
    return receipts
