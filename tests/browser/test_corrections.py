"""A corrected settlement file, from the refused preview to the second officer's approval."""

import json

from fastapi import FastAPI
from playwright.async_api import FilePayload, expect

from server.database import Transactions
from server.limits import RateLimit
from server.payments.books import Books
from tests.browser.screen import Screens
from tests.browser.test_closing import AFTER, press, show_password, sign_in_checker
from tests.browser.test_office import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.reconciliation.test_corrections import RIGHT, WRONG
from tests.server.reconciliation.test_files import FIXTURES
from tests.server.reconciliation.test_service import DAY, Office


async def test_two_officers_let_a_corrected_file_count(
    screens: Screens, app: FastAPI, transactions: Transactions, books: Books
) -> None:
    app.state.office_limit = RateLimit(10_000)
    screens.expected_statuses.add(422)
    office = Office(transactions, books, AFTER)
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    await office.settle(WRONG)
    file = FilePayload(name="settled-again.csv", mimeType="text/csv", buffer=RIGHT.encode())
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto(f"/office/reconciliation?date={DAY}")
    taking = maker.locator("form[action='/office/settlement']")
    await taking.locator("input[type=file]").set_input_files(file)
    await taking.get_by_role("button", name="Pratinjau").click()
    await expect(maker.get_by_role("alert")).to_contain_text("Berkas tidak dapat diterima")
    await maker.get_by_text("Acquirer mengirim berkas pengganti?").click()
    await screens.examine(maker, "correction-asked", english=False)
    asking = maker.locator("form[action='/office/corrections']")
    await asking.locator("input[type=file]").set_input_files(file)
    await asking.get_by_label("Alasan").fill("surat acquirer 12/2026")
    await show_password(maker, PASSWORD)
    await asking.get_by_role("button", name="Usulkan koreksi").click()
    await expect(maker.get_by_role("status")).to_have_text("menunggu keputusan")

    await checker.goto("/office")
    await checker.get_by_role("link", name="Koreksi berkas pencairan").click()
    await expect(checker.locator("table s").first).to_have_text("Rp3.000")
    await screens.examine(checker, "correction")
    await checker.get_by_label("Alasan").fill("sesuai surat")
    await press(checker, "Setujui koreksi", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("disetujui")
    assert ("amount-differs", "ACQ-1/100000000001") not in await office.open()
    assert (await office.settle(RIGHT.encode())).lines == 0
