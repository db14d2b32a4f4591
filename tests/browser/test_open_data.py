"""The page of open data in Chromium: readable on any phone, in both languages; its files come."""

from playwright.async_api import expect

from domain.parking import spot_code
from server.database import Transactions
from server.spots import service as spots
from tests.browser.screen import DESK, PHONE, SMALL_PHONE, Screens, left_in_bahasa


async def test_the_page_lists_every_dataset_and_its_files(screens: Screens) -> None:
    page = await screens.open("/open-data")
    await screens.examine(page, "open-data")
    assert await page.get_by_role("heading", level=3).count() == 6
    for link in await page.locator('a[href^="/open-data/"]').all():
        answer = await page.request.get(await link.get_attribute("href") or "")
        assert answer.ok, answer.url
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    assert left_in_bahasa(await page.locator("body").inner_text()) == []


async def test_people_find_where_to_park_without_a_script(
    screens: Screens, transactions: Transactions
) -> None:
    for size in (SMALL_PHONE, PHONE, DESK):
        page = await screens.open("/p", size, scripts=False)
        await page.get_by_role("link", name="Di mana bisa parkir").click()
        if size == SMALL_PHONE:
            await page.get_by_role("link", name="English").click()
            await expect(page.locator("html")).to_have_attribute("lang", "en")
            assert left_in_bahasa(await page.locator("body").inner_text()) == []
        await page.get_by_role("link", name="Pasar Contoh").click()
        await page.get_by_role("link", name="PSR-001-U").click()
        await page.wait_for_url("**/p/PSR-001-U")
    for path, name in (("/peta", "map"), ("/peta/PSR", "map-zone")):
        page = await screens.open(path)
        await screens.examine(page, name)
    many = [
        ",".join(
            ("PSR", "Pasar Contoh", spot_code("PSR", n), f"Jl. Contoh {n}", "-2.5", "113", "no")
        )
        for n in range(500, 650)
    ]
    async with transactions.begin() as db:
        await spots.import_spots(db, "\n".join((",".join(spots.SPOT_FILE_COLUMNS), *many)))
    answer = await page.request.get("/peta/PSR")
    assert len(await answer.body()) < 30_000
    page = await screens.open("/peta/PSR?page=2")
    await expect(page.locator("tbody tr")).to_have_count(58)
