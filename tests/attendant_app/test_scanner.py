"""What the scanner reads, and above all what it does not."""

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyzbar import pyzbar

from attendant_app import cascade, scanner
from attendant_app.scanner import PictureError, Sighting, Watcher, decode, decode_bytes
from bench import pictures
from tests.attendant_app.builders import drawn, on_canvas, photographed, qris_text

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
# Room for a machine that does other things as well; what is tested here is the reading.
PATIENT_S = 3.0
# Of the pictures drawn here, these neither zxing-cpp nor zbar reads.
BEYOND_THE_READERS = [("crease", 2), ("crease", 7), ("crease", 11), ("defocus", 2), ("defocus", 5)]


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


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("damage", pictures.DAMAGES)
def test_every_kind_of_fair_damage_is_read(damage: str, seed: int) -> None:
    scene = pictures.scene(damage, "fair", seed)
    assert decode(scene.shot(seed), PATIENT_S) == [scene.text]


@pytest.mark.parametrize(("damage", "seed"), BEYOND_THE_READERS)
def test_what_no_reader_reads_is_read_by_its_lattice(damage: str, seed: int) -> None:
    scene = pictures.scene(damage, "fair", seed)
    picture = scene.shot(seed)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert not any(symbol.valid for symbol in zxingcpp.read_barcodes(grey))
    assert not pyzbar.decode(grey)
    assert decode(picture, PATIENT_S) == [scene.text]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    text=st.sampled_from((qris_text(), "https://karcis.example/p/MTG-012-3", "KARCIS 7")),
    damage=st.sampled_from(("speckle", "blots", "blur", "squeezed", "cut", "swapped")),
    strength=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_is_done_to_a_code_it_says_the_truth_or_nothing(
    text: str, damage: str, strength: float, seed: int
) -> None:
    picture = spoilt(on_canvas(drawn(text, 5)), damage, strength, np.random.default_rng(seed))
    assert decode(picture) in ([], [text])


def spoilt(
    picture: np.ndarray, damage: str, strength: float, random: np.random.Generator
) -> np.ndarray:
    height, width = picture.shape
    spots = random.random(picture.shape) < 0.5 * strength
    if damage == "speckle":
        return np.where(spots, random.integers(0, 256, picture.shape), picture).astype(np.uint8)
    if damage == "blots":
        for _ in range(int(30 * strength)):
            y, x = int(random.integers(0, height)), int(random.integers(0, width))
            cv2.circle(picture, (x, y), int(random.integers(4, 40)), int(random.integers(256)), -1)
        return picture
    if damage == "blur":
        return cv2.GaussianBlur(picture, (0, 0), 0.3 + 6 * strength)
    if damage == "squeezed":
        small = cv2.resize(picture, (width, max(20, int(height * (1 - 0.9 * strength)))))
        return cv2.resize(small, (max(20, int(width * (1 - 0.5 * strength))), small.shape[0]))
    if damage == "cut":
        return np.ascontiguousarray(picture[int(height * 0.6 * strength) :])
    coarse = np.kron(random.random((24, 32)) < 0.4 * strength, np.ones((20, 20), bool))
    return np.where(coarse, np.roll(picture, 45, axis=1), picture)


def test_no_step_is_begun_that_would_likely_end_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    begun = []

    def step(takes_s: float) -> tuple[cascade.Treatment, cascade.Reader]:
        def read(grey: cascade.Grey) -> list[Sighting]:
            nonlocal now
            begun.append(takes_s)
            now += takes_s
            return []

        return (lambda grey: grey), read

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(cascade, "_CASCADE", tuple(map(step, (0.01, 0.1, 0.08, 0.1, 0.1))))
    assert decode(on_canvas(drawn(qris_text(), 5)), 0.25) == []
    assert begun == [0.01, 0.1, 0.08]


def blotted(text: str, seed: int) -> np.ndarray:
    """A frame in which a part of the code is hidden that its error correction cannot make up."""
    random = np.random.default_rng(seed)
    code = drawn(text, 6)
    for _ in range(55):
        y, x = random.integers(66, code.shape[0] - 66, 2)
        code[y : y + 18, x : x + 18] = random.integers(0, 2) * 255
    return on_canvas(code)


@pytest.fixture
def only_the_cheap_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade, "_CASCADE", cascade._CASCADE[:2])


@pytest.mark.usefixtures("only_the_cheap_steps")
def test_frames_tell_together_what_none_tells_alone() -> None:
    text = qris_text()
    frames = [blotted(text, seed) for seed in range(8)]
    assert [decode(frame, PATIENT_S) for frame in frames] == [[]] * 8
    watcher = Watcher(PATIENT_S)
    said = [watcher.add(frame) for frame in frames]
    assert [text] in said
    assert all(texts in ([], [text]) for texts in said)


@pytest.mark.usefixtures("only_the_cheap_steps")
def test_frames_of_two_codes_are_never_mixed() -> None:
    texts = [qris_text(2000), qris_text(9000)]
    watcher = Watcher(PATIENT_S)
    for seed in range(6):
        said = watcher.add(blotted(texts[seed % 2], seed))
        assert said in ([], [texts[0]], [texts[1]])


def test_a_frame_goes_on_where_the_last_ones_time_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    taken: list[str] = []

    def step(name: str) -> tuple[cascade.Treatment, cascade.Reader]:
        def read(grey: cascade.Grey) -> list[Sighting]:
            nonlocal now
            taken.append(name)
            now += 0.05
            return []

        return (lambda grey: grey), read

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(cascade, "_CASCADE", tuple(map(step, "abcde")))
    watcher = Watcher(0.16)
    for _ in range(3):
        watcher.add(on_canvas(drawn(qris_text(), 5)))
    assert "".join(taken) == "abcadeabc"


def test_a_clip_in_an_unsteady_hand_is_read_within_a_second() -> None:
    scene = pictures.scene("motion", "fair", 3)
    watcher = Watcher(PATIENT_S)
    said = (watcher.add(scene.shot(moment, unsteadiness=1)) for moment in range(8))
    assert next(texts for texts in said if texts) == [scene.text]


def two_codes(hidden: int) -> np.ndarray:
    """Side by side; of the second, light hides so much of a mark that no reader finds the code."""
    other = drawn(qris_text(9000), 5)
    other[20 : 20 + hidden, -20 - hidden : -20] = 255
    return cv2.hconcat([on_canvas(drawn(qris_text(), 5)), on_canvas(other)])


@pytest.mark.usefixtures("only_the_cheap_steps")
def test_a_code_is_not_taken_alone_while_another_is_seen_beside_it() -> None:
    both, one = two_codes(hidden=0), two_codes(hidden=35)
    assert sorted(decode(both, PATIENT_S)) == sorted([qris_text(), qris_text(9000)])
    assert decode(one, PATIENT_S) == [qris_text()], "the second cannot be read"
    watcher = Watcher(PATIENT_S)
    assert [watcher.add(one) for _ in range(cascade.PATIENCE)] == [[]] * cascade.PATIENCE
    read, unread = watcher.look(one)
    assert (read.text, unread.text) == (qris_text(), ""), "it is told then, and not as all there is"
    assert unread.corners[:, 0].min() > 0.5, "where the second stands"
    assert watcher.add(one) == []
    assert len(watcher.add(both)) == 2


@pytest.mark.parametrize("damage", pictures.DAMAGES)
def test_beside_one_code_no_other_is_seen(damage: str) -> None:
    for seed in range(4):
        picture = pictures.scene(damage, "fair", seed).shot(seed)
        evidence = cascade.search(picture, PATIENT_S)
        assert evidence.accepted
        assert not evidence.missed()


def test_the_readers_are_loaded_with_the_first_picture() -> None:
    script = "import sys, attendant_app.app; print('cv2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_damaged_code_gives_no_wrong_text() -> None:
    text = qris_text()
    for seed in range(10):
        random = np.random.default_rng(seed)
        code = drawn(text, 6)
        for _ in range(12):
            y, x = random.integers(0, code.shape[0] - 60, 2)
            code[y : y + 50, x : x + 50] = random.integers(0, 2) * 255
        assert decode(on_canvas(code, 800, 600)) in ([], [text])


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
    assert cascade._carries_proof(text)
    assert not cascade._carries_proof(text.replace("PARKIR", "PARKIB"))
    assert not cascade._carries_proof("https://karcis.example/p/MTG-012-3")


def test_gifs_are_not_taken(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.gif")
    with pytest.raises(PictureError):
        decode_bytes((tmp_path / "a.gif").read_bytes())
