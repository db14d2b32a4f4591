"""Photos as evidence: drawn anew before they are kept, so that nothing of the camera is left.

What is drawn here is what is hashed, signed, sent and shown: nobody draws it again after that.
"""

from io import BytesIO

from PIL import Image, ImageOps

from attendant_app.scanner import PictureError, require_fit
from domain.notice import MOST_PHOTO_BYTES, PHOTO_SIDE

QUALITIES = (80, 60, 40, 20)


def redraw(data: bytes) -> bytes:
    """An upright JPEG of pixels alone, bounded in size; raises PictureError."""
    require_fit(data)
    small = _upright(data)
    small.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    plain = Image.new("RGB", small.size)
    plain.paste(small)
    for quality in QUALITIES:
        out = BytesIO()
        plain.save(out, "JPEG", quality=quality)
        if out.tell() <= MOST_PHOTO_BYTES:
            break
    return out.getvalue()


def _upright(data: bytes) -> Image.Image:
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            picture.draft("RGB", (2 * PHOTO_SIDE, 2 * PHOTO_SIDE))
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError("picture-unreadable") from error
