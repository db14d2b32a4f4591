"""An inspector without a network: the street's list answers, its age is said, no plate stays."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attendant_app import device_key, inspector, pool
from attendant_app.inspector import NotInspectable
from attendant_app.runtime import Handheld
from attendant_app.settings import Settings
from attendant_app.store import Shift, Store, stamp
from domain.plate import keyed
from domain.proof import Proof, Seal
from domain.receipt import receipt_number
from domain.tariff import VehicleClass
from tests.attendant_app.builders import MASTER_DATA, OTHER_SPOT, SITE, SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

KEY = "kunci nomor polisi yang panjang sekali"
RECEIPT = receipt_number("MTG-2026", 7)


def now() -> datetime:
    return datetime.now(UTC)


def stay(plate: str | None, until_min: int | None, **changes: Any) -> dict[str, Any]:
    until = None if until_min is None else stamp(now() + timedelta(minutes=until_min))
    told = {
        "id": "0198f000-0000-7000-8000-000000000001",
        "plate": plate and keyed(plate, KEY.encode()),
        "spot_code": SPOT,
        "vehicle_class": "car",
        "started_at": stamp(now() - timedelta(hours=1)),
        "until": until,
        "paid": True,
        "receipts": [],
    }
    return told | changes


def holder(plate: str, days: int) -> dict[str, Any]:
    """A vehicle with a pass until then, as the office tells it."""
    until = (now() + timedelta(days=days)).date().isoformat()
    keyed_plate = keyed(plate, KEY.encode())
    return {
        "serial": "L-00000001-C",
        "plate": keyed_plate,
        "classes": ["car"],
        "valid_until": until,
    }


def about_noon() -> str:
    """A zone where it is about noon now: what was paid half an hour ago was paid today."""
    return f"Etc/GMT{now().hour - 12:+d}"


@pytest.fixture
async def handheld(tmp_path: Path) -> AsyncIterator[Handheld]:
    store = Store(tmp_path)
    store.enrol("d-1", "HH", now())
    store.start_shift(Shift("s-1", "J-001", "Ahmad", None, stamp(now()), stamp(now())))
    keys = {SEAL.key_id: b64encode(SEAL.public).decode()}
    proofs = {"keys": keys, "revoked": [str(VOID)], "lifetime_s": 24 * 3600}
    regency = MASTER_DATA["regency"] | {"timezone": about_noon()}
    store.save_master_data(MASTER_DATA | {"proofs": proofs, "regency": regency}, now())
    async with httpx.AsyncClient() as http:
        made = Handheld(Settings(data=tmp_path), store, device_key.load_or_make(tmp_path), http)
        pool.work_at(made, SPOT)
        stays = [
            stay("KH 1 A", 30),
            stay("KH 1 A", -300),
            stay("KH 2 B", -10),
            stay("KH 3 C", -16),
            stay("KH 4 D", None, spot_code=OTHER_SPOT, started_at=stamp(now())),
            stay(None, 5, receipts=[receipt_number("MTG-2026", 6), RECEIPT], spot_code=OTHER_SPOT),
        ]
        body = {"at": stamp(now() - timedelta(minutes=3)), "grace_s": 900, "plate_key": KEY}
        body["passes"] = [holder("KH 6 F", 3), holder("KH 7 G", -3), holder("KH 3 C", 3)]
        store.db.execute(
            "INSERT INTO live_stays VALUES (1, 'MTG', ?)", (json.dumps(body | {"stays": stays}),)
        )
        yield made
    store.close()


@pytest.mark.parametrize(
    ("text", "result", "found"),
    [
        ("kh 1 a", "live", 2),
        ("KH-2-B", "just-expired", 1),
        ("KH 3 C", "live", 2),
        ("KH 6 F", "live", 1),
        ("KH 7 G", "none", 0),
        ("KH 4 D", "live", 1),
        ("KH 5 E", "none", 0),
        (RECEIPT, "live", 1),
        (f"{SITE}/r/{RECEIPT}", "live", 1),
        (receipt_number("MTG-2026", 8), "none", 0),
        ("", "live", 4),
    ],
)
def test_the_list_answers_and_no_plate_is_recorded(
    handheld: Handheld, text: str, result: str, found: int
) -> None:
    answer = inspector.inspect(handheld, text)
    assert answer is not None
    assert (answer.result, len(answer.stays)) == (result, found)
    assert 180 <= answer.list_age_s < 240
    [event] = handheld.store.events_waiting(9)
    assert (event.kind, event.body["result"]) == ("stay_checked", result)
    if text and "-" not in text:
        plates = {text, text.upper().replace(" ", ""), keyed(text, KEY.encode())}
        assert not [plate for plate in plates if plate in json.dumps(event.body)]


@pytest.mark.parametrize("text", ["kereta", "12345", "https://bit.ly/x", "KH 12345 AB"])
def test_what_is_neither_plate_nor_receipt_is_said_so(handheld: Handheld, text: str) -> None:
    with pytest.raises(NotInspectable):
        inspector.inspect(handheld, text)
    assert handheld.store.events_waiting(9) == []


SEAL = Seal(Ed25519PrivateKey.generate())
OURS, VOID = UUID(int=0x0199), UUID(int=0x0666)


def proof(number: int, seal: Seal = SEAL, charge_id: UUID = OURS, ago_min: int = 30) -> str:
    paid_at = (now() - timedelta(minutes=ago_min)).replace(microsecond=0)
    facts = (SPOT, VehicleClass.CAR, 5_000, paid_at, receipt_number("MTG-2026", number))
    return seal.sign(Proof(charge_id, *facts))


@pytest.mark.parametrize(
    ("text", "result", "asked_by"),
    [
        (lambda: proof(7), "live", "proof"),
        (lambda: proof(8), "none", "proof"),
        (lambda: proof(8, ago_min=1), "unknown", "proof"),  # paid after the list was made
        (lambda: proof(8, ago_min=26 * 60), "expired", "proof"),
        (lambda: proof(7, charge_id=VOID), "void", "proof"),
        (lambda: proof(7, Seal(Ed25519PrivateKey.generate())), "unknown", "proof"),
        (lambda: proof(7)[:-4] + "AAAA", "forged", "proof"),
        (lambda: f"https://parkir-contoh.example/r/{RECEIPT}", "forged", "receipt"),
    ],
)
def test_a_scanned_proof_is_checked_as_a_typed_receipt_is_and_not_taken(
    handheld: Handheld, text: Callable[[], str], result: str, asked_by: str
) -> None:
    # Made when it is shown: what a proof is worth hangs on how old it and the list are.
    answer = inspector.inspect(handheld, text())
    assert answer is not None
    assert (answer.result, len(answer.stays)) == (result, int(result == "live"))
    [event] = handheld.store.events_waiting(9)
    body = event.body
    assert (event.kind, body["result"], body["asked_by"]) == ("stay_checked", result, asked_by)


@pytest.mark.parametrize("text", ["KH 1 A", RECEIPT, proof(7), ""])
def test_a_check_without_a_list_is_recorded_too(handheld: Handheld, text: str) -> None:
    handheld.store.db.execute("DELETE FROM live_stays")
    answer = inspector.inspect(handheld, text)
    assert answer is not None
    assert (answer.result, answer.stays, answer.list_age_s) == ("unknown", [], None)
    [event] = handheld.store.events_waiting(9)
    assert (event.body["result"], event.body["list_age_s"]) == ("unknown", None)


def test_a_receipt_met_at_pindai_is_a_check_as_well(device: Device, office: Office) -> None:
    device.sign_in()
    assert device.http.get(f"/spots/{SPOT}").status_code == 200
    for text in (RECEIPT, f"{SITE}/p/{OTHER_SPOT}"):
        assert device.http.post("/scan", data={"text": text}).status_code in (200, 303)
    until(lambda: [e["kind"] for e in office.events].count("stay_checked") == 1)
    [check] = [event["body"] for event in office.events if event["kind"] == "stay_checked"]
    assert (check["asked_by"], check["spot"], check["attendant"]) == ("receipt", SPOT, "J-001")


def test_a_stay_without_an_end_is_good_for_its_day_also_in_an_old_list(handheld: Handheld) -> None:
    yesterday = stay("KH 4 D", None, started_at=stamp(now() - timedelta(days=1)))
    body = {"at": stamp(now()), "grace_s": 900, "plate_key": KEY, "stays": [yesterday]}
    handheld.store.db.execute("UPDATE live_stays SET body = ?", (json.dumps(body),))
    answer = inspector.inspect(handheld, "KH 4 D")
    assert answer is not None
    assert answer.result == "expired"


def test_another_streets_list_says_nothing_here(handheld: Handheld) -> None:
    handheld.store.db.execute("UPDATE live_stays SET zone = 'RSU'")
    answer = inspector.inspect(handheld, "KH 1 A")
    assert answer is not None
    assert answer.result == "unknown"
    assert inspector.list_age_s(handheld) is None


def test_taps_are_counted_undone_and_sent_once(handheld: Handheld) -> None:
    begun = inspector.begin_count(handheld)
    assert begun is not None
    assert 0 < begun.left_s <= 60
    for vehicle_class in ("car", "motorcycle", "car", "truck", ""):
        inspector.tap(handheld, vehicle_class)
    again = inspector.begin_count(handheld)  # as after a restart
    assert again is not None
    assert again.taps == ["car", "motorcycle", "car"]
    assert inspector.end_count(handheld) == 3
    assert inspector.end_count(handheld) == 0
    [event] = handheld.store.events_waiting(9)
    counted = {"motorcycle": 1, "car": 2, "truck": 0}
    assert (event.kind, event.body["spot"]) == ("heads_counted", SPOT)
    assert event.body["counted"] == counted
