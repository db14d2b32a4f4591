"""Which business day a moment falls on: days end at midnight, or at the hour a regency sets. Pure.

Some regencies close their books in the evening: what is paid at 22.10 counts for the day after.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

EARLIEST, MIDNIGHT = 12, 24
RULE = re.compile(r"(?:(\d{4}-\d{2}-\d{2}) )?(\d{2})[.:]00")


@dataclass(frozen=True)
class BusinessDays:
    """When days end, in the regency's zone: from the first of a rule's days until the next rule."""

    timezone: ZoneInfo
    rules: tuple[tuple[date, int], ...] = ()
    """From which day on, oldest first, and at which hour a day ends."""

    @classmethod
    def read(cls, text: str, timezone: ZoneInfo) -> "BusinessDays":
        """Of "24.00", or "24.00, 2027-01-01 22.00": the first has no day, the others follow in
        order. Raises ValueError.
        """
        rules: list[tuple[date, int]] = []
        for part in text.split(","):
            told = RULE.fullmatch(part.strip())
            if told is None or bool(rules) != (told[1] is not None):
                raise ValueError(f"not an hour at which a day ends: {part.strip()}")
            first = date.fromisoformat(told[1]) if told[1] else date.min
            hour = int(told[2])
            if not EARLIEST <= hour <= MIDNIGHT:
                raise ValueError(f"a day ends between 12.00 and 24.00: {part.strip()}")
            if rules and first <= rules[-1][0]:
                raise ValueError(f"rules stand in the order of their days: {part.strip()}")
            rules.append((first, hour))
        return cls(timezone, tuple(rules))

    def of(self, moment: datetime) -> date:
        """The business day a moment falls on."""
        day = moment.astimezone(self.timezone).date()
        return day if moment < self._end(day) else day + timedelta(days=1)

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """When a business day begins, and when it is over: the first moment of the next."""
        return self._end(day - timedelta(days=1)), self._end(day)

    def hours_in(self, day: date, hour: int) -> int:
        """How many hours after a business day's beginning an hour of the clock begins."""
        return (hour - self.bounds(day)[0].hour) % 24

    def _end(self, day: date) -> datetime:
        hour = next((hour for first, hour in reversed(self.rules) if first <= day), MIDNIGHT)
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.timezone)
        return midnight + timedelta(hours=hour)
