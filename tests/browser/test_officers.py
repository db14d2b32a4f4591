"""Officers of the office in Chromium: one asks, another allows, the officer comes in."""

from playwright.async_api import Page, expect

from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Role
from tests.browser.screen import DESK, PHONE, Screens, left_in_bahasa
from tests.browser.test_own_account import confirm
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

NEW = "kata sandi pilihan siti"


async def sign_in(screens: Screens, login: str, password: str) -> Page:
    page = await screens.open("/office/sign-in", DESK)
    await page.get_by_label("Nama masuk").fill(login)
    await page.get_by_label("Kata sandi").fill(password)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_load_state()
    return page


async def test_an_officer_is_added_allowed_and_comes_in(
    screens: Screens, transactions: Transactions
) -> None:
    screens.expected_statuses |= {401, 403}
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login=sample.ADMIN, name="Admin Contoh", role=Role.ADMIN, password=PASSWORD
        )
    admin = await sign_in(screens, sample.ADMIN, PASSWORD)
    await admin.get_by_role("link", name="Petugas kantor").click()
    await screens.examine(admin, "officers")
    await admin.get_by_label("Nama", exact=True).fill("Siti")
    await admin.get_by_label("Nama masuk").fill("siti")
    await admin.get_by_label("Peran").select_option("koordinator")
    await admin.get_by_label("Alasan").fill("baru bertugas")
    await confirm(admin, "Minta ditambahkan")
    await expect(admin.get_by_role("status")).to_have_text("nonaktif, menunggu persetujuan")
    await screens.examine(admin, "officer-asked", english=False)
    there = admin.url
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto(there)
    await screens.examine(checker, "officer-to-decide", english=False)
    await checker.get_by_label("Catatan").fill("surat tugas ada")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("aktif")
    await admin.goto(f"{there}?lang=en")
    said = await admin.locator("body").inner_text()
    history = await admin.locator("table.lines").inner_text()  # logins and reasons are as typed
    assert left_in_bahasa(said.replace(history, "")) == []
    await screens.examine(admin, "officer-english")
    await confirm(admin, "Make a first sign-in code")
    code = await admin.locator(".spot").inner_text()
    await screens.examine(admin, "setup-code", english=False)
    siti = await screens.open("/office/first-sign-in", PHONE)
    for typed in ("salah", code):
        await siti.get_by_label("Nama masuk").fill("siti")
        await siti.get_by_label("Kode masuk pertama").fill(typed)
        await siti.get_by_label("Kata sandi baru").fill(NEW)
        await siti.get_by_role("button", name="Simpan dan masuk").click()
        await siti.wait_for_load_state()
        if typed == "salah":
            await expect(siti.get_by_role("alert")).to_contain_text("kode salah")
            await screens.examine(siti, "first-sign-in")
    await expect(siti.locator("h1")).to_have_text("Akun saya")
    await siti.goto("/office")  # she has no right to the books
    await expect(siti.locator("h1")).to_have_text("Giliran")
    await expect(siti.locator("nav.places").first).not_to_contain_text("Hari usaha")
    await siti.goto("/office/refunds")
    await expect(siti.locator("h1")).to_have_text("Peran Anda tidak boleh melakukan ini")
    await admin.goto(f"{there}?lang=id")
    form = admin.locator("form[action$='/switch-off']")
    await form.get_by_label("Alasan").fill("berhenti")
    await confirm(admin, "Nonaktifkan petugas ini")
    await expect(admin.get_by_role("status")).to_have_text("nonaktif")
    await siti.goto("/office")
    await expect(siti.locator("h1")).to_have_text("Masuk kantor")
