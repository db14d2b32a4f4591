"""Reads QR codes out of pictures: a cascade of treatments and readers under a time budget.

Cheap and strong first: most pictures end at the first step. A text is only given out when it
carries its own proof (the checksum of a QRIS payload) or when it was read a second time.
"""

import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image
from pyzbar.pyzbar import ZBarSymbol
from pyzbar.pyzbar import decode as zbar_decode

Grey = NDArray[np.uint8]

BUDGET_S = 0.25
# What an upload may weigh before it is looked at, and unpacked.
MAX_PICTURE_BYTES = 12 * 1024 * 1024
MAX_PICTURE_PIXELS = 40_000_000
MIN_SIDE = 16
# Doubling a picture that is already large costs time and shows the readers nothing new.
MAX_SIDE_TO_DOUBLE = 1400
MAX_SIDE = 2600
MIN_CONTRAST = 8

# `QRCode` would include Micro QR, which noise imitates: it has no error correction to speak of.
_FORMATS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])


class PictureError(ValueError):
    """What was uploaded is not a picture that can be read. `reason` is stable, for messages."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_EMV = re.compile(r"0002\d\d.{10,4000}6304[0-9A-Fa-f]{4}", re.DOTALL)


@dataclass(frozen=True)
class Sighting:
    """One symbol as one reader saw it; corners are fractions of the picture's width and height.

    An empty text is a symbol that was found but not read.
    """

    text: str
    corners: NDArray[np.float32]
    knows_charset: bool = True


@dataclass
class Evidence:
    """What the steps so far have shown. `accepted` is what may be given out."""

    accepted: dict[str, Sighting] = field(default_factory=dict)
    once: dict[str, Sighting] = field(default_factory=dict)
    unread: list[Sighting] = field(default_factory=list)

    def add(self, sightings: list[Sighting]) -> None:
        for sighting in sightings:
            text = sighting.text
            if not text:
                self.unread.append(sighting)
            elif _carries_proof(text) or (text in self.once and _charset_is_sure(sighting)):
                self.accepted[text] = sighting
            else:
                self.once.setdefault(text, sighting)

    def complete(self) -> bool:
        """Something was read, and nothing that was found beside it still waits to be read."""
        waiting = [*self.unread, *(s for s in self.once.values() if s.text not in self.accepted)]
        return bool(self.accepted) and all(
            any(_middle_is_inside(w, a) for a in self.accepted.values()) for w in waiting
        )

    def sightings(self) -> list[Sighting]:
        found = dict(self.accepted)
        for text, sighting in self.once.items():
            if _plausible(sighting) and not any(
                _middle_is_inside(sighting, f) for f in found.values()
            ):
                found[text] = sighting
        return _without_nested(list(found.values()))


Reader = Callable[[Grey], list[Sighting]]
Treatment = Callable[[Grey], Grey]


def decode(image: NDArray[Any], budget_s: float = BUDGET_S) -> list[str]:
    """All distinct QR texts in a BGR or grey uint8 picture; never a text that is not there."""
    return [sighting.text for sighting in look(image, budget_s)]


def look(image: NDArray[Any], budget_s: float = BUDGET_S) -> list[Sighting]:
    """The texts `decode` finds, each once, with where it stands in the picture.

    `budget_s` is checked between steps. ValueError: not such an array.
    """
    grey = _grey(image)
    if min(grey.shape) < MIN_SIDE or int(grey.max()) - int(grey.min()) < MIN_CONTRAST:
        return []
    deadline = time.monotonic() + budget_s
    evidence = Evidence()
    for treatment, reader in _CASCADE:
        evidence.add(reader(treatment(grey)))
        if evidence.complete() or time.monotonic() > deadline:
            break
    return evidence.sightings()


def decode_bytes(data: bytes, budget_s: float = BUDGET_S) -> list[str]:
    """Read an uploaded JPEG, PNG or WebP. PictureError where it is none, or may not be read."""
    return decode(unpack(data), budget_s)


def unpack(data: bytes) -> Grey:
    """Bytes of a picture file to grey pixels, looking at the header before unpacking anything."""
    if not data:
        raise PictureError("picture-empty")
    if len(data) > MAX_PICTURE_BYTES:
        raise PictureError("picture-too-large")
    width, height = _declared_size(data)
    if min(width, height) < MIN_SIDE:
        raise PictureError("picture-too-small")
    if width * height > MAX_PICTURE_PIXELS:
        raise PictureError("picture-too-large")
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise PictureError("picture-unreadable") from error
    if grey is None:
        raise PictureError("picture-unreadable")
    return np.asarray(grey, np.uint8)


def _declared_size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            return picture.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError("picture-too-large") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError("picture-unreadable") from error


def _grey(image: NDArray[Any]) -> Grey:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise ValueError("a picture is a numpy array of uint8")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"a picture is grey or BGR, not of shape {image.shape}")
    if image.size == 0:
        raise ValueError("the picture has no pixels")
    grey: Grey = image
    if image.ndim == 3:
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    longest = max(grey.shape)
    if longest > MAX_SIDE:
        grey = _resized(grey, MAX_SIDE / longest)
    return np.ascontiguousarray(grey, np.uint8)


# What may be believed


def _carries_proof(text: str) -> bool:
    """EMVCo tag 63: a CRC over everything before its own value. No misreading survives it."""
    payload = text.strip()
    if not _EMV.fullmatch(payload):
        return False
    return f"{binascii.crc_hqx(payload[:-4].encode(), 0xFFFF):04X}" == payload[-4:].upper()


def _charset_is_sure(sighting: Sighting) -> bool:
    return sighting.knows_charset or sighting.text.isascii()


def _plausible(sighting: Sighting) -> bool:
    """A text read once only. Chance does not make eight printable characters in a row."""
    text = sighting.text
    printable = text.replace("\r", "").replace("\n", "").isprintable()
    return len(text) >= 8 and printable and _charset_is_sure(sighting)


def _middle_is_inside(inner: Sighting, outer: Sighting) -> bool:
    x, y = inner.corners.mean(axis=0)
    hull = cv2.convexHull(outer.corners)
    return cv2.pointPolygonTest(hull, (float(x), float(y)), False) >= 0


def _without_nested(sightings: list[Sighting]) -> list[Sighting]:
    """A code drawn wholly inside another is part of that one's artwork, not a second offer."""

    def lies_within(inner: Sighting, outer: Sighting) -> bool:
        hull = cv2.convexHull(outer.corners)
        return all(
            cv2.pointPolygonTest(hull, (float(x), float(y)), False) > 0 for x, y in inner.corners
        )

    return [s for s in sightings if not any(lies_within(s, o) for o in sightings if o is not s)]


# Readers


def _zxing(binarizer: zxingcpp.Binarizer) -> Reader:
    def read(grey: Grey) -> list[Sighting]:
        height, width = grey.shape
        sightings = []
        for symbol in zxingcpp.read_barcodes(
            grey,
            formats=_FORMATS,
            text_mode=zxingcpp.TextMode.Plain,
            binarizer=binarizer,
            return_errors=True,
        ):
            place = symbol.position
            points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
            corners = np.array([(p.x / width, p.y / height) for p in points], np.float32)
            sightings.append(Sighting(symbol.text if symbol.valid else "", corners))
        return sightings

    return read


def _zbar(grey: Grey) -> list[Sighting]:
    """zbar guesses character sets (it takes Japanese for Big5), so only its ASCII is believed."""
    height, width = grey.shape
    sightings = []
    # Asking for QR only also keeps zbar's other decoders from printing assertions on noise.
    for symbol in zbar_decode(grey, symbols=[ZBarSymbol.QRCODE]):
        text = symbol.data.decode("utf-8", "replace")
        corners = np.array([(p.x / width, p.y / height) for p in symbol.polygon], np.float32)
        if text and len(corners) >= 3:
            sightings.append(Sighting(text, corners, knows_charset=False))
    return sightings


def _opencv(grey: Grey) -> list[Sighting]:
    height, width = grey.shape
    try:
        text, corners, _ = cv2.QRCodeDetector().detectAndDecode(grey)
    except (cv2.error, UnicodeDecodeError):
        return []
    if not text or corners is None:
        return []
    scaled = np.asarray(corners, np.float32).reshape(-1, 2) / np.array([width, height], np.float32)
    return [Sighting(text, scaled.astype(np.float32), knows_charset=False)]


# Treatments


def _plain(grey: Grey) -> Grey:
    return grey


def _resized(grey: Grey, factor: float) -> Grey:
    kind = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=kind), np.uint8)


def _doubled(grey: Grey) -> Grey:
    return _resized(grey, 2) if max(grey.shape) <= MAX_SIDE_TO_DOUBLE else grey


def _flattened(grey: Grey) -> Grey:
    """Divide the light away: shadows and a lamp's glare become even paper."""
    quarter = _resized(grey, 0.25)
    light = cv2.GaussianBlur(quarter, (0, 0), max(15, min(grey.shape) // 8) / 8 + 1)
    light = cv2.resize(light, (grey.shape[1], grey.shape[0]))
    return np.asarray(cv2.divide(grey, light, scale=160), np.uint8)


def _sharpened(grey: Grey, amount: float = 3) -> Grey:
    soft = cv2.GaussianBlur(grey, (0, 0), 6)
    return np.asarray(cv2.addWeighted(grey, 1 + amount, soft, -amount, 0), np.uint8)


def _contrasted(grey: Grey) -> Grey:
    return np.asarray(cv2.createCLAHE(3, (8, 8)).apply(grey), np.uint8)


def _thresholded(grey: Grey) -> Grey:
    kind = (cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY)
    return np.asarray(cv2.adaptiveThreshold(grey, 255, *kind, 51, 5), np.uint8)


def _rectified(grey: Grey) -> Grey:
    """The first code's square seen from straight above; the picture itself if none is found."""
    try:
        found, corners = cv2.QRCodeDetector().detect(grey)
    except cv2.error:
        return grey
    if not found or corners is None:
        return grey
    side, margin = 480, 40
    near, far = margin, side - margin
    square = np.array([(near, near), (far, near), (far, far), (near, far)], np.float32)
    warp = cv2.getPerspectiveTransform(np.asarray(corners, np.float32).reshape(-1, 2)[:4], square)
    return np.asarray(cv2.warpPerspective(grey, warp, (side, side), borderValue=255), np.uint8)


_local = _zxing(zxingcpp.Binarizer.LocalAverage)
_global = _zxing(zxingcpp.Binarizer.GlobalHistogram)

# In the order of what each added per millisecond on test pictures.
_CASCADE: tuple[tuple[Treatment, Reader], ...] = (
    (_plain, _local),
    (_plain, _global),
    (lambda grey: _doubled(_flattened(grey)), _local),
    (lambda grey: _doubled(_sharpened(_flattened(grey))), _local),
    (_sharpened, _zbar),
    (_doubled, _local),
    (_thresholded, _zbar),
    (lambda grey: _doubled(_contrasted(grey)), _local),
    (lambda grey: _resized(grey, 0.5), _local),
    (_plain, _opencv),
    (lambda grey: _sharpened(_doubled(_flattened(grey)), 4), _zbar),
    (_rectified, _local),
)
