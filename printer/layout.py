"""Document + profile -> commands: lines of exactly the paper's columns, rasters, QR codes, feeds.

All decisions about the paper fall here; the encoders and `preview` only carry the commands out.
Lines are laid out with spaces, because cheap printers ignore ESC $ and alignment within a line.
"""

import contextlib
import io
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from printer import qr
from printer.document import (
    Columns,
    Cut,
    Dither,
    Document,
    ErrorCorrection,
    Feed,
    Image,
    Item,
    Qr,
    Rule,
    Text,
)
from printer.errors import DocumentError
from printer.profiles import Profile

if TYPE_CHECKING:
    import PIL.Image

GLYPH_DOTS = 24
GAP_ROWS = 8  # white below a picture, which the printer would set the next line against
# A band lost on the way swallows little of what follows, and no band is a multiple of 48 rows high,
# after which POS-5890 class printers print garbage.
BAND_ROWS = 24
# DLE EOT, DLE ENQ, DLE DC4: ESC/POS printers obey these also in the middle of a picture, and some
# open a drawer or forget what they hold. One dot more makes it a picture again.
_REAL_TIME = re.compile(rb"\x10(?=[\x04\x05\x14])")
MAX_IMAGE_PIXELS = 4_000_000
MAX_IMAGE_ROWS = 1200  # 15 cm of paper; longer is a mistake, and heats the head


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line: `text` is in the profile's charset, `len(text) == columns // width`."""

    text: str
    bold: bool = False
    width: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class Raster:
    """A centred bitmap: rows of `width_bytes` bytes, most significant bit left, 1 = black."""

    data: bytes
    width_bytes: int


@dataclass(frozen=True, slots=True)
class NativeQr:
    """A centred QR code that the printer draws itself, without quiet zone above and below."""

    data: str
    ec: ErrorCorrection
    module_dots: int


Command = Line | Raster | NativeQr | Feed | Cut


def bands(raster: Raster) -> Iterator[tuple[int, bytes]]:
    """The bitmap in pieces of at most `BAND_ROWS` rows: how many rows, and their bytes."""
    size = raster.width_bytes * BAND_ROWS
    for start in range(0, len(raster.data), size):
        data = raster.data[start : start + size]
        yield len(data) // raster.width_bytes, data


def lay_out(document: Document, profile: Profile) -> list[Command]:
    """Commands from top to bottom. Raises `DocumentError` and `QrTooWide`."""
    return [command for item in document.items for command in _commands(item, profile)]


def _commands(item: Item, profile: Profile) -> Iterator[Command]:
    match item:
        case Text():
            cells = profile.columns // item.width
            for text in _wrapped(to_charset(item.text, profile.charset), cells):
                yield Line(_aligned(text, item.align, cells), item.bold, item.width, item.height)
        case Columns():
            cells = profile.columns // item.width
            left = to_charset(item.left, profile.charset)
            right = to_charset(item.right, profile.charset)
            for text in _columns(left, right, cells):
                yield Line(text, item.bold, item.width, item.height)
        case Rule():
            yield Line(item.char * profile.columns)
        case Qr():
            yield from _qr(item, profile)
        case Image():
            yield _picture(item, profile)
        case Feed():
            yield item
        case Cut():
            # The end of a label is not a feed: its printer stops there by itself.
            tears = profile.cutter == "none" and profile.language != "tspl"
            yield Feed(profile.tear_lines) if tears else item


_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("•·∙●", "*"),
        "⁄": "/",
        **dict.fromkeys("✓✔☑", "v"),
        **dict.fromkeys("✗✘×☒", "x"),
        **dict.fromkeys("\t\n\r\v\f\u2028\u2029", " "),
        "→": "->", "←": "<-", "€": "EUR", "©": "(C)", "®": "(R)", "°": "o",
        "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE",
        "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "ı": "i",
    }
)  # fmt: skip


def to_charset(text: str, charset: str) -> str:
    """The text in printable characters of `charset`, and U+00A0 where a line may not break.

    `charset` is the Python name of a code page of one byte a character. Of what it lacks,
    typographic signs become their typewriter forms, accents are dropped, the rest becomes `?`.
    Control characters vanish: data must not be able to send commands to the printer.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_in_charset(char, charset) for char in unicodedata.normalize("NFC", text))


@lru_cache(maxsize=1024)
def _in_charset(char: str, charset: str) -> str:
    if char == "\xa0":
        return char
    if char.isprintable():
        with contextlib.suppress(UnicodeEncodeError):
            char.encode(charset)
            return char
    plain = unicodedata.normalize("NFKD", char.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY)
    letters = [c for c in plain if not unicodedata.category(c).startswith(("M", "Cc", "Cf"))]
    return "".join(c if " " <= c <= "~" else "?" for c in letters)


def _wrapped(text: str, cells: int) -> list[str]:
    """Lines of at most `cells`, broken at spaces; a word is broken only if longer than a line."""
    if len(text) > cells:
        lines = textwrap.wrap(text, cells, break_on_hyphens=False, expand_tabs=False)
    else:
        lines = [text]
    return [line.replace("\xa0", " ") for line in lines] or [""]


def _aligned(text: str, align: str, cells: int) -> str:
    match align:
        case "center":
            return text.strip().center(cells)
        case "right":
            return text.rstrip().rjust(cells)
        case _:
            return text.ljust(cells)


def _columns(left: str, right: str, cells: int) -> list[str]:
    """Label left, value right. A value that does not fit beside its label goes below, whole."""
    right = right.strip()
    room = cells - len(left) - 1
    if not right:
        return [label.ljust(cells) for label in _wrapped(left, cells)]
    longest = max(map(len, re.split(" +", right)))
    if left and room < max(longest, min(len(right), cells // 2)):
        labels = [label.ljust(cells) for label in _wrapped(left, cells)]
        return labels + [value.rjust(cells) for value in _wrapped(right, cells)]
    values = _wrapped(right, room if left else cells)
    label = left.replace("\xa0", " ")
    return [
        (label if number == 0 else "") + value.rjust(cells - (len(label) if number == 0 else 0))
        for number, value in enumerate(values)
    ]


# GS ( k fn 67, ESC GS y S 2, QRCODE: a larger module is ignored, or the whole symbol is.
_MODULE_DOTS_AT_MOST = {"escpos": 16, "starprnt": 8, "tspl": 10}


def _qr(item: Qr, profile: Profile) -> Iterator[Command]:
    widest = qr.modules_at_most(len(item.data.encode()), item.ec)
    if profile.native_qr:
        wanted = min(item.max_module_dots, _MODULE_DOTS_AT_MOST[profile.language])
        dots = qr.module_dots(widest, wanted, profile.dots)
        # A printer draws no quiet zone; blank lines are the only way to have one above and below.
        quiet = Feed(-(-qr.QUIET_MODULES * dots // profile.line_dots))
        yield from (quiet, NativeQr(item.data, item.ec, dots), quiet)
    else:
        symbol = qr.matrix(item.data, item.ec)
        dots = qr.module_dots(len(symbol), item.max_module_dots, profile.dots)
        yield Raster(*qr.raster(symbol, dots))


def _picture(item: Image, profile: Profile) -> Raster:
    import PIL.Image  # 25 ms to import, needed for pictures only
    from PIL import ImageOps

    try:
        with PIL.Image.open(io.BytesIO(item.png), formats=["PNG"]) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise DocumentError(f"the picture has more than {MAX_IMAGE_PIXELS} pixels")
            layer = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DocumentError(f"the picture is not a readable PNG: {error}") from None
    paper = PIL.Image.new("RGBA", layer.size, "white")
    grey = PIL.Image.alpha_composite(paper, layer).convert("L")
    if grey.width > profile.dots:
        grey = ImageOps.contain(grey, (profile.dots, MAX_IMAGE_PIXELS))
    if grey.height > MAX_IMAGE_ROWS:
        raise DocumentError(f"the picture is {grey.height} rows high, {MAX_IMAGE_ROWS} at most")
    bits = _dots(grey, item.dither)
    width_bytes = (bits.width + 7) // 8
    rows = _REAL_TIME.sub(b"\x11", bits.tobytes())
    return Raster(rows + bytes(width_bytes * GAP_ROWS), width_bytes)


def _dots(grey: "PIL.Image.Image", dither: Dither) -> "PIL.Image.Image":
    """The picture in mode "1" where a set bit means black, as printers want, padding included."""
    import PIL.Image
    from PIL import ImageChops, ImageOps

    if dither == "ordered":
        # Row by row the thresholds beside the shades: what is left above zero is darker.
        across = -(-grey.width // 8)
        rows = [(bytes(row) * across)[: grey.width] for row in _THRESHOLDS]
        thresholds = b"".join(rows[y % 8] for y in range(grey.height))
        darker = ImageChops.subtract(PIL.Image.frombytes("L", grey.size, thresholds), grey)
        return darker.point(lambda excess: 255 if excess else 0).convert("1")
    method = PIL.Image.Dither[dither.replace("-", "").upper()]
    return ImageOps.invert(grey).convert("1", dither=method)


def _bayer(size: int) -> list[list[int]]:
    """Bayer's index matrix: the order in which the cells of a square fill, evenly spread."""
    if size == 1:
        return [[0]]
    rows = _bayer(size // 2)
    upper = [[4 * cell for cell in row] + [4 * cell + 2 for cell in row] for row in rows]
    lower = [[4 * cell + 3 for cell in row] + [4 * cell + 1 for cell in row] for row in rows]
    return upper + lower


_THRESHOLDS = [[4 * cell + 2 for cell in row] for row in _bayer(8)]
