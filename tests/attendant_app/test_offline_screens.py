"""What an attendant sees without a connection: what is left, what can be shown, what goes on."""

import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_pool import cut, kept
from tests.attendant_app.test_screens import Walk


@pytest.fixture
def walk(browser: Browser, device: Device) -> Iterator[Walk]:
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    page = context.new_page()
    page.goto("/")
    yield Walk(page)
    context.close()


def test_alone(office: Office, device: Device, walk: Walk) -> None:
    office.offline |= {"pool_size": 2, "limit_count": 2}
    device.sign_in()
    device.http.get(f"/spots/{SPOT}")
    until(lambda: len(kept(device)) == 6)
    cut(office, device)
    shown = device.charge(SPOT)["id"]
    walk.see(f"/spots/{SPOT}", "alone-home", ".tile.is-unsure")
    walk.see(f"/charges/{shown}", "alone-code", "img.barcode")
    walk.page.locator("a.to-proof").click()
    expect(walk.page.get_by_role("link", name="Scan the proof")).to_be_visible()
    walk.see(f"/charges/{shown}/proof", "alone-proof", "img.barcode")
    device.charge(SPOT)
    walk.see(f"/spots/{SPOT}", "alone-full", ".kept.is-none")
    with walk.page.expect_response(lambda answer: answer.status == 409):
        walk.page.locator("button[value=motorcycle]").click()
    walk.see(f"/spots/{SPOT}/cash", "alone-cash", "a")
    office.pay(shown)
    answer = device.http.post("/api/resolve", json={"text": office.prove(shown)})
    assert answer.json()["result"]["verdict"] == "paid"
    assert walk.faults == []


def test_alone_too_long(office: Office, device: Device, walk: Walk) -> None:
    office.offline |= {"pool_size": 2}
    device.sign_in()
    device.http.get(f"/spots/{SPOT}")
    until(lambda: len(kept(device)) == 6)
    cut(office, device)
    device.kill()
    with sqlite3.connect(device.folder / "handheld.sqlite") as db:
        db.execute("UPDATE alone SET spent_s = 12 * 3600")
    device.start()
    until(lambda: device.status()["offline"]["over"])
    walk.see(f"/spots/{SPOT}", "alone-over", ".vehicle")
    walk.page.locator("button[value=motorcycle]").click()
    expect(walk.page.locator("main")).to_contain_text("Connect first")
    walk.measure("alone-over-refused", "en")
    assert walk.page.locator(".is-paid").count() == 0
    assert walk.faults == []
