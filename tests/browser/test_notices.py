"""A notice in Chromium: its driver's page, the objection, and the office with its photos."""

from datetime import datetime

import httpx
from playwright.async_api import expect

from server import sample
from server.database import Transactions
from tests.browser.screen import PHONE, Screens
from tests.browser.test_refunds import sign_in
from tests.server.cluster import PASSWORD
from tests.server.handhelds import on_shift
from tests.server.inspection.test_notices import digest, jpeg, leave, send, told
from tests.server.sync.test_push import push


async def test_a_notice_is_read_objected_to_and_withdrawn(
    screens: Screens, api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await on_shift(api, transactions, now)
    photo = jpeg(size=(1280, 960))
    check, left = leave(handheld, photo)
    link = told(handheld, left)
    driver = await screens.open(link)
    await expect(driver.get_by_text("Belum sampai di kantor")).to_be_visible()
    await screens.examine(driver, "notice-early")
    screens.expected_statuses.add(404)
    await driver.goto(link.replace(".4000.", ".9000."))
    await expect(driver.locator("h1")).to_have_text("Pemberitahuan palsu")
    await screens.examine(driver, "notice-false")
    assert await push(api, handheld, check, left) == ["accepted"] * 2
    assert (await send(api, handheld, left, digest(photo), photo)).status_code == 200
    await driver.goto(link)
    await expect(driver.get_by_text("Asli: dibuat oleh alat petugas kami.")).to_be_visible()
    await screens.examine(driver, "notice")
    await driver.get_by_role("link", name="Ajukan keberatan").click()
    await expect(driver.get_by_label("Tentang apa")).to_have_value("notice")
    await driver.get_by_label("Apa yang terjadi").fill("Rambu tertutup pohon.")
    await driver.get_by_role("button", name="Kirim pengaduan").click()
    await expect(driver.locator("h1")).to_have_text("Diterima, sedang diperiksa")
    await screens.examine(driver, "objection")

    officer = await sign_in(screens, sample.OFFICER, PASSWORD, PHONE)
    await officer.goto("/office/notices")
    await expect(officer.locator("img.thumb")).to_be_visible()
    await screens.examine(officer, "office-notices")
    await officer.get_by_role("link", name="SP-").click()
    await expect(officer.locator("img.photo")).to_be_visible()
    await screens.examine(officer, "office-notice")
    await officer.get_by_label("Alasan").fill("Rambu memang tertutup")
    form = officer.locator("form", has=officer.get_by_label("Alasan"))
    await form.get_by_label("Kata sandi Anda").fill(PASSWORD)
    await form.get_by_role("button", name="Cabut pemberitahuan").click()
    await expect(officer.get_by_role("status")).to_have_text("dicabut")
    await driver.goto(link)
    await expect(driver.locator("h1")).to_have_text("Pemberitahuan ini dicabut")
