"""How well the server was heard at each spot, kept in memory until the office has been told."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

MOST_SPOTS = 20
MOST_TIMES = 300


@dataclass
class Heard:
    """The pulses sent at one spot: how many, how many got no answer, how long the others took."""

    pulses: int = 0
    lost: int = 0
    times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TIMES))

    def told(self, spot: str) -> dict[str, Any]:
        told: dict[str, Any] = {"spot": spot, "pulses": self.pulses, "lost": self.lost}
        return told | ({"median_ms": round(median(self.times_ms))} if self.times_ms else {})


class Signals:
    """`spot` is where the attendant works, as the screen says; before that nothing is counted."""

    def __init__(self) -> None:
        self.spot: str | None = None
        self._heard: dict[str, Heard] = {}

    def note(self, taken_ms: float | None) -> None:
        """One pulse, and how long its answer took; None where there was none."""
        if self.spot is None or (len(self._heard) == MOST_SPOTS and self.spot not in self._heard):
            return
        here = self._heard.setdefault(self.spot, Heard())
        here.pulses += 1
        if taken_ms is None:
            here.lost += 1
        else:
            here.times_ms.append(taken_ms)

    def take(self) -> dict[str, Heard]:
        """What is to be told now; `put_back` it where nobody heard it."""
        taken, self._heard = self._heard, {}
        return taken

    def put_back(self, taken: dict[str, Heard]) -> None:
        for spot, before in taken.items():
            since = self._heard.get(spot, Heard())
            before.pulses += since.pulses
            before.lost += since.lost
            before.times_ms.extend(since.times_ms)
        self._heard |= taken
