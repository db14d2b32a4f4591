"""Pictures of barcodes, drawn when asked for and never stored.

zxing-cpp draws the dynamic ones; see `make bench NAME=barcode` for why it is not `qrcode` here.
"""

import io
import re
from functools import lru_cache

import zxingcpp
from PIL import Image

MODULE_PX = 8


def _symbol(text: str, correction: str = "M") -> zxingcpp.Barcode:
    return zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=correction)


@lru_cache(maxsize=512)
def png(text: str) -> bytes:
    """A 1-bit PNG with the quiet zone the standard asks for (ISO/IEC 18004 §6.3.8)."""
    modules = Image.fromarray(_symbol(text).to_image(add_quiet_zones=True))
    picture = modules.convert("1", dither=Image.Dither.NONE).resize(
        (modules.width * MODULE_PX, modules.height * MODULE_PX), Image.Resampling.NEAREST
    )
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


@lru_cache(maxsize=512)
def svg(text: str, correction: str = "M") -> str:
    """An SVG of one unit a module, with a view box, so that it is drawn at any size."""
    picture = str(_symbol(text, correction).to_svg(add_quiet_zones=True))
    return re.sub(r'<svg width="(\d+)" height="(\d+)"', r'\g<0> viewBox="0 0 \1 \2"', picture)
