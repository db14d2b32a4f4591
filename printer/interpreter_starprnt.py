"""StarPRNT as a printer reads it, apart from the encoder; knows nothing of `starprnt`, `layout`.

Commands are those of Star's StarPRNT command specifications; unknown ones are stepped over.
"""

import re

from printer.mechanism import KNIFE_DOTS, Mechanism, Program
from printer.paper import Cell

CELL_WIDTH, CELL_HEIGHT = 12, 24
_ASK = b"\x1b\x06\x01"  # ESC ACK SOH
_COUNTS = 32  # the ETB counter begins anew after so many
_CODEPAGES = {0: "ascii", 1: "cp437", 4: "cp858", 32: "cp1252"}
# Commands without effect on this paper, by the number of bytes that follow: they are stepped over.
_ARGUMENTS = {
    **dict.fromkeys((b"\x1b-", b"\x1bR", b"\x1b ", b"\x1bl", b"\x1bQ", b"\x1b\x1eF"), 1),
    **dict.fromkeys((b"\x1b\x1eR", b"\x1b\x1dP"), 1),
    **dict.fromkeys((b"\x1b\x1dA", b"\x1b\x1dR", b"\x1bs"), 2),
    b"\x1b\x1d\x03": 3,
}


class StarPrnt(Mechanism):
    """A Star printer in its line mode."""

    REAL_TIME = re.compile(re.escape(_ASK))
    BEGUN = (_ASK[:1], _ASK[:2])

    def _reset(self) -> None:
        self._bold, self._height, self._width = False, 1, 1
        self._align, self._pitch, self._codepage = 0, 24, "cp437"
        self._qr_data, self._qr_level, self._qr_module = b"", 0, 3
        self._count = 0
        self._forget_line()

    def _forget_line(self) -> None:
        self._line: list[Cell] = []
        self._uncounted = 0  # ETBs that came in mid-line

    def _real_time(self, command: bytes) -> None:
        self._tell_status()

    def _status(self) -> bytes:
        return self.hardware.star_asb(self._count)

    def _run(self) -> Program:
        while True:
            byte = yield 1
            match byte:
                case b"\x1b":
                    yield from self._escape(byte + (yield 1))
                case b"\n" if self._line:
                    self._end_line()
                case b"\n":
                    self._feed(1)
                case b"\x17":
                    del self._data[-1:]
                    self._uncounted += 1
                    self._count_printed()
                case b"\x18":
                    self._forget_line()
                case _ if byte >= b" " and byte != b"\x7f":
                    self._char(byte.decode(self._codepage, "replace"))

    def _escape(self, name: bytes) -> Program:
        match name:
            case b"\x1b@":
                self._initialise()
            case b"\x1b\x1d" | b"\x1b\x1e":
                yield from self._group(name + (yield 1))
            case b"\x1b\x06":
                yield 1
                del self._data[-3:]
            case b"\x1bE" | b"\x1bF":
                self._bold = name == b"\x1bE"
            case b"\x1bi":
                self._height, self._width = (1 + n % 6 for n in (yield 2))
            case b"\x1bz" | b"\x1b0":
                self._pitch = 32 if name == b"\x1bz" and (yield 1) in b"\x011" else 24
            case b"\x1ba":
                lines = (yield 1)[0]
                self._end_line(feed=False)
                self._feed(lines)
            case b"\x1bd":
                self._cut((yield 1)[0])
            case _:
                yield from self._skip(_ARGUMENTS.get(name, 0))

    def _initialise(self) -> None:
        count = self._count  # a reset of the modes, not of what was printed
        self._reset()
        self._count = count
        if not self._paper.text:
            self._data[:] = b"\x1b@"

    def _group(self, name: bytes) -> Program:
        match name:
            case b"\x1b\x1dt":
                self._codepage = _CODEPAGES.get((yield 1)[0], "cp437")
            case b"\x1b\x1da":
                self._align = (yield 1)[0] % 48 % 3
            case b"\x1b\x1dS":
                yield from self._raster()
            case b"\x1b\x1dy":
                yield from self._qr((yield 1))
            case b"\x1b\x1ea" | b"\x1b\x1eE":
                self._report(name[-1:], (yield 1)[0])
            case _:
                yield from self._skip(_ARGUMENTS.get(name, 0))

    def _report(self, what: bytes, n: int) -> None:
        """ESC RS a n: whether it tells its status by itself; ESC RS E 0: count from 0."""
        del self._data[-4:]
        if self.profile.status == "none":
            return
        if what == b"a":
            self._asb = n != 0
            if self._asb:
                self._tell_status()
        elif n == 0:
            self._count = 0

    def _count_printed(self) -> None:
        """ETB counts once all before it is on paper: not while a line is unfinished."""
        if self._line or not self._uncounted:
            return
        self._count = (self._count + self._uncounted) % _COUNTS
        self._uncounted = 0
        if self._asb:
            self._tell_status()

    def _char(self, char: str) -> None:
        width, height = CELL_WIDTH * self._width, CELL_HEIGHT * self._height
        if sum(cell.width for cell in self._line) + width > self.profile.dots:
            self._end_line()
        self._line.append(Cell(char, self._bold, width, height))

    def _feed(self, lines: int) -> None:
        self._paper.feed(lines * self._pitch, lines)
        self.hardware.use(lines)

    def _end_line(self, feed: bool = True) -> None:
        if not self._line:
            return
        line, self._line = self._line, []
        advance = max(self._pitch, *(cell.height for cell in line)) if feed else 0
        self._paper.write(line, self._align, advance)
        self.hardware.use(1)
        self._count_printed()

    def _raster(self) -> Program:
        """ESC GS S m xL xH yL yH n."""
        header = yield 6
        width_bytes, rows = header[1] + 256 * header[2], header[3] + 256 * header[4]
        if width_bytes and rows:
            self._end_line(feed=False)
            yield from self._picture(width_bytes, rows, self._align)

    def _qr(self, kind: bytes) -> Program:
        if kind == b"S":
            setting, value = yield 2
            match setting:
                case 0x31:
                    self._qr_level = value
                case 0x32:
                    self._qr_module = value
        elif kind == b"D":
            header = yield 4
            size = header[2] + 256 * header[3]
            self._qr_data = (yield size) if size else b""
        elif kind == b"P" and self._qr_module <= 8 and self._qr_data and not self._line:
            level = "LMQH"[self._qr_level % 4]
            self._draw_qr(self._qr_data, level, self._qr_module, self._align)

    def _cut(self, mode: int) -> None:
        self._end_line(feed=False)
        feed = KNIFE_DOTS if mode % 48 in (2, 3) else 0
        if self.profile.cutter == "none":
            self._paper.feed(feed, 0)
        else:
            self._cut_off(feed)
