"""A CSV of attendants with their spots, taken in by one officer for another to approve."""

import csv
import io
from datetime import date, datetime, time
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Problem
from server.identity import attendants
from server.identity.attendants import Particulars
from server.spots import assignments
from server.spots.assignments import Hours

COLUMNS = (
    "code", "name", "nik", "sk_number", "sk_from", "sk_until", "spots", "days", "starts", "ends",
)  # fmt: skip
MOST_LINES = 5_000


class RosterUnfit(ValueError):
    """A file that cannot be taken in: every bad line, by its number and what is wrong."""


async def take_in(
    db: AsyncSession,
    by: UUID,
    text: str,
    why: str,
    key: SecretStr | None,
    *,
    unit_id: UUID | None = None,
    today: date,
    now: datetime,
) -> int:
    """Ask for every attendant of a file, all or none; how many. Raises RosterUnfit.

    They are of the officer's unit where none is told.
    """
    bad: list[str] = []
    lines = _lines(text)
    for number, line in lines:
        try:
            async with db.begin_nested():
                await _take(db, by, line, why, key, unit_id, today, now)
        except (Problem, ValueError) as exc:
            bad.append(f"line {number}: {_said(exc)}")
    if bad:
        raise RosterUnfit("\n".join(bad))
    return len(lines)


def _lines(text: str) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RosterUnfit(f"the first line must be: {','.join(COLUMNS)}")
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as exc:
        raise RosterUnfit(f"line {reader.line_num + 1}: {exc}") from exc
    if len(lines) > MOST_LINES:
        raise RosterUnfit(f"at most {MOST_LINES} lines")
    return lines


async def _take(
    db: AsyncSession,
    by: UUID,
    line: dict[str, str],
    why: str,
    key: SecretStr | None,
    unit_id: UUID | None,
    today: date,
    now: datetime,
) -> None:
    if None in line or None in line.values():
        raise ValueError(f"want {len(COLUMNS)} columns")
    told = {name: value.strip() for name, value in line.items()}
    for name, value in told.items():
        if not value.isprintable():
            raise ValueError(f"{name} has signs that cannot be printed")
    person = Particulars(
        told["name"],
        told["nik"],
        told["sk_number"],
        _day(told, "sk_from"),
        _day(told, "sk_until"),
    )
    code = told["code"].upper()
    added = await attendants.add(db, by, code, person, why, key, unit_id=unit_id, now=now)
    if told["spots"]:
        days = frozenset(int(sign) for sign in told["days"] if sign.isdecimal())
        hours = Hours(days, _time(told, "starts"), _time(told, "ends"), person.sk_from or today)
        await assignments.assign(db, by, added, told["spots"].split(), hours, now=now)


def _day(told: dict[str, str], name: str) -> date | None:
    try:
        return date.fromisoformat(told[name]) if told[name] else None
    except ValueError as exc:
        raise ValueError(f"{name} is no date like 2026-11-22") from exc


def _time(told: dict[str, str], name: str) -> time:
    try:
        return time.fromisoformat(told[name])
    except ValueError as exc:
        raise ValueError(f"{name} is no time like 07:00") from exc


def _said(exc: Exception) -> str:
    """In words that hold nothing of a NIK."""
    if isinstance(exc, Problem):
        return f"{exc.title_en}{f' ({exc.detail})' if exc.detail else ''}"
    return str(exc)
