"""Facts about printer models, read from `profiles.toml`.

Width, code page, cutter and status differ between models that all claim ESC/POS, so they are data.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from printer.errors import UnknownProfile

DEFAULT = "generic-58"


@dataclass(frozen=True, slots=True)
class Profile:
    """One class of printers; the fields are explained at the top of `profiles.toml`."""

    name: str
    description: str
    language: Literal["escpos", "starprnt", "tspl"]
    paper_mm: int
    dpi: int
    dots: int
    columns: int
    charset: str
    codepage: int
    native_qr: bool
    cutter: Literal["none", "partial", "full"]
    tear_lines: int
    status: Literal["dle-eot", "star", "tspl", "none"]
    acknowledge: Literal["gs-h", "gs-r", "star", "none"]
    chunk_bytes: int
    pace_bytes_s: int
    quirks: frozenset[str]

    @property
    def dots_per_mm(self) -> float:
        """203 dpi is what 8 dots a mm are called."""
        return 8 if self.dpi == 203 else self.dpi / 25.4

    @property
    def paper_dots(self) -> int:
        """The width of the roll, margins included."""
        return round(self.paper_mm * self.dots_per_mm)

    @property
    def line_dots(self) -> int:
        """From one line to the next.

        After ESC @ 3.75 mm, at 180 dpi 1/6 inch; after StarPRNT's ESC z 1 4 mm.
        """
        return 32 if self.language == "starprnt" else 30


@cache
def _all() -> dict[str, Profile]:
    text = Path(__file__).with_name("profiles.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    return {
        name: Profile(name=name, **{**facts, "quirks": frozenset(facts["quirks"])})
        for name, facts in tables.items()
    }


def names() -> list[str]:
    """Names of all profiles, the narrow and plain ones first."""
    return list(_all())


def profile(name: str = DEFAULT) -> Profile:
    """The profile of that name. Raises `UnknownProfile`."""
    try:
        return _all()[name]
    except KeyError:
        raise UnknownProfile(
            f"no printer profile {name!r}; there are: {', '.join(names())}"
        ) from None
