"""An acquirer that is down, as officers in Chromium see it and send new barcodes elsewhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from domain.tariff import VehicleClass
from server.database import new_id
from server.payments.issuing import PaymentRequest
from server.settings import Settings
from tests.browser.screen import Screens
from tests.browser.test_closing import press, sign_in_checker
from tests.browser.test_office import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

DOWN = "bank-lain"


@pytest.fixture
def settings(settings: Settings, keys: Path, tmp_path: Path) -> Settings:
    """With a second acquirer, at whose address nobody answers."""
    (tmp_path / "secret").write_text("rahasia")
    (tmp_path / "acquirers.toml").write_text(
        f"""
        [{DOWN}]
        profile = "sandbox"
        url = "http://127.0.0.1:9"
        client_key = "karcis"
        client_secret_file = "secret"
        notify_client_secret_file = "secret"
        merchant_id = "LAIN"
        public_key = "{keys / "acquirer.pub.pem"}"
        settlement_mapping = "sandbox"
        """
    )
    return settings.model_copy(update={"acquirers": tmp_path / "acquirers.toml"})


async def issue(app: FastAPI) -> None:
    for _ in range(5):
        await app.state.payments.issuer.request(
            PaymentRequest(new_id(), "PSR-001-U", VehicleClass.CAR),
            lifetime=timedelta(minutes=15),
            now=datetime.now(UTC),
        )


async def test_an_acquirer_that_is_down_is_seen_and_left(screens: Screens, app: FastAPI) -> None:
    maker, checker = await sign_in(screens), await sign_in_checker(screens)
    await maker.goto("/office/acquirers")
    await screens.examine(maker, "acquirers")
    asked = maker.locator("form", has_text="Usulkan untuk seterusnya")
    await asked.get_by_label("Acquirer").select_option(DOWN)
    await asked.get_by_label("Alasan").fill("biayanya lebih kecil")
    await asked.get_by_label("Berlaku mulai").fill("2026-01-01T06:00")
    await asked.get_by_label("Kata sandi").fill(PASSWORD)
    await asked.get_by_role("button").click()
    await expect(maker.get_by_role("button", name="Tarik pilihan ini")).to_be_visible()
    await checker.goto("/office")
    await screens.examine(checker, "acquirers-awaited")
    await checker.get_by_role("link", name=f"Pilihan acquirer: {DOWN}").click()
    await checker.get_by_label("Alasan").fill("sesuai kontrak")
    await screens.examine(checker, "acquirers-decide")
    await press(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.locator("tbody").nth(1)).to_contain_text(DOWN)

    await issue(app)
    await maker.goto("/office")
    await expect(maker.get_by_role("alert")).to_contain_text(f"{DOWN} gagal membuat 5 dari 5")
    await screens.examine(maker, "acquirers-today")
    await maker.get_by_role("link", name="Lihat dan alihkan").click()
    at_once = maker.locator("form", has_text="Berlaku saat itu juga")
    await at_once.get_by_label("Acquirer").select_option("sandbox")
    await at_once.get_by_label("Alasan").fill("bank tidak menjawab")
    await at_once.get_by_label("Kata sandi").fill(PASSWORD)
    await at_once.get_by_role("button").click()
    in_force = maker.locator("tbody").nth(1)
    await expect(in_force).to_contain_text("bank tidak menjawab")
    await expect(in_force).to_contain_text("belum disetujui")
    await issue(app)
    await maker.reload()
    await expect(maker.locator("tbody").first.locator("tr").first).to_contain_text("baik")
    await screens.examine(maker, "acquirers-switched")


async def test_a_settlement_file_is_taken_in_for_the_acquirer_that_sent_it(
    screens: Screens, app: FastAPI
) -> None:
    screens.expected_statuses.add(422)
    page = await sign_in(screens)
    await page.goto("/office/reconciliation")
    form = page.locator("form[action='/office/settlement']")
    await form.locator("[name=acquirer]").select_option(DOWN)
    header = "settlement_date,batch_id,transaction_time,merchant_id"
    await form.locator("[type=file]").set_input_files(
        {"name": "x.csv", "mimeType": "text/csv", "buffer": header.encode()}
    )
    await form.get_by_role("button", name="Pratinjau").click()
    await expect(form.locator("[name=acquirer]")).to_have_value(DOWN)
    await screens.examine(page, "import-acquirer")
