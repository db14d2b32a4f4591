"""The handheld's camera in Chromium: a film before a fake camera, and every result it can have."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Browser, Page, async_playwright, expect

from domain.receipt import receipt_number
from tests.attendant_app.builders import (
    SITE,
    SPOT,
    consumer_text,
    drawn,
    on_canvas,
    photographed,
    qris_text,
)
from tests.attendant_app.conftest import Device, device, office, paper  # noqa: F401 - fixtures
from tests.attendant_app.office import Office, until
from tests.browser.screen import Screens

PHONE, SMALL, LANDSCAPE = (360, 740), (320, 568), (740, 360)
CHARGE = "0198f000-0000-7000-8000-000000000001"
BLANK = np.full((480, 640, 3), 128, np.uint8)

# Whatever can be tapped and is smaller than 56 px in either direction.
SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, input, label.button')]
    .filter(e => e.checkVisibility() && e.type !== 'hidden' && e.className !== 'away')
    .filter(e => Math.min(e.offsetHeight, e.offsetWidth) < 56).map(e => e.outerHTML.slice(0, 80))"""


class Film:
    """What the fake camera shows: JPEGs in a row, for ever again. Read when a camera is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.show(BLANK)

    def show(self, *frames: NDArray[np.uint8]) -> None:
        jpegs = (cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames)
        self.path.write_bytes(b"".join(jpegs))

    def of(self, text: str) -> None:
        self.show(*(photographed(text, seed) for seed in range(6)))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return Film(tmp_path_factory.mktemp("film") / "film.mjpeg")


@pytest.fixture(scope="module")
async def camera_browser(film: Film) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={film.path}",
            ],
        )
        yield browser
        await browser.close()


@dataclass
class Handheld:
    """An attendant on shift, and the pages before them."""

    device: Device
    office: Office
    screens: Screens
    film: Film

    async def open(
        self,
        path: str = "/scan",
        size: tuple[int, int] = PHONE,
        script: str = "",
        language: str = "id",
    ) -> Page:
        context = await self.screens.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, base_url=self.screens.site
        )
        await context.add_init_script(script)
        await context.add_cookies(
            [{"name": "language", "value": language, "url": self.screens.site}]
        )
        return await self.screens.open(path, context=context)

    async def examine(self, page: Page, name: str) -> None:
        """As every page is, at each size it must work at; targets of 56 px besides."""
        for size in (SMALL, LANDSCAPE, PHONE):
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            await self.screens.examine(page, name)
            assert await page.evaluate(SMALL_TARGETS) == []


@pytest.fixture
async def handheld(
    device: Device,  # noqa: F811 - the fixture, not the import
    office: Office,  # noqa: F811
    film: Film,
    camera_browser: Browser,
) -> AsyncIterator[Handheld]:
    device.sign_in()
    screens = Screens(camera_browser, f"http://127.0.0.1:{device.port}")
    yield Handheld(device, office, screens, film)
    film.show(BLANK)
    await screens.close()


def found(page: Page, kind: str) -> Any:
    return expect(page.locator(f".found.is-{kind} h2"))


async def test_our_own_charge_is_followed_from_waiting_to_paid(handheld: Handheld) -> None:
    charge = handheld.office.new_charge(CHARGE, SPOT, "car")
    handheld.office.charges[CHARGE] = charge
    handheld.film.of(charge["qris"])
    page = await handheld.open()
    await expect(page).to_have_url(re.compile(f"/charges/{CHARGE}"))
    await expect(page.locator(".barcode")).to_be_visible()
    assert await page.get_by_text("LUNAS").count() == 0
    handheld.office.pay(CHARGE)
    await expect(page.locator(".verdict")).to_have_text("LUNAS")


async def test_a_sign_leads_to_its_spot_also_offline(handheld: Handheld) -> None:
    handheld.film.of(f"{SITE}/p/{SPOT}")
    page = await handheld.open()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))
    handheld.office.stop()
    until(lambda: not handheld.device.status()["online"])
    await page.goto("/scan")
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


async def test_a_strangers_qris_is_red_and_named(handheld: Handheld) -> None:
    handheld.film.of(qris_text(name="WARUNG LAIN", initiation="11"))
    for online in (True, False):
        if not online:
            handheld.office.stop()
            until(lambda: not handheld.device.status()["online"])
        page = await handheld.open()
        await found(page, "foreign-qris").to_have_text("BUKAN KODE KITA")
        await expect(page.locator(".found.looks-red p")).to_contain_text("WARUNG LAIN")
        await handheld.examine(page, "scan-foreign" if online else "scan-foreign-offline")


async def test_offline_a_code_is_unverified_and_known_once_the_office_is_back(
    handheld: Handheld,
) -> None:
    handheld.office.stop()
    until(lambda: not handheld.device.status()["online"])
    charge = handheld.office.new_charge(CHARGE, SPOT, "car")
    handheld.film.of(charge["qris"])
    page = await handheld.open()
    await found(page, "unverified").to_have_text("BELUM TERVERIFIKASI")
    await handheld.examine(page, "scan-unverified")
    handheld.office.charges[CHARGE] = charge
    handheld.office.start()
    until(lambda: handheld.device.status()["online"])
    await page.get_by_role("link", name="Pindai lagi").click()
    await expect(page).to_have_url(re.compile(f"/charges/{CHARGE}"))


async def test_a_receipt_is_compared_and_a_made_up_one_is_red(handheld: Handheld) -> None:
    handheld.office.charges[CHARGE] = handheld.office.new_charge(CHARGE, SPOT, "car")
    handheld.office.pay(CHARGE)
    receipt = handheld.office.charges[CHARGE]["receipt"]
    handheld.film.of(f"{SITE}/r/{receipt['number']}")
    page = await handheld.open()
    await found(page, "receipt").to_have_text("Karcis asli")
    for fact in (receipt["number"], receipt["plate"], SPOT, "21-11-2026 14:06", "Rp5.000"):
        await expect(page.locator(".found")).to_contain_text(fact)
    await handheld.examine(page, "scan-receipt")
    await scan_by_keys(page, receipt_number("MTG-2026", 999_999))
    await found(page, "no-receipt").to_have_text("KARCIS TIDAK ADA")
    await handheld.examine(page, "scan-no-receipt")


async def test_a_proof_is_green_offline_and_a_false_one_red(handheld: Handheld) -> None:
    truth = handheld.office
    truth.charges[CHARGE] = truth.new_charge(CHARGE, SPOT, "car")
    truth.pay(CHARGE)
    handheld.film.of(truth.prove(CHARGE))
    truth.stop()
    until(lambda: not handheld.device.status()["online"])
    page = await handheld.open()
    await found(page, "proof").to_have_text("LUNAS")
    for fact in (SPOT, "Rp5.000", f"{UUID(CHARGE).int % 10_000:04d}"):
        await expect(page.locator(".found.looks-green")).to_contain_text(fact)
    await handheld.examine(page, "scan-proof")
    dearer = truth.prove(CHARGE, amount_rp=50_000).rpartition(".")[0]
    await scan_by_keys(page, f"{dearer}.{truth.prove(CHARGE).rpartition('.')[2]}")
    await found(page, "proof").to_have_text("BUKTI PALSU")
    await expect(page.locator(".found.looks-red")).to_be_visible()
    await handheld.examine(page, "scan-proof-forged")


async def test_a_drivers_barcode_is_charged_where_and_for_what_the_attendant_says(
    handheld: Handheld,
) -> None:
    handheld.film.of(consumer_text())
    page = await handheld.open()
    await found(page, "consumer-qris").to_be_visible()
    await handheld.examine(page, "scan-consumer-where")
    await page.get_by_role("button", name=SPOT).click()
    await expect(page.get_by_role("button", name="Motor")).to_contain_text("Rp2.000")
    await handheld.examine(page, "scan-consumer")
    await page.get_by_role("button", name="Mobil").click()
    await expect(page.get_by_text("Menunggu dompet pengemudi")).to_be_visible()
    (charge_id,) = handheld.office.charges
    assert consumer_text() in handheld.office.bodies[charge_id].decode()
    handheld.office.pay(charge_id)
    await expect(page.locator(".verdict")).to_have_text("LUNAS")


async def test_a_drivers_barcode_needs_a_connection_and_says_so(handheld: Handheld) -> None:
    handheld.office.stop()
    until(lambda: not handheld.device.status()["online"])
    handheld.film.of(consumer_text())
    page = await handheld.open()
    await expect(page.locator(".found")).to_contain_text("perlu sambungan")
    assert await page.locator(".vehicle").count() == 0
    await handheld.examine(page, "scan-consumer-offline")


async def test_of_two_codes_the_attendant_chooses(handheld: Handheld) -> None:
    sides = [on_canvas(drawn(text, 3), 320, 480) for text in (qris_text(), f"{SITE}/p/{SPOT}")]
    handheld.film.show(cv2.cvtColor(cv2.hconcat(sides), cv2.COLOR_GRAY2BGR))
    page = await handheld.open()
    await found(page, "several").to_have_text("Ada beberapa kode. Pilih satu:")
    await expect(page.locator("#outlines polygon")).to_have_count(2)
    assert await page.locator("#outlines text").all_text_contents() == ["1", "2"]
    await expect(page.locator(".found .list button")).to_have_count(2)
    await handheld.examine(page, "scan-several")
    await page.get_by_role("button", name="Titik parkir").click()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


@pytest.mark.parametrize(
    ("text", "title", "name"),
    [
        ("https://example.com/menu", "Web address", "example.com"),
        ("WIFI:T:WPA;S:Kopi Jaya;P:rahasia;;", "Wi-Fi network", "Kopi Jaya"),
        ("BEGIN:VCARD\nVERSION:3.0\nFN:Siti\nEND:VCARD", "Contact card", "Siti"),
    ],
)
async def test_what_is_not_ours_is_named_and_never_opened(
    handheld: Handheld, text: str, title: str, name: str
) -> None:
    handheld.film.of(text)
    page = await handheld.open(language="en")
    await found(page, "unknown").to_have_text(title)
    await expect(page.locator(".known-by")).to_have_text(name)
    await expect(page.locator(".found")).to_contain_text("It was not opened")
    assert "rahasia" not in await page.content()
    assert page.url.endswith("/scan")
    await handheld.examine(page, f"scan-{title.split()[0].lower()}")


async def test_a_false_sign_is_red(handheld: Handheld) -> None:
    handheld.film.of(f"https://parkir-contoh.example/p/{SPOT}")
    page = await handheld.open()
    await found(page, "imposter").to_have_text("TANDA PALSU")
    await expect(page.locator(".found.looks-red")).to_contain_text("parkir-contoh.example")
    await handheld.examine(page, "scan-imposter")


async def test_nothing_readable_gives_advice_and_one_frame_at_a_time(handheld: Handheld) -> None:
    page = await handheld.open(script=ONE_AT_A_TIME)
    await expect(page.locator("#camera-state")).to_have_text("Arahkan kamera ke kode")
    await handheld.examine(page, "scan-looking")
    await expect(page.locator("#camera-state")).to_contain_text("tahan diam", timeout=15_000)
    most, frames, largest = await page.evaluate("[window.most, window.frames, window.largest]")
    assert most == 1
    assert frames > 3
    assert largest < 200_000
    left = [path.name for path in handheld.device.folder.rglob("*") if path.is_file()]
    assert not [name for name in left if name.endswith((".jpg", ".jpeg", ".png"))]


ONE_AT_A_TIME = """
window.most = window.frames = window.largest = 0;
let flying = 0;
const send = window.fetch;
window.fetch = async (url, options) => {
  if (url !== "/api/frames") return send(url, options);
  window.frames += 1;
  window.largest = Math.max(window.largest, options.body.size);
  window.most = Math.max(window.most, ++flying);
  try { return await send(url, options); } finally { flying -= 1; }
};
"""


@pytest.mark.parametrize(
    ("error", "words", "name"),
    [
        ("NotAllowedError", "Kamera tidak diizinkan", "refused"),
        ("NotFoundError", "Kamera tidak ditemukan", "absent"),
        ("NotReadableError", "Kamera dipakai aplikasi lain", "taken"),
    ],
)
async def test_a_camera_that_cannot_be_had_is_said_and_tried_again(
    handheld: Handheld, error: str, words: str, name: str
) -> None:
    page = await handheld.open(
        script=f"""
        const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.refuse = true;
        navigator.mediaDevices.getUserMedia = (wanted) => window.refuse
          ? Promise.reject(new DOMException("no", "{error}")) : real(wanted);
        """
    )
    await expect(page.locator("#camera-state")).to_contain_text(words)
    await handheld.examine(page, f"scan-camera-{name}")
    handheld.film.of(f"{SITE}/p/{SPOT}")
    await page.evaluate("window.refuse = false")
    await page.get_by_role("button", name="Coba lagi").click()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


async def test_a_camera_that_is_pulled_out_is_said(handheld: Handheld) -> None:
    page = await handheld.open()
    await expect(page.locator("#camera-state")).to_have_text("Arahkan kamera ke kode")
    await page.evaluate(
        "document.getElementById('preview').srcObject.getVideoTracks()[0]"
        ".dispatchEvent(new Event('ended'))"
    )
    await expect(page.locator("#camera-state")).to_contain_text("Kamera terputus")
    await page.get_by_role("button", name="Coba lagi").click()
    await expect(page.locator("#camera-state")).to_have_text("Arahkan kamera ke kode")


async def test_torch_and_focus_where_the_camera_offers_them(handheld: Handheld) -> None:
    page = await handheld.open()
    await expect(page.locator("#camera-state")).to_have_text("Arahkan kamera ke kode")
    await expect(page.get_by_role("button", name="Senter")).to_be_hidden()
    page = await handheld.open(
        script="""
        window.asked = [];
        const track = MediaStreamTrack.prototype;
        track.getCapabilities = () => ({ torch: true, focusMode: ["continuous", "single-shot"] });
        track.applyConstraints = async (wanted) => { window.asked.push(wanted.advanced[0]); };
        """
    )
    torch = page.get_by_role("button", name="Senter")
    await torch.click()
    await expect(torch).to_have_attribute("aria-pressed", "true")
    await handheld.examine(page, "scan-torch")
    box = await page.locator("#preview").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lit, focused = await page.evaluate("window.asked")
    assert lit == {"torch": True}
    assert focused["focusMode"] == "single-shot"
    (point,) = focused["pointsOfInterest"]
    assert point == pytest.approx({"x": 0.5, "y": 0.5}, abs=0.01)


async def scan_by_keys(page: Page, text: str) -> None:
    """As a hardware scanner does: a key each 5 ms, by the events' own clock, then Enter."""
    await page.wait_for_load_state()
    keyboard = await page.context.new_cdp_session(page)
    pressed_at = time.time()
    for key in [*text, "Enter"]:
        pressed_at += 0.005
        press = {"key": key, "text": "\r" if key == "Enter" else key, "timestamp": pressed_at}
        await keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", **press})
    await keyboard.detach()


async def test_a_scanner_that_types_is_heard_anywhere(handheld: Handheld) -> None:
    page = await handheld.open("/spots")
    await scan_by_keys(page, f"{SITE}/p/{SPOT}")
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))
    await scan_by_keys(page, "WIFI:S:Kopi Jaya;P:x;;")
    await found(page, "unknown").to_have_text("Wi-Fi")
    # Into a field as well, whose own text stays a person's.
    await page.get_by_label("Ketik kode titik").fill("MTG")
    await scan_by_keys(page, qris_text(name="WARUNG LAIN"))
    await found(page, "foreign-qris").to_be_visible()


async def test_a_hand_that_types_is_no_scanner(handheld: Handheld) -> None:
    page = await handheld.open("/spots")
    await page.keyboard.type(SPOT, delay=120)
    await page.keyboard.press("Enter")
    assert page.url.endswith("/spots")


async def test_a_typed_code_is_right_or_wrong_at_once(handheld: Handheld) -> None:
    page = await handheld.open()
    field, state = page.get_by_label("Ketik kode titik"), page.locator("#typed-state")
    await field.fill(SPOT[:-1])
    await expect(state).to_be_hidden()
    await field.fill(SPOT[:-1] + ("0" if SPOT[-1] != "0" else "1"))
    await expect(state).to_have_text("Salah ketik. Periksa huruf dan angkanya.")
    await handheld.examine(page, "scan-mistyped-at-once")
    await page.get_by_role("button", name="Buka").click()
    await found(page, "mistyped").to_be_visible()
    await handheld.examine(page, "scan-mistyped")
    await page.get_by_label("Ketik kode titik").fill(receipt_number("MTG-2026", 7))
    await expect(state).to_have_text("Nomor karcis lengkap")
    await page.get_by_label("Ketik kode titik").fill(SPOT.lower())
    await expect(state).to_have_text("Jl. Merdeka Ruas 3")
    await page.get_by_role("button", name="Buka").click()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


async def test_without_scripts_a_typed_code_and_a_photograph_serve(
    handheld: Handheld, tmp_path: Path
) -> None:
    page = await handheld.screens.open("/scan", PHONE, scripts=False)
    await page.get_by_label("Ketik kode titik").fill("WIFI:S:Kopi;;")
    await page.get_by_role("button", name="Buka").click()
    await found(page, "unknown").to_have_text("Wi-Fi")
    cv2.imwrite(str(tmp_path / "sign.png"), on_canvas(drawn(f"{SITE}/p/{SPOT}", 6)))
    await page.locator("#photo").set_input_files(tmp_path / "sign.png")
    await page.get_by_role("button", name="Baca foto").click()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


async def test_a_photograph_without_a_code_says_so(handheld: Handheld, tmp_path: Path) -> None:
    page = await handheld.open()
    cv2.imwrite(str(tmp_path / "wall.png"), BLANK)
    await page.locator("#photo").set_input_files(tmp_path / "wall.png")
    await found(page, "none").to_have_text("Tidak ada kode yang terbaca")
    await handheld.examine(page, "scan-none")
    (tmp_path / "words.png").write_text("no picture")
    handheld.screens.expected_statuses.add(422)
    await page.locator("#photo").set_input_files(tmp_path / "words.png")
    await expect(page.get_by_role("alert")).to_contain_text("bukan gambar")
    await handheld.examine(page, "scan-no-picture")


async def test_the_devices_own_camera_serves_where_the_browser_has_none(
    handheld: Handheld, tmp_path: Path
) -> None:
    own = Film(tmp_path / "own.mjpeg")
    handheld.device.restart_with(HANDHELD_CAMERA=str(own.path))
    page = await handheld.open()
    await expect(page.locator("canvas#preview")).to_be_visible()
    await expect(page.locator("#camera-state")).to_have_text("Arahkan kamera ke kode")
    own.path.unlink()
    handheld.screens.expected_statuses.add(503)
    await expect(page.locator("#camera-state")).to_contain_text("Kamera terputus")
    own.of(f"{SITE}/p/{SPOT}")
    await page.get_by_role("button", name="Coba lagi").click()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))
