"""What the office looks up: tariffs and other prices, spots, attendants, the system's health."""

from typing import Any

import httpx
from playwright.async_api import expect

from server import sample
from tests.browser.screen import DESK, Screens
from tests.browser.test_afterwards import sign_in
from tests.browser.test_office import day_end
from tests.server.cluster import CHECKER_PASSWORD

__all__ = ["day_end"]


async def test_other_prices_are_tried_on_the_stays_there_were(
    screens: Screens,
    day_end: dict[str, Any],
) -> None:
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/tariffs")
    await screens.examine(page, "office-tariffs", sizes=((390, 844), DESK))
    await page.get_by_role("link", name="Coba harga lain di Pasar Contoh").click()
    total = page.locator("tfoot .number")
    await expect(total).to_have_text(["2", "Rp6.000", "Rp6.000", "Rp0"])
    await page.locator("[name=car_amount_rp]").fill("5000")
    await page.get_by_role("button", name="Hitung").click()
    await page.wait_for_url("**car_amount_rp=5000**")
    await expect(total).to_have_text(["2", "Rp6.000", "Rp7.000", "Rp1.000"])
    await screens.examine(page, "office-tariff-preview")


async def test_spots_attendants_and_the_systems_health_are_looked_up(screens: Screens) -> None:
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/spots")
    await page.get_by_label("Zona").select_option("PSR")
    await page.get_by_role("button", name="Tampilkan").click()
    await page.wait_for_url("**zone=PSR")
    await expect(page.locator("tbody")).to_contain_text("PSR-001-U")
    await expect(page.locator("tbody")).not_to_contain_text("RSU-")
    await screens.examine(page, "office-spots", sizes=((320, 568), DESK))
    await page.goto("/office/attendants")
    await expect(page.locator("tbody")).to_contain_text("J-001")
    await screens.examine(page, "office-attendants", sizes=((320, 568), DESK))
    await page.goto("/office/health")
    await expect(page.locator("h1")).to_have_text("Kesehatan sistem")
    await screens.examine(page, "office-health")


async def test_bad_prices_are_refused_in_words(api: httpx.AsyncClient) -> None:
    form = {"login": sample.CHECKER, "password": CHECKER_PASSWORD}
    await api.post("/office/sign-in", data=form)
    for bad in ("car_amount_rp=-1", "car_amount_rp=x", "car_amount_rp=99999999999"):
        answer = await api.get(f"/office/tariffs/PSR/preview?{bad}")
        assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request")
    answer = await api.get("/office/tariffs/XXX/preview")
    assert (answer.status_code, answer.json()["slug"]) == (404, "tariff-not-found")
