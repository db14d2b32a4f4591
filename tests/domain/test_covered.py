"""Passes are read offline, say where and how long they hold, and nobody else makes one."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.covered import (
    KIND,
    LAST_NUMBER,
    Pass,
    first_free,
    is_pass,
    last_day,
    serial,
    sign,
    verify,
)
from domain.parking import SpotCodeError, parse_spot_code
from domain.proof import ProofError, Seal, is_proof
from domain.receipt import ReceiptNumberError, parse_receipt_number
from domain.tariff import VehicleClass
from domain.voucher import is_voucher

SEAL = Seal(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {SEAL.key_id: SEAL.public}
DAY = date(2026, 11, 22)
PASSES = st.builds(
    Pass,
    st.integers(1, LAST_NUMBER).map(serial),
    st.lists(st.sampled_from(VehicleClass), min_size=1, unique=True).map(tuple),
    st.lists(st.sampled_from(["PSR", "RSU", "MTG"]), unique=True).map(tuple),
    st.just(DAY),
    st.dates(DAY, date(2099, 1, 1)),
    st.none() | st.just("KH 1••• AB"),
)


@pytest.mark.parametrize(
    ("first", "months", "last"),
    [
        (date(2026, 11, 24), 1, date(2026, 12, 23)),
        (date(2026, 11, 1), 1, date(2026, 11, 30)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 12, 1), 12, date(2027, 11, 30)),
    ],
)
def test_a_month_ends_the_day_before_its_day_comes_again(first, months, last):
    assert last_day(first, months) == last


@given(
    st.lists(st.tuples(st.dates(DAY, DAY + timedelta(days=900)), st.integers(1, 12)), max_size=6),
    st.dates(DAY, DAY + timedelta(days=900)),
    st.integers(1, 12),
)
def test_a_further_pass_never_overlaps_one_that_is_there(held, wanted, months):
    taken = [(first, last_day(first, count)) for first, count in held]
    begins = first_free(taken, wanted, months)
    assert begins >= wanted
    assert not [1 for a, b in taken if a <= last_day(begins, months) and b >= begins]
    if begins > wanted:  # no day is lost between
        assert any(last + timedelta(days=1) == begins for _, last in taken)


@settings(deadline=None)
@given(PASSES, st.data())
def test_what_is_signed_is_read_back_and_nothing_else(pass_, data):
    text = sign(SEAL, pass_)
    assert verify(text, KEYS) == pass_
    assert is_pass(text)
    assert not is_voucher(text)
    assert not is_proof(text)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("Aa0-_.!é")) + text[place + 1 :]
    with suppress(ProofError):
        assert verify(changed, KEYS) == pass_


@settings(deadline=None)
@given(st.integers(1, LAST_NUMBER))
def test_a_serial_is_no_other_code(number):
    with pytest.raises(SpotCodeError):
        parse_spot_code(serial(number))
    with pytest.raises(ReceiptNumberError):
        parse_receipt_number(serial(number))


def test_both_days_are_included_and_no_zone_means_all():
    some = Pass(serial(1), (VehicleClass.CAR,), ("PSR",), DAY, DAY + timedelta(days=1))
    told = [some.refusal(DAY + timedelta(days=days), "PSR") for days in (-1, 0, 1, 2)]
    assert told == ["not-yet", None, None, "expired"]
    assert some.refusal(DAY, "RSU") == "other-zone"
    everywhere = Pass(serial(1), (VehicleClass.CAR,), (), DAY, DAY)
    assert everywhere.refusal(DAY, "RSU") is None


@pytest.mark.parametrize("claims", [{"c": []}, {"c": ["boat"]}, {"f": "x"}, {"u": "20261301"}])
def test_signed_nonsense_is_no_pass(claims):
    whole = {"n": serial(1), "c": ["car"], "f": "20260101", "u": "20261231"} | claims
    with pytest.raises(ProofError, match="forged"):
        verify(SEAL.sign_claims(KIND, whole), KEYS)


@pytest.mark.parametrize("number", [0, LAST_NUMBER + 1])
def test_numbers_have_their_bounds(number):
    with pytest.raises(ValueError, match="want 1 to"):
        serial(number)
