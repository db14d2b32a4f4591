import pytest

from domain.money import MoneyError
from domain.shares import NO_SHARES, ShareLeg, ShareRule, Shares, pool, share

SURABAYA = ShareRule(3500, 500, "Karang Taruna")


@pytest.mark.parametrize(
    ("amount_rp", "attendant_rp", "third_party_rp"),
    [
        (0, 0, 0),
        (1, 0, 0),
        (3, 1, 0),
        (19, 6, 0),
        (20, 7, 1),
        (2_000, 700, 100),
        (3_333, 1_166, 166),
    ],
)
def test_what_is_left_by_rounding_stays_with_the_regency(amount_rp, attendant_rp, third_party_rp):
    wanted = Shares(attendant_rp, "J-001", third_party_rp, "Karang Taruna")
    assert share(amount_rp, SURABAYA, "J-001") == wanted


@pytest.mark.parametrize(
    ("remainder_to", "attendant_rp", "third_party_rp"),
    [
        (ShareLeg.REGENCY, 1_166, 166),
        (ShareLeg.ATTENDANT, 1_167, 166),
        (ShareLeg.THIRD_PARTY, 1_166, 167),
    ],
)
def test_a_fraction_of_a_rupiah_goes_where_the_rule_says(
    remainder_to, attendant_rp, third_party_rp
):
    rule = ShareRule(3500, 500, "Karang Taruna", remainder_to)
    shares = share(3_333, rule, "J-001")
    assert (shares.attendant_rp, shares.third_party_rp) == (attendant_rp, third_party_rp)
    assert shares.total_rp == attendant_rp + third_party_rp


def test_nobody_is_named_who_has_no_share():
    assert share(2_000, None, "J-001") == NO_SHARES == Shares(0, "", 0, "")
    assert share(2_000, ShareRule(0), "J-001") == NO_SHARES
    assert share(2_000, ShareRule(0, 500, "X"), "J-001") == Shares(0, "", 100, "X")
    assert share(2_000, ShareRule(10_000), "J-001") == Shares(2_000, "J-001", 0, "")


def test_what_lies_between_two_amounts_is_owed_by_the_same_parties():
    later, before = share(2_000, SURABAYA, "J-001"), share(40, SURABAYA, "J-001")
    assert later - before == Shares(700 - 14, "J-001", 100 - 2, "Karang Taruna")
    for other in (
        share(19, SURABAYA, "J-002"),
        share(19, ShareRule(3500, 500, "Lain"), "J-001"),
    ):
        with pytest.raises(MoneyError, match="other parties"):
            _ = later - other


@pytest.mark.parametrize(
    "wrong",
    [
        {"attendant_bp": -1},
        {"attendant_bp": 0.35},
        {"attendant_bp": 0, "third_party_bp": -1, "third_party": "X"},
        {"attendant_bp": 9_501, "third_party_bp": 500, "third_party": "X"},
        {"attendant_bp": 10_001},
        {"attendant_bp": 0, "third_party_bp": 1},
        {"attendant_bp": 0, "third_party": "X"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong):
    with pytest.raises(MoneyError):
        ShareRule(**wrong)


def test_a_rule_names_a_leg_that_exists():
    assert ShareRule(9_500, 500, "X", ShareLeg.THIRD_PARTY).remainder_to == "third_party"
    with pytest.raises(ValueError, match="nobody"):
        ShareRule(1, remainder_to="nobody")


def test_a_share_is_of_whole_rupiah_and_owed_to_somebody():
    for amount in (-1, 1.0, True):
        with pytest.raises(MoneyError):
            share(amount, SURABAYA, "J-001")
    for nobodys in ({"attendant_rp": 1}, {"third_party_rp": 1}):
        with pytest.raises(MoneyError, match="owed to somebody"):
            Shares(**nobodys)


def test_a_pool_is_no_attendants_code():
    assert pool("PSR") == "zone:PSR"
