"""Receipts, complaints and photos of signs in Chromium: every page, both languages, any width."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import expect
from sqlalchemy import text

from server import sample
from server.database import Transactions
from tests.browser.screen import Screens
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.conftest import Sandbox
from tests.server.driver.test_sign_pages import photo
from tests.server.inspection.test_signs import posted

SPOT = "PSR-001-U"


@pytest.fixture
async def paid(api: httpx.AsyncClient, app: FastAPI, sandbox: Sandbox) -> dict[str, Any]:
    """A charge that was paid, found so by an inquiry of the driver's own."""
    body = {"vehicle_class": "car", "plate": "KH 1234 AB"}
    charge = (await api.post(f"/v1/spots/{SPOT}/charges", json=body)).json()
    await sandbox.pay(charge["qris"])
    day = charge["created_at"]
    form = {"reference": charge["id"].replace("-", ""), "amount_rp": "4000"}
    today = app.state.payments.books.timezone
    form["day"] = str(datetime.fromisoformat(day).astimezone(today).date())
    found = await api.post("/cari", data=form)
    assert found.status_code == 303, found.text
    shown: dict[str, Any] = (await api.get(f"/v1/charges/{charge['id']}")).json()
    return shown


async def test_a_driver_verifies_finds_and_asks_for_the_money_back(
    screens: Screens, paid: dict[str, Any]
) -> None:
    number = paid["receipt"]["number"]
    anybody = await screens.open(f"/r/{number}")
    await expect(anybody.locator("h1")).to_have_text("Karcis asli, lunas")
    assert "KH 1" not in await anybody.content()
    assert await anybody.locator("img, details").count() == 0
    await screens.examine(anybody, "verify")
    own = await screens.open(f"/c/{paid['id']}")
    await own.get_by_role("link", name="Lihat karcis").click()
    await expect(own.locator("img")).to_be_visible()
    for summary in await own.locator("summary").all():
        await summary.click()
    await expect(own.get_by_text("parkir ini masih berlaku hari ini")).to_be_visible()
    await screens.examine(own, "receipt-own")
    async with own.expect_download() as saved:
        await own.get_by_role("link", name="Simpan PDF").click()
    assert (await saved.value).suggested_filename == f"karcis-{number}.pdf"
    await own.get_by_label("Alasan").select_option("paid_twice")
    await own.get_by_label("Telepon").fill("0812-0000-0000")
    await own.get_by_role("button", name="Kirim permintaan").click()
    await expect(own.get_by_role("status")).to_contain_text("Sedang diperiksa kantor")
    await screens.examine(own, "refund-wish")
    screens.expected_statuses.add(404)
    await own.goto(f"/r/{number[:-1]}{'7' if number[-1] != '7' else '8'}")
    await expect(own.locator("h1")).to_have_text("Nomor ini tidak sah")
    await screens.examine(own, "receipt-altered")
    await own.goto("/r/PSR-2026-000099-X")
    await own.goto("/cari")
    await screens.examine(own, "find")
    await own.get_by_label("RRN").fill("000000000000")
    await own.get_by_label("Jumlah").fill("4000")
    await own.get_by_role("button", name="Cari pembayaran saya").click()
    await expect(own.get_by_role("status")).to_contain_text("belum ada di catatan kami")
    await expect(own.get_by_label("Tentang apa")).to_have_value("paid_not_recorded")
    await screens.examine(own, "not-recorded")
    officer = await sign_in(screens, sample.OFFICER, PASSWORD)
    await officer.goto("/office/cases")
    await officer.locator("tr", has_text="pengemudi minta uang kembali").get_by_role("link").click()
    await expect(officer.get_by_text("0812-0000-0000")).to_be_visible()
    await screens.examine(officer, "office-wish")
    await officer.get_by_role("link", name="Lihat tagihannya").click()
    await expect(officer.get_by_label("Alasan")).to_have_value("paid_twice")


async def test_a_driver_has_his_plate_erased_without_scripts(
    screens: Screens, paid: dict[str, Any], owner: Transactions
) -> None:
    async with owner.begin() as db:
        await db.execute(
            text("UPDATE parking_sessions SET state = 'ended', ended_at = started_at + :stood"),
            {"stood": timedelta(minutes=1)},
        )
    number, key = paid["receipt"]["number"], paid["id"]
    own = await screens.open(f"/r/{number}?c={key}", scripts=False)
    await expect(own.get_by_text("KH 1••• AB")).to_be_visible()
    await own.locator("summary", has_text="Hapus nomor polisi saya").click()
    look = await screens.open(f"/r/{number}?c={key}")
    await look.locator("summary", has_text="Hapus nomor polisi saya").click()
    await screens.examine(look, "plate-erase")
    await own.get_by_role("button", name="Hapus sekarang").click()
    await expect(own.get_by_text("dihapus atas permintaan pengendara")).to_be_visible()
    assert "KH 1" not in await own.content()
    await look.reload()
    await screens.examine(look, "plate-erased")


async def test_a_suspect_sticker_is_found_reported_and_answered(
    screens: Screens, tmp_path: Path, transactions: Transactions
) -> None:
    taken = tmp_path / "foto.jpg"
    taken.write_bytes(photo(posted("WARUNG BU SRI", "ID1099999999999")))
    driver = await screens.open(f"/periksa?spot={SPOT}", scripts=False)
    await driver.get_by_label("Foto").set_input_files(taken)
    await driver.get_by_role("button", name="Periksa foto").click()
    await expect(driver.locator("h1")).to_have_text("Bukan milik kami")
    await expect(driver.get_by_text("WARUNG BU SRI")).to_be_visible()
    await driver.get_by_role("button", name="Laporkan dengan foto ini").click()
    await expect(driver.locator("h1")).to_have_text("Diterima, sedang diperiksa")
    address = driver.url
    look = await screens.open(address)
    await screens.examine(look, "complaint")
    await look.goto("/pengaduan")
    await screens.examine(look, "complain")
    for name, data in (("not-ours", taken.read_bytes()), ("unreadable", photo())):
        taken.write_bytes(data)
        await look.goto("/periksa")
        await screens.examine(look, "check-sign")
        await look.get_by_label("Foto").set_input_files(taken)
        await look.get_by_role("button", name="Periksa foto").click()
        await screens.examine(look, name)
    officer = await sign_in(screens, sample.OFFICER, PASSWORD)
    await officer.goto("/office/complaints")
    await screens.examine(officer, "office-complaints")
    await officer.get_by_role("link", name="ADU-").click()
    await expect(officer.locator("img.photo")).to_be_visible()
    await officer.get_by_role("textbox", name="Jawaban").fill("Kami periksa.")
    await officer.get_by_label("Kata sandi Anda").fill(PASSWORD)
    await officer.get_by_role("button", name="Kirim jawaban").click()
    await expect(officer.get_by_role("status")).to_contain_text("dijawab")
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto(officer.url)
    await checker.get_by_role("textbox", name="Jawaban").fill("Stiker sudah dilepas.")
    await checker.get_by_label("Setelah ini").select_option("upheld")
    await checker.get_by_label("Kata sandi Anda").fill(CHECKER_PASSWORD)
    await screens.examine(checker, "office-complaint")
    await checker.get_by_role("button", name="Kirim jawaban").click()
    await expect(checker.get_by_role("status")).to_contain_text("selesai")
    await look.goto(address)
    await expect(look.get_by_text("Stiker sudah dilepas.")).to_be_visible()
    await screens.examine(look, "complaint-answered")
