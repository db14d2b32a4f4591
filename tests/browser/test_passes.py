"""A driver buys a pass in Chromium: sees its price, pays by QRIS, and holds a code that counts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect

from attendant_app.scanner import decode
from domain.covered import last_day, verify
from server.database import Transactions
from server.moments import day_text
from server.payments import inquiries
from server.payments.models import Charge
from server.payments.wiring import Wiring
from tests.browser.screen import DESK, PHONE, SMALL_PHONE, Screens, left_in_bahasa
from tests.server.conftest import Sandbox

SIZES = (SMALL_PHONE, PHONE, DESK)
PLATE = "KH 4321 CD"


@pytest.fixture
def wired(app: FastAPI) -> Wiring:
    found: Wiring = app.state.payments
    return found


async def order(page: Page) -> None:
    """From the list of prices to what the driver is told before he pays."""
    await page.get_by_role("radio").nth(3).check()
    await page.locator("input[name=plate]").fill(PLATE)
    await page.get_by_role("button").click()
    await expect(page.locator("tfoot .number")).to_have_text("Rp60.000")


async def pay(page: Page, wired: Wiring, transactions: Transactions, sandbox: Sandbox) -> UUID:
    await page.get_by_role("button").click()
    await page.wait_for_url("**/c/*")
    await expect(page.locator(".barcode .amount")).to_have_text("Rp60.000")
    charge_id = UUID(page.url.rsplit("/", 1)[-1])
    async with transactions.begin() as db:
        charge = await db.get_one(Charge, charge_id)
    await sandbox.pay(charge.qris or "")
    return charge_id


async def asked(wired: Wiring, transactions: Transactions, charge_id: UUID) -> None:
    now = datetime.now(UTC)
    await inquiries.inquire(
        transactions, wired.acquirers.first, wired.announcer, wired.books, charge_id.hex, now
    )


async def test_a_driver_buys_a_pass_and_then_another_that_follows_it(
    screens: Screens, wired: Wiring, transactions: Transactions, sandbox: Sandbox
) -> None:
    page = await screens.open("/langganan")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await screens.examine(page, "passes")
    await order(page)
    await screens.examine(page, "pass-confirm")
    charge_id = await pay(page, wired, transactions, sandbox)
    await screens.examine(page, "pass-charge")
    await asked(wired, transactions, charge_id)
    await expect(page.locator("h1")).to_have_text("Lunas")
    await screens.examine(page, "pass-paid")
    assert await page.locator("text=Tunjukkan kode ini").count() == 0  # it is no stay's
    shot = await page.locator("img[src$='langganan.svg']").screenshot()
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    [text] = decode(picture)
    held = verify(text, wired.books.proof_keys)
    today = wired.books.day(datetime.now(UTC))
    assert (held.valid_until, held.plate_masked) == (last_day(today, 1), "KH 4••• CD")
    assert held.serial in await page.locator("main").inner_text()
    pdf = await page.request.get(f"/c/{charge_id}/langganan.pdf")
    assert (await pdf.body()).startswith(b"%PDF")
    await page.get_by_role("link", name="Lihat karcis").click()
    await expect(page.locator("h1")).to_have_text("Karcis asli, lunas")
    assert held.serial in await page.locator("main").inner_text()
    await screens.examine(page, "pass-receipt")
    await page.goto("/langganan")
    await order(page)
    await expect(page.get_by_role("alert")).to_contain_text(day_text(held.valid_until, "id"))
    follows = held.valid_until + timedelta(days=1)
    await expect(page.locator("dl")).to_contain_text(day_text(last_day(follows, 1), "id"))
    await screens.examine(page, "pass-renewal")
    assert not [address for address in addresses if "4321" in address]


async def test_without_script_and_in_english(
    screens: Screens, wired: Wiring, transactions: Transactions, sandbox: Sandbox
) -> None:
    page = await screens.open("/langganan?lang=en", SMALL_PHONE, scripts=False)
    for name in ("passes", "pass-confirm", "pass-paid"):
        if name == "pass-confirm":
            await order(page)
        if name == "pass-paid":
            charge_id = await pay(page, wired, transactions, sandbox)
            assert await page.locator("meta[http-equiv=refresh]").count() == 1
            await asked(wired, transactions, charge_id)
            await page.goto(f"/c/{charge_id}")
            await expect(page.locator("h1")).to_have_text("Paid")
        assert left_in_bahasa(await page.locator("body").inner_text()) == []
        assert left_in_bahasa(await page.title()) == []
        assert len((await page.content()).encode()) <= 30_000
    lost = await screens.open("/langganan?lang=en", SMALL_PHONE, scripts=False)
    screens.expected_statuses.add(422)
    await lost.locator("input[name=plate]").fill("A1B2C3")
    await lost.get_by_role("button").click()
    await expect(lost.locator("main")).to_contain_text("no number plate")
