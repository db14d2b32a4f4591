"""Slips beside the receipt, asked for on the screens of a real handheld."""

import re

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_closing import closed
from tests.attendant_app.test_stays import start


def printed(device: Device, paper: Paper, kind: str, record_id: str) -> str:
    """Asks on the screen, and reads what came out."""
    before = len(paper.jobs)
    answer = device.http.post(f"/slips/{kind}/{record_id}")
    assert answer.status_code == 303, answer.text
    until(lambda: len(paper.jobs) > before)
    return paper.jobs[-1].decode("ascii", "replace")


def number_in(slip: str) -> str:
    return re.findall("AKHIR ([A-Z0-9-]+)", slip)[-1]


def test_a_stay_s_ticket_finds_it_again_and_its_void_slip_follows(
    device: Device, office: Office, paper: Paper
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    assert f"/slips/entry/{stay_id}" in device.http.get(f"/stays/{stay_id}").text
    slip = printed(device, paper, "entry", stay_id)
    assert all(due in slip for due in ("KARCIS MASUK", "BELUM BAYAR", "Rp10.000", "Perda 1/2024"))
    found = device.http.post("/api/resolve", json={"text": number_in(slip)}).json()["result"]
    assert found == {"kind": "stay", "stay": {"id": stay_id}}
    assert "SALINAN KE-1" in printed(device, paper, "entry", stay_id)
    device.http.post(f"/stays/{stay_id}/void", data={"reason": "wrong_vehicle"})
    assert device.http.post(f"/slips/entry/{stay_id}").status_code == 409
    void = printed(device, paper, "void", stay_id)
    assert "BATAL" in void
    assert number_in(slip) in void


def test_a_payment_slip_carries_the_code_only_while_it_can_be_paid(
    device: Device, office: Office, paper: Paper
) -> None:
    device.sign_in()
    charge_id = str(device.charge(SPOT)["id"])
    slip = printed(device, paper, "payment", charge_id)
    assert "BUKAN BUKTI PEMBAYARAN" in slip
    assert str(office.charges[charge_id]["qris"]) in slip
    office.pay(charge_id)
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    assert device.http.post(f"/slips/payment/{charge_id}").status_code == 409


def test_a_wish_for_money_back_is_given_on_paper(
    device: Device, office: Office, paper: Paper
) -> None:
    device.sign_in()
    charge_id = str(device.charge(SPOT)["id"])
    office.pay(charge_id)
    until(lambda: device.get(f"/api/charges/{charge_id}/print")["state"] == "PRINTED")
    device.http.post(f"/charges/{charge_id}/refund-wish", data={"reason": "paid_twice"})
    slip = printed(device, paper, "wish", charge_id)
    assert "Dibayar dua kali" in slip
    assert "Belum dikembalikan" in slip


def test_a_closed_shift_prints_its_count_and_its_deposit(
    device: Device, office: Office, paper: Paper
) -> None:
    device.sign_in()
    device.cash(SPOT, "car")
    office.booked_cash_rp = 5000
    shift_id = closed(device, 4500)["shift_id"]
    assert f"/slips/shift/{shift_id}" in device.http.get(f"/shifts/{shift_id}").text
    slip = printed(device, paper, "shift", shift_id)
    assert all(due in slip for due in ("TUTUP TUGAS", "KURANG", "Rp500", "J-001 Ahmad Rifani"))
    assert number_in(slip) in printed(device, paper, "deposit", shift_id)


def test_what_is_no_slip_is_refused(device: Device, office: Office) -> None:
    device.sign_in()
    for path in ("entry/x", "payment/x", "shift/x", "void/x", "receipt/x"):
        assert device.http.post(f"/slips/{path}").status_code == 404
