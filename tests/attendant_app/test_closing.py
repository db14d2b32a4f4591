"""A shift counted and closed: nothing missing, nothing twice, and the office has the word."""

from typing import Any
from uuid import uuid4

from playwright.sync_api import Browser, expect

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import SHOTS, Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_screens import Walk
from tests.attendant_app.test_stays import start


def all_sent(device: Device) -> None:
    until(lambda: device.status()["unsynced"] == 0)


def closed(device: Device, counted_rp: int) -> dict[str, Any]:
    """Closed once the slips' own facts have left, too."""
    answers = []

    def tried() -> bool:
        all_sent(device)
        answers.append(device.close(counted_rp))
        return answers[-1].status_code == 200

    until(tried)
    return dict(answers[-1].json())


def test_a_shift_closes_with_its_count(device: Device, office: Office) -> None:
    device.sign_in()
    device.cash(SPOT)
    device.cash(SPOT, "car")
    all_sent(device)
    office.booked_cash_rp = 7000
    answer = closed(device, 6500)
    assert (answer["counted_rp"], answer["shown_rp"], answer["difference_rp"]) == (6500, 7000, -500)
    assert not device.status()["signed_in"]
    assert [body["counted_rp"] for body in office.closed] == [6500]
    (fact,) = [event for event in office.events if event["kind"] == "shift_closed"]
    assert fact["body"]["counted_rp"] == 6500
    assert "Rp500" in device.http.get(f"/shifts/{answer['shift_id']}").text
    # Reopening is a new shift, of whoever comes next.
    device.sign_in("J-002", "222222")
    assert device.status()["attendant"]["code"] == "J-002"


def test_nobody_signs_in_past_the_count(device: Device, office: Office) -> None:
    device.sign_in()
    for attendant, pin in (("J-001", "111111"), ("J-002", "222222")):
        body = {"attendant": attendant, "pin": pin}
        refused = device.http.post("/api/sign-in", json=body)
        assert refused.json()["slug"] == "already-signed-in"
    assert [event["kind"] for event in office.events].count("shift_closed") == 0


def test_a_lost_answer_is_asked_for_again_and_closes_once(device: Device, office: Office) -> None:
    device.sign_in()
    all_sent(device)
    office.lose_answers = 2
    device.close(0)
    until(lambda: not device.status()["signed_in"])
    assert len(office.closed) == 1


def test_a_shift_that_is_closing_takes_no_charge_also_after_a_power_cut(
    device: Device, office: Office
) -> None:
    device.sign_in()
    ended, running = start(device, office), start(device, office)
    device.http.post(f"/stays/{ended}/leave", data={"by": "cash"})
    all_sent(device)
    office.lose_answers = 1000
    made = device.close(0).json()
    assert made["answer"] is None
    refused = device.http.post("/api/cash-charges", json={"spot": SPOT, "vehicle_class": "car"})
    assert refused.json()["slug"] == "shift-closing"
    for stay_id in (ended, running):
        device.http.post(f"/stays/{stay_id}/cash", data={"id": str(uuid4())})
    assert device.status()["unsynced"] == 0, "no cash beside the count"
    assert device.close(9000).json()["counted_rp"] == 0
    device.kill()
    device.start()
    office.lose_answers = 0
    until(lambda: not device.status()["signed_in"])
    assert [body["counted_rp"] for body in office.closed] == [0]


def test_what_the_office_lost_is_sent_again_before_the_shift_closes(
    device: Device, office: Office
) -> None:
    device.sign_in()
    device.charge(SPOT)
    all_sent(device)
    office.lost_events = [2, 3]
    device.close(0)
    until(lambda: not device.status()["signed_in"])
    assert [event["seq"] for event in office.events] == [1, 2, 3]
    assert len(office.closed) == 1


def test_no_close_offline_nor_over_held_records_that_nobody_saw(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.refuse_charges = (409, "spot-occupied")
    device.cash(SPOT)
    all_sent(device)
    assert device.close(2000).json()["slug"] == "held-unseen"
    office.stop()
    until(lambda: not device.status()["online"])
    assert device.close(2000, held_seen=1).json()["slug"] == "server-unreachable"
    office.start()
    until(lambda: device.status()["online"])
    # The cash is in hand, but the office booked none: the difference is its case.
    answer = device.close(2000, held_seen=1).json()
    assert (answer["shown_rp"], answer["difference_rp"]) == (2000, 2000)


def test_the_pages_of_a_count(browser: Browser, device: Device, office: Office) -> None:
    device.sign_in()
    made = [device.cash(SPOT, "car")["id"], device.cash(SPOT)["id"]]
    until(
        lambda: all(device.get(f"/api/charges/{one}/print")["state"] == "PRINTED" for one in made)
    )
    all_sent(device)
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(context.new_page())
    page = walk.page
    walk.see("/shift", "close-day", ".danger")
    walk.see("/shift/close", "close-count", ".step")
    context.clear_cookies()
    page.goto("/shift/close")
    for name in ("Tambah satu Rp5.000", "Tambah satu Rp1.000", "Tambah satu Rp1.000"):
        page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="Tambah satu Rp2.000", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Kurangi satu Rp1.000", exact=True).click()
    expect(page.locator("#sum")).to_contain_text("Rp8.000")
    page.get_by_role("button", name="Sudah dihitung").click()
    expect(page.locator(".difference")).to_contain_text("Rp1.000")
    walk.measure("close-differs", "id")
    page.get_by_role("link", name="Hitung lagi").click()
    page.locator("#coins").fill("7000")
    page.get_by_role("button", name="Sudah dihitung").click()
    expect(page.locator(".difference")).to_contain_text("Cocok")
    walk.measure("close-agrees", "id")
    office.booked_cash_rp = 5000
    office.lose_answers = 1000
    page.get_by_role("button", name="Ya, tutup").click()
    expect(page.locator(".verdict")).to_contain_text("Menutup")
    walk.measure("close-waiting", "id")
    office.lose_answers = 0
    expect(page.locator(".verdict")).to_contain_text("Tugas ditutup")
    walk.measure("closed", "id")
    page.get_by_role("link", name="Petugas berikut").click()
    expect(page.locator("#attendant")).to_be_visible()
    context.close()
    assert not walk.faults, "\n".join(walk.faults)
    assert (SHOTS / "close-count-id-phone.png").exists()
