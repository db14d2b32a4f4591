"""What is left of parking, in Chromium: a stay that nobody ended, and answers for everybody."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect
from sqlalchemy import update

from server import sample
from server.complaints import service as complaints
from server.complaints.service import Told
from server.complaints.states import ComplaintKind, ComplaintOutcome
from server.database import Transactions
from server.driver import complaint_pages
from server.identity import service as identity
from server.inspection.models import OWNER, SILENT, SignCase
from server.parking.models import ParkingSession
from server.payments import unended
from server.spots import service as spots
from tests.browser.screen import DESK, PHONE, Screens
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.complaints.test_photos import jpeg


async def sign_in(screens: Screens, login: str, password: str) -> Page:
    page = await screens.open("/office", DESK)
    await page.get_by_label("Nama masuk").fill(login)
    await page.get_by_label("Kata sandi").fill(password)
    await page.get_by_role("button", name="Masuk").click()
    await page.wait_for_url("**/office")
    return page


async def test_a_stay_that_nobody_ended_is_told_and_paid_or_closed(
    screens: Screens, app: FastAPI, transactions: Transactions, owner: Transactions
) -> None:
    driver = await screens.open("/p/RSU-003-I", PHONE)
    await driver.locator("select").select_option("0")
    await driver.get_by_role("button", name="Mulai parkir").click()
    await driver.wait_for_url("**/s/*")
    stay_id = UUID(driver.url.rsplit("/", 1)[-1])
    begun = datetime.now(UTC) - timedelta(hours=30)
    async with owner.begin() as db:
        of_it = update(ParkingSession).where(ParkingSession.id == stay_id)
        await db.execute(of_it.values(started_at=begun))
    assert await unended.end_all(transactions, app.state.payments.books, now=datetime.now(UTC)) == 1
    await driver.reload()
    await expect(driver.locator("main")).to_contain_text("berakhir sendiri setelah 24 jam")
    await expect(driver.get_by_role("button", name="Bayar")).to_be_visible()
    await screens.examine(driver, "unended-stay")
    office = await sign_in(screens, sample.OFFICER, PASSWORD)
    await office.goto("/office/cases")
    await office.locator("#kasus a").click()
    await office.get_by_label("Apa yang dilakukan").fill("pergi pukul 9")
    await office.get_by_label("Kata sandi").fill(PASSWORD)
    await office.get_by_role("button", name="Usulkan").click()
    office = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await office.goto(f"/office/unended-stays/{stay_id}")
    await screens.examine(office, "unended-case")
    await office.get_by_label("Kata sandi").fill(CHECKER_PASSWORD)
    await office.get_by_role("button", name="Setujui").click()
    await expect(office.get_by_role("status")).to_have_text("selesai")
    await driver.goto(f"/s/{stay_id}")
    await expect(driver.locator("main")).to_contain_text("Tidak ada yang perlu dibayar")
    await screens.examine(driver, "unended-closed")


async def test_the_public_reads_answers_page_by_page(
    screens: Screens, transactions: Transactions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaint_pages, "A_PAGE", 3)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        checker = await identity.officer_named(db, sample.CHECKER)
        spot = await spots.find(db, "PSR-001-U")
        kinds = [kind for kind in ComplaintKind if kind is not ComplaintKind.NOTICE]  # needs one
        for number, kind in enumerate(kinds):
            told = Told(kind, story="x", spot_id=spot.id if number % 2 else None)
            made = await complaints.take(db, told, due_on=now.date(), now=now)
            if number < 6:
                words = f"Jawaban {number}: papan tarif dipasang lagi."
                outcome = list(ComplaintOutcome)[number % 3]
                await complaints.answer(db, officer, made.id, words, None, now=now)
                await complaints.answer(db, checker, made.id, words, outcome, publish=True, now=now)
    page = await screens.open("/pengaduan", PHONE)
    await page.get_by_role("link", name="Jawaban atas pengaduan lain").click()
    await expect(page.locator("main .written")).to_have_count(3)
    await screens.examine(page, "answers")
    await page.get_by_role("link", name="Lebih lama").click()
    await expect(page.locator("main .written")).to_have_count(3)
    await expect(page.get_by_role("link", name="Lebih lama")).to_have_count(0)
    office = await sign_in(screens, sample.OFFICER, PASSWORD)
    await office.goto("/office/complaints")
    await office.locator("a", has_text="ADU-").first.click()
    await screens.examine(office, "complaint-to-answer")


async def test_a_spots_page_hands_its_spot_to_the_check_of_signs(screens: Screens) -> None:
    page = await screens.open("/p/PSR-001-U", PHONE)
    await page.get_by_role("link", name="Periksa tanda").click()
    await expect(page.locator("input[name=spot]")).to_have_value("PSR-001-U")


async def test_the_registry_shows_how_a_sign_hangs_and_which_one_fell_silent(
    screens: Screens, transactions: Transactions, now: datetime, tmp_path: Path
) -> None:
    async with transactions.begin() as db:
        await sample.hang_signs(db, "uji", now=now)
        spot = await spots.find(db, "PSR-001-U")
        db.add(SignCase(spot_id=spot.id, fault=SILENT, owner=OWNER, opened_at=now))
    photo = tmp_path / "tanda.jpg"
    photo.write_bytes(jpeg((1600, 900)))
    office = await sign_in(screens, sample.OFFICER, PASSWORD)
    await office.goto("/office/signs")
    await expect(office.locator("main")).to_contain_text("tidak dipindai lagi")
    await screens.examine(office, "silent-sign")
    await office.goto("/office/signs/PSR-001-U")
    form = office.locator("form[action$='/photo']")
    await form.locator("input[type=file]").set_input_files(photo)
    await form.get_by_label("Kata sandi").fill(PASSWORD)
    await form.get_by_role("button", name="Simpan foto").click()
    await expect(office.locator("img.photo")).to_be_visible()
    await screens.examine(office, "sign-photo")
