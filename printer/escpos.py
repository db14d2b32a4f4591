"""Commands -> ESC/POS bytes. Holds nothing but the byte forms; the paper was decided in `layout`.

Clauses are named as in Epson's ESC/POS command reference; only those that the cheapest 58 mm
printers also understand are used.
"""

from collections.abc import Iterable

from printer.document import Cut, Feed
from printer.layout import Command, Line, NativeQr, Raster, bands
from printer.profiles import Profile

INIT = b"\x1b@"  # ESC @
LEAVE_KANJI = b"\x1c."  # FS . : Chinese printers start in a two-byte code page
CODEPAGE = b"\x1bt"  # ESC t n
LEFT = b"\x1ba\x00"  # ESC a 0
CENTER = b"\x1ba\x01"  # ESC a 1
BOLD = b"\x1bE"  # ESC E n
SIZE = b"\x1d!"  # GS ! n : unlike ESC ! it leaves bold alone
FEED = b"\x1bd"  # ESC d n
RASTER = b"\x1dv0\x00"  # GS v 0, normal density
CUT = {"partial": b"\x1dVB\x00", "full": b"\x1dVA\x00"}  # GS V 66/65 : feed to the cutter, then cut


def to_bytes(commands: Iterable[Command], profile: Profile) -> bytes:
    """The byte form of laid-out commands, from initialisation to the last feed or cut."""
    out = bytearray(INIT + LEAVE_KANJI + CODEPAGE + bytes([profile.codepage]))
    bold, size = False, 0
    for command in commands:
        match command:
            case Line(text, line_bold, width, height):
                text = text.rstrip()
                if not text:
                    # ESC d, not LF: an LF right after a raster is swallowed by some printers.
                    out += FEED + bytes([height])
                    continue
                if line_bold != bold:
                    bold = line_bold
                    out += BOLD + bytes([bold])
                if (line_size := (width - 1) << 4 | height - 1) != size:
                    size = line_size
                    out += SIZE + bytes([size])
                out += text.encode(profile.charset) + b"\n"
            case Raster():
                out += CENTER + _raster(command) + LEFT
            case NativeQr():
                out += CENTER + _native_qr(command) + LEFT
            case Feed(lines):
                out += FEED + bytes([lines])
            case Cut():
                out += CUT[profile.cutter]
    return bytes(out)


def _raster(raster: Raster) -> bytes:
    """GS v 0 m xL xH yL yH data, band after band."""
    start = RASTER + raster.width_bytes.to_bytes(2, "little")
    return b"".join(start + rows.to_bytes(2, "little") + data for rows, data in bands(raster))


def _native_qr(symbol: NativeQr) -> bytes:
    """GS ( k, cn = 49: model 2, module size, error correction, store, print (fn 65 67 69 80 81)."""
    return b"".join(
        b"\x1d(k" + len(body).to_bytes(2, "little") + body
        for body in (
            b"1A2\x00",
            b"1C" + bytes([symbol.module_dots]),
            b"1E" + bytes([0x30 + "LMQH".index(symbol.ec)]),
            b"1P0" + symbol.data.encode(),
            b"1Q0",
        )
    )
