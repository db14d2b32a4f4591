"""Devices in Chromium: the treasurer makes a code, a handheld enrols, the checker lets it in."""

from typing import Any
from uuid import UUID

import cv2
import httpx
import numpy as np
import zxingcpp
from playwright.async_api import Page, expect

from server import sample
from tests.browser.screen import Screens
from tests.browser.test_own_account import confirm
from tests.browser.test_refunds import sign_in
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.handhelds import Handheld

TOLD = {
    "version": "0.0.9",
    "battery_percent": 9,
    "charging": False,
    "signal_dbm": -71,
    "storage_free_mb": 8200,
    "clock_offset_s": 4,
    "unsynced_count": 5,
    "oldest_unsynced_s": 4000,
    "quarantined_count": 0,
    "links": [{"spot": "PSR-001-U", "pulses": 500, "lost": 60, "median_ms": 240}],
}


async def code_in_the_picture(page: Page) -> str:
    seen = await page.locator(".barcode img").screenshot()
    picture = cv2.imdecode(np.frombuffer(seen, np.uint8), cv2.IMREAD_GRAYSCALE)
    (found,) = zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormat.QRCode)
    return str(found.text)


async def enrol(api: httpx.AsyncClient, code: str) -> tuple[Handheld, dict[str, Any]]:
    handheld = Handheld()
    body = {"enrolment_code": code, "public_key": handheld.public_key, "name": "HP Pasar"}
    answer = await api.post("/v1/devices", json=body)
    assert answer.status_code == 201, answer.text
    handheld.device_id = UUID(answer.json()["device_id"])
    return handheld, answer.json()


async def test_one_officer_enrols_and_another_approves(
    screens: Screens, api: httpx.AsyncClient
) -> None:
    maker = await sign_in(screens, sample.OFFICER, PASSWORD)
    await maker.goto("/office/devices")
    await screens.examine(maker, "devices-empty")
    await confirm(maker, "Buat kode pendaftaran", PASSWORD)
    await expect(maker.get_by_role("heading", name="Kode pendaftaran")).to_be_visible()
    await screens.examine(maker, "device-code", english=False)
    handheld, told = await enrol(api, await code_in_the_picture(maker))
    assert told["state"] == "pending"
    await maker.goto(f"/office/devices/{told['device_id']}")
    await expect(maker.get_by_role("button", name="Setujui")).to_have_count(0)

    checker = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await checker.goto("/office/devices")
    await screens.examine(checker, "devices-pending")
    await checker.get_by_role("link", name="HP Pasar").click()
    await screens.examine(checker, "device-pending")
    await checker.get_by_label("Catatan").fill("di tangan saya, kunci sama")
    await confirm(checker, "Setujui", CHECKER_PASSWORD)
    await expect(checker.get_by_role("status")).to_have_text("aktif")
    await screens.examine(checker, "device-active")
    report = f"/v1/devices/{told['device_id']}/report"
    heard = await api.post(report, json=TOLD, auth=handheld.signed)
    assert heard.json()["state"] == "active"
    await checker.goto("/office/devices")
    await expect(checker.get_by_text("baterai hampir habis")).to_be_visible()
    await screens.examine(checker, "devices-told")
    await checker.get_by_role("link", name="Sinyal per jalan").click()
    await expect(checker.locator("tbody tr").first).to_contain_text("putus-putus")
    await screens.examine(checker, "signal")

    await maker.reload()
    await screens.examine(maker, "device-to-manage")
    for button, state in (("Nonaktifkan", "dinonaktifkan sementara"), ("Aktifkan lagi", "aktif")):
        form = maker.locator("form", has=maker.get_by_role("button", name=button))
        await form.get_by_label("Alasan").fill("tertinggal, lalu kembali")
        await confirm(maker, button, PASSWORD)
        await expect(maker.get_by_role("status")).to_have_text(state)
    form = maker.locator("form", has=maker.get_by_role("button", name="Minta perangkat"))
    await form.get_by_label("Alasan").fill("juru parkir berhenti")
    await confirm(maker, "Minta perangkat", PASSWORD)
    await expect(maker.get_by_role("status")).to_have_text("aktif, menunggu hapus isi")
    assert (await api.post(report, json={}, auth=handheld.signed)).json()["wipe"] is True
    wiped = await api.post(f"/v1/devices/{told['device_id']}/wiped", auth=handheld.signed)
    assert wiped.json()["state"] == "revoked"
    await maker.reload()
    await expect(maker.get_by_role("status")).to_have_text("dicabut, isi dihapus")
    await screens.examine(maker, "device-wiped")
    await maker.goto("/office/devices")
    await screens.examine(maker, "devices")
