"""What an acquirer is to us: its profile as data, and what its answers mean.

An answer we do not understand is never taken for a payment: it is `AcquirerUnknown`, and the charge
is pursued by inquiry.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from typing import Any, Literal, Protocol

from domain.payment import ChargeKind
from server.payments.signatures import Encoding


@dataclass(frozen=True)
class AcquirerProfile:
    """How one acquirer speaks SNAP BI; kept in acquirers.toml.

    `notify_path` is the path the acquirer signs, which a reverse proxy may have rewritten.
    """

    name: str
    token_path: str
    prefix: str
    notify_path: str
    notify_signature: Literal["asymmetric", "symmetric"]
    encoding: Encoding = Encoding.BASE64
    double_hex_digest: bool = False
    channel_id: str = "95221"
    minimum_validity_s: int = 60
    maximum_validity_s: int = 86_400
    cancels: bool = True
    refunds: Literal["full", "partial", "none"] = "partial"

    def path(self, service: str) -> str:
        """The path of a service by its name in the standard."""
        return f"{self.prefix}/{service}"

    def validity(self, wanted: timedelta) -> timedelta:
        """The nearest life of a barcode that this acquirer grants."""
        least = timedelta(seconds=self.minimum_validity_s)
        return max(least, min(wanted, timedelta(seconds=self.maximum_validity_s)))


class UnknownAcquirer(ValueError):
    """The settings name an acquirer that acquirers.toml does not hold."""


def profile(name: str) -> AcquirerProfile:
    data = tomllib.loads((files("server.payments") / "acquirers.toml").read_text())
    if name not in data:
        raise UnknownAcquirer(f"no acquirer profile {name!r}; there are: {', '.join(sorted(data))}")
    values = data[name]
    if "encoding" in values:
        values["encoding"] = Encoding(values["encoding"])
    return AcquirerProfile(name=name, **values)


@dataclass(frozen=True)
class IssuedBarcode:
    """A dynamic QRIS the acquirer issued for one of our references."""

    qris: str
    acquirer_reference: str


class PaidStatus(StrEnum):
    """What an acquirer says of one charge. Codes we do not know are UNKNOWN, never PAID."""

    PAID = "paid"
    UNPAID = "unpaid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ToldRefund:
    """A refund the acquirer says it made, under the reference we asked for it by."""

    refund_reference: str
    amount_rp: int
    refunded_at: datetime | None


@dataclass(frozen=True)
class InquiryAnswer:
    """What the acquirer answered when asked about one of our references.

    `refunds` is None where it does not tell its refunds, empty where it says there were none.
    """

    status: PaidStatus
    answer: dict[str, Any]
    acquirer_reference: str | None = None
    qris: str | None = None
    rrn: str | None = None
    amount_rp: int | None = None
    paid_at: datetime | None = None
    refunds: tuple[ToldRefund, ...] | None = None


@dataclass(frozen=True)
class ConsumerPayment:
    """What an acquirer said to a consumer's barcode. No evidence of money: ask by inquiry."""

    acquirer_reference: str | None
    answer: dict[str, Any]


@dataclass(frozen=True)
class RefundAnswer:
    """The acquirer's own number of a refund it has made, and when it made it."""

    refund_number: str
    refunded_at: datetime | None


@dataclass(frozen=True)
class DecodedBarcode:
    """Whose barcode the acquirer says a QRIS is; `pans` are merchant PANs by acquirer."""

    merchant_name: str
    pans: dict[str, str]
    amount_rp: int | None


class AcquirerRefused(Exception):
    """The acquirer understood and declined: nothing was booked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class AcquirerUnknown(Exception):
    """No answer, or one that does not say whether anything was booked."""


class Acquirer(Protocol):
    """One acquirer, over whatever wire it speaks.

    Every method raises AcquirerRefused when nothing was booked, and AcquirerUnknown when that
    cannot be told. A call repeated under the same reference books nothing twice.
    """

    @property
    def profile(self) -> AcquirerProfile: ...

    async def generate(
        self, reference: str, amount_rp: int, expires_at: datetime
    ) -> IssuedBarcode: ...

    async def pay_consumer(
        self, reference: str, amount_rp: int, consumer_qr: str, expires_at: datetime
    ) -> ConsumerPayment:
        """Collect from the barcode a consumer shows."""

    async def inquire(self, reference: str, kind: ChargeKind = ChargeKind.MPM) -> InquiryAnswer: ...

    async def cancel(
        self, reference: str, reason: str, kind: ChargeKind = ChargeKind.MPM
    ) -> None: ...

    async def refund(
        self,
        reference: str,
        refund_reference: str,
        amount_rp: int,
        reason: str,
        kind: ChargeKind = ChargeKind.MPM,
    ) -> RefundAnswer: ...

    async def decode(self, qris_text: str) -> DecodedBarcode: ...

    async def close(self) -> None: ...
