"""Reads the QR code in an uploaded picture or a camera frame: quick readers first, then mended
pictures for the quick readers again. Slow work: call it from a thread."""

import io
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pyzbar import pyzbar

Grey: TypeAlias = NDArray[np.uint8]

MAX_PIXELS = 40_000_000
_WORKING_PIXELS = 3_000_000
# Model 2 only: Micro QR finds codes in noise.
_QR_ONLY = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])


def read(picture: bytes, accept: Callable[[str], bool]) -> str | None:
    """The first text in the picture that `accept` takes, else the first one read, else None."""
    grey = _grey(picture)
    if grey is None:
        return None
    other = None
    for candidate in _candidates(grey):
        for text in _texts(candidate):
            if accept(text):
                return text
            other = other or text
    return other


def _grey(picture: bytes) -> Grey | None:
    try:
        # The header tells the size before a small file may become a huge picture.
        with Image.open(io.BytesIO(picture)) as header:
            width, height = header.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    if width * height > MAX_PIXELS:
        return None
    decoded: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    if decoded is None:
        return None
    scale = min(1.0, (_WORKING_PIXELS / (width * height)) ** 0.5)
    if scale < 1:
        decoded = cv2.resize(decoded, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(decoded, np.uint8)


def _candidates(grey: Grey) -> Iterator[Grey]:
    yield grey
    even = _flattened(grey)
    doubled: Any = cv2.resize(even, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    yield doubled
    soft: Any = cv2.GaussianBlur(doubled, (0, 0), 6)
    yield cv2.addWeighted(doubled, 2.5, soft, -1.5, 0).astype(np.uint8)
    median: Any = cv2.medianBlur(doubled, 5)
    yield median
    yield cv2.adaptiveThreshold(
        median, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 51, 8
    ).astype(np.uint8)


def _flattened(grey: Grey) -> Grey:
    """The picture divided by its own light, so that shade and glare count for less."""
    light: Any = cv2.GaussianBlur(grey, (0, 0), max(grey.shape) / 16)
    return cv2.divide(grey, np.maximum(light, 1), scale=180).astype(np.uint8)


def _texts(grey: Grey) -> Iterator[str]:
    for found in zxingcpp.read_barcodes(grey, formats=_QR_ONLY):
        if found.valid:
            yield found.text
    for symbol in pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE]):
        try:
            yield symbol.data.decode()
        except UnicodeDecodeError:
            continue
