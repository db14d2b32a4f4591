"""Moments as the interface takes them, and days as people read them."""

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator


def _is_written_out(told: Any) -> Any:
    if isinstance(told, str) and told[4:5] != "-":
        raise ValueError("a moment is written as 2026-11-21T10:00:00+07:00")
    if isinstance(told, int | float):
        raise ValueError("a moment is a text, not a number")  # noqa: TRY004 - for pydantic to tell
    return told


Moment = Annotated[AwareDatetime, BeforeValidator(_is_written_out)]
"""A text of RFC 3339, with its offset.

Pydantic alone also reads a number as seconds since 1970, which a document of OpenAPI cannot say.
"""

_MONTHS = {
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}


def day_text(day: date | str, language: str) -> str:
    """21 Nov 2026, also of a day as JSON keeps it."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}"
