"""Hak saya hari ini: the office's word, kept for when there is no line, and said how old it is."""

from playwright.sync_api import Browser

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_closing import closed
from tests.attendant_app.test_screens import Walk

PENDING = [
    {"why": "unconfirmed", "count": 1, "amount_rp": 2000},
    {"why": "over", "count": 1, "amount_rp": 2500},
    {"why": "refund-unknown", "count": 1, "amount_rp": 5000},
]


def today(device: Device) -> str:
    return device.http.get("/fragments/today").text


def test_the_share_is_the_offices_word_also_offline(device: Device, office: Office) -> None:
    office.earned = {"share_rp": 700, "unpaid_share_rp": 4900, "pending": PENDING}
    device.sign_in()
    until(lambda: "Rp700" in today(device))
    page = today(device)
    assert "Bagian saya 35 %" in page
    assert "Rp4.900" in page
    assert "Ditahan: dibayar lebih" in page
    assert "Ditahan kantor" in page
    office.stop()
    until(lambda: not device.status()["online"])
    device.kill()
    device.start()
    assert "Rp700" in today(device)
    assert "Menurut kantor" in today(device)


def test_what_was_paid_just_now_is_asked_for_and_another_attendant_sees_none_of_it(
    device: Device, office: Office
) -> None:
    device.sign_in()
    charge = device.charge(SPOT)
    until(lambda: "Bagian saya 35 %" in today(device))
    office.earned = {"share_rp": 700, "unpaid_share_rp": 700}
    office.pay(charge["id"])
    until(lambda: "Rp700" in today(device))
    closed(device, 0)
    office.stop()
    office.earned = {}
    office.start()
    until(lambda: device.status()["online"])
    device.sign_in("J-002", "222222")
    assert "Rp700" not in today(device)


def test_yesterdays_word_is_not_todays(device: Device, office: Office) -> None:
    office.earned = {"share_rp": 700, "day": "2020-01-01"}
    device.sign_in()
    until(lambda: "Menurut kantor" in today(device))
    assert "Rp700" not in today(device)
    assert "menunggu kantor" in today(device)


def test_the_page_of_the_day(browser: Browser, device: Device, office: Office) -> None:
    office.earned = {"share_rp": 48_300, "unpaid_share_rp": 96_600, "pending": PENDING}
    device.sign_in()
    device.cash(SPOT)
    until(lambda: "Rp48.300" in today(device))
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(context.new_page())
    walk.see("/shift", "today", ".own")
    context.close()
    assert not walk.faults, "\n".join(walk.faults)
