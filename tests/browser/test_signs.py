"""Signs in Chromium: what a driver reads of a wrong one, and the office's registry."""

import hashlib
from dataclasses import replace
from datetime import datetime

import httpx
import pypdfium2
from fastapi import FastAPI
from playwright.async_api import FilePayload, Page, expect
from sqlalchemy import select

from domain import sign_link
from domain.parking import spot_code
from domain.sign import SignEvent
from server import sample
from server.database import Transactions
from server.inspection import signs as posted_codes
from server.payments.books import Books
from server.reports.models import ReportDownload
from server.spots import service as spots
from server.spots import signs
from tests.browser.screen import DESK, PHONE, Screens
from tests.browser.test_closing import show_password
from tests.browser.test_refunds import sign_in
from tests.server.cluster import PASSWORD
from tests.server.inspection.test_signs import posted

SPOT = "PSR-001-U"


async def test_a_driver_reads_that_a_sign_is_wrong_and_an_officer_changes_it(
    screens: Screens, transactions: Transactions, books: Books, now: datetime
) -> None:
    assert books.seal is not None
    async with transactions.begin() as db:
        await sample.hang_signs(db, books.seal.key_id, now=now)
        spot = await spots.find(db, SPOT)
        await signs.change(db, spot.id, 1, SignEvent.DAMAGED, "uji", "tergores", now=now)
    link = sign_link.make(books.seal, "", SPOT, 1)
    for name, path in (("genuine", link), ("forged", link[:-1] + str(9 - int(link[-1])))):
        page = await screens.open(path, PHONE)
        await expect(page.get_by_role("alert")).to_have_count(0 if name == "genuine" else 1)
        await screens.examine(page, f"sign-{name}")
        await page.get_by_role("button").first.click()
        await page.wait_for_url("**/c/*")
    english = await screens.open(f"{path}&lang=en", PHONE)
    await expect(english.get_by_role("alert")).to_contain_text("This sign is not ours")
    await english.context.close()

    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/signs")
    await screens.examine(page, "office-signs")
    await page.get_by_role("link", name=SPOT).click()
    await expect(page.get_by_role("status")).to_have_text("versi 1: rusak")
    form = page.locator("form", has=page.get_by_role("button", name="Terpasang"))
    await form.get_by_label("Letak").fill("tiang di depan toko nomor 4")
    await form.get_by_label("Alasan").fill("pelat baru")
    await form.get_by_label("Kata sandi").fill(PASSWORD)
    await form.get_by_role("button", name="Terpasang").click()
    await expect(page.get_by_role("status")).to_have_text("versi 1: terpasang")
    await expect(page.get_by_role("main")).to_contain_text("pelat baru")
    await screens.examine(page, "office-sign")


NEW = "zone,zone_name,spot,place,latitude,longitude,exclusive\n"


def of_zone(code: str, place: str) -> str:
    return f"PSR,Pasar Contoh,{code},{place},-2.53,112.95,no\n"


async def choose(page: Page, label: str, name: str, content: str, button: str) -> None:
    """Give a form a file, with the password where it asks for it, and send it."""
    form = page.locator("form", has=page.get_by_label(label))
    file: FilePayload = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    await form.get_by_label(label).set_input_files([file])
    async with page.expect_navigation():
        await form.get_by_role("button", name=button, exact=True).click()


async def test_spots_are_taken_in_as_they_were_previewed(
    screens: Screens, api: httpx.AsyncClient, transactions: Transactions
) -> None:
    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/spots?zone=PSR")
    await screens.examine(page, "spots-to-manage")
    first, new = spot_code("PSR", 1), spot_code("PSR", 901)
    wrong = NEW + of_zone(first, "Kios") + of_zone("PSR-901-0", "X") + of_zone(new, "")
    await choose(page, "Berkas titik parkir", "titik.csv", wrong, "Pratinjau titik")
    await expect(page.get_by_role("alert")).to_contain_text("Tidak ada yang disimpan")
    await expect(page.locator("main li")).to_contain_text(["baris 3", "baris 4"])
    await screens.examine(page, "spot-file-refused", english=False)
    good = NEW + of_zone(first, "Kios baru") + of_zone(new, "Depan toko")
    await choose(page, "Pilih ", "titik.csv", good, "Pratinjau")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.get_by_role("status")).to_contain_text("1 baru dan 1 diubah")
    await screens.examine(page, "spot-file", english=False)
    async with transactions.begin() as db:
        assert new not in await spots.find_all(db, [new]), "a preview stores nothing"
    sha256 = await page.locator("[name=sha256]").get_attribute("value")
    await show_password(page, PASSWORD)
    await choose(page, "Pilih ", "titik.csv", good, "Masukkan")
    await expect(page.get_by_role("status")).to_contain_text("2 baris; 1 baru, 1 diubah")
    await screens.examine(page, "spot-files")
    await page.goto("/office/spots/files?kind=codes&taken=01900000-0000-7000-8000-000000000001")
    await expect(page.locator("tbody")).to_contain_text("Belum ada berkas")
    await expect(page.get_by_role("status")).to_have_count(0)
    async with transactions.begin() as db:
        assert (await spots.find(db, new)).place == "Depan toko"
        assert (await spots.find(db, first)).place == "Kios baru"
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    for told, content, slug in (
        ({"sha256": sha256}, good + "\n", "file-not-previewed"),
        ({}, good, "file-not-previewed"),
        ({"sha256": hashlib.sha256(b"\xff").hexdigest()}, b"\xff", "file-not-taken"),
    ):
        answer = await api.post(
            "/office/spots/files/spots",
            data={"password": PASSWORD, **told},
            files={"file": ("titik.csv", content)},
        )
        assert (answer.status_code, answer.json()["slug"]) == (422, slug)


async def test_posted_codes_are_registered_as_they_were_previewed(
    screens: Screens, transactions: Transactions
) -> None:
    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/spots")
    code = f"spot,qris\n{SPOT},{posted()}\n"
    await choose(page, "Berkas kode", "kode.csv", code, "Pratinjau kode")
    await expect(page.get_by_role("status")).to_contain_text("1 baru dan 0 tidak berlaku lagi")
    await show_password(page, PASSWORD)
    await choose(page, "Pilih ", "kode.csv", code, "Masukkan")
    await expect(page.get_by_role("status")).to_contain_text("1 baris; 1 baru")
    async with transactions.begin() as db:
        [known] = await posted_codes.posted(db)
    assert (known.spot_code, known.retired) == (SPOT, False)


async def test_signs_are_printed_from_the_page_and_stand_in_the_registry(
    app: FastAPI, screens: Screens, transactions: Transactions
) -> None:
    wired = app.state.payments
    named = wired.settings.model_copy(update={"merchant_name": "PARKIR CONTOH"})
    app.state.payments = replace(wired, settings=named)
    page = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await page.goto("/office/spots?zone=PSR")
    for code in (SPOT, spot_code("PSR", 2)):
        await page.get_by_label(f"Pilih {code}").check()
    await page.get_by_label("Ukuran sesudah dipotong").select_option("sticker")
    await page.get_by_label("Alasan").fill("pertama")
    await show_password(page, PASSWORD)
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Unduh PDF").click()
    path = await (await started.value).path()
    with pypdfium2.PdfDocument(path) as document:
        assert len(document) == 2
        assert "PARKIR CONTOH" in document[0].get_textpage().get_text_range()
    async with transactions.begin() as db:
        assert set(await signs.newest(db)) == {SPOT, spot_code("PSR", 2)}
        [taken] = (await db.scalars(select(ReportDownload))).all()
    assert (taken.who, taken.report, taken.row_count) == (sample.OFFICER, "tanda", 2)
    assert taken.sha256 == hashlib.sha256(path.read_bytes()).digest()
