"""Signs judged on the device, with nobody to ask: the registry tells, never the form of a code."""

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import qris
from attendant_app import device_key, problems, signs
from attendant_app.runtime import Handheld
from attendant_app.settings import Settings
from attendant_app.store import Shift, Store, stamp
from domain.parking import spot_code
from domain.proof import Seal
from domain.sign import SignFault
from domain.sign_link import make
from tests.attendant_app.builders import MASTER_DATA, MERCHANT, OTHER_SPOT, SITE, SPOT, qris_text

NMID = "ID1020030040050"
NOW = datetime.now(UTC)


def static(**changes: Any) -> str:
    told = {
        "nmid": NMID,
        "acquirer_guid": "ID.CO.BANKCONTOH.WWW",
        "pan": "9360001400000000121",
        "merchant_id": "000000000000001",
        "criteria": qris.Criteria.SMALL,
        "mcc": "7523",
        "name": MERCHANT,
        "city": "MARTAPURA",
        "postal_code": "70611",
    }
    return qris.encode(qris.static(**(told | changes)))


def registered(spot: str, *, retired: bool = False, **changes: Any) -> dict[str, Any]:
    told = {
        "spot_code": spot,
        "nmid": NMID,
        "pan": "936000140000000012",
        "criteria": "UKE",
        "mcc": "7523",
        "name": MERCHANT,
        "amount_rp": None,
        "retired": retired,
    }
    return told | changes


def master(*posted: dict[str, Any], merchant: bool = True, **signs: Any) -> dict[str, Any]:
    whose = {"name": MERCHANT, "city": "MARTAPURA", "nmid": NMID} if merchant else None
    told = {"due_s": 3 * 86_400, "merchant": whose, "posted": list(posted), "checked": {}}
    return MASTER_DATA | {"signs": told | signs}


HERE = registered(SPOT)
ELSEWHERE = registered(OTHER_SPOT, mcc="9399")
FORMER = registered(SPOT, retired=True, name="PARKIR LAMA")
ALL = master(HERE, ELSEWHERE, FORMER)
OTHER_NMID = "ID2099999999999"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{SITE}/p/{SPOT}", None),
        (static(), None),
        (static(name=f"  {MERCHANT.lower()} "[1:-1]), None),
        (static(nmid=OTHER_NMID, name="TOKO LAIN"), SignFault.OTHER_NMID),
        (static(nmid=OTHER_NMID), SignFault.SAME_NAME),
        (static(nmid=OTHER_NMID, name=MERCHANT.replace(" ", ".")), SignFault.SAME_NAME),
        (static(mcc="9399"), SignFault.OTHER_SPOT),
        (f"{SITE}/p/{OTHER_SPOT}", SignFault.OTHER_SPOT),
        ("https://parkir-contoh.example/p/" + SPOT, SignFault.OTHER_SITE),
        (f"http://{SITE[8:]}/p/{SPOT}", SignFault.OTHER_SITE),
        ("https://bit.ly/xyz", SignFault.OTHER_SITE),
        (static()[:-1] + "0", SignFault.CRC),
        (static().replace("MARTAPURA", "MARTAPURO"), SignFault.CRC),
        (qris_text(2000), SignFault.ONE_TIME),
        (static(name="PARKIR LAMA"), SignFault.OLD),
        (f"{SITE}/p/MTG-999-X", SignFault.NOT_A_SIGN),
        (f"{SITE}/p/{spot_code('MTG', 99)}", SignFault.OLD),
        (f"{SITE}/p/{SPOT}?x=1", SignFault.OTHER_DATA),
        (static(pan="9360091400000000121"), SignFault.OTHER_DATA),
        (static(criteria=qris.Criteria.LARGE), SignFault.OTHER_DATA),
        (qris_text(2000, initiation="11"), SignFault.OTHER_DATA),
        (SPOT, SignFault.NOT_A_SIGN),
        ("WIFI:S:PARKIR;;", SignFault.NOT_A_SIGN),
        ("", SignFault.NOT_A_SIGN),
    ],
)
def test_a_code_on_a_sign_is_judged_by_what_is_registered(
    text: str, fault: SignFault | None
) -> None:
    assert signs.judge(ALL, SITE, SPOT, text).fault is fault


SEAL, STRANGER = (Seal(Ed25519PrivateKey.generate()) for _ in range(2))
SIGNED = ALL | {
    "proofs": {"keys": {SEAL.key_id: b64encode(SEAL.public).decode()}},
    "signs": ALL["signs"]
    | {
        "made": {
            SPOT: {"version": 2, "in_force": True},
            OTHER_SPOT: {"version": 1, "in_force": False},
        }
    },
}
GENUINE = make(SEAL, SITE, SPOT, 2)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GENUINE, None),
        (make(SEAL, SITE, SPOT, 1), SignFault.OLD),
        (make(SEAL, SITE, SPOT, 3), SignFault.NEWER),
        (make(SEAL, SITE, OTHER_SPOT, 1), SignFault.OTHER_SPOT),
        (GENUINE.replace(SPOT, OTHER_SPOT), SignFault.FORGED),
        (make(STRANGER, SITE, SPOT, 2), SignFault.OTHER_KEY),
        (GENUINE.replace(SITE, "https://parkir-contoh.example"), SignFault.OTHER_SITE),
        (f"{SITE}/p/{SPOT}", SignFault.UNSIGNED),
        (f"{SITE}/p/{OTHER_SPOT}", SignFault.OTHER_SPOT),
        (GENUINE[:-1], SignFault.OTHER_DATA),
        (f"{GENUINE}&lang=en", SignFault.OTHER_DATA),
        (static(), None),
    ],
)
def test_where_signs_are_signed_only_the_right_signature_is_genuine(
    text: str, fault: SignFault | None
) -> None:
    assert signs.judge(SIGNED, SITE, SPOT, text).fault is fault


def test_a_withdrawn_sign_is_old_and_one_of_an_unheard_of_spot_newer() -> None:
    withdrawn = make(SEAL, SITE, OTHER_SPOT, 1)
    assert signs.judge(SIGNED, SITE, OTHER_SPOT, withdrawn).fault is SignFault.OLD
    unheard = SIGNED | {"signs": ALL["signs"]}
    assert signs.judge(unheard, SITE, SPOT, GENUINE).fault is SignFault.NEWER


def test_a_static_code_where_none_is_posted_is_wrong_even_if_it_is_ours() -> None:
    assert signs.judge(master(), SITE, SPOT, static()).fault is SignFault.STATIC
    assert signs.judge(master(merchant=False), SITE, SPOT, static()).fault is SignFault.OTHER_NMID
    # A handheld that has not yet heard of signs at all trusts no payment code.
    assert signs.judge(MASTER_DATA, SITE, SPOT, static()).fault is SignFault.OTHER_NMID


@pytest.mark.parametrize(("amount", "fault"), [(2000, None), (3000, SignFault.OTHER_DATA)])
def test_a_registered_amount_is_compared(amount: int, fault: SignFault | None) -> None:
    told = master(registered(SPOT, amount_rp=2000))
    assert signs.judge(told, SITE, SPOT, qris_text(amount, initiation="11")).fault is fault


@pytest.fixture
async def handheld(tmp_path: Path) -> AsyncIterator[Handheld]:
    store = Store(tmp_path)
    store.enrol("d-1", "HH", NOW)
    store.start_shift(Shift("s-1", "J-001", "Ahmad", None, stamp(NOW), stamp(NOW)))
    store.save_master_data(ALL, NOW)
    async with httpx.AsyncClient() as http:
        yield Handheld(Settings(data=tmp_path), store, device_key.load_or_make(tmp_path), http)
    store.close()


def test_a_check_is_a_fact_and_the_worst_code_in_view_decides(handheld: Handheld) -> None:
    genuine = f"{SITE}/p/{SPOT}"
    assert signs.check(handheld, SPOT, [genuine]).fault is None
    assert signs.check(handheld, SPOT, [genuine, "https://bit.ly/x"]).fault is SignFault.OTHER_SITE
    assert signs.check(handheld, SPOT, []).fault is SignFault.MISSING
    bodies = [event.body for event in handheld.store.events_waiting(9)]
    assert [body["fault"] for body in bodies] == [None, "other-site", "missing"]
    assert (bodies[1]["spot"], bodies[1]["seen"]) == (SPOT, {"host": "bit.ly"})
    with pytest.raises(problems.UnknownSpot):
        signs.check(handheld, "MTG-999-X", [genuine])


def test_a_shift_invites_to_look_at_a_sign_until_one_was(handheld: Handheld) -> None:
    assert signs.invited(handheld)
    signs.check(handheld, OTHER_SPOT, [])  # also a wrong or missing one was looked at
    assert not signs.invited(handheld)
    handheld.store.end_shift("s-1", NOW)
    began = stamp(datetime.now(UTC) + timedelta(seconds=1))
    handheld.store.start_shift(Shift("s-2", "J-002", "Budi", None, began, began))
    assert signs.invited(handheld)


def test_wrong_and_due_signs_come_first_whoever_checked_them(handheld: Handheld) -> None:
    [first, second] = signs.standings(handheld)
    assert first.is_due
    assert second.is_due
    signs.check(handheld, SPOT, [f"{SITE}/p/{SPOT}"])
    assert [(s.spot["code"], s.is_due) for s in signs.standings(handheld)] == [
        (OTHER_SPOT, True),
        (SPOT, False),
    ]
    told = {OTHER_SPOT: {"at": stamp(NOW - timedelta(days=1)), "fault": None}}
    handheld.store.save_master_data(master(HERE, checked=told), NOW)
    assert [s.is_due for s in signs.standings(handheld)] == [False, False]
    told = {SPOT: {"at": stamp(NOW + timedelta(hours=1)), "fault": "old"}}
    handheld.store.save_master_data(master(HERE, checked=told), NOW)
    assert [(s.spot["code"], s.fault) for s in signs.standings(handheld)] == [
        (SPOT, "old"),
        (OTHER_SPOT, None),
    ]
