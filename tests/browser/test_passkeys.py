"""Passkeys in Chromium, with an authenticator of its own: added, signed in by, confirmed by."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from fastapi import FastAPI
from playwright.async_api import CDPSession, Page, expect

from server import sample
from tests.browser.screen import DESK, PHONE, Screens, left_in_bahasa
from tests.browser.test_own_account import confirm, sign_in
from tests.server.cluster import PASSWORD


@pytest.fixture
async def screens(screens: Screens, app: FastAPI) -> AsyncIterator[Screens]:
    """Passkeys belong to a name, so this server is asked by one."""
    screens.site = screens.site.replace("127.0.0.1", "localhost")
    wired = app.state.payments
    app.state.payments = replace(wired, books=replace(wired.books, base_url=screens.site))
    return screens


@dataclass
class Key:
    """An authenticator as phones and laptops have it."""

    devtools: CDPSession
    id: str

    async def know_person(self, known: bool) -> None:
        told = {"authenticatorId": self.id, "isUserVerified": known}
        await self.devtools.send("WebAuthn.setUserVerified", told)


async def authenticator(page: Page) -> Key:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    added = await devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return Key(devtools, added["authenticatorId"])


async def test_a_passkey_is_added_and_is_all_that_is_asked_for(screens: Screens) -> None:
    screens.expected_statuses |= {401, 403}
    page = await sign_in(screens, DESK)
    await authenticator(page)
    await page.goto("/office/account")
    await page.get_by_label("Nama perangkat").fill("Laptop kantor")
    await confirm(page, "Tambah passkey")
    await screens.examine(page, "passkey", english=False)
    await page.get_by_role("button", name="Buat passkey").click()
    await expect(page.get_by_text("Laptop kantor").first).to_be_visible()
    await screens.examine(page, "own-account-passkey")
    await page.get_by_role("button", name="Keluar", exact=True).click()
    await expect(page.locator("h1")).to_have_text("Masuk kantor")
    await screens.examine(page, "sign-in-passkey")
    await page.get_by_role("button", name="Pakai passkey").click()
    await expect(page.locator("h1")).to_contain_text("Hari ini")
    # It was shown this minute, so a form asks for nothing more.
    await page.goto("/office/devices")
    form = page.locator("form[action='/office/devices/codes']")
    await expect(form.locator("input[name=password]")).to_have_count(0)
    await form.get_by_role("button").click()
    await expect(page.locator("h1")).to_have_text("Kode pendaftaran")
    await page.goto("/office/account?lang=en")
    assert left_in_bahasa(await page.locator("main").inner_text()) == []
    await page.get_by_text("Remove this passkey").click()
    await page.get_by_role("button", name="Remove passkey").click()
    await expect(page.get_by_role("heading", name="Passkey: 0")).to_be_visible()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("This passkey was not accepted")


async def test_a_passkey_confirms_but_never_without_its_person(screens: Screens) -> None:
    page = await sign_in(screens, PHONE)
    key = await authenticator(page)
    await page.goto("/office/account")
    await page.get_by_label("Nama perangkat").fill("Ponsel")
    await confirm(page, "Tambah passkey")
    await page.get_by_role("button", name="Buat passkey").click()
    await expect(page.get_by_text("Ponsel").first).to_be_visible()
    await page.get_by_text("Menu", exact=True).click()
    await page.get_by_role("button", name="Keluar", exact=True).click()
    await page.get_by_label("Nama masuk").fill(sample.OFFICER)
    await page.get_by_label("Kata sandi").fill(PASSWORD)
    await page.get_by_role("button", name="Masuk").click()
    await expect(page.locator("h1")).to_have_text("Akun saya")  # the password opens no more
    await screens.examine(page, "own-account-half")
    await page.get_by_role("link", name="Tunjukkan passkey").click()
    await expect(page.locator("h1")).to_have_text("Konfirmasi bahwa ini Anda")
    await key.know_person(False)
    await page.get_by_role("button", name="Pakai passkey").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "Passkey tidak dipakai. Coba lagi, atau pakai cara lain."
    )
    await screens.examine(page, "confirm")
    await key.know_person(True)
    await page.get_by_role("button", name="Pakai passkey").click()
    await expect(page.locator("h1")).to_contain_text("Hari ini")
    await page.goto("/office/devices")
    await expect(page.locator("h1")).to_have_text("Perangkat")
    await expect(page.locator("input[name=password]")).to_have_count(0)
