"""A stand-in for the printer's Font A: Pillow's built-in fonts in cells of 12 x 24 dots.

The one thing preview and virtual printer share, as two people may read the same type.
"""

from functools import cache

import PIL.Image
from PIL import ImageChops, ImageDraw, ImageFont

CELL_WIDTH, CELL_HEIGHT = 12, 24
_FINE = 4  # drawn this much finer, so that squeezed letters keep an even stroke
_BASE_LINE = 18
_FULL_WIDTH = "-=_"  # stretched, for rules that look drawn


@cache
def glyph(char: str, bold: bool) -> PIL.Image.Image:
    """One character in its cell, mode "L", 0 black and 255 white."""
    cell = _drawn(char) if char.isascii() else _dotted(char)
    # Printers embolden by striking twice, one dot apart.
    return ImageChops.darker(cell, ImageChops.offset(cell, 1, 0)) if bold else cell


def _drawn(char: str) -> PIL.Image.Image:
    height = CELL_HEIGHT * _FINE
    font = ImageFont.load_default(size=20 * _FINE)
    left, _, right, _ = font.getbbox(char, anchor="ls", stroke_width=1)
    ink = PIL.Image.new("L", (max(1, round(right - left)), height), 255)
    ImageDraw.Draw(ink).text(
        (-left, _BASE_LINE * _FINE), char, fill=0, font=font, anchor="ls", stroke_width=1
    )
    room = (CELL_WIDTH - 1) * _FINE  # one dot stays free between letters, for bold
    if ink.width > room or char in _FULL_WIDTH:
        ink = ink.resize((room, height))
    cell = PIL.Image.new("L", (CELL_WIDTH * _FINE, height), 255)
    cell.paste(ink, ((room - ink.width) // 2 // _FINE * _FINE, 0))
    cell = cell.resize((CELL_WIDTH, CELL_HEIGHT), PIL.Image.Resampling.BOX)
    return cell.point(lambda shade: 0 if shade < 150 else 255)


def _dotted(char: str) -> PIL.Image.Image:
    """By Pillow's font of dots, twice as large: it has the accents that the other lacks."""
    if not "\xa0" <= char <= "\xff":
        return _drawn(char)
    small = PIL.Image.new("1", (CELL_WIDTH // 2, CELL_HEIGHT // 2), 1)
    ImageDraw.Draw(small).text((0, 0), char, fill=0, font=ImageFont.load_default_imagefont())
    return small.convert("L").resize((CELL_WIDTH, CELL_HEIGHT), PIL.Image.Resampling.NEAREST)
