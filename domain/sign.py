"""Why a sign, or a sticker on it, is not the one that belongs at its spot."""

from enum import StrEnum


class SignFault(StrEnum):
    """What makes a check of a sign red.

    OTHER_NMID: a payment code of another merchant. SAME_NAME: one under our merchant's very name.
    OTHER_SPOT: ours, of another spot. OTHER_SITE: a web address that is not the office's. CRC: an
    altered or damaged payment code. STATIC: a code for many payments where none is posted.
    ONE_TIME: a code for one payment, which has no place on a sign. OLD: of a spot or a code taken
    out of use. OTHER_DATA: ours, with another account, kind, name or amount. NOT_A_SIGN: something
    else. MISSING: no sign, or one that cannot be read.
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
