"""Vouchers: parking paid for beforehand, for drivers without a smartphone.

The office signs each as it signs proofs. A voucher pays one stay whose price is at most its value;
what is left over is not given back, and a dearer stay is not paid in part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain import check_digit
from domain.proof import Seal, claims_to_be, read_signed
from domain.tariff import VehicleClass

KIND = "karcis-v"
MOST_IN_BATCH = 10_000
_SERIAL = re.compile("V([0-9]{4})([0-9]{5})[0-9A-Z]")


class SerialError(ValueError):
    """A text that is no voucher's serial; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """`vehicle_class` is empty where any may use it; `valid_until` is the last day, included."""

    serial: str
    value_rp: int
    vehicle_class: VehicleClass | None
    valid_until: date

    def fits(self, vehicle_class: VehicleClass) -> bool:
        return self.vehicle_class in (None, vehicle_class)


def serial(batch: int, number: int) -> str:
    """The serial of a batch's ``number``-th voucher, with its check character: `V-0001-00001-I`.

    It is too long for a spot's code and too short for a receipt's number. Raises SerialError
    unless the batch is 1 to 9999 and the number 1 to MOST_IN_BATCH.
    """
    if not (1 <= batch <= 9_999 and 1 <= number <= MOST_IN_BATCH):
        raise SerialError(f"batch {batch}, number {number}: want 1 to 9999, 1 to {MOST_IN_BATCH}")
    return check_digit.append(f"V-{batch:04d}-{number:05d}")


def parse_serial(text: str) -> tuple[int, int]:
    """Batch and number of a serial as typed; case, spaces and hyphens do not matter."""
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError as error:
        raise SerialError(f"characters: {error}") from None
    match = _SERIAL.fullmatch(bare)
    if match is None:
        raise SerialError("shape: want a serial as in V-0001-00001-I")
    if not check_digit.is_valid(bare):
        raise SerialError("check character: does not match, so something was mistyped")
    batch, number = int(match[1]), int(match[2])
    serial(batch, number)
    return batch, number


def sign(seal: Seal, voucher: Voucher) -> str:
    """The text of a voucher's QR."""
    claims: dict[str, Any] = {
        "n": voucher.serial,
        "a": voucher.value_rp,
        "u": voucher.valid_until.strftime("%Y%m%d"),
    }
    if voucher.vehicle_class is not None:
        claims["v"] = voucher.vehicle_class.value
    return seal.sign_claims(KIND, claims)


def is_voucher(text: str) -> bool:
    """Whether a scanned text claims to be a voucher; whether it is one, only `verify` tells."""
    return claims_to_be(text, KIND)


def verify(text: str, keys: Mapping[str, bytes]) -> Voucher:
    """What a voucher says, read by the office's public keys by id; raises ProofError."""
    return read_signed(text, KIND, keys, _read)


def _read(claims: Mapping[str, Any]) -> Voucher:
    batch, number = parse_serial(str(claims["n"]))
    return Voucher(
        serial=serial(batch, number),
        value_rp=int(claims["a"]),
        vehicle_class=VehicleClass(claims["v"]) if "v" in claims else None,
        valid_until=date.fromisoformat(str(claims["u"])),
    )
