"""The wallet in Chromium: its camera reads a tilted code, and its pages fit a phone and a desk."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from playwright.async_api import Page, async_playwright

from server.sandbox import pictures
from server.sandbox.settings import Settings
from tests.ports import free_port
from tests.server.sandbox.receiver import Receiver, eventually
from tests.server.sandbox.test_pictures import encoded, warped
from tests.server.sandbox.test_process import connected, running

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

TOO_SMALL = """() => [...document.querySelectorAll("button, input:not([type=hidden]), textarea, a")]
  .filter((e) => e.offsetParent && !e.classList.contains("skip"))
  .filter((e) => e.type !== "checkbox")  // its whole label is the target
  .filter((e) => e.getBoundingClientRect().height < 48).map((e) => e.outerHTML)"""
UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), textarea")]
  .filter((e) => !e.labels.length).map((e) => e.outerHTML)"""


def film(path: Path, text: str) -> None:
    """A second of the code held before a camera, as Chromium's fake camera wants it."""
    views = [warped(seed, noise=6, blur=0.9, shade=0.3, text=text) for seed in range(4)]
    frames = [cv2.resize(view, (640, 480)) for view in views]
    path.write_bytes(b"".join(encoded(frame.astype(np.uint8)) for frame in frames * 8))


@asynccontextmanager
async def browser_page(camera: Path, width: int, height: int) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        page = await browser.new_page(viewport={"width": width, "height": height})
        yield page
        await browser.close()


async def fits(page: Page) -> None:
    width = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0
    assert await page.evaluate(TOO_SMALL) == []
    assert await page.evaluate(UNNAMED) == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
async def test_camera_to_rrn(
    settings: Settings,
    partner_key: rsa.RSAPrivateKey,
    receiver: Receiver,
    tmp_path: Path,
    width: int,
    height: int,
) -> None:
    camera, port, troubles = tmp_path / "camera.mjpeg", free_port(), list[str]()
    with running(settings, port):
        async with connected(settings, partner_key, port) as partner:
            order = await partner.order("K-1", 5_000)
        film(camera, order["qrContent"])
        async with browser_page(camera, width, height) as page:
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("console", lambda said: troubles.append(said.text))
            await page.goto(f"http://127.0.0.1:{port}/wallet")
            await fits(page)
            await page.click(".camera-start")
            await page.wait_for_selector("button[value=pay]")
            await fits(page)
            assert "PARKIR KAB CONTOH" in await page.inner_text(".merchant")
            assert "5.000" in await page.inner_text(".amount")
            await page.click("button[value=pay]")
            shown = await page.inner_text(".rrn")
            await fits(page)
            heard = (await receiver.wait_for(1))[0]
            assert f'"rrn":"{shown}"'.encode() in heard.body
            assert order["referenceNo"].encode() in heard.body
            await eventually(lambda: len(receiver.heard) == 1)
            await page.reload()
            assert await page.locator(".rrn").count() == 1
            await page.click(".language")
            await page.get_by_text("Payment successful").first.wait_for()
    # A frame in which no code is found yet is answered 422, which the browser reports.
    assert [trouble for trouble in troubles if "422" not in trouble] == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
async def test_the_board_and_the_payers_code_fit(
    settings: Settings, tmp_path: Path, width: int, height: int
) -> None:
    port, troubles = free_port(), list[str]()
    film(tmp_path / "camera.mjpeg", "unused")
    with running(settings, port):
        await eventually(lambda: _listens(port), within_s=60)
        async with browser_page(tmp_path / "camera.mjpeg", width, height) as page:
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("console", lambda said: troubles.append(said.text))
            await page.goto(f"http://127.0.0.1:{port}/sandbox")
            await fits(page)
            await page.click("#notification summary")
            await fits(page)
            await page.check("#notification input[value=drop_notifications]")
            await page.fill("#times-notification", "3")
            await page.click("#notification button")
            await page.wait_for_selector(".armed li")
            assert "3 terpasang" in await page.inner_text("#notification summary")
            await fits(page)
            await page.goto(f"http://127.0.0.1:{port}/wallet/codes")
            await fits(page)
            await page.click("button[value=pending]")
            await page.wait_for_selector("img.shown")
            told = await page.evaluate("fetch(location.href + '.json').then((r) => r.json())")
            picture = await page.locator("img.shown").screenshot()
            assert pictures.read(picture, lambda _: True) == told["qris"]
            await fits(page)
    assert troubles == []


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
