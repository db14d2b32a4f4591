"""An officers' day in Chromium: files in, compared, closed by two, handed in, and told signed."""

import asyncio
import json
from datetime import UTC, datetime

from fastapi import FastAPI
from playwright.async_api import Page, expect

from server import sample
from server.database import Transactions
from server.limits import RateLimit
from server.moments import day_text
from server.payments.books import Books
from server.reports.signing import ReportSigner
from tests.browser.screen import DESK, Screens
from tests.browser.test_office import reconcile, sign_in, take_in
from tests.browser.test_reports import downloaded
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.reconciliation.test_files import FIXTURES
from tests.server.reconciliation.test_remittances import text_of
from tests.server.reconciliation.test_service import DAY, Office, statement
from tests.server.reports.test_files import signer, status  # noqa: F401 - a fixture, by name

AFTER = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


async def sign_in_checker(screens: Screens) -> Page:
    page = await screens.open("/office", DESK)
    await page.get_by_label("Nama masuk").fill(sample.CHECKER)
    await page.get_by_label("Kata sandi").fill(CHECKER_PASSWORD)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_url("**/office")
    return page


async def show_password(page: Page, password: str) -> None:
    """In every form that still asks for it."""
    for asked in await page.get_by_label("Kata sandi Anda, sekali lagi").all():
        if await asked.is_visible():
            await asked.fill(password)


async def press(page: Page, button: str, password: str = "") -> None:
    """Press a form's button, with the password where it still asks for one."""
    await show_password(page, password)
    async with page.expect_navigation():
        await page.get_by_role("button", name=button, exact=True).click()


async def test_a_day_is_closed_by_two_and_its_money_handed_in(
    screens: Screens,
    app: FastAPI,
    transactions: Transactions,
    books: Books,
    signer: ReportSigner,  # noqa: F811 - the fixture
) -> None:
    app.state.report_signer = signer
    app.state.office_limit = RateLimit(10_000)
    office = Office(transactions, books, AFTER)
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto(f"/office/reconciliation?date={DAY}")
    await take_in(maker, "settlement", FIXTURES / "clean.csv")
    await take_in(maker, "statement", FIXTURES / "clean.sta")
    assert await reconcile(maker) == "Selisih yang belum dijelaskan: 0"
    await screens.examine(maker, "day-compared", english=False)
    await maker.get_by_role("link", name="Penutupan hari").click()
    await maker.goto("/office/days?month=2026-11")
    await screens.examine(maker, "days")
    await maker.get_by_role("link", name=day_text(DAY, "id")).click()
    await press(maker, "Siapkan penutupan", PASSWORD)
    await expect(maker.locator("main h2").first).to_have_text("Penutupan nomor 1: disiapkan")
    await checker.goto(f"/office/days/{DAY}")
    for list_ in await checker.locator("main details summary").all():
        await list_.click()
    await screens.examine(checker, "close-prepared")
    await press(checker, "Kunci hari ini", CHECKER_PASSWORD)
    await expect(checker.locator("main h2").first).to_have_text("Penutupan nomor 1: terkunci")
    paper = await (await checker.request.get(f"{checker.url}/1.pdf")).body()
    kept = await asyncio.to_thread(status, paper, signer)
    assert (kept.intact, kept.valid, kept.trusted) == (True, True, True)
    told = text_of(paper)
    for words in ("nomor 1", "Dikunci", "Pembayaran per zona dan cara", "clean.csv", "1110"):
        assert words in told, words
    await maker.goto("/office/deposits")
    await screens.examine(maker, "deposits")
    await press(maker, "Buat STS Rp17.874", PASSWORD)
    await checker.goto(maker.url)
    await screens.examine(checker, "remittance")
    await press(checker, "Setujui STS", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_contain_text("disetujui")
    paper = await (await checker.request.get(f"{checker.url}/sts.pdf")).body()
    assert "tujuh belas ribu delapan ratus" in text_of(paper)
    assert "Ditandatangani secara elektronik" in text_of(paper)
    kept = await asyncio.to_thread(status, paper, signer)
    assert (kept.intact, kept.valid, kept.trusted) == (True, True, True)
    await maker.goto(f"/office/reports/zona?from={DAY}&to={DAY}")
    kept = await asyncio.to_thread(status, await downloaded(maker, "PDF"), signer)
    assert (kept.intact, kept.valid, kept.trusted) == (True, True, True)
    office.now = datetime.now(UTC)
    await office.bank(statement(DAY, (700, "BUNGA"), reference="STM-LATE"))
    await maker.goto(f"/office/days/{DAY}")
    await expect(maker.get_by_text("Menyusul sesudah penutupan: 1")).to_be_visible()
    await maker.locator('a[href$="#menyusul"]').click()
    await maker.locator("#menyusul").get_by_role("link", name=day_text(DAY, "id")).click()
    await maker.wait_for_url(f"**/office/days/{DAY}")
    await maker.get_by_label("Alasan").fill("bunga bank belum ikut")
    await press(maker, "Minta dibuka lagi", PASSWORD)
    await screens.examine(maker, "close-reopening")
    await checker.goto(f"/office/days/{DAY}")
    await press(checker, "Buka lagi", CHECKER_PASSWORD)
    await expect(
        checker.get_by_role("heading", name="Penutupan nomor 1: dibuka lagi")
    ).to_be_visible()
    await pay_out(screens, maker, checker, signer)


async def pay_out(screens: Screens, maker: Page, checker: Page, key: ReportSigner) -> None:
    """The zone's pool has no account: only the third party is paid."""
    await maker.goto("/office/payouts")
    await maker.get_by_text("Catat rekening penerima").click()
    await maker.get_by_label("Penerima").select_option("2130:Karang Taruna (sampel)")
    for name, value in (
        ("Bank", "Bank Uji"), ("Nama pemilik rekening", "Ani"), ("Nomor rekening", "0012345678"),
    ):  # fmt: skip
        await maker.get_by_label(name, exact=True).fill(value)
    await press(maker, "Catat rekening", PASSWORD)
    await screens.examine(maker, "payouts")
    await checker.goto("/office/payouts")
    await checker.get_by_label("Alasan").fill("buku tabungan")
    await screens.examine(checker, "payee-decide")
    await press(checker, "Setujui rekening", CHECKER_PASSWORD)
    await maker.reload()
    await maker.get_by_label("Bagi hasil sampai dengan hari").fill(str(DAY))
    await press(maker, "Siapkan pembayaran", PASSWORD)
    await checker.goto(maker.url)
    await screens.examine(checker, "payout")
    await press(checker, "Setujui pembayaran", CHECKER_PASSWORD)
    await maker.reload()
    await show_password(maker, PASSWORD)
    async with maker.expect_download() as downloading:
        await maker.get_by_role("button", name="Unduh berkas untuk bank (CSV)").click()
    told = (await (await downloading.value).path()).read_text()
    assert told.splitlines()[1].startswith("0012345678,Ani,Bank Uji,900,BGH-2026-000001-")
    await screens.examine(maker, "payout-approved")
    run = maker.url
    reference = told.splitlines()[1].split(",")[-1]
    result = {
        "name": "hasil.csv",
        "mimeType": "text/csv",
        "buffer": f"Berita;Jumlah;Status;Keterangan\n{reference};900;BERHASIL;REF-77\n".encode(),
    }
    await maker.goto("/office/payouts")
    await maker.get_by_label("Berkas hasil").set_input_files(result)
    await press(maker, "Pratinjau")
    await expect(maker.locator(".figure").first).to_have_text("1")
    await screens.examine(maker, "payout-result", english=False)
    await maker.get_by_label("Pilih berkasnya sekali lagi").set_input_files(result)
    await press(maker, "Masukkan", PASSWORD)
    await expect(maker.locator("#hasil").get_by_role("status")).to_contain_text("1 dibayar")
    await maker.goto("/office/imports")
    await expect(maker.locator("tbody").first).to_contain_text("hasil pembayaran")
    await maker.goto(run)
    slip = await maker.request.get(
        str(await maker.get_by_role("link", name="Slip").get_attribute("href"))
    )
    assert "sembilan ratus rupiah" in text_of(await slip.body())
    assert (await asyncio.to_thread(status, await slip.body(), key)).valid
    await record_beforehand(screens, maker, checker)


async def record_beforehand(screens: Screens, maker: Page, checker: Page) -> None:
    """An attendant's account, from the attendant's page: nothing is owed to J-001 yet."""
    await maker.goto("/office/attendants?q=J-001")
    await maker.locator("tbody a").first.click()
    await maker.get_by_text("Catat rekening", exact=True).first.click()
    for name, value in (
        ("Bank", "Bank Uji"), ("Nama pemilik rekening", "Ahmad"), ("Nomor rekening", "0098765432"),
    ):  # fmt: skip
        await maker.get_by_label(name, exact=True).fill(value)
    await press(maker, "Catat rekening", PASSWORD)
    await expect(maker.locator("#rekening")).to_contain_text("Bank Uji …432, Ahmad")
    await screens.examine(maker, "attendant-account")
    await maker.get_by_role("link", name="menunggu persetujuan").click()
    await checker.goto("/office/payouts")
    await checker.get_by_label("Alasan").fill("buku tabungan")
    await press(checker, "Setujui rekening", CHECKER_PASSWORD)
    await expect(checker.get_by_text("Setujui rekening")).to_have_count(0)
