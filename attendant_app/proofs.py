"""Proofs of payment that the office signed, read on the device: green without a connection.

A proof is taken once. What is old, void, taken before or not the office's is never green.
"""

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attendant_app import journal
from attendant_app.runtime import Handheld, device_time
from domain.events import EventKind
from domain.proof import Proof, ProofError, verify

SAME_LOOK = timedelta(seconds=60)
"""A proof that is scanned again within this time is the same driver's, held up a second time."""


class Verdict(StrEnum):
    """PAID is green; UNKNOWN_KEY is for the office to tell, as this device's keys may be old."""

    PAID = "paid"
    TAKEN = "taken"
    OLD = "old"
    VOID = "void"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"


@dataclass(frozen=True)
class Reading:
    """What a proof is worth here and now; `taken` is the event of when it was taken before."""

    verdict: Verdict
    proof: Proof | None = None
    taken: dict[str, Any] | None = None


def judge(handheld: Handheld, text: str) -> Reading:
    """By this device's records alone: the keys and void proofs that the office last told."""
    told = (handheld.store.master_data() or {}).get("proofs") or {}
    keys = {str(name): b64decode(key) for name, key in (told.get("keys") or {}).items()}
    try:
        proof = verify(text, keys)
    except ProofError as error:
        unknown = error.reason == "unknown-key"
        return Reading(Verdict.UNKNOWN_KEY if unknown else Verdict.FORGED)
    now = handheld.office_time()
    if str(proof.charge_id) in (told.get("revoked") or ()):
        return Reading(Verdict.VOID, proof)
    taken = handheld.store.first_event(EventKind.PROOF_TAKEN.value, charge_id=str(proof.charge_id))
    if taken is not None and device_time() - datetime.fromisoformat(taken["at"]) > SAME_LOOK:
        return Reading(Verdict.TAKEN, proof, taken)
    if now - proof.paid_at > timedelta(seconds=int(told.get("lifetime_s") or 0)):
        return Reading(Verdict.OLD, proof)
    return Reading(Verdict.PAID, proof, taken)


def take(handheld: Handheld, reading: Reading) -> None:
    """Record that a proof was taken for paid, signed and in the chain; once."""
    if reading.verdict is not Verdict.PAID or reading.proof is None or reading.taken is not None:
        return
    proof = reading.proof
    body = {
        "charge_id": str(proof.charge_id),
        "spot": proof.spot_code,
        "receipt": proof.receipt_number,
        "amount_rp": proof.amount_rp,
    }
    with handheld.store.transaction():
        journal.record(handheld.store, handheld.key, EventKind.PROOF_TAKEN, body, device_time())
    handheld.nudge()
