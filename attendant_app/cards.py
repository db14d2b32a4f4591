"""Attendants' cards (KTA): read by the office's keys, and by its word on duty where it can be had.

A card never signs anybody in: it says which code to fill in, and the PIN is asked all the same.
"""

from base64 import b64decode
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from attendant_app import prices
from attendant_app.runtime import Handheld
from domain.card import Card, verify
from domain.proof import ProofError


class Verdict(StrEnum):
    """UNKNOWN_KEY is for the office to tell, as this device's keys may be old."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"


@dataclass(frozen=True)
class Reading:
    verdict: Verdict
    card: Card | None = None


def judge(handheld: Handheld, text: str) -> Reading:
    """By this device's records alone: signature, last day, and the office's list of lost cards."""
    master = handheld.store.master_data() or {}
    told = (master.get("proofs") or {}).get("keys") or {}
    try:
        card = verify(text, {str(name): b64decode(key) for name, key in told.items()})
    except ProofError as error:
        unknown = error.reason == "unknown-key"
        return Reading(Verdict.UNKNOWN_KEY if unknown else Verdict.FORGED)
    if str(card.id) in ((master.get("cards") or {}).get("revoked") or ()):
        return Reading(Verdict.REVOKED, card)
    today = handheld.office_time().astimezone(prices.zone_of(master)).date()
    return Reading(Verdict.VALID if today <= card.valid_until else Verdict.EXPIRED, card)


def found(handheld: Handheld, text: str, office: dict[str, Any] | None) -> dict[str, Any]:
    """A card as the screens show it; `office` is what the office said of it, if it could be asked.

    `duty` is `on`, `off`, or `unknown` where nobody could be asked.
    """
    if office is not None:
        since = office.get("on_duty_since")
        return {
            "kind": "card",
            "verdict": str(office["verdict"]),
            "attendant": office.get("attendant"),
            "name": office.get("name"),
            "valid_until": office.get("valid_until"),
            "duty": "on" if since else "off",
            "duty_since": since,
            "place": office.get("place"),
        }
    reading = judge(handheld, text)
    told: dict[str, Any] = {"kind": "card", "verdict": reading.verdict.value, "duty": "unknown"}
    if reading.card is not None:
        told |= {
            "attendant": reading.card.attendant,
            "name": reading.card.name,
            "valid_until": reading.card.valid_until.isoformat(),
        }
    return told
