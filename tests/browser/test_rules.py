"""Two officers change rules in Chromium: what changes is read first, the other finds it waiting."""

from datetime import date
from typing import Any

from playwright.async_api import expect

from server.database import Transactions
from tests.browser.screen import Screens
from tests.browser.test_closing import press, sign_in_checker
from tests.browser.test_office import day_end, sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.spots.test_proposals import decide, propose

__all__ = ["day_end"]
FAR, FAR_BEFORE = date(2098, 6, 1), date(2098, 5, 1)


async def test_a_rule_is_tried_proposed_and_found_waiting_by_the_other_officer(
    screens: Screens, day_end: dict[str, Any]
) -> None:
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto("/office/rules")
    await screens.examine(maker, "rules")
    await maker.get_by_role("link", name="Usulkan perubahan: Bagi hasil").click()
    await maker.get_by_label("Bagian juru parkir").fill("120")
    await maker.get_by_label("Peraturan dan pasalnya").fill("SK Uji 7")
    await maker.get_by_label("Berlaku mulai").fill("2099-01-01")
    see = maker.get_by_role("button", name="Lihat apa yang berubah")
    await see.click()
    await expect(maker.get_by_role("alert")).to_contain_text("Permintaan tidak sah")
    await maker.get_by_label("Bagian juru parkir").fill("37,5")
    await see.click()
    changes = maker.locator("#perubahan li")
    await expect(changes).to_have_count(2)
    await expect(changes.first).to_contain_text("juru parkir 37,5 %, daerah 62,5 %")
    await expect(changes.last).to_contain_text("Berakhir 31 Des 2098")
    await screens.examine(maker, "rule-new")
    await maker.get_by_label("Alasan").fill("kesepakatan baru")
    await press(maker, "Usulkan", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("menunggu keputusan")
    await screens.examine(maker, "rule-proposal-own")
    await maker.goto("/office")
    await expect(maker.locator("#keputusan")).to_have_count(0)
    await checker.goto("/office")
    await expect(checker.locator("#keputusan")).to_have_text("Menunggu keputusan Anda: 1")
    await screens.examine(checker, "today-awaited")
    await checker.get_by_role("link", name="Aturan: Bagi hasil").click()
    await screens.examine(checker, "rule-decide")
    await checker.get_by_label("Alasan").fill("sesuai SK")
    await press(checker, "Setujui aturan", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("disetujui")
    await checker.goto("/office/rules")
    await expect(checker.get_by_role("row", name="37,5 %")).to_contain_text("akan datang")
    await checker.get_by_role("link", name="Perubahan aturan").click()
    await expect(checker.get_by_role("row", name="37,5 %")).to_contain_text("sesuai SK")
    await screens.examine(checker, "rule-changes")


async def test_a_price_of_passes_is_proposed_beside_the_one_it_ends(
    screens: Screens, day_end: dict[str, Any]
) -> None:
    maker = await sign_in(screens)
    await maker.goto("/office/rules/new/exemption")
    await screens.examine(maker, "rule-exemption")
    await maker.goto("/office/rules")
    await maker.get_by_role("link", name="Usulkan perubahan: Harga langganan").click()
    await maker.get_by_label("Kode").fill("mobil-1")
    await maker.get_by_label("Jenis kendaraan").select_option("car")
    await maker.get_by_label("Harga").fill("75000")
    await maker.get_by_label("Peraturan dan pasalnya").fill("Perda Uji 9")
    await maker.get_by_label("Berlaku mulai").fill("2099-01-01")
    await maker.get_by_role("button", name="Lihat apa yang berubah").click()
    changes = maker.locator("#perubahan li")
    await expect(changes).to_have_count(2)
    await expect(changes.first).to_contain_text("Langganan mobil 1 bulan, seluruh kabupaten: Rp75.")
    await expect(changes.last).to_contain_text("Berakhir 31 Des 2098")
    await screens.examine(maker, "rule-pass-price")
    await maker.get_by_label("Alasan").fill("harga baru")
    await press(maker, "Usulkan", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("menunggu keputusan")


async def test_a_tariff_to_come_is_taken_back(
    screens: Screens, day_end: dict[str, Any], transactions: Transactions
) -> None:
    await decide(transactions, await propose(transactions, first=FAR), today=FAR_BEFORE)
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto("/office/tariffs")
    await maker.get_by_role("link", name="Tarik kembali tarif mulai 1 Jun 2098").click()
    await expect(maker.locator("#perubahan")).to_contain_text("ditarik kembali")
    await screens.examine(maker, "tariff-back")
    await maker.get_by_label("Alasan").fill("keliru")
    await press(maker, "Usulkan", PASSWORD)
    await checker.goto(maker.url)
    await checker.get_by_label("Alasan").fill("benar keliru")
    await press(checker, "Setujui aturan", CHECKER_PASSWORD)
    await checker.goto("/office/tariffs")
    await expect(checker.get_by_role("row", name="1 Jun 2098 –").first).to_contain_text(
        "ditarik kembali"
    )
    await screens.examine(checker, "tariffs-taken-back")
