"""An accountant at the office's ledger in Chromium: balances, statements, deposits, downloads."""

from datetime import datetime

import httpx
from playwright.async_api import Page, expect

from server.database import Transactions, new_id
from server.ledger import postings
from server.ledger import service as ledger
from server.payments.books import Books
from tests.browser.screen import SMALL_PHONE, Screens, left_in_bahasa
from tests.browser.test_office import said_on, sign_in, text_of
from tests.server.cluster import PASSWORD
from tests.server.handhelds import on_shift


async def take_cash(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> None:
    handheld = await on_shift(api, transactions, now)
    for vehicle_class in ("car", "motorcycle"):
        body = {"id": str(new_id()), "vehicle_class": vehicle_class}
        answer = await api.post("/v1/spots/PSR-001-U/cash-charges", json=body, auth=handheld.signed)
        assert answer.status_code == 201, answer.text


async def downloaded(page: Page, button: str) -> str:
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name=button).click()
    return text_of(await (await downloading.value).path()).removeprefix("\ufeff")


async def test_cash_is_seen_deposited_and_taken_out(
    screens: Screens, api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    await take_cash(api, transactions, now)
    page = await sign_in(screens)
    await page.get_by_role("link", name="Buku besar").click()
    await expect(page.locator("h1")).to_have_text("Buku besar")
    await screens.examine(page, "ledger")
    held = page.locator("#kas + .card")
    await expect(held.locator("tfoot .number")).to_have_text("Rp6.000")
    await page.get_by_label("Jumlah (rupiah)").fill("4500")
    await page.get_by_label("Nomor slip bank").fill("SLIP-000123")
    await page.get_by_label("Kata sandi Anda, sekali lagi").fill(PASSWORD)
    await page.get_by_role("button", name="Catat setoran").click()
    await expect(held.locator("tfoot .number")).to_have_text("Rp1.500")
    journal = await downloaded(page, "Unduh jurnal")
    assert journal.startswith("tanggal;dicatat;entri;sumber;uraian;baris;akun;")
    assert "Setoran tunai J-001, slip SLIP-000123;1;1150;" in journal
    balances = await downloaded(page, "Unduh neraca saldo")
    assert "1140;Kas di tangan juru parkir;1500;" in balances
    await held.get_by_role("link", name="J-001").click()
    await expect(page.locator("h1")).to_have_text("1140 Kas di tangan juru parkir: J-001")
    await expect(page.locator("tfoot .number")).to_have_text("Rp1.500")
    await screens.examine(page, "ledger-account")
    statement = await downloaded(page, "Unduh")
    assert statement.splitlines()[-1].endswith(";Saldo akhir;J-001;;;1500;")


async def test_the_ledger_fits_a_phone_and_says_no_more_than_was_posted(
    screens: Screens, transactions: Transactions, books: Books, now: datetime
) -> None:
    page = await sign_in(screens, SMALL_PHONE)
    await page.goto("/office/ledger")
    await screens.examine(page, "ledger")
    async with transactions.begin() as db:
        for number in range(501):
            await ledger.record(
                db,
                postings.for_payment(2000, "PSR"),
                source=f"uji:{number}",
                description="QRIS PSR-001-U Rp2.000 (exact)",
                business_day=books.day(now),
                now=now,
            )
    await page.goto("/office/ledger/accounts/1120")
    await expect(page.get_by_role("status")).to_contain_text("Masih ada baris lain")
    await expect(page.locator("tfoot .number")).to_have_text("Rp1.002.000")
    await screens.examine(page, "ledger-account")
    await page.goto("/office/ledger?lang=en")
    assert left_in_bahasa(await said_on(page)) == []
