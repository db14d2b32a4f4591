"""Stays on the handheld: started in one tap, left in two, extended, taken back, and offline."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_screens import Walk, walk

__all__ = ["walk"]


def start(device: Device, office: Office) -> str:
    """A lorry, priced by the hour, that parks now."""
    seen = set(office.stays)
    answer = device.http.post("/stays", data={"spot": SPOT, "vehicle_class": "truck"})
    assert answer.status_code == 303, answer.text
    if not device.status()["online"]:
        page = device.http.get(f"/spots/{SPOT}").text
        return re.findall(r'href="/stays/([^"]+)"', page)[-1]
    return str(until(lambda: next(iter(set(office.stays) - seen), None)))


def leave(device: Device, stay_id: str, by: str = "qris") -> str:
    answer = device.http.post(f"/stays/{stay_id}/leave", data={"by": by})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def kinds(office: Office) -> list[str]:
    return [event["kind"] for event in office.events]


def test_a_stay_is_started_and_paid_when_it_leaves(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    home = device.http.get(f"/spots/{SPOT}").text
    assert f'href="/stays/{stay_id}"' in home
    assert "told_at" not in office.stay_bodies[0], "what is sent at once is the server's time"
    where = leave(device, stay_id)
    charge_id = where.removeprefix("/charges/")
    assert office.charges[charge_id]["amount_rp"] == office.stay_rp
    office.pay(charge_id)
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    until(lambda: "Lunas" in device.http.get(f"/stays/{stay_id}").text)
    until(lambda: f"/stays/{stay_id}" not in device.http.get(f"/spots/{SPOT}").text)
    facts = ["shift_opened", "stay_started", "stay_ended", "charge_requested"]
    until(lambda: kinds(office)[:4] == facts)


def test_a_code_that_nobody_paid_is_no_payment(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    device.http.post(f"/stays/{stay_id}/extend")
    (bought,) = office.stays[stay_id]["charges"]
    assert leave(device, stay_id) == f"/stays/{stay_id}", "what it asks for is asked already"
    page = device.http.get(f"/stays/{stay_id}").text
    assert "charge stay is-waiting" in page
    assert f'href="/charges/{bought}"' in page
    assert f'href="/stays/{stay_id}"' in device.http.get(f"/spots/{SPOT}").text
    office.change(bought, state="expired")
    until(lambda: "charge stay is-owed" in device.http.get(f"/stays/{stay_id}").text)
    charge_id = leave(device, stay_id).removeprefix("/charges/")
    until(lambda: "charge stay is-waiting" in device.http.get(f"/stays/{stay_id}").text)
    office.pay(charge_id)
    until(lambda: "charge stay is-paid" in device.http.get(f"/stays/{stay_id}").text)
    until(lambda: f"/stays/{stay_id}" not in device.http.get(f"/spots/{SPOT}").text)


def test_an_answer_older_than_the_payment_is_asked_for_again(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    charge_id = leave(device, stay_id).removeprefix("/charges/")
    until(lambda: "charge stay is-waiting" in device.http.get(f"/stays/{stay_id}").text)
    office.holds_stays = True
    office.change(charge_id, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    until(lambda: office.stays_held)
    office.pay(charge_id)
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    office.holds_stays = False
    until(lambda: "charge stay is-paid" in device.http.get(f"/stays/{stay_id}").text)


def test_a_code_that_fails_is_cancelled_and_paid_in_cash(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    device.http.post(f"/stays/{stay_id}/extend")
    (bought,) = office.stays[stay_id]["charges"]
    page = device.http.get(f"/charges/{bought}").text
    assert f'action="/charges/{bought}/cancel"' in page
    assert f"/charges/{bought}/void" not in page, "the stay itself is not given up"
    back = device.http.post(f"/charges/{bought}/cancel")
    assert back.headers["location"] == f"/stays/{stay_id}"
    assert office.stays[stay_id]["state"] == "open"
    unpaid = leave(device, stay_id).removeprefix("/charges/")
    device.http.post(f"/charges/{unpaid}/cancel")
    assert leave(device, stay_id, "cash") == f"/stays/{stay_id}/cash"
    last = leave(device, stay_id).removeprefix("/charges/")
    office.pay(last)
    assert "sudah dibayar" in device.http.post(f"/charges/{last}/cancel").text


def test_free_minutes_end_with_nothing_to_pay(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    office.owe(stay_id, 0)
    assert leave(device, stay_id) == f"/stays/{stay_id}"
    assert "Gratis" in device.http.get(f"/stays/{stay_id}").text
    assert office.charges == {}


def test_cash_after_an_end_offline_goes_with_it(device: Device, office: Office) -> None:
    device.sign_in()
    office.stop()
    until(lambda: not device.status()["online"])
    stay_id = start(device, office)
    assert leave(device, stay_id, "cash") == f"/stays/{stay_id}/cash"
    page = device.http.get(f"/stays/{stay_id}/cash").text
    assert "Rp10.000" in page
    charge_id = re.findall(r'name="id" value="([^"]+)"', page)[0]
    told = {"id": charge_id, "amount_rp": "8000"}
    again = device.http.post(f"/stays/{stay_id}/cash", data=told)
    assert again.headers["location"] == f"/stays/{stay_id}/cash", "not what was asked for"
    assert device.http.get(f"/api/charges/{charge_id}").status_code == 404
    for _ in range(2):
        device.http.post(f"/stays/{stay_id}/cash", data={**told, "amount_rp": "10000"})
    assert device.status()["unsynced"] > 0
    device.kill()
    office.start()
    device.start()
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    ended = office.stay_bodies[-1]
    assert ended["cash"] == {"id": charge_id, "amount_rp": 10_000}
    assert "told_at" in ended
    until(lambda: device.status()["unsynced"] == 0)


def test_cash_may_follow_an_end_that_was_told_to_nobody(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    office.stop()
    until(lambda: not device.status()["online"])
    leave(device, stay_id)
    page = device.http.get(f"/stays/{stay_id}").text
    assert f'href="/stays/{stay_id}/cash"' in page
    asked = device.http.get(f"/stays/{stay_id}/cash").text
    charge_id = re.findall(r'name="id" value="([^"]+)"', asked)[0]
    told = {"id": charge_id, "amount_rp": "10000"}
    for _ in "12":
        device.http.post(f"/stays/{stay_id}/cash", data=told)
    assert f'href="/stays/{stay_id}/cash"' not in device.http.get(f"/stays/{stay_id}").text
    office.start()
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == "paid")
    ends = [body.get("cash") for body in office.stay_bodies[1:]]
    assert ends == [None, {"id": charge_id, "amount_rp": 10_000}]
    until(lambda: device.status()["unsynced"] == 0)
    assert kinds(office).count("stay_ended") == 1


def test_an_end_offline_says_that_the_price_comes_from_the_office(
    device: Device, office: Office
) -> None:
    device.sign_in()
    stay_id = start(device, office)
    office.stop()
    until(lambda: not device.status()["online"])
    assert leave(device, stay_id) == f"/stays/{stay_id}"
    assert "Harga menunggu kantor" in device.http.get(f"/stays/{stay_id}").text
    office.start()
    until(lambda: "Belum dibayar" in device.http.get(f"/stays/{stay_id}").text)
    assert leave(device, stay_id).startswith("/charges/")


def test_a_mistake_is_taken_back_with_a_reason(device: Device, office: Office) -> None:
    device.sign_in()
    stay_id = start(device, office)
    device.http.post(f"/stays/{stay_id}/void", data={"reason": "wrong_vehicle"})
    until(lambda: office.stays[stay_id]["state"] == "voided")
    until(lambda: f"/stays/{stay_id}" not in device.http.get(f"/spots/{SPOT}").text)
    until(lambda: "stay_voided" in kinds(office))
    unpaid, paid = device.charge(SPOT)["id"], device.charge(SPOT)["id"]
    office.pay(paid)
    until(lambda: device.get(f"/api/charges/{paid}")["state"] == "paid")
    for charge_id in (unpaid, paid):
        asked = device.http.get(f"/charges/{charge_id}/void")
        assert asked.headers["location"] == f"/stays/{charge_id}/void"
        device.http.post(f"/stays/{charge_id}/void", data={"reason": "driver_left"})
    until(lambda: device.get(f"/api/charges/{unpaid}")["state"] == "cancelled")
    until(lambda: "sudah dibayar" in device.http.get(f"/stays/{paid}").text)
    assert device.get(f"/api/charges/{paid}")["state"] == "paid"


def assert_no_faults(walk: Walk) -> None:
    """Of home, what this file is about; the whole of it is looked at with the other screens."""
    faults = [fault for fault in walk.faults if "stay-home" not in fault or "stay-tile" in fault]
    assert not faults, "\n".join(faults)


def test_a_stay_starts_with_one_tap_and_shows_what_it_owes(
    walk: Walk, device: Device, office: Office
) -> None:
    device.sign_in()
    page = walk.page
    page.goto(f"/spots/{SPOT}")
    page.locator("button.vehicle[value=truck]").click()
    expect(page.locator(".stay-tile.is-running")).to_be_visible()
    (stay_id,) = until(lambda: list(office.stays))
    walk.see(f"/spots/{SPOT}", "stay-home", ".stay-tile.is-running")
    walk.see(f"/stays/{stay_id}", "stay-running", ".stay.is-running")
    walk.see(f"/stays/{stay_id}/void", "stay-void", ".reasons")
    assert_no_faults(walk)


def test_the_screens_of_a_stay_that_is_extended_and_over_its_time(
    walk: Walk, device: Device, office: Office
) -> None:
    device.sign_in()
    page, stay_id = walk.page, start(device, office)
    page.goto(f"/stays/{stay_id}")
    page.locator("form[action$=extend] button").click()
    expect(page.locator(".charge.is-payable")).to_be_visible()
    walk.see(page.url, "stay-code", ".take-back")
    bought = page.url.rpartition("/")[2]
    office.pay(bought)
    now = datetime.now(UTC)
    started, ended = (now - timedelta(hours=hours) for hours in (2.5, 1.5))
    office.owe(stay_id, 20_000, started_at=started.isoformat(), ends_at=ended.isoformat())
    until(lambda: "Lewat waktu" in device.http.get(f"/stays/{stay_id}").text)
    walk.see(f"/stays/{stay_id}", "stay-over", ".stay.is-over")
    walk.see(f"/spots/{SPOT}", "stay-home-over", ".stay-tile.is-over")
    page.goto(f"/stays/{stay_id}")
    page.locator("button[value=cash]").click()
    page.wait_for_url("**/cash")
    walk.see(f"/stays/{stay_id}/cash", "stay-cash", ".amount")
    walk.see(f"/stays/{stay_id}", "stay-owed", ".stay.is-owed")
    leave(device, stay_id)
    until(lambda: "charge stay is-waiting" in device.http.get(f"/stays/{stay_id}").text)
    walk.see(f"/stays/{stay_id}", "stay-waiting", ".stay.is-waiting")
    walk.see(f"/spots/{SPOT}", "stay-home-waiting", ".stay-tile.is-waiting")
    assert_no_faults(walk)
