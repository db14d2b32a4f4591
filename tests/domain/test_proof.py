"""Proofs are read offline, and nobody but the office makes one."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.proof import KIND, Proof, ProofError, Seal, is_proof, verify
from domain.tariff import VehicleClass

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SEAL = Seal(KEY)
KEYS = {SEAL.key_id: SEAL.public}
PROOF = Proof(
    UUID(int=0x0199),
    "PSR-001-U",
    VehicleClass.CAR,
    4_000,
    datetime(2026, 11, 21, 3, 5, tzinfo=UTC),
    "PSR-2026-000001-7",
)


def reason(text: str, keys: dict[str, bytes] = KEYS) -> str:
    with pytest.raises(ProofError) as refused:
        verify(text, keys)
    return refused.value.reason


def b64(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(
    st.builds(
        Proof,
        st.uuids(),
        st.just("MTG-007-K"),
        st.sampled_from(VehicleClass),
        st.integers(1, 10**10),
        st.integers(1_800_000_000, 7_000_000_000).map(
            lambda seconds: datetime.fromtimestamp(seconds, timezone(timedelta(hours=7)))
        ),
        st.just("MTG-2026-000123-2"),
    )
)
def test_what_is_signed_is_read_back_and_fits_on_a_phone(proof):
    text = SEAL.sign(proof)
    assert verify(text, KEYS) == proof
    assert len(text) < 330


@given(st.data())
def test_a_proof_with_any_letter_changed_says_nothing_else(data):
    text = SEAL.sign(PROOF)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("Aa0-_.!é")) + text[place + 1 :]
    with suppress(ProofError):
        assert verify(changed, KEYS) == PROOF  # unused bits of its last letter carry nothing


def test_a_proof_of_another_key_or_another_kind_is_refused():
    stranger = Seal(Ed25519PrivateKey.generate())
    assert reason(stranger.sign(PROOF)) == "unknown-key"
    assert reason(SEAL.sign(PROOF), {SEAL.key_id: stranger.public}) == "forged"
    other_kind = jwt.encode({"c": PROOF.charge_id.hex}, KEY, "EdDSA", {"kid": SEAL.key_id})
    assert reason(other_kind) == "not-a-proof"
    for text in ("", "https://parkir.example/c/1", "a.b.c", "00020101", "x" * 10_000):
        assert not is_proof(text)
        assert reason(text) == "not-a-proof"


def test_a_proof_cannot_choose_how_it_is_verified():
    head, body, signature = SEAL.sign(PROOF).split(".")
    for alg, sealed in (("none", ""), ("HS256", signature), ("EdDSA", "")):
        claim = b64({"alg": alg, "typ": KIND, "kid": SEAL.key_id})
        assert reason(f"{claim}.{body}.{sealed}") == "forged"
    with_public_key = jwt.encode(
        {"a": 1}, SEAL.public.hex(), "HS256", {"typ": KIND, "kid": SEAL.key_id}
    )
    assert reason(with_public_key) == "forged"
    richer = json.loads(urlsafe_b64decode(body + "=="))
    assert reason(f"{head}.{b64(richer | {'a': 400_000})}.{signature}") == "forged"


@pytest.mark.parametrize(
    "claims", [{}, {"c": 1}, {"p": 10**30}, {"p": "x"}, {"v": "boat"}, {"a": "x"}, {"a": None}]
)
def test_signed_nonsense_is_no_proof(claims):
    """Even our own key proves only what can be read whole."""
    whole = jwt.decode(SEAL.sign(PROOF), options={"verify_signature": False})
    told = whole | claims if claims else {}
    text = jwt.encode(told, KEY, "EdDSA", {"typ": KIND, "kid": SEAL.key_id})
    assert reason(text) == "forged"


def test_a_signature_is_the_same_each_time():
    """A view of a charge that did not change is not sent again."""
    assert SEAL.sign(PROOF) == SEAL.sign(replace(PROOF))
