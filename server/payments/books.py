"""What this regency's money facts are recorded and receipted with."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from domain.mdr import MerchantCriteria
from server.settings import Settings


@dataclass(frozen=True)
class Books:
    """The regency's names and clock, as receipts state them and business days are told by."""

    timezone: ZoneInfo
    regency: str
    agency: str
    complaint: str
    base_url: str
    merchant_criteria: MerchantCriteria

    def day(self, moment: datetime) -> date:
        """The business day a moment falls on."""
        return moment.astimezone(self.timezone).date()

    @classmethod
    def of(cls, settings: Settings) -> "Books":
        return cls(
            timezone=settings.timezone,
            regency=settings.regency,
            agency=settings.agency,
            complaint=settings.complaint,
            base_url=settings.base_url,
            merchant_criteria=settings.merchant_criteria,
        )
