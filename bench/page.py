"""The driver's pages: how many a second, how soon on a slow phone, and what a listener costs.

The bare server is Starlette with Jinja2, which fills the same page and asks no database.
"""

import asyncio
import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

import asyncpg
import httpx
import psutil
from jinja2 import Environment
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from bench import ground as grounds
from bench.confirm import SUCCESS
from bench.figure import Figure, compare
from bench.ground import Ground
from server.system import free_ports

SPOT = "/p/PSR-001-U"
PAGES, ROUNDS = 3_000, 5
LISTENERS, BARE_LISTENERS, CONNECTING = 15_000, 2_000, 50
PAID, PER_SECOND = 1_000, 50
PROMISED_MS, VISITS = 3_000, 10
BARE_PAGE = "BENCH_PAGE"
# As Chromium's own "Slow 3G", in bytes a second.
SLOW = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 400_000 / 8,
    "uploadThroughput": 400_000 / 8,
}


def measure() -> list[Figure]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server inherits it
    with grounds.ground() as ground, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        text = httpx.get(_at(ground, SPOT), trust_env=False).text
        page.write_text(text.replace("PSR-001-U", "{{ spot }}"))
        spots = asyncio.run(_spots(ground))
        with _bare(page) as (port, bare):
            return [
                _pages(ground, port, "page", [SPOT], "One spot's first page."),
                _pages(ground, port, "page-spots", spots, f"{len(spots)} spots in turn."),
                asyncio.run(_on_3g(ground)),
                *asyncio.run(_listeners(ground, port, bare)),
            ]


def _at(ground: Ground, path: str) -> str:
    return f"http://127.0.0.1:{ground.settings.port}{path}"


def bare() -> Starlette:
    """What is compared with: the page, and a stream that says something once."""
    template = Environment(autoescape=True).from_string(Path(os.environ[BARE_PAGE]).read_text())

    async def page(request: Request) -> Response:
        return HTMLResponse(template.render(spot=request.path_params["spot"]))

    async def silence() -> AsyncIterator[str]:
        yield ": here\n\n"
        await asyncio.Event().wait()

    async def events(_request: Request) -> Response:
        return StreamingResponse(silence(), media_type="text/event-stream")

    return Starlette(routes=[Route("/p/{spot}", page), Route("/events", events)])


@contextmanager
def _bare(page: Path) -> Iterator[tuple[int, psutil.Process]]:
    port = free_ports()
    command = ["-m", "uvicorn", "--factory", "bench.page:bare", "--log-level", "error"]
    process = subprocess.Popen(
        [sys.executable, *command, "--no-access-log", "--port", str(port)],
        env={**os.environ, BARE_PAGE: str(page)},
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}{SPOT}", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


async def _spots(ground: Ground) -> list[str]:
    connection = await asyncpg.connect(ground.url)
    codes = [row["code"] for row in await connection.fetch("SELECT code FROM spots ORDER BY code")]
    await connection.close()
    return [f"/p/{code}" for code in codes]


def _pages(ground: Ground, bare_port: int, name: str, paths: list[str], note: str) -> Figure:
    def served(port: int) -> float:
        requests = [
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
            for path in islice(cycle(paths), PAGES)
        ]
        return PAGES / grounds.send(port, requests, b"</html>").elapsed_s

    return compare(
        name,
        "pages/s",
        lambda: served(ground.settings.port),
        "Starlette with Jinja2, no database",
        lambda: served(bare_port),
        ROUNDS,
        note,
    )


async def _on_3g(ground: Ground) -> Figure:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        tapped, cold = [], []
        for _ in range(VISITS):
            context = await browser.new_context(viewport={"width": 390, "height": 844})
            page = await context.new_page()
            await _slow(page)
            await page.goto(_at(ground, SPOT))
            await page.get_by_role("button").click()
            await page.wait_for_url("**/c/*")
            tapped.append(await _barcode_after_ms(page))
            address = page.url
            await context.close()
            context = await browser.new_context(viewport={"width": 390, "height": 844})
            page = await context.new_page()
            await _slow(page)
            await page.goto(address)
            cold.append(await _barcode_after_ms(page))
            await context.close()
        await browser.close()
    return Figure.of_rounds(
        "page-3g",
        "ms from the tap to the barcode",
        [(ms, PROMISED_MS) for ms in tapped],
        "promised",
        f"Chromium at 400 kbit/s and 400 ms; worst {max(tapped):,.0f} ms. Its link opened with an"
        f" empty cache: {median(cold):,.0f} ms, worst {max(cold):,.0f} ms.",
    )


async def _slow(page: Page) -> None:
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", SLOW)


async def _barcode_after_ms(page: Page) -> float:
    """From the start of the navigation, its redirect included, until the barcode is decoded."""
    await page.wait_for_function("document.querySelector('.barcode img')?.complete")
    ms: float = await page.evaluate(
        "() => document.querySelector('.barcode img').decode().then(() =>"
        " performance.getEntriesByType('resource')"
        ".find((entry) => entry.initiatorType === 'img').responseEnd)"
    )
    return ms


async def _listeners(ground: Ground, bare_port: int, bare: psutil.Process) -> list[Figure]:
    numbers = await asyncio.to_thread(ground.seed, LISTENERS)
    paid, heard = set(islice(numbers, PAID)), dict[int, float]()
    async with AsyncExitStack() as stack:
        connecting = asyncio.Semaphore(CONNECTING)

        async def listen(port: int, path: str, number: int | None = None) -> None:
            async with connecting:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
                await reader.readuntil(b"\n\n")
            if number in paid:
                task = asyncio.create_task(_paid(reader, number, heard))
                stack.callback(task.cancel)

        before, bare_before = ground.server.memory_info().rss, bare.memory_info().rss
        paths = [(f"/v1/charges/{_charge_id(number)}/events", number) for number in numbers]
        await asyncio.gather(*(listen(ground.settings.port, *path) for path in paths))
        ours_kb = (ground.server.memory_info().rss - before) / LISTENERS / 1024
        await asyncio.gather(*(listen(bare_port, "/events") for _ in range(BARE_LISTENERS)))
        bare_kb = (bare.memory_info().rss - bare_before) / BARE_LISTENERS / 1024
        gc.freeze()  # a collection of so many readers would stop the clock that measures
        answered = await _pay(ground, sorted(paid))
        await asyncio.sleep(3)
        late_ms = [
            (heard[number] - at) * 1000 for number, at in answered.items() if number in heard
        ]
    return [
        Figure.of_rounds(
            "sse-memory",
            "kB a listener",
            [(ours_kb, bare_kb)],
            "Starlette's StreamingResponse",
            f"{LISTENERS} listeners of one server process.",
        ),
        Figure.of_rounds(
            "sse",
            "ms from the acknowledged payment to its listener, p99",
            [(quantiles(late_ms, n=100)[98], 20)],
            "promised",
            f"{LISTENERS} listeners, {PER_SECOND} payments a second;"
            f" heard {len(late_ms)} of {PAID}, p50 {median(late_ms):.1f} ms.",
        ),
    ]


def _charge_id(number: int) -> str:
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


async def _paid(reader: asyncio.StreamReader, number: int, heard: dict[int, float]) -> None:
    text = b""
    while b'"state":"paid"' not in text:
        text = await reader.readuntil(b"\n\n")
    heard[number] = time.perf_counter()


async def _pay(ground: Ground, numbers: list[int]) -> dict[int, float]:
    """Pay charges one after the other at an even pace; when each was acknowledged."""
    answered = {}
    reader, writer = await asyncio.open_connection("127.0.0.1", ground.settings.port)
    for number in numbers:
        writer.write(grounds.notification(ground, number))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if SUCCESS not in await reader.readexactly(length):
            raise RuntimeError("a payment was refused")
        answered[number] = time.perf_counter()
        await asyncio.sleep(1 / PER_SECOND)
    writer.close()
    return answered
