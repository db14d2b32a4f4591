"""Commands -> StarPRNT bytes. Holds nothing but the byte forms; the paper was decided in `layout`.

Clauses are named as in Star's StarPRNT command specifications, rev. 2.25, chapter 2.3.
"""

from collections.abc import Iterable

from printer.document import Cut, Feed
from printer.layout import Command, Line, NativeQr, Raster, bands
from printer.profiles import Profile

INIT = b"\x1b@\x18"  # ESC @ CAN
FONT_A = b"\x1b\x1eF\x00"  # ESC RS F 0 : 12 x 24 dots
SPACING = b"\x1bz\x01"  # ESC z 1 : 4 mm a line; ESC @ leaves it to a memory switch
CODEPAGE = b"\x1b\x1dt"  # ESC GS t n
LEFT = b"\x1b\x1da\x00"  # ESC GS a 0
CENTER = b"\x1b\x1da\x01"  # ESC GS a 1
BOLD = {True: b"\x1bE", False: b"\x1bF"}  # ESC E, ESC F
SIZE = b"\x1bi"  # ESC i height width, each less one
FEED = b"\x1ba"  # ESC a n
MAX_FEED = 127
RASTER = b"\x1b\x1dS\x01"  # ESC GS S 1
CUT = {"partial": b"\x1bd\x03", "full": b"\x1bd\x02"}  # ESC d n : feed to the cutter, then cut
# ESC GS P 0, ESC GS P 1: these printers start at a cut; into page mode and back starts them too.
PRINT = b"\x1b\x1dP0\x1b\x1dP1"


def to_bytes(commands: Iterable[Command], profile: Profile) -> bytes:
    """The byte form of laid-out commands, from initialisation to the start of printing."""
    out = bytearray(INIT + FONT_A + SPACING + CODEPAGE + bytes([profile.codepage]))
    bold, size = False, b"\x00\x00"
    for command in commands:
        match command:
            case Line(text, line_bold, width, height):
                text = text.rstrip()
                if not text:
                    out += FEED + bytes([height])
                    continue
                if line_bold != bold:
                    bold = line_bold
                    out += BOLD[bold]
                if (line_size := bytes([height - 1, width - 1])) != size:
                    size = line_size
                    out += SIZE + size
                out += text.encode(profile.charset) + b"\n"
            case Raster():
                out += CENTER + _raster(command) + LEFT
            case NativeQr():
                out += CENTER + _native_qr(command) + LEFT
            case Feed(lines):
                out += _feed(lines)
            case Cut():
                out += CUT[profile.cutter]
    return bytes(out + PRINT)


def _feed(lines: int) -> bytes:
    whole, rest = divmod(lines, MAX_FEED)
    return b"".join(FEED + bytes([n]) for n in [MAX_FEED] * whole + [rest] if n)


def _raster(raster: Raster) -> bytes:
    """ESC GS S m xL xH yL yH n data, band after band; m = 1 one bit a dot, n = 0 black."""
    start = RASTER + raster.width_bytes.to_bytes(2, "little")
    return b"".join(
        start + rows.to_bytes(2, "little") + b"\x00" + data for rows, data in bands(raster)
    )


def _native_qr(symbol: NativeQr) -> bytes:
    """ESC GS y: model 2, cell size, error correction, data for automatic encoding, print."""
    data = symbol.data.encode()
    return b"".join(
        b"\x1b\x1dy" + body
        for body in (
            b"S0\x02",
            b"S2" + bytes([symbol.module_dots]),
            b"S1" + bytes(["LMQH".index(symbol.ec)]),
            b"D1\x00" + len(data).to_bytes(2, "little") + data,
            b"P",
        )
    )
