"""Cash that a stopped attendant's handheld told of, booked in Chromium by two officers."""

from datetime import datetime
from uuid import UUID

import httpx
from fastapi import FastAPI
from playwright.async_api import expect

from server import sample
from server.database import Transactions
from server.limits import RateLimit
from tests.browser.screen import DESK, Screens
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.handhelds import Handheld
from tests.server.identity.test_attendants import officers, stop
from tests.server.sync.test_closing import spots, take_cash
from tests.server.sync.test_held_cash import WHO, handheld, owed, taken
from tests.server.sync.test_push import push

__all__ = ["handheld", "officers"]


async def test_held_cash_is_booked_by_two_and_he_stays_stopped(
    screens: Screens,
    app: FastAPI,
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    app.state.office_limit = RateLimit(10_000)
    spot, *_ = await spots(api, handheld)
    price_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    await stop(transactions, officers, WHO, now)
    events = [await taken(transactions, handheld, spot, rp) for rp in (price_rp, "banyak")]
    await push(api, handheld, *events)

    maker = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await maker.goto("/office/cases?kind=quarantine")
    await maker.locator("#kasus tbody a").first.click()
    await expect(maker.locator("main")).to_contain_text("Tunai yang ditahan")
    await expect(maker.locator("main")).to_contain_text("Catatan ini tidak masuk pembukuan")
    await screens.examine(maker, "held-cash")
    await maker.get_by_label("Penyelesaian").select_option("booked")
    await maker.get_by_label("Alasan").fill("diakui, tidak bekerja lagi")
    await confirm(maker, "Usulkan", PASSWORD)
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD, DESK)
    await checker.goto(maker.url)
    await expect(checker.locator("main")).to_contain_text("dibukukan sebagai utang")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    # One record said too little, so the case is open for it.
    await expect(checker.locator("main")).to_contain_text("1 catatan tunai tidak dapat dibukukan")
    await expect(checker.get_by_role("status")).to_have_text("terbuka")
    booked = f"Dari catatan ini Rp{price_rp:,} sudah dibukukan.".replace(",", ".")
    await expect(checker.locator("main")).to_contain_text(booked)
    await screens.examine(checker, "held-cash-booked", english=False)
    assert await owed(transactions) == price_rp * 2
