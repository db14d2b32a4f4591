"""What the scanner reads, and above all what it does not."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from attendant_app import scanner
from attendant_app.scanner import PictureError, decode, decode_bytes
from tests.attendant_app.builders import drawn, on_canvas, photographed, qris_text

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
# Room for a machine that does other things as well; what is tested here is the reading.
PATIENT_S = 3.0


@pytest.mark.parametrize("seed", range(12))
def test_a_photographed_code_is_read(seed: int) -> None:
    text = qris_text(2000 + seed * 500)
    assert decode(photographed(text, seed), PATIENT_S) == [text]


def test_grey_and_one_channel_pictures_are_read() -> None:
    text = qris_text()
    grey = on_canvas(drawn(text, 5))
    assert decode(grey) == [text]
    assert decode(grey[:, :, None]) == [text]
    assert decode(np.asfortranarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))) == [text]


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turned_and_inverted_codes_are_read(turn: int) -> None:
    text = qris_text()
    picture = np.rot90(on_canvas(drawn(text, 5)), turn)
    assert decode(picture) == [text]
    assert decode(255 - picture) == [text]


def test_all_codes_in_view_are_told() -> None:
    texts = [qris_text(2000), "https://karcis.example/p/MTG-012-3"]
    picture = cv2.hconcat([on_canvas(drawn(text, 4)) for text in texts])
    assert sorted(decode(picture, PATIENT_S)) == sorted(texts)


def test_the_same_code_twice_is_one_text() -> None:
    code = on_canvas(drawn(qris_text(), 4))
    assert decode(cv2.hconcat([code, code])) == [qris_text()]


def test_a_code_drawn_inside_another_is_not_a_second_offer() -> None:
    outer = drawn(qris_text(), 14)
    inner = drawn("https://evil.example/x", 3, border=2)
    top = (outer.shape[0] - inner.shape[0]) // 2
    outer[top : top + inner.shape[0], top : top + inner.shape[1]] = inner
    assert "https://evil.example/x" not in decode(outer, PATIENT_S) or len(decode(outer)) == 1


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_holds_nothing(value: int) -> None:
    assert decode(np.full((480, 640, 3), value, np.uint8)) == []


@pytest.mark.parametrize("seed", range(20))
def test_noise_holds_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (60 * (1 + seed % 4), 80 * (1 + seed % 4)), np.uint8)
    kind = (cv2.INTER_NEAREST, cv2.INTER_CUBIC)[seed % 2]
    assert decode(cv2.resize(coarse, (640, 480), interpolation=kind), PATIENT_S) == []


def test_a_damaged_code_gives_no_wrong_text() -> None:
    text = qris_text()
    for seed in range(10):
        random = np.random.default_rng(seed)
        code = drawn(text, 6)
        for _ in range(12):
            y, x = random.integers(0, code.shape[0] - 60, 2)
            code[y : y + 50, x : x + 50] = random.integers(0, 2) * 255
        assert decode(on_canvas(code, 800, 600), PATIENT_S) in ([], [text])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 10), np.float32),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10), np.uint8),
        np.zeros(10, np.uint8),
        np.zeros((2, 2, 2, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_a_value_error(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="picture"):
        decode(array)


def test_tiny_and_huge_arrays_are_survived() -> None:
    assert decode(np.zeros((1, 1), np.uint8)) == []
    random = np.random.default_rng(0)
    assert decode(random.integers(0, 256, (1, 5000), np.uint8)) == []
    text = qris_text()
    assert decode(cv2.resize(on_canvas(drawn(text, 5)), (6400, 4800)), PATIENT_S) == [text]


def png(width: int, height: int) -> bytes:
    done, data = cv2.imencode(".png", np.zeros((height, width), np.uint8))
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "picture-empty"),
        (b"rubbish" * 100, "picture-unreadable"),
        (b"\xff\xd8\xff\xe0" + b"x" * 50, "picture-unreadable"),
        (png(1, 1), "picture-too-small"),
        (png(20000, 20000), "picture-too-large"),
        (png(100, 100)[:60], "picture-unreadable"),
        (b"\xff" * (scanner.MAX_PICTURE_BYTES + 1), "picture-too-large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture-unreadable"),
    ],
    ids=["empty", "rubbish", "half-jpeg", "1x1", "bomb", "cut", "heavy", "svg"],
)
def test_uploads_that_may_not_be_read(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as raised:
        decode_bytes(data)
    assert raised.value.reason == reason


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_uploads_of_each_kind_are_read(suffix: str) -> None:
    done, data = cv2.imencode(suffix, photographed(qris_text()))
    assert done
    assert decode_bytes(data.tobytes(), PATIENT_S) == [qris_text()]


def test_committed_frames_are_read_as_written_down() -> None:
    expected = json.loads((FRAMES / "expected.json").read_text())
    assert set(expected) == {path.name for path in FRAMES.glob("*.jpg")}
    for name, texts in expected.items():
        assert sorted(decode_bytes((FRAMES / name).read_bytes(), PATIENT_S)) == sorted(texts), name


def test_a_misread_payload_carries_no_proof() -> None:
    text = qris_text()
    assert scanner._carries_proof(text)
    assert not scanner._carries_proof(text.replace("PARKIR", "PARKIB"))
    assert not scanner._carries_proof("https://karcis.example/p/MTG-012-3")


def test_gifs_are_not_taken(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.gif")
    with pytest.raises(PictureError):
        decode_bytes((tmp_path / "a.gif").read_bytes())
