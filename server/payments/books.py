"""What this regency's money facts are recorded and receipted with."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Books:
    """The regency's names and clock, as receipts state them and business days are told by."""

    timezone: ZoneInfo
    regency: str
    agency: str
    complaint: str
    base_url: str

    def day(self, moment: datetime) -> date:
        """The business day a moment falls on."""
        return moment.astimezone(self.timezone).date()
