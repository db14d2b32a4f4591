"""Vouchers to be printed: on A4 sheets, ten a sheet, to be cut, or as lines of a CSV file."""

import csv
import io
from collections.abc import Sequence

import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from domain.money import format_rp
from domain.voucher import Voucher

DPI = 150
PAGE = (1240, 1754)
COLUMNS, ROWS = 2, 5
MARGIN = 40
CELL = ((PAGE[0] - 2 * MARGIN) // COLUMNS, (PAGE[1] - 2 * MARGIN) // ROWS)
MODULE_PX = 4
RULES = (
    "Untuk satu kali parkir dengan tarif",
    "paling tinggi sebesar nilai ini.",
    "Sisa nilai tidak dikembalikan.",
)


def file(signed: Sequence[tuple[Voucher, str]], form: str, regency: str) -> bytes:
    """As `pdf` or `csv`."""
    return pdf(signed, regency) if form == "pdf" else csv_text(signed).encode("utf-8-sig")


def csv_text(signed: Sequence[tuple[Voucher, str]]) -> str:
    """For a printer's own layout: a line a voucher, with the text of its QR."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(("serial", "value_rp", "class", "valid_until", "qr"))
    for voucher, text in signed:
        only = voucher.vehicle_class.value if voucher.vehicle_class else ""
        writer.writerow((voucher.serial, voucher.value_rp, only, voucher.valid_until, text))
    return out.getvalue()


def pdf(signed: Sequence[tuple[Voucher, str]], regency: str) -> bytes:
    """Every voucher with the text of its QR."""
    a_page = COLUMNS * ROWS
    pages = [
        _page(signed[first : first + a_page], regency) for first in range(0, len(signed), a_page)
    ]
    out = io.BytesIO()
    pages[0].save(out, "PDF", resolution=DPI, save_all=True, append_images=pages[1:])
    return out.getvalue()


def _page(signed: Sequence[tuple[Voucher, str]], regency: str) -> Image.Image:
    page = Image.new("1", PAGE, 1)
    for place, (voucher, text) in enumerate(signed):
        row, column = divmod(place, COLUMNS)
        _draw(page, MARGIN + column * CELL[0], MARGIN + row * CELL[1], voucher, text, regency)
    return page


def _draw(page: Image.Image, x: int, y: int, voucher: Voucher, text: str, regency: str) -> None:
    pen = ImageDraw.Draw(page)
    pen.rectangle((x, y, x + CELL[0], y + CELL[1]), outline=0)
    # A slip is folded and rained on: with more correction than on a screen.
    symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    modules = Image.fromarray(symbol.to_image(add_quiet_zones=True)).convert("1")
    side = modules.width * MODULE_PX
    page.paste(modules.resize((side, side), Image.Resampling.NEAREST), (x + 8, y + 30))
    only = voucher.vehicle_class.label("id") if voucher.vehicle_class else "Semua kendaraan"
    lines = (
        (24, "Voucher parkir"),
        (20, regency),
        (44, format_rp(voucher.value_rp)),
        (24, only),
        (24, f"s.d. {voucher.valid_until:%d-%m-%Y}"),
        *((17, rule) for rule in RULES),
        (24, voucher.serial),
    )
    left, top = x + side + 12, y + 16
    for size, line in lines:
        pen.text((left, top), line, fill=0, font=_fitting(line, size, x + CELL[0] - left - 8))
        top += size + 9


def _fitting(line: str, size: int, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of a size, or of the largest below it in which the line has room."""
    font = ImageFont.load_default(size)
    return font if size <= 8 or font.getlength(line) <= width else _fitting(line, size - 1, width)
