"""Checks in Chromium, before a fake camera: a spot's sign, right or wrong, online or not."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from playwright.async_api import expect

from domain.plate import keyed
from domain.receipt import receipt_number
from tests.attendant_app.builders import OTHER_SPOT, SITE, SPOT, qris_text
from tests.attendant_app.conftest import Device, device, office, paper  # noqa: F401 - fixtures
from tests.attendant_app.office import PLATE_KEY, until
from tests.browser.test_scanning import (  # noqa: F401 - fixtures
    Handheld,
    camera_browser,
    film,
    handheld,
)

RECEIPT = receipt_number("MTG-2026", 7)


async def test_a_sign_is_checked_from_home_by_camera_online_or_not(handheld: Handheld) -> None:  # noqa: F811
    page = await handheld.open(f"/spots/{SPOT}")
    invited = page.get_by_role("link", name="Lihat tanda")
    await page.get_by_role("button", name="Nanti").click()
    await expect(page.get_by_role("link", name="Periksa")).to_be_visible()
    await expect(invited).to_have_count(0)
    await page.get_by_role("link", name="Periksa").click()
    await expect(page.get_by_text("2 tanda perlu diperiksa")).to_be_visible()
    await handheld.examine(page, "checks")
    await page.get_by_role("link", name="Periksa tanda").click()
    await handheld.examine(page, "check-signs")
    handheld.film.of(handheld.office.sign_link())
    await page.get_by_role("link", name=SPOT).click()
    await expect(page.locator(".found.looks-green h2")).to_have_text("ASLI")
    await handheld.examine(page, "check-sign-genuine")
    await page.context.clear_cookies(name="later")
    scanned = await handheld.open(f"/spots/{SPOT}")
    await expect(scanned.get_by_role("link", name="Periksa")).to_be_visible()
    await expect(scanned.get_by_role("link", name="Lihat tanda")).to_have_count(0)
    await page.get_by_role("link", name="Tanda lain").click()
    await expect(page.get_by_alt_text("ASLI")).to_have_count(1)

    handheld.office.stop()
    until(lambda: not handheld.device.status()["online"])
    handheld.film.of(handheld.office.sign_link().replace(SPOT, OTHER_SPOT))
    forged = await handheld.open(f"/checks/signs/{SPOT}")
    await expect(forged.locator(".found.looks-red h2")).to_have_text("TANDA PALSU")
    await handheld.examine(forged, "check-sign-forged")
    handheld.film.of(qris_text(2000, name="TOKO SEBELAH", initiation="11"))
    other = await handheld.open(f"/checks/signs/{SPOT}", language="en")
    await expect(other.locator(".found.looks-red h2")).to_have_text("OTHER NMID")
    await expect(other.get_by_role("alert")).to_contain_text("TOKO SEBELAH")
    await handheld.examine(other, "check-sign-other-en")
    await other.get_by_role("button", name="Missing or broken").click()
    await expect(other.locator(".found.looks-red h2")).to_have_text("NO SIGN")
    await other.goto("/checks/signs")
    await expect(other.get_by_alt_text("WRONG")).to_have_count(1)
    await handheld.examine(other, "check-signs-wrong")


async def test_a_vehicle_is_looked_up_and_a_street_counted(handheld: Handheld) -> None:  # noqa: F811
    handheld.office.live_stays = [
        live_stay("KH 1 A", 30, SPOT),
        live_stay("KH 2 B", -10, SPOT, receipts=[RECEIPT]),
    ]
    page = await handheld.open(f"/spots/{SPOT}")
    await page.goto("/checks/vehicles")
    await handheld.examine(page, "check-vehicle")
    for typed, result in (("kh 1 a", "MASIH BERLAKU"), ("KH 2 B", "BARU HABIS")):
        await page.get_by_label("Nomor polisi").fill(typed)
        await page.locator(".typed button").click()
        await expect(page.locator(".found h2")).to_have_text(result)
        await handheld.examine(page, f"check-vehicle-{result.split()[0].lower()}")
    handheld.office.stop()
    until(lambda: not handheld.device.status()["online"])
    await page.get_by_label("Nomor polisi").fill("KH 9 Z")
    await page.locator(".typed button").click()
    await expect(page.locator(".found.looks-red h2")).to_have_text("TIDAK TERCATAT")
    await expect(page.get_by_text("yang lalu")).to_be_visible()
    await handheld.examine(page, "check-vehicle-none")

    await expect(page.get_by_role("link", name="Periksa lagi")).to_be_visible()

    handheld.film.of(f"{SITE}/r/{RECEIPT}")
    scanned = await handheld.open("/checks/vehicles", language="en")
    await expect(scanned.locator(".found.looks-amber h2")).to_have_text("JUST EXPIRED")
    await handheld.examine(scanned, "check-vehicle-scanned-en")
    handheld.film.of("https://bit.ly/x")
    other = await handheld.open("/checks/vehicles")
    await expect(other.locator(".found.looks-amber h2")).to_have_text("BUKAN KARCIS")
    handheld.film.of(f"https://parkir-contoh.example/r/{RECEIPT}")
    await other.goto("/checks/vehicles")
    await expect(other.locator(".found.looks-red h2")).to_have_text("PALSU")
    await handheld.examine(other, "check-vehicle-forged")
    handheld.office.start()

    def checks() -> list[dict[str, Any]]:
        told = handheld.office.events
        return [event["body"] for event in told if event["kind"] == "stay_checked"]

    until(lambda: len(checks()) == 5)
    assert [body["result"] for body in checks()[-2:]] == ["just-expired", "forged"]

    await page.goto("/checks/count")
    for counted, name in enumerate(("Motor", "Motor", "Mobil"), start=1):
        await page.get_by_role("button", name=name).click()
        await expect(page.locator(".amount")).to_have_text(str(counted))
    await page.get_by_role("button", name="Batalkan satu").click()
    await expect(page.locator(".amount")).to_have_text("2")
    await handheld.examine(page, "heads")
    await page.get_by_role("button", name="Selesai").click()
    await expect(page.get_by_role("main")).to_contain_text("2 kendaraan")
    await handheld.examine(page, "heads-sent")


def live_stay(plate: str, until_min: int, spot: str, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    told = {
        "id": "0198f000-0000-7000-8000-000000000001",
        "plate": keyed(plate, PLATE_KEY.encode()),
        "spot_code": spot,
        "vehicle_class": "car",
        "started_at": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(minutes=until_min)).isoformat(),
        "paid": True,
        "receipts": [],
    }
    return told | changes


async def test_a_notice_is_photographed_issued_and_printed(handheld: Handheld) -> None:  # noqa: F811
    page = await handheld.open(f"/spots/{SPOT}")
    await page.goto("/checks/vehicles")
    await page.get_by_label("Nomor polisi").fill("KH 9 Z")
    await page.locator(".typed button").click()
    await expect(page.locator(".found h2")).to_have_text("TIDAK TERCATAT")
    await handheld.examine(page, "check-vehicle-may-have-notice")
    await page.get_by_role("button", name="Buat pemberitahuan").click()
    await expect(page.get_by_role("button", name="Ambil foto")).to_be_enabled()
    await handheld.examine(page, "notice-camera")
    await page.get_by_role("button", name="Ambil foto").click()
    await expect(page.get_by_alt_text("Foto 1", exact=True)).to_be_visible()
    await handheld.examine(page, "notice-draft")
    await page.get_by_text("Mobil", exact=True).click()
    await expect(page.get_by_label("Mobil")).to_be_checked()
    await page.get_by_role("button", name="Terbitkan dan cetak").click()
    await expect(page.locator("h1")).to_have_text("TERBIT")
    await expect(page.locator(".print-state.is-PRINTED")).to_be_visible()
    await expect(page.get_by_text("1 foto sudah di kantor")).to_be_visible()
    await handheld.examine(page, "notice-issued")
    await page.get_by_role("link", name="Pemberitahuan").click()
    await expect(page.locator(".row")).to_have_count(1)
    await handheld.examine(page, "notices")

    # Where the camera is refused, a picture is chosen instead; in the other language.
    english = await handheld.open("/checks/vehicles", language="en")
    await english.get_by_label("Plate or").fill("KH 8 Y")
    await english.locator(".typed button").click()
    await english.get_by_role("button", name="Make a notice").click()
    await expect(english.get_by_role("button", name="Take a photo")).to_be_enabled()
    await handheld.examine(english, "notice-camera-en")
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": png()}
    await english.locator("#photo").set_input_files(picture)
    await expect(english.get_by_alt_text("Photo 1", exact=True)).to_be_visible()
    await handheld.examine(english, "notice-draft-en")
    await english.get_by_role("button", name="Delete photo 1").click()
    await expect(english.get_by_role("button", name="Take a photo")).to_be_enabled()
    await english.get_by_role("button", name="Cancel").click()
    await expect(english).to_have_url(re.compile("/checks/vehicles"))


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (90, 120, 60)).save(out, "PNG")
    return out.getvalue()
