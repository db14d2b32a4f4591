"""A bank statement that was never taken in, in Chromium: told, explained, gone once it comes."""

from fastapi import FastAPI
from playwright.async_api import expect

from server import sample
from server.database import Transactions
from server.limits import RateLimit
from server.payments.books import Books
from tests.browser.screen import DESK, Screens
from tests.browser.test_refunds import sign_in
from tests.server.booking import all_due
from tests.server.cluster import PASSWORD
from tests.server.reconciliation.test_gaps import A, B, C, take_in
from tests.server.reconciliation.test_service import DAY, Office


async def test_a_missing_statement_is_explained_until_it_is_taken_in(
    screens: Screens, app: FastAPI, transactions: Transactions, books: Books
) -> None:
    app.state.office_limit = RateLimit(10_000)
    office = Office(transactions, books, all_due(DAY))
    for content in (A, C):
        await take_in(office, content)
    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/cases?kind=discrepancy")
    await screens.examine(page, "gap-in-cases")
    await page.locator("#kasus tbody tr", has_text="tidak bersambung").get_by_role("link").click()
    await expect(page.locator("dl.facts")).to_contain_text("Saldo awal rekening koran hari ini")
    await screens.examine(page, "statement-gap")
    await take_in(office, B)
    await page.reload()
    await expect(page.get_by_role("status").first).to_have_text("selesai")
