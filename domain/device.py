"""A handheld's life at the office, the code that enrols it, and the short form of its key."""

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.states import TransitionRefused, follow

__all__ = [
    "DEVICE_TABLE",
    "ENROLMENT_PREFIX",
    "ENROLMENT_SIGNS",
    "DeviceState",
    "LifeEvent",
    "TransitionRefused",
    "advance_device",
    "enrolment_code",
    "enrolment_text",
    "fingerprint",
]


class DeviceState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class LifeEvent(StrEnum):
    """What happened to a device. ROLLED: it registered a new key, which is approved anew."""

    APPROVED = "approved"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ROLLED = "rolled"
    REVOKED = "revoked"


_S, _E = DeviceState, LifeEvent

DEVICE_TABLE: Mapping[tuple[DeviceState, LifeEvent], DeviceState] = MappingProxyType(
    {
        (_S.PENDING, _E.APPROVED): _S.ACTIVE,
        (_S.PENDING, _E.REVOKED): _S.REVOKED,
        (_S.ACTIVE, _E.SUSPENDED): _S.SUSPENDED,
        (_S.ACTIVE, _E.ROLLED): _S.PENDING,
        (_S.ACTIVE, _E.REVOKED): _S.REVOKED,
        (_S.SUSPENDED, _E.RESUMED): _S.ACTIVE,
        (_S.SUSPENDED, _E.ROLLED): _S.PENDING,
        (_S.SUSPENDED, _E.REVOKED): _S.REVOKED,
    }
)


def advance_device(state: DeviceState, event: LifeEvent) -> DeviceState:
    """The device's next state; raises TransitionRefused: a revoked device is never used again."""
    return follow(DEVICE_TABLE, state, event)


ENROLMENT_PREFIX = "KARCIS-ENROL:"
ENROLMENT_SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""What codes are made of: nothing in it looks like something else when it is read aloud."""
_CODE = re.compile(f"[{ENROLMENT_SIGNS}]{{16}}")


def enrolment_code(text: str) -> str | None:
    """The sixteen signs of a code, as it was scanned or typed; None where it is no such code."""
    told = re.sub(r"[\s-]", "", text.strip().upper().removeprefix(ENROLMENT_PREFIX))
    return told if _CODE.fullmatch(told) else None


def enrolment_text(code: str) -> str:
    """A code as people read it, in groups of four; after ENROLMENT_PREFIX, what its QR says."""
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))


_CONSONANTS, _VOWELS = "cdfghjklmnprstwy", "aiuo"


def fingerprint(public_key: bytes) -> str:
    """Four words of a key, for two people to compare on two screens or read to each other.

    A word is two syllables and twelve bits, so that no list of words has to be agreed on.
    """
    number = int.from_bytes(hashlib.sha256(public_key).digest()[:6])
    syllables = [
        _CONSONANTS[part >> 2] + _VOWELS[part & 3]
        for part in (number >> shift & 63 for shift in range(42, -1, -6))
    ]
    return " ".join(a + b for a, b in zip(syllables[::2], syllables[1::2], strict=True))
