"""Practice: everything as in earnest, and nothing of it leaves, is money, or is printed."""

import pytest
from playwright.sync_api import Browser, expect

import qris
from attendant_app.store import Store
from attendant_app.training import TrainingOffice
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_screens import Walk

HARMLESS = {"/livez", "/v1/sync"}


def practise(device: Device) -> str:
    """Enter, and the spot that is practised at: one of the sample's where no other is known."""
    until(lambda: device.status()["enrolled"] and device.status()["unsynced"] == 0)
    assert device.http.post("/training").headers["location"] == "/"
    spot: str = device.get("/api/spots")["spots"][0]["code"]
    return spot


def play(device: Device, charge_id: str, outcome: str) -> None:
    device.http.post(f"/training/charges/{charge_id}", data={"outcome": outcome})


def kinds(office: Office) -> list[str]:
    return [event["kind"] for event in office.events]


def test_nothing_that_could_make_a_charge_leaves_the_handheld(
    device: Device, office: Office, paper: Paper
) -> None:
    spot = practise(device)
    office.requests.clear()
    paid = device.charge(spot)
    until(lambda: device.get(f"/api/charges/{paid['id']}")["qris"])
    play(device, paid["id"], "paid")
    until(lambda: device.get(f"/api/charges/{paid['id']}")["state"] == "paid")
    for outcome, state in (("expired", "expired"), ("refused", "cancelled")):
        other = device.charge(spot, "car")["id"]
        play(device, other, outcome)
        until(lambda other=other, state=state: _state(device, other) == state)
    cash = device.cash(spot)
    assert cash["state"] == "paid"
    until(lambda: device.status()["unsynced"] == 0)
    assert device.close(cash["amount_rp"]).json()["difference_rp"] == 0
    # Who comes next practises signing in: any code, any PIN, and no word of it to the office.
    device.http.post("/api/sign-in", json={"attendant": "J-002", "pin": "0000"})
    assert device.status()["attendant"]["code"] == "J-002"
    reports = {path for _, path in office.requests if path.endswith("/report")}
    assert {path for _, path in office.requests} - HARMLESS <= reports
    assert office.charges == {}
    assert paper.jobs == []
    device.http.post("/training/leave")
    until(lambda: kinds(office) == ["training_entered", "training_left"])
    assert not device.status()["training"]
    assert not (device.folder / "training").exists()


def _state(device: Device, charge_id: str) -> str:
    return str(device.get(f"/api/charges/{charge_id}")["state"])


def test_its_barcode_is_no_payment_code_and_its_slip_no_receipt(device: Device) -> None:
    charge = device.charge(practise(device))
    with pytest.raises(qris.QrisError, match="not-emv"):
        qris.parse(charge["qris"])
    play(device, charge["id"], "paid")
    until(lambda: _state(device, charge["id"]) == "paid")
    page = device.http.get(f"/charges/{charge['id']}").text
    assert "Latihan: tidak ada uang, tidak ada karcis" in page
    assert "print-state" not in page
    answer = device.http.post(f"/api/charges/{charge['id']}/reprint")
    assert answer.json()["slug"] == "not-in-training"


def test_practice_ends_with_the_process_and_keeps_nothing(device: Device, office: Office) -> None:
    charge = device.charge(practise(device))
    device.kill()
    device.start()
    assert not device.status()["training"]
    assert not device.status()["signed_in"]
    until(lambda: kinds(office) == ["training_entered", "training_left"])
    device.kill()
    store = Store(device.folder)
    assert store.charge(charge["id"]) is None
    store.close()


def test_practice_is_for_outside_a_shift_and_takes_over_the_real_streets(
    device: Device, office: Office
) -> None:
    device.sign_in()
    assert "tutup tugas dulu" in device.http.post("/training").text
    assert not device.status()["training"]
    until(lambda: device.status()["unsynced"] == 0)
    device.close(0)
    assert practise(device) == SPOT
    # Work first: what is left open of the real shift goes on being followed meanwhile.
    assert device.http.post("/training/leave").headers["location"] == "/"
    device.sign_in()
    assert device.charge(SPOT)["qris"].startswith("000201")


def test_the_office_of_practice_knows_no_other_way() -> None:
    told = [pattern for pattern, _ in TrainingOffice({})._answers]
    assert not [pattern for pattern in told if "wipe" in pattern or "enrol" in pattern]


def test_every_screen_of_practice_says_so(browser: Browser, device: Device) -> None:
    spot = practise(device)
    charge = device.charge(spot)["id"]
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(context.new_page())
    page = walk.page
    walk.see(f"/spots/{spot}/cash", "training-cash", ".vehicle")
    walk.see(f"/charges/{charge}", "training-charge", ".play")
    context.clear_cookies()
    page.goto(f"/charges/{charge}")
    page.get_by_role("button", name="Bayar", exact=True).click()
    expect(page.locator(".charge.is-paid .verdict")).to_have_text("LUNAS")
    walk.measure("training-paid", "id")
    walk.see("/shift", "training-today", ".danger")
    context.clear_cookies()
    page.goto("/")
    page.get_by_role("button", name="Selesai", exact=True).click()
    expect(page.get_by_role("button", name="Latihan")).to_be_visible()
    expect(page.locator(".training")).to_have_count(0)
    context.close()
    assert not walk.faults, "\n".join(walk.faults)
