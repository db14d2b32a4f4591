"""An officer at the reports in Chromium: the list, one of them by filters, and its files."""

import asyncio
from datetime import datetime
from pathlib import Path

import httpx
from playwright.async_api import Page, expect

from server import sample
from server.database import Transactions
from tests.browser.screen import Screens
from tests.browser.test_ledger import take_cash
from tests.browser.test_office import sign_in
from tests.server.cluster import CHECKER_PASSWORD


async def downloaded(page: Page, form: str) -> bytes:
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name=f"Unduh {form}").click()
    path = await (await downloading.value).path()
    return await asyncio.to_thread(Path(path).read_bytes)


async def test_a_report_is_found_narrowed_and_taken_home(
    screens: Screens, api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    await take_cash(api, transactions, now)
    page = await sign_in(screens)
    await page.get_by_role("link", name="Laporan", exact=True).click()
    await expect(page.locator("h1")).to_have_text("Laporan")
    await screens.examine(page, "reports")
    await page.get_by_role("link", name="Penerimaan per juru parkir").click()
    await expect(page.locator("tfoot")).to_contain_text("Rp6.000")
    await page.get_by_role("link", name="Semua laporan").click()
    await page.get_by_role("link", name="Penerimaan per zona").click()
    await page.get_by_label("Zona").select_option("PSR")
    await page.get_by_label("Bandingkan dengan").select_option("before")
    await page.get_by_role("button", name="Tampilkan").click()
    await expect(page.locator("tfoot")).to_contain_text("Rp6.000")
    await expect(page.locator(".notes")).to_contain_text("Masa pembanding: ")
    assert "zone=PSR" in page.url
    await screens.examine(page, "report")
    assert b"PSR;" in await downloaded(page, "CSV")
    assert (await downloaded(page, "XLSX")).startswith(b"PK")
    assert (await downloaded(page, "PDF")).startswith(b"%PDF")
    await page.get_by_label("Kendaraan").select_option("truck")
    await page.get_by_role("button", name="Tampilkan").click()
    await expect(page.get_by_text("Tidak ada.", exact=True)).to_be_visible()
    await page.context.clear_cookies()
    await page.goto("/office")
    await page.get_by_label("Nama masuk").fill(sample.CHECKER)
    await page.get_by_label("Kata sandi").fill(CHECKER_PASSWORD)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_url("**/office")
    await page.goto("/office/reports#downloads")
    await expect(page.get_by_text("zona.pdf")).to_be_visible()
    await screens.examine(page, "reports-downloads")
