"""TSPL as a label printer reads it, apart from the encoder; knows nothing of `tspl` and `layout`.

Commands are those of TSC's TSPL/TSPL2 programming manual; unknown ones are passed over. A label is
drawn in memory, and nothing of it is on paper before PRINT.
"""

import re

import PIL.Image

from printer.mechanism import LINE_DOTS, MAX_ROWS, Mechanism, Program
from printer.paper import Cell, qr_symbol, strip

_ASK = b"\x1b!?"  # ESC ! ?
_FONTS = {b"1": (8, 12), b"2": (12, 20), b"3": (16, 24), b"4": (24, 32), b"5": (32, 48)}
_X, _Y, _TIMES = rb"(\d{1,4}), ?", rb"(\d{1,5}), ?", rb"([1-9]|10), ?"
_BITMAP = re.compile(rb"BITMAP " + (_X + _Y) * 2 + rb"[012],")
_TEXT = re.compile(
    rb"TEXT " + _X + _Y + rb'"([1-5])", ?0, ?' + _TIMES * 2 + rb'(?:[0-3], ?)?"(.+)"'
)
_QRCODE = re.compile(
    rb"QRCODE " + _X + _Y + rb"([LMQH]), ?" + _TIMES + rb'A, ?0, ?(?:M2, ?)?(?:S\d, ?)?"(.*)"'
)
_SIZE = re.compile(rb"SIZE \d{1,3} mm, ?(\d{1,4}) mm")
_PRINT = re.compile(rb"PRINT \d+(, ?\d+)?")
_ESCAPE = re.compile(rb'\\\[(["RL])\]')
_ESCAPED = {b'"': b'"', b"R": b"\r", b"L": b"\n"}


class Tspl(Mechanism):
    """A label printer with a continuous roll."""

    REAL_TIME = re.compile(re.escape(_ASK))
    BEGUN = (_ASK[:1], _ASK[:2])
    HEAD_DOTS = 0  # a label's upper edge is the paper's

    def _reset(self) -> None:
        self._rows = 0
        self._clear_label()

    def _clear_label(self) -> None:
        self._marks: list[tuple[int, int, PIL.Image.Image, str]] = []  # x, y, dots, what they say

    def _forget_line(self) -> None:
        """A command that was not ended goes with the program that reads it."""

    def _end_line(self, feed: bool = True) -> None:
        """A label has no lines that wait to be printed."""

    def _real_time(self, command: bytes) -> None:
        self._replies.append(self.hardware.tspl(printing=self.busy))

    def _run(self) -> Program:
        line = bytearray()
        while True:
            line += yield 1
            if line.endswith(_ASK):
                del line[-3:], self._data[-3:]
            elif line.endswith(b"\n"):
                yield from self._command(bytes(line).rstrip(b"\r\n"))
                line.clear()
            elif line.endswith(b",") and (bitmap := _BITMAP.fullmatch(bytes(line))):
                yield from self._bitmap(*(int(number) for number in bitmap.groups()))
                line.clear()

    def _command(self, line: bytes) -> Program:
        if line == b"CLS":
            self._clear_label()
        elif size := _SIZE.fullmatch(line):
            self._rows = min(int(size[1]) * 8, MAX_ROWS)
        elif text := _TEXT.fullmatch(line):
            self._write(*text.groups())
        elif qr := _QRCODE.fullmatch(line):
            self._qr(*qr.groups())
        elif _PRINT.fullmatch(line):
            yield from self._print_label()

    def _write(
        self, x: bytes, y: bytes, font: bytes, wide: bytes, tall: bytes, quoted: bytes
    ) -> None:
        text = _plain(quoted).decode("cp437")
        width, height = _FONTS[font][0] * int(wide), _FONTS[font][1] * int(tall)
        cells = [Cell(char, False, width, height) for char in text]
        self._marks.append((int(x), int(y), strip(cells), text.rstrip()))

    def _bitmap(self, x: int, y: int, width_bytes: int, rows: int) -> Program:
        data = bytearray()
        self._in_raster = True
        for _ in range(rows if width_bytes else 0):
            data += yield width_bytes
        self._in_raster = False
        if data:
            size = (width_bytes * 8, rows)
            dots = PIL.Image.frombytes("1", size, bytes(data))
            self._marks.append((x, y, dots, f"[gambar {size[0]}x{rows}]"))

    def _qr(self, x: bytes, y: bytes, level: bytes, module: bytes, quoted: bytes) -> None:
        data = _plain(quoted)
        symbol = qr_symbol(data, level.decode(), int(module))
        if symbol is not None and int(x) + symbol.width <= self.profile.dots:
            says = f"[QR {data.decode('utf-8', 'replace')}]"
            self._marks.append((int(x), int(y), symbol, says))

    def _print_label(self) -> Program:
        """A line of the roll after the other: it may stop at each, and lose the rest."""
        label, marks = self._drawn(), sorted(self._marks, key=lambda mark: mark[1])
        for top in range(0, self._rows, LINE_DOTS):
            yield 0
            bottom = min(top + LINE_DOTS, self._rows)
            self._paper.put(label.crop((0, top, label.width, bottom)), 0, bottom - top)
            self.hardware.use(1)
            out = [mark for mark in marks if mark[1] + mark[2].height <= bottom]
            self._paper.text += [says for *_, says in out]
            marks = [mark for mark in marks if mark not in out]
        self.tear_off()

    def _drawn(self) -> PIL.Image.Image:
        label = PIL.Image.new("L", (self.profile.dots, self._rows), 255)
        for x, y, dots, _ in self._marks:
            # Only black is printed: what is white below a mark stays as it is.
            label.paste(0, (x, y), dots.convert("L").point(lambda shade: 255 - shade))
        return label


def _plain(quoted: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], quoted)
