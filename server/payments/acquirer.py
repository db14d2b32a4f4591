"""What an acquirer is to us: its profile as data, and what its answers mean.

An answer we do not understand is never taken for a payment: it is `AcquirerUnknown`, and the charge
is pursued by inquiry.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from typing import Any, Literal, Protocol

from domain.payment import ChargeKind
from server.payments.signatures import Encoding


@dataclass(frozen=True)
class AcquirerProfile:
    """How one acquirer speaks, and what it offers; kept in acquirers.toml, defaults by SNAP BI.

    The notify paths are those the acquirer signs, which a reverse proxy may have rewritten.
    `rrn_field` is empty where no field is known to hold the network's own id: another id would tell
    one payment apart from itself.
    """

    name: str
    transport: Literal["snap", "rest"] = "snap"
    token_path: str = "/v1.0/access-token/b2b"  # noqa: S105 - a path, no secret
    prefix: str = "/v1.0/qr"
    paths: Mapping[str, str] = field(default_factory=dict)
    channel_id: str = "95221"
    channel_ids: Mapping[str, str] = field(default_factory=dict)
    encoding: Encoding = Encoding.BASE64
    notify_path: str = "/v1.0/qr/qr-mpm-notify"
    notify_consumer_path: str = "/v1.0/qr/qr-cpm-notify"
    notify_signature: Literal["asymmetric", "symmetric"] = "asymmetric"
    notify_double_hex: bool = False
    extra_field: str = "additionalInfo"
    rrn_field: str = "rrn"
    minimum_validity_s: int = 60
    maximum_validity_s: int = 86_400
    cancels: bool = True
    refunds: Literal["full", "partial", "none"] = "partial"
    consumers: bool = False
    decodes: bool = False

    def path(self, service: str) -> str:
        """The path of a service, by its name in the standard."""
        return self.paths.get(service, f"{self.prefix}/{service}")

    def validity(self, wanted: timedelta) -> timedelta:
        """The nearest life of a barcode that this acquirer grants."""
        least = timedelta(seconds=self.minimum_validity_s)
        return max(least, min(wanted, timedelta(seconds=self.maximum_validity_s)))


class UnknownAcquirer(ValueError):
    """The settings name an acquirer that acquirers.toml does not hold."""


def profile(name: str, of: str = "") -> AcquirerProfile:
    """A profile of acquirers.toml; `of` is the acquirer's own name, where it has another."""
    data = tomllib.loads((files("server.payments") / "acquirers.toml").read_text())
    if name not in data:
        raise UnknownAcquirer(f"no acquirer profile {name!r}; there are: {', '.join(sorted(data))}")
    values = data[name]
    if "encoding" in values:
        values["encoding"] = Encoding(values["encoding"])
    return AcquirerProfile(name=of or name, **values)


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


class NotOffered(AcquirerRefused):
    """This acquirer does no such thing, as its profile says."""

    def __init__(self, what: str) -> None:
        super().__init__("not-offered", what)


class AcquirerUnknown(Exception):
    """No answer, or one that does not say whether anything was booked."""


class Meaning(StrEnum):
    """What a responseCode says of the request it answers."""

    ACCEPTED = "accepted"
    IN_PROGRESS = "in progress"
    NOTHING_BOOKED = "nothing booked"
    NOT_FOUND = "transaction not found"
    DUPLICATE = "duplicate reference"
    EXTERNAL_ID_TAKEN = "external id taken"
    TOKEN_DEAD = "token dead"  # noqa: S105 - a meaning, no secret
    UNKNOWN = "unknown"


def demand(meant: Meaning, code: str, message: object) -> None:
    """Pass an accepted answer; raise AcquirerRefused or AcquirerUnknown on any other.

    A token that stays refused, and a transaction that is not there, booked nothing either.
    """
    if meant is Meaning.ACCEPTED:
        return
    if meant in (Meaning.NOTHING_BOOKED, Meaning.NOT_FOUND, Meaning.TOKEN_DEAD):
        raise AcquirerRefused(code, str(message or meant))
    raise AcquirerUnknown(f"{code or 'no code'}: {meant}")


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


class Absent:
    """An acquirer that the settings no longer name: it cannot be asked anything.

    What it was asked before stays unknown, until a settlement file tells or it is named again.
    """

    def __init__(self, name: str) -> None:
        self.profile = AcquirerProfile(name, cancels=False, refunds="none")

    async def generate(self, reference: str, amount_rp: int, expires_at: datetime) -> IssuedBarcode:
        raise self._refusal

    async def pay_consumer(
        self, reference: str, amount_rp: int, consumer_qr: str, expires_at: datetime
    ) -> ConsumerPayment:
        raise self._refusal

    async def inquire(self, reference: str, kind: ChargeKind = ChargeKind.MPM) -> InquiryAnswer:
        raise AcquirerUnknown(f"the settings name no acquirer {self.profile.name}")

    async def cancel(self, reference: str, reason: str, kind: ChargeKind = ChargeKind.MPM) -> None:
        raise self._refusal

    async def refund(
        self,
        reference: str,
        refund_reference: str,
        amount_rp: int,
        reason: str,
        kind: ChargeKind = ChargeKind.MPM,
    ) -> RefundAnswer:
        raise self._refusal

    async def decode(self, qris_text: str) -> DecodedBarcode:
        raise self._refusal

    async def close(self) -> None:
        return

    @property
    def _refusal(self) -> NotOffered:
        return NotOffered(f"the settings name no acquirer {self.profile.name}")


class Acquirers:
    """Every acquirer there is, by name; what concerns a charge is asked of the one it names."""

    def __init__(self, first: Acquirer, *further: Acquirer) -> None:
        self.first = first
        self._by_name = {each.profile.name: each for each in (first, *further)}

    def __getitem__(self, name: str) -> Acquirer:
        return self._by_name.get(name) or Absent(name)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Acquirer]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    async def close(self) -> None:
        for each in self:
            await each.close()
