"""Proofs on the device: green once, from the office's own signature, with nobody to ask."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attendant_app import device_key, journal, proofs
from attendant_app.proofs import SAME_LOOK, Verdict
from attendant_app.runtime import Handheld
from attendant_app.settings import Settings
from attendant_app.store import Store
from domain.events import verify_chain
from domain.proof import Proof, Seal
from domain.tariff import VehicleClass
from tests.attendant_app.builders import MASTER_DATA, SPOT

SEAL = Seal(Ed25519PrivateKey.generate())
CHARGE = UUID(int=0x0199)
START = datetime.now(UTC).replace(microsecond=0)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        for module in ("attendant_app.proofs", "attendant_app.runtime"):
            monkeypatch.setattr(f"{module}.device_time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
async def handheld(tmp_path: Path, clock: Clock) -> AsyncIterator[Handheld]:
    store = Store(tmp_path)
    store.enrol("d-1", "HH", START)
    async with httpx.AsyncClient() as http:
        made = Handheld(Settings(data=tmp_path), store, device_key.load_or_make(tmp_path), http)
        tell(made)
        yield made
    store.close()


def tell(handheld: Handheld, revoked: tuple[UUID, ...] = (), seals: tuple[Seal, ...] = (SEAL,)):
    """What the office said last, when it could still be reached."""
    told = {
        "keys": {seal.key_id: b64encode(seal.public).decode() for seal in seals},
        "revoked": [str(charge_id) for charge_id in revoked],
        "lifetime_s": 24 * 3600,
    }
    handheld.store.save_master_data(MASTER_DATA | {"proofs": told}, START)


def proof(**changes) -> Proof:
    made = Proof(CHARGE, SPOT, VehicleClass.CAR, 5_000, START, "MTG-2026-000123-2")
    return replace(made, **changes)


def taken(handheld: Handheld, text: str) -> Verdict:
    reading = proofs.judge(handheld, text)
    proofs.take(handheld, reading)
    return reading.verdict


def events(handheld: Handheld) -> list:
    return handheld.store.events()


def test_a_proof_is_taken_once_and_a_screenshot_of_it_never_again(handheld, clock):
    text = SEAL.sign(proof())
    assert taken(handheld, text) is Verdict.PAID
    clock.now += SAME_LOOK / 2
    assert taken(handheld, text) is Verdict.PAID, "the same driver holds it up again"
    clock.now += SAME_LOOK
    reading = proofs.judge(handheld, text)
    assert (reading.verdict, reading.taken["body"]["spot"]) == (Verdict.TAKEN, SPOT)
    assert datetime.fromisoformat(reading.taken["at"]) == START
    (event,) = events(handheld)
    assert event.body == {
        "charge_id": str(CHARGE),
        "shift_id": None,
        "spot": SPOT,
        "receipt": "MTG-2026-000123-2",
        "amount_rp": 5_000,
    }
    assert verify_chain([journal.as_event(event)]) is None


def test_a_proof_that_is_looked_at_twice_at_once_is_taken_once(handheld):
    text = SEAL.sign(proof())
    for reading in [proofs.judge(handheld, text), proofs.judge(handheld, text)]:
        proofs.take(handheld, reading)
    assert len(events(handheld)) == 1


def test_a_clock_set_back_makes_no_taken_proof_new_again(handheld, clock):
    text = SEAL.sign(proof())
    assert taken(handheld, text) is Verdict.PAID
    clock.now -= timedelta(hours=26)
    handheld.link.clock_offset_s = 26 * 3600
    assert proofs.judge(handheld, text).verdict is Verdict.TAKEN


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (timedelta(hours=-1), Verdict.PAID),  # this device's clock is behind: still the office's
        (timedelta(hours=24), Verdict.PAID),
        (timedelta(hours=24, seconds=1), Verdict.OLD),
        (timedelta(days=400), Verdict.OLD),
    ],
)
def test_yesterdays_proof_is_not_todays(handheld, age, verdict):
    assert taken(handheld, SEAL.sign(proof(paid_at=START - age))) is verdict
    assert len(events(handheld)) == (verdict is Verdict.PAID)


def test_a_proof_goes_by_the_offices_clock_and_not_by_the_devices(handheld, clock):
    text = SEAL.sign(proof())
    clock.now += timedelta(days=3)  # set forward by hand
    handheld.link.clock_offset_s = -3 * 24 * 3600
    assert taken(handheld, text) is Verdict.PAID


def test_money_that_went_back_makes_a_proof_void(handheld):
    tell(handheld, revoked=(CHARGE,))
    assert taken(handheld, SEAL.sign(proof())) is Verdict.VOID
    assert events(handheld) == []


def test_what_the_office_did_not_sign_is_never_green(handheld):
    stranger = Seal(Ed25519PrivateKey.generate())
    text = SEAL.sign(proof())
    dearer = SEAL.sign(proof(amount_rp=50_000))
    edited = f"{dearer.rsplit('.', 1)[0]}.{text.rsplit('.', 1)[1]}"
    assert taken(handheld, stranger.sign(proof())) is Verdict.UNKNOWN_KEY
    assert taken(handheld, edited) is Verdict.FORGED
    assert events(handheld) == []
    tell(handheld, seals=(SEAL, stranger))
    assert taken(handheld, stranger.sign(proof())) is Verdict.PAID


def test_a_device_that_was_never_told_the_keys_takes_nothing_for_paid(handheld):
    handheld.store.save_master_data(MASTER_DATA, START)
    assert taken(handheld, SEAL.sign(proof())) is Verdict.UNKNOWN_KEY
