"""Vouchers on the device: read offline, amber until the office has them, used once."""

from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.proof import Seal
from domain.tariff import VehicleClass
from domain.voucher import Voucher, serial, sign
from tests.attendant_app.builders import OTHER_SPOT, SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until


def judged(device: Device, text: str) -> str:
    answer = device.http.post("/api/resolve", json={"text": text})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["result"]
    assert told["kind"] == "voucher"
    return str(told["verdict"])


def redeem(device: Device, text: str, spot: str = SPOT, vehicle: str = "car") -> dict[str, Any]:
    body = {"spot": spot, "vehicle_class": vehicle, "voucher": text}
    return dict(device.http.post("/api/voucher-charges", json=body).json())


def go_offline(device: Device, office: Office) -> None:
    office.stop()
    until(lambda: not device.status()["online"])


def test_a_voucher_is_paid_by_the_office_alone(device: Device, office: Office) -> None:
    device.sign_in()
    text = office.voucher()
    assert judged(device, text) == "good"
    charge = redeem(device, text)
    assert (charge["kind"], charge["state"], charge["amount_rp"]) == ("voucher", "paid", 5_000)
    assert "taken_at" not in office.redeemed[text], "the office was there to say yes"
    until(lambda: any(event["kind"] == "voucher_taken" for event in office.events))
    (fact,) = [e["body"] for e in office.events if e["kind"] == "voucher_taken"]
    assert (fact["charge_id"], fact["serial"]) == (charge["id"], serial(1, 1))
    assert text not in str(fact), "the text itself is worth money"
    assert judged(device, text) == "used"
    assert redeem(device, text, OTHER_SPOT)["slug"] == "voucher-not-taken"


def test_offline_it_is_amber_and_the_office_learns_when_it_was_taken(
    device: Device, office: Office
) -> None:
    device.sign_in()
    text = office.voucher()
    go_offline(device, office)
    charge = redeem(device, text)
    assert (charge["state"], charge["sync"]) == ("new", "waiting")
    page = device.http.get(f"/charges/{charge['id']}").text
    assert 'class="charge is-voucher"' in page
    assert "Voucher diterima" in page
    assert redeem(device, text)["slug"] == "voucher-not-taken", "offline too it is used once"
    until(lambda: device.status()["oldest_unsynced_s"] >= 4)
    office.start()
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")
    assert office.redeemed[text]["taken_at"]


def test_used_elsewhere_meanwhile_it_is_refused_and_never_green(
    device: Device, office: Office
) -> None:
    device.sign_in()
    text = office.voucher()
    go_offline(device, office)
    charge = redeem(device, text)
    office.redeemed[text] = {}
    office.start()
    until(lambda: device.get(f"/api/charges/{charge['id']}")["sync"] == "refused")
    page = device.http.get(f"/charges/{charge['id']}").text
    assert "Voucher ini sudah dipakai" in page
    assert "LUNAS" not in page
    assert "Simpan kertas vouchernya" in page


def test_each_voucher_that_is_no_good_is_named(device: Device, office: Office) -> None:
    office.voided = [serial(1, 9)]
    device.sign_in()
    stranger = Seal(Ed25519PrivateKey.generate())
    plain = Voucher(serial(1, 1), 5_000, None, date(2099, 1, 1))
    dearer, own = office.voucher(50_000).split("."), office.voucher().split(".")
    for verdict, text in (
        ("void", office.voucher(number=9)),
        ("expired", office.voucher(valid_until=date(2026, 1, 1))),
        ("unknown-key", sign(stranger, plain)),
        ("forged", ".".join((*dearer[:2], own[2]))),
    ):
        assert judged(device, text) == verdict
        assert redeem(device, text)["slug"] == "voucher-not-taken"
    bikes = office.voucher(vehicle_class=VehicleClass.MOTORCYCLE)
    assert redeem(device, bikes)["detail"] == "other-class"
    assert redeem(device, office.voucher(4_999))["detail"] == "too-small"
    assert redeem(device, office.voucher(4_999), vehicle="boat")["slug"] == "invalid-request"
    assert office.posts == []


def test_a_form_sent_twice_redeems_it_once(device: Device, office: Office) -> None:
    device.sign_in()
    found = device.http.post("/scan", data={"text": office.voucher(), "spot": SPOT}).text
    charge_id = found.split('name="id" value="')[1].split('"')[0]
    form = {
        "id": charge_id, "spot": SPOT, "vehicle_class": "car", "voucher": office.voucher()
    }  # fmt: skip
    for _ in range(2):
        answer = device.http.post("/vouchers", data=form)
        assert answer.headers["location"] == f"/charges/{charge_id}"
    assert list(office.charges) == [charge_id]
