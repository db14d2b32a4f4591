"""A spot's signs: the life of each, and why what hangs there is not the one that belongs there."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.states import follow


class SignState(StrEnum):
    """A printed sign's; one that was REPLACED or WITHDRAWN may hang nowhere any more."""

    MADE = "made"
    MOUNTED = "mounted"
    DAMAGED = "damaged"
    MISSING = "missing"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


class SignEvent(StrEnum):
    """MOUNTED: it was hung up, put right, or found again. DAMAGED, MISSING: somebody saw it so.

    REPLACED: another was made for its spot. WITHDRAWN: it was taken down for good.
    """

    MOUNTED = "mounted"
    DAMAGED = "damaged"
    MISSING = "missing"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


SIGN_TABLE: Mapping[tuple[SignState, SignEvent], SignState] = MappingProxyType(
    {
        (SignState.MADE, SignEvent.MOUNTED): SignState.MOUNTED,
        (SignState.MADE, SignEvent.DAMAGED): SignState.DAMAGED,
        (SignState.MADE, SignEvent.MISSING): SignState.MISSING,
        (SignState.MADE, SignEvent.REPLACED): SignState.REPLACED,
        (SignState.MADE, SignEvent.WITHDRAWN): SignState.WITHDRAWN,
        (SignState.MOUNTED, SignEvent.DAMAGED): SignState.DAMAGED,
        (SignState.MOUNTED, SignEvent.MISSING): SignState.MISSING,
        (SignState.MOUNTED, SignEvent.REPLACED): SignState.REPLACED,
        (SignState.MOUNTED, SignEvent.WITHDRAWN): SignState.WITHDRAWN,
        (SignState.DAMAGED, SignEvent.MOUNTED): SignState.MOUNTED,
        (SignState.DAMAGED, SignEvent.MISSING): SignState.MISSING,
        (SignState.DAMAGED, SignEvent.REPLACED): SignState.REPLACED,
        (SignState.DAMAGED, SignEvent.WITHDRAWN): SignState.WITHDRAWN,
        (SignState.MISSING, SignEvent.MOUNTED): SignState.MOUNTED,
        (SignState.MISSING, SignEvent.DAMAGED): SignState.DAMAGED,
        (SignState.MISSING, SignEvent.REPLACED): SignState.REPLACED,
        (SignState.MISSING, SignEvent.WITHDRAWN): SignState.WITHDRAWN,
    }
)
IN_FORCE = frozenset(state for state, _ in SIGN_TABLE)
"""The states of a sign that is the right one at its spot."""


def advance(state: SignState, event: SignEvent) -> SignState:
    """The sign's next state; raises domain.states.TransitionRefused: out of use is final."""
    return follow(SIGN_TABLE, state, event)


class SignFault(StrEnum):
    """What makes a check of a sign red.

    OTHER_NMID: a payment code of another merchant. SAME_NAME: one under our merchant's very name.
    OTHER_SPOT: ours, of another spot. OTHER_SITE: a web address that is not the office's. CRC: an
    altered or damaged payment code. STATIC: a code for many payments where none is posted.
    ONE_TIME: a code for one payment, which has no place on a sign. OLD: of a spot or a code taken
    out of use. OTHER_DATA: ours, with another account, kind, name or amount. NOT_A_SIGN: something
    else. MISSING: no sign, or one that cannot be read. FORGED, OTHER_KEY, NEWER: a signed link that
    is so, as `domain.sign_link` tells. UNSIGNED: our address without the signature of a sign.
    """

    OTHER_NMID = "other-nmid"
    SAME_NAME = "same-name"
    OTHER_SPOT = "other-spot"
    OTHER_SITE = "other-site"
    CRC = "crc"
    STATIC = "static"
    ONE_TIME = "one-time"
    OLD = "old"
    OTHER_DATA = "other-data"
    NOT_A_SIGN = "not-a-sign"
    MISSING = "missing"
    FORGED = "forged"
    OTHER_KEY = "other-key"
    UNSIGNED = "unsigned"
    NEWER = "newer"
