"""The attendant's pages in Chromium, as at the kerb: small screen, one hand, a camera."""

import re
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from attendant_app import scanner
from tests.attendant_app.builders import MERCHANT, SPOT
from tests.attendant_app.conftest import SHOTS, Device
from tests.attendant_app.office import PATIENCE_S, Office, until

PHONE = {"width": 360, "height": 640}
DESK = {"width": 1280, "height": 800}


@pytest.fixture
def page(browser: Browser, device: Device) -> Iterator[Page]:
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}", viewport=PHONE)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    def told(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    page.on("console", told)
    yield page
    context.close()
    assert not faults


def shoot(page: Page, name: str) -> None:
    for size, label in ((PHONE, "phone"), (DESK, "desk")):
        page.set_viewport_size(size)
        page.screenshot(path=SHOTS / f"{name}-{label}.png")
        overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not overflow, f"{name} is wider than {label}"
    page.set_viewport_size(PHONE)


def small_targets(page: Page) -> list[str]:
    """Whatever can be tapped and is smaller than 56 px in either direction."""
    return page.evaluate(
        """() => [...document.querySelectorAll('a, button, input, label.button')]
            .filter(e => e.checkVisibility() && e.type !== 'hidden' && e.className !== 'away')
            .filter(e => Math.min(e.offsetHeight, e.offsetWidth) < 56)
            .map(e => e.outerHTML.slice(0, 80))"""
    )


def sign_in(page: Page) -> None:
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("Kode petugas").fill("j-001")
    for digit in "123456":
        page.get_by_role("button", name=digit, exact=True).click()
    page.get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("heading", name="Pilih titik parkir")).to_be_visible()


def at_spot(page: Page, device: Device) -> None:
    sign_in(page)
    page.get_by_role("link", name=SPOT).click()
    expect(page.get_by_text("Motor", exact=True)).to_be_visible()


def test_a_wrong_pin_is_said_plainly(page: Page, device: Device) -> None:
    until(lambda: device.status()["enrolled"])
    page.goto("/")
    page.get_by_label("Kode petugas").fill("J-001")
    page.get_by_label("PIN").fill("999999")
    page.get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("alert")).to_contain_text("Kode petugas atau PIN salah")
    shoot(page, "sign-in-refused")
    assert small_targets(page) == []


def test_two_taps_show_a_code_that_wallets_read(page: Page, device: Device, office: Office) -> None:
    until(lambda: device.status()["enrolled"])
    at_spot(page, device)
    shoot(page, "home-empty")
    assert small_targets(page) == []
    page.get_by_role("button", name="Motor").click()
    expect(page.locator(".amount")).to_have_text("Rp2.000")
    expect(page.locator(".merchant")).to_have_text(MERCHANT)
    expect(page.locator(".countdown")).to_have_text(re.compile(r"1\d:\d\d"))
    expect(page.locator(".match .code")).to_have_text("4821")
    shoot(page, "charge")
    assert small_targets(page) == []
    assert page.locator(".barcode").bounding_box()["width"] >= 240
    seen = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    (charge,) = office.charges.values()
    assert scanner.decode(seen, PATIENCE_S) == [charge["qris"]]


def test_green_comes_from_the_office_only(page: Page, device: Device, office: Office) -> None:
    until(lambda: device.status()["enrolled"])
    at_spot(page, device)
    page.get_by_role("button", name="Mobil").click()
    expect(page.locator(".barcode")).to_be_visible()
    assert page.get_by_text("LUNAS").count() == 0
    assert page.get_by_role("button", name=re.compile("lunas|paid", re.IGNORECASE)).count() == 0
    (charge_id,) = office.charges
    office.pay(charge_id)
    expect(page.locator(".verdict")).to_have_text("LUNAS")
    expect(page.locator(".charge.is-paid .amount")).to_have_text("Rp5.000")
    expect(page.locator(".print-state")).to_have_text("Sudah tercetak")
    shoot(page, "paid")
    assert small_targets(page) == []
    page.get_by_role("button", name="Cetak ulang (SALINAN)").click()
    until(lambda: len(device.get(f"/api/charges/{charge_id}/print")["jobs"]) == 2)
    page.get_by_role("link", name="Kendaraan berikut").click()
    expect(page.locator("main .tile.is-paid")).to_be_visible()


def test_other_outcomes_are_never_green(page: Page, device: Device, office: Office) -> None:
    until(lambda: device.status()["enrolled"])
    at_spot(page, device)
    page.get_by_role("button", name="Motor").click()
    expect(page.locator(".barcode")).to_be_visible()
    (charge_id,) = office.charges
    office.change(charge_id, state="expired")
    expect(page.locator(".charge.is-expired .verdict")).to_have_text("Kedaluwarsa")
    shoot(page, "expired")
    assert page.locator(".is-paid").count() == 0


def test_many_charges_wait_as_tiles_on_and_offline(
    page: Page, device: Device, office: Office
) -> None:
    until(lambda: device.status()["enrolled"])
    at_spot(page, device)
    for name in ("motorcycle", "car", "motorcycle", "motorcycle"):
        device.charge(SPOT, name)
    paid, expired = list(office.charges)[:2]
    office.pay(paid)
    office.change(expired, state="expired")
    expect(page.locator("main .tile.is-paid")).to_be_visible()
    office.stop()
    expect(page.locator(".status.is-offline")).to_be_visible()
    device.charge(SPOT, "car")
    expect(page.locator("main .tile.is-waiting")).to_be_visible()
    expect(page.locator(".status")).to_contain_text("belum terkirim")
    shoot(page, "home-offline")
    assert small_targets(page) == []
    page.locator("main .tile.is-waiting").click()
    expect(page.get_by_text("Tidak tersambung. Permintaan tersimpan")).to_be_visible()
    shoot(page, "charge-offline")
    office.start()
    expect(page.locator(".barcode")).to_be_visible()


def test_english_is_one_tap_away(page: Page, device: Device) -> None:
    until(lambda: device.status()["enrolled"])
    page.goto("/sign-in")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Start your shift")).to_be_visible()
    shoot(page, "sign-in-english")


def test_a_shift_is_not_ended_over_unsent_records(
    page: Page, device: Device, office: Office
) -> None:
    until(lambda: device.status()["enrolled"])
    at_spot(page, device)
    office.stop()
    expect(page.locator(".status.is-offline")).to_be_visible()
    device.charge(SPOT)
    page.goto("/shift")
    page.get_by_role("link", name="Selesai tugas").click()
    page.get_by_role("button", name="Sudah dihitung").click()
    page.get_by_role("button", name="Ya, tutup").click()
    expect(page.get_by_role("alert").first).to_contain_text("belum terkirim")
    shoot(page, "shift")
