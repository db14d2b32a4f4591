from dataclasses import replace

import pytest

import qris
from qris import Difference, Field, MerchantAccount, Registration, compare
from tests.qris.samples import STATIC, TEXTS, seal

REGISTERED = Registration(
    nmid="ID1020999000111",
    pan="9360009900000123457",
    criteria=qris.Criteria.PUBLIC_SERVICE_AGENCY,
    mcc="7523",
    name="Parkir Kab Contoh",
)


def fields(registration: Registration, payload: qris.QrisPayload) -> list[Field]:
    return [difference.field for difference in compare(registration, payload)]


@pytest.mark.parametrize("name", ["static", "dynamic", "pan-19-digits", "tip-prompt"])
def test_our_own_codes_do_not_differ(name: str) -> None:
    assert compare(REGISTERED, qris.parse(TEXTS[name])) == ()


def test_names_ignore_case_and_spacing_only() -> None:
    assert compare(REGISTERED, replace(STATIC, name=" PARKIR  KAB CONTOH ")) == ()
    assert fields(REGISTERED, replace(STATIC, name="PARKIR KAB C0NTOH")) == [Field.NAME]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("ID1020999000111", "ID1020999000112", Field.NMID),
        ("936000990000012345", "936000990000054321", Field.PAN),
        ("0303BLU52", "0303UMI52", Field.CRITERIA),
        ("52047523", "52045411", Field.MCC),
        ("PARKIR KAB CONTOH", "PARKIR KAB CONTOL", Field.NAME),
    ],
)
def test_a_sealed_forgery_is_caught(old: str, new: str, difference: Field) -> None:
    forged = seal(TEXTS["static"].replace(old, new))
    assert forged != TEXTS["static"]
    assert fields(REGISTERED, qris.parse(forged)) == [difference]


def test_a_sealed_amount_is_caught_by_the_fixed_tariff() -> None:
    tariff = replace(REGISTERED, amount_rp=2000)
    assert compare(tariff, qris.parse(TEXTS["dynamic"])) == ()
    forged = qris.parse(seal(TEXTS["dynamic"].replace("54042000", "54049000")))
    assert compare(tariff, forged) == (Difference(Field.AMOUNT, "2000", "9000"),)


@pytest.mark.parametrize(
    ("sample", "scanned"),
    [
        ("static", None),
        ("tip-fixed", "2500"),
        ("tip-percent", "2000 + 2.5%"),
        ("amount-cents", "25578.55"),
    ],
)
def test_a_fixed_tariff_counts_fees(sample: str, scanned: str | None) -> None:
    tariff = replace(REGISTERED, amount_rp=2000)
    found = compare(tariff, qris.parse(TEXTS[sample]))
    assert found == (Difference(Field.AMOUNT, "2000", scanned),)


def test_a_fee_that_is_not_whole_is_shown_in_parts() -> None:
    payload = replace(STATIC, amount="2000", tip=qris.Tip.FIXED, fixed_fee="0.5")
    found = compare(replace(REGISTERED, amount_rp=2000), payload)
    assert found == (Difference(Field.AMOUNT, "2000", "2000 + 0.5"),)


def test_an_equal_amount_in_other_digits_is_equal() -> None:
    assert (
        compare(replace(REGISTERED, amount_rp=5000), qris.parse(TEXTS["amount-one-decimal"])) == ()
    )


def test_another_merchant_s_genuine_code_differs_in_every_field() -> None:
    other = qris.static(
        nmid="ID1020888000222",
        acquirer_guid="ID.CO.LAIN.WWW",
        pan="936000880000054321",
        merchant_id="LAIN01",
        criteria=qris.Criteria.MICRO,
        mcc="5411",
        name="TOKO LAIN",
        city="KOTA LAIN",
        postal_code="10110",
    )
    scanned = qris.parse(qris.encode(other))
    found = fields(replace(REGISTERED, amount_rp=2000), scanned)
    assert found == list(Field)


def test_a_second_account_of_another_merchant_is_caught() -> None:
    foreign = MerchantAccount(
        tag="27", guid="ID.CO.LAIN.WWW", pan="936000880000054321", merchant_id="L", criteria="UMI"
    )
    payload = replace(STATIC, accounts=(*STATIC.accounts, foreign))
    wanted = Difference(Field.PAN, "936000990000012345", "936000880000054321")
    assert compare(REGISTERED, payload) == (wanted,)


def test_a_card_account_is_caught() -> None:
    assert fields(REGISTERED, qris.parse(TEXTS["card-account"])) == [Field.PAN]


def test_a_missing_national_account_or_pan_is_a_difference() -> None:
    without = compare(REGISTERED, qris.parse(TEXTS["dynamic-without-national"]))
    assert without == (Difference(Field.NMID, "ID1020999000111", None),)
    without = compare(REGISTERED, qris.parse(TEXTS["national-only"]))
    assert without == (Difference(Field.PAN, "936000990000012345", None),)


@pytest.mark.parametrize(
    "pan", ["93600099000001234", "936000990000012345678", "93600099000001234x"]
)
def test_a_pan_must_have_its_digits(pan: str) -> None:
    payload = replace(STATIC, accounts=(replace(STATIC.accounts[0], pan=pan), STATIC.accounts[1]))
    assert fields(REGISTERED, payload) == [Field.PAN]


def test_what_is_not_registered_is_not_compared() -> None:
    bare = Registration(nmid="ID1020999000111")
    changed = replace(STATIC, name="LAIN", mcc="5411", amount="7000")
    assert compare(bare, changed) == ()
