"""The revenue office in Chromium: sign in, take in the day's files, reconcile, sign out."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect

from server import sample
from server.database import Transactions
from server.ledger.postings import CHART
from server.moments import day_text
from server.payments import inquiries
from server.reconciliation import daily
from server.reconciliation.models import Discrepancy
from tests.browser import screen
from tests.browser.screen import DESK, SMALL_PHONE, Screens, left_in_bahasa
from tests.server.booking import all_due
from tests.server.cluster import PASSWORD
from tests.server.conftest import Sandbox
from tests.server.reconciliation.test_files import FIXTURES


@pytest.fixture
async def day_end(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, sandbox: Sandbox
) -> dict[str, Any]:
    """Two payments of today, and the acquirer's files of them."""
    wired = app.state.payments
    for vehicle in ("car", "motorcycle"):
        body = {"vehicle_class": vehicle}
        charge = (await api.post("/v1/spots/PSR-001-U/charges", json=body)).json()
        await sandbox.pay(charge["qris"])
        reference = charge["id"].replace("-", "")
        at = datetime.fromisoformat(charge["created_at"])
        await inquiries.inquire(
            transactions, wired.acquirers.first, wired.announcer, wired.books, reference, at
        )
    day = (await sandbox.truth())["payments"][0]["business_date"]
    ended = await sandbox.client.post("/sandbox/day-end", json={"date": day})
    told: dict[str, Any] = ended.json()
    return told


def text_of(path: str | Path) -> str:
    return Path(path).read_text()


async def said_on(page: Page) -> str:
    """All text of a page but the names of accounts, which are the regency's own."""
    text = await page.locator("body").inner_text()
    for name in (account.name for account in CHART):
        text = text.replace(name, "")
    return text


async def sign_in(screens: Screens, size: tuple[int, int] = DESK) -> Page:
    page = await screens.open("/office", size)
    await page.get_by_label("Nama masuk").fill(sample.OFFICER)
    await page.get_by_label("Kata sandi").fill(PASSWORD)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_url("**/office")
    return page


async def open_day(screens: Screens, size: tuple[int, int] = DESK) -> Page:
    page = await sign_in(screens, size)
    await page.goto("/office/reconciliation")
    return page


async def take_in(page: Page, kind: str, file: str | Path) -> None:
    form = page.locator(f"form[action='/office/{kind}']")
    await form.locator("input[type=file]").set_input_files(file)
    password = form.locator("input[name=password]")
    if await password.count():  # it was not shown within the last minutes
        await password.fill(PASSWORD)
    async with page.expect_navigation():
        await form.get_by_role("button", name="Masukkan").click()


async def reconcile(page: Page) -> str:
    async with page.expect_navigation(url="**#selisih"):
        await page.get_by_role("button", name="Cocokkan").click()
    return await page.locator("#selisih").inner_text()


async def test_a_wrong_password_is_told_and_opens_nothing(
    screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    screens.expected_statuses.add(401)
    examined: set[str] = set()
    monkeypatch.setattr(screen, "EXAMINED", examined)
    page = await screens.open("/office", SMALL_PHONE)
    await expect(page.locator("h1")).to_have_text("Masuk kantor")
    await screens.examine(page, "office-sign-in")
    await page.get_by_label("Nama masuk").fill(sample.OFFICER)
    await page.get_by_label("Kata sandi").fill("salah")
    await page.get_by_role("button", name="Masuk").click()
    await expect(page.get_by_role("alert")).to_have_text("Nama masuk, kata sandi, atau kode salah.")
    assert examined == {"/office/sign-in"}
    examined.clear()
    await screens.examine(page, "office-refused", english=False)
    assert examined == set(), "what was refused is not the page that was asked for"
    assert await page.context.cookies() == []
    await page.goto("/office")
    await expect(page.locator("h1")).to_have_text("Masuk kantor")


async def test_a_day_is_taken_in_and_reconciles_to_zero(
    screens: Screens, day_end: dict[str, Any], transactions: Transactions, app: FastAPI
) -> None:
    page = await open_day(screens)
    await expect(page.locator("h1")).to_have_text(
        f"Hari usaha {day_text(date.fromisoformat(day_end['date']), 'id')}"
    )
    assert await page.locator(".figure").all_inner_texts() == ["Rp6.000", "Rp0", "Rp0", "Rp0"]
    assert await reconcile(page) == "Selisih yang belum dijelaskan: 0"
    until = day_text(date.fromisoformat(day_end["date"]) + timedelta(days=3), "id")
    shown = page.locator("#ditunggu + .card")
    await expect(page.locator("#ditunggu")).to_have_text("Ditunggu, belum jatuh tempo: 2")
    await expect(shown).to_contain_text("berkas pencairan, 2 pembayaran")
    await expect(shown).to_contain_text(until)
    await screens.examine(page, "office-awaited")
    night = all_due(date.fromisoformat(day_end["date"]))
    await daily.every_night(transactions, app.state.payments.books, now=night)
    await page.reload()
    differences = page.locator("#selisih + .card")
    await expect(differences).to_contain_text("berkas pencairan belum datang")
    await screens.examine(page, "office-open-differences")
    await differences.get_by_role("link", name="sandbox/").click()
    await expect(page.locator("h1")).to_contain_text("berkas pencairan belum datang")
    await screens.examine(page, "office-file-missing")
    await page.goto("/office/reconciliation")
    await take_in(page, "settlement", day_end["settlement"])
    await expect(page.locator("#selisih")).to_have_text("Selisih yang belum dijelaskan: 0")
    await expect(shown).to_contain_text("uangnya di bank")
    await take_in(page, "statement", day_end["statement"])
    await expect(page.locator("#cocok")).to_have_text("Yang cocok: 2")
    await expect(shown).to_have_count(0)
    assert await reconcile(page) == "Selisih yang belum dijelaskan: 0"
    figures = await page.locator(".figure").all_inner_texts()
    assert figures[:2] == ["Rp6.000", "Rp6.000"]
    await screens.examine(page, "office-day")
    await page.get_by_role("link", name="PSR-").first.click()
    await expect(page.locator("h1")).to_have_text("Karcis asli, lunas")


async def test_a_file_is_looked_at_before_it_is_taken_in(
    screens: Screens, day_end: dict[str, Any], tmp_path: Path
) -> None:
    screens.expected_statuses.add(422)
    page = await open_day(screens)

    async def look_at(file: str | Path, kind: str = "settlement") -> None:
        form = page.locator(f"form[action='/office/{kind}']")
        await form.locator("input[type=file]").set_input_files(file)
        async with page.expect_navigation():
            await form.get_by_role("button", name="Pratinjau").click()

    await look_at(day_end["settlement"])
    await expect(page.get_by_role("status")).to_contain_text(
        "Belum ada yang disimpan. 2 baris baru"
    )
    await expect(page.locator(".figure")).to_have_text(["2", "0"])
    await screens.examine(page, "office-preview")
    await page.set_viewport_size({"width": 390, "height": 844})
    await screens.examine(page, "office-preview")

    bad = tmp_path / "settlement.csv"
    bad.write_text(text_of(day_end["settlement"]).replace(",IDR,", ",USD,"))
    await look_at(bad)
    await expect(page.get_by_role("alert")).to_contain_text("Berkas tidak dapat diterima")
    faults = ["baris 2: mata uang bukan IDR", "baris 3: mata uang bukan IDR"]
    await expect(page.locator(".lines td")).to_have_text(faults)
    await expect(page.get_by_role("button", name="Masukkan")).to_have_count(0)
    await screens.examine(page, "office-preview-refused")

    await look_at(day_end["settlement"])
    await take_in(page, "settlement", day_end["settlement"])
    await expect(page.get_by_role("status")).to_contain_text("2 baris baru")
    await look_at(day_end["statement"], "statement")
    await expect(page.locator(".figure")).to_have_text(["1", "0"])
    await screens.examine(page, "office-preview-statement")
    await page.go_back()
    await page.get_by_role("link", name="English").click()
    form = page.locator("form[action='/office/settlement']")
    await form.locator("input[type=file]").set_input_files(day_end["settlement"])
    async with page.expect_navigation():
        await form.get_by_role("button", name="Preview").click()
    await expect(page.locator("h1")).to_have_text("Preview of a file")
    await expect(page.get_by_role("status")).to_contain_text("0 new lines")
    await screens.examine(page, "office-preview-english")


async def test_what_was_taken_in_is_listed_and_given_back_as_it_came(
    screens: Screens, tmp_path: Path
) -> None:
    page = await open_day(screens)
    held = FIXTURES / "nicepay-held.csv"
    unsettled = tmp_path / "nicepay-rc-68.csv"  # of other payments than those on hold
    unsettled.write_text(text_of(FIXTURES / "nicepay-rc-68.csv").replace("ACQ-", "LAIN-"))
    for file in (held, unsettled):
        form = page.locator("form[action='/office/settlement']")
        await form.get_by_label("Pemetaan").select_option("nicepay-like")
        await take_in(page, "settlement", file)
        await expect(page.get_by_role("status")).to_contain_text("Berkas diterima")
    await page.get_by_role("link", name="Berkas masuk").click()
    await expect(page.locator("main h1")).to_have_text("Berkas masuk")
    await expect(page.locator("main table").first.locator("tbody tr")).to_have_count(2)
    for at, first in ((1, "ACQ-2"), (2, "LAIN-6")):
        rows = page.locator("main table").nth(at).locator("tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text(first)
    await screens.examine(page, "office-imports")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="nicepay-held.csv").click()
    got = (await (await downloading.value).path()).read_bytes()
    assert got == held.read_bytes()


async def test_a_manipulated_file_shows_its_differences(
    screens: Screens, day_end: dict[str, Any], tmp_path: Path
) -> None:
    lines = text_of(day_end["settlement"]).splitlines(keepends=True)
    columns = lines[0].strip().split(",")
    fields = lines[1].strip().split(",")
    for name in ("gross", "net"):
        fields[columns.index(name)] = str(int(fields[columns.index(name)]) - 500)
    short = tmp_path / "settlement.csv"
    short.write_text(lines[0] + ",".join(fields) + "\n")  # one line changed, the other one gone
    page = await open_day(screens)
    await take_in(page, "settlement", short)
    await take_in(page, "statement", day_end["statement"])
    assert await reconcile(page) == "Selisih yang belum dijelaskan: 3"
    shown = await page.locator("#selisih + .card").inner_text()
    for kind in ("jumlah berbeda", "jumlah masuk bank berbeda", "MDR tidak sesuai ketentuan"):
        assert kind in shown
    await expect(page.locator("#ditunggu + .card")).to_contain_text("pencairan 1 pembayaran")
    assert "-Rp500" in shown
    assert "bendahara penerimaan" in shown
    await screens.examine(page, "office-differences")


async def test_a_bad_file_is_refused_with_its_line_and_nothing_is_taken(
    screens: Screens, day_end: dict[str, Any], tmp_path: Path
) -> None:
    screens.expected_statuses.add(422)
    text = text_of(day_end["settlement"])
    bad = tmp_path / "settlement.csv"
    bad.write_text(text.replace(",IDR,", ",USD,"))
    page = await open_day(screens, SMALL_PHONE)
    await take_in(page, "settlement", bad)
    await expect(page.locator("h1")).to_have_text("Berkas tidak dapat diterima")
    assert "baris 2: mata uang bukan IDR" in await page.locator(".result").inner_text()
    await screens.examine(page, "office-bad-file", english=False)
    await page.goto("/office/reconciliation")
    assert (await page.locator(".figure").all_inner_texts())[1] == "Rp0"


async def test_signing_out_ends_it_for_good(screens: Screens) -> None:
    page = await sign_in(screens)
    (cookie,) = await page.context.cookies()
    await page.get_by_role("button", name="Keluar").click()
    await expect(page.locator("h1")).to_have_text("Masuk kantor")
    assert await page.context.cookies() == []
    await page.context.add_cookies([cookie])
    await page.goto("/office")
    await expect(page.locator("h1")).to_have_text("Masuk kantor")


@pytest.mark.usefixtures("day_end")
async def test_the_office_speaks_english_and_keeps_the_day(screens: Screens) -> None:
    page = await open_day(screens, SMALL_PHONE)
    await reconcile(page)
    day = date(2026, 8, 17).isoformat()
    await page.get_by_label("Tanggal").fill(day)
    await page.get_by_role("button", name="Tampilkan").click()
    await page.wait_for_url(f"**date={day}")
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("h1")).to_have_text("Business day 17 Aug 2026")
    await screens.examine(page, "office-english")
    assert left_in_bahasa(await said_on(page)) == []
    await page.goto("/office")
    assert left_in_bahasa(await said_on(page)) == []


async def test_today_is_seen_at_once_and_keeps_itself_true(
    screens: Screens, day_end: dict[str, Any], transactions: Transactions
) -> None:
    page = await sign_in(screens)
    await expect(page.locator("h1")).to_have_text("Hari ini")
    await expect(page.locator(".figure").first).to_have_text("Rp6.000")
    await screens.examine(page, "office-today")
    async with transactions.begin() as db:
        of_it = {"kind": "not-settled", "subject": "x", "business_day": date(2026, 11, 21)}
        told = {"difference_rp": -1, "details": {}, "owner": "x", "opened_at": datetime.now(UTC)}
        db.add(Discrepancy(**of_it, **told))
    await page.mouse.move(200, 200)
    await expect(page.locator(".figure").nth(3)).to_have_text("1")


@pytest.mark.usefixtures("day_end")
async def test_a_payment_is_found_among_all_and_opened(screens: Screens) -> None:
    page = await sign_in(screens)
    await page.goto("/office/transactions")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await screens.examine(page, "office-transactions")
    await page.get_by_label("Paling sedikit (Rp)").fill("4000")
    await page.get_by_role("button", name="Tampilkan").click()
    await page.wait_for_url("**least_rp=4000**")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.locator("tbody a").click()
    await page.wait_for_url("**/office/charges/*")
