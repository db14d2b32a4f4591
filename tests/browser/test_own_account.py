"""An officer's own account in Chromium: the authenticator app, recovery codes, other browsers."""

import io
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pyotp
from PIL import Image
from playwright.async_api import Page, expect
from sqlalchemy import text

from attendant_app import scanner
from server import sample
from server.database import Transactions
from tests.browser.screen import DESK, PHONE, SMALL_PHONE, Screens, left_in_bahasa
from tests.server.cluster import PASSWORD


async def sign_in(screens: Screens, size: tuple[int, int] = DESK, code: str = "") -> Page:
    page = await screens.open("/office/sign-in", size)
    await page.get_by_label("Nama masuk").fill(sample.OFFICER)
    await page.get_by_label("Kata sandi").fill(PASSWORD)
    await page.get_by_label("Kode autentikator").fill(code)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_load_state()
    return page


async def confirm(page: Page, button: str, typed: str = PASSWORD) -> None:
    form = page.locator("form", has=page.get_by_role("button", name=button))
    await form.locator("input[name=password]").fill(typed)
    await form.get_by_role("button", name=button).click()
    await page.wait_for_load_state()


async def scanned(page: Page) -> pyotp.TOTP:
    """What an app makes of the picture on the screen."""
    picture = Image.open(io.BytesIO(await page.locator(".barcode img").screenshot()))
    (address,) = scanner.decode(np.asarray(picture.convert("L")), 60)
    app = pyotp.parse_uri(address)
    assert isinstance(app, pyotp.TOTP)
    return app


async def forget_newest_step(transactions: Transactions) -> None:
    """As half a minute does."""
    async with transactions.begin() as db:
        await db.execute(text("UPDATE officer_totps SET last_step = 0"))


async def test_an_app_is_set_up_and_asked_for_from_then_on(
    screens: Screens, transactions: Transactions
) -> None:
    screens.expected_statuses |= {401, 403, 422}
    other = await sign_in(screens)
    page = await sign_in(screens)
    await page.get_by_role("link", name="Akun saya").click()
    await expect(page.locator("h1")).to_have_text("Akun saya")
    await expect(page.get_by_role("button", name="Keluarkan", exact=True)).to_have_count(1)
    await screens.examine(page, "own-account")
    await confirm(page, "Siapkan aplikasi", "salah")
    await expect(page.locator("h1")).to_have_text("Kata sandi salah; tidak ada yang dilakukan")
    await page.goto("/office/account")
    await confirm(page, "Siapkan aplikasi")
    await screens.examine(page, "totp", english=False)
    app = await scanned(page)
    shown = await page.locator(".written").inner_text()
    assert shown.replace(" ", "") == app.secret
    await page.get_by_label("Kode autentikator").fill(app.at(datetime.now(UTC) - timedelta(days=1)))
    await page.get_by_role("button", name="Aktifkan").click()
    await expect(page.get_by_role("alert")).to_contain_text("Kode itu tidak cocok")
    await page.get_by_label("Kode autentikator").fill(app.now())
    await page.get_by_role("button", name="Aktifkan").click()
    await expect(page.locator("h1")).to_have_text("Kode pemulihan")
    codes = (await page.locator("pre").inner_text()).split()
    assert len(codes) == 10
    await screens.examine(page, "recovery-codes", english=False)
    await page.get_by_role("link", name="Sudah saya simpan").click()
    await expect(page.locator("h1")).to_contain_text("Hari ini")
    await other.goto("/office")  # what was signed in by the password alone is signed out
    await expect(other.locator("h1")).to_have_text("Masuk kantor")
    await forget_newest_step(transactions)
    refused = await sign_in(screens)
    await expect(refused.get_by_role("alert")).to_contain_text("kode salah")
    taken = await sign_in(screens, PHONE, app.now())
    await expect(taken.locator("h1")).to_contain_text("Hari ini")
    saved = await sign_in(screens, SMALL_PHONE, codes[0])
    await expect(saved.locator("h1")).to_contain_text("Hari ini")
    await saved.goto("/office/account?lang=en")
    await expect(saved.locator("h1")).to_have_text("My account")
    assert "Recovery codes left: 9." in await saved.locator("main").inner_text()
    assert left_in_bahasa(await saved.locator("body").inner_text()) == []
    await screens.examine(saved, "own-account-app")
    await saved.get_by_role("button", name="Sign all others out").click()
    await expect(saved.get_by_text("Browsers signed in: 1")).to_be_visible()
    await taken.goto("/office")
    await expect(taken.locator("h1")).to_have_text("Masuk kantor")


async def test_after_wrong_tries_the_door_says_how_long_to_wait(screens: Screens) -> None:
    screens.expected_statuses |= {401, 429}
    page = await screens.open("/office/sign-in?lang=en")
    for _ in range(6):
        await page.get_by_label("Login").fill("siapa")
        await page.get_by_label("Password").fill("salah")
        async with page.expect_navigation():
            await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text(re.compile(r"Wait \d+ minutes"))
    await screens.examine(page, "office-locked")
    assert left_in_bahasa(await page.locator("body").inner_text()) == []
