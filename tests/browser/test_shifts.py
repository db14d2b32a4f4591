"""Shifts in Chromium: a count that differs is explained, a lost device's shift is ended."""

from datetime import datetime
from uuid import UUID

import httpx
from playwright.async_api import expect

from server import sample
from server.casework.models import CaseKind
from server.database import Transactions
from server.identity import service as identity
from server.office import settling
from tests.browser.screen import DESK, PHONE, Screens, left_in_bahasa
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import PASSWORD
from tests.server.handhelds import on_shift
from tests.server.sync.test_closing import close, count, shift_of, spots, take_cash


async def test_a_difference_is_explained_and_a_silent_shift_is_ended(
    screens: Screens, api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    counted = await on_shift(api, transactions, now)
    spot, *_ = await spots(api, counted)
    taken_rp = (await take_cash(api, counted, spot)).json()["amount_rp"]
    shift = await shift_of(transactions, counted)
    body = await count(api, counted, shift, taken_rp - 500, taken_rp)
    assert (await close(api, counted, shift, body)).status_code == 200
    working = await on_shift(api, transactions, now)
    refused = [working.forge(seq=5)]
    await api.post("/v1/sync", json={"events": refused}, auth=working.signed)

    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/cases")
    await expect(page.locator("main")).to_contain_text("selisih hitung giliran")
    await screens.examine(page, "cases-with-a-count")
    await page.locator("a[href^='/office/quarantine/']").click()
    await expect(page.locator("main")).to_contain_text("catatan sebelumnya tidak ada")
    await screens.examine(page, "quarantine")
    await page.goto("/office/inspections")
    await screens.examine(page, "inspections")
    await page.goto("/office/shifts")
    await screens.examine(page, "shifts")
    await page.goto("/office/shifts?lang=en")
    assert left_in_bahasa(await page.locator("main").inner_text()) == []
    await page.goto("/office/shifts?lang=id")
    # The difference stands first.
    await page.locator("tbody a").first.click()
    await expect(page.get_by_role("status")).to_have_text("selisih belum dijelaskan")
    await expect(page.locator(".amount")).to_contain_text("500")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await screens.examine(page, "shift-differs")
    await page.get_by_label("Apa yang dilakukan").fill("uang kembalian")
    await confirm(page, "Usulkan", PASSWORD)
    await expect(page.locator("main")).to_contain_text("Menunggu keputusan verifikator")
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, sample.CHECKER)
        case_id = UUID(page.url.partition("#")[0].rsplit("/", 1)[-1])
        kind = CaseKind.COUNT
        await settling.decide(db, checker, kind, case_id, accept=True, why="", now=now)
    await page.reload()
    await expect(page.get_by_role("status")).to_have_text("selisih dijelaskan")
    await expect(page.locator("main")).to_contain_text("uang kembalian")

    await page.goto("/office/shifts")
    await page.locator("tbody a").first.click()
    await expect(page.get_by_role("status")).to_have_text("sedang bertugas")
    await screens.examine(page, "shift-open")
    form = page.locator("form", has=page.get_by_role("button", name="Tutup giliran ini"))
    await form.get_by_label("Alasan").fill("perangkat hilang")
    await confirm(page, "Tutup giliran ini", PASSWORD)
    await expect(page.get_by_role("status")).to_have_text("ditutup dari kantor")
