"""What one car costs an attendant's hands: two taps, and the waiting for the screen after each.

A real handheld, server and acquirer, in Chromium at a phone's size. A tap itself is counted as
`TAP_S`, so that what is told is a person's time. The baseline is taking the same fee in cash on the
same handheld: four taps, and no counting of coins.
"""

import asyncio
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from playwright.async_api import Page, async_playwright

from bench.figure import Figure
from server import sample
from server.system import HANDHELD, System, free_ports

CARS = 30
TAP_S = 0.8
"""To find a large button and press it; the waiting before it is counted by itself."""
PHONE = {"width": 360, "height": 740}
VEHICLE = "button[value=motorcycle]"
CASH = "a[href$='/cash']"
CASH_VEHICLE = "a[href$='/cash/motorcycle']"
YES = "button.primary"
NEXT = "a.primary"


def measure() -> list[Figure]:
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        System(Path(folder), free_ports()) as system,
    ):
        spot, site = sample.first_spot(), system.url(HANDHELD)
        attendant = system.ready_facts(spot)["attendant"]
        body = {"attendant": attendant["code"], "pin": attendant["pin"]}
        answer = httpx.post(f"{site}/api/sign-in", json=body, timeout=20, trust_env=False)
        answer.raise_for_status()
        return [asyncio.run(_measure(site, spot))]


async def _measure(site: str, spot: str) -> Figure:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = await browser.new_page(base_url=site, viewport=PHONE)
        await page.goto(f"/spots/{spot}")
        pairs = [(await _by_qris(page), await _by_cash(page)) for _ in range(CARS)]
        await browser.close()
    ours, cash = (statistics.quantiles(times, n=20)[-1] for times in zip(*pairs, strict=True))
    return Figure(
        name="hands",
        value=ours * 1000,
        unit="ms of an attendant's hands a car (p95)",
        baseline_name="the same fee in cash",
        baseline_value=cash * 1000,
        ratio=statistics.median(one / other for one, other in pairs),
        runs=CARS,
        note=f"2 taps against 4, each counted as {TAP_S} s; wanted at most 3 s.",
    )


async def _by_qris(page: Page) -> float:
    """A vehicle is tapped and its code is there to be scanned; the next vehicle."""
    return await _tap(page, VEHICLE, "img.barcode") + await _tap(page, NEXT, VEHICLE)


async def _by_cash(page: Page) -> float:
    ways = ((CASH, CASH_VEHICLE), (CASH_VEHICLE, YES), (YES, ".charge.is-paid"), (NEXT, VEHICLE))
    return sum([await _tap(page, button, then) for button, then in ways])


async def _tap(page: Page, button: str, then: str) -> float:
    """Seconds from setting out to tap to what is waited for standing on the screen."""
    began = time.perf_counter()
    await page.locator(f"footer {button}").click()
    shown = page.locator(then).first
    await shown.wait_for()
    if then.startswith("img"):
        await shown.evaluate("image => image.decode()")
    return TAP_S + time.perf_counter() - began
