"""A moment as the interface takes it: a text of RFC 3339, with its offset.

Pydantic alone also reads a number as seconds since 1970, which a document of OpenAPI cannot say.
"""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator


def _is_written_out(told: Any) -> Any:
    if isinstance(told, str) and told[4:5] != "-":
        raise ValueError("a moment is written as 2026-11-21T10:00:00+07:00")
    if isinstance(told, int | float):
        raise ValueError("a moment is a text, not a number")  # noqa: TRY004 - for pydantic to tell
    return told


Moment = Annotated[AwareDatetime, BeforeValidator(_is_written_out)]
