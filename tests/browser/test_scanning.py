"""The handheld's camera in Chromium: a film before a fake camera, and every result it can have."""

import asyncio
import re
import shutil
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
from playwright.async_api import Browser, Page, Route, async_playwright, expect

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
from tests.attendant_app.test_covered import AMBULANCE
from tests.attendant_app.test_stays import start
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
            await self.screens.examine(page, name, sizes=[size], english=False)
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


async def test_a_voucher_is_taken_in_two_taps_and_used_once(handheld: Handheld) -> None:
    truth = handheld.office
    handheld.film.of(truth.voucher())
    page = await handheld.open(f"/spots/{SPOT}")
    await page.goto("/scan")
    await found(page, "voucher").to_have_text("VOUCHER")
    for fact in ("Rp5.000", "V-0001-00001-I", "sisa nilai tidak kembali"):
        await expect(page.locator(".found")).to_contain_text(fact)
    assert await page.get_by_role("button", name="Truk").count() == 0, "it is not worth that"
    await handheld.examine(page, "scan-voucher")
    await page.get_by_role("button", name="Motor").click()
    await expect(page.locator(".verdict")).to_have_text("LUNAS")
    await scan_by_keys(page, truth.voucher())
    await found(page, "voucher").to_have_text("SUDAH DIPAKAI")
    await expect(page.locator(".found.looks-red")).to_contain_text(SPOT)
    await handheld.examine(page, "scan-voucher-used")
    await scan_by_keys(page, truth.voucher(1_000, 2))
    await expect(page.locator(".found .flag")).to_contain_text("NILAI KURANG")
    await handheld.examine(page, "scan-voucher-small")
    truth.stop()
    until(lambda: not handheld.device.status()["online"])
    await scan_by_keys(page, truth.voucher(number=3))
    await page.get_by_role("button", name="Mobil").click()
    await expect(page.locator(".charge.is-voucher .verdict")).to_have_text("Voucher diterima")
    await handheld.examine(page, "voucher-unsent")


async def test_at_the_end_of_a_stay_the_camera_takes_a_wallet_or_a_voucher(
    handheld: Handheld,
) -> None:
    truth = handheld.office
    refusing, paying = start(handheld.device, truth), start(handheld.device, truth)
    handheld.film.of(consumer_text())
    page = await handheld.open(f"/stays/{refusing}")
    await page.get_by_role("button", name="Pindai").click()
    await found(page, "consumer-qris").to_be_visible()
    await handheld.examine(page, "ending-wallet")
    await page.get_by_role("button", name="Bayar Rp10.000").click()
    await expect(page.get_by_text("Menunggu dompet pengemudi")).to_be_visible()
    truth.change(page.url.rpartition("/")[2], state="issue_failed")
    await expect(page.get_by_text("Dompet pengemudi menolak")).to_be_visible()
    await handheld.examine(page, "ending-refused")
    await page.get_by_role("link", name="Cara bayar lain").click()
    await expect(page.locator(".stay.is-owed")).to_be_visible()
    await page.goto(f"/stays/{paying}")
    await scan_by_keys(page, truth.voucher(10_000))
    await found(page, "voucher").to_have_text("VOUCHER")
    await handheld.examine(page, "ending-voucher")
    await page.get_by_role("button", name="Bayar Rp10.000").click()
    await expect(page.locator(".charge.is-paid .verdict")).to_have_text("LUNAS")


async def test_a_pass_starts_a_free_stay_in_two_taps(handheld: Handheld) -> None:
    truth = handheld.office
    handheld.film.of(truth.pass_())
    page = await handheld.open(f"/spots/{SPOT}")
    await page.goto("/scan")
    await found(page, "pass").to_have_text("LANGGANAN BERLAKU")
    await expect(page.locator(".found.looks-green")).to_contain_text("KH 1••• AB")
    await handheld.examine(page, "scan-pass")
    await page.get_by_role("button", name="Mobil").click()
    await expect(page.locator(".charge.is-paid .verdict")).to_have_text("Langganan")
    await handheld.examine(page, "pass-taken")
    await scan_by_keys(page, truth.pass_(zones=("RSU",)))
    await found(page, "pass").to_have_text("ZONA LAIN")
    await handheld.examine(page, "scan-pass-other-zone")


async def test_a_free_vehicle_is_chosen_by_its_picture(handheld: Handheld) -> None:
    handheld.office.exemptions = [
        AMBULANCE | {"code": picture, "picture": picture, "label_id": picture.title()}
        for picture in ("ambulance", "fire", "government", "disabled", "other")
    ]
    handheld.device.kill()
    handheld.device.start()
    until(lambda: "/free" in handheld.device.http.get(f"/spots/{SPOT}").text)
    page = await handheld.open(f"/spots/{SPOT}")
    await handheld.screens.examine(page, "home-with-free", sizes=[PHONE], english=False)
    await page.get_by_role("link", name="Bebas").click()
    await handheld.examine(page, "free")
    await page.get_by_role("button", name="Fire").click()
    await expect(page.locator(".charge.is-free .verdict")).to_have_text("Bebas, dicatat")
    await handheld.examine(page, "free-taken")


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
    await expect(page.locator("#outlines text")).to_have_text(["1", "2"])
    await expect(page.locator(".found .list button")).to_have_count(2)
    await handheld.examine(page, "scan-several")
    await page.get_by_role("button", name="Titik parkir").click()
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


async def test_beside_a_code_that_stays_unread_none_is_taken_unasked(handheld: Handheld) -> None:
    sides = [on_canvas(drawn(text, 3), 320, 480) for text in (f"{SITE}/p/{SPOT}", qris_text())]
    ink = np.argwhere(sides[1] < 128)
    (top, left), mark = ink.min(axis=0), 7 * 3
    sides[1][top : top + mark, left : left + mark] = 255
    handheld.film.show(cv2.cvtColor(cv2.hconcat(sides), cv2.COLOR_GRAY2BGR))
    page = await handheld.open()
    await found(page, "several").to_be_visible()
    await expect(page.locator("#outlines polygon")).to_have_count(2)
    await expect(page.locator(".found .unread")).to_contain_text("Kode tidak terbaca")
    await handheld.examine(page, "scan-unread")
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
    await expect(page.locator("#camera-state")).to_contain_text("tahan diam")
    await page.wait_for_function("window.frames > 3")
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
    await page.wait_for_function("window.asked.length > 1")
    lit, focused = await page.evaluate("window.asked")
    assert lit == {"torch": True}
    assert focused["focusMode"] == "single-shot"
    (point,) = focused["pointsOfInterest"]
    assert point == pytest.approx({"x": 0.5, "y": 0.5}, abs=0.01)


async def scan_by_keys(page: Page, text: str, *, loaded: bool = True) -> None:
    """As a hardware scanner does: a key each 5 ms, by the events' own clock, then Enter."""
    if loaded:
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


async def test_a_code_typed_before_a_page_is_built_is_whole(handheld: Handheld) -> None:
    page = await handheld.open("/spots")

    async def late(route: Route) -> None:
        await asyncio.sleep(2)
        await route.continue_()

    await page.route("**/static/live.js", late)
    await page.goto("/shift", wait_until="commit")
    await page.locator("h1").wait_for()
    await scan_by_keys(page, f"{SITE}/p/{SPOT}", loaded=False)
    await expect(page).to_have_url(re.compile(f"/spots/{SPOT}"))


async def test_a_new_device_is_enrolled_by_its_camera_before_any_shift(handheld: Handheld) -> None:
    handheld.office.enrolment_code = ""
    handheld.device.stop()
    shutil.rmtree(handheld.device.folder)
    handheld.device.restart_with(HANDHELD_ENROLMENT_CODE="")
    handheld.office.enrolment_code, handheld.office.state = "KARCIS-ENROL:SEKALI", "pending"
    page = await handheld.open("/")
    await expect(page).to_have_url(re.compile("/enrol"))
    await handheld.examine(page, "enrol")
    enrol = page.url

    async def point_at(text: str) -> None:
        await page.goto("about:blank")  # a camera that is open would meet half a film, and fail
        handheld.film.of(text)
        await page.goto(enrol)

    await point_at("https://contoh.go.id/lain")
    await expect(page.locator("#camera-state")).to_contain_text("bukan kode pendaftaran")
    await point_at("KARCIS-ENROL:SEKALI")
    await expect(page).to_have_url(re.compile("/sign-in"))
    words = handheld.device.status()["fingerprint"]
    assert re.fullmatch(r"(?:[a-z]{4} ){3}[a-z]{4}", words)
    await expect(page.get_by_role("alert")).to_contain_text("Tunggu petugas kedua")
    await expect(page.get_by_role("alert")).to_contain_text(words)
    handheld.film.show(BLANK)
    await handheld.examine(page, "sign-in-pending")
    await page.get_by_role("link", name="Daftarkan kunci baru").click()
    await expect(page.get_by_role("heading")).to_have_text("Daftarkan kunci baru")
    await handheld.examine(page, "enrol-again")


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
