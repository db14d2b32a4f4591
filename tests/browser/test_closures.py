"""An officer closes a street in Chromium: the driver's page, the map and the first page say so."""

from playwright.async_api import expect

from server import sample
from server.database import Transactions
from server.spots import geojson
from tests.browser.screen import DESK, Screens
from tests.browser.test_afterwards import sign_in
from tests.browser.test_closing import press
from tests.server.cluster import CHECKER_PASSWORD
from tests.server.spots.test_geojson import file, outline

PHONES_AND_DESK = ((320, 568), (390, 844), DESK)


async def test_a_zone_is_closed_and_opened_again(
    screens: Screens, transactions: Transactions
) -> None:
    ring = [[112.94, -2.545], [112.96, -2.545], [112.96, -2.53], [112.94, -2.53], [112.94, -2.545]]
    async with transactions.begin() as db:
        await geojson.import_features(db, file(outline([ring], zone="PSR")))
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/closures")
    await expect(page.locator("main")).to_contain_text("Tidak ada penutupan.")
    await page.get_by_label("Zona yang ditutup").select_option("PSR")
    await page.get_by_label("Sebab").select_option("event")
    await page.get_by_label("Catatan").fill("pawai budaya")
    await screens.examine(page, "closures-none")
    await press(page, "Tutup", CHECKER_PASSWORD)
    row = page.locator("tbody tr").first
    await expect(row).to_contain_text("seluruh zona")
    await expect(row).to_contain_text("ada acara: pawai budaya")
    await screens.examine(page, "closures-now", sizes=PHONES_AND_DESK)

    await page.goto("/office/map?zone=PSR")
    await expect(page.locator("tbody tr").first).to_contain_text("ditutup")
    await expect(page.locator("#map .zone-outline")).to_have_count(1)
    await screens.examine(page, "closures-map", sizes=((390, 844), DESK))
    await page.goto("/p/PSR-001-U")
    await expect(page.get_by_role("alert")).to_contain_text("Jangan parkir dan jangan membayar")
    assert await page.locator("main form").count() == 0
    await screens.examine(page, "spot-closed", sizes=PHONES_AND_DESK)
    await page.get_by_role("listitem").get_by_role("link").first.click()
    await expect(page.locator("main form")).to_be_visible()

    await page.goto("/office")
    closed = page.locator(".card", has_text="Titik yang sedang ditutup")
    await expect(closed.locator(".figure")).not_to_have_text("0")
    await closed.get_by_role("link").click()
    await page.get_by_text("Buka Pasar Contoh kembali").click()
    await page.get_by_label("Alasan").fill("pawai selesai")
    await press(page, "Buka kembali", CHECKER_PASSWORD)
    await page.wait_for_url("**when=past")
    await expect(page.locator("tbody")).to_contain_text("pawai selesai")
    await screens.examine(page, "closures-past", sizes=((390, 844), DESK))
    await page.goto("/p/PSR-001-U")
    await expect(page.locator("main form")).to_be_visible()
