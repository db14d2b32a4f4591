"""What a text is, told by its own form, by this device's records, and by the office."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attendant_app import recognise
from attendant_app.recognise import Kind
from domain.proof import Seal
from domain.receipt import receipt_number
from tests.attendant_app.builders import (
    MERCHANT,
    OTHER_SPOT,
    SITE,
    SPOT,
    consumer_text,
    qris_text,
)
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

RECEIPT = receipt_number("MTG-2026", 123)
CHARGE = "0198f000-0000-7000-8000-000000000001"
OTHER_CHARGE = "0198f000-0000-7000-8000-000000000002"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        (SPOT, Kind.SPOT, SPOT),
        (SPOT.lower().replace("-", " "), Kind.SPOT, SPOT),
        (f"{SITE}/p/{SPOT}", Kind.SPOT, SPOT),
        (f"{SITE}/p/{SPOT}?lang=en", Kind.SPOT, SPOT),
        (RECEIPT, Kind.RECEIPT, RECEIPT),
        (f"{SITE}/r/{RECEIPT}", Kind.RECEIPT, RECEIPT),
        (f"https://parkir-contoh.id/p/{SPOT}", Kind.IMPOSTER, "parkir-contoh.id"),
        (f"{SITE}.evil.example/p/{SPOT}", Kind.IMPOSTER, "parkir.contoh.go.id.evil.example"),
        (f"https://parkir.contoh.go.id@evil.example/r/{RECEIPT}", Kind.IMPOSTER, "evil.example"),
        (qris_text(name="WARUNG BU SRI"), Kind.QRIS, "WARUNG BU SRI"),
        (qris_text()[:-1] + "0", Kind.PAYMENT, ""),
        (consumer_text(), Kind.CONSUMER_QRIS, ""),
        ("KARCIS-ENROL:ABCD-EFGH", Kind.ENROLMENT, "ABCD-EFGH"),
        ("MTG-012-X", Kind.MISTYPED, "MTG-012-X"),
        (RECEIPT[:-1] + ("0" if RECEIPT[-1] != "0" else "1"), Kind.MISTYPED, None),
        ("https://example.com/menu?x=1", Kind.WEB, "example.com"),
        ("www.example.com", Kind.WEB, "www.example.com"),
        ("http://[", Kind.WEB, "http://["),
        ("WIFI:T:WPA;S:Kopi;P:rahasia;;", Kind.WIFI, "Kopi"),
        ("BEGIN:VCARD\nVERSION:3.0\nFN:Siti\nEND:VCARD", Kind.CONTACT, "Siti"),
        ("tel:+62811", Kind.PHONE, "+62811"),
        ("smsto:0811:isi pesan", Kind.MESSAGE, "0811:isi pesan"),
        ("mailto:a@b.id?subject=x", Kind.MAIL, "a@b.id"),
        ("geo:-2.5,112.9", Kind.PLACE, "-2.5"),
        ("BEGIN:VEVENT\nSUMMARY:x", Kind.EVENT, ""),
        ("8991002101234", Kind.NUMBER, "8991002101234"),
        ("javascript:alert(1)", Kind.TEXT, "javascript:alert(1)"),
        ("satu\x00dua\ntiga\u202e" + "x" * 99, Kind.TEXT, "satu dua tiga " + "x" * 45 + "…"),
    ],
)
def test_a_text_is_named_for_what_it_is(text: str, kind: Kind, name: str | None) -> None:
    found = recognise.read(text, SITE)
    assert found.kind is kind
    assert name is None or found.name == name


def resolve(device: Device, text: str) -> dict[str, Any]:
    answer = device.http.post("/api/resolve", json={"text": text})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


def test_what_only_the_office_knows_is_asked_and_never_guessed(
    device: Device, office: Office
) -> None:
    device.sign_in()
    elsewhere = office.new_charge("0198f000-0000-7000-8000-00000000dead", SPOT, "car")
    office.charges[elsewhere["id"]] = elsewhere
    office.pay(elsewhere["id"])
    number = office.charges[elsewhere["id"]]["receipt"]["number"]
    sold = resolve(device, f"{SITE}/r/{number}")
    assert (sold["kind"], sold["receipt"]["number"]) == ("receipt", number)
    assert resolve(device, receipt_number("MTG-2026", 999)) == {
        "kind": "no-receipt",
        "name": receipt_number("MTG-2026", 999),
    }
    mine = device.charge(SPOT)
    office.pay(mine["id"])
    until(lambda: device.get(f"/api/charges/{mine['id']}")["state"] == "paid")
    printed = device.get(f"/api/charges/{mine['id']}")["receipt"]["number"]
    assert resolve(device, "MTG-099-0")["kind"] in ("unknown-spot", "mistyped")

    office.stop()
    until(lambda: not device.status()["online"])
    assert resolve(device, f"{SITE}/p/{OTHER_SPOT}")["kind"] == "spot"
    assert resolve(device, printed)["kind"] == "receipt"
    assert resolve(device, number) == {"kind": "unverified", "what": "receipt", "name": number}
    sticker = qris_text(name="WARUNG", initiation="11")
    assert resolve(device, sticker)["kind"] == "foreign-qris"
    assert resolve(device, qris_text(9000))["kind"] == "unverified"
    wifi = resolve(device, "WIFI:S:Kopi;P:x;;")
    assert wifi == {"kind": "unknown", "what": "wifi", "name": "Kopi"}


def test_a_proof_is_green_once_with_nobody_to_ask(device: Device, office: Office) -> None:
    office.proofs["revoked"] = [OTHER_CHARGE]
    device.sign_in()
    for charge_id in (CHARGE, OTHER_CHARGE):
        office.charges[charge_id] = office.new_charge(charge_id, SPOT, "car")
        office.pay(charge_id)
    text = office.prove(CHARGE)
    stranger = office.prove(CHARGE, Seal(Ed25519PrivateKey.generate()))
    office.stop()
    until(lambda: not device.status()["online"])

    told = resolve(device, text)
    assert (told["kind"], told["verdict"]) == ("proof", "paid")
    assert (told["proof"]["spot"], told["proof"]["amount_rp"]) == (SPOT, 5_000)
    assert resolve(device, text)["verdict"] == "paid", "held up again within the minute"
    assert resolve(device, stranger)["verdict"] == "unknown-key"
    assert resolve(device, office.prove(OTHER_CHARGE))["verdict"] == "void"
    dearer = office.prove(CHARGE, amount_rp=50_000).rpartition(".")[0]
    assert resolve(device, f"{dearer}.{text.rpartition('.')[2]}")["verdict"] == "forged"

    office.start()
    until(lambda: [e for e in office.events if e["kind"] == "proof_taken"])
    (taken,) = [e for e in office.events if e["kind"] == "proof_taken"]
    assert taken["body"]["charge_id"] == CHARGE


def test_the_office_knows_of_money_that_went_back_since(device: Device, office: Office) -> None:
    device.sign_in()
    office.charges[CHARGE] = office.new_charge(CHARGE, SPOT, "car")
    office.pay(CHARGE)
    text = office.prove(CHARGE)
    office.change(CHARGE, state="refunded")
    assert resolve(device, text)["verdict"] == "void"
    assert not [e for e in office.events if e["kind"] == "proof_taken"]


def test_a_proof_that_the_office_does_not_know_is_not_green(device: Device, office: Office) -> None:
    device.sign_in()
    office.charges[CHARGE] = office.new_charge(CHARGE, SPOT, "car")
    office.pay(CHARGE)
    text = office.prove(CHARGE)
    del office.charges[CHARGE]
    told = resolve(device, text)
    assert told == {"kind": "proof", "verdict": "unknown-key"}
    assert not [e for e in office.events if e["kind"] == "proof_taken"]


def test_a_proof_that_another_handheld_took_is_amber_with_time_place_and_by_whom(
    device: Device, office: Office
) -> None:
    device.sign_in()
    for charge_id in (CHARGE, OTHER_CHARGE):
        office.charges[charge_id] = office.new_charge(charge_id, SPOT, "car")
        office.pay(charge_id)
    at = "2026-11-22T02:05:00+00:00"
    office.taken[OTHER_CHARGE] = {"at": at, "attendant": "Siti Aminah", "spot": SPOT}
    told = resolve(device, office.prove(OTHER_CHARGE))
    assert told["verdict"] == "taken"
    assert (told["taken_at"], told["taken_spot"]) == (at, SPOT)
    page = device.http.post("/scan", data={"text": office.prove(OTHER_CHARGE)}).text
    assert "SUDAH DIPAKAI" in page
    assert f"22-11 09:05 di {SPOT} oleh Siti Aminah" in page
    assert 'data-look="amber"' in page

    assert resolve(device, office.prove(CHARGE))["verdict"] == "paid"
    assert resolve(device, office.prove(CHARGE))["verdict"] == "paid", "held up again"
    assert office.claimed == [CHARGE], "asked for before it is green, once"
    until(lambda: [e for e in office.events if e["kind"] == "proof_taken"])
    assert [e["body"]["charge_id"] for e in office.events if e["kind"] == "proof_taken"] == [CHARGE]


def test_a_slow_office_does_not_keep_the_attendant_waiting(device: Device, office: Office) -> None:
    device.sign_in()
    office.resolve_delay_s = 10
    found = resolve(device, qris_text(9000))
    assert (found["kind"], found["name"]) == ("unverified", MERCHANT)


def test_a_slip_is_said_while_it_is_typed(device: Device) -> None:
    device.sign_in()

    def state(text: str) -> str:
        return str(device.http.get("/api/typed", params={"text": text}).json()["state"])

    right = SPOT.lower()
    assert [state(right[:length]) for length in range(len(right))] == ["begun"] * len(right)
    assert state(right) == "spot"
    wrong_check = SPOT[:-1] + ("0" if SPOT[-1] != "0" else "1")
    for slip in (wrong_check, "MTG-212-3", "MTX", "MTG-0-1-9", "pintu?"):
        assert state(slip) == "mistyped", slip
    assert {state(RECEIPT[:length]) for length in range(len(RECEIPT))} == {"begun"}
    assert state(RECEIPT) == "receipt"
    assert device.http.get("/api/typed").json() == {"state": "begun"}


def collect(device: Device, spot: str = SPOT, **more: str) -> httpx.Response:
    body = {"spot": spot, "vehicle_class": "car", "consumer_qr": consumer_text(), **more}
    return device.http.post("/api/charges", json=body)


def test_a_drivers_barcode_is_charged_once_and_not_kept(device: Device, office: Office) -> None:
    device.sign_in()
    charge = collect(device).json()
    assert (charge["state"], charge["qris"]) == ("issued", None)
    assert json.loads(office.bodies[charge["id"]])["consumer_qr"] == consumer_text()
    office.pay(charge["id"])
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")
    assert collect(device, consumer_qr="hQVDUFY=").status_code == 422

    office.refuse_charges = (409, "consumer-qr-not-offered")
    assert collect(device).json()["sync"] == "refused"
    device.kill()
    kept = in_outbox(device, "SELECT body FROM outbox")
    assert len(kept) == 1
    assert consumer_text() not in str(kept)

    device.start()
    office.stop()
    until(lambda: not device.status()["online"])
    assert collect(device).status_code == 503
    assert device.status()["unsynced"] == 0


def test_a_drivers_barcode_past_its_time_is_asked_about_and_never_sent(
    device: Device, office: Office
) -> None:
    """The request was lost on its way; by the time the office is back the driver has left."""
    device.sign_in()
    office.lose_requests = True
    charge = collect(device).json()
    assert charge["sync"] == "waiting"
    device.kill()
    in_outbox(device, "UPDATE outbox SET made_at = '2026-01-01T00:00:00.000Z'")
    office.lose_requests = False
    sent = len(office.posts)
    device.start()
    until(lambda: device.get(f"/api/charges/{charge['id']}")["sync"] == "refused")
    assert len(office.posts) == sent
    assert office.charges == {}


def in_outbox(device: Device, statement: str) -> list[Any]:
    """One statement on the file of a handheld that is not running."""
    with closing(sqlite3.connect(device.folder / "handheld.sqlite")) as db, db:
        return list(db.execute(statement))
