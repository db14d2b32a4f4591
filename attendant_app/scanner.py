"""Reads QR codes out of pictures and live frames. The readers are loaded with the first picture."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CODES = 6
"""A picture with more in it was not taken of any one thing."""
BUDGET_S = 0.25
# A frame may take less: the next one is already waiting, and goes on where this one stopped.
FRAME_BUDGET_S = 0.12
# What an upload may weigh before it is looked at, and unpacked.
MAX_PICTURE_BYTES = 12 * 1024 * 1024
MAX_PICTURE_PIXELS = 40_000_000
MIN_SIDE = 16


class PictureError(ValueError):
    """What was uploaded is not a picture that can be read. `reason` is stable, for messages."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Sighting:
    """One symbol as one reader saw it; corners are fractions of the picture's width and height.

    An empty text is a symbol that was found but not read.
    """

    text: str
    corners: "NDArray[np.float32]"
    knows_charset: bool = True
    version: int = 0  # of a symbol that was found but not read; 0 if that is not known


def decode(image: "NDArray[Any]", budget_s: float = BUDGET_S) -> list[str]:
    """All distinct QR texts in a BGR or grey uint8 picture; never a text that is not there."""
    return [sighting.text for sighting in look(image, budget_s)]


def look(image: "NDArray[Any]", budget_s: float = BUDGET_S) -> list[Sighting]:
    """The texts `decode` finds, each once, with where it stands in the picture.

    No step is begun that would likely end after `budget_s`. ValueError: not such an array.
    """
    from attendant_app import cascade

    return cascade.search(image, budget_s).sightings()


def decode_bytes(data: bytes, budget_s: float = BUDGET_S) -> list[str]:
    """Read an uploaded JPEG, PNG or WebP. PictureError where it is none, or may not be read."""
    return decode(unpack(data), budget_s)


class Watcher:
    """Reads the codes before a live camera: what one frame does not tell, several may.

    Each frame is searched from where the last one's time ran out, and what was seen of a code's
    modules is summed up over the frames until the sum can be read.
    """

    def __init__(self, budget_s: float = FRAME_BUDGET_S) -> None:
        from attendant_app import cascade

        self._gathering = cascade.Gathering(budget_s)

    def add(self, frame: "NDArray[Any]") -> list[str]:
        """The texts that are known with this frame. Arrays as for `decode`."""
        return [sighting.text for sighting in self.look(frame) if sighting.text]

    def look(self, frame: "NDArray[Any]") -> list[Sighting]:
        """The same, each with where it stands in this frame; and a code beside them that stays
        unread, with an empty text, so that nobody takes them for all there is.
        """
        return self._gathering.add(frame)


def unpack(data: bytes) -> "NDArray[np.uint8]":
    """Bytes of a picture file to grey pixels, looking at the header before unpacking anything."""
    require_fit(data)
    import cv2
    import numpy as np

    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise PictureError("picture-unreadable") from error
    if grey is None:
        raise PictureError("picture-unreadable")
    return np.asarray(grey, np.uint8)


def require_fit(data: bytes) -> None:
    """Raises PictureError for what is no picture, or none that may be unpacked."""
    if not data:
        raise PictureError("picture-empty")
    if len(data) > MAX_PICTURE_BYTES:
        raise PictureError("picture-too-large")
    width, height = _declared_size(data)
    if min(width, height) < MIN_SIDE:
        raise PictureError("picture-too-small")
    if width * height > MAX_PICTURE_PIXELS:
        raise PictureError("picture-too-large")


def _declared_size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            return picture.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError("picture-too-large") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError("picture-unreadable") from error
