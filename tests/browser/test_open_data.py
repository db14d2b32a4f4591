"""The page of open data in Chromium: readable on any phone, in both languages; its files come."""

import pytest
from playwright.async_api import expect

from tests.browser.screen import DESK, PHONE, SMALL_PHONE, Screens, left_in_bahasa


@pytest.mark.parametrize("size", [SMALL_PHONE, PHONE, DESK])
async def test_the_page_lists_every_dataset_and_its_files(
    screens: Screens, size: tuple[int, int]
) -> None:
    page = await screens.open("/open-data", size)
    await screens.examine(page, "open-data")
    assert await page.get_by_role("heading", level=3).count() == 5
    if size == PHONE:
        for link in await page.locator('a[href^="/open-data/"]').all():
            answer = await page.request.get(await link.get_attribute("href") or "")
            assert answer.ok, answer.url
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    assert left_in_bahasa(await page.locator("body").inner_text()) == []
