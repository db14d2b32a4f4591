"""Photos: pixels only, of a size that can be kept, and no file that is something else."""

import io

import pytest
from PIL import Image

from server.complaints import photos
from server.complaints.models import MOST_PHOTO_BYTES
from server.complaints.photos import PhotoUnfit

CANARY = "KENARI-7731"


def jpeg(size: tuple[int, int] = (300, 200), orientation: int = 1) -> bytes:
    """A photo whose camera wrote its owner, place and a comment into it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, CANARY
    exif.get_ifd(0x8825)[1] = CANARY
    out = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(out, "JPEG", exif=exif, comment=CANARY)
    return out.getvalue()


async def test_nothing_a_camera_wrote_is_kept() -> None:
    data = jpeg(orientation=6)
    assert CANARY.encode() in data
    kept = await photos.clean(data)
    assert kept is not None
    assert CANARY.encode() not in kept
    with Image.open(io.BytesIO(kept)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (200, 300))  # upright
        assert not picture.getexif()


async def test_the_worst_photo_is_small_enough_to_be_kept() -> None:
    kept = await photos.clean(jpeg((4000, 3000)))
    assert kept is not None
    assert len(kept) <= MOST_PHOTO_BYTES
    with Image.open(io.BytesIO(kept)) as picture:
        assert max(picture.size) == photos.KEPT_SIDE


def bomb() -> bytes:
    """A small file that says it is a very large picture."""
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"bukan gambar",
        b"%PDF-1.7",
        b"<svg onload=alert(1)>",
        jpeg()[:500],
        bomb(),
        b"\xff\xd8\xff" + b"\0" * (photos.MAX_BYTES + 1),
    ],
    ids=["text", "pdf", "svg", "cut", "bomb", "large"],
)
async def test_what_is_no_fit_picture_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(PhotoUnfit):
        await photos.clean(data)


async def test_no_photo_is_no_fault() -> None:
    assert await photos.clean(b"") is None
