"""The receipt as a picture to keep, and the same as a PDF."""

import io
from functools import cache

import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from domain.money import format_rp
from domain.receipt import ReceiptFacts

WIDTH, MARGIN = 760, 48
QR_MODULE_PX = 8
DPI = 150
WORDS = {
    "id": {
        "title": "KARCIS PARKIR",
        "number": "Nomor",
        "vehicle": "Kendaraan",
        "plate": "Nomor polisi",
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
    },
    "en": {
        "title": "PARKING RECEIPT",
        "number": "Number",
        "vehicle": "Vehicle",
        "plate": "Number plate",
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
    },
}


def png(facts: ReceiptFacts, language: str) -> bytes:
    return _saved(_draw(facts, language), "PNG")


def pdf(facts: ReceiptFacts, language: str) -> bytes:
    return _saved(_draw(facts, language), "PDF")


def _saved(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, resolution=DPI)
    return out.getvalue()


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw(facts: ReceiptFacts, language: str) -> Image.Image:
    words = WORDS[language]
    page = Image.new("L", (WIDTH, 2400), 255)
    pen = ImageDraw.Draw(page)
    y = MARGIN
    for size, text in (
        (26, facts.agency),
        (26, facts.regency),
        (40, words["title"]),
        (72, format_rp(facts.amount_rp)),
    ):
        pen.text((WIDTH / 2, y), text, fill=0, font=_font(size), anchor="ma")
        y += size + 20
    for name, value in _rows(facts, words, language):
        y = _row(pen, y, name, value)
    symbol = zxingcpp.create_barcode(facts.verify_url, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    modules = Image.fromarray(symbol.to_image(add_quiet_zones=True))
    side = modules.width * QR_MODULE_PX
    page.paste(modules.resize((side, side), Image.Resampling.NEAREST), ((WIDTH - side) // 2, y))
    y += side
    for text in (words["scan"], facts.complaint):
        pen.text((WIDTH / 2, y), text, fill=0, font=_font(24), anchor="ma")
        y += 40
    return page.crop((0, 0, WIDTH, y + MARGIN))


def _rows(facts: ReceiptFacts, words: dict[str, str], language: str) -> list[tuple[str, str]]:
    moment = "%d-%m-%Y %H.%M"
    rows = [
        (words["number"], facts.number),
        (words["vehicle"], facts.vehicle_class.label(language)),
        (words["plate"], facts.plate or ""),
        (words["spot"], facts.spot_code),
        (words["place"], facts.place),
        (words["zone"], facts.zone),
        (words["started"], f"{facts.started_at:{moment}}"),
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
    return [(name, value) for name, value in rows if value]


def _row(pen: ImageDraw.ImageDraw, y: int, name: str, value: str) -> int:
    """A name at the left and its value at the right, on as many lines as that takes."""
    pen.text((MARGIN, y), name, fill=0, font=_font(24))
    for line in _wrapped(value, WIDTH - 2 * MARGIN - 240):
        pen.text((WIDTH - MARGIN, y), line, fill=0, font=_font(24), anchor="ra")
        y += 36
    return y + 4


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(24).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
