"""Stays taken back, in Chromium: who, why and how much, on the days that the address says."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.async_api import expect
from sqlalchemy import text

from server import sample
from server.database import Transactions, new_id
from tests.browser.screen import DESK, PHONE, Screens, left_in_bahasa
from tests.browser.test_refunds import sign_in
from tests.server.cluster import PASSWORD
from tests.server.handhelds import Handheld, approved, nonce_for, on_shift

SPOT = "RSU-003-I"
OTHER = text(
    "INSERT INTO attendants (id, code, name, state, pin_hash, failed_tries)"
    " SELECT :id, 'J-002', 'Siti Aminah', 'active', pin_hash, 0 FROM attendants LIMIT 1"
)


@pytest.fixture
async def two(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> list[Handheld]:
    """Handhelds of two attendants."""
    his, hers = await on_shift(api, transactions, now), await approved(transactions, now)
    async with transactions.begin() as db:
        await db.execute(OTHER, {"id": new_id()})
    body = hers.shift_request(await nonce_for(api, hers), attendant="J-002")
    hers.token = (await api.post("/v1/shifts", json=body)).json()["token"]
    return [his, hers]


async def take_back(api: httpx.AsyncClient, handheld: Handheld, reason: str, hours: int) -> None:
    stay_id, began = str(new_id()), datetime.now(UTC) - timedelta(hours=hours, minutes=1)
    body = {"id": stay_id, "vehicle_class": "car", "told_at": began.isoformat()}
    path = f"/v1/spots/{SPOT}/stays"
    assert (await api.post(path, json=body, auth=handheld.signed)).status_code == 201
    for act, told in (("end", {}), ("void", {"reason": reason})):
        answer = await api.post(f"/v1/stays/{stay_id}/{act}", json=told, auth=handheld.signed)
        assert answer.status_code == 200, answer.text


async def test_voids_stand_by_attendant_and_reason_on_the_days_asked_for(
    screens: Screens, api: httpx.AsyncClient, two: list[Handheld]
) -> None:
    for reason in ("wrong_vehicle", "other"):
        await take_back(api, two[0], reason, 0)
    for hours, reason in enumerate(("driver_left", "driver_left", "wrong_spot")):
        await take_back(api, two[1], reason, hours)

    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/shifts")
    await page.get_by_role("link", name="Pembatalan parkir").click()
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(2)
    cells = await rows.first.locator("td").all_inner_texts()
    assert cells[:6] == ["J-002 Siti Aminah", "0", "1", "2", "0", "3"]
    assert cells[6] == "Rp18.000"
    await screens.examine(page, "voids")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await page.goto("/office/voids?lang=en")
    assert left_in_bahasa(await page.locator("main").inner_text()) == []
    await screens.examine(page, "voids-en")
    await page.get_by_label("Up to").fill("2026-01-31")
    await page.get_by_label("From").fill("2026-01-01")
    await page.get_by_role("button", name="Show").click()
    await expect(page).to_have_url(f"{screens.site}/office/voids?from=2026-01-01&to=2026-01-31")
    await expect(page.locator("main")).to_contain_text("Nothing was taken back")
    await screens.examine(page, "voids-none-en")
