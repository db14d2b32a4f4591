"""A case in Chromium, from the inbox to its end by two officers, and opened again."""

from datetime import datetime

from playwright.async_api import expect

from server import sample
from server.database import Transactions
from tests.browser.screen import DESK, Screens
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.office.test_casework import SUBJECT, differ, sign_case


async def test_a_difference_is_given_noted_proposed_decided_and_opened_again(
    screens: Screens, transactions: Transactions, now: datetime
) -> None:
    await differ(transactions, now, (0, -2000), (9, -4000))
    sign = await sign_case(transactions, now)
    maker = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await maker.goto(f"/office/sign-cases/{sign}")
    await screens.examine(maker, "sign-case")
    await maker.get_by_role("link", name="Kasus", exact=True).first.click()
    await expect(maker.locator("#kasus tbody tr")).to_have_count(3)
    await screens.examine(maker, "cases-inbox")
    await maker.get_by_label("Umur").select_option("8-")
    await maker.get_by_role("button", name="Tampilkan").click()
    await expect(maker.locator("#kasus tbody tr")).to_have_count(1)
    await maker.get_by_role("link", name=SUBJECT.format(1)).click()
    await expect(maker.get_by_role("status")).to_have_text("terbuka")
    await screens.examine(maker, "case-open")
    checker_label = await maker.locator("option", has_text="verifikator").first.inner_text()
    await maker.get_by_label("Serahkan kepada").select_option(label=checker_label)
    await maker.get_by_role("button", name="Serahkan").click()
    await expect(maker.locator("#pekerjaan strong")).to_contain_text(checker_label.split(" (")[0])
    await maker.get_by_label("Catatan baru").fill("Acquirer menyatakan transaksi ini gagal.")
    await maker.get_by_role("button", name="Simpan catatan").click()
    await expect(maker.locator(".written").first).to_contain_text("Acquirer menyatakan")
    await maker.get_by_label("Alasan").fill("surat acquirer nomor 12")
    await confirm(maker, "Usulkan", PASSWORD)
    await expect(maker.locator("main")).to_contain_text("Menunggu keputusan verifikator")
    await expect(maker.get_by_role("button", name="Setujui")).to_have_count(0)
    await screens.examine(maker, "case-proposed", english=False)
    place = maker.url.partition("#")[0]

    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD, DESK)
    await checker.goto("/office/cases?whose=mine")
    await checker.get_by_role("link", name=SUBJECT.format(1)).click()
    await screens.examine(checker, "case-to-decide", english=False)
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("selesai: dihapuskan sebagai kerugian")

    await maker.goto(place)
    await maker.get_by_label("Alasan").fill("uangnya datang")
    await confirm(maker, "Buka lagi kasus ini", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("terbuka")
    await expect(maker.locator("main")).to_contain_text("masih dibukukan")
    await screens.examine(maker, "case-reopened")
    for step in ("diserahkan kepada", "diusulkan", "disetujui, selesai", "dibuka lagi"):
        await expect(maker.locator("main table").last).to_contain_text(step)
