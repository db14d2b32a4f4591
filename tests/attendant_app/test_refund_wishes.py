"""A driver wants money back: told to the office once, also later; nothing is given back here."""

from typing import Any

import pytest

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_screens import Walk, walk  # noqa: F401 - a fixture

NEVER_MADE = "0198f000-0000-7000-8000-00000000dead"


@pytest.fixture
def paid(device: Device, office: Office) -> str:
    device.sign_in()
    charge_id = str(device.charge(SPOT)["id"])
    office.pay(charge_id)
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    return charge_id


def wishes(office: Office) -> list[dict[str, Any]]:
    return [event["body"] for event in office.events if event["kind"] == "refund_wished"]


def wish(device: Device, charge_id: str, reason: str = "paid_twice") -> str:
    path = f"/charges/{charge_id}/refund-wish"
    return device.http.post(path, data={"reason": reason}, follow_redirects=True).text


def test_a_wish_is_told_once_also_without_a_network(
    device: Device, office: Office, paid: str
) -> None:
    assert "Minta uang kembali" in device.http.get(f"/charges/{paid}").text
    office.stop()
    until(lambda: not device.status()["online"])
    assert "belum terkirim ke kantor" in wish(device, paid)
    device.kill()
    device.start()
    assert "Minta uang kembali" not in wish(device, paid, "other")
    office.start()
    until(lambda: wishes(office) != [])
    [told] = wishes(office)
    assert (told["charge_id"], told["reason"], told["attendant"]) == (paid, "paid_twice", "J-001")
    until(lambda: "sudah dilaporkan" in device.http.get(f"/charges/{paid}").text)


def test_what_cannot_be_asked_back_is_said_so(device: Device, office: Office, paid: str) -> None:
    open_one = str(device.charge(SPOT)["id"])
    elsewhere = office.new_charge(NEVER_MADE, SPOT, "car")
    office.charges[NEVER_MADE] = elsewhere
    for charge_id, status, words in (
        (open_one, 409, "belum lunas"),
        (NEVER_MADE, 404, "Tidak ditemukan"),
    ):
        for answer in (
            device.http.get(f"/charges/{charge_id}/refund-wish"),
            device.http.post(f"/charges/{charge_id}/refund-wish", data={"reason": "other"}),
        ):
            assert answer.status_code == status
            assert words in answer.text
    device.http.post("/api/resolve", json={"text": elsewhere["qris"]})  # a driver's own charge
    office.pay(NEVER_MADE)
    until(lambda: device.get(f"/api/charges/{NEVER_MADE}")["state"] == "paid")
    assert "bukan dari alat ini" in wish(device, NEVER_MADE)
    answer = device.http.post(f"/charges/{paid}/refund-wish", data={"reason": "because"})
    assert answer.status_code == 422
    assert wishes(office) == []


def test_its_screens(walk: Walk, device: Device, office: Office, paid: str) -> None:  # noqa: F811
    walk.see(f"/charges/{paid}", "charge-paid-wishable", ".verdict")
    walk.see(f"/charges/{paid}/refund-wish", "refund-wish", ".reasons")
    wish(device, paid)
    until(lambda: wishes(office) != [])
    walk.see(f"/charges/{paid}", "charge-paid-wished", ".verdict")
    assert not walk.faults, "\n".join(walk.faults)
