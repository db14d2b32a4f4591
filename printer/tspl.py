"""Commands -> TSPL: each slip becomes one label, as wide as the roll and as high as its content.

Commands are named as in TSC's TSPL/TSPL2 programming manual. A label is drawn in memory and printed
at once, so everything has its place in dots from the upper left corner.
"""

import math
from collections.abc import Iterable

from printer import qr
from printer.document import Cut, Feed
from printer.errors import DocumentError
from printer.layout import GLYPH_DOTS, Command, Line, NativeQr, Raster
from printer.profiles import Profile

MARGIN_DOTS = 24  # above and below: labels are torn or cut a little beside their edge
FONT = "2"  # 12 x 20 dots: its columns are those of Font A
END = b"\r\n"
_INVERTED = bytes(range(255, -1, -1))  # in BITMAP a set bit is white


def to_bytes(commands: Iterable[Command], profile: Profile) -> bytes:
    """The labels of laid-out commands. Raises `DocumentError` for a QR code it cannot write down.

    Bold is not carried out: TSPL's fonts have no such face.
    """
    line_dots = profile.line_dots
    out, label, y = bytearray(), bytearray(), MARGIN_DOTS
    for command in [*commands, Cut()]:
        match command:
            case Line(text, _, width, height):
                if text := text.rstrip():
                    drawn = f'TEXT 0,{y},"{FONT}",0,{width},{height},'.encode()
                    label += drawn + _quoted(text.encode(profile.charset)) + END
                y += max(line_dots, GLYPH_DOTS * height) if text else line_dots * height
            case Raster(data, width_bytes):
                rows = len(data) // width_bytes
                x = (profile.dots - width_bytes * 8) // 2
                label += f"BITMAP {x},{y},{width_bytes},{rows},0,".encode()
                label += data.translate(_INVERTED) + END
                y += rows
            case NativeQr(text, ec, dots):
                side = qr.modules_at_most(len(text.encode()), ec) * dots
                x = (profile.dots - side) // 2
                # Model 2 is asked for: the default is the first, which phones do not read.
                drawn = f"QRCODE {x},{y},{ec},{dots},A,0,M2,S7,".encode()
                label += drawn + _quoted(_qr_data(text)) + END
                y += side
            case Feed(lines):
                y += lines * line_dots
            case Cut():
                if label:
                    out += _start(profile, y + MARGIN_DOTS) + label + b"PRINT 1,1" + END
                label, y = bytearray(), MARGIN_DOTS
    return bytes(out)


def _start(profile: Profile, rows: int) -> bytes:
    height_mm = math.ceil(rows / profile.dots_per_mm)
    return END.join(
        (
            # After an empty line what an earlier job broke off cannot swallow the first command.
            b"",
            f"SIZE {profile.paper_mm} mm,{height_mm} mm".encode(),
            b"GAP 0 mm,0 mm",  # the roll is continuous: a slip is as long as it is
            b"DIRECTION 0",
            f"REFERENCE {(profile.paper_dots - profile.dots) // 2},0".encode(),
            f"CODEPAGE {profile.codepage}".encode(),
            b"CLS",
            b"",
        )
    )


def _quoted(data: bytes) -> bytes:
    r"""A string as TSPL writes it: `\["]` is a quotation mark, `\[R]` and `\[L]` are CR and LF."""
    return b'"' + data.replace(b"\\[", b"/[").replace(b'"', b'\\["]') + b'"'


def _qr_data(text: str) -> bytes:
    if "\\[" in text:
        raise DocumentError(r"a label printer cannot draw a QR code with \[ in its data")
    return text.encode()
