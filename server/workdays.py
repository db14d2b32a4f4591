"""The office's working days: no weekends, no holidays of the country, none of the regency's own."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import holidays

COLUMNS = ("date", "name")
SATURDAY = 6
NAMELESS = "Hari libur daerah / Local holiday"
"""In both languages: names of holidays are shown as they are on pages of either."""


class HolidaysUnfit(ValueError):
    """A file of holidays that cannot be read; the message names the line."""


class Workdays:
    """`own` are days on which this regency's offices are closed, beside those of the country.

    National holidays and the joint leave that the government adds (cuti bersama) come with the
    library; those of the Islamic calendar may be a day off in years not yet decreed.
    """

    def __init__(self, own: dict[date, str]) -> None:
        self._closed = holidays.country_holidays("ID", categories=("government", "public"))
        self._public = holidays.country_holidays("ID", categories=("public",), language="id")
        self._own = own

    @classmethod
    def read(cls, path: Path | None) -> "Workdays":
        """With the regency's own days from CSV (date,name); raises HolidaysUnfit."""
        return cls({} if path is None else _own(path))

    def is_open(self, day: date) -> bool:
        return day.isoweekday() < SATURDAY and not self._is_holiday(day)

    def _is_holiday(self, day: date) -> bool:
        return day in self._own or day in self._closed

    def holidays(self, today: date) -> dict[date, str]:
        """With their names, from a month ago to the end of next year, without joint leave.

        On days of joint leave offices are closed, but they are no public holidays.
        """
        first, last = today - timedelta(days=31), date(today.year + 1, 12, 31)
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        named = ((day, self._own.get(day) or self._public.get(day)) for day in days)
        return {
            day: name or NAMELESS for day, name in named if name is not None or day in self._own
        }

    def kept(self, day: date) -> date:
        """The day on which what is set for a day is done: the next working day for a holiday.

        A rule that names a Sunday means it.
        """
        return self.after(day, 1) if self._is_holiday(day) else day

    def after(self, day: date, count: int) -> date:
        """The working day that is this many working days after."""
        while count:
            day += timedelta(days=1)
            count -= self.is_open(day)
        return day

    def late(self, due_on: date, day: date) -> int:
        """How many working days a day is past the one it was due on; 0 for one in time."""
        span = range((day - due_on).days)
        return sum(self.is_open(due_on + timedelta(days=n + 1)) for n in span)


def _own(path: Path) -> dict[date, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise HolidaysUnfit(str(exc)) from exc
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise HolidaysUnfit(f"{path}: the first line must be: {','.join(COLUMNS)}")
    found = {}
    try:
        for line in reader:
            found[date.fromisoformat(line["date"] or "")] = line["name"] or ""
    except (ValueError, csv.Error) as exc:
        raise HolidaysUnfit(f"{path}: line {reader.line_num}: {exc}") from exc
    return found
