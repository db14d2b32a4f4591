"""Every report of the catalogue in Chromium, with figures, at every width and in both languages."""

from datetime import datetime, timedelta

import httpx
from playwright.async_api import expect

from server.database import Transactions
from server.payments.books import Books
from server.reports import catalogue
from tests.browser.screen import Screens
from tests.browser.test_office import sign_in
from tests.server.reports import town


async def test_every_report_is_read_on_a_phone_and_at_a_desk(
    screens: Screens,
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    now: datetime,
) -> None:
    await town.fill(api, transactions, books, now)
    today = books.business_day(now)
    page = await sign_in(screens)
    for name, report in catalogue.REPORTS.items():
        await page.goto(f"/office/reports/{name}?from={today - timedelta(days=30)}&to={today}")
        await expect(page.locator("h1")).to_have_text(report.title.bahasa)
        await screens.examine(page, f"report-{name}")
