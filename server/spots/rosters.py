"""A CSV of attendants with their spots, taken in by one officer for another to approve."""

from datetime import date, datetime, time
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Faults, FileRefused, Problem
from server.identity import attendants
from server.identity.attendants import Particulars
from server.spots import assignments
from server.spots.assignments import Hours
from server.spots.service import at_line, csv_lines

COLUMNS = (
    "code", "name", "nik", "sk_number", "sk_from", "sk_until", "spots", "days", "starts", "ends",
)  # fmt: skip
MOST_LINES = 5_000


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
    """Ask for every attendant of a file, all or none; how many. Raises FileRefused.

    They are of the officer's unit where none is told.
    """
    faults, count = Faults(), 0
    for number, line in csv_lines(text, COLUMNS, faults):
        count += 1
        if count > MOST_LINES:
            raise FileRefused(f"at most {MOST_LINES} lines", f"paling banyak {MOST_LINES} baris")
        with faults.gathered(*at_line(number)):
            async with db.begin_nested():
                await _take(db, by, line, why, key, unit_id, today, now)
    faults.refuse_any()
    return count


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
    told = {name: value.strip() for name, value in line.items()}
    for name, value in told.items():
        if not value.isprintable():
            raise FileRefused(
                f"{name} has signs that cannot be printed",
                f"{name} memuat tanda yang tidak dapat dicetak",
            )
    person = Particulars(
        told["name"],
        told["nik"],
        told["sk_number"],
        _day(told, "sk_from"),
        _day(told, "sk_until"),
    )
    code = told["code"].upper()
    try:
        added = await attendants.add(db, by, code, person, why, key, unit_id=unit_id, now=now)
        if told["spots"]:
            days = frozenset(int(sign) for sign in told["days"] if sign.isdecimal())
            hours = Hours(days, _time(told, "starts"), _time(told, "ends"), person.sk_from or today)
            await assignments.assign(db, by, added, told["spots"].split(), hours, now=now)
    except Problem as exc:
        # In words that hold nothing of a NIK.
        detail = f" ({exc.detail})" if exc.detail else ""
        raise FileRefused(exc.title_en + detail, exc.title_id + detail) from exc


def _day(told: dict[str, str], name: str) -> date | None:
    try:
        return date.fromisoformat(told[name]) if told[name] else None
    except ValueError as exc:
        raise FileRefused(
            f"{name} is no date like 2026-11-22", f"{name} bukan tanggal seperti 2026-11-22"
        ) from exc


def _time(told: dict[str, str], name: str) -> time:
    try:
        return time.fromisoformat(told[name])
    except ValueError as exc:
        raise FileRefused(
            f"{name} is no time like 07:00", f"{name} bukan jam seperti 07:00"
        ) from exc
