"""What an acquirer is to us: its profile as data, and what its answers mean.

An answer we do not understand is never taken for a payment: it is `AcquirerUnknown`, and the charge
is pursued by inquiry.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from typing import Any, Literal

from server.payments.signatures import Encoding


@dataclass(frozen=True)
class AcquirerProfile:
    """How one acquirer speaks SNAP BI; kept in acquirers.toml.

    `notify_path` is the path the acquirer signs, which a reverse proxy may have rewritten.
    """

    name: str
    token_path: str
    generate_path: str
    query_path: str
    notify_path: str
    notify_signature: Literal["asymmetric", "symmetric"]
    encoding: Encoding = Encoding.BASE64
    double_hex_digest: bool = False
    channel_id: str = "95221"
    minimum_validity_s: int = 60
    maximum_validity_s: int = 86_400

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
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class InquiryAnswer:
    """What the acquirer answered when asked about one of our references."""

    status: PaidStatus
    answer: dict[str, Any]
    acquirer_reference: str | None = None
    qris: str | None = None
    rrn: str | None = None
    amount_rp: int | None = None
    paid_at: datetime | None = None


class AcquirerRefused(Exception):
    """The acquirer understood and declined: nothing was booked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class AcquirerUnknown(Exception):
    """No answer, or one that does not say whether anything was booked."""
