"""Signs as print-ready sheets: one a page, with bleed and crop marks, each read back before use.

Drawn as vectors in press colours. The QR's error correction is the highest, so that the mark in
its middle costs none of what scratches and dirt will; a sheet that two decoders do not both read,
also when it is seen small, is refused.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any

import numpy as np
import pypdfium2
import qrcode
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pyzbar import pyzbar
from reportlab.lib.colors import CMYKColor
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from domain.money import format_rp
from domain.tariff import FlatRate, HourlyRate, TariffVersion, VehicleClass
from server.typeface import BOLD, NORMAL

BLEED, MARGIN = 3, 10
"""Millimetres beyond the cut that are printed over, and that the page has for its marks."""
QUIET = 4
MARK_SHARE = 0.2
"""How much of the QR's width its mark takes: 4 % of its area, of the 30 % that may be lost."""


class Light(StrEnum):
    """By what a sign is read: daylight or a street lamp, or DIM, where there is neither."""

    DAY = "day"
    DIM = "dim"


REACH = {Light.DAY: 10, Light.DIM: 7}
"""A QR is read from as far as this many times its own width; tried with the two decoders on
pictures such as `_seen_from` makes."""
VIDEO = 1507
"""How many pixels of a phone's video (1920 wide over 65 degrees) a thing takes that is as wide as
it is away."""
HELD = (1, 0.97, 0.94, 0.91)
"""A hand is never still: some frames are from a little nearer, and one that is read is enough."""
SEEN_DPI = (200, 100)
"""At what resolutions a sheet has to be read: held in a hand, and from some way off."""
QR_ONLY = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])
"""Once in a thousand sheets something in a QR's pattern passes for a code of another kind."""
PDFIUM = Lock()
"""PDFium is not thread-safe, also not of two documents: two threads in it end the process."""
SMALLEST = 4.8
INK = CMYKColor(0, 0, 0, 1)
PAPER = CMYKColor(0, 0, 0, 0)
BLUE = CMYKColor(1, 0.75, 0, 0.35)
PALE = CMYKColor(0.12, 0.05, 0, 0)

COLUMNS = VISIT, FIRST, NEXT, MOST = (
    "sekali parkir / per visit",
    "jam ke-1 / 1st hour",
    "jam lanjut / then per hour",
    "maks. sehari / most a day",
)


class SheetUnreadable(Exception):
    """A drawn sheet whose QR a decoder does not read as it should; nothing of it is written."""


@dataclass(frozen=True)
class Size:
    """A sheet cut to `width` by `height` mm, its QR `code` mm wide with its quiet zone."""

    width: float
    height: float
    code: float
    scale: float
    """Of type and rules: 1 on A5."""
    is_small: bool = False
    """With room for the code and the prices, not for the steps."""


SIZES = {
    "a5": Size(148, 210, 88, 1),
    "a6": Size(105, 148, 62, 0.71),
    "sticker": Size(74, 105, 54, 0.56, is_small=True),
}


@dataclass(frozen=True)
class Sheet:
    """What one sign says. `link` is its QR's text, `site` where the pages are."""

    link: str
    site: str
    spot_code: str
    version: int
    place: str
    zone: str
    regency: str
    agency: str
    merchant: str
    complaint: str
    tariff: TariffVersion
    porporasi: str = ""

    @property
    def serial(self) -> str:
        return f"{self.spot_code}/{self.version}"


@dataclass(frozen=True)
class View:
    """From how many mm off, and in what light, a sign is to be read."""

    distance: float
    light: Light


def reach(link: str, size: Size, light: Light) -> float:
    """From how many mm off a link's QR is read on a sheet of this size."""
    count = modules(link)
    return size.code * count / (count + 2 * QUIET) * REACH[light]


def draw(
    sheets: Sequence[Sheet], size: Size, stepped: Callable[[], None], view: View | None = None
) -> bytes:
    """A PDF of these signs, one a page. Raises SheetUnreadable, also where it is so in a view.

    `stepped` is told of each sheet twice: when it is drawn, and when it was read back.
    """
    out = io.BytesIO()
    page = (size.width + 2 * MARGIN, size.height + 2 * MARGIN)
    canvas = Canvas(out, pagesize=(page[0] * mm, page[1] * mm), pageCompression=1)
    canvas.setTitle(f"Karcis: {len(sheets)} tanda / signs")
    canvas.setCreator("Karcis")
    for sheet in sheets:
        _Page(canvas, size).draw(sheet)
        canvas.showPage()
        stepped()
    canvas.save()
    content = out.getvalue()
    with _opened(content) as document:
        for number, sheet in enumerate(sheets):
            _read_back(document[number], sheet, view)
            stepped()
    return content


def picture(content: bytes, *, code_only: bool = False) -> bytes:
    """The first sheet of a PDF as a PNG, with its margins; or its QR alone, with some of them."""
    out = io.BytesIO()
    with _opened(content) as document:
        seen = document[0].render(scale=SEEN_DPI[0] / 72).to_pil()
        if code_only:
            (found,) = pyzbar.decode(seen, symbols=[pyzbar.ZBarSymbol.QRCODE])
            left, top, width, height = found.rect
            edge = width // 10
            seen = seen.crop((left - edge, top - edge, left + width + edge, top + height + edge))
        seen.save(out, "PNG")
    return out.getvalue()


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    """A PDF that PDFium reads, while nobody else in this process has one open."""
    with PDFIUM, pypdfium2.PdfDocument(content) as document:
        yield document


def modules(link: str) -> int:
    """How many modules wide a link's QR is, without its quiet zone."""
    return len(_matrix(link))


def _matrix(link: str) -> list[list[bool]]:
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_H, border=0)
    code.add_data(link)
    code.make()
    return [[bool(dark) for dark in row] for row in code.modules]


def _read_back(page: Any, sheet: Sheet, view: View | None) -> None:
    seen = {f"at {dpi} dpi": [_rendered(page, dpi)] for dpi in SEEN_DPI}
    if view is not None:
        seen[f"from {view.distance / 10:.0f} cm"] = _seen_from(page, view)
    for where, pictures in seen.items():
        for name, decode in (("zxing-cpp", _zxing), ("zbar", _zbar)):
            if not any(decode(picture) == [sheet.link] for picture in pictures):
                raise SheetUnreadable(f"{sheet.serial}: {name} does not read it {where}")


def _rendered(page: Any, dpi: float) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = page.render(scale=dpi / 72, grayscale=True).to_numpy().squeeze()
    return picture


def _seen_from(page: Any, view: View) -> list[NDArray[np.uint8]]:
    """As a phone's video has it, held by a hand: soft, and in dim light paler and grainy."""
    blur, contrast, grain = (0.5, 1.0, 5) if view.light is Light.DAY else (0.8, 0.6, 10)
    frames = []
    for number, nearer in enumerate(HELD):
        flat = Image.fromarray(_rendered(page, VIDEO / (view.distance * nearer) * 25.4))
        soft = np.asarray(flat.filter(ImageFilter.GaussianBlur(blur)), np.float64) * contrast + 20
        noise = np.random.default_rng(number).normal(0, grain, soft.shape)
        frames.append(np.clip(soft + noise, 0, 255).astype(np.uint8))
    return frames


def _zxing(picture: NDArray[np.uint8]) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(picture, QR_ONLY)]


def _zbar(picture: NDArray[np.uint8]) -> list[str]:
    found = pyzbar.decode(Image.fromarray(picture), symbols=[pyzbar.ZBarSymbol.QRCODE])
    return [code.data.decode() for code in found]


@dataclass
class _Page:
    """One sign being drawn: `y` is how far it got, in mm from the cut's upper edge."""

    canvas: Canvas
    size: Size
    y: float = 0

    def draw(self, sheet: Sheet) -> None:
        self._boxes()
        self._head(sheet)
        self._code(sheet)
        self._spot(sheet)
        self._prices(sheet.tariff)
        if not self.size.is_small:
            self._steps(sheet)
        self._merchant(sheet)
        self._foot(sheet)

    def _boxes(self) -> None:
        width, height = self.size.width, self.size.height
        cut = (MARGIN * mm, MARGIN * mm, (MARGIN + width) * mm, (MARGIN + height) * mm)
        self.canvas.setTrimBox(cut)
        bleed = BLEED * mm
        self.canvas.setBleedBox((cut[0] - bleed, cut[1] - bleed, cut[2] + bleed, cut[3] + bleed))
        self.canvas.setStrokeColor(INK)
        self.canvas.setLineWidth(0.25)
        near, far = (BLEED + 1) * mm, (MARGIN - 1) * mm
        for x, away in ((cut[0], -1), (cut[2], 1)):
            for y, up in ((cut[1], -1), (cut[3], 1)):
                self.canvas.line(x + away * near, y, x + away * far, y)
                self.canvas.line(x, y + up * near, x, y + up * far)

    def _head(self, sheet: Sheet) -> None:
        scale, width = self.size.scale, self.size.width
        tall = 24 * scale
        self._box(-BLEED, -BLEED, width + 2 * BLEED, tall + BLEED, BLUE)
        mark = 15 * scale
        edge = self._edge
        self._p(edge, (tall - mark) / 2, mark, PAPER, BLUE)
        left = edge + mark + 4 * scale
        room = width - left - edge
        self._text(left, 8.5 * scale, "PARKIR · BAYAR DI SINI", BOLD, 17, PAPER, room)
        self._text(left, 14 * scale, "Pay for parking here", NORMAL, 10.5, PAPER, room)
        self._text(left, 20 * scale, f"{sheet.agency} {sheet.regency}", NORMAL, 9, PAPER, room)
        self.y = tall

    def _p(self, x: float, y: float, side: float, ground: CMYKColor, ink: CMYKColor) -> None:
        self._box(x, y, side, side, ground, radius=side / 6)
        self.canvas.setFillColor(ink)
        self.canvas.setFont(BOLD, side * mm * 0.82)
        across, down = self._at(x + side / 2, y + side * 0.8)
        self.canvas.drawCentredString(across, down, "P")

    def _code(self, sheet: Sheet) -> None:
        matrix = _matrix(sheet.link)
        count = len(matrix)
        module = self.size.code / (count + 2 * QUIET)
        left = (self.size.width - count * module) / 2
        top = self.y + QUIET * module
        for row, line in enumerate(matrix):
            start = None
            # Neighbours as one bar, or a renderer leaves a hair of paper between them.
            for column, dark in enumerate([*line, False]):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    wide = (column - start) * module
                    self._box(left + start * module, top + row * module, wide, module, INK)
                    start = None
        side = round(count * MARK_SHARE) * module
        inset = (count * module - side) / 2
        # A letter on paper: a dark square with paper around it looks like a corner of the code.
        self._p(left + inset, top + inset, side, PAPER, BLUE)
        self.y += self.size.code

    def _spot(self, sheet: Sheet) -> None:
        scale = self.size.scale
        self._text(None, self.y + 8.5 * scale, sheet.spot_code, BOLD, 34, INK)
        place = f"{sheet.place} · {sheet.zone}"
        self._text(None, self.y + 14.5 * scale, place, NORMAL, 9.5, INK)
        self.y += 17.5 * scale

    def _prices(self, tariff: TariffVersion) -> None:
        scale, edge, width = self.size.scale, self._edge, self.size.width
        kinds = [kind for kind in VehicleClass if kind in tariff.rates]
        table = [_prices_of(tariff.rates[kind]) for kind in kinds]
        columns = [name for name in COLUMNS if any(name in prices for prices in table)]
        row, head = 5.4 * scale, 4.2 * scale
        tall = head + row * len(kinds) + 1.2 * scale
        self._box(edge, self.y, width - 2 * edge, tall, PALE)
        left = edge + width * 0.32
        wide = (width - edge - left) / len(columns)
        for number, name in enumerate(columns):
            at = left + number * wide
            self._text(at, self.y + head * 0.8, name, NORMAL, 6.5, INK, wide - 2 * scale)
        self.y += head
        for kind, prices in zip(kinds, table, strict=True):
            base = self.y + row * 0.75
            names = f"{kind.label()} / {kind.label('en')}"
            room = left - edge - 4 * scale
            self._text(edge + 2 * scale, base, names, NORMAL, 8.5, INK, room)
            for number, name in enumerate(columns):
                told = prices.get(name, "–")
                self._text(left + number * wide, base, told, BOLD, 9.5, INK, wide - 2 * scale)
            self.y += row
        self.y += 1.2 * scale
        if any(rate.bands for rate in tariff.rates.values()):
            self.y += 3.4 * scale
            told = "Jam tertentu: harga lain, lihat halaman / other prices at some hours: see page"
            if tariff.prices_holidays:
                told = "Jam tertentu, hari libur: lihat halaman / some hours, holidays: see page"
            self._text(None, self.y, told, NORMAL, 6.5, INK)
        self.y += 2 * scale

    def _steps(self, sheet: Sheet) -> None:
        scale, edge = self.size.scale, self._edge
        host = sheet.site.partition("://")[2]
        steps = (
            (
                f"Pindai dengan kamera HP, atau buka {host}/p/{sheet.spot_code}",
                "Scan with your phone's camera, or open the address",
            ),
            (
                f"Pastikan alamatnya {host} dan titiknya {sheet.spot_code}; pilih kendaraan",
                "Check that address and spot code; choose your vehicle",
            ),
            (
                "Bayar QRIS dengan aplikasi apa pun; simpan karcis di layar",
                "Pay the QRIS with any wallet; keep the receipt on the screen",
            ),
        )
        for number, (bahasa, english) in enumerate(steps, 1):
            self._box(edge, self.y, 6.4 * scale, 6.4 * scale, BLUE, radius=3.2 * scale)
            across, down = self._at(edge + 3.2 * scale, self.y + 4.6 * scale)
            self.canvas.setFillColor(PAPER)
            self.canvas.setFont(BOLD, 11 * scale)
            self.canvas.drawCentredString(across, down, str(number))
            left = edge + 9 * scale
            room = self.size.width - left - edge
            self._text(left, self.y + 3 * scale, bahasa, BOLD, 8, INK, room)
            self._text(left, self.y + 6.3 * scale, english, NORMAL, 7, INK, room)
            self.y += 8.4 * scale

    def _merchant(self, sheet: Sheet) -> None:
        scale, edge, width = self.size.scale, self._edge, self.size.width
        tall = (10 if self.size.is_small else 11.5) * scale
        self.canvas.setStrokeColor(BLUE)
        self.canvas.setLineWidth(1.2 * scale)
        self._box(edge, self.y, width - 2 * edge, tall, None, radius=1.5 * scale)
        told = "Nama di aplikasi harus / wallet must show"
        self._text(None, self.y + 3.6 * scale, told, NORMAL, 7, INK)
        base = self.y + (8.6 if self.size.is_small else 9.4) * scale
        self._text(None, base, sheet.merchant, BOLD, 14, INK, width - 2 * edge - 4 * scale)
        self.y += tall

    def _foot(self, sheet: Sheet) -> None:
        scale, height = self.size.scale, self.size.height
        lines = [
            "Nama lain, atau stiker di atas kode? Jangan bayar, laporkan. / Other name? Report it.",
            sheet.complaint,
            f"{sheet.tariff.regulation}{f' · {sheet.porporasi}' if sheet.porporasi else ''}"
            f" · No. {sheet.serial}",
        ]
        step = max(3.6 * scale, SMALLEST * 0.42)
        base = height - 4 * scale - step * (len(lines) - 1)
        for font, line in zip((BOLD, BOLD, NORMAL), lines, strict=True):
            self._text(None, base, line, font, 7, INK)
            base += step

    @property
    def _edge(self) -> float:
        return 7 * self.size.scale

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (MARGIN + x) * mm, (MARGIN + self.size.height - y) * mm

    def _box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: CMYKColor | None,
        *,
        radius: float = 0,
    ) -> None:
        left, bottom = self._at(x, y + height)
        if fill is not None:
            self.canvas.setFillColor(fill)
        painted = {"stroke": int(fill is None), "fill": int(fill is not None)}
        if radius:
            self.canvas.roundRect(left, bottom, width * mm, height * mm, radius * mm, **painted)
        else:
            self.canvas.rect(left, bottom, width * mm, height * mm, **painted)

    def _text(
        self,
        x: float | None,
        y: float,
        text: str,
        font: str,
        points: float,
        color: CMYKColor,
        room: float | None = None,
    ) -> None:
        """One line on the base `y`; in smaller type where it is too long, and centred without x."""
        if room is None:
            room = self.size.width - 2 * self._edge
        points = max(SMALLEST, points * self.size.scale)
        wide = pdfmetrics.stringWidth(text, font, points)
        if wide > room * mm:
            points *= room * mm / wide
        self.canvas.setFillColor(color)
        self.canvas.setFont(font, points)
        across, down = self._at(self.size.width / 2 if x is None else x, y)
        if x is None:
            self.canvas.drawCentredString(across, down, text)
        else:
            self.canvas.drawString(across, down, text)


def _prices_of(rate: FlatRate | HourlyRate) -> dict[str, str]:
    """What a rate asks, by its column."""
    if isinstance(rate, FlatRate):
        return {VISIT: format_rp(rate.amount_rp)}
    prices = {FIRST: format_rp(rate.first_hour_rp), NEXT: format_rp(rate.next_hour_rp)}
    if rate.daily_cap_rp is not None:
        prices[MOST] = format_rp(rate.daily_cap_rp)
    return prices
