"""Rupiah arithmetic: amounts are whole ``int``s, and every division names its rounding.

There is no float and no default rounding here: a share of a fee is decided by whoever asks for it.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import assert_never


class MoneyError(ValueError):
    """An amount, weight or divisor that money cannot be reckoned with."""


class Rounding(Enum):
    """What to do with a fraction of a rupiah.

    As in ``decimal``, "down" is towards zero and "up" is away from it, so that a refund of -x
    rounds to exactly the opposite of a payment of x.
    """

    DOWN = auto()
    UP = auto()
    HALF_UP = auto()
    HALF_EVEN = auto()


def whole(value: object, name: str) -> int:
    """``value`` if it is an ``int`` (a bool or a float is not); raises MoneyError naming it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise MoneyError(f"{name} must be a whole number, not {value!r}")


def multiply_divide(amount_rp: int, numerator: int, denominator: int, rounding: Rounding) -> int:
    """``amount_rp * numerator / denominator`` in whole rupiah, exact before the one rounding.

    The sign is that of the exact result. Raises MoneyError unless all three are ``int`` and the
    denominator is above zero.
    """
    if whole(denominator, "denominator") <= 0:
        raise MoneyError(f"denominator must be above zero, not {denominator}")
    product = whole(amount_rp, "amount_rp") * whole(numerator, "numerator")
    quotient, remainder = divmod(abs(product), denominator)
    if _rounds_away(quotient, 2 * remainder, denominator, rounding):
        quotient += 1
    return quotient if product >= 0 else -quotient


def _rounds_away(quotient: int, twice: int, denominator: int, rounding: Rounding) -> bool:
    match rounding:
        case Rounding.DOWN:
            return False
        case Rounding.UP:
            return twice > 0
        case Rounding.HALF_UP:
            return twice >= denominator
        case Rounding.HALF_EVEN:
            return twice > denominator or (twice == denominator and quotient % 2 == 1)
        case _:
            assert_never(rounding)


def split(amount_rp: int, weights: Sequence[int], *, remainder_to: int) -> tuple[int, ...]:
    """Share ``amount_rp`` by ``weights``; the shares sum to exactly the amount.

    Each share is rounded towards zero and what is left over goes to the leg at index
    ``remainder_to`` (0 is the first). A negative amount gives negative shares. Raises MoneyError
    for a weight below zero, weights that sum to zero, or a leg that does not exist.
    """
    if any(whole(weight, "weight") < 0 for weight in weights):
        raise MoneyError(f"weights must not be below zero: {list(weights)}")
    total = sum(weights)
    if total == 0:
        raise MoneyError("weights must sum to more than zero")
    if not 0 <= whole(remainder_to, "remainder_to") < len(weights):
        raise MoneyError(f"remainder_to {remainder_to} is none of {len(weights)} legs")
    shares = [multiply_divide(amount_rp, weight, total, Rounding.DOWN) for weight in weights]
    shares[remainder_to] += amount_rp - sum(shares)
    return tuple(shares)


def format_rp(amount_rp: int) -> str:
    """As Indonesians write it: ``Rp5.000``, ``-Rp5.000``; raises MoneyError for a non-integer."""
    sign = "-" if whole(amount_rp, "amount_rp") < 0 else ""
    return f"{sign}Rp{abs(amount_rp):,}".replace(",", ".")
