"""Photos of notices as handhelds send them: only the picture whose hash the device signed."""

import asyncio
import hashlib
import io
from datetime import datetime
from uuid import UUID

from PIL import Image

from domain.notice import MOST_PHOTO_BYTES, PHOTO_SIDE
from server.complaints.photos import PhotoUnfit
from server.database import Transactions
from server.errors import Problem
from server.inspection import notices
from server.sync import quarantine

MISMATCH, UNFIT = "photo-mismatch", "photo-unfit"


class PhotoMismatch(Problem):
    slug = MISMATCH
    status = 409
    title_id = "Foto ini bukan yang ditandatangani perangkatnya"
    title_en = "This is not the photo that the device signed"


async def keep(
    transactions: Transactions,
    device_id: UUID,
    notice_id: UUID,
    sha256: str,
    jpeg: bytes,
    *,
    now: datetime,
) -> None:
    """Keep a photo in its place; what does not fit there is refused, and a case for an officer.

    Raises NoticeNotFound, PhotoMismatch, PhotoUnfit.
    """
    came = hashlib.sha256(jpeg).hexdigest()
    async with transactions.begin() as db:
        wanted = await notices.wanted_photo(db, device_id, notice_id, sha256)
    if wanted is None or came != sha256:
        reason = MISMATCH
    else:
        reason = "" if await asyncio.to_thread(is_plain, jpeg) else UNFIT
    async with transactions.begin() as db:
        if not reason:
            await notices.keep_photo(db, device_id, notice_id, sha256, jpeg, now=now)
            return
        told = {"notice_id": str(notice_id), "photo": sha256, "came": came, "bytes": len(jpeg)}
        await quarantine.keep(db, device_id, told, reason, now=now)
    raise PhotoMismatch if reason == MISMATCH else PhotoUnfit


def is_plain(jpeg: bytes) -> bool:
    """Whether it is a JPEG of pixels alone, of the size that handhelds draw."""
    if len(jpeg) > MOST_PHOTO_BYTES:
        return False
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            parts = {name for name, _ in getattr(picture, "applist", [("unknown", b"")])}
            if max(picture.size) > PHOTO_SIDE or parts - {"APP0"}:
                return False
            picture.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True
