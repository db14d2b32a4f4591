"""What this regency's money facts are recorded and receipted with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from domain.mdr import MerchantCriteria
from domain.proof import Seal
from server.payments.seals import read_retired, read_seal
from server.settings import Settings


@dataclass(frozen=True)
class Books:
    """The regency's names, clock and seal, as receipts state them and business days are told by."""

    timezone: ZoneInfo
    regency: str
    agency: str
    complaint: str
    base_url: str
    merchant_criteria: MerchantCriteria
    seal: Seal | None = None
    """What proofs are signed with; without it none are given."""
    retired_keys: Mapping[str, bytes] = field(default_factory=dict)
    """Public keys of former seals whose proofs are still taken, by key id."""

    def day(self, moment: datetime) -> date:
        """The business day a moment falls on."""
        return moment.astimezone(self.timezone).date()

    @property
    def proof_keys(self) -> dict[str, bytes]:
        """The public keys whose proofs are taken, by key id."""
        own = {} if self.seal is None else {self.seal.key_id: self.seal.public}
        return {**self.retired_keys, **own}

    @classmethod
    def of(cls, settings: Settings) -> "Books":
        return cls(
            timezone=settings.timezone,
            regency=settings.regency,
            agency=settings.agency,
            complaint=settings.complaint,
            base_url=settings.base_url,
            merchant_criteria=settings.merchant_criteria,
            seal=None if settings.proof_key is None else read_seal(settings.proof_key),
            retired_keys=(
                {}
                if settings.proof_retired_keys is None
                else read_retired(settings.proof_retired_keys)
            ),
        )
