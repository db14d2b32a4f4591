"""The receipt as a picture to keep, and the same as a PDF."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfgen.canvas import Canvas

from domain.covered import Pass
from domain.money import format_rp
from domain.receipt import ReceiptFacts
from server.typeface import NORMAL, NORMAL_FILE

WIDTH, MARGIN = 760, 48
MODULE_PX = 8
POINT = 72 / 150
"""Of a pixel: 150 to the inch."""
WORDS = {
    "id": {
        "title": "KARCIS PARKIR",
        "number": "Nomor",
        "vehicle": "Kendaraan",
        "plate": "Nomor polisi",
        "erased": "dihapus atas permintaan pengendara",
        "spot": "Titik",
        "place": "Lokasi",
        "zone": "Zona",
        "started": "Mulai",
        "paid": "Dibayar",
        "method": "Cara bayar",
        "attendant": "Petugas",
        "law": "Dasar hukum",
        "seal": "Porporasi",
        "reference": "Referensi",
        "scan": "Pindai untuk memeriksa karcis ini",
        "pass_title": "LANGGANAN PARKIR",
        "pass": "Langganan",
        "all_zones": "Semua zona",
        "until": "Berlaku sampai",
        "show": "Tunjukkan kepada petugas, atau tempel di kendaraan",
    },
    "en": {
        "title": "PARKING RECEIPT",
        "number": "Number",
        "vehicle": "Vehicle",
        "plate": "Number plate",
        "erased": "erased at the driver's request",
        "spot": "Spot",
        "place": "Place",
        "zone": "Zone",
        "started": "From",
        "paid": "Paid",
        "method": "Paid by",
        "attendant": "Attendant",
        "law": "By law",
        "seal": "Seal",
        "reference": "Reference",
        "scan": "Scan to verify this receipt",
        "pass_title": "PARKING PASS",
        "pass": "Pass",
        "all_zones": "All zones",
        "until": "Valid until",
        "show": "Show it to the attendant, or stick it on the vehicle",
    },
}


@dataclass(frozen=True)
class Line:
    """A text on the page; `anchor` is Pillow's: at its left, its middle, or its right."""

    x: float
    y: int
    text: str
    size: int = 24
    anchor: str = "la"


@dataclass(frozen=True)
class Layout:
    """What stands where on a receipt, in pixels from its upper left corner."""

    lines: list[Line]
    modules: NDArray[np.bool_]
    """The QR's dark modules, its quiet zone included."""
    qr_y: int
    height: int


@dataclass(frozen=True)
class Told:
    """A receipt for its driver; without a plate where he had it destroyed."""

    facts: ReceiptFacts
    plate_erased: bool


def png(told: Told, language: str) -> bytes:
    laid = _lay_out(told, language)
    page = Image.new("L", (WIDTH, laid.height), 255)
    pen = ImageDraw.Draw(page)
    for line in laid.lines:
        pen.text((line.x, line.y), line.text, fill=0, font=_font(line.size), anchor=line.anchor)
    symbol = Image.fromarray(np.where(laid.modules, 0, 255).astype(np.uint8))
    side = _side(laid)
    page.paste(
        symbol.resize((side, side), Image.Resampling.NEAREST), ((WIDTH - side) // 2, laid.qr_y)
    )
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


def pdf(told: Told, language: str) -> bytes:
    """The same with its words as text, so that it can be searched and read aloud."""
    title = f"{WORDS[language]['title']} {told.facts.number}"
    return _pdf(_lay_out(told, language), title, language)


@dataclass(frozen=True)
class PassCard:
    """A pass as it is printed: `zones` is where it holds, in words, and `text` is of its QR."""

    held: Pass
    zones: str
    text: str
    agency: str
    regency: str


def pass_pdf(card: PassCard, language: str) -> bytes:
    words, held = WORDS[language], card.held
    heading = ((26, card.agency), (26, card.regency), (40, words["pass_title"]))
    rows = [
        (words["number"], held.serial),
        (words["vehicle"], ", ".join(wheels.label(language) for wheels in held.classes)),
        (words["plate"], held.plate_masked or ""),
        (words["zone"], card.zones or words["all_zones"]),
        (words["started"], f"{held.valid_from:%d-%m-%Y}"),
        (words["until"], f"{held.valid_until:%d-%m-%Y}"),
    ]
    laid = _stack(heading, rows, card.text, (words["show"],))
    return _pdf(laid, f"{words['pass_title']} {held.serial}", language)


def _pdf(laid: Layout, title: str, language: str) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, (WIDTH * POINT, laid.height * POINT), lang=language)
    canvas.setTitle(title)
    canvas.scale(POINT, POINT)
    draw = {"la": canvas.drawString, "ma": canvas.drawCentredString, "ra": canvas.drawRightString}
    for line in laid.lines:
        canvas.setFont(NORMAL, line.size)
        draw[line.anchor](line.x, laid.height - line.y - line.size, line.text)
    left = (WIDTH - _side(laid)) // 2
    for row, column in zip(*laid.modules.nonzero(), strict=True):
        y = laid.height - laid.qr_y - (int(row) + 1) * MODULE_PX
        canvas.rect(left + int(column) * MODULE_PX, y, MODULE_PX, MODULE_PX, stroke=0, fill=1)
    canvas.save()
    return out.getvalue()


def _side(laid: Layout) -> int:
    return len(laid.modules) * MODULE_PX


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Bitstream Vera, which comes with reportlab."""
    return ImageFont.truetype(NORMAL_FILE, size)


def _lay_out(told: Told, language: str) -> Layout:
    facts, words = told.facts, WORDS[language]
    heading = (
        (26, facts.agency),
        (26, facts.regency),
        (40, words["title"]),
        (72, format_rp(facts.amount_rp)),
    )
    rows = _rows(told, words, language)
    return _stack(heading, rows, facts.verify_url, (words["scan"], facts.complaint))


def _stack(
    heading: Iterable[tuple[int, str]],
    rows: Iterable[tuple[str, str]],
    qr: str,
    below: Iterable[str],
) -> Layout:
    """Words in the middle, names with their values, a QR, and what stands below it."""
    lines: list[Line] = []
    y = MARGIN
    for size, text in heading:
        lines.append(Line(WIDTH / 2, y, text, size, "ma"))
        y += size + 20
    for name, value in rows:
        if not value:
            continue
        lines.append(Line(MARGIN, y, name))
        for part in _wrapped(value, WIDTH - 2 * MARGIN - 240):
            lines.append(Line(WIDTH - MARGIN, y, part, anchor="ra"))
            y += 36
        y += 4
    symbol = zxingcpp.create_barcode(qr, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    modules = np.asarray(symbol.to_image(add_quiet_zones=True)) == 0
    qr_y = y
    y += modules.shape[0] * MODULE_PX
    for text in below:
        lines.append(Line(WIDTH / 2, y, text, anchor="ma"))
        y += 40
    return Layout(lines, modules, qr_y, y + MARGIN)


def _rows(told: Told, words: dict[str, str], language: str) -> list[tuple[str, str]]:
    facts = told.facts
    day, moment = "%d-%m-%Y", "%d-%m-%Y %H.%M"
    return [
        (words["number"], facts.number),
        (words["vehicle"], facts.vehicle_class.label(language)),
        (words["plate"], facts.plate or words["erased"] * told.plate_erased),
        (words["spot"], facts.spot_code),
        (words["place"], facts.place),
        (words["pass"], facts.pass_serial or ""),
        (words["zone"], facts.zone or words["all_zones"] * bool(facts.pass_serial)),
        (words["started"], f"{facts.started_at:{moment if facts.valid_until is None else day}}"),
        (words["until"], "" if facts.valid_until is None else f"{facts.valid_until:{day}}"),
        (words["paid"], f"{facts.paid_at:{moment}}"),
        *(
            (line.label_en if language == "en" else line.label_id, format_rp(line.amount_rp))
            for line in facts.lines
        ),
        (words["method"], facts.method),
        ("RRN", facts.rrn or ""),
        (words["reference"], facts.reference),
        (words["attendant"], facts.attendant_code or ""),
        (words["law"], facts.regulation),
        (words["seal"], facts.porporasi),
    ]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(24).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
