"""Two officers change a tariff in Chromium: one proposes tried prices, the other decides."""

import json
from datetime import date, timedelta
from typing import Any

import httpx
from playwright.async_api import expect
from sqlalchemy import delete

from server import sample
from server.database import Transactions, new_id
from server.spots import service as spots
from server.spots.models import Tariff
from tests.browser.screen import Screens
from tests.browser.test_closing import press, sign_in_checker
from tests.browser.test_office import day_end, sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

__all__ = ["day_end"]


HOLIDAY = {"from": "00:00", "until": "24:00", "weekdays": [], "holidays": True, "amount_rp": 1}


async def test_tried_prices_are_proposed_and_approved(
    screens: Screens, day_end: dict[str, Any], transactions: Transactions
) -> None:
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto("/office/tariffs/PSR/preview?car_amount_rp=5000")
    await maker.locator("[name=car_holiday_first_rp]").fill("8000")
    await maker.get_by_role("button", name="Hitung").click()
    car = maker.locator("form li", has_text="Mobil")
    await expect(car).to_contain_text("00.00–24.00 (hari libur): Rp8.000")
    await expect(car).to_contain_text("Rp5.000")
    days = maker.get_by_label("Hari libur: tanggal dan nama")
    assert "-12-25 Hari Raya Natal" in await days.input_value()
    await days.fill("2098-12-25 Hari Raya Natal\n\n2099-04-21  Hari jadi")
    await maker.get_by_label("Peraturan dan pasalnya").fill("Perda Uji 3/2026 Pasal 4")
    await maker.get_by_label("Alasan").fill("penyesuaian harga")
    day = maker.get_by_label("Berlaku mulai")
    first = date.fromisoformat(await day.input_value()) + timedelta(days=7)
    await day.fill(str(first))
    await screens.examine(maker, "tariff-propose")
    await press(maker, "Usulkan", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("menunggu keputusan")
    await screens.examine(maker, "tariff-proposal-own")
    await checker.goto("/office/tariffs")
    await screens.examine(checker, "tariffs-proposed")
    await checker.locator("tbody").first.get_by_role("link", name="Pasar Contoh").click()
    await expect(checker.locator("tfoot .number")).to_have_text(
        ["2", "Rp6.000", "Rp7.000", "Rp1.000"]
    )
    await checker.get_by_label("Alasan").fill("sesuai perda")
    await expect(checker.get_by_text("2 hari libur, yang terakhir")).to_be_visible()
    await expect(checker.locator("dd details li")).to_have_text(
        ["25 Des 2098: Hari Raya Natal", "21 Apr 2099: Hari jadi"]
    )
    await expect(checker.locator("dd details li").first).to_be_visible()
    await screens.examine(checker, "tariff-decide")
    await press(checker, "Setujui tarif", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("disetujui")
    await screens.examine(checker, "tariff-approved")
    await checker.goto("/office/tariffs")
    await screens.examine(checker, "tariffs-with-holidays")
    async with transactions.begin() as db:
        [version] = [
            version for zone, version in await spots.tariffs_from(db, first) if zone == "PSR"
        ]
    assert (version["valid_from"], version["rates"]["car"]["amount_rp"]) == (str(first), 5000)
    assert version["holidays"] == {"2098-12-25": "Hari Raya Natal", "2099-04-21": "Hari jadi"}


async def test_a_first_tariff_begins_with_the_prices_of_another_zone(
    screens: Screens, owner: Transactions
) -> None:
    async with owner.begin() as db:
        zone = await spots.zone_id(db, "PSR")
        await db.execute(delete(Tariff).where(Tariff.zone_id == zone))
    maker = await sign_in(screens)
    await maker.goto("/office/tariffs")
    await maker.get_by_role("link", name="Susun tarif pertama Pasar Contoh").click()
    await expect(maker.locator("form li", has_text="Mobil")).to_contain_text("Rp0 sekali parkir")
    await maker.get_by_label("Mulai dari harga zona").select_option("RSU")
    await maker.get_by_role("button", name="Pakai harga itu").click()
    await maker.wait_for_url("**like=RSU**")
    await maker.locator("[name=car_first_hour_rp]").fill("4500")
    await maker.get_by_role("button", name="Hitung").click()
    await expect(maker.locator("form li", has_text="Mobil")).to_contain_text("Rp4.500 jam pertama")
    await screens.examine(maker, "tariff-first")
    await maker.get_by_label("Peraturan dan pasalnya").fill("Perda Uji 3/2026 Pasal 4")
    await maker.get_by_label("Alasan").fill("zona baru")
    await press(maker, "Usulkan", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("menunggu keputusan")
    await maker.get_by_label("Alasan").fill("keliru")
    await press(maker, "Tarik usulan", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("ditarik")


async def test_forms_are_refused_in_words_or_shown_with_all_their_prices(
    api: httpx.AsyncClient,
) -> None:
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    form = {"regulation": "Uji", "reason": "uji", "valid_from": "2099-01-01", "password": PASSWORD}
    for version in ("", "x", "[]", "{}", '{"rates": 1}', "[" * 20_000):
        answer = await api.post("/office/tariffs/PSR/proposals", data=form | {"version": version})
        assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request")
    night = {"from": "22:00", "until": "05:00", "amount_rp": 9000, "weekdays": [6, 7]}
    rate = {"kind": "flat", "amount_rp": 7000, "bands": [night]}
    version = {"regulation": "-", "valid_from": "2000-01-01", "rates": {"car": rate}}
    told = form | {"version": json.dumps(version)}
    made = await api.post("/office/tariffs/PSR/proposals", data=told)
    page = (await api.get(made.headers["location"])).text
    assert "22.00–05.00 (Sab, Min): Rp9.000" in page
    assert "Motor tidak lagi punya harga." in page
    again = await api.post("/office/tariffs/PSR/proposals", data=told)
    assert (again.status_code, again.json()["slug"]) == (409, "tariff-proposal-open")
    answer = await api.get(f"/office/tariffs/proposals/{new_id()}")
    assert (answer.status_code, answer.json()["slug"]) == (404, "tariff-proposal-not-found")


async def test_holidays_are_told_by_date_and_name_each_once(api: httpx.AsyncClient) -> None:
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    rate = {"kind": "flat", "amount_rp": 7000, "bands": [HOLIDAY]}
    told = {"regulation": "-", "valid_from": "2000-01-01", "rates": {"car": rate}}
    version = json.dumps(told | {"holidays": {"2099-12-25": "Natal"}})
    form = {"regulation": "Uji", "reason": "uji", "valid_from": "2099-01-01", "password": PASSWORD}
    for days in ("25-12-2099 Natal", "2099-12-25", "2099-12-25 Natal\n2099-12-25 Natal", " \n "):
        answer = await api.post(
            "/office/tariffs/PSR/proposals", data=form | {"version": version, "holidays": days}
        )
        assert (answer.status_code, answer.json()["slug"]) == (422, "holiday-unfit")
    long = "\n".join(f"{date(2099, 1, 1) + timedelta(days=n)} {'x' * 80}" for n in range(300))
    made = await api.post(
        "/office/tariffs/PSR/proposals", data=form | {"version": version, "holidays": long}
    )
    assert made.status_code == 303
