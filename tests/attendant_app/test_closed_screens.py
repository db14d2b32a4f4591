"""What an attendant sees of a closed spot, alone as he is."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.attendant_app.builders import OTHER_SPOT, SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_closed_streets import HOUR, told
from tests.attendant_app.test_pool import cut, kinds
from tests.attendant_app.test_screens import Walk


@pytest.fixture
def walk(browser: Browser, device: Device) -> Iterator[Walk]:
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    page = context.new_page()
    page.goto("/")
    yield Walk(page)
    context.close()


def test_a_closed_spot_on_the_screen_of_a_handheld_that_is_alone(
    office: Office, device: Device, walk: Walk
) -> None:
    now = datetime.now(UTC)
    office.closures = [told(SPOT, starts=now - HOUR, ends=now + 24 * HOUR)]
    device.sign_in()
    cut(office, device)
    for path in ("charges", "cash-charges"):
        body = {"spot": SPOT, "vehicle_class": "motorcycle"}
        refused = device.http.post(f"/api/{path}", json=body)
        assert (refused.status_code, refused.json()["slug"]) == (409, "spot-closed"), path
    assert device.cash(OTHER_SPOT)["sync"] == "waiting"
    walk.see("/spots", "closed-spots", ".shut")
    walk.see(f"/spots/{SPOT}", "closed-home", ".closed-here")
    expect(walk.page.locator("button.vehicle")).to_have_count(0)
    answer = device.http.get(f"/spots/{SPOT}/cash")
    assert answer.status_code == 409
    assert walk.faults == []
    office.start()
    until(lambda: device.status()["unsynced"] == 0)
    assert kinds(office).count("cash_taken") == 1
