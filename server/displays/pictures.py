"""What a display shows as a picture of one bit a pixel, for e-paper and LED panels, in any size.

Both languages stand in it at once: who stands before a display cannot be asked for one.
"""

import io
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files

import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from domain.money import format_rp
from server.displays.service import Display, Shows

SMALLEST = (250, 122)
LARGEST = (1920, 1200)
QUIET = 4
"""Modules about a barcode (ISO/IEC 18004 §6.3.8)."""
LEAST_PX = 2
"""A module's least width: of one pixel, no camera tells it from its neighbour."""
Lines = Sequence[tuple[str, float]]
"""A line and its weight in the height; an empty one is a gap."""


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """Bitstream Vera, drawn for screens of few pixels; it comes with ReportLab."""
    name = "VeraBd.ttf" if bold else "Vera.ttf"
    return ImageFont.truetype(io.BytesIO((files("reportlab") / "fonts" / name).read_bytes()), size)


def words(display: Display, until: str, paid_at: str) -> Lines:
    """What stands beside the barcode; `until` and `paid_at` are told by the regency's clock."""
    amount = "" if display.amount_rp is None else format_rp(display.amount_rp)
    told: dict[Shows, Lines] = {
        Shows.FREE: (
            ("KOSONG" if display.spot.exclusive else "PARKIR", 2),
            ("Free" if display.spot.exclusive else "Parking", 1),
            ("", 0.4),
            ("Pindai untuk bayar", 1),
            ("Scan to pay", 1),
        ),
        Shows.PAY: (
            ("BAYAR", 1.4),
            ("Scan to pay", 1),
            (amount, 2),
            (f"sampai {until}", 1),
            (f"until {until}", 1),
        ),
        Shows.PAID: (
            ("LUNAS", 2.4),
            ("Paid", 1),
            ("", 0.3),
            (f"sampai {until}" if until else f"pukul {paid_at}", 1.5),
            (f"until {until}" if until else f"at {paid_at}", 1),
        ),
        Shows.EXPIRED: (
            ("WAKTU HABIS", 1.6),
            ("Time is up", 1),
            (until, 1.6),
            ("Pindai untuk bayar", 1),
            ("Scan to pay", 1),
        ),
        Shows.CLOSED: (
            ("DITUTUP", 2),
            ("SEMENTARA", 2),
            ("Closed for now", 1),
            *(((f"sampai {until}", 1), (f"until {until}", 1)) if until else ()),
        ),
    }
    return (*told[display.shows], (display.spot.code, 1))


def picture(lines: Lines, qrs: Sequence[str], width: int, height: int) -> Image.Image:
    """Black on white; the first barcode that fits at the right, as large as whole pixels allow."""
    image = Image.new("1", (width, height), 1)
    side = min(height, width * 11 // 20)
    barcode = next((drawn for qr in qrs if (drawn := _barcode(qr, side)) is not None), None)
    right = 0
    if barcode is not None:
        image.paste(barcode, (width - barcode.width, (height - barcode.height) // 2))
        right = barcode.width
    _write(ImageDraw.Draw(image), lines, width - right, height)
    return image


def _barcode(text: str, side: int) -> Image.Image | None:
    """A barcode of at most `side` pixels with its quiet zone; None where its modules would blur."""
    for correction in ("M", "L"):
        symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=correction)
        modules = Image.fromarray(symbol.to_image(add_quiet_zones=False)).convert("1")
        scale = side // (modules.width + 2 * QUIET)
        if scale >= LEAST_PX:
            whole = Image.new("1", [(modules.width + 2 * QUIET) * scale] * 2, 1)
            large = modules.resize([modules.width * scale] * 2, Image.Resampling.NEAREST)
            whole.paste(large, (QUIET * scale, QUIET * scale))
            return whole
    return None


def _write(draw: ImageDraw.ImageDraw, lines: Lines, width: int, height: int) -> None:
    """The lines one under another, as large as they all fit, in the middle."""
    margin = max(4, width // 24)
    unit = (height - margin) / sum(weight for _, weight in lines) / 1.12
    sized: list[tuple[str, ImageFont.FreeTypeFont, int]] = []
    before, size = 0.0, 0
    for text, weight in lines:
        bold = weight > 1 or text == lines[-1][0]
        # A line in English is never larger than the one in Bahasa before it.
        most = size if weight == before else int(unit * weight * 0.86)
        before, size = weight, max(8, most)
        while size > 8 and _font(size, bold).getlength(text) > width - 2 * margin:
            size -= 1
        sized.append((text, _font(size, bold), int(max(size * 1.2, unit * weight * 0.5))))
    top = (height - sum(tall for *_, tall in sized)) // 2
    for text, font, tall in sized:
        left = (width - font.getlength(text)) / 2
        draw.text((round(left), top + tall // 2), text, font=font, fill=0, anchor="lm")
        top += tall


@lru_cache(maxsize=512)
def encoded(lines: Lines, qrs: Sequence[str], width: int, height: int, format_: str) -> bytes:
    """As a PNG or a Windows bitmap, both of one bit a pixel."""
    out = io.BytesIO()
    picture(lines, qrs, width, height).save(out, format_)
    return out.getvalue()
