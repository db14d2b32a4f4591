"""Reads a code that was found but not understood: creased paper, cloth, blur.

Three things are undone that no reader undoes. The bend: edges between modules lie on the lattice,
so their phase tells everywhere how far the lattice was pushed aside. The blur: a linear equaliser
is fitted to the modules whose colour the standard prescribes, then to its own decisions. Damage
to those prescribed modules: they are drawn as they must be. What comes out is a clean drawing,
which zxing-cpp reads; its error correction judges.
"""

import heapq
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import segno
import zxingcpp
from numpy.typing import NDArray
from segno import consts

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Place = tuple[int, int]

PX = 6  # a module's side in the flattened picture; even, for samples at half modules
MARGIN = 4  # modules around the code that are looked at as well
REACH = 3  # modules within which a finder or alignment pattern is looked for
TAPS = 6  # half modules on a side that the equaliser sees
ROUNDS = 6
MAX_VERSION = 25
MIN_AGREEMENT = 0.3  # correlation above which two looks may be added
MIN_LIKENESS = 0.55  # correlation above which a pattern counts as seen

QR_ONLY = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])


@dataclass(frozen=True)
class Attempt:
    """What became of one look at a code: its text, or at least how light each module seemed."""

    version: int
    light: Floats  # around -1 dark, around 1 light; exact where the standard prescribes
    text: str | None


def attempt(grey: Grey, corners: Floats, version: int) -> Attempt:
    """Look at the code of this version, 1 to MAX_VERSION, with these outer corners in pixels."""
    symbol = _symbol(version)
    flat = _flattened(grey, corners, symbol)
    stiff = _understood(flat, symbol)
    if stiff.text:
        return stiff
    bent = _understood(_straightened(flat, symbol), symbol)
    return bent if bent.text or _decisive(bent) > _decisive(stiff) else stiff


def _decisive(attempt: Attempt) -> float:
    return float(np.minimum(np.abs(attempt.light), 1).mean())


def gathered(attempts: list[Attempt]) -> str | None:
    """What several looks at one code tell together: damage differs, the modules do not."""
    return _text_of(np.clip([attempt.light for attempt in attempts], -1, 1).sum(axis=0))


def alike(one: Attempt, other: Attempt) -> bool:
    """Whether both may be looks at the same code; by chance the modules of two do not agree."""
    if one.version != other.version:
        return False
    content = _inner(_symbol(one.version)) == 0
    return float(np.corrcoef(one.light[content], other.light[content])[0, 1]) > MIN_AGREEMENT


@dataclass(frozen=True)
class _Symbol:
    """What the standard prescribes for a version, with MARGIN modules around it."""

    version: int
    side: int
    prescribed: Floats  # 1 light, -1 dark, 0 where the content decides
    finders: tuple[Place, ...]  # middles: row, column
    alignments: tuple[Place, ...]

    def marks(self) -> list[tuple[Place, Grey]]:
        """Places with the pattern that belongs there; finders first, the last alignment last."""
        finders = [(place, _FINDER) for place in self.finders]
        return finders + [(place, _ALIGNMENT) for place in self.alignments]


@lru_cache(maxsize=MAX_VERSION)
def _symbol(version: int) -> _Symbol:
    drawn = segno.make("0", version=version, error="l", boost_error=False)
    kinds = np.array(list(drawn.matrix_iter(border=MARGIN, verbose=True)))
    content = (
        consts.TYPE_DATA_DARK,
        consts.TYPE_DATA_LIGHT,
        consts.TYPE_FORMAT_DARK,
        consts.TYPE_FORMAT_LIGHT,
    )
    # In segno's numbers dark kinds, and only they, use the upper byte.
    prescribed = np.where(np.isin(kinds, content), 0, np.where(kinds >> 8, -1, 1))
    alignment = (consts.TYPE_ALIGNMENT_PATTERN_DARK, consts.TYPE_ALIGNMENT_PATTERN_LIGHT)
    middles = cv2.erode(np.isin(kinds, alignment).astype(np.uint8), np.ones((5, 5), np.uint8))
    near, far = MARGIN + 3, len(kinds) - MARGIN - 4
    return _Symbol(
        version=version,
        side=len(kinds),
        prescribed=prescribed.astype(np.float32),
        finders=((near, near), (near, far), (far, near)),
        alignments=tuple((int(row), int(column)) for row, column in np.argwhere(middles)),
    )


# Where the code lies


def _pattern(rings: str) -> Grey:
    """Square rings from the middle outwards, `#` dark, softened as a lens would."""
    last = len(rings) - 1
    away = np.abs(np.arange(-last, last + 1))
    light = np.array([255 if ring == " " else 0 for ring in rings], np.uint8)
    sharp = np.kron(light[np.maximum(away[:, None], away)], np.ones((PX, PX), np.uint8))
    return np.asarray(cv2.GaussianBlur(sharp, (0, 0), PX / 2), np.uint8)


_FINDER = _pattern("## # ")
_ALIGNMENT = _pattern("# #")


def _middle(place: Place) -> tuple[float, float]:
    """A module's middle in pixels of the flattened picture: x, y."""
    row, column = place
    return (column + 0.5) * PX - 0.5, (row + 0.5) * PX - 0.5


def _seen(flat: Grey, pattern: Grey, place: Place) -> tuple[float, float] | None:
    """Where the pattern that belongs at the place is: x, y in pixels. None if it is not seen."""
    x, y = _middle(place)
    half = (len(pattern) - 1) / 2
    left = max(0, round(x - half) - REACH * PX)
    top = max(0, round(y - half) - REACH * PX)
    width = len(pattern) + 2 * REACH * PX
    window = flat[top : top + width, left : left + width]
    likeness = cv2.matchTemplate(window, pattern, cv2.TM_CCOEFF_NORMED)
    rows, columns = np.indices(likeness.shape)
    away = np.hypot(columns + left + half - x, rows + top + half - y) / PX
    _, best, _, (column, row) = cv2.minMaxLoc(likeness - (0.03 * away).astype(np.float32))
    return (left + column + half, top + row + half) if best > MIN_LIKENESS else None


def _flattened(grey: Grey, corners: Floats, symbol: _Symbol) -> Grey:
    """The code from straight above, moved so that finders and the last alignment pattern fit."""
    size = (symbol.side * PX, symbol.side * PX)
    near, far = MARGIN * PX - 0.5, (symbol.side - MARGIN) * PX - 0.5
    square = np.array([(near, near), (far, near), (far, far), (near, far)], np.float32)
    warp: NDArray[Any] = cv2.getPerspectiveTransform(corners, square)
    marks = symbol.marks()
    marks = marks[:3] + marks[3:][-1:]
    meant = [_middle(place) for place, _ in marks]
    for _ in range(2):
        flat = _warped(grey, warp, size)
        seen = [_seen(flat, pattern, place) or _middle(place) for place, pattern in marks]
        if len(marks) == 3:  # version 1 has no alignment pattern: its corner stays
            seen, meant = [*seen, (far, far)], [*meant[:3], (far, far)]
        moved = cv2.getPerspectiveTransform(np.array(seen, np.float32), np.array(meant, np.float32))
        warp = moved @ warp
    return _warped(grey, warp, size)


def _warped(grey: Grey, warp: NDArray[Any], size: tuple[int, int]) -> Grey:
    warped = cv2.warpPerspective(grey, warp, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


# How it is bent


@dataclass(frozen=True)
class _Aside:
    """How far the lattice was pushed aside at each module, in modules, and how surely."""

    x: Floats
    y: Floats
    sure_x: Floats
    sure_y: Floats


def _straightened(flat: Grey, symbol: _Symbol) -> Grey:
    phases = _phases(flat, symbol, 2.5)
    aside = _unwrapped(phases, dict.fromkeys(symbol.finders, (0.0, 0.0)))
    # Where following took a wrong turn, the patterns beyond are off by whole modules.
    if anchors := _anchors(_pulled(flat, _smooth(aside)), symbol, aside):
        aside = _unwrapped(phases, anchors)
    x, y = _smooth(aside)
    rest_x, rest_y = _smooth(_phases(_pulled(flat, (x, y)), symbol, 1.5))
    return _pulled(flat, (x + rest_x, y + rest_y))


def _anchors(straight: Grey, symbol: _Symbol, aside: _Aside) -> dict[Place, tuple[float, float]]:
    """How far aside each pattern that is seen really lies, in modules."""
    anchors = {}
    for place, pattern in symbol.marks():
        if seen := _seen(straight, pattern, place):
            x, y = _middle(place)
            anchors[place] = (
                float(aside.x[place]) + (seen[0] - x) / PX,
                float(aside.y[place]) + (seen[1] - y) / PX,
            )
    return anchors


def _phases(flat: Grey, symbol: _Symbol, spread: float) -> _Aside:
    """The phase of edges against the lattice, over `spread` modules; whole modules are lost."""
    turn = (2 * np.pi / PX) * (np.arange(len(flat), dtype=np.float32) + 0.5)
    found = []
    for wave, order in ((turn[None, :], (1, 0)), (turn[:, None], (0, 1))):
        edges = np.abs(cv2.Sobel(flat, cv2.CV_32F, *order))
        parts = [
            cv2.GaussianBlur(
                cv2.resize(edges * part, (symbol.side, symbol.side), interpolation=cv2.INTER_AREA),
                (0, 0),
                spread,
            )
            for part in (np.cos(wave), np.sin(wave))
        ]
        found.append((np.arctan2(parts[1], parts[0]) / (2 * np.pi), np.hypot(*parts)))
    (x, sure_x), (y, sure_y) = found
    return _Aside(x, y, sure_x, sure_y)


def _unwrapped(phases: _Aside, anchors: dict[Place, tuple[float, float]]) -> _Aside:
    """Whole modules given back, from the anchors outwards, the surest neighbour first.

    Every other module is enough to follow; the ones between take the nearest whole number.
    """
    x, y = phases.x[::2, ::2].tolist(), phases.y[::2, ::2].tolist()
    doubt = (-np.minimum(phases.sure_x, phases.sure_y)[::2, ::2]).tolist()
    side = len(x)
    done = [[False] * side for _ in range(side)]
    waiting = [(-np.inf, row // 2, column // 2, *at) for (row, column), at in anchors.items()]
    heapq.heapify(waiting)
    while waiting:
        _, row, column, near_x, near_y = heapq.heappop(waiting)
        if done[row][column]:
            continue
        done[row][column] = True
        here_x = x[row][column] = x[row][column] + round(near_x - x[row][column])
        here_y = y[row][column] = y[row][column] + round(near_y - y[row][column])
        for v, u in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if 0 <= v < side and 0 <= u < side and not done[v][u]:
                heapq.heappush(waiting, (doubt[v][u], v, u, here_x, here_y))

    def whole(followed: list[list[float]], phase: Floats) -> Floats:
        between = np.kron(np.array(followed, np.float32), np.ones((2, 2), np.float32))
        whole_modules = np.round(between[: len(phase), : len(phase)] - phase)
        return np.asarray(phase + whole_modules, np.float32)

    return _Aside(whole(x, phases.x), whole(y, phases.y), phases.sure_x, phases.sure_y)


def _smooth(aside: _Aside) -> tuple[Floats, Floats]:
    def even(shift: Floats, sure: Floats) -> Floats:
        weight = sure + 1e-6
        smooth = cv2.GaussianBlur(shift * weight, (0, 0), 1) / cv2.GaussianBlur(weight, (0, 0), 1)
        return np.asarray(smooth, np.float32)

    return even(aside.x, aside.sure_x), even(aside.y, aside.sure_y)


def _pulled(flat: Grey, shift: tuple[Floats, Floats]) -> Grey:
    along = np.arange(len(flat), dtype=np.float32)
    x, y = (cv2.resize(part, flat.shape) * PX for part in shift)
    places = (x + along, y + along[:, None])
    pulled = cv2.remap(flat, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(pulled, np.uint8)


# What the modules say


def _understood(flat: Grey, symbol: _Symbol) -> Attempt:
    """Decide each module, learning the blur from the prescribed ones and then from all."""
    prescribed = _inner(symbol)
    known = prescribed != 0
    samples = _samples(flat, symbol)
    centre = slice(TAPS // 2 - 1, TAPS // 2 + 1)
    light = samples.reshape(*prescribed.shape, TAPS, TAPS)[..., centre, centre].mean((2, 3))
    taps = np.column_stack((samples, np.ones(len(samples), np.float32)))
    ridge = 2 * np.eye(taps.shape[1], dtype=np.float32)
    decided = np.zeros_like(light)
    for _ in range(ROUNDS):
        light = np.where(known, prescribed, light)
        before, decided = decided, np.where(light > 0, 1, -1).astype(np.float32)
        if (before == decided).all():
            break
        if text := _text_of(decided):
            return Attempt(symbol.version, light, text)
        trust = np.sqrt(np.where(known, 2, np.minimum(1, np.abs(light)))).reshape(-1, 1)
        # By OpenCV: numpy's library would wake a thread a core, which costs more than the sum.
        equations = np.column_stack((taps, decided.ravel())) * trust
        squares = cv2.mulTransposed(equations.astype(np.float32), aTa=True)
        fit = np.linalg.solve(squares[:-1, :-1] + ridge, squares[:-1, -1])
        light = (taps * fit).sum(axis=1).reshape(prescribed.shape)
    return Attempt(symbol.version, np.where(known, prescribed, light), None)


def _inner(symbol: _Symbol) -> Floats:
    inner = slice(MARGIN, symbol.side - MARGIN)
    return symbol.prescribed[inner, inner]


def _samples(flat: Grey, symbol: _Symbol) -> Floats:
    """For each module the half modules around it, freed of the light's local level and strength."""
    halves = cv2.resize(flat, (2 * symbol.side, 2 * symbol.side), interpolation=cv2.INTER_AREA)
    halves = halves.astype(np.float32)
    level = cv2.blur(halves, (15, 15))
    strength = np.sqrt(np.maximum(cv2.blur(halves * halves, (15, 15)) - level * level, 16))
    around = TAPS // 2 - 1
    first, last = 2 * MARGIN - around, 2 * (symbol.side - MARGIN) + around
    even = ((halves - level) / strength)[first:last, first:last]
    windows = np.lib.stride_tricks.sliding_window_view(even, (TAPS, TAPS))[::2, ::2]
    return np.ascontiguousarray(windows.reshape(-1, TAPS * TAPS))


def _text_of(light: Floats) -> str | None:
    drawing = np.pad(np.where(light > 0, 255, 0).astype(np.uint8), MARGIN, constant_values=255)
    for symbol in zxingcpp.read_barcodes(
        np.kron(drawing, np.ones((3, 3), np.uint8)),
        formats=QR_ONLY,
        try_downscale=False,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
        binarizer=zxingcpp.Binarizer.FixedThreshold,
    ):
        return str(symbol.text)
    return None
