"""Every screen of the handheld, at every size and in both languages, as eyes and hands meet it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from attendant_app import scanner
from printer import Spooler, spooler
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import SHOTS, Device, Paper
from tests.attendant_app.office import PATIENCE_S, Office, until
from tests.browser.screen import COLOURS, PICTURES_CAME

SIZES = {"small": (320, 568), "phone": (360, 740), "wide": (480, 854), "side": (740, 360)}
# Axe looks at what stands in the page, not at how well it fits: two shapes are enough.
AXED = ("id-phone", "id-side", "en-phone")
STRICTER = ("target-size", "color-contrast-enhanced")
AXE_RULES = {"rules": {name: {"enabled": True} for name in STRICTER}}

# What the handheld asks of its screens beyond axe: targets of 56 px, contrast of 7:1 (WCAG 1.4.6
# without its exception for large text), text of 18 px, nothing beside the screen.
FAULTS = (
    "async () => {"
    + PICTURES_CAME
    + """  const faults = [];
  const shown = (e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const name = (e) => e.outerHTML.replace(/\\s+/g, " ").slice(0, 90);
  if (document.documentElement.scrollWidth > innerWidth)
    faults.push("scrolls sideways: " + document.documentElement.scrollWidth);
  for (const e of all("a, button, input:not([type=hidden]):not(.away), label.button")) {
    const box = e.getBoundingClientRect();
    if (e.parentElement.className === "banner") continue;
    if (Math.min(box.width, box.height) < 56)
      faults.push(`${Math.round(box.width)}x${Math.round(box.height)} px: ` + name(e));
    if (box.left < 0 || box.right > innerWidth) faults.push("beside the screen: " + name(e));
  }
  for (const e of all("button, .button, .tile, .print-state, .sync-state"))
    if (e.scrollWidth > e.clientWidth + 1) faults.push("spills over: " + name(e));
  for (const e of all("img"))
    if (!e.complete || !e.naturalWidth) faults.push("picture did not load: " + e.src);
"""
    + COLOURS
    + """  for (const e of all("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(style.color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 7) faults.push("contrast " + ratio.toFixed(1) + ": " + name(e));
    if (parseFloat(style.fontSize) < 18) faults.push("text of " + style.fontSize + ": " + name(e));
  }
  return faults;
}"""
)

# What a charge may come to: what is changed at the office, and the look it takes here.
COURSES: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"state": "expired"}, "expired"),
    "late": ({"state": "expired", "money_flag": "late"}, "expired"),
    "cancelled": ({"state": "cancelled"}, "cancelled"),
    "failed": ({"state": "issue_failed", "qris": None}, "failed"),
    "refund": ({"state": "refund_pending"}, "refund"),
}


class Walk:
    """One browser page over one handheld: goes to a screen, and sees it in every shape."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        self._axe = Axe()

    def see(self, path: str, name: str, ready: str) -> None:
        for language in ("id", "en"):
            chosen = {"name": "language", "value": language, "domain": "127.0.0.1", "path": "/"}
            self.page.context.add_cookies([chosen])
            self.page.goto(path)
            expect(self.page.locator(f":is(main, footer) {ready}").first).to_be_visible()
            self.measure(name, language)

    def measure(self, name: str, language: str) -> None:
        for size, (width, height) in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            shape = f"{language}-{size}"
            self.page.screenshot(path=SHOTS / f"{name}-{shape}.png")
            found = list(self.page.evaluate(FAULTS))
            if shape in AXED:
                answer = self._axe.run(self.page, options=AXE_RULES).response
                found += [
                    f"axe {rule['id']}: {node['html'][:120]}"
                    for rule in answer["violations"]
                    for node in rule["nodes"]
                ]
            self.faults += [f"{name} {shape}: {fault}" for fault in found]


@pytest.fixture
def walk(browser: Browser, device: Device) -> Iterator[Walk]:
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    page = context.new_page()
    page.goto("/")
    yield Walk(page)
    context.close()


def test_before_a_shift(browser: Browser, office: Office, paper: Paper, tmp_path: Path) -> None:
    office.stop()
    device = Device(office, tmp_path / "new", paper.url)
    device.start()
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(context.new_page())
    walk.page.goto("/")
    try:
        walk.see("/enrol", "enrol", "#enrol")
        office.start()
        until(lambda: device.status()["enrolled"])
        walk.see("/sign-in", "sign-in", ".pad")
        device.sign_in()
        walk.see("/spots", "spots", ".row")
        walk.see(f"/spots/{SPOT}", "home-empty", ".vehicle")
        walk.see("/charges/nothing", "problem", ".result")
    finally:
        context.close()
        device.kill()
        device.http.close()
    assert not walk.faults, "\n".join(walk.faults)


def until_state(device: Device, charge_id: str, state: str) -> None:
    until(lambda: device.get(f"/api/charges/{charge_id}")["state"] == state)


def test_every_course_of_a_charge(walk: Walk, device: Device, office: Office) -> None:
    device.sign_in()
    payable = device.charge(SPOT)["id"]
    for name, (changes, look) in COURSES.items():
        charge_id = device.charge(SPOT, "car")["id"]
        office.change(charge_id, **changes)
        until_state(device, charge_id, changes["state"])
        walk.see(f"/charges/{charge_id}", name, f".charge.is-{look}")
    paid = device.charge(SPOT)["id"]
    office.pay(paid)
    until(lambda: device.get(f"/api/charges/{paid}/print")["state"] == "PRINTED")
    walk.see(f"/charges/{paid}", "paid", ".charge.is-paid")
    office.refuse_charges = (409, "spot-occupied")
    refused = device.charge(SPOT)["id"]
    walk.see(f"/charges/{refused}", "refused", ".charge.is-refused")
    office.refuse_charges = None
    walk.see(f"/charges/{payable}", "payable", ".barcode")
    walk.see(f"/spots/{SPOT}", "home", ".tile.is-payable")
    office.pay(payable)
    expect(walk.page.locator("#told .tile.is-paid")).to_be_visible()
    walk.measure("told", "en")
    assert not walk.faults, "\n".join(walk.faults)


def test_paid_without_paper(walk: Walk, device: Device, office: Office, paper: Paper) -> None:
    """The driver's phone takes the receipt from the screen, whatever keeps the printer."""
    paper.paper_out = True
    device.sign_in()
    charge_id = device.charge(SPOT)["id"]
    office.pay(charge_id)
    path = f"/charges/{charge_id}"
    until(lambda: device.get(f"/api{path}/print")["reason"] == "paper-out")
    walk.see(path, "no-paper", ".print-state img[src$='printer-paper.svg']")
    walk.page.set_viewport_size({"width": 360, "height": 740})
    shown = walk.page.locator(".e-receipt img")
    shown.scroll_into_view_if_needed()
    picture = cv2.imdecode(np.frombuffer(walk.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    link = office.charges[charge_id]["receipt"]["verify_url"]
    assert scanner.decode(picture, PATIENCE_S) == [link]
    paper.stop()
    device.http.post(f"/api{path}/reprint")
    until(lambda: device.get(f"/api{path}/print")["reason"] == "unreachable")
    walk.see(path, "no-printer", ".print-state img[src$='printer-unplugged.svg']")
    assert not walk.faults, "\n".join(walk.faults)


def test_a_full_print_queue(walk: Walk, device: Device, office: Office, paper: Paper) -> None:
    """The payment stands and shows its receipt; only paper is refused, with the reason."""
    paper.stop()
    device.sign_in()
    first = device.charge(SPOT)["id"]
    office.pay(first)
    until(lambda: device.get(f"/api/charges/{first}/print")["reason"] == "unreachable")
    device.kill()
    with closing(sqlite3.connect(device.folder / "handheld.sqlite", isolation_level=None)) as db:
        slips, now = Spooler(db), datetime.now(UTC)
        with spooler.transaction(db):
            for number in range(spooler.LIMIT - 1):
                slips.submit(f"LAMA-{number}", first, now=now)
    device.start()
    charge_id = device.charge(SPOT)["id"]
    office.pay(charge_id)
    path = f"/charges/{charge_id}"
    until_state(device, charge_id, "paid")
    walk.see(path, "print-queue-full-paid", ".print-state.is-NONE")
    assert walk.page.locator(".e-receipt img").is_visible()
    walk.page.get_by_role("button", name="Print the receipt").click()
    expect(walk.page.locator(".result")).to_contain_text("The print queue is full")
    walk.measure("print-queue-full", "en")
    walk.page.get_by_role("link", name="Home").click()
    assert device.get(f"/api{path}/print")["state"] == "NONE"
    assert not walk.faults, "\n".join(walk.faults)


def test_cash_and_the_day(walk: Walk, device: Device, office: Office) -> None:
    device.sign_in()
    walk.see(f"/spots/{SPOT}/cash", "cash", ".vehicle")
    walk.see(f"/spots/{SPOT}/cash/motorcycle", "cash-confirm", ".amount")
    taken = device.cash(SPOT)["id"]
    walk.see(f"/charges/{taken}", "cash-paid", ".charge.is-paid")
    office.doubts_cash = True
    doubted = device.cash(SPOT)["id"]
    walk.see(f"/charges/{doubted}", "cash-held", ".charge.is-held")
    expect(walk.page.locator(".charge.is-held")).to_contain_text("Do not take it again")
    expect(walk.page.locator(".charge.is-held")).not_to_contain_text("does not count as paid")
    walk.see(f"/spots/{SPOT}", "home-held", ".tile.is-held")
    office.doubts_cash = False
    office.stop()
    until(lambda: not device.status()["online"])
    unsent = device.cash(SPOT, "car")["id"]
    waiting = device.charge(SPOT)["id"]
    walk.see(f"/charges/{unsent}", "cash-unsent", ".charge.is-cash")
    walk.see(f"/charges/{waiting}", "waiting", ".charge.is-waiting")
    walk.see(f"/spots/{SPOT}", "home-offline", ".tile.is-cash")
    walk.see("/shift", "day", ".today")
    device.kill()
    expect(walk.page.get_by_text("This screen has stopped")).to_be_visible()
    walk.measure("stopped", "en")
    assert not walk.faults, "\n".join(walk.faults)
