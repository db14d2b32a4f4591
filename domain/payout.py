"""When attendants are paid their share: some days of the week, some days after it was earned."""

from dataclasses import dataclass
from datetime import date, timedelta

LONGEST_WAIT_DAYS = 60


@dataclass(frozen=True)
class PayoutRule:
    """Paid on `weekdays` (1 is Monday, 7 Sunday), at the earliest `after_days` after the day."""

    weekdays: tuple[int, ...]
    after_days: int

    def __post_init__(self) -> None:
        if not self.weekdays or not set(self.weekdays) <= set(range(1, 8)):
            raise ValueError("weekdays are some of 1 (Monday) to 7 (Sunday)")
        if not 0 <= self.after_days <= LONGEST_WAIT_DAYS:
            raise ValueError(f"after_days is 0 to {LONGEST_WAIT_DAYS}")

    def payout_of(self, earned_on: date) -> date:
        """The day on which what was earned on a day is paid."""
        first = earned_on + timedelta(days=self.after_days)
        week = (first + timedelta(days=days) for days in range(7))
        return next(day for day in week if day.isoweekday() in self.weekdays)


DEFAULT = PayoutRule(weekdays=(1, 2, 3, 4, 5), after_days=1)
"""Where the office has set none: the next working day (H+1)."""
