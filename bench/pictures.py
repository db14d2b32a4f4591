"""Pictures of invented QRIS codes as a handheld's camera sees them, each with its truth; seeded.

A scene is a thermal slip or a phone's screen in front of clutter, with one kind of damage at one
level; a shot of it is a frame, and shots in a row, moved by an unsteady hand, are a clip.
"""

import binascii
from dataclasses import dataclass

import cv2
import numpy as np
import segno
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

DAMAGES = ("motion", "defocus", "glare", "low-light", "tilt", "crease", "small", "faint")
# "fair" is what an attendant would call a picture of a code; "hard" is beyond that.
LEVELS = {"easy": 0.4, "fair": 0.8, "hard": 1.1}
MODULE_PX = 8
SHEET = (800, 640)


def payload(random: np.random.Generator) -> str:
    """A dynamic QRIS with an invented merchant, of version 9 to 12 once drawn."""

    def tag(number: str, value: str) -> str:
        return f"{number}{len(value):02d}{value}"

    def digits(count: int) -> str:
        return "".join(map(str, random.integers(0, 10, count)))

    account = tag("00", "ID.CO.CONTOH.WWW") + tag("01", "9360" + digits(14)) + tag("02", digits(15))
    national = tag("00", "ID.CO.QRIS.WWW") + tag("02", "ID10" + digits(11)) + tag("03", "URE")
    merchant = tag("59", f"PARKIR PASAR {digits(int(random.integers(2, 9)))}") + tag("60", "SAMPIT")
    bill = tag("62", tag("01", digits(int(random.integers(6, 24)))) + tag("07", "A01"))
    body = f"000201010212{tag('26', account)}{tag('51', national)}520475235303360"
    body += f"{tag('54', digits(4))}5802ID{merchant}{bill}6304"
    return f"{body}{binascii.crc_hqx(body.encode(), 0xFFFF):04X}"


@dataclass(frozen=True)
class Scene:
    text: str
    sheet: Picture
    clutter: Picture
    pose: Floats  # the sheet's corners, in shares of the frame
    blur_px: float
    motion_px: float
    light: float
    noise: float
    glare: tuple[float, float, float, float] | None  # x, y, length, width: shares of the sheet

    def shot(self, seed: int, unsteadiness: float = 0) -> Picture:
        """One frame. Each seed is another moment: the hand has moved, the noise is another."""
        random = np.random.default_rng(seed)
        height, width = self.clutter.shape[:2]
        sheet = self.sheet.astype(np.float32)
        if self.glare:
            sheet = _lit(sheet, self.glare, random.normal(0, 0.06 * unsteadiness, 2))
        drift = random.normal(0, 0.01, (4, 2)) + random.normal(0, 0.03, 2)
        corners = (self.pose + unsteadiness * drift) * (width, height)
        warp = cv2.getPerspectiveTransform(_corners(SHEET), corners.astype(np.float32))
        frame = cv2.warpPerspective(
            sheet, warp, (width, height), self.clutter.astype(np.float32), cv2.INTER_AREA,
            cv2.BORDER_TRANSPARENT,
        )  # fmt: skip
        breath = 1 + unsteadiness * random.uniform(-0.4, 0.4)
        frame = _defocused(frame, self.blur_px * breath)
        frame = _moved(frame, self.motion_px * breath, random.uniform(0, np.pi))
        frame = frame * self.light + random.normal(0, self.noise, frame.shape)
        grey = np.clip(frame, 0, 255).astype(np.uint8)
        _, jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 85])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def scene(damage: str, level: str, seed: int) -> Scene:
    random = np.random.default_rng([seed, DAMAGES.index(damage), int(LEVELS[level] * 100)])
    much = LEVELS[level]
    has = dict.fromkeys(DAMAGES, 0.25 * much) | {damage: much}
    text = payload(random)
    height, width = ((480, 640), (720, 1280))[random.integers(2)]
    code_px = height * random.uniform(0.5, 0.7) * (1 - 0.5 * has["small"])
    module_px = code_px / segno.make(text, error="m", micro=False).symbol_size(border=0)[0]
    on_phone = random.random() < 0.4
    ink = 20 if on_phone else 45 + 90 * has["faint"]
    sheet = _sheet(text, ink, 255 - 60 * has["faint"])
    if not on_phone:
        sheet = _creased(sheet, 11 * has["crease"], random)
    return Scene(
        text=text,
        sheet=sheet,
        clutter=_clutter(height, width, random),
        pose=_pose(code_px, height, width, has["tilt"], random),
        blur_px=0.5 + module_px * 0.75 * has["defocus"],
        motion_px=module_px * 1.5 * has["motion"],
        light=1 - 0.7 * min(1, has["low-light"]),
        noise=2 + 12 * has["low-light"],
        glare=(
            (*random.uniform(0.3, 0.7, 2), 0.16 * much, 0.05 * much) if damage == "glare" else None
        ),
    )


def _corners(size: tuple[int, int]) -> Floats:
    height, width = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def _sheet(text: str, ink: float, paper: float) -> Picture:
    """The code in the middle, with lines of print over and under it."""
    rows = segno.make(text, error="m", micro=False).matrix_iter(border=0)
    dark = np.kron(np.array(list(rows), np.uint8), np.ones((MODULE_PX, MODULE_PX), np.uint8))
    sheet = np.full(SHEET, paper, np.uint8)
    top, left = (SHEET[0] - len(dark)) // 2, (SHEET[1] - len(dark)) // 2
    sheet[top : top + len(dark), left : left + len(dark)] = np.where(dark, ink, paper)
    for line, y in enumerate((30, 60, SHEET[0] - 50, SHEET[0] - 20)):
        words = f"PARKIR {text[line * 9 + 20 : line * 9 + 40]}"
        cv2.putText(sheet, words, (left, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (int(ink),), 2)
    return sheet


def _creased(sheet: Picture, depth_px: float, random: np.random.Generator) -> Picture:
    """Waves and folds push the print aside and shade it."""
    height, width = SHEET
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    rise = cv2.GaussianBlur(random.normal(0, 1, SHEET).astype(np.float32), (0, 0), 60)
    rise *= depth_px / (np.abs(rise).max() + 1e-6)
    for _ in range(3):
        angle, off = random.uniform(0, np.pi), random.uniform(-0.25, 0.25) * width
        across = (xs - width / 2) * np.cos(angle) + (ys - height / 2) * np.sin(angle) - off
        rise += depth_px * random.uniform(-0.6, 0.6) * np.exp(-np.abs(across) / 40)
    slope = cv2.Sobel(rise, cv2.CV_32F, 1, 1, ksize=5)
    bent = cv2.remap(sheet, xs + rise, ys + 0.7 * rise[::-1], cv2.INTER_LINEAR, borderMode=1)
    return np.clip(bent * (1 - np.clip(0.02 * slope, -0.25, 0.25)), 0, 255).astype(np.uint8)


def _clutter(height: int, width: int, random: np.random.Generator) -> Picture:
    small = random.integers(30, 200, (6, 8), np.uint8)
    clutter = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        points = (random.uniform(0, 1, (3, 2)) * (width, height)).astype(np.int32)
        cv2.fillPoly(clutter, [points], (int(random.integers(20, 200)),))
    return clutter


def _pose(
    code_px: float, height: int, width: int, tilt: float, random: np.random.Generator
) -> Floats:
    scale = code_px / (57 * MODULE_PX)
    angle = random.uniform(-0.5, 0.5)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    flat = (_corners(SHEET) - np.array(SHEET[::-1]) / 2) @ turn * scale
    flat *= 1 + random.uniform(-0.3, 0.3, (4, 1)) * tilt
    middle = np.array((width, height)) / 2 + random.uniform(-0.08, 0.08, 2) * height
    return ((flat + middle) / (width, height)).astype(np.float32)


def _lit(
    sheet: Floats, glare: tuple[float, float, float, float], moved: NDArray[np.float64]
) -> Floats:
    x, y, length, breadth = glare
    spot = np.zeros(SHEET, np.float32)
    middle = (int((x + moved[0]) * SHEET[1]), int((y + moved[1]) * SHEET[0]))
    axes = (int(length * SHEET[1]), int(breadth * SHEET[1]) + 1)
    cv2.ellipse(spot, middle, axes, 30, 0, 360, (1.0,), -1)
    return np.asarray(sheet + 400 * cv2.GaussianBlur(spot, (0, 0), 6), np.float32)


def _defocused(frame: Floats, radius: float) -> Floats:
    reach = int(np.ceil(radius)) + 1
    away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    disk = np.clip(radius + 0.5 - away, 0, 1)
    return np.asarray(cv2.filter2D(frame, -1, disk / disk.sum()), np.float32)


def _moved(frame: Floats, length: float, angle: float) -> Floats:
    if length < 1:
        return frame
    reach = int(np.ceil(length / 2)) + 1
    steps = np.linspace(-length / 2, length / 2, 8 * reach)
    path = np.zeros((2 * reach + 1, 2 * reach + 1))
    rows, columns = reach + steps * np.sin(angle), reach + steps * np.cos(angle)
    np.add.at(path, (np.rint(rows).astype(int), np.rint(columns).astype(int)), 1)
    return np.asarray(cv2.filter2D(frame, -1, path / path.sum()), np.float32)
