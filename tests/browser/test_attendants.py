"""Attendants in Chromium: one officer adds, another approves, a handheld signs in; then a stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pypdfium2
import pytest
from fastapi import FastAPI
from playwright.async_api import Locator, Page, expect
from reportlab.lib.pagesizes import A4

from attendant_app import scanner
from attendant_app.app import create_app as create_handheld
from attendant_app.settings import Settings as HandheldSettings
from domain import card
from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Role
from server.limits import RateLimit
from tests.browser.screen import DESK, SHOTS, Screens
from tests.browser.test_keyboard import on_paper
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD
from tests.server.payments.conftest import on_a_socket

ADMIN, PASSWORD = "pengelola", "kata sandi uji pengelola"


@pytest.fixture
async def handheld(
    site: str, transactions: Transactions, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """The handheld itself before the server on its socket, enrolled and approved."""
    async with transactions.begin() as db:
        code = await sample.enrolment_code(db, now=datetime.now(UTC))
    settings = HandheldSettings(data=tmp_path / "hp", server_url=site, enrolment_code=code)
    app = create_handheld(settings)
    async with (
        app.router.lifespan_context(app),
        on_a_socket(app) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as http,
    ):
        await until(http, lambda told: told["enrolled"])
        async with transactions.begin() as db:
            await sample.approve_devices(db, now=datetime.now(UTC))
        await until(http, lambda told: told["device_state"] == "active" and told["online"])
        yield http


async def until(http: httpx.AsyncClient, holds: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds((await http.get("/api/status")).json()):  # noqa: ASYNC110 - asks anew
            await asyncio.sleep(0.1)


async def print_cards(admin: Page, screens: Screens, keys: Mapping[str, bytes]) -> None:
    """Two attendants' on one sheet, from the list; then back to where the page was."""
    was = admin.url
    await admin.goto("/office/attendants")
    form = admin.locator("form", has=admin.get_by_role("button", name="Unduh kartu"))
    for code in ("J-001", "J-002"):
        await form.get_by_label(f"Pilih {code}").check()
    await form.get_by_label("Catatan").fill("kartu tahunan")
    await screens.examine(admin, "attendants-cards", english=False)
    if await form.get_by_label("Kata sandi Anda").is_visible():
        await form.get_by_label("Kata sandi Anda").fill(PASSWORD)
    async with admin.expect_download() as download:
        await form.get_by_role("button", name="Unduh kartu").click()
    with pypdfium2.PdfDocument(await (await download.value).path()) as document:
        assert [page.get_size() for page in document] == [pytest.approx(A4, abs=1)]
        seen = scanner.decode(np.asarray(document[0].render(scale=300 / 72).to_pil()))
    assert {card.verify(text, keys).attendant for text in seen} == {"J-001", "J-002"}
    await admin.goto(was)


async def reveal(page: Page, summary: str) -> Locator:
    """The part of a page that opens by this line."""
    part = page.locator("details", has=page.get_by_text(summary, exact=True))
    await part.locator("summary").click()
    return part


async def test_added_by_one_approved_by_another_at_work_and_stopped(
    screens: Screens, app: FastAPI, handheld: httpx.AsyncClient, transactions: Transactions
) -> None:
    app.state.office_limit = RateLimit(10_000)
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login=ADMIN, name="Pengelola Uji", role=Role.ADMIN, password=PASSWORD
        )
    admin = await sign_in(screens, ADMIN, PASSWORD, DESK)
    await admin.goto("/office/attendants")
    await screens.examine(admin, "attendants")
    form = admin.locator("form", has=admin.get_by_role("button", name="Minta ditambahkan"))
    await form.locator("[name=code]").fill("j-002")
    await form.locator("[name=name]").fill("Siti Contoh")
    await form.get_by_label("NIK").fill("6202 0112 0480 0003")
    await form.get_by_label("Nomor SK").fill("800/12/DISHUB/2026")
    await form.get_by_label("SK berlaku mulai").fill("2026-01-02")
    await form.get_by_label("Alasan").fill("menggantikan yang pensiun")
    await confirm(admin, "Minta ditambahkan", PASSWORD)
    await expect(admin.get_by_role("status")).to_have_text("menunggu persetujuan")
    await expect(admin.locator("main")).to_contain_text("berakhir dengan 0003")
    await expect(admin.get_by_role("button", name="Setujui")).to_have_count(0)
    attendant = admin.url

    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD, DESK)
    await checker.goto("/office/attendants?state=requested")
    await screens.examine(checker, "attendants-to-approve")
    await on_paper(checker, "J-002", "attendants-on-paper")
    await checker.get_by_label("Pilih J-002").check()
    await checker.get_by_label("Catatan").fill("SK sudah dilihat")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("aktif")

    await admin.goto(attendant)
    await (
        (await reveal(admin, "Tempatkan di titik parkir"))
        .get_by_label("Kode titik")
        .fill("PSR-001-U")
    )
    await confirm(admin, "Tempatkan", PASSWORD)
    await expect(admin.locator("main")).to_contain_text("Senin, Selasa")
    part = await reveal(admin, "PIN dan kartu")
    await part.get_by_label("Alasan").fill("kartu pertama")
    await confirm(admin, "Terbitkan kartu", PASSWORD)
    async with admin.expect_download() as download:
        await admin.get_by_role("link", name="Unduh untuk dicetak").click()
    printed = await (await download.value).path()
    assert printed.read_bytes().startswith(b"%PDF")
    await print_cards(admin, screens, app.state.payments.books.proof_keys)
    for summary in ("Akhiri penempatan", "Ubah data", "PIN dan kartu", "Tempatkan di titik parkir"):
        await reveal(admin, summary)
    await screens.examine(admin, "attendant", english=False)
    await confirm(admin, "Buat PIN", PASSWORD)
    pin = (await admin.locator(".amount").inner_text()).strip()
    await screens.examine(admin, "attendant-pin", english=False)

    screens.expected_statuses |= {401, 403}
    kerb = await screens.open(f"{handheld.base_url}/sign-in")
    await kerb.get_by_label("Kode petugas").fill("J-002")
    await kerb.locator("#pin").evaluate("(e, pin) => { e.value = pin; }", pin)
    await kerb.locator("#sign-in").evaluate("(e) => e.requestSubmit()")
    await kerb.wait_for_url("**/spots")

    await admin.goto(attendant)
    part = await reveal(admin, "Ubah data")
    await part.get_by_label("Nama").fill("Siti Contoh, S.E.")
    await part.get_by_label("Alasan").fill("gelar")
    await confirm(admin, "Simpan perubahan", PASSWORD)
    await expect(admin.get_by_role("status")).to_have_text("aktif, menunggu persetujuan")
    await checker.goto(attendant)
    await expect(checker.locator("h1")).to_have_text("Siti Contoh")
    await screens.examine(checker, "attendant-other-name")
    await checker.get_by_label("Catatan").fill("ijazah dilihat")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.locator("h1")).to_have_text("Siti Contoh, S.E.")

    await admin.goto(attendant)
    form = admin.locator("form", has=admin.get_by_role("button", name="Hentikan juru parkir ini"))
    await form.get_by_label("Alasan").fill("uang tidak disetor")
    await confirm(admin, "Hentikan juru parkir ini", PASSWORD)
    await expect(admin.get_by_role("status")).to_have_text("dihentikan")
    await expect(admin.locator("main")).to_contain_text("uangnya belum dihitung")
    await screens.examine(admin, "attendant-stopped")

    # It hears so with its next question, and offers nothing but to count and to close.
    body = {"spot": "PSR-001-U", "vehicle_class": "motorcycle"}
    assert (await handheld.post("/api/charges", json=body)).status_code in (201, 403)
    await until(handheld, lambda told: told["stopped"])
    await expect(kerb.locator(".banner[role=alert]")).to_contain_text("menghentikan tugas Anda")
    await kerb.wait_for_url("**/shift")
    if SHOTS:
        await kerb.screenshot(path=f"{SHOTS}/handheld-stopped.png")
    refused = await handheld.post("/api/charges", json=body)
    assert (refused.status_code, refused.json()["slug"]) == (403, "attendant-stopped")
    await until(handheld, lambda told: told["unsynced"] == 0)
    count = {"counted_rp": 0, "held_seen": 9}
    assert (await handheld.post("/api/close-shift", json=count)).status_code == 200
    await until(handheld, lambda told: not told["signed_in"])
    again = await handheld.post("/api/sign-in", json={"attendant": "J-002", "pin": pin})
    assert (again.status_code, again.json()["slug"]) == (403, "attendant-stopped")

    await kerb.close()

    form = admin.locator("form", has=admin.get_by_role("button", name="Minta persetujuan"))
    await form.get_by_label("Alasan").fill("sudah disetor")
    await confirm(admin, "Minta persetujuan", PASSWORD)
    await expect(admin.get_by_role("status")).to_have_text("dihentikan, menunggu persetujuan")
    await checker.goto(attendant)
    await screens.examine(checker, "attendant-to-resume")
    await checker.get_by_label("Catatan").fill("slip setoran ada")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("aktif")
    again = await handheld.post("/api/sign-in", json={"attendant": "J-002", "pin": pin})
    assert again.status_code == 200
    await checker.goto("/office/attendants?q=siti+j-002&state=on-shift&zone=PSR")
    await expect(checker.locator("tbody tr")).to_have_count(1)
    await checker.goto("/office/attendants?q=100%25_&zone=PSR")
    await expect(checker.locator("tbody")).to_contain_text("Tidak ada yang cocok")
