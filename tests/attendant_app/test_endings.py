"""A stay is paid at its end by what the driver shows: a wallet's code, or a voucher."""

import re
from typing import Any

import httpx
from playwright.sync_api import expect

from attendant_app.runtime import new_id
from domain.tariff import VehicleClass
from tests.attendant_app.builders import SPOT, consumer_text
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_screens import Walk, walk
from tests.attendant_app.test_stays import leave, start
from tests.attendant_app.test_vouchers import go_offline

__all__ = ["walk"]


def scan(device: Device, stay_id: str, text: str) -> str:
    answer = device.http.post(f"/stays/{stay_id}/scan", data={"text": text})
    assert answer.status_code == 200, answer.text
    return answer.text


def pay(device: Device, stay_id: str, screen: str) -> httpx.Response:
    """Press what the screen offers, twice as a slow thumb does."""
    action = re.findall(rf'action="(/stays/{stay_id}/(?:voucher|wallet))"', screen)[0]
    fields = dict(re.findall(r'name="(id|voucher|consumer_qr|amount_rp)" value="([^"]+)"', screen))
    answers = [device.http.post(action, data=fields) for _ in "12"]
    assert answers[0].headers.get("location") == answers[1].headers.get("location")
    return answers[0]


def charged(device: Device, stay_id: str, text: str) -> str:
    where = pay(device, stay_id, scan(device, stay_id, text)).headers["location"]
    assert where.startswith("/charges/"), where
    return where.removeprefix("/charges/")


def test_a_wallet_is_asked_for_what_the_office_says_is_owed(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    assert leave(device, stay_id, "scan") == f"/stays/{stay_id}/scan"
    assert office.stays[stay_id]["state"] == "ended", "its price is fixed before a wallet is asked"
    charge_id = charged(device, stay_id, consumer_text())
    assert office.posts == [charge_id]
    assert office.stay_bodies[-1]["consumer_qr"] == consumer_text()
    screen = device.http.get(f"/charges/{charge_id}").text
    assert 'class="charge is-waiting"' in screen
    assert "Menunggu dompet" in screen
    assert "charge stay is-waiting" in device.http.get(f"/stays/{stay_id}").text
    again = device.http.get(f"/stays/{stay_id}/scan")
    assert again.headers["location"] == f"/stays/{stay_id}", "nothing else is asked meanwhile"
    office.change(charge_id, state="issue_unknown")
    until(lambda: "jangan tagih lagi" in device.http.get(f"/charges/{charge_id}").text)
    office.pay(charge_id)
    until(lambda: "charge is-paid" in device.http.get(f"/charges/{charge_id}").text)
    until(lambda: "charge stay is-paid" in device.http.get(f"/stays/{stay_id}").text)


def test_a_wallet_is_not_asked_for_what_no_screen_asked_for(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    screen = scan(device, stay_id, consumer_text())
    office.owe(stay_id, 15_000)
    assert pay(device, stay_id, screen).headers["location"] == f"/stays/{stay_id}"
    assert "Rp15.000" in device.http.get(f"/stays/{stay_id}").text
    assert office.posts == []
    charged(device, stay_id, consumer_text())


def test_a_voucher_does_not_pay_what_no_screen_asked_for(device: Device, office: Office) -> None:
    device.sign_in()
    for value_rp in (12_000, 20_000):
        stay_id = start(device, office)
        screen = scan(device, stay_id, office.voucher(value_rp))
        office.owe(stay_id, 15_000)
        assert pay(device, stay_id, screen).headers["location"] == f"/stays/{stay_id}"
        assert "Rp15.000" in device.http.get(f"/stays/{stay_id}").text
    assert office.posts == []


def test_a_wallet_that_refuses_leaves_the_stay_to_be_paid_by_a_voucher(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    leave(device, stay_id, "scan")
    refused = charged(device, stay_id, consumer_text())
    office.change(refused, state="issue_failed")
    until(lambda: "Dompet pengemudi menolak" in device.http.get(f"/charges/{refused}").text)
    assert f'href="/stays/{stay_id}"' in device.http.get(f"/charges/{refused}").text
    until(lambda: "charge stay is-owed" in device.http.get(f"/stays/{stay_id}").text)
    text = office.voucher(12_000)
    charge_id = charged(device, stay_id, text)
    assert "taken_at" not in office.redeemed[text], "the office was there to say yes"
    assert device.get(f"/api/charges/{charge_id}")["state"] == "paid"
    until(lambda: "charge stay is-paid" in device.http.get(f"/stays/{stay_id}").text)
    until(lambda: any(event["kind"] == "voucher_taken" for event in office.events))
    (fact,) = [e["body"] for e in office.events if e["kind"] == "voucher_taken"]
    assert (fact["charge_id"], fact["stay_id"], fact["quoted_rp"]) == (charge_id, stay_id, 10_000)
    assert text not in str(fact), "the text itself is worth money"
    other = start(device, office)
    assert "SUDAH DIPAKAI" in scan(device, other, text)


def test_each_voucher_that_does_not_pay_a_stay_says_why_and_ends_nothing(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    for text, words in (
        (office.voucher(9_999), "NILAI KURANG"),
        (office.voucher(10_000, vehicle_class=VehicleClass.MOTORCYCLE), "UNTUK KENDARAAN LAIN"),
        (office.voucher(10_000)[:-4] + "AAAA", "VOUCHER PALSU"),
    ):
        screen = scan(device, stay_id, text)
        assert words in screen
        assert f"/stays/{stay_id}/voucher" not in screen
        form = {"id": new_id(), "voucher": text, "amount_rp": "10000"}
        refused = device.http.post(f"/stays/{stay_id}/voucher", data=form)
        assert (refused.status_code, "tidak dapat dipakai" in refused.text) == (409, True)
    assert office.stays[stay_id]["state"] == "open"
    assert office.posts == []


def test_nothing_owed_keeps_voucher_and_wallet(device: Device, office: Office) -> None:
    device.sign_in()
    for text in (office.voucher(10_000), consumer_text()):
        stay_id = start(device, office)
        screen = scan(device, stay_id, text)
        office.owe(stay_id, 0)
        assert pay(device, stay_id, screen).headers["location"] == f"/stays/{stay_id}"
        assert "Gratis" in device.http.get(f"/stays/{stay_id}").text
    assert office.posts == []
    stay_id = start(device, office)
    office.owe(stay_id, 0)
    assert leave(device, stay_id, "scan") == f"/stays/{stay_id}"


def test_offline_a_voucher_ends_the_stay_and_a_wallet_does_not(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id, text = start(device, office), office.voucher(10_000)
    go_offline(device, office)
    assert leave(device, stay_id, "scan") == f"/stays/{stay_id}/scan"
    screen = scan(device, stay_id, consumer_text())
    assert "perlu sambungan. Terima voucher atau tunai" in screen
    assert f"/stays/{stay_id}/wallet" not in screen
    form = {"id": "01a20497-0000-7000-8000-000000000002", "consumer_qr": consumer_text()}
    assert device.http.post(f"/stays/{stay_id}/wallet", data=form).status_code == 503
    charge_id = charged(device, stay_id, text)
    page = device.http.get(f"/charges/{charge_id}").text
    assert 'class="charge is-voucher"' in page
    assert "LUNAS" not in page
    assert device.status()["offline"]["count"] == 1
    other = start(device, office)
    assert "SUDAH DIPAKAI" in scan(device, other, text), "offline too it is used once"
    until(lambda: device.status()["oldest_unsynced_s"] >= 4)
    device.kill()
    office.start()
    device.start()
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    sent = office.redeemed[text]
    assert sent["taken_at"]
    assert (sent["spot"], sent["vehicle_class"]) == (SPOT, "truck"), "where the stay is not known"
    assert office.posts == [charge_id], "not before the end that it is for"
    until(lambda: "charge stay is-paid" in device.http.get(f"/stays/{stay_id}").text)


def test_used_elsewhere_meanwhile_it_is_refused_and_the_stay_is_owed(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id, text = start(device, office), office.voucher(10_000)
    go_offline(device, office)
    charge_id = charged(device, stay_id, text)
    office.redeemed[text] = {}
    office.start()
    until(lambda: device.get(f"/api/charges/{charge_id}")["sync"] == "refused")
    page = device.http.get(f"/charges/{charge_id}").text
    for words in ("Voucher ini sudah dipakai", "Simpan kertas vouchernya", f"/stays/{stay_id}"):
        assert words in page
    until(lambda: "charge stay is-owed" in device.http.get(f"/stays/{stay_id}").text)


def test_a_wallet_nobody_answered_for_is_asked_about_under_the_same_charge(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    leave(device, stay_id, "scan")
    office.lose_requests = True
    charge_id = charged(device, stay_id, consumer_text())
    page = device.http.get(f"/stays/{stay_id}").text
    assert "charge stay is-waiting" in page, "amber here too, before the office has told of it"
    assert 'value="qris"' not in page
    office.lose_requests = False
    until(lambda: office.charges.get(charge_id))
    assert set(office.posts) == {charge_id}, "always the same one"


def cash(device: Device, stay_id: str) -> httpx.Response:
    form = {"id": new_id(), "amount_rp": "10000"}
    return device.http.post(f"/stays/{stay_id}/cash", data=form)


def test_a_stay_that_a_voucher_pays_is_not_paid_again_offline(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    go_offline(device, office)
    charge_id = charged(device, stay_id, office.voucher(10_000))
    for way in ("cash", "scan"):
        again = device.http.get(f"/stays/{stay_id}/{way}")
        assert again.headers.get("location") == f"/stays/{stay_id}"
    other = {"id": new_id(), "voucher": office.voucher(10_000, 2), "amount_rp": "10000"}
    for refused in (
        cash(device, stay_id),
        device.http.post(f"/stays/{stay_id}/voucher", data=other),
    ):
        assert (refused.status_code, "masih terbuka" in refused.text) == (409, True)
    office.start()
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    assert office.posts == [charge_id]
    assert [body.get("cash") for body in office.stay_bodies] == [None] * 3


def test_nothing_else_is_asked_for_while_an_extension_may_be_paid(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    device.http.post(f"/stays/{stay_id}/extend")
    for connected in (True, False):
        if not connected:
            go_offline(device, office)
        for way in ("cash", "scan"):
            assert leave(device, stay_id, way) == f"/stays/{stay_id}"
            asked = device.http.get(f"/stays/{stay_id}/{way}")
            assert asked.headers.get("location") == f"/stays/{stay_id}"
            assert f'value="{way}"' not in device.http.get(f"/stays/{stay_id}").text
        assert cash(device, stay_id).status_code == 409
    assert office.stays[stay_id]["state"] == "open", "and what nobody could pay did not end it"


def show(walk: Walk, path: str, text: str) -> Any:
    """What a scanner that types brings onto the screen."""
    walk.page.goto(path)
    walk.page.evaluate(
        "([where, text]) => { const form = document.createElement('form');"
        " form.method = 'post'; form.action = where;"
        " const field = document.createElement('input'); field.name = 'text'; field.value = text;"
        " form.append(field); document.body.append(form); form.submit(); }",
        [path, text],
    )
    expect(walk.page.locator(".found:not([hidden])")).to_be_visible()


def test_the_screens_of_an_ending(walk: Walk, device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    path = f"/stays/{stay_id}/scan"
    walk.see(f"/stays/{stay_id}", "ending-ways", ".leave button[value=scan]")
    walk.see(path, "ending-scan", "#finder")
    for name, text in (
        ("voucher", office.voucher(10_000)),
        ("voucher-short", office.voucher(5_000)),
        ("wallet", consumer_text()),
    ):
        show(walk, path, text)
        walk.measure(f"ending-{name}", "en")
    walk.page.get_by_role("button", name="Pay Rp10.000").click()
    expect(walk.page.get_by_text("Waiting for the driver's wallet")).to_be_visible()
    (charge_id,) = office.charges
    office.change(charge_id, state="issue_unknown")
    expect(walk.page.get_by_text("do not charge again")).to_be_visible()
    expect(walk.page.locator(".take-back")).to_be_hidden()
    walk.measure("ending-unknown", "en")
    office.change(charge_id, state="issue_failed")
    expect(walk.page.get_by_text("The driver's wallet refused")).to_be_visible()
    walk.measure("ending-refused", "en")
    walk.page.get_by_role("link", name="Pay otherwise").click()
    expect(walk.page.locator(".stay.is-owed")).to_be_visible()
    go_offline(device, office)
    show(walk, path, consumer_text())
    walk.measure("ending-wallet-offline", "en")
    office.start()
    until(lambda: device.status()["online"])
    other = start(device, office)
    go_offline(device, office)
    leave(device, other)
    walk.see(f"/stays/{other}", "ending-leaving", "a[href$=scan]")
    office.start()
    expect(walk.page.get_by_role("button", name="Pay by QRIS")).to_be_visible()
    assert not walk.faults, "\n".join(walk.faults)
