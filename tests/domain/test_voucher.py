"""Vouchers are read offline, and nobody but the office makes one."""

from contextlib import suppress
from datetime import UTC, date, datetime
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.parking import SpotCodeError, parse_spot_code
from domain.proof import Proof, ProofError, Seal, is_proof
from domain.receipt import ReceiptNumberError, parse_receipt_number
from domain.tariff import VehicleClass
from domain.voucher import (
    KIND,
    SerialError,
    Voucher,
    is_voucher,
    parse_serial,
    serial,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SEAL = Seal(KEY)
KEYS = {SEAL.key_id: SEAL.public}
NUMBERS = st.tuples(st.integers(1, 9_999), st.integers(1, 10_000))
VOUCHERS = st.builds(
    Voucher,
    NUMBERS.map(lambda numbers: serial(*numbers)),
    st.integers(1, 10**7),
    st.none() | st.sampled_from(VehicleClass),
    st.dates(date(2026, 1, 1), date(2099, 12, 31)),
)


@settings(deadline=None)
@given(VOUCHERS)
def test_what_is_signed_is_read_back_and_fits_a_small_qr(voucher):
    text = sign(SEAL, voucher)
    assert verify(text, KEYS) == voucher
    assert len(text) <= 251, "57 modules a side at the least correction hold 271 characters"


@settings(deadline=None)
@given(VOUCHERS, st.data())
def test_a_voucher_with_any_letter_changed_is_worth_nothing_else(voucher, data):
    text = sign(SEAL, voucher)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("Aa0-_.!é")) + text[place + 1 :]
    with suppress(ProofError):
        assert verify(changed, KEYS) == voucher


@settings(deadline=None)
@given(NUMBERS)
def test_a_serial_is_read_back_and_is_no_other_code(numbers):
    text = serial(*numbers)
    assert parse_serial(text.lower().replace("-", " ")) == numbers
    with pytest.raises(SpotCodeError):
        parse_spot_code(text)
    with pytest.raises(ReceiptNumberError):
        parse_receipt_number(text)


@pytest.mark.parametrize("text", ["", "V-0001", "V-0001-00001-J", "V-0000-00001-X", "?"])
def test_a_slip_in_a_serial_is_noticed(text):
    with pytest.raises(SerialError):
        parse_serial(text)


@pytest.mark.parametrize("numbers", [(0, 1), (10_000, 1), (1, 0), (1, 10_001)])
def test_numbers_have_their_bounds(numbers):
    with pytest.raises(SerialError):
        serial(*numbers)


def test_a_voucher_is_no_proof_and_a_proof_no_voucher():
    voucher = sign(SEAL, Voucher(serial(1, 1), 2_000, None, date(2026, 12, 31)))
    at = datetime(2026, 11, 21, tzinfo=UTC)
    proof = SEAL.sign(Proof(UUID(int=1), "PSR-001-U", VehicleClass.CAR, 2_000, at, "x"))
    assert is_voucher(voucher)
    assert not is_voucher(proof)
    assert not is_proof(voucher)
    with pytest.raises(ProofError, match="not-a-proof"):
        verify(proof, KEYS)


@pytest.mark.parametrize("claims", [{"n": "V-1"}, {"u": "2026-13-01"}, {"v": "boat"}, {"a": "x"}])
def test_signed_nonsense_is_no_voucher(claims):
    whole = {"n": serial(1, 1), "a": 2_000, "u": "20261231"} | claims
    with pytest.raises(ProofError, match="forged"):
        verify(SEAL.sign_claims(KIND, whole), KEYS)


def test_a_voucher_of_a_strangers_key_is_told():
    stranger = Seal(Ed25519PrivateKey.generate())
    text = sign(stranger, Voucher(serial(1, 1), 2_000, None, date(2026, 12, 31)))
    with pytest.raises(ProofError, match="unknown-key"):
        verify(text, KEYS)
    unsigned = jwt.encode({"n": serial(1, 1)}, None, "none", {"typ": KIND, "kid": SEAL.key_id})
    with pytest.raises(ProofError, match="forged"):
        verify(unsigned, KEYS)
