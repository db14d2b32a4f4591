"""Takes the pictures of README.md and of attendant, driver, handheld, printers, signs and displays
in docs/: `.venv/bin/python docs/pictures.py`.

They come from the running system: charges were asked for, a sandbox wallet paid them, the virtual
printer printed. Needs Chromium (`./setup.sh test` installs it). Each file stays under 150 kB.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, sync_playwright

from server.spots import sheets
from server.system import HANDHELD, SANDBOX, SERVER, System, free_ports

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
SPOT = "PSR-001-U"
MOST_BYTES = 150_000
WAIT_S = 30.0
BY_THE_HOUR = "RSU"

# A small day at the office: spot, vehicle class, minutes where the zone counts hours.
DAY = (
    ("PSR-002-T", "motorcycle", None),
    ("PSR-003-W", "car", None),
    ("ALN-001-G", "motorcycle", None),
    ("KUL", "car", None),
    ("TRM", "truck", None),
    ("PLB", "motorcycle", None),
    (BY_THE_HOUR, "car", 120),
)


def save(name: str, picture: bytes, colors: int = 128) -> None:
    """Keep a picture with as few colours as it needs; refuses one that grew too large."""
    image = Image.open(io.BytesIO(picture))
    if image.mode not in ("1", "L"):
        image = image.convert("RGB").quantize(colors, dither=Image.Dither.NONE)
    path = IMAGES / name
    image.save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise RuntimeError(f"{name} has {size} bytes, more than {MOST_BYTES}")
    sys.stderr.write(f"{name}: {image.width}x{image.height}, {size // 1000} kB\n")


def eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"not within {WAIT_S:.0f} s")


def shown(browser: Browser, width: int, height: int, scale: float = 2) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=scale, locale="id-ID"
    )
    return context.new_page()


class Town:
    """The running system and what a driver, an attendant and an officer do in it."""

    def __init__(self, system: System, http: httpx.Client) -> None:
        self.server, self.sandbox = system.url(SERVER), system.url(SANDBOX)
        self.handheld = system.url(HANDHELD)
        self.facts = system.ready_facts(SPOT)
        self.environment = system.programs["server"].environment
        self.receipts = system.data_dir / "receipts"
        self.stop_server = system.programs["server"].stop
        self._http = http

    def get(self, address: str) -> Any:
        return self._http.get(address).raise_for_status().json()

    def picture(self, address: str) -> bytes:
        return self._http.get(address).raise_for_status().content

    def post(self, address: str, body: dict[str, Any]) -> Any:
        return self._http.post(address, json=body).raise_for_status().json()

    def sign_in(self) -> None:
        eventually(lambda: self.get(f"{self.handheld}/api/status")["enrolled"])
        attendant = self.facts["attendant"]
        body = {"attendant": attendant["code"], "pin": attendant["pin"]}
        self.post(f"{self.handheld}/api/sign-in", body)
        eventually(lambda: self.get(f"{self.handheld}/api/spots")["spots"])

    def spots(self) -> list[str]:
        return [spot["code"] for spot in self.get(f"{self.handheld}/api/spots")["spots"]]

    def drivers_charge(self, spot: str, vehicle_class: str, minutes: int | None) -> Any:
        body: dict[str, Any] = {"vehicle_class": vehicle_class}
        if minutes is not None:
            body["minutes"] = minutes
        return self.post(f"{self.server}/v1/spots/{spot}/charges", body)

    def attendants_charge(self) -> str:
        body = {"spot": SPOT, "vehicle_class": "motorcycle", "plate": "KH 1234 SMP"}
        charge_id: str = self.post(f"{self.handheld}/api/charges", body)["id"]
        eventually(lambda: self.get(f"{self.handheld}/api/charges/{charge_id}")["qris"])
        return charge_id

    def pay(self, qris: str) -> None:
        self.post(f"{self.sandbox}/wallet/pay", {"qris": qris, "outcome": "pay"})

    def tap(self, path: str, **form: str) -> None:
        answer = self._http.post(f"{self.handheld}{path}", data=form)
        if not answer.is_redirect:
            raise RuntimeError(f"{path}: {answer.status_code}")

    def photograph(self, address: str, jpeg: bytes) -> None:
        answer = self._http.post(address, files={"image": ("foto.jpg", jpeg)})
        if not answer.is_redirect:
            raise RuntimeError(f"{address}: {answer.status_code}")

    def stay(self) -> str:
        """A vehicle that pays by the hour when it leaves, at a spot that nobody else is at."""
        spot = [code for code in self.spots() if code.startswith(BY_THE_HOUR)][-1]
        self.tap("/stays", spot=spot, vehicle_class="car")
        page = self._http.get(f"{self.handheld}/spots/{spot}").text
        return str(re.findall(r'href="/stays/([^"]+)"', page)[-1])

    def slip(self, kind: str, record_id: str) -> Image.Image:
        """What the virtual printer makes of a slip that is asked for on the handheld."""
        before = set(self.receipts.glob("*.png"))
        self.tap(f"/slips/{kind}/{record_id}")
        (paper,) = eventually(lambda: set(self.receipts.glob("*.png")) - before)
        time.sleep(0.5)  # until the picture is written whole
        return Image.open(paper).convert("L")

    def closed_shift(self) -> str | None:
        """None while something recorded has not been sent."""
        body = {"counted_rp": 2000, "held_seen": 0}
        answer = self._http.post(f"{self.handheld}/api/close-shift", json=body)
        return str(answer.json()["shift_id"]) if answer.is_success else None

    def day(self) -> None:
        """Drivers pay all over the town."""
        known = self.spots()
        for start, vehicle_class, minutes in DAY:
            spot = next(code for code in known if code.startswith(start))
            charge = self.drivers_charge(spot, vehicle_class, minutes)
            self.pay(charge["qris"])
            address = f"{self.server}/v1/charges/{charge['id']}"
            eventually(lambda address=address: self.get(address)["state"] == "paid")


def of_the_driver(town: Town, browser: Browser) -> None:
    charge = town.drivers_charge(SPOT, "motorcycle", None)
    page = shown(browser, 390, 844)
    page.goto(f"{town.server}/c/{charge['id']}")
    page.wait_for_function("document.querySelector('.barcode img').complete")
    save("barcode.png", page.screenshot())
    town.pay(charge["qris"])  # so that nothing is left open in the office


def of_the_drivers_journey(town: Town, browser: Browser) -> None:
    """From the sign to the end of a stay by the hour, as `docs/driver.md` tells it."""
    spot = [code for code in town.spots() if code.startswith(BY_THE_HOUR)][-2]
    page = shown(browser, 390, 760, 1.5)

    def keep(name: str) -> None:
        page.wait_for_function("[...document.images].every(image => image.complete)")
        save(f"driver-{name}.png", page.screenshot(full_page=True), colors=32)

    def pay() -> None:
        charge_id = page.url.rsplit("/", 1)[-1]
        town.pay(town.get(f"{town.server}/v1/charges/{charge_id}")["qris"])
        page.wait_for_selector(".result.paid")

    page.goto(f"{town.server}/p")
    page.fill("input[name=spot]", spot)
    keep("start")
    page.click("button")
    page.check("input[value=car]")
    page.select_option("select", "120")
    page.wait_for_selector("#quote tfoot :text('Rp6.000')")
    keep("spot")
    page.click("button")
    page.wait_for_selector(".barcode img")
    keep("charge")
    saved = town.picture(f"{page.url}/qris.png")
    save("driver-saved.png", saved, colors=8)
    pay()
    keep("paid")
    paid = page.url
    page.click("a.button:not(.plain)")
    page.wait_for_url("**/r/*")
    keep("receipt")
    page.goto(paid)
    page.clock.install()
    page.click("text=perpanjang")
    page.wait_for_selector("#until.paid")
    keep("stay")
    page.clock.run_for(111 * 60 * 1000)
    page.wait_for_selector("#until.waiting")
    keep("ending")
    page.select_option("select[name=minutes]", "60")
    page.click("text=Perpanjang parkir")
    page.wait_for_selector(".barcode img")
    keep("extension")
    pay()


def of_the_attendant(town: Town, browser: Browser) -> None:
    charge_id = town.attendants_charge()
    address = f"{town.handheld}/api/charges/{charge_id}"
    page = shown(browser, 412, 915)
    page.goto(f"{town.handheld}/charges/{charge_id}")
    page.wait_for_function("document.querySelector('img.barcode').complete")
    page.wait_for_selector("text=Semua terkirim")
    save("handheld.png", page.screenshot())
    town.pay(town.get(address)["qris"])
    eventually(lambda: town.get(f"{address}/print")["state"] == "PRINTED")
    page.wait_for_selector(".is-PRINTED")
    page.wait_for_selector("text=Semua terkirim")
    save("handheld-paid.png", page.screenshot())
    paper = eventually(lambda: next(iter(sorted(town.receipts.glob("*.png"))), None))
    save("receipt.png", paper.read_bytes())


def of_the_guide(town: Town, browser: Browser) -> None:
    """What an attendant meets besides: several vehicles at once, cash, no signal, the day."""
    page = shown(browser, 360, 740)
    town.pay(town.get(f"{town.handheld}/api/charges/{town.attendants_charge()}")["qris"])
    town.attendants_charge()
    page.goto(f"{town.handheld}/spots/{SPOT}")
    page.wait_for_selector("main .tile.is-paid")
    page.wait_for_selector("text=Semua terkirim")
    page.locator("#told").evaluate("told => told.replaceChildren()")
    save("attendant-home.png", page.screenshot())
    page.goto(f"{town.handheld}/spots/{SPOT}/cash")
    save("attendant-cash.png", page.screenshot())
    page.click("a[href$='/cash/motorcycle']")
    page.wait_for_selector(".amount")
    save("attendant-cash-confirm.png", page.screenshot())
    page.click("button.primary")
    page.wait_for_selector("main .charge.is-paid")
    page.goto(f"{town.handheld}/shift")
    page.wait_for_selector("text=Semua terkirim")
    save("attendant-today.png", page.screenshot())


def of_the_inspector(town: Town, browser: Browser) -> None:
    """A vehicle that nobody paid for: what the check says, the notice, and its slip."""
    page = shown(browser, 360, 740, 1.5)
    page.goto(f"{town.handheld}/spots/{SPOT}")
    page.goto(f"{town.handheld}/checks/vehicles")
    page.wait_for_selector("text=Semua terkirim")
    page.fill("#code", "KH 9876 SMP")
    page.click(".typed button")
    page.wait_for_selector(".found h2")
    pictures = [page.screenshot()]
    page.click("form[action='/notices'] button")
    page.wait_for_url("**/notices/*")
    address = page.url
    # The page's own camera is not there; the photo comes as a file, as it also may.
    town.photograph(f"{address}/photos", photo_of_a_vehicle())
    page.goto(address)
    page.locator("label.button", has_text="Mobil").click()
    before = set(town.receipts.glob("*.png"))
    page.click("button[form=issue]")
    page.wait_for_selector("text=TERBIT")
    page.wait_for_selector("text=Semua terkirim")
    (paper,) = eventually(lambda: set(town.receipts.glob("*.png")) - before)
    time.sleep(0.5)  # until the picture is written whole
    pictures += [page.screenshot(), paper.read_bytes()]
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    high = images[0].height
    images[2] = images[2].resize((images[2].width * high // images[2].height, high))
    gap = 24
    size = (sum(image.width + gap for image in images) - gap, high)
    together, left = Image.new("RGB", size, "gray"), 0
    for image in images:
        together.paste(image, (left, 0))
        left += image.width + gap
    file = io.BytesIO()
    together.save(file, "PNG")
    save("inspector.png", file.getvalue(), colors=32)


def photo_of_a_vehicle() -> bytes:
    """An invented one: the back of a car under a plate that nobody has."""
    photo = Image.new("RGB", (1200, 900), "#8795a1")
    pen = ImageDraw.Draw(photo)
    pen.rectangle((0, 640, 1200, 900), fill="#4b5563")
    pen.rounded_rectangle((250, 260, 950, 700), 60, fill="#9b2c2c")
    pen.rounded_rectangle((340, 300, 860, 450), 30, fill="#1f2937")
    pen.rectangle((450, 560, 750, 640), fill="white")
    pen.text((600, 600), "KH 9876 SMP", "black", ImageFont.load_default(40), anchor="mm")
    file = io.BytesIO()
    photo.save(file, "JPEG")
    return file.getvalue()


def of_the_slips(town: Town) -> None:
    """The slips of 58 mm that one attendant can have in hand; ends the shift, begins another."""
    charge_id = town.attendants_charge()
    stay_id = town.stay()
    slips = [town.slip("entry", stay_id), town.slip("payment", charge_id)]
    address = f"{town.handheld}/api/charges/{charge_id}"
    town.pay(town.get(address)["qris"])
    eventually(lambda: town.get(f"{address}/print")["state"] == "PRINTED")
    town.tap(f"/charges/{charge_id}/refund-wish", reason="paid_twice")
    slips += [town.slip("receipt", charge_id), town.slip("wish", charge_id)]
    town.tap(f"/stays/{stay_id}/void", reason="wrong_vehicle")
    slips.append(town.slip("void", stay_id))
    shift_id = eventually(town.closed_shift)
    slips += [town.slip("shift", shift_id), town.slip("deposit", shift_id)]
    gap = 24
    size = (sum(slip.width + gap for slip in slips) - gap, max(slip.height for slip in slips))
    together, left = Image.new("L", size, 160), 0
    for slip in slips:
        together.paste(slip, (left, 0))
        left += slip.width + gap
    file = io.BytesIO()
    together.convert("RGB").reduce(2).save(file, "PNG")
    save("slips.png", file.getvalue(), colors=8)
    town.sign_in()


def of_an_outage(town: Town, browser: Browser) -> None:
    """Comes last: nothing reaches the server any more."""
    town.stop_server()
    page = shown(browser, 360, 740)
    page.goto(f"{town.handheld}/spots/{SPOT}/cash/car")
    page.wait_for_selector(".status.is-offline")
    page.click("button.primary")
    page.wait_for_selector("main .charge.is-cash")
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    save("attendant-cash-unsent.png", page.screenshot())


def of_the_office(town: Town, browser: Browser) -> None:
    truth = town.get(f"{town.sandbox}/sandbox/truth")
    day = truth["payments"][0]["business_date"]
    ended = town.post(f"{town.sandbox}/sandbox/day-end", {"date": day})
    officer = town.facts["officer"]
    page = shown(browser, 1280, 1000, 1)
    page.goto(f"{town.server}/office")
    page.fill("input[name=login]", officer["login"])
    page.fill("input[name=password]", officer["password"])
    page.click("form[action='/office/sign-in'] button")
    page.wait_for_url("**/office")
    page.goto(f"{town.server}/office/reconciliation?date={day}")
    for kind in ("settlement", "statement"):
        page.set_input_files(f"form[action='/office/{kind}'] input[type=file]", ended[kind])
        password = page.locator(f"form[action='/office/{kind}'] input[name=password]")
        if password.count():  # it was not shown within the last minutes
            password.fill(officer["password"])
        page.click(f"form[action='/office/{kind}'] button")
        page.wait_for_selector("#selisih")
    page.click("form[action='/office/reconcile'] button")
    page.wait_for_selector("#selisih")
    page.goto(f"{town.server}/office/reconciliation?date={day}")
    save("office.png", page.screenshot())
    for place, name in (("", "today"), ("/reports", "reports")):
        page.goto(f"{town.server}/office{place}")
        save(f"office-{name}.png", page.screenshot())


def of_a_closed_day() -> None:
    """What only a day that is over shows: taken by the test that plays an officers' day."""
    test = "tests/browser/test_closing.py"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "KARCIS_SCREENSHOTS": folder}
        command = [sys.executable, "-m", "pytest", "-q", test]
        subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own test
        for taken, name in (
            ("day-compared", "day"),
            ("close-prepared", "close"),
            ("remittance", "deposit"),
        ):
            with Image.open(Path(folder) / f"{taken}-1280.png") as image:
                out = io.BytesIO()
                image.crop((0, 0, 1280, min(image.height, 1000))).save(out, "PNG")
            save(f"office-{name}.png", out.getvalue())


def of_a_sign(town: Town) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sign.pdf"
        command = [sys.executable, "-m", "server", "spot", "sign", SPOT, str(out)]
        names = {"KARCIS_PUBLIC_URL": "https://parkir.contoh.go.id"}
        subprocess.run(  # noqa: S603 - our own program
            command, env={**os.environ, **town.environment, **names}, check=True
        )
        save("sign.png", sheets.picture(out.read_bytes()), colors=8)


def of_a_display(town: Town, browser: Browser) -> None:
    """A browser that hangs at a spot, and an e-paper panel there; free, to be paid, paid."""
    spot = next(code for code in town.spots() if code.startswith("TRM"))
    page = shown(browser, 800, 480, scale=1)
    panel = f"{town.server}/v1/spots/{spot}/display.png?width=400&height=240"
    sheet = Image.new("RGB", (3 * 400 + 20, 2 * 240 + 10), "gray")

    def keep(column: int, shows: str) -> None:
        eventually(lambda: town.get(f"{town.server}/v1/spots/{spot}/display")["shows"] == shows)
        page.goto(f"{town.server}/d/{spot}")
        screen = Image.open(io.BytesIO(page.screenshot())).resize((400, 240))
        sheet.paste(screen, (column * 410, 0))
        sheet.paste(Image.open(io.BytesIO(town.picture(panel))), (column * 410, 250))

    keep(0, "free")
    charge = town.drivers_charge(spot, "car", None)
    keep(1, "pay")
    town.pay(charge["qris"])
    keep(2, "paid")
    out = io.BytesIO()
    sheet.save(out, "PNG")
    save("displays.png", out.getvalue(), colors=64)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        System(Path(folder), free_ports(), own_database=True) as system,
        httpx.Client(timeout=15, trust_env=False) as http,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        town = Town(system, http)
        town.sign_in()
        of_the_attendant(town, browser)
        of_the_guide(town, browser)
        of_the_driver(town, browser)
        of_the_drivers_journey(town, browser)
        town.day()
        of_the_office(town, browser)
        of_the_inspector(town, browser)
        of_the_slips(town)
        of_a_sign(town)
        of_a_display(town, browser)
        of_a_closed_day()
        of_an_outage(town, browser)
        browser.close()


if __name__ == "__main__":
    main()
