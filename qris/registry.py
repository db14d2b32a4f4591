"""Is this code the merchant it should be? A sound payload proves nothing: anyone can compute a CRC.

Stickers pasted over ours are genuine codes of other merchants; only what was registered tells."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qris import tlv
from qris.merchant import QrisPayload, Tip
from qris.rules import Criteria

# The 18 digits printed in a code lack the check digit that messages and registers append.
PAN_DIGITS: Final = 18


class Field(StrEnum):
    """What is compared."""

    NMID = "nmid"
    PAN = "pan"
    CRITERIA = "criteria"
    MCC = "mcc"
    NAME = "name"
    AMOUNT = "amount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a merchant's registration says; None means that it says nothing, so nothing is compared.

    `pan` has 18 or 19 digits. `amount_rp` is the fixed tariff in whole rupiah, all fees included.
    """

    nmid: str
    pan: str | None = None
    criteria: Criteria | None = None
    mcc: str | None = None
    name: str | None = None
    amount_rp: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the code departs from the registration, both sides as text."""

    field: Field
    registered: str
    scanned: str | None


def compare(registration: Registration, payload: QrisPayload) -> tuple[Difference, ...]:
    """Return every difference, in the order of `Field`; empty if the code is the merchant's.

    Every account must belong to the merchant: one foreign PAN, or a card-scheme account (02-25),
    is enough to lead the money elsewhere. Names are compared without regard to case and spacing.
    """
    found: list[Difference] = []
    if payload.nmid != registration.nmid:
        found.append(Difference(Field.NMID, registration.nmid, payload.nmid))
    if registration.pan is not None:
        found.extend(_pans(registration.pan, payload))
    if registration.criteria is not None and payload.criteria != registration.criteria:
        found.append(Difference(Field.CRITERIA, registration.criteria, payload.criteria))
    if registration.mcc is not None and payload.mcc != registration.mcc:
        found.append(Difference(Field.MCC, registration.mcc, payload.mcc))
    if registration.name is not None and _plain(payload.name) != _plain(registration.name):
        found.append(Difference(Field.NAME, registration.name, payload.name))
    if registration.amount_rp is not None and _total(payload) != str(registration.amount_rp):
        found.append(Difference(Field.AMOUNT, str(registration.amount_rp), _total(payload)))
    return tuple(found)


def _pans(registered: str, payload: QrisPayload) -> list[Difference]:
    wanted = registered[:PAN_DIGITS]
    scanned = [account.pan for account in payload.acquirers]
    scanned += [value for tag, value in payload.others if tag < "26"]
    return [
        Difference(Field.PAN, wanted, pan and pan[:PAN_DIGITS])
        # A code with the national account alone has no PAN to show, which is a difference too.
        for pan in scanned or [None]
        if not (pan and tlv.is_digits(pan) and len(pan) <= 19 and pan[:PAN_DIGITS] == wanted)
    ]


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _total(payload: QrisPayload) -> str | None:
    """The rupiah the payer is charged, or the parts as written if they do not add up to whole."""
    if payload.amount is None:
        return None
    if payload.tip == Tip.PERCENT:
        return f"{payload.amount} + {payload.percent_fee}%"
    if payload.tip == Tip.FIXED:
        if payload.amount_rp is None or payload.fixed_fee_rp is None:
            return f"{payload.amount} + {payload.fixed_fee}"
        return str(payload.amount_rp + payload.fixed_fee_rp)
    return payload.amount if payload.amount_rp is None else str(payload.amount_rp)
