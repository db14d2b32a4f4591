"""Attendants' cards (KTA): who the office says somebody is, signed as it signs proofs.

A card says nothing of who holds it up: its PIN, and the office's word on who is on duty, do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from domain.proof import Seal, claims_to_be, read_signed

KIND = "karcis-kta"


@dataclass(frozen=True, slots=True)
class Card:
    """`valid_until` is the last day, included. An attendant may have had several cards."""

    id: UUID
    attendant: str
    name: str
    valid_until: date


def sign(seal: Seal, card: Card) -> str:
    """The text of a card's QR."""
    claims = {
        "i": card.id.hex,
        "c": card.attendant,
        "n": card.name,
        "u": card.valid_until.strftime("%Y%m%d"),
    }
    return seal.sign_claims(KIND, claims)


def is_card(text: str) -> bool:
    """Whether a scanned text claims to be a card; whether it is one, only `verify` tells."""
    return claims_to_be(text, KIND)


def verify(text: str, keys: Mapping[str, bytes]) -> Card:
    """What a card says, read by the office's public keys by id; raises domain.proof.ProofError."""
    return read_signed(text, KIND, keys, _read)


def _read(claims: Mapping[str, Any]) -> Card:
    return Card(
        id=UUID(str(claims["i"])),
        attendant=str(claims["c"]),
        name=str(claims["n"]),
        valid_until=date.fromisoformat(str(claims["u"])),
    )
