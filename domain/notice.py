"""A notice (surat pemberitahuan): that a vehicle stood without a valid payment. A record, no fine.

Its number is of its device's own series. The link in its QR repeats its facts under the device's
signature, so that a notice which has not reached the office yet can be told from a forged one.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain import check_digit
from domain.parking import SpotCodeError, parse_spot_code
from domain.states import follow
from domain.tariff import VehicleClass

PREFIX = "SP"
PATH = "pemberitahuan"
PARAMETER = "p"
MOST_PHOTOS = 4
PHOTO_SIDE = 1280
MOST_PHOTO_BYTES = 600_000
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O or U to misread
_SERIES = 8
_NUMBER = re.compile(f"{PREFIX}([{_LETTERS}]{{{_SERIES}}})([0-9]{{4,9}})[0-9A-Z]")


class Finding(StrEnum):
    """What an inspector found. NONE: no payment on record. EXPIRED: one whose time is over.

    FORGED: a receipt or proof that is not the office's. VOID: one whose money went back.
    """

    NONE = "none"
    EXPIRED = "expired"
    FORGED = "forged"
    VOID = "void"


class NoticeState(StrEnum):
    ISSUED = "issued"
    OBJECTED = "objected"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


class NoticeEvent(StrEnum):
    """PAID: a receipt of that street and day was shown for it. STOOD: an objection was refused."""

    OBJECTED = "objected"
    STOOD = "stood"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


NOTICE_TABLE: Mapping[tuple[NoticeState, NoticeEvent], NoticeState] = MappingProxyType(
    {
        (NoticeState.ISSUED, NoticeEvent.OBJECTED): NoticeState.OBJECTED,
        (NoticeState.ISSUED, NoticeEvent.PAID): NoticeState.PAID,
        (NoticeState.ISSUED, NoticeEvent.WITHDRAWN): NoticeState.WITHDRAWN,
        (NoticeState.OBJECTED, NoticeEvent.STOOD): NoticeState.ISSUED,
        (NoticeState.OBJECTED, NoticeEvent.PAID): NoticeState.PAID,
        (NoticeState.OBJECTED, NoticeEvent.WITHDRAWN): NoticeState.WITHDRAWN,
    }
)


def advance(state: NoticeState, event: NoticeEvent) -> NoticeState:
    """The next state; raises domain.states.TransitionRefused."""
    return follow(NOTICE_TABLE, state, event)


class NoticeError(ValueError):
    """`reason`: not-a-notice (another kind of text), unknown-series, or forged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def series(device_id: str) -> str:
    """What all numbers of one device begin with after the prefix: forty bits of its id's hash."""
    low = int.from_bytes(hashlib.sha256(device_id.encode()).digest()[:5])
    return "".join(_LETTERS[low >> shift & 31] for shift in range(35, -1, -5))


def number(of: str, sequence: int) -> str:
    """The number of a series' ``sequence``-th notice (from 1): ``SP-7K3QM2XW-0001-5``."""
    if not 1 <= sequence < 10**9:
        raise ValueError(f"sequence {sequence}: want 1 to 999999999")
    return check_digit.append(f"{PREFIX}-{of}-{sequence:04d}")


def parse_number(text: str) -> tuple[str, int]:
    """Series and sequence of a typed or scanned number; case, spaces and hyphens do not matter.

    Raises NoticeError("not-a-notice").
    """
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError:
        raise NoticeError("not-a-notice") from None
    match = _NUMBER.fullmatch(bare)
    if match is None or not check_digit.is_valid(bare) or int(match[2]) == 0:
        raise NoticeError("not-a-notice")
    return match[1], int(match[2])


def canonical(text: str) -> str:
    """A typed number as it was printed; raises NoticeError."""
    return number(*parse_number(text))


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What the QR of a notice says; `issued_at` is aware and told to the second.

    `amount_rp` is what the tariff asks, None where nobody at the kerb knew.
    """

    number: str
    spot_code: str
    vehicle_class: VehicleClass
    finding: Finding
    issued_at: datetime
    amount_rp: int | None

    def told(self) -> str:
        amount = "-" if self.amount_rp is None else str(self.amount_rp)
        at = int(self.issued_at.timestamp())
        return f"{self.spot_code}.{self.vehicle_class.value}.{self.finding.value}.{at}.{amount}"


def make_link(site: str, facts: NoticeFacts, sign: Callable[[bytes], bytes]) -> str:
    """The text of a notice's QR; `sign` is its device's Ed25519 key, `site` has no last slash."""
    signature = urlsafe_b64encode(sign(_message(facts.number, facts.told()))).decode().rstrip("=")
    return f"{site}/{PATH}/{facts.number}?{PARAMETER}={facts.told()}.{signature}"


def is_link(text: str, site: str) -> bool:
    """Whether a scanned text claims to be a notice's; whether it is one, only `verify` tells."""
    return text.startswith(f"{site}/{PATH}/")


def verify(text: str, site: str, keys: Mapping[str, Sequence[bytes]]) -> NoticeFacts:
    """What a notice's link says, by the public keys (32 bytes) of each series; NoticeError."""
    if not is_link(text, site):
        raise NoticeError("not-a-notice")
    written, _, told = text.removeprefix(f"{site}/{PATH}/").partition(f"?{PARAMETER}=")
    return verify_told(written, told, keys)


def verify_told(written: str, told: str, keys: Mapping[str, Sequence[bytes]]) -> NoticeFacts:
    """The same of a link's number and what follows it."""
    try:
        of, _ = parse_number(written)
        claims, _, signature = told.rpartition(".")
        facts = _read(canonical(written), claims)
        raw = urlsafe_b64decode(f"{signature}==")
    except (ValueError, Base64Error, SpotCodeError):
        raise NoticeError("forged") from None
    if not keys.get(of):
        raise NoticeError("unknown-series")
    if not any(_signed(key, raw, _message(facts.number, claims)) for key in keys[of]):
        raise NoticeError("forged")
    return facts


def _read(written: str, claims: str) -> NoticeFacts:
    spot, vehicle_class, finding, at, amount = claims.split(".")
    if parse_spot_code(spot) != spot:
        raise ValueError(spot)
    return NoticeFacts(
        number=written,
        spot_code=spot,
        vehicle_class=VehicleClass(vehicle_class),
        finding=Finding(finding),
        issued_at=datetime.fromtimestamp(int(at[:12]), UTC),
        amount_rp=None if amount == "-" else int(amount[:12]),
    )


def _signed(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(written: str, claims: str) -> bytes:
    """No JWS, no event and no request begins so, which the same key signs as well."""
    return f"karcis-notice:{written}:{claims}".encode()
