"""Refunds and cases in Chromium: the treasurer asks, the checker decides, the driver is shown."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect

from server import sample
from server.database import Transactions
from server.payments import inquiries
from tests.browser.screen import PHONE, Screens, left_in_bahasa
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.conftest import Sandbox


@pytest.fixture
async def paid(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, sandbox: Sandbox
) -> dict[str, Any]:
    """A charge of today that was paid, and another that was paid too late."""
    wired = app.state.payments
    body = {"vehicle_class": "car"}
    charges = [(await api.post("/v1/spots/PSR-001-U/charges", json=body)).json() for _ in range(2)]
    late = datetime.now(UTC) + timedelta(minutes=16)
    references = [charge["id"].replace("-", "") for charge in charges]
    await sandbox.pay(charges[0]["qris"])
    asked = (references[0], datetime.now(UTC)), (references[1], late)
    for reference, at in asked:
        await inquiries.inquire(
            transactions, wired.acquirers.first, wired.announcer, wired.books, reference, at
        )
    await sandbox.pay(charges[1]["qris"])
    await inquiries.inquire(
        transactions, wired.acquirers.first, wired.announcer, wired.books, references[1], late
    )
    shown: dict[str, Any] = (await api.get(f"/v1/charges/{charges[0]['id']}")).json()
    return shown


async def sign_in(
    screens: Screens, login: str, password: str, size: tuple[int, int] = PHONE
) -> Page:
    page = await screens.open("/office", size)
    await page.get_by_label("Nama masuk").fill(login)
    await page.get_by_label("Kata sandi").fill(password)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_url("**/office")
    return page


async def ask(page: Page, number: str, method: str = "acquirer", amount: str = "1500") -> None:
    await page.goto("/office/refunds")
    await page.get_by_label("Nomor karcis").fill(number)
    await page.get_by_role("button", name="Cari tagihan").click()
    await page.wait_for_url("**/office/charges/*")
    await page.get_by_label("Jumlah yang dikembalikan").fill(amount)
    await page.get_by_label("Penjelasan").fill("kendaraan tidak jadi parkir")
    await page.get_by_label("Cara").select_option(method)
    await page.get_by_label("Kata sandi Anda").fill(PASSWORD)
    await page.get_by_role("button", name="Minta pengembalian").click()
    await page.wait_for_url("**/office/refunds/*")


async def test_two_officers_give_money_back_and_the_driver_sees_it(
    screens: Screens, paid: dict[str, Any]
) -> None:
    maker = await sign_in(screens, sample.OFFICER, PASSWORD)
    await maker.goto("/office/refunds")
    await expect(maker.get_by_text("Belum ada pengembalian.")).to_be_visible()
    await screens.examine(maker, "refunds-empty")
    number = paid["receipt"]["number"]
    await ask(maker, number)
    await expect(maker.get_by_role("status")).to_have_text("menunggu keputusan")
    await expect(maker.get_by_role("button", name="Setujui")).to_have_count(0)
    await screens.examine(maker, "refund-asked")
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto("/office/refunds")
    await screens.examine(checker, "refunds")
    await checker.get_by_role("link", name="KEMBALI-").click()
    await checker.get_by_label("Kata sandi Anda").fill(CHECKER_PASSWORD)
    await screens.examine(checker, "refund-to-decide")
    await checker.get_by_role("button", name="Setujui, kembalikan Rp1.500").click()
    await expect(checker.get_by_role("status")).to_have_text("dikembalikan")
    await screens.examine(checker, "refund-done")
    await checker.get_by_role("link", name="Lihat tagihannya").click()
    await screens.examine(checker, "office-charge")
    driver = await screens.open(f"/r/{number}")
    await expect(driver.get_by_role("status")).to_contain_text("Dikembalikan Rp1.500 (sebagian)")
    await screens.examine(driver, "receipt-refunded")
    await driver.get_by_role("link", name="KEMBALI-").click()
    await expect(driver.locator("h1")).to_have_text("Bukti pengembalian asli")
    await screens.examine(driver, "refund-receipt")
    await driver.goto(f"/c/{paid['id']}")
    await expect(driver.get_by_text("Dikembalikan Rp1.500")).to_be_visible()
    await screens.examine(driver, "charge-refunded")


async def test_a_transfer_is_proved_with_a_file(
    screens: Screens, paid: dict[str, Any], tmp_path: Path
) -> None:
    maker = await sign_in(screens, sample.OFFICER, PASSWORD)
    await ask(maker, paid["receipt"]["number"], "transfer", "4000")
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto(maker.url)
    await checker.get_by_label("Kata sandi Anda").fill(CHECKER_PASSWORD)
    await checker.get_by_role("button", name="Setujui").click()
    await maker.reload()
    await expect(maker.get_by_role("status")).to_have_text("menunggu transfer")
    proof = tmp_path / "bukti.pdf"
    proof.write_bytes(b"%PDF-1.7 bukti")
    await maker.get_by_label("Nomor referensi bank").fill("TRF-1")
    await maker.get_by_label("Bukti transfer").set_input_files(proof)
    await maker.get_by_label("Kata sandi Anda").fill(PASSWORD)
    await screens.examine(maker, "refund-transfer")
    await maker.get_by_role("button", name="Catat sudah ditransfer").click()
    await expect(maker.get_by_role("status")).to_have_text("dikembalikan")


async def test_a_transfer_that_cannot_be_made_is_withdrawn_and_leaves_a_case(
    screens: Screens, paid: dict[str, Any]
) -> None:
    maker = await sign_in(screens, sample.OFFICER, PASSWORD)
    await ask(maker, paid["receipt"]["number"], "transfer", "4000")
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto(maker.url)
    await checker.get_by_label("Kata sandi Anda").fill(CHECKER_PASSWORD)
    await checker.get_by_role("button", name="Setujui").click()
    await checker.get_by_label("Alasan").fill("rekening pembayar tidak diketahui")
    await checker.get_by_label("Kata sandi Anda").fill(CHECKER_PASSWORD)
    await screens.examine(checker, "refund-to-withdraw")
    await checker.get_by_role("button", name="Transfer tidak jadi").click()
    await expect(checker.get_by_role("status")).to_have_text("gagal, belum dikembalikan")
    await screens.examine(checker, "refund-withdrawn")
    await checker.goto(checker.url + "?lang=en")
    await checker.get_by_role("link", name="refund failed").click()
    await expect(checker.get_by_role("status")).to_have_text("open")


async def test_a_case_is_proposed_and_decided_by_two(
    screens: Screens, paid: dict[str, Any]
) -> None:
    screens.expected_statuses.add(403)
    maker = await sign_in(screens, sample.OFFICER, PASSWORD)
    await maker.goto("/office/cases")
    listed = maker.locator("#kasus tbody tr")
    await expect(listed).to_have_count(1)
    await expect(listed).to_contain_text("terlambat")
    await screens.examine(maker, "cases")
    await listed.get_by_role("link").click()
    await maker.get_by_label("Alasan").fill("pengemudi memang parkir")
    await maker.get_by_label("Kata sandi Anda").fill(PASSWORD)
    await screens.examine(maker, "case")
    await maker.get_by_role("button", name="Usulkan").click()
    await expect(maker.get_by_role("status")).to_have_text("diusulkan")
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto(maker.url)
    await checker.get_by_label("Kata sandi Anda").fill("salah")
    await checker.get_by_role("button", name="Setujui").click()
    await expect(checker.get_by_role("alert")).to_contain_text("Kata sandi salah")
    await screens.examine(checker, "wrong-password", english=False)
    await checker.goto(maker.url)
    await screens.examine(checker, "case-to-decide")
    await checker.get_by_label("Kata sandi Anda").fill(CHECKER_PASSWORD)
    await checker.get_by_role("button", name="Setujui").click()
    await expect(checker.get_by_role("status")).to_have_text("selesai: diakui")
    await checker.goto("/office/cases")
    await expect(checker.get_by_text("Tidak ada kasus yang cocok.")).to_be_visible()
    await screens.examine(checker, "cases-none")
    await checker.goto("/office/refunds?lang=en")
    assert left_in_bahasa(await checker.locator("main").inner_text()) == []
    await checker.goto(maker.url + "?lang=en")
    assert left_in_bahasa(await checker.locator("main").inner_text()) == []
