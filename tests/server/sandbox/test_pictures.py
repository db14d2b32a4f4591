"""Reading codes out of pictures as a phone would take them."""

import io

import cv2
import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from server.sandbox import payload, pictures
from server.sandbox.settings import Settings

TEXT = payload.dynamic(Settings(), 5_000, "20261121000000000001", "A01")


def code(text: str = TEXT, scale: int = 6) -> NDArray[np.uint8]:
    png = io.BytesIO()
    segno.make(text, error="m").save(png, kind="png", scale=scale, border=4)
    decoded = cv2.imdecode(np.frombuffer(png.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded.astype(np.uint8)


def warped(
    seed: int, *, noise: float, blur: float, shade: float, text: str = TEXT
) -> NDArray[np.uint8]:
    """The code on a grey table: tilted, unevenly lit, out of focus, grainy."""
    rng = np.random.default_rng(seed)
    flat = code(text)
    side = flat.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    jitter = rng.uniform(-0.1, 0.1, (4, 2)).astype(np.float32) * side
    target = corners * 0.72 + np.array([180, 70], np.float32) + jitter
    matrix = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
    picture = cv2.warpPerspective(flat, matrix, (800, 600), borderValue=110).astype(np.float32)
    light = np.linspace(1, 1 - shade, 800, dtype=np.float32)[None, :]
    picture = cv2.GaussianBlur(picture * light, (0, 0), blur)
    return np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


def encoded(picture: NDArray[np.uint8], suffix: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(suffix, picture)[1].tobytes())


@pytest.mark.parametrize("seed", range(6))
def test_warped_shaded_and_noisy_pictures_are_read(seed: int) -> None:
    picture = warped(seed, noise=14, blur=1.2, shade=0.6)
    assert pictures.read(encoded(picture), lambda text: text == TEXT) == TEXT


def test_small_dim_and_turned_pictures_are_read() -> None:
    small = cv2.resize(code(), None, fx=0.34, fy=0.34, interpolation=cv2.INTER_AREA)
    assert pictures.read(encoded(small.astype(np.uint8), ".png"), lambda _: True) == TEXT
    dim = (code() * 0.12 + 20).astype(np.uint8)
    assert pictures.read(encoded(dim), lambda _: True) == TEXT
    turned = cv2.rotate(code(), cv2.ROTATE_90_CLOCKWISE)
    assert pictures.read(encoded(turned.astype(np.uint8)), lambda _: True) == TEXT


def test_what_is_no_picture_or_holds_no_code_gives_nothing() -> None:
    assert pictures.read(b"", lambda _: True) is None
    assert pictures.read(b"GIF89a nonsense", lambda _: True) is None
    assert pictures.read(encoded(np.full((300, 300), 200, np.uint8)), lambda _: True) is None
    noise = np.random.default_rng(1).integers(0, 256, (480, 640)).astype(np.uint8)
    assert pictures.read(encoded(noise, ".png"), lambda _: True) is None


def test_a_picture_that_would_unfold_to_gigabytes_is_not_opened() -> None:
    bomb = encoded(np.zeros((8_000, 8_000), np.uint8), ".png")
    assert len(bomb) < 1_000_000
    assert pictures.read(bomb, lambda _: True) is None


def test_the_code_wanted_wins_over_another_in_the_picture() -> None:
    other = io.BytesIO()
    segno.make("https://example.org/", error="m").save(other, kind="png", scale=6, border=4)
    beside = cv2.imdecode(np.frombuffer(other.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    canvas = np.full((code().shape[0], code().shape[1] + beside.shape[1]), 255, np.uint8)
    canvas[: beside.shape[0], : beside.shape[1]] = beside
    canvas[:, beside.shape[1] :] = code()
    assert pictures.read(encoded(canvas), lambda text: text.startswith("000201")) == TEXT
    assert pictures.read(encoded(beside), lambda text: text.startswith("000201")) == (
        "https://example.org/"
    )
