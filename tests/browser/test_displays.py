"""A display at a spot in Chromium: goes along by itself, and never shows what may not be true."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from domain.closure import ClosureReason
from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.payments import inquiries
from server.payments.models import Charge
from server.payments.wiring import Wiring
from server.spots import closures
from server.spots import service as spots
from server.spots.service import SPOT_FILE_COLUMNS
from tests.browser.screen import PHONE, SMALL_PHONE, Screens
from tests.server.conftest import Sandbox
from tests.server.open_data.parked import park

ALONE = "PSR-901-L"
PANEL, KIOSK = (800, 480), (1280, 800)
WAIT_MS = 60_000


class Cable:
    """Between a display and the server; what is in it when it is cut is lost."""

    def __init__(self, site: str) -> None:
        self._far = urlsplit(site)
        self._ends: list[asyncio.StreamWriter] = []
        self.url = ""
        self._cut = False

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        self._cut = cut
        for end in self._ends if cut else ():
            end.transport.abort()

    async def join(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self.cut:
            back.transport.abort()
            return
        far, there = await asyncio.open_connection(self._far.hostname, self._far.port)
        self._ends += [back, there]
        await asyncio.gather(self._carry(near, there), self._carry(far, back))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await source.read(65_536):
                sink.write(some)
                await sink.drain()
        sink.close()


@pytest.fixture
async def cable(site: str) -> AsyncIterator[Cable]:
    laid = Cable(site)
    async with await asyncio.start_server(laid.join, "127.0.0.1", 0) as server:
        laid.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield laid
        laid.cut = True


async def put_spot(transactions: Transactions) -> None:
    line = f"PSR,Pasar Contoh,{ALONE},Jl. Contoh 1,-2.5,112.9,yes"
    async with transactions.begin() as db:
        await spots.import_spots(db, f"{','.join(SPOT_FILE_COLUMNS)}\n{line}\n")


async def test_a_display_goes_from_free_to_paid_by_itself_and_says_when_it_is_cut_off(
    screens: Screens,
    app: FastAPI,
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    transactions: Transactions,
    cable: Cable,
) -> None:
    await put_spot(transactions)
    context = await screens.browser.new_context(
        viewport={"width": PANEL[0], "height": PANEL[1]}, locale="id-ID"
    )
    await context.clock.install()
    page = await screens.open(f"{cable.url}/d/{ALONE}", PANEL, context=context)
    shown = page.locator("#display")
    await expect(shown).to_contain_text("Kosong")
    await screens.examine(page, "display-free", sizes=[PANEL], english=False)
    made = await api.post(f"/v1/spots/{ALONE}/charges", json={"vehicle_class": "car"})
    await expect(shown).to_contain_text("Rp4.000", timeout=WAIT_MS)
    await screens.examine(page, "display-pay", sizes=[PANEL], english=False)
    async with transactions.begin() as db:
        charge = await db.get_one(Charge, made.json()["id"])
    await sandbox.pay(charge.qris or "")
    wired: Wiring = app.state.payments
    await inquiries.inquire(
        transactions,
        wired.acquirers.first,
        wired.announcer,
        wired.books,
        charge.reference,
        datetime.now(UTC),
    )
    await expect(shown).to_contain_text("Lunas", timeout=WAIT_MS)
    await screens.examine(page, "display-paid", sizes=[PANEL], english=False)
    cable.cut = True
    await page.clock.fast_forward(25_000)
    await expect(page.locator("#lost")).to_be_visible(timeout=2 * WAIT_MS)
    await expect(shown).to_be_hidden()
    await screens.examine(page, "display-lost", sizes=[PANEL], english=False)
    cable.cut = False
    await expect(shown).to_contain_text("Lunas", timeout=2 * WAIT_MS)
    await expect(page.locator("#lost")).to_be_hidden()
    await context.close()  # all that the browser has to say of the cut has come then
    screens.complaints[:] = [told for told in screens.complaints if "net::ERR" not in told]


async def test_a_display_needs_no_script_and_fits_any_screen(
    screens: Screens, transactions: Transactions
) -> None:
    await put_spot(transactions)
    now = datetime.now(UTC)
    began, ended = now - timedelta(minutes=90), now - timedelta(minutes=5)
    await park(transactions, 1, began=began, ended=ended, spot=ALONE, charged=True)
    for size in (SMALL_PHONE, PHONE, KIOSK):
        page = await screens.open(f"/d/{ALONE}", size)
        await expect(page.locator("#display")).to_contain_text("Waktu habis")
        await screens.examine(page, "display-expired", sizes=[size], english=False)
        tall = await page.evaluate("document.documentElement.scrollHeight - innerHeight")
        assert tall <= 0, "nobody scrolls a display"
    page = await screens.open(f"/d/{ALONE}", PANEL, scripts=False)
    await expect(page.locator("#display")).to_contain_text("Waktu habis")
    assert await page.locator("noscript meta[http-equiv=refresh]").count() == 1


async def test_a_display_of_a_closed_spot_fits_any_screen(
    screens: Screens, transactions: Transactions
) -> None:
    await put_spot(transactions)
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        asked = {"starts": None, "ends": now + timedelta(days=2), "note": "", "now": now}
        await closures.close(db, officer, ALONE, ClosureReason.EVENT, **asked)  # type: ignore[arg-type]
    for size in (SMALL_PHONE, PHONE, PANEL, KIOSK):
        page = await screens.open(f"/d/{ALONE}", size)
        await expect(page.locator("#display")).to_contain_text("Ditutup sementara")
        assert await page.locator("#display img").count() == 0
        await screens.examine(page, "display-closed", sizes=[size], english=False)
        tall = await page.evaluate("document.documentElement.scrollHeight - innerHeight")
        assert tall <= 0, "nobody scrolls a display"
