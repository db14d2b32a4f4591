from datetime import date

import pytest

from domain.mdr import MdrRule, MerchantCriteria, mdr, rule_on
from domain.money import MoneyError

UMI, PSO = MerchantCriteria.UMI, MerchantCriteria.PSO
BEFORE = MdrRule(UMI, date(2023, 9, 1), date(2024, 11, 30), 100_000, 30)
SINCE = MdrRule(UMI, date(2024, 12, 1), None, 500_000, 30)
REGULAR = MdrRule(MerchantCriteria.URE, date(2023, 9, 1), None, 0, 70)


@pytest.mark.parametrize(
    ("rule", "amount_rp", "fee_rp"),
    [
        (BEFORE, 100_000, 0),
        (BEFORE, 100_001, 300),
        (SINCE, 500_000, 0),
        (SINCE, 500_001, 1_500),
        (SINCE, 500_167, 1_501),
        (REGULAR, 0, 0),
        (REGULAR, 1, 0),
        (REGULAR, 71, 0),
        (REGULAR, 72, 1),
        (REGULAR, 2_000, 14),
        (REGULAR, 4_500, 32),
        (REGULAR, 10_000_000, 70_000),
    ],
)
def test_the_fee_is_of_the_whole_amount_above_the_threshold(rule, amount_rp, fee_rp):
    assert mdr(amount_rp, rule) == fee_rp


def test_half_a_rupiah_is_rounded_up():
    half = MdrRule(PSO, date(2023, 9, 1), None, 0, 50)
    assert [mdr(amount_rp, half) for amount_rp in (99, 100, 101, 300)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("day", "rule"),
    [
        (date(2023, 8, 31), None),
        (date(2023, 9, 1), BEFORE),
        (date(2024, 11, 30), BEFORE),
        (date(2024, 12, 1), SINCE),
        (date(2099, 1, 1), SINCE),
    ],
)
def test_the_rule_of_the_day_of_payment_counts(day, rule):
    assert rule_on([REGULAR, SINCE, BEFORE], UMI, day) == rule
    assert rule_on([SINCE, BEFORE], PSO, day) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid_until": date(2023, 8, 31)},
        {"free_up_to_rp": -1},
        {"free_up_to_rp": 0.5},
        {"rate_bp": -1},
        {"rate_bp": 10_001},
        {"rate_bp": 0.7},
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong):
    right = {
        "criteria": UMI,
        "valid_from": date(2023, 9, 1),
        "valid_until": date(2023, 9, 1),
        "free_up_to_rp": 0,
        "rate_bp": 10_000,
    }
    assert mdr(3, MdrRule(**right)) == 3
    with pytest.raises(MoneyError):
        MdrRule(**(right | wrong))


def test_a_fee_is_of_whole_rupiah():
    for amount in (-1, 2_000.0):
        with pytest.raises(MoneyError):
            mdr(amount, REGULAR)
