"""QR geometry and dots: how wide a symbol will be, and the symbol itself as rows of dots.

The width of a symbol that the printer draws is computed from a table, without making the symbol.
"""

from bisect import bisect_left
from functools import lru_cache

from printer.document import ErrorCorrection
from printer.errors import DocumentError, QrTooWide

QUIET_MODULES = 4  # on each side, ISO/IEC 18004 clause 6.3.8
MIN_MODULE_DOTS = 4  # 0.5 mm: below it phones fail on faded thermal paper

# Bytes that versions 1 to 40 hold in byte mode, ISO/IEC 18004 table 7.
# fmt: off
_CAPACITY: dict[ErrorCorrection, tuple[int, ...]] = {
    "L": (
        17, 32, 53, 78, 106, 134, 154, 192, 230, 271, 321, 367, 425, 458, 520, 586, 644, 718,
        792, 858, 929, 1003, 1091, 1171, 1273, 1367, 1465, 1528, 1628, 1732, 1840, 1952, 2068,
        2188, 2303, 2431, 2563, 2699, 2809, 2953,
    ),
    "M": (
        14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450, 504, 560,
        624, 666, 711, 779, 857, 911, 997, 1059, 1125, 1190, 1264, 1370, 1452, 1538, 1628, 1722,
        1809, 1911, 1989, 2099, 2213, 2331,
    ),
    "Q": (
        11, 20, 32, 46, 60, 74, 86, 108, 130, 151, 177, 203, 241, 258, 292, 322, 364, 394, 442,
        482, 509, 565, 611, 661, 715, 751, 805, 868, 908, 982, 1030, 1112, 1168, 1228, 1283,
        1351, 1423, 1499, 1579, 1663,
    ),
    "H": (
        7, 14, 24, 34, 44, 58, 64, 84, 98, 119, 137, 155, 177, 194, 220, 250, 280, 310, 338,
        382, 403, 439, 461, 511, 535, 593, 625, 658, 698, 742, 790, 842, 898, 958, 983, 1051,
        1093, 1139, 1219, 1273,
    ),
}
# fmt: on


def modules_at_most(size: int, ec: ErrorCorrection) -> int:
    """Modules on a side, without quiet zone, of a symbol of `size` bytes.

    Exact in byte mode; a printer that packs digits tighter draws a smaller symbol, never a larger.
    Raises `DocumentError` when no version holds that much.
    """
    capacity = _CAPACITY[ec]
    if size > capacity[-1]:
        raise DocumentError(
            f"a QR code at level {ec} holds {capacity[-1]} bytes at most, not {size}"
        )
    version = bisect_left(capacity, size) + 1
    return 17 + 4 * version


def module_dots(modules: int, wanted: int, available_dots: int) -> int:
    """Dots a module, at most `wanted`, so that symbol and quiet zone fit. Raises `QrTooWide`."""
    side = modules + 2 * QUIET_MODULES
    dots = min(wanted, available_dots // side)
    if dots < MIN_MODULE_DOTS:
        raise QrTooWide(side * MIN_MODULE_DOTS, available_dots)
    return dots


@lru_cache(maxsize=32)
def matrix(data: str, ec: ErrorCorrection) -> tuple[bytes, ...]:
    """The symbol as rows of 0 (light) and 1 (dark), without quiet zone.

    `data` has passed `modules_at_most`.
    """
    import segno  # 50 ms to import, needed for raster QR codes and previews only

    encoding = None if data.isascii() else "utf-8"
    # boost_error would change the level behind the caller's back
    symbol = segno.make_qr(data, error=ec, encoding=encoding, boost_error=False)
    return tuple(bytes(row) for row in symbol.matrix)


def raster(symbol: tuple[bytes, ...], dots: int) -> tuple[bytes, int]:
    """The symbol with its quiet zone as packed rows (1 = black): the bytes and the bytes a row."""
    side = (len(symbol) + 2 * QUIET_MODULES) * dots
    width_bytes = (side + 7) // 8
    # The dots that pad a row to whole bytes are shared out to both sides, or it prints off centre.
    shift = (width_bytes * 8 - side + 1) // 2 + QUIET_MODULES * dots
    blank = bytes(width_bytes)
    rows = [blank * (QUIET_MODULES * dots)]
    for modules in symbol:
        bits = "".join(("0", "1")[module] * dots for module in modules)
        rows.append((int(bits, 2) << shift).to_bytes(width_bytes, "big") * dots)
    rows.append(rows[0])
    return b"".join(rows), width_bytes
