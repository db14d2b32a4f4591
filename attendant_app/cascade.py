"""Reads QR codes out of pictures: a cascade of treatments and readers under a time budget.

Cheap and strong first: most pictures end at the first step. A text is only given out when it
carries its own proof (the checksum of a QRIS payload) or when it was read a second time.
"""

import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from pyzbar.pyzbar import ZBarSymbol
from pyzbar.pyzbar import decode as zbar_decode

from attendant_app import lattice, marks
from attendant_app.scanner import MIN_SIDE, Sighting

Grey = NDArray[np.uint8]

# Doubling a picture that is already large costs time and shows the readers nothing new.
MAX_SIDE_TO_DOUBLE = 1400
MAX_SIDE = 2600
MIN_CONTRAST = 8
# Looks at codes that are kept over the frames of a live camera.
MAX_ATTEMPTS = 12
# Frames for which what was read waits for a code that is seen beside it: about a second.
PATIENCE = 8

_EMV = re.compile(r"0002\d\d.{10,4000}6304[0-9A-Fa-f]{4}", re.DOTALL)


@dataclass
class Evidence:
    """What the steps so far have shown. `accepted` is what may be given out."""

    steps: int = 0
    followed: list[Sighting] = field(default_factory=list)
    attempts: list[lattice.Attempt] = field(default_factory=list)

    accepted: dict[str, Sighting] = field(default_factory=dict)
    once: dict[str, Sighting] = field(default_factory=dict)
    unread: list[Sighting] = field(default_factory=list)
    beside: list[Sighting] | None = None
    """Marks of codes that no reader found, looked for once something was read."""

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
        return bool(self.accepted) and all(map(self.covers, waiting)) and not self.missed()

    def missed(self) -> list[Sighting]:
        """Where a code stands beside what was read and no reader found it; one for all such."""
        marks = [mark.corners for mark in self.beside or () if not self.covers(mark)]
        if not marks:
            return []
        (left, top), (right, bottom) = np.min(marks, (0, 1)), np.max(marks, (0, 1))
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        return [Sighting("", np.array(corners, np.float32))]

    def look_beside(self, grey: Grey) -> None:
        if self.beside is None:
            read = [sighting.corners for sighting in self.sightings()]
            self.beside = [Sighting("", corners) for corners in marks.beside(grey, read)]

    def covers(self, sighting: Sighting) -> bool:
        return any(_middle_is_inside(sighting, accepted) for accepted in self.accepted.values())

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


def search(
    image: NDArray[Any], budget_s: float, first: int = 1, *, beside: bool = False
) -> Evidence:
    """Take the steps, the plainest and then from `first` on, until all is read or time is up.

    With `beside` also until no code is seen beside what was read. That costs a live camera's frame
    a millisecond; a still picture was aimed at its code and goes without.
    """
    grey = _grey(image)
    evidence = Evidence()
    if min(grey.shape) < MIN_SIDE or int(grey.max()) - int(grey.min()) < MIN_CONTRAST:
        return evidence
    deadline = time.monotonic() + budget_s
    longest_s = 0.0
    for treatment, reader in (_CASCADE[0], *_CASCADE[first:], *_CASCADE[1:first]):
        begun = time.monotonic()
        if beside and evidence.complete():
            evidence.look_beside(grey)
        if evidence.complete() or begun + longest_s > deadline:
            break
        sightings = reader(treatment(grey))
        evidence.add(sightings)
        _follow(grey, sightings, evidence, deadline)
        evidence.steps += 1
        longest_s = max(longest_s, time.monotonic() - begun)
    if beside and evidence.sightings():
        evidence.look_beside(grey)
    return evidence


def _follow(grey: Grey, sightings: list[Sighting], evidence: Evidence, deadline: float) -> None:
    """Look closer at what was found and not read, once a place."""
    for sighting in sightings:
        if sighting.text or not 1 <= sighting.version <= lattice.MAX_VERSION:
            continue
        if evidence.covers(sighting) or any(_same_place(sighting, f) for f in evidence.followed):
            continue
        if time.monotonic() > deadline:
            return
        evidence.followed.append(sighting)
        corners = sighting.corners * np.array(grey.shape[::-1], np.float32)
        attempt = lattice.attempt(grey, corners, sighting.version)
        evidence.attempts.append(attempt)
        if attempt.text:
            evidence.add([Sighting(attempt.text, sighting.corners)])


class Gathering:
    """What the frames of a live camera have shown so far."""

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._next = 1
        self._attempts: list[lattice.Attempt] = []
        self._waited = 0

    def add(self, frame: NDArray[Any]) -> list[Sighting]:
        """What may be given out with this frame, and what is seen beside it and stays unread."""
        evidence = search(frame, self._budget_s, self._next, beside=True)
        rest = len(_CASCADE) - 1
        self._next = 1 + (self._next - 1 + max(0, evidence.steps - 1)) % rest
        if evidence.missed() and self._waited < PATIENCE:
            self._waited += 1
            return []
        if sightings := evidence.sightings():
            self._attempts.clear()
            self._waited = 0
            return sightings + evidence.missed()
        for place, attempt in zip(evidence.followed, evidence.attempts, strict=True):
            self._attempts.append(attempt)
            same = [other for other in self._attempts if lattice.alike(attempt, other)]
            text = lattice.gathered(same) if len(same) > 1 else None
            if text and _carries_proof(text):
                self._attempts.clear()
                return [Sighting(text, place.corners)]
        del self._attempts[:-MAX_ATTEMPTS]
        return []


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


def _same_place(one: Sighting, other: Sighting) -> bool:
    """Nearer than a module: another look would begin where the first did."""
    module = float(np.ptp(one.corners)) / (17 + 4 * one.version)
    away = float(np.abs(one.corners - other.corners).max())
    return one.version == other.version and away < module


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
            formats=lattice.QR_ONLY,
            text_mode=zxingcpp.TextMode.Plain,
            binarizer=binarizer,
            return_errors=True,
        ):
            place = symbol.position
            points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
            corners = np.array([(p.x / width, p.y / height) for p in points], np.float32)
            if symbol.valid:
                sightings.append(Sighting(symbol.text, corners))
            else:
                version = symbol.extra.get("Version", "") if isinstance(symbol.extra, dict) else ""
                known = int(version) if version.isdecimal() else 0
                sightings.append(Sighting("", corners, version=known))
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


def _denoised(grey: Grey) -> Grey:
    return np.asarray(cv2.medianBlur(grey, 5), np.uint8)


_local = _zxing(zxingcpp.Binarizer.LocalAverage)
_global = _zxing(zxingcpp.Binarizer.GlobalHistogram)

# In the order of what each added per millisecond, looks at the lattice included; the second is the
# cheapest to confirm the first.
_CASCADE: tuple[tuple[Treatment, Reader], ...] = (
    (_plain, _local),
    (_plain, _global),
    (lambda grey: _resized(grey, 0.5), _local),
    (lambda grey: _denoised(_doubled(_flattened(grey))), _global),
    (lambda grey: _doubled(_flattened(grey)), _local),
    (_doubled, _local),
    (lambda grey: _sharpened(_flattened(grey)), _global),
    (lambda grey: _doubled(_sharpened(_flattened(grey))), _global),
    (_sharpened, _zbar),
    (lambda grey: _doubled(_contrasted(grey)), _local),
    (_thresholded, _zbar),
    (lambda grey: _doubled(_sharpened(_flattened(grey))), _local),
    (_plain, _opencv),
    (lambda grey: _sharpened(_doubled(_flattened(grey)), 4), _zbar),
)
