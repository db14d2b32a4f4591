"""An attendant's card as a picture, of the size of a bank card, at 300 dots an inch; and many of
them on A4 sheets to be printed and cut.
"""

import io
from collections.abc import Sequence

import segno
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4, A5, landscape
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from domain.card import Card, sign
from domain.proof import Seal

DPI = 300
WIDTH, HEIGHT = 1011, 638
"""85.6 by 54 mm, ISO/IEC 7810 ID-1."""
CARD = (85.6 * mm, 54 * mm)
COLUMNS, ROWS = 2, 5
VEST = (200 * mm, 200 * mm * HEIGHT / WIDTH)
"""As large as an A5 page lets a card be."""
CUT, OFF = 5 * mm, 1.5 * mm
"""How long a mark to cut by is, and how far from the outermost cards."""
EDGE, CODE = 40, 430
INK, PAPER, BLUE = "#111111", "#ffffff", "#0b3a75"


def draw(card: Card, text: str, regency: str, agency: str) -> Image.Image:
    """The card's front; `text` is what the office signed."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, WIDTH, 118), fill=BLUE)
    _write(pen, (EDGE, 18), regency, 40, PAPER, WIDTH - 2 * EDGE)
    _write(pen, (EDGE, 68), agency, 30, PAPER, WIDTH - 2 * EDGE)
    room = WIDTH - CODE - 3 * EDGE
    _write(pen, (EDGE, 158), "JURU PARKIR RESMI", 32, BLUE, room)
    _write(pen, (EDGE, 216), card.name, 56, INK, room)
    _write(pen, (EDGE, 300), card.attendant, 72, INK, room)
    _write(pen, (EDGE, 430), "Berlaku sampai", 28, INK, room)
    _write(pen, (EDGE, 466), f"{card.valid_until:%d-%m-%Y}", 44, INK, room)
    _write(pen, (EDGE, 570), "Pindai dengan alat petugas: asli, berlaku, bertugas", 24, INK, room)
    picture.paste(_code(text), (WIDTH - CODE - EDGE, 118 + (HEIGHT - 118 - CODE) // 2))
    return picture


def printed(cards: Sequence[Card], seal: Seal, regency: str, agency: str, *, vest: bool) -> bytes:
    """A PDF of cards, each signed: on A4 sheets to be cut, or A5, one a page, for vests."""
    pictures = [draw(card, sign(seal, card), regency, agency) for card in cards]
    return vests(pictures) if vest else sheets(pictures)


def sheets(cards: Sequence[Image.Image]) -> bytes:
    """A PDF of A4 pages, ten cards a page in their real size, side by side: one cut parts two."""
    out = io.BytesIO()
    canvas = Canvas(out, A4)
    canvas.setTitle("KTA")
    left, top = (A4[0] - COLUMNS * CARD[0]) / 2, (A4[1] + ROWS * CARD[1]) / 2
    for first in range(0, len(cards), COLUMNS * ROWS):
        for place, picture in enumerate(cards[first : first + COLUMNS * ROWS]):
            row, column = divmod(place, COLUMNS)
            at = (left + column * CARD[0], top - (row + 1) * CARD[1])
            canvas.drawImage(ImageReader(picture), *at, *CARD)
        canvas.setLineWidth(0.25)
        canvas.lines(_marks(left, top))
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def vests(cards: Sequence[Image.Image]) -> bytes:
    """A PDF of A5 pages, a card each, to be worn on a vest and scanned from a step away."""
    out = io.BytesIO()
    page = landscape(A5)
    canvas = Canvas(out, page)
    canvas.setTitle("KTA")
    for picture in cards:
        left, bottom = ((whole - part) / 2 for whole, part in zip(page, VEST, strict=True))
        canvas.drawImage(ImageReader(picture), left, bottom, *VEST)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _marks(left: float, top: float) -> list[tuple[float, float, float, float]]:
    """Short lines outside the cards, where a ruler is laid."""
    right, bottom = left + COLUMNS * CARD[0], top - ROWS * CARD[1]
    downwards = [
        (x, y, x, y + length)
        for x in (left + column * CARD[0] for column in range(COLUMNS + 1))
        for y, length in ((top + OFF, CUT), (bottom - OFF, -CUT))
    ]
    across = [
        (x, y, x + length, y)
        for y in (top - row * CARD[1] for row in range(ROWS + 1))
        for x, length in ((right + OFF, CUT), (left - OFF, -CUT))
    ]
    return downwards + across


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, ink: str, room: int
) -> None:
    """One line, in smaller letters where it is too long for the room it has."""
    while size > 12 and pen.textlength(text, ImageFont.load_default(size)) > room:
        size -= 1
    pen.text(at, text, ink, ImageFont.load_default(size))


def _code(text: str) -> Image.Image:
    symbol = segno.make_qr(text, error="m")
    width = symbol.symbol_size(border=2)[0]
    drawn = io.BytesIO()
    symbol.save(drawn, kind="png", scale=max(1, CODE // width), border=2)
    code = Image.open(drawn).convert("RGB")
    return code.resize((CODE, CODE), Image.Resampling.NEAREST)
