"""A vehicle's stay and the code of the spot it stands on."""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain import check_digit
from domain.states import TransitionRefused, follow

__all__ = [
    "STAY_TABLE",
    "ZONE_CODE",
    "SpotCodeError",
    "StayEvent",
    "StayState",
    "TransitionRefused",
    "VoidReason",
    "advance",
    "parse_spot_code",
    "spot_code",
]


class StayState(StrEnum):
    """RESERVED: a barcode was issued ahead for it, and no vehicle has come yet."""

    RESERVED = "reserved"
    OPEN = "open"
    ENDED = "ended"
    VOIDED = "voided"


class StayEvent(StrEnum):
    """BEGUN: a vehicle came for which a barcode was issued ahead. ENDED: the vehicle left.
    VOIDED: the stay was recorded by mistake, or its barcode was never used.
    """

    BEGUN = "begun"
    ENDED = "ended"
    VOIDED = "voided"


STAY_TABLE: Mapping[tuple[StayState, StayEvent], StayState] = MappingProxyType(
    {
        (StayState.RESERVED, StayEvent.BEGUN): StayState.OPEN,
        (StayState.RESERVED, StayEvent.VOIDED): StayState.VOIDED,
        (StayState.OPEN, StayEvent.ENDED): StayState.ENDED,
        (StayState.OPEN, StayEvent.VOIDED): StayState.VOIDED,
    }
)


class VoidReason(StrEnum):
    """Why an attendant took a stay back."""

    WRONG_VEHICLE = "wrong_vehicle"
    WRONG_SPOT = "wrong_spot"
    DRIVER_LEFT = "driver_left"
    OTHER = "other"


def advance(state: StayState, event: StayEvent) -> StayState:
    """The stay's next state; raises TransitionRefused: an ended or voided stay is final."""
    return follow(STAY_TABLE, state, event)


# It ends with a letter so that a code typed without hyphens still says where the number begins.
ZONE_CODE = "[A-Z](?:[A-Z0-9]{0,6}[A-Z])?"
_SPOT = re.compile(f"({ZONE_CODE})([0-9]{{3,5}})([0-9A-Z])")
_LAST_SPOT = 99_999


class SpotCodeError(ValueError):
    """A spot code, or a part of one, that cannot be right; the message names which part."""


def spot_code(zone_code: str, number: int) -> str:
    """The code on a spot's sign: zone, number of at least three digits, check character.

    Raises SpotCodeError unless the zone is 1 to 8 capitals and digits that begin and end with a
    letter, and the number is 1 to 99999.
    """
    if re.fullmatch(ZONE_CODE, zone_code) is None:
        raise SpotCodeError(
            f"zone {zone_code!r}: want 1 to 8 capitals and digits, first and last a letter"
        )
    if not 1 <= number <= _LAST_SPOT:
        raise SpotCodeError(f"number {number}: want 1 to {_LAST_SPOT}")
    return check_digit.append(f"{zone_code}-{number:03d}")


def parse_spot_code(text: str) -> str:
    """The canonical code for what was typed or scanned; case, spaces and hyphens do not matter.

    Raises SpotCodeError saying whether the characters, the shape, the number or the check
    character is wrong.
    """
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError as error:
        raise SpotCodeError(f"characters: {error}") from None
    match = _SPOT.fullmatch(bare)
    if match is None:
        raise SpotCodeError("shape: want zone, number and check character, as in MTG-012-3")
    zone, number, _ = match.groups()
    if not check_digit.is_valid(bare):
        raise SpotCodeError("check character: does not match, so something was misread or mistyped")
    canonical = spot_code(zone, int(number))
    if canonical.replace("-", "") != bare:
        raise SpotCodeError(f"number: {number} has zeros too many")
    return canonical
