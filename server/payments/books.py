"""What this regency's money facts are recorded and receipted with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from domain.business_days import BusinessDays
from domain.mdr import MerchantCriteria
from domain.plate import PlateError, keyed
from domain.proof import Seal
from server.payments.seals import read_retired, read_seal
from server.settings import Settings
from server.workdays import Workdays


@dataclass(frozen=True)
class Books:
    """The regency's names, clock and seal, as receipts state them and business days are told by."""

    business_days: BusinessDays
    regency: str
    agency: str
    complaint: str
    base_url: str
    merchant_criteria: MerchantCriteria
    porporasi: str = ""
    """The line by which the tax office's seal of its karcis is told, as receipts state it."""
    deposits_from: date | None = None
    """The first business day whose money is handed in by STS; None for all of them."""
    collecting_account: str = ""
    """The number of the account that acquirers pay out to, as its statements write it.

    Several are separated by commas: where each acquirer pays out to an account of its own.
    """
    rkud_account: str = ""
    """The number of the regency's own account, as its statements write it."""
    seal: Seal | None = None
    """What proofs are signed with; without it none are given."""
    retired_keys: Mapping[str, bytes] = field(default_factory=dict)
    """Public keys of former seals whose proofs are still taken, by key id."""
    workdays: Workdays = field(default_factory=lambda: Workdays({}))
    """On which days the office is open."""
    plate_key: bytes | None = field(default=None, repr=False)
    """What plates are hashed with; without it none can be found again."""

    @property
    def timezone(self) -> ZoneInfo:
        return self.business_days.timezone

    def day(self, moment: datetime) -> date:
        """The day of a moment by the regency's calendar."""
        return moment.astimezone(self.timezone).date()

    def business_day(self, moment: datetime) -> date:
        """The day that money of a moment is booked on."""
        return self.business_days.of(moment)

    @property
    def proof_keys(self) -> dict[str, bytes]:
        """The public keys whose proofs are taken, by key id."""
        own = {} if self.seal is None else {self.seal.key_id: self.seal.public}
        return {**self.retired_keys, **own}

    def plate_hash(self, plate: str) -> str | None:
        """By what a plate is found again; None without a key, or for what is no civil plate."""
        if self.plate_key is None:
            return None
        try:
            return keyed(plate, self.plate_key)
        except PlateError:
            return None

    @classmethod
    def of(cls, settings: Settings) -> "Books":
        return cls(
            business_days=settings.business_days,
            regency=settings.regency,
            agency=settings.agency,
            complaint=settings.complaint,
            porporasi=settings.porporasi,
            base_url=settings.base_url,
            merchant_criteria=settings.merchant_criteria,
            deposits_from=settings.deposits_from,
            workdays=Workdays.read(settings.holidays),
            collecting_account=settings.collecting_account,
            rkud_account=settings.rkud_account,
            seal=None if settings.proof_key is None else read_seal(settings.proof_key),
            retired_keys=(
                {}
                if settings.proof_retired_keys is None
                else read_retired(settings.proof_retired_keys)
            ),
            plate_key=(
                None
                if settings.plate_key is None
                else settings.plate_key.get_secret_value().encode()
            ),
        )
