"""An officer has a report made by itself in Chromium, fetches its file, and ends the schedule."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI
from playwright.async_api import expect

from server.database import Transactions
from server.payments.books import Books
from server.reports import schedules
from server.reports.mailing import Mailer
from tests.browser.screen import Screens
from tests.browser.test_ledger import take_cash
from tests.browser.test_office import sign_in


async def test_a_report_is_scheduled_fetched_and_ended(
    screens: Screens,
    app: FastAPI,
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    now: datetime,
) -> None:
    app.state.mailer = Mailer("127.0.0.1", 9, sealed=False, sender="karcis@kabupaten.example")
    await take_cash(api, transactions, now)
    page = await sign_in(screens)
    await page.goto("/office/reports/zona?zone=PSR")
    await page.get_by_text("Jadwalkan laporan ini").click()
    await screens.examine(page, "report-to-schedule")
    await page.get_by_label("Berulang").select_option("day")
    await page.get_by_label("Kabari lewat surel").fill("bendahara@kabupaten.example")
    await page.get_by_role("button", name="Jadwalkan").click()
    await expect(page.locator("h1")).to_have_text("Laporan terjadwal")
    await expect(page.locator("tbody")).to_contain_text("zona PSR")
    await expect(page.get_by_text("Belum ada berkas.")).to_be_visible()
    later = now + timedelta(days=2)
    assert await schedules.write_due(transactions, books, None, now=later) >= 1
    await page.reload()
    await screens.examine(page, "scheduled")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Penerimaan per zona").last.click()
    path = await (await downloading.value).path()
    assert b"PSR;" in await asyncio.to_thread(Path(path).read_bytes)
    await page.goto("/office/reports")
    await expect(page.get_by_role("link", name="Penerimaan per zona (CSV)").first).to_be_visible()
    await page.get_by_role("link", name="Jadwal dan berkasnya").click()
    await page.get_by_role("button", name="Hentikan").click()
    await expect(page.locator("tbody").first).to_contain_text("dihentikan pembuatnya")
    screens.expected_statuses.add(401)
    await page.context.clear_cookies()
    await page.reload()
    await expect(page.get_by_role("link", name="Masuk ke kantor")).to_be_visible()
