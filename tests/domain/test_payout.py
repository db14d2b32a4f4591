"""The day of a payout: never too early, never on a day that is none."""

from datetime import date

import pytest

from domain.payout import DEFAULT, PayoutRule

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)


@pytest.mark.parametrize(
    ("rule", "earned_on", "paid_on"),
    [
        (DEFAULT, date(2026, 11, 19), FRIDAY),
        (DEFAULT, FRIDAY, date(2026, 11, 23)),
        (DEFAULT, SATURDAY, date(2026, 11, 23)),
        (PayoutRule((5,), 0), FRIDAY, FRIDAY),
        (PayoutRule((5,), 1), FRIDAY, date(2026, 11, 27)),
        (PayoutRule((1, 2, 3, 4, 5, 6, 7), 0), SATURDAY, SATURDAY),
    ],
)
def test_what_a_day_earned_is_paid_on_the_next_day_of_the_rule(
    rule: PayoutRule, earned_on: date, paid_on: date
) -> None:
    assert rule.payout_of(earned_on) == paid_on


@pytest.mark.parametrize("fields", [((), 0), ((0,), 0), ((8,), 0), ((1,), -1), ((1,), 61)])
def test_a_rule_that_pays_never_is_none(fields: tuple[tuple[int, ...], int]) -> None:
    with pytest.raises(ValueError, match=r"is|are"):
        PayoutRule(*fields)
