"""When a spot, or all of its zone, takes no vehicles: the same for server and handheld.

A handheld knows what is to come with its times, so that it closes a street without a connection.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType


class ClosureReason(StrEnum):
    ROAD = "road"
    EVENT = "event"
    WORKS = "works"
    SAFETY = "safety"

    def label(self, language: str = "id") -> str:
        """The words on screens; English for ``en``, Bahasa for any other language."""
        return _LABELS[self][1 if language == "en" else 0]


_LABELS: Mapping[ClosureReason, tuple[str, str]] = MappingProxyType(
    {
        ClosureReason.ROAD: ("jalan ditutup", "road closed"),
        ClosureReason.EVENT: ("ada acara", "an event"),
        ClosureReason.WORKS: ("ada pekerjaan jalan", "road works"),
        ClosureReason.SAFETY: ("demi keselamatan", "for safety"),
    }
)


@dataclass(frozen=True, slots=True)
class Closure:
    """A zone, or where ``spot`` is not empty that one spot, from ``starts`` until just before
    ``ends``; without an end, until further notice. Both times are aware.
    """

    zone: str
    spot: str
    starts: datetime
    ends: datetime | None
    reason: ClosureReason

    def covers(self, spot: str, at: datetime) -> bool:
        """Whether the spot of that code is closed by this at that moment."""
        its = spot == self.spot if self.spot else spot.startswith(f"{self.zone}-")
        return its and self.starts <= at and (self.ends is None or at < self.ends)


def periods(closures: Iterable[Closure], spot: str) -> list[tuple[datetime, datetime | None]]:
    """From when until when a spot is closed, in order and apart, whatever closes it."""
    apart: list[tuple[datetime, datetime | None]] = []
    own = [closure for closure in closures if closure.covers(spot, closure.starts)]
    for closure in sorted(own, key=lambda each: each.starts):
        last = apart[-1] if apart else None
        if last is None or (last[1] is not None and last[1] < closure.starts):
            apart.append((closure.starts, closure.ends))
        elif last[1] is not None and (closure.ends is None or closure.ends > last[1]):
            apart[-1] = last[0], closure.ends
    return apart


_NO_END = datetime.max.replace(tzinfo=UTC)


def closed(closures: Iterable[Closure], spot: str, at: datetime) -> Closure | None:
    """Of those that close a spot now the one that lasts longest; None where it is open."""
    found = [closure for closure in closures if closure.covers(spot, at)]
    return max(found, key=lambda closure: closure.ends or _NO_END, default=None)
