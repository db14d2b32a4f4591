"""Where somebody's rate stands among his peers', pure: by quartiles, as box plots have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

FEWEST_PEERS, FEWEST_STAYS = 4, 20
"""Under these a rate says nothing: one claim of three stays is chance."""


class Band(Enum):
    TOO_FEW = auto()
    USUAL = auto()
    HIGH = auto()


@dataclass(frozen=True)
class Bands:
    """`median` and `upper` are hundredths of a percent; none where there are too few peers."""

    of: Mapping[str, Band]
    median: int | None
    upper: int | None


def bands(claims: Mapping[str, tuple[int, int]]) -> Bands:
    """By how many claims each has of how many stays. High is above the upper fence."""
    rates = {
        who: 10_000 * claimed // stays
        for who, (claimed, stays) in claims.items()
        if stays >= FEWEST_STAYS
    }
    if len(rates) < FEWEST_PEERS:
        return Bands(dict.fromkeys(claims, Band.TOO_FEW), None, None)
    ordered = sorted(rates.values())
    low, median, high = (_quartile(ordered, at) for at in (1, 2, 3))
    upper = high + 3 * (high - low) // 2
    placed = {
        who: Band.TOO_FEW if who not in rates else Band.HIGH if rates[who] > upper else Band.USUAL
        for who in claims
    }
    return Bands(placed, median, upper)


def _quartile(ordered: list[int], at: int) -> int:
    """By interpolation between neighbours, as spreadsheets do (QUARTILE.INC)."""
    place, rest = divmod((len(ordered) - 1) * at, 4)
    if not rest:
        return ordered[place]
    return ordered[place] + (ordered[place + 1] - ordered[place]) * rest // 4
