"""One measured figure beside its baseline, over interleaved rounds."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`ratio` is the median of the rounds' own ratios, so that a drifting machine cancels out."""

    name: str
    value: float
    unit: str
    baseline_name: str
    baseline_value: float
    ratio: float
    runs: int
    note: str

    @classmethod
    def of_rounds(
        cls, name: str, unit: str, rounds: list[tuple[float, float]], baseline_name: str, note: str
    ) -> "Figure":
        """Of rounds that were measured already: ours, and the baseline's."""
        return cls(
            name=name,
            value=median(value for value, _ in rounds),
            unit=unit,
            baseline_name=baseline_name,
            baseline_value=median(base for _, base in rounds),
            ratio=median(value / base for value, base in rounds),
            runs=len(rounds),
            note=note,
        )

    def line(self) -> str:
        return (
            f"{self.name}: {self.value:,.0f} {self.unit} against {self.baseline_value:,.0f} of "
            f"{self.baseline_name}: {self.ratio:.2f}x over {self.runs} rounds. {self.note}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    name: str,
    unit: str,
    ours: Callable[[], float],
    baseline_name: str,
    baseline: Callable[[], float],
    rounds: int,
    note: str,
) -> Figure:
    """Measure both in turn, `rounds` times."""
    pairs = [(ours(), baseline()) for _ in range(rounds)]
    return Figure.of_rounds(name, unit, pairs, baseline_name, note)
