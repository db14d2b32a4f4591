"""A charge as one picture, for wallets that read a barcode from the phone's gallery."""

import io
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from server.payments import barcodes

WIDTH, MARGIN = 720, 40
INK, PAPER = 0, 255


@dataclass(frozen=True)
class Picture:
    """The barcode's text and the lines around it, in the driver's language."""

    qris: str
    title: str
    amount: str
    below: tuple[str, ...]


@lru_cache(maxsize=128)
def png(picture: Picture) -> bytes:
    """Black on white; what stands around the barcode leaves its quiet zone alone."""
    symbol: Image.Image = Image.open(io.BytesIO(barcodes.png(picture.qris)))
    # By whole pixels a module, else a wallet may not read it.
    scale = (WIDTH - 2 * MARGIN) * barcodes.MODULE_PX // symbol.width
    side = symbol.width // barcodes.MODULE_PX * scale
    symbol = symbol.resize((side, side), Image.Resampling.NEAREST)
    rows = [(picture.title, 34), (picture.amount, 76), *((line, 32) for line in picture.below)]
    heights = [int(size * 1.35) for _, size in rows]
    page = Image.new("L", (WIDTH, 2 * MARGIN + side + sum(heights)), PAPER)
    draw, top = ImageDraw.Draw(page), MARGIN
    for number, ((words, size), height) in enumerate(zip(rows, heights, strict=True)):
        if number == 2:
            page.paste(symbol, ((WIDTH - side) // 2, top))
            top += side
        draw.text((WIDTH / 2, top + height / 2), words, INK, _font(words, size), anchor="mm")
        top += height
    out = io.BytesIO()
    page.quantize(16, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _font(words: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """As large as asked for, or as fits: the names of places come from a file."""
    while True:
        font = ImageFont.load_default(size)
        if size <= 14 or font.getlength(words) <= WIDTH - MARGIN:
            return font
        size -= 2
