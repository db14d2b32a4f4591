"""What the readers of printers' bytes put down: cells of type, QR codes, and the roll itself.

QR codes come from another library than the encoder's, so that a fault there is not repeated.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import PIL.Image

from printer.glyphs import glyph
from printer.profiles import Profile


@dataclass(frozen=True, slots=True)
class Receipt:
    """One slip: its picture (one pixel a dot, as wide as the roll), its lines, and its bytes.

    `text` has one entry a printed line, right-stripped, none for blank lines; a bitmap is
    `[gambar WxH]`, a QR code drawn by the printer `[QR data]`. `data` lacks status requests.
    """

    image: PIL.Image.Image
    text: list[str]
    data: bytes


class Cell(NamedTuple):
    """One character, with the modes it was sent in."""

    char: str
    bold: bool
    width: int  # dots
    height: int


class Paper:
    """The roll under the head: black dots put down so far, and what they say."""

    def __init__(self, profile: Profile, head_dots: int) -> None:
        self._profile = profile
        self._rows = PIL.Image.new("L", (profile.paper_dots, 512), 255)
        self.y = head_dots
        self.blank_lines = 0
        self.cut = False
        self.text: list[str] = []

    def put(self, bitmap: PIL.Image.Image, align: int, rows: int) -> None:
        """Print `bitmap` at the left (0), the centre (1) or the right (2), advance by `rows`."""
        dots = self._profile.dots
        bitmap = bitmap.crop((0, 0, min(bitmap.width, dots), bitmap.height))
        indent = (dots - bitmap.width) * align // 2
        self._grow(rows + bitmap.height)
        self._rows.paste(bitmap, ((self._rows.width - dots) // 2 + indent, self.y))
        self.y += rows
        self.blank_lines = 0

    def write(self, cells: Sequence[Cell], align: int, rows: int) -> None:
        """Print a line of characters."""
        self.put(strip(cells), align, rows)
        self.text += filter(None, ["".join(cell.char for cell in cells).rstrip()])

    def named_picture(self, width: int, rows: int) -> None:
        """Name a picture in the text; one that came in several bands is one entry."""
        if self.text and (above := re.fullmatch(rf"\[gambar {width}x(\d+)\]", self.text[-1])):
            rows += int(above[1])
            self.text.pop()
        self.text.append(f"[gambar {width}x{rows}]")

    def feed(self, dots: int, lines: int) -> None:
        self._grow(dots)
        self.y += dots
        self.blank_lines += lines

    def take(self, data: bytes) -> Receipt:
        image = self._rows.crop((0, 0, self._rows.width, self.y))
        if self.cut:
            for x in range(0, image.width, 16):
                image.paste(160, (x, self.y - 2, x + 8, self.y))
        return Receipt(image, list(self.text), data)

    def _grow(self, rows: int) -> None:
        if self.y + rows > self._rows.height:
            taller = PIL.Image.new("L", (self._rows.width, (self.y + rows) * 2), 255)
            taller.paste(self._rows, (0, 0))
            self._rows = taller


def strip(cells: Sequence[Cell]) -> PIL.Image.Image:
    """Characters side by side on one base line."""
    height = max(cell.height for cell in cells)
    line = PIL.Image.new("L", (sum(cell.width for cell in cells), height), 255)
    x = 0
    for char, bold, *size in cells:
        drawn = glyph(char, bold).resize((size[0], size[1]), PIL.Image.Resampling.NEAREST)
        line.paste(drawn, (x, height - size[1]))
        x += size[0]
    return line


def qr_symbol(data: bytes, level: str, module_dots: int) -> PIL.Image.Image | None:
    """The symbol without quiet zone, black on white.

    None if no symbol holds the data, or its modules are none of 1 to 16 dots.
    """
    if not 1 <= module_dots <= 16:
        return None
    import qrcode.constants
    import qrcode.exceptions
    import qrcode.main
    import qrcode.util

    symbol = qrcode.main.QRCode(
        error_correction=getattr(qrcode.constants, f"ERROR_CORRECT_{level}"), border=0
    )
    symbol.add_data(qrcode.util.QRData(data))
    try:
        modules = symbol.get_matrix()
    except (qrcode.exceptions.DataOverflowError, ValueError):
        return None
    side = len(modules)
    dots = PIL.Image.new("L", (side, side), 255)
    dots.putdata([0 if dark else 255 for row in modules for dark in row])
    return dots.resize((side * module_dots, side * module_dots), PIL.Image.Resampling.NEAREST)
