"""An attendant's card: the office's word, and no other text's."""

from datetime import date
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import proof
from domain.card import Card, is_card, sign, verify
from domain.proof import ProofError, Seal

SEAL, OTHER = (Seal(Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))) for n in (1, 2))
KEYS = {SEAL.key_id: SEAL.public}
CARD = Card(UUID(int=7), "J-001", "Ahmad Rifani", date(2027, 12, 31))


def test_a_card_reads_back() -> None:
    text = sign(SEAL, CARD)
    assert is_card(text)
    assert not proof.is_proof(text)
    assert verify(text, KEYS) == CARD
    assert len(text) < 300


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (sign(OTHER, CARD), "unknown-key"),
        (sign(SEAL, CARD)[:-8] + "AAAAAAAA", "forged"),
        (SEAL.sign_claims("karcis-kta", {"c": "J-001"}), "forged"),
        (SEAL.sign_claims("karcis", {"c": "J-001"}), "not-a-proof"),
        ("J-001", "not-a-proof"),
    ],
)
def test_what_the_office_did_not_sign_is_no_card(text: str, reason: str) -> None:
    with pytest.raises(ProofError) as refused:
        verify(text, KEYS)
    assert refused.value.reason == reason
