"""Reads JSON bodies field by field, so that each fault gets the SNAP code that names it."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_AMOUNT = re.compile(r"\d{1,16}\.\d\d", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]+")
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Refused(Exception):
    """An answer other than success: HTTP status, two-digit case and what SNAP calls it."""

    def __init__(self, status: int, case: str, message: str, **body: str) -> None:
        super().__init__(message)
        self.status = status
        self.case = case
        self.message = message
        self.body = body


def bad_format(name: str) -> Refused:
    return Refused(400, "01", f"Invalid Field Format {{{name}}}")


def missing(name: str) -> Refused:
    return Refused(400, "02", f"Invalid Mandatory Field {{{name}}}")


async def read_body(request: Request, limit_bytes: int) -> bytes | None:
    """The whole body; None as soon as it proves longer than the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            return None
    return bytes(body)


def timestamp(text: str) -> datetime | None:
    """An aware datetime from `yyyy-MM-ddTHH:mm:ssTZD`, with or without fractions of a second."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Fields:
    """A JSON object and where it stands in the body (`path` is empty at the top)."""

    values: dict[str, Any]
    path: str = ""

    @classmethod
    def parse(cls, body: bytes) -> "Fields":
        try:
            values = json.loads(body.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Refused(400, "00", "Bad Request") from None
        if not isinstance(values, dict):
            raise Refused(400, "00", "Bad Request")
        return cls(values)

    def text(
        self,
        name: str,
        limit: int,
        *,
        required: bool = False,
        pattern: re.Pattern[str] = _PRINTABLE,
    ) -> str | None:
        """A string of 1 to `limit` characters; an empty one counts as absent."""
        value = self.values.get(name)
        if value is None or value == "":
            if required:
                raise missing(self.path + name)
            return None
        if not isinstance(value, str) or len(value) > limit or not pattern.fullmatch(value):
            raise bad_format(self.path + name)
        return value

    def required(self, name: str, limit: int, *, pattern: re.Pattern[str] = _PRINTABLE) -> str:
        value = self.text(name, limit, required=True, pattern=pattern)
        assert value is not None
        return value

    def inner(self, name: str, *, required: bool = False) -> "Fields | None":
        value = self.values.get(name)
        if value is None:
            if required:
                raise missing(self.path + name)
            return None
        if not isinstance(value, dict):
            raise bad_format(self.path + name)
        return Fields(value, f"{self.path}{name}.")

    def amount_rp(self, name: str, *, required: bool = False) -> int | None:
        """Whole rupiah from SNAP's amount object. Cents other than 00 are an invalid amount."""
        amount = self.inner(name, required=required)
        if amount is None:
            return None
        value = amount.required("value", 19, pattern=_AMOUNT)
        if amount.required("currency", 3) != "IDR":
            raise bad_format(f"{amount.path}currency")
        rupiah, cents = value.split(".")
        if cents != "00":
            raise Refused(404, "13", "Invalid Amount")
        return int(rupiah)

    def moment(self, name: str) -> datetime | None:
        value = self.text(name, 35)
        if value is None:
            return None
        moment = timestamp(value)
        if moment is None:
            raise bad_format(self.path + name)
        return moment


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
