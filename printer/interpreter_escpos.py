"""ESC/POS as a printer reads it, apart from the encoder; knows nothing of `layout` and `escpos`."""

import re
from dataclasses import dataclass

from printer.glyphs import CELL_HEIGHT, CELL_WIDTH
from printer.mechanism import KNIFE_DOTS, LINE_DOTS, Mechanism, Program
from printer.paper import Cell


@dataclass(slots=True)
class _Style:
    """The modes that ESC @ resets."""

    bold: bool = False
    width: int = 1
    height: int = 1
    align: int = 0
    spacing: int = LINE_DOTS
    codepage: str = "cp437"
    qr_module: int = 3
    qr_level: int = 0x30
    qr_data: bytes = b""


_CODEPAGES = {2: "cp850", 16: "cp1252", 19: "cp858"}  # by the number in ESC t; any other is cp437
# Commands without effect on this paper, by the number of bytes that follow: they are stepped over.
_ESC_ARGUMENTS = dict.fromkeys(b" %-=?GMRTUV{", 1) | dict.fromkeys(b"$\\c", 2) | {0x70: 3, 0x57: 8}
_GS_ARGUMENTS = dict.fromkeys(b"BHTbfhw/", 1) | dict.fromkeys(b"$LPW\\", 2)

# Obeyed as soon as they arrive, in whatever data they stand: DLE EOT n, DLE ENQ n, DLE DC4 8.
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
_REAL_TIME = re.compile(rb"\x10\x04[\x01-\x04]|\x10\x05[\x01\x02]|" + re.escape(_CLEAR))
_BEGUN = (b"\x10", b"\x10\x04", b"\x10\x05", *(_CLEAR[:size] for size in range(2, len(_CLEAR))))


class EscPos(Mechanism):
    """A printer of the class that the profile describes, its quirks included."""

    REAL_TIME = _REAL_TIME
    BEGUN = _BEGUN

    def _reset(self) -> None:
        self._style = _Style()
        self._asb = self._unasked_asb
        self._forget_line()

    def _forget_line(self) -> None:
        self._line: list[Cell] = []
        self._owed = b""  # the answer to a request that came in mid-line

    # --- what it says, and to whom it listens while it cannot print ---

    def _real_time(self, command: bytes) -> None:
        if command[1] == 0x04:
            self._replies.append(self.hardware.dle_eot(command[2]))
        elif command == _CLEAR:
            if self.profile.acknowledge == "gs-h":  # not known of the clones
                self.clear()
                self._replies += b"7\x25\0"
        elif self.hardware.jammed:  # DLE ENQ: try again, 1 with the buffer, 2 without
            self.hardware.jammed = False
            if command[2] == 2:
                self.clear()

    def _status(self) -> bytes:
        return self.hardware.asb()

    def _answer(self, reply: bytes) -> None:
        """Answer in order with the printing: a line that is not on paper yet comes first.

        Of several requests in one line only the last is answered, as Epson says of GS ( H.
        """
        if self._line:
            self._owed = reply
        else:
            self._replies += reply

    def _identity(self, n: int) -> bytes:
        """GS I n: 1 to 3 single bytes, 65 to 68 texts, which the clones leave empty."""
        if n % 48 in (1, 2, 3):
            return bytes([(0x20, 0x02 * (self.profile.cutter != "none"), 0x01)[n % 48 - 1]])
        maker, _, model = self.profile.name.partition("-")
        if self.profile.acknowledge != "gs-h":
            maker = model = ""
        texts = {65: "1.00", 66: maker.upper(), 67: model.upper(), 68: "VIRTUAL"}
        return b"_" + texts[n].encode() + b"\0" if n in texts else b""

    # --- the commands ---

    def _run(self) -> Program:
        while True:
            byte = (yield 1)[0]
            match byte:
                case 0x0A:
                    self._line_feed()
                case 0x1B:
                    yield from self._esc()
                case 0x1C:
                    yield from self._fs()
                case 0x1D:
                    yield from self._gs()
                case 0x10:
                    yield from self._dle()
                case _ if byte >= 0x20 and byte != 0x7F:
                    self._char(byte)

    def _dle(self) -> Program:
        match (yield 1)[0]:
            case 0x04 | 0x05:
                yield 1
                del self._data[-3:]
            case 0x14:
                yield from self._skip(7 if (yield 1)[0] == 8 else 2)

    def _esc(self) -> Program:
        code = (yield 1)[0]
        match chr(code):
            case "@":
                self._reset()
                if not self._paper.text:
                    self._data[:] = b"\x1b@"
            case "E" | "a" | "3" | "!" | "d" | "J" | "t":
                self._esc_number(chr(code), (yield 1)[0])
            case "2":
                self._style.spacing = LINE_DOTS
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
            case "t":
                style.codepage = _CODEPAGES.get(number, "cp437")
            case "!":
                style.bold = bool(number & 0x08)
                style.height, style.width = 1 + bool(number & 0x10), 1 + bool(number & 0x20)
            case "d":
                self._end_line(feed=False)
                self._feed(number)
            case "J" if "ignores-esc-j" not in self.profile.quirks:
                self._end_line(feed=False)
                self._paper.feed(number, number // LINE_DOTS)

    def _fs(self) -> Program:
        code = yield 1
        if code == b"(":
            _, low, high = yield 3
            yield from self._skip(low + 256 * high)
        else:
            yield from self._skip(2 if code == b"S" else int(code in b"!-Ck"))

    def _gs(self) -> Program:
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
            case "r" | "a" | "I":
                self._request(chr(code), (yield 1)[0])
            case "8":
                kind = yield 5
                yield from self._skip(int.from_bytes(kind[1:], "little"))
            case "k":
                system = (yield 1)[0]
                yield from self._skip((yield 1)[0]) if system >= 65 else self._skip_to_nul()
            case _:
                yield from self._skip(_GS_ARGUMENTS.get(code, 0))

    def _parenthesis(self) -> Program:
        """GS ( x pL pH: QR code (k), response request (H); all others are stepped over."""
        name, low, high = yield 3
        size = low + 256 * high
        body = (yield size) if size else b""
        if name == ord("k") and body[:1] == b"1" and self.profile.native_qr:
            self._qr(body)
        elif name == ord("H") and body[:2] == b"00" and len(body) == 6:
            del self._data[-(size + 5) :]
            if self.profile.acknowledge == "gs-h":
                self._answer(b"7\x22" + body[2:] + b"\0")

    def _request(self, code: str, n: int) -> None:
        """GS r n (1 paper, 2 drawer), GS a n (any n but 0 is taken for all), GS I n."""
        del self._data[-3:]
        match code:
            case "r" if n % 48 in (1, 2) and self.profile.acknowledge in ("gs-r", "gs-h"):
                self._answer(bytes([self.hardware.gs_r() if n % 48 == 1 else 0]))
            case "a" if self.profile.status == "dle-eot":
                self._asb = n != 0
                if self._asb:
                    self._tell_status()
            case "I" if self.profile.status == "dle-eot":
                self._answer(self._identity(n))

    def _qr(self, body: bytes) -> None:
        style = self._style
        match body[1:2]:
            case b"C" if body[2:3]:
                style.qr_module = body[2]
            case b"E" if body[2:3]:
                style.qr_level = body[2]
            case b"P":
                style.qr_data = body[3:]
            case b"Q" if style.qr_data and not self._line:
                level = "LMQH"[(style.qr_level - 0x30) % 4]
                self._draw_qr(style.qr_data, level, style.qr_module, style.align)

    def _raster(self) -> Program:
        """GS v 0 m xL xH yL yH."""
        header = yield 6
        width_bytes, rows = header[2] + 256 * header[3], header[4] + 256 * header[5]
        if header[0] != ord("0") or not width_bytes or not rows:
            return
        self._end_line(feed=False)
        yield from self._picture(width_bytes, rows, self._style.align)
        if "eats-lf-after-raster" in self.profile.quirks:
            follower = yield 1
            if follower != b"\n":
                self._pending[:0] = follower
                del self._data[-1:]

    def _cut(self) -> Program:
        mode = (yield 1)[0]
        extra = 0
        if mode in (65, 66, 97, 98, 103, 104):
            extra = (yield 1)[0] + KNIFE_DOTS
        if self.profile.cutter == "none":
            return
        self._end_line(feed=False)
        self._cut_off(extra)

    def _skip_to_nul(self) -> Program:
        while (yield 1) != b"\0":
            pass

    # --- paper ---

    def _char(self, byte: int) -> None:
        style = self._style
        width, height = CELL_WIDTH * style.width, CELL_HEIGHT * style.height
        if sum(cell.width for cell in self._line) + width > self.profile.columns * CELL_WIDTH:
            self._end_line()
        self._line.append(
            Cell(bytes([byte]).decode(style.codepage, "replace"), style.bold, width, height)
        )

    def _line_feed(self) -> None:
        if self._line:
            self._end_line()
        else:
            self._feed(1)

    def _feed(self, lines: int) -> None:
        self._paper.feed(lines * self._style.spacing, lines)
        self.hardware.use(lines)

    def _end_line(self, feed: bool = True) -> None:
        """Print what stands in the line buffer. ESC d brings its own feed, less this one line."""
        if not self._line:
            return
        cells, self._line = self._line, []
        advance = max(self._style.spacing, *(cell.height for cell in cells)) if feed else 0
        self._paper.write(cells, self._style.align, advance)
        self._replies += self._owed
        self._owed = b""
        self.hardware.use(1)
