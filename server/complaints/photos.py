"""Pictures that people upload: judged before they are unpacked, drawn anew before they are kept.

Nothing of what a camera writes into a file, its place and owner first of all, outlives that.
"""

import asyncio
import io

from PIL import Image, ImageOps

from server.complaints.models import MOST_PHOTO_BYTES
from server.errors import Problem

MAX_BYTES = 12 * 1024 * 1024
MAX_PIXELS = 60_000_000
UNPACKED_SIDE = 3000
KEPT_SIDE = 1280
QUALITIES = (80, 60, 40)
FORMATS = ("JPEG", "PNG", "WEBP")
AT_ONCE = asyncio.Semaphore(2)
"""An unpacked photo takes up to 180 MB, and a processor while it is unpacked."""


class PhotoUnfit(Problem):
    slug = "photo-unfit"
    status = 422
    title_id = "Foto harus JPG, PNG, atau WebP, paling besar 12 MB"
    title_en = "The photo must be a JPG, PNG or WebP of 12 MB at most"


def unpack(data: bytes) -> Image.Image:
    """A picture file as upright pixels; raises PhotoUnfit."""
    if len(data) > MAX_BYTES:
        raise PhotoUnfit
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise PhotoUnfit
            picture.draft("RGB", (UNPACKED_SIDE, UNPACKED_SIDE))  # a JPEG is then unpacked smaller
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError) as exc:
        raise PhotoUnfit from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise PhotoUnfit from exc


def redraw(picture: Image.Image, side: int = KEPT_SIDE) -> bytes:
    """A JPEG of pixels alone, at most `side` wide and high."""
    small = picture.copy()
    small.thumbnail((side, side))
    plain = Image.new("RGB", small.size)
    plain.paste(small)
    for quality in QUALITIES:
        out = io.BytesIO()
        plain.save(out, "JPEG", quality=quality)
        if out.tell() <= MOST_PHOTO_BYTES:
            break
    return out.getvalue()


async def clean(data: bytes) -> bytes | None:
    """An upload as it is kept, None where nothing was chosen; raises PhotoUnfit."""
    if not data:
        return None
    async with AT_ONCE:
        return await asyncio.to_thread(lambda: redraw(unpack(data)))
