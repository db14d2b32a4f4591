from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction

import pytest

from domain.money import MoneyError, Rounding, format_rp, multiply_divide, split

DECIMAL = {
    Rounding.DOWN: ROUND_DOWN,
    Rounding.UP: ROUND_UP,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
}


@pytest.mark.parametrize(
    ("tenths", "down", "up", "half_up", "half_even"),
    [
        (0, 0, 0, 0, 0),
        (1, 0, 1, 0, 0),
        (5, 0, 1, 1, 0),
        (9, 0, 1, 1, 1),
        (10, 1, 1, 1, 1),
        (14, 1, 2, 1, 1),
        (15, 1, 2, 2, 2),
        (16, 1, 2, 2, 2),
        (25, 2, 3, 3, 2),
        (35, 3, 4, 4, 4),
    ],
)
def test_each_rounding_has_its_own_answer(tenths, down, up, half_up, half_even):
    wanted = (down, up, half_up, half_even)
    assert tuple(multiply_divide(tenths, 1, 10, rounding) for rounding in Rounding) == wanted
    assert tuple(multiply_divide(-tenths, 1, 10, r) for r in Rounding) == tuple(-x for x in wanted)


@pytest.mark.parametrize("rounding", Rounding)
def test_roundings_are_those_of_the_decimal_module(rounding):
    assert set(DECIMAL) == set(Rounding)
    for amount_rp in range(-60, 61):
        exact = Decimal(amount_rp) / Decimal(8)
        wanted = int(exact.quantize(Decimal(1), rounding=DECIMAL[rounding]))
        assert multiply_divide(amount_rp, 3, 24, rounding) == wanted


def test_a_fee_of_seven_in_a_thousand_is_exact_where_floats_are_not():
    assert multiply_divide(2_000, 7, 1_000, Rounding.DOWN) == 14
    amount_rp = 10**18 + 1
    wanted = int(Fraction(amount_rp) * 7 / 1_000)
    assert multiply_divide(amount_rp, 7, 1_000, Rounding.DOWN) == wanted


@pytest.mark.parametrize("rounding", [None, "HALF_UP"])
def test_money_is_never_divided_without_a_rounding(rounding):
    with pytest.raises(AssertionError):
        multiply_divide(15, 1, 10, rounding)


def test_the_sign_may_come_from_the_numerator():
    assert multiply_divide(15, -1, 10, Rounding.UP) == -2


@pytest.mark.parametrize("denominator", [0, -1])
def test_a_divisor_must_be_above_zero(denominator):
    with pytest.raises(MoneyError, match="denominator"):
        multiply_divide(1, 1, denominator, Rounding.DOWN)


@pytest.mark.parametrize("amount", [1.0, True, "1", None, Decimal(1)])
def test_only_whole_numbers_are_money(amount):
    for attempt in (
        lambda: multiply_divide(amount, 1, 1, Rounding.DOWN),
        lambda: multiply_divide(1, amount, 1, Rounding.DOWN),
        lambda: multiply_divide(1, 1, amount, Rounding.DOWN),
        lambda: split(amount, [1], remainder_to=0),
        lambda: split(1, [amount], remainder_to=0),
        lambda: split(1, [1], remainder_to=amount),
        lambda: format_rp(amount),
    ):
        with pytest.raises(MoneyError, match="whole number"):
            attempt()


@pytest.mark.parametrize(
    ("amount_rp", "weights", "remainder_to", "shares"),
    [
        (2_000, (60, 35, 5), 0, (1_200, 700, 100)),
        (1_000, (1, 1, 1), 0, (334, 333, 333)),
        (1_000, (1, 1, 1), 2, (333, 333, 334)),
        (-1_000, (1, 1, 1), 1, (-333, -334, -333)),
        (1, (60, 35, 5), 2, (0, 0, 1)),
        (5, (0, 1), 0, (0, 5)),
        (0, (3, 4), 1, (0, 0)),
        (7, (1,), 0, (7,)),
    ],
)
def test_a_split_gives_the_remainder_to_the_stated_leg(amount_rp, weights, remainder_to, shares):
    assert split(amount_rp, weights, remainder_to=remainder_to) == shares


@pytest.mark.parametrize(
    ("weights", "remainder_to", "message"),
    [
        ((), 0, "sum to more than zero"),
        ((0, 0), 0, "sum to more than zero"),
        ((2, -1), 0, "below zero"),
        ((1, 1), 2, "none of 2 legs"),
        ((1, 1), -1, "none of 2 legs"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(weights, remainder_to, message):
    with pytest.raises(MoneyError, match=message):
        split(10, weights, remainder_to=remainder_to)


@pytest.mark.parametrize(
    ("amount_rp", "text"),
    [
        (0, "Rp0"),
        (500, "Rp500"),
        (5_000, "Rp5.000"),
        (1_250_000, "Rp1.250.000"),
        (-5_000, "-Rp5.000"),
    ],
)
def test_rupiah_are_written_with_dots(amount_rp, text):
    assert format_rp(amount_rp) == text
