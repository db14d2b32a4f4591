"""Money that the bank did not name, in Chromium: two officers say whose it is."""

import re
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import FastAPI
from playwright.async_api import expect

from domain.mdr import MerchantCriteria
from server import sample
from server.database import Transactions
from server.limits import RateLimit
from server.payments.books import Books
from tests.browser.screen import DESK, Screens
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.reconciliation.test_discrepancies import AT
from tests.server.reconciliation.test_service import DAY, booked, line, settlement, statement
from tests.server.reconciliation.test_strays import STRANGER, returned
from tests.server.reconciliation.test_ties import NAMELESS, Ties

AFTER = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


async def test_a_nameless_credit_is_matched_with_its_batch_by_two_officers(
    screens: Screens, app: FastAPI, transactions: Transactions, books: Books
) -> None:
    app.state.office_limit = RateLimit(10_000)
    office = Ties(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), AFTER)
    await office.book([booked(1, AT), booked(2, AT, 3000)])
    await office.settle(settlement(line(1, AT), line(2, AT, batch="BCH-A2", gross_rp=3000)))
    await office.bank(statement(DAY, (2000, NAMELESS)))
    await office.reconcile()
    place = f"/office/cases/{(await office.held()).id}"

    maker = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await maker.goto(place)
    await expect(maker.locator("main")).to_contain_text(NAMELESS)
    await screens.examine(maker, "movement-open")
    await maker.get_by_label("uang batch atau slip").check()
    await maker.locator("select[name=pays]").select_option("BCH-A1")
    await maker.get_by_label("Alasan").fill("bukti transfer dari acquirer")
    await confirm(maker, "Usulkan", PASSWORD)
    await expect(maker.locator("main")).to_contain_text("Menunggu keputusan verifikator")
    await expect(maker.locator("dl.facts")).to_contain_text("dua petugas, BCH-A1: bukti")

    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD, DESK)
    await checker.goto(place)
    await screens.examine(checker, "movement-proposed")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("selesai: dicocokkan oleh dua petugas")
    # Who wrote no note has what was decided told in words.
    history = checker.locator("td.written", has_text=re.compile("^dicocokkan oleh dua petugas$"))
    await expect(history).to_have_count(1)
    await screens.examine(checker, "movement-matched", english=False)
    await office.reconcile()
    await checker.goto("/office/cases?kind=discrepancy")
    await expect(checker.locator("#kasus tbody tr")).to_have_count(1)  # BCH-A2 alone

    await maker.goto(place)
    await maker.get_by_label("Alasan").fill("salah batch")
    await confirm(maker, "Buka lagi kasus ini", PASSWORD)
    await screens.examine(maker, "movement-reopened")
    await maker.get_by_label("Penyelesaian").select_option("taken_back")
    await maker.get_by_label("Alasan").first.fill("salah batch")
    await confirm(maker, "Usulkan", PASSWORD)
    await checker.goto(place)
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("terbuka")


async def test_a_strangers_money_is_given_back_by_two_officers(
    screens: Screens, app: FastAPI, transactions: Transactions, books: Books
) -> None:
    app.state.office_limit = RateLimit(10_000)
    office = Ties(transactions, books, AFTER)
    await office.bank(statement(DAY, (25_000, STRANGER)))
    came = await office.held()
    maker = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await maker.goto(f"/office/cases/{came.id}")
    await maker.get_by_label("bukan uang kita").check()
    await maker.get_by_label("Alasan").fill("pengirim minta kembali")
    await confirm(maker, "Usulkan", PASSWORD)
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD, DESK)
    await checker.goto(f"/office/cases/{came.id}")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.locator("dl.facts")).to_contain_text("Harus dikembalikanRp25.000")
    await maker.goto("/office")
    await expect(maker.locator("#dikembalikan")).to_contain_text("Rp25.000")
    await screens.examine(maker, "today-owed")
    await maker.locator("#dikembalikan").get_by_role("link").click()
    await expect(maker.locator("#kasus tbody tr")).to_have_count(1)
    await expect(maker.get_by_label("Keadaan")).to_have_value("owed")

    await office.bank(returned(25_000, "STM-2"))
    sent = await office.held()
    await maker.goto(f"/office/cases/{sent.id}")
    await screens.examine(maker, "stray-open")
    await maker.get_by_label("pengembalian uang orang lain").check()
    await maker.locator("select[name=stray]").select_option(str(came.id))
    await maker.get_by_label("Alasan").fill("surat bank")
    await confirm(maker, "Usulkan", PASSWORD)
    await checker.goto(f"/office/cases/{sent.id}")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("selesai: titipan dikirim kembali")
    await checker.get_by_role("link", name="kasus titipannya").click()
    await screens.examine(checker, "stray-returned")
    await expect(checker.get_by_role("link", name="sudah dikirim kembali")).to_be_visible()
