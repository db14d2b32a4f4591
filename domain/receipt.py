"""The receipt (karcis): its number, and every fact it must state wherever it is shown.

Server, handheld and the page behind the receipt's QR all lay out the same ReceiptFacts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from domain import check_digit
from domain.money import MoneyError, whole
from domain.parking import ZONE_CODE
from domain.tariff import QuoteLine, VehicleClass

_SERIES = re.compile(f"{ZONE_CODE}-[2-9][0-9]{{3}}")
_NUMBER = re.compile(f"({ZONE_CODE})([2-9][0-9]{{3}})([0-9]{{6,12}})([0-9A-Z])")
_LAST_SEQUENCE = 10**12 - 1


class ReceiptNumberError(ValueError):
    """A receipt number, or a part of one, that cannot be right; the message names which part."""


class ReceiptFactsError(ValueError):
    """Facts that do not make a receipt; the message begins with the field's name."""


def series(zone_code: str, year: int) -> str:
    """The series a zone numbers its receipts in during one year: ``MTG-2026``.

    Raises ReceiptNumberError for a zone code that ``parking.spot_code`` would refuse, and for a
    year outside 2000 to 9999.
    """
    text = f"{zone_code}-{year}"
    if _SERIES.fullmatch(text) is None:
        raise ReceiptNumberError(f"series {text!r}: want a zone code and a year, as in MTG-2026")
    return text


def receipt_number(series: str, sequence: int) -> str:
    """The number of the ``sequence``-th receipt (from 1) of a series, with its check character.

    The sequence has at least six digits and grows beyond them. Raises ReceiptNumberError for a
    series that ``series`` would not give and a sequence outside 1 to 10**12 - 1.
    """
    if _SERIES.fullmatch(series) is None:
        raise ReceiptNumberError(f"series {series!r}: want a zone code and a year, as in MTG-2026")
    if not 1 <= sequence <= _LAST_SEQUENCE:
        raise ReceiptNumberError(f"sequence {sequence}: want 1 to {_LAST_SEQUENCE}")
    return check_digit.append(f"{series}-{sequence:06d}")


def parse_receipt_number(text: str) -> tuple[str, int]:
    """Series and sequence of a typed or scanned number; case, spaces and hyphens do not matter.

    Raises ReceiptNumberError saying whether the characters, the shape, the sequence or the check
    character is wrong.
    """
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError as error:
        raise ReceiptNumberError(f"characters: {error}") from None
    match = _NUMBER.fullmatch(bare)
    if match is None:
        raise ReceiptNumberError(
            "shape: want zone, year, number and check character, as in MTG-2026-000123-2"
        )
    if not check_digit.is_valid(bare):
        raise ReceiptNumberError(
            "check character: does not match, so something was misread or mistyped"
        )
    zone, year, digits, _ = match.groups()
    sequence = int(digits)
    if sequence == 0 or f"{sequence:06d}" != digits:
        raise ReceiptNumberError(f"sequence {digits}: is zero or has zeros too many")
    return f"{zone}-{year}", sequence


_PLATE = re.compile("([A-Z]{1,3})([0-9])[0-9•]{0,4}([A-Z]{0,3})")
_HIDDEN = "•••"


def mask_plate(plate: str) -> str:
    """A plate its owner recognises and nobody can look up: ``KH 1234 AB`` gives ``KH 1••• AB``.

    Always three dots, so that not even the length shows. Anything not shaped like a civil plate
    keeps its first character only; blank stays empty. Masking twice changes nothing.
    """
    bare = "".join(plate.split()).replace("-", "").replace(".", "").upper()
    match = _PLATE.fullmatch(bare)
    if match is None:
        return bare and bare[0] + _HIDDEN
    region, digit, suffix = match.groups()
    return f"{region} {digit}{_HIDDEN} {suffix}".rstrip()


METHODS = ("QRIS", "Tunai", "Voucher")


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a receipt must say, whatever it is printed or shown on.

    ``plate`` is masked already. ``agency`` is the dinas, ``place`` the street, ``zone`` the zone's
    name. ``method`` is one of METHODS; ``rrn`` is the network's id of a QRIS payment, where known;
    ``reference`` our id of the charge; ``complaint`` where to complain; ``porporasi`` tells of the
    seal that makes a karcis valid, or is empty. That of a pass names its serial and its last day;
    its spot and place are empty, its zones too where they are all. Times are aware. The lines sum
    to ``amount_rp``. Raises ReceiptFactsError, naming the field, when these do not hold.
    """

    number: str
    regency: str
    agency: str
    regulation: str
    vehicle_class: VehicleClass
    spot_code: str
    place: str
    zone: str
    started_at: datetime
    paid_at: datetime
    amount_rp: int
    lines: tuple[QuoteLine, ...]
    method: str
    reference: str
    complaint: str
    verify_url: str
    plate: str | None = None
    attendant_code: str | None = None
    attendant_name: str | None = None
    rrn: str | None = None
    porporasi: str = ""
    pass_serial: str | None = None
    valid_until: date | None = None

    def __post_init__(self) -> None:
        if _canonical_number(self.number) != self.number:
            raise ReceiptFactsError("number: is not written canonically")
        if self.plate is not None and self.plate != mask_plate(self.plate):
            raise ReceiptFactsError("plate: is not masked")
        if self.method not in METHODS:
            raise ReceiptFactsError(f"method: want one of {', '.join(METHODS)}")
        for name, at in (("started_at", self.started_at), ("paid_at", self.paid_at)):
            if at.utcoffset() is None:
                raise ReceiptFactsError(f"{name}: want a time with its zone")
        if self.amount_rp <= 0 or self.amount_rp != sum(line.amount_rp for line in self.lines):
            raise ReceiptFactsError("amount_rp: is not above zero and the sum of the lines")

    def to_json(self) -> dict[str, Any]:
        """One flat object, a key a field; times are ISO 8601 with their offset."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **values,
            "vehicle_class": self.vehicle_class.value,
            "started_at": self.started_at.isoformat(),
            "paid_at": self.paid_at.isoformat(),
            "valid_until": self.valid_until and self.valid_until.isoformat(),
            "lines": [
                {field.name: getattr(line, field.name) for field in fields(line)}
                for line in self.lines
            ],
        }

    @classmethod
    def from_json(cls, data: object) -> "ReceiptFacts":
        """Reads what ``to_json`` wrote; fields it does not know are left aside, so that an older
        handheld can print a newer server's receipt. Raises ReceiptFactsError naming the field.
        """
        if not isinstance(data, Mapping):
            raise ReceiptFactsError("receipt: want an object")
        return cls(
            number=_text(data, "number"),
            regency=_text(data, "regency"),
            agency=_text(data, "agency"),
            regulation=_text(data, "regulation"),
            vehicle_class=_vehicle_class(data),
            spot_code=_text(data, "spot_code"),
            place=_text(data, "place"),
            zone=_text(data, "zone"),
            started_at=_time(data, "started_at"),
            paid_at=_time(data, "paid_at"),
            amount_rp=_whole(data, "amount_rp"),
            lines=_lines(data),
            method=_text(data, "method"),
            reference=_text(data, "reference"),
            complaint=_text(data, "complaint"),
            verify_url=_text(data, "verify_url"),
            plate=_optional_text(data, "plate"),
            attendant_code=_optional_text(data, "attendant_code"),
            attendant_name=_optional_text(data, "attendant_name"),
            rrn=_optional_text(data, "rrn"),
            porporasi=_optional_text(data, "porporasi") or "",
            pass_serial=_optional_text(data, "pass_serial"),
            valid_until=_optional_day(data, "valid_until"),
        )


def _canonical_number(number: str) -> str:
    try:
        return receipt_number(*parse_receipt_number(number))
    except ReceiptNumberError as error:
        raise ReceiptFactsError(f"number: {error}") from None


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise ReceiptFactsError(f"{name}: want text")
    return value


def _optional_text(data: Mapping[str, Any], name: str) -> str | None:
    return None if data.get(name) is None else _text(data, name)


def _whole(data: Mapping[str, Any], name: str) -> int:
    try:
        return whole(data.get(name), name)
    except MoneyError:
        raise ReceiptFactsError(f"{name}: want a whole number") from None


def _time(data: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.fromisoformat(_text(data, name))
    except ValueError:
        raise ReceiptFactsError(f"{name}: want a time as in 2026-11-21T14:05:00+07:00") from None


def _optional_day(data: Mapping[str, Any], name: str) -> date | None:
    text = _optional_text(data, name)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ReceiptFactsError(f"{name}: want a day as in 2026-11-21") from None


def _vehicle_class(data: Mapping[str, Any]) -> VehicleClass:
    try:
        return VehicleClass(_text(data, "vehicle_class"))
    except ValueError:
        known = ", ".join(VehicleClass)
        raise ReceiptFactsError(f"vehicle_class: want one of {known}") from None


def _lines(data: Mapping[str, Any]) -> tuple[QuoteLine, ...]:
    rows = data.get("lines")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ReceiptFactsError("lines: want a list of objects")
    try:
        return tuple(
            QuoteLine(
                label_id=_text(row, "label_id"),
                label_en=_text(row, "label_en"),
                quantity=_whole(row, "quantity"),
                unit_rp=_whole(row, "unit_rp"),
                amount_rp=_whole(row, "amount_rp"),
            )
            for row in rows
        )
    except (ReceiptFactsError, MoneyError) as error:
        raise ReceiptFactsError(f"lines: {error}") from None


REFUND_SERIES = "KEMBALI"
"""What the numbers of refunds begin with, where a receipt's begin with its zone: longer than any
zone's code in the books, so that no receipt is ever taken for a refund."""
PASS_SERIES = "LANGGAN"  # noqa: S105 - no password
"""What the numbers of receipts of passes begin with, which belong to no zone."""


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """What the proof of a refund must say, beside the receipt it returns money of.

    ``original_number`` is that receipt's, empty where the money had none (it came late, or twice).
    ``reference`` is our id of the charge; ``method`` how the money went back; times are aware.
    Raises ReceiptFactsError, naming the field, when these do not hold.
    """

    number: str
    original_number: str
    regency: str
    agency: str
    spot_code: str
    zone: str
    paid_rp: int
    amount_rp: int
    reason: str
    method: str
    refunded_at: datetime
    reference: str
    complaint: str
    verify_url: str
    kind: str = "refund"

    def __post_init__(self) -> None:
        for number in filter(None, (self.number, self.original_number)):
            if _canonical_number(number) != number:
                raise ReceiptFactsError("number: is not written canonically")
        if self.refunded_at.utcoffset() is None:
            raise ReceiptFactsError("refunded_at: want a time with its zone")
        if not 0 < self.amount_rp <= self.paid_rp:
            raise ReceiptFactsError("amount_rp: is not above zero and at most what was paid")

    def to_json(self) -> dict[str, Any]:
        """One flat object, a key a field; the time is ISO 8601 with its offset."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "refunded_at": self.refunded_at.isoformat()}

    @classmethod
    def from_json(cls, data: object) -> "RefundFacts":
        """Reads what ``to_json`` wrote; fields it does not know are left aside. Raises
        ReceiptFactsError naming the field.
        """
        if not isinstance(data, Mapping):
            raise ReceiptFactsError("refund: want an object")
        return cls(
            number=_text(data, "number"),
            original_number=_text(data, "original_number"),
            regency=_text(data, "regency"),
            agency=_text(data, "agency"),
            spot_code=_text(data, "spot_code"),
            zone=_text(data, "zone"),
            paid_rp=_whole(data, "paid_rp"),
            amount_rp=_whole(data, "amount_rp"),
            reason=_text(data, "reason"),
            method=_text(data, "method"),
            refunded_at=_time(data, "refunded_at"),
            reference=_text(data, "reference"),
            complaint=_text(data, "complaint"),
            verify_url=_text(data, "verify_url"),
        )
