"""From a code coming into a camera's view to the screen saying what it is, in Chromium.

The fake camera plays a film that is blank for a second and then shows a code as a hand holds it.
The baseline is the reader alone on the same frames, so that the ratio is what the way there costs.
"""

import asyncio
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from playwright.async_api import Browser, async_playwright

from attendant_app import scanner
from bench.figure import Figure
from tests.attendant_app.builders import SITE, SPOT, photographed, qris_text
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

RUNS = 40
CHARGE = "0198f000-0000-7000-8000-000000000001"
BLANK = np.full((480, 640, 3), 128, np.uint8)

# The moment a frame first holds something dark and light, and that of an answer on the page. The
# answer's own page may follow at once, so both are kept over the way there.
WATCH = """
const now = () => performance.timeOrigin + performance.now();
// Not after its paint, a frame later: by then a page that follows may have taken this one's place.
const decided = () => sessionStorage.decided ??= now();
addEventListener("DOMContentLoaded", () => {
  const video = document.querySelector("video#preview");
  if (!video) return;
  const small = new OffscreenCanvas(32, 24).getContext("2d", { willReadFrequently: true });
  const sample = () => {
    small.drawImage(video, 0, 0, 32, 24);
    const grey = small.getImageData(0, 0, 32, 24).data.filter((_, place) => place % 4 === 1);
    if (Math.max(...grey) - Math.min(...grey) > 60) sessionStorage.seen = now();
    else video.requestVideoFrameCallback(sample);
  };
  video.requestVideoFrameCallback(sample);
  new MutationObserver(() => document.querySelector(".found") && decided())
    .observe(document.querySelector("main"), { childList: true });
});
"""


def measure() -> list[Figure]:
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Figure]:
    office = Office()
    office.start()
    device = Device(office, folder / "handheld", "tcp://127.0.0.1:9")
    device.start()
    film = folder / "film.mjpeg"
    film.write_bytes(_jpegs([BLANK]))
    try:
        device.sign_in()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=[
                    "--no-sandbox",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-video-capture={film}",
                ],
            )
            charge = office.new_charge(CHARGE, SPOT, "car")
            office.charges[CHARGE] = charge
            online = [await _times(browser, device, film, qris_text(9000, name="WARUNG"))]
            online.append(await _times(browser, device, film, charge["qris"]))
            office.stop()
            until(lambda: not device.status()["online"])
            offline = [await _times(browser, device, film, charge["qris"])]
            offline.append(await _times(browser, device, film, f"{SITE}/p/{SPOT}"))
            await browser.close()
        read = _reading(charge["qris"])
        return [_figure("camera-online", online, read), _figure("camera-offline", offline, read)]
    finally:
        device.kill()
        office.stop()


async def _times(browser: Browser, device: Device, film: Path, text: str) -> list[float]:
    """Milliseconds from code to answer, `RUNS` times, each with a camera opened anew."""
    _show(film, text)
    times = []
    for _ in range(RUNS):
        # Waiting for a value inside the page is an eval, which the page's own policy forbids.
        context = await browser.new_context(
            base_url=f"http://127.0.0.1:{device.port}", bypass_csp=True
        )
        await context.add_init_script(WATCH)
        page = await context.new_page()
        await page.goto("/scan")
        await page.wait_for_function("sessionStorage.decided", timeout=20_000)
        await page.wait_for_timeout(1000)  # an answer's own page may be on its way
        times.append(await page.evaluate("sessionStorage.decided - sessionStorage.seen"))
        await context.close()
    return times


def _show(film: Path, text: str) -> None:
    shown = [photographed(text, seed) for seed in range(60)]
    film.write_bytes(_jpegs([BLANK] * 30 + shown))


def _jpegs(frames: Iterable[np.ndarray]) -> bytes:
    return b"".join(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames)


def _reading(text: str) -> list[float]:
    times = []
    for seed in range(60):
        picture = _jpegs([photographed(text, seed)])
        started = time.perf_counter()
        scanner.look(scanner.unpack(picture))
        times.append((time.perf_counter() - started) * 1000)
    return times


def _figure(name: str, runs: list[list[float]], reading: list[float]) -> Figure:
    times = [taken for series in runs for taken in series]
    p95, read = (statistics.quantiles(values, n=20)[-1] for values in (times, reading))
    return Figure(
        name=name,
        value=p95,
        unit="ms (p95)",
        baseline_name="the reader alone",
        baseline_value=read,
        ratio=p95 / read,
        runs=len(times),
        note=f"Median {statistics.median(times):.0f} ms; 640x480, camera at 20 frames a second.",
    )
