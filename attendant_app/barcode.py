"""A payment code drawn on this device: the picture never depends on the network.

zxing-cpp brings numpy: both are loaded with the first code, so that a start need not wait.
"""

import re
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import zxingcpp

_SIDE = re.compile(r'<svg width="(\d+)"')
_PATH = re.compile(r'<path d="([^"<>&]*)"')
PNG_MODULE_DOTS = 10


class BarcodeError(ValueError):
    """The text is too long for one code."""


def _symbol(text: str) -> "zxingcpp.Barcode":
    import zxingcpp

    try:
        return zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCodeModel2, ec_level="M")
    except ValueError as error:
        raise BarcodeError(str(error)) from error


def svg(text: str) -> str:
    """Black on white with its quiet zone of four modules; scales to any size."""
    import zxingcpp

    drawn = zxingcpp.write_barcode_to_svg(_symbol(text))
    side, path = _SIDE.search(drawn), _PATH.search(drawn)
    if side is None or path is None:
        raise BarcodeError("the writer drew something unexpected")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side[1]} {side[1]}"'
        ' shape-rendering="crispEdges">'
        f'<rect width="{side[1]}" height="{side[1]}" fill="#fff"/><path d="{path[1]}"/></svg>'
    )


def png(text: str) -> bytes:
    import numpy as np
    import zxingcpp

    modules = np.asarray(zxingcpp.write_barcode_to_image(_symbol(text), scale=PNG_MODULE_DOTS))
    out = BytesIO()
    Image.fromarray(modules).save(out, "PNG")
    return out.getvalue()
