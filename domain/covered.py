"""Stays that cost nothing at the kerb: covered by a pass, or exempt by a regulation.

The office signs a pass as it signs proofs; it is printed on a sticker or a card. Its plate is there
with its middle hidden, so that it can be compared with the vehicle's and looked up by nobody.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from domain import check_digit
from domain.proof import Seal, claims_to_be, read_signed
from domain.tariff import VehicleClass

KIND = "karcis-l"
LAST_NUMBER = 99_999_999


class Picture(StrEnum):
    """How a kind of exempt vehicle is told apart without reading."""

    AMBULANCE = "ambulance"
    FIRE = "fire"
    GOVERNMENT = "government"
    DISABLED = "disabled"
    OTHER = "other"


class PassKind(StrEnum):
    """Whom a pass is for; any but the ordinary one needs the office's permit."""

    ORDINARY = "ordinary"
    RESIDENT = "resident"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass (langganan); both days are included. No zones means all of them."""

    serial: str
    classes: tuple[VehicleClass, ...]
    zones: tuple[str, ...]
    valid_from: date
    valid_until: date
    plate_masked: str | None = None

    def refusal(self, day: date, zone_code: str) -> str | None:
        """Why it does not cover a stay in a zone on a day: not-yet, expired or other-zone."""
        if day < self.valid_from:
            return "not-yet"
        if day > self.valid_until:
            return "expired"
        return "other-zone" if self.zones and zone_code not in self.zones else None


def last_day(first: date, months: int) -> date:
    """The last day of a pass for so many months: the day before the same day of a later month.

    Where that month has no such day, its last: a month from 31 January ends on 28 February.
    """
    year, month = divmod(first.month - 1 + months, 12)
    year, month = first.year + year, month + 1
    if first.day > monthrange(year, month)[1]:
        return date(year, month, monthrange(year, month)[1])
    return date(year, month, first.day) - timedelta(days=1)


def first_free(taken: Iterable[tuple[date, date]], wanted: date, months: int) -> date:
    """The first day, from the one wanted on, of so many months that no other pass has yet.

    `taken` are the first and last days of the others.
    """
    for first, last in sorted(taken):
        if last >= wanted and first <= last_day(wanted, months):
            wanted = last + timedelta(days=1)
    return wanted


def serial(number: int) -> str:
    """A pass' serial, `L-00000001-C`: too long for a spot's code, too short for a receipt's."""
    if not 1 <= number <= LAST_NUMBER:
        raise ValueError(f"number {number}: want 1 to {LAST_NUMBER}")
    return check_digit.append(f"L-{number:08d}")


def sign(seal: Seal, pass_: Pass) -> str:
    """The text of a pass' QR."""
    claims: dict[str, Any] = {
        "n": pass_.serial,
        "c": [wheels.value for wheels in pass_.classes],
        "f": pass_.valid_from.strftime("%Y%m%d"),
        "u": pass_.valid_until.strftime("%Y%m%d"),
    }
    if pass_.zones:
        claims["z"] = list(pass_.zones)
    if pass_.plate_masked:
        claims["p"] = pass_.plate_masked
    return seal.sign_claims(KIND, claims)


def is_pass(text: str) -> bool:
    """Whether a scanned text claims to be a pass; whether it is one, only `verify` tells."""
    return claims_to_be(text, KIND)


def verify(text: str, keys: Mapping[str, bytes]) -> Pass:
    """What a pass says, read by the office's public keys by id; raises ProofError."""
    return read_signed(text, KIND, keys, _read)


def _read(claims: Mapping[str, Any]) -> Pass:
    classes = tuple(VehicleClass(name) for name in claims["c"])
    if not classes:
        raise ValueError("a pass for no vehicle")
    return Pass(
        serial=str(claims["n"]),
        classes=classes,
        zones=tuple(str(code) for code in claims.get("z", ())),
        valid_from=date.fromisoformat(str(claims["f"])),
        valid_until=date.fromisoformat(str(claims["u"])),
        plate_masked=str(claims["p"]) if "p" in claims else None,
    )
