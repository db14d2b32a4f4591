"""A batch of vouchers in Chromium: proposed, agreed to by another, taken out and partly voided."""

from typing import Any

from playwright.async_api import expect

from tests.browser.screen import Screens
from tests.browser.test_closing import press, show_password, sign_in_checker
from tests.browser.test_office import day_end, sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

__all__ = ["day_end"]


async def test_a_batch_is_issued_printed_and_voided_by_two(
    screens: Screens, day_end: dict[str, Any]
) -> None:
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto("/office/vouchers")
    await maker.get_by_label("Penjual, yang berutang nilainya").fill("Koperasi Pasar")
    await maker.get_by_label("Berapa voucher").fill("12")
    await maker.get_by_label("Nilai satu voucher (rupiah)").fill("5000")
    await maker.get_by_label("Hari terakhir").fill("2098-12-31")
    await maker.get_by_label("Alasan").fill("stok triwulan")
    await press(maker, "Usulkan penerbitan", PASSWORD)
    status = maker.get_by_role("status")
    await expect(status).to_have_text("menunggu keputusan")
    await screens.examine(maker, "voucher-proposal-own")
    await checker.goto("/office")
    await checker.get_by_role("link", name="Voucher: Koperasi Pasar").click()
    await screens.examine(checker, "voucher-decide")
    await checker.get_by_label("Alasan").fill("sesuai permintaan")
    await press(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("disetujui")
    await maker.goto("/office/vouchers/1")
    await screens.examine(maker, "voucher-batch")
    form = maker.locator("form", has=maker.get_by_role("heading", name="Unduh untuk dicetak"))
    await show_password(maker, PASSWORD)
    async with maker.expect_download() as coming:
        await form.get_by_role("button", name="Unduh (PDF)").click()
    assert (await coming.value).suggested_filename == "voucher-0001-1-12.pdf"
    await maker.reload()
    await expect(maker.get_by_role("row", name="1-12")).to_contain_text("PDF")
    void = maker.locator("form", has=maker.get_by_role("heading", name="Usulkan pembatalan"))
    await void.get_by_label("Dari nomor").fill("11")
    await void.get_by_label("Alasan").fill("tas hilang")
    await void.get_by_label("Sampai nomor").fill("12")
    await show_password(maker, PASSWORD)
    await void.get_by_role("button", name="Usulkan pembatalan").click()
    await expect(status).to_have_text("menunggu keputusan")
    await checker.goto(maker.url)
    await expect(checker.get_by_text("Rp10.000")).to_be_visible()
    await screens.examine(checker, "voucher-void-decide")
    await checker.get_by_label("Alasan").fill("benar hilang")
    await press(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("disetujui")
    await maker.goto("/office/vouchers")
    row = maker.get_by_role("row", name="0001")
    await expect(row.last).to_contain_text("Rp50.000")
    await screens.examine(maker, "vouchers")
