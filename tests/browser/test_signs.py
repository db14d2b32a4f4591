"""Signs in Chromium: what a driver reads of a wrong one, and the office's registry."""

from datetime import datetime

from playwright.async_api import expect

from domain import sign_link
from domain.sign import SignEvent
from server import sample
from server.database import Transactions
from server.payments.books import Books
from server.spots import service as spots
from server.spots import signs
from tests.browser.screen import DESK, PHONE, Screens
from tests.browser.test_refunds import sign_in
from tests.server.cluster import PASSWORD

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
