"""Finds the corner marks of codes, also of one that no reader finds.

A reader needs all three marks of a code. Glare on one of them hides the code, and whoever looks at
what was read believes to have seen everything. Here two marks tell that a code stands there.
"""

from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mark = tuple[float, float, float]
"""Its middle, x and y, and the side of a module, in pixels."""

MAX_SIDE = 1000
"""A larger picture takes long; a frame as the page sends it is smaller."""
STEP = 3
"""Rows and columns from one looked at to the next."""
MODULE_PX = (2, 60)
SURE = 3
"""Crossings of a row with a column that show a mark: noise shows fewer in one place."""
MOST = 600
"""Runs that are compared: a picture of nothing but stripes must not take long."""
APART = (12, 120)
"""Modules from one mark of a code to another, by the standard 14 to 170; no frame holds so many."""
DARKER_BY = 8
SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
MARGIN = 0.2
"""Part of a code's size around it that is taken as its own: a reader's corners are not exact."""


def beside(grey: Grey, read: list[Floats]) -> list[Floats]:
    """The corners of each mark that is not of the codes with these corners.

    Corners are fractions of the picture's sides. A mark counts with another that may be of the same
    code: of its size, and as far away as the standard puts it.
    """
    times = -(-max(grey.shape) // MAX_SIDE)
    if times > 1:
        less = 1 / times  # a whole part: any other is slow to average
        small = cv2.resize(grey, None, fx=less, fy=less, interpolation=cv2.INTER_AREA)
        grey = np.asarray(small, np.uint8)
    sides = np.array(grey.shape[::-1], np.float32)
    dark = _dark(grey)
    for corners in read:
        hull = cv2.convexHull((corners * sides).astype(np.float32))
        middle = hull.mean(axis=0)
        grown = middle + (hull - middle) * (1 + MARGIN)
        cv2.fillConvexPoly(dark, np.rint(grown).astype(np.int32), 0)
    found = _crossed(_runs(dark), _runs(np.asarray(cv2.transpose(dark), np.uint8)))
    fellows = {mark for pair in combinations(found, 2) if _of_one_code(*pair) for mark in pair}
    return [_corners(mark) / sides for mark in sorted(fellows)]


def _corners(mark: Mark) -> Floats:
    x, y, module = mark
    return np.asarray((x, y) + 3.5 * module * SQUARE, np.float32)


def _dark(grey: Grey) -> Grey:
    """1 where a pixel is darker than what is around it."""
    around = max(15, min(grey.shape) // 10 | 1)
    below = cv2.subtract(cv2.boxFilter(grey, -1, (around, around)), grey)
    return np.asarray(cv2.threshold(below, DARKER_BY, 1, cv2.THRESH_BINARY)[1], np.uint8)


def _runs(dark: Grey) -> Floats:
    """Where a row is dark, light, dark, light, dark by 1:1:3:1:1: middle, row and module's side."""
    rows = np.zeros((-(-dark.shape[0] // STEP), dark.shape[1] + 2), np.uint8)
    rows[:, 1:-1] = dark[::STEP]  # light at both ends, so that a run ends with its row
    flat = rows.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    if len(edges) < 6:
        return np.empty((0, 3), np.float32)
    lengths = np.diff(edges)
    first = np.arange(0, len(lengths) - 4, 2)
    module = (edges[first + 5] - edges[first]) / 7
    wide = lengths[first + 2] / module
    likely = (module >= MODULE_PX[0]) & (module <= MODULE_PX[1]) & (wide >= 2) & (wide <= 4)
    first, module = first[likely], module[likely]
    fits = edges[first] // rows.shape[1] == edges[first + 5] // rows.shape[1]
    for narrow in (0, 1, 3, 4):
        fits &= np.abs(lengths[first + narrow] - module) <= 0.6 * module + 0.5
    row, column = np.divmod(edges[first[fits]], rows.shape[1])
    module = module[fits]
    runs = np.stack([column + 3.5 * module - 0.5, row * STEP, module], axis=1)
    return runs[:: 1 + len(runs) // MOST].astype(np.float32)


def _crossed(across: Floats, down: Floats) -> list[Mark]:
    """Where rows and columns show a mark in the same place."""
    x, row, wide = (across[:, None, place] for place in range(3))
    y, column, high = (down[None, :, place] for place in range(3))
    near = (np.abs(x - column) <= np.maximum(1.5 * high, STEP)) & (
        np.abs(y - row) <= np.maximum(1.5 * wide, STEP)
    )
    near &= np.maximum(wide, high) <= 1.8 * np.minimum(wide, high)
    times: dict[Mark, int] = {}
    for one, other in np.argwhere(near):
        place = float(across[one, 0]), float(down[other, 0])
        module = float(across[one, 2] + down[other, 2]) / 2
        known = next((mark for mark in times if _away(mark, place) < 2 * module), None)
        mark = known or (*place, module)
        times[mark] = times.get(mark, 0) + 1
    return [mark for mark, count in times.items() if count >= SURE]


def _away(mark: Mark, place: tuple[float, float]) -> float:
    return max(abs(mark[0] - place[0]), abs(mark[1] - place[1]))


def _of_one_code(one: Mark, other: Mark) -> bool:
    small, large = sorted((one[2], other[2]))
    apart = float(np.hypot(one[0] - other[0], one[1] - other[1]))
    return large < 1.5 * small and APART[0] * small < apart < APART[1] * large
