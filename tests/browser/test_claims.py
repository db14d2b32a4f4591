"""What waits for an acquirer or a bank, in Chromium: a claim of a fee, an STS that came short."""

from dataclasses import replace
from datetime import UTC, datetime

from fastapi import FastAPI
from playwright.async_api import expect

from domain.mdr import MerchantCriteria
from server import sample
from server.database import Transactions
from server.limits import RateLimit
from server.payments.books import Books
from server.reconciliation.discrepancies import Resolution
from tests.browser.screen import DESK, Screens
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_claims import Claims
from tests.server.reconciliation.test_discrepancies import AT
from tests.server.reconciliation.test_remittances import approve, make
from tests.server.reconciliation.test_rkud import MONDAY, RKUD, at_rkud
from tests.server.reconciliation.test_service import DAY, booked, line, settlement, statement

AFTER = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


async def test_a_claim_is_paid_and_an_sts_that_came_short_is_a_case(
    screens: Screens, app: FastAPI, transactions: Transactions, books: Books
) -> None:
    app.state.office_limit = RateLimit(10_000)
    rules = replace(books, merchant_criteria=MerchantCriteria.P2G, rkud_account=RKUD)
    office = Claims(transactions, rules, AFTER)
    await office.book([booked(1, AT), booked(2, AT)])
    lines = (line(1, AT, mdr_rp=6), line(2, AT, batch="BCH-B1"))
    await office.settle(settlement(*lines))
    paid_in = ((1_994, "PENCAIRAN BCH-A1"), (10, "KOREKSI MDR"))
    await office.bank(statement(DAY, *paid_in))
    await office.bank(at_rkud(DAY, (2_000, "PENCAIRAN BCH-B1")))
    await office.reconcile()
    await office.resolve(await office.the("mdr-differs"), Resolution.CLAIMED)
    await closes.close(transactions, DAY, rules, "uji", now=AFTER)
    made = await make(office)
    await approve(office, made)
    await office.bank(at_rkud(MONDAY, (1_500, made.number), (9_000, "BCH-B1"), reference="RKUD-2"))

    maker = await sign_in(screens, sample.OFFICER, PASSWORD, DESK)
    await maker.goto("/office/cases?kind=claim")
    await maker.locator("#kasus tbody a").first.click()
    await screens.examine(maker, "claim")
    await maker.get_by_label("Penyelesaian").select_option("paid")
    await maker.get_by_label("Alasan").fill("nota kredit 12")
    await confirm(maker, "Usulkan", PASSWORD)
    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD, DESK)
    await checker.goto(maker.url)
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("selesai: sudah dibayar acquirer")
    await screens.examine(checker, "claim-paid", english=False)

    await maker.goto("/office/deposits")
    await screens.examine(maker, "deposits-direct")
    await maker.get_by_role("link", name=made.number).click()
    await screens.examine(maker, "remittance-short")
    await maker.get_by_role("link", name="jumlah STS di kas daerah berbeda").click()
    await screens.examine(maker, "transfer")
    await maker.get_by_label("Apa yang dilakukan").fill("bank mengembalikan biaya transfer")
    await confirm(maker, "Usulkan", PASSWORD)
    await expect(maker.locator("main")).to_contain_text("Menunggu keputusan verifikator")
    await maker.goto("/office/cases?kind=transfer&q=RKUD-2")
    await maker.locator("#kasus tbody a").first.click()
    await expect(maker.locator("h1")).to_contain_text("tidak cocok dengan batch")
    await screens.examine(maker, "transfer-not-awaited")
