"""Proofs of payment that the office signed, read on the device: green without a connection.

A proof is taken once. What is old, void, taken before or not the office's is never green.
"""

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attendant_app import offline
from attendant_app.runtime import Handheld, device_time
from domain.events import EventKind
from domain.proof import Proof, ProofError, verify

SAME_LOOK = timedelta(seconds=60)
"""A proof that is scanned again within this time is the same driver's, held up a second time."""


class Verdict(StrEnum):
    """PAID is green; UNKNOWN_KEY is for the office to tell, as this device's keys may be old, and
    so is ALONE: what was given back meanwhile, this device cannot know.

    ELSEWHERE: paid, but for a spot of another zone than the one worked at; it is not taken.
    """

    PAID = "paid"
    TAKEN = "taken"
    OLD = "old"
    VOID = "void"
    ELSEWHERE = "elsewhere"
    UNKNOWN_KEY = "unknown-key"
    ALONE = "alone"
    FORGED = "forged"


@dataclass(frozen=True)
class Reading:
    """What a proof is worth here and now; `taken` is the event of when it was taken before.

    `elsewhere` is what the office says of another device that was first: `at`, `attendant`, `spot`.
    """

    verdict: Verdict
    proof: Proof | None = None
    taken: dict[str, Any] | None = None
    elsewhere: dict[str, Any] | None = None


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
    taken = handheld.store.first_event(EventKind.PROOF_TAKEN, charge_id=str(proof.charge_id))
    if taken is not None and not _just_now(taken):
        return Reading(Verdict.TAKEN, proof, taken)
    if now - proof.paid_at > timedelta(seconds=int(told.get("lifetime_s") or 0)):
        return Reading(Verdict.OLD, proof)
    if offline.is_over(handheld):
        return Reading(Verdict.ALONE, proof)
    return Reading(Verdict.PAID, proof, taken)


def _just_now(taken: dict[str, Any]) -> bool:
    """The same look goes on. In the future: this device's clock went back since, so it does not."""
    age = device_time() - datetime.fromisoformat(taken["at"])
    return timedelta() <= age <= SAME_LOOK


def take(handheld: Handheld, reading: Reading) -> None:
    """Record that a proof was taken for paid, signed and in the chain; once."""
    if reading.verdict is not Verdict.PAID or reading.proof is None or reading.taken is not None:
        return
    proof = reading.proof
    shift = handheld.store.shift()
    body = {
        "charge_id": str(proof.charge_id),
        "shift_id": shift.id if shift else None,
        "spot": proof.spot_code,
        "receipt": proof.receipt_number,
        "amount_rp": proof.amount_rp,
    }
    kind, charge_id = EventKind.PROOF_TAKEN, str(proof.charge_id)
    with handheld.store.transaction():
        # While the office was asked, the same code may have been read once more.
        if handheld.store.first_event(kind, charge_id=charge_id) is None:
            handheld.record(kind, body, device_time())
    handheld.nudge()
