"""The driver's pages in Chromium: pay, wait, see green, with and without script, on any phone."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, Response, expect
from sqlalchemy import update

from server.database import Transactions
from server.limits import RateLimit
from server.parking.models import ParkingSession
from server.payments import inquiries
from server.payments.arrivals import Arrival, record_one
from server.payments.models import Charge, Inquiry
from server.payments.wiring import Wiring
from server.spots import service as spots
from server.spots.service import SPOT_FILE_COLUMNS
from tests.browser.screen import (
    DESK,
    FOCUS,
    SIZES,
    SMALL_PHONE,
    Screens,
    left_in_bahasa,
)
from tests.server.conftest import Sandbox

SPOT, HOURLY = "/p/PSR-001-U", "/p/RSU-003-I"


def charge_id(page: Page) -> UUID:
    return UUID(page.url.rsplit("/", 1)[-1].partition("?")[0])


async def choose(page: Page, vehicle: str = "car", plate: str = "") -> None:
    await page.locator(f"input[value={vehicle}]").check()
    await page.locator("input[name=plate]").fill(plate)
    await page.get_by_role("button").click()
    await page.wait_for_url("**/c/*")


async def by_the_hour(page: Page, hours: int, amount: str, vehicle: str = "car") -> None:
    """Choose at an hourly spot, and pay once the amount is there."""
    await page.locator("select").select_option(str(hours * 60))
    await page.locator(f"input[value={vehicle}]").check()
    await expect(page.locator("#quote tfoot .number")).to_have_text(amount)
    await page.get_by_role("button").click()
    await page.wait_for_url("**/c/*")


class Kerb:
    """What happens outside the driver's phone."""

    def __init__(
        self, app: FastAPI, transactions: Transactions, owner: Transactions, sandbox: Sandbox
    ) -> None:
        self.wired: Wiring = app.state.payments
        self.transactions, self.owner, self.sandbox = transactions, owner, sandbox

    async def pay(self, page: Page) -> None:
        """The driver's wallet pays, and the acquirer is asked: it says so."""
        async with self.transactions.begin() as db:
            charge = await db.get_one(Charge, charge_id(page))
        await self.sandbox.pay(charge.qris or "")
        await self.ask(charge.reference)

    async def ask(self, reference: str, later: timedelta = timedelta()) -> None:
        wired, now = self.wired, datetime.now(UTC) + later
        await inquiries.inquire(
            self.transactions, wired.acquirers.first, wired.announcer, wired.books, reference, now
        )

    async def receive(self, page: Page, amount_rp: int) -> None:
        """Money of any amount comes for the charge, whatever its state."""
        now = datetime.now(UTC)
        async with self.transactions.begin() as db:
            charge = await db.get_one(Charge, charge_id(page))
            inquiry = Inquiry(charge_id=charge.id, asked_at=now, status="paid", answer={})
            db.add(inquiry)
            await db.flush()
            arrival = Arrival(charge.reference, None, amount_rp, now, inquiry_id=inquiry.id)
            await record_one(
                db, charge.acquirer, charge.reference, arrival, self.wired.books, now=now
            )
        self.wired.announcer.announce(charge.id)

    async def stay_ends_in(self, stay_id: UUID, seconds: float) -> None:
        """As if a paid stay had begun so long ago that it ends then."""
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        async with self.owner.begin() as db:
            row = await db.get_one(ParkingSession, stay_id)
            assert row.ends_at is not None
            row.started_at, row.ends_at = row.started_at - (row.ends_at - ends), ends

    async def end_in(self, page: Page, seconds: float) -> None:
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        async with self.owner.begin() as db:  # a charge's end is never changed otherwise
            await db.execute(
                update(Charge).where(Charge.id == charge_id(page)).values(expires_at=ends)
            )


@pytest.fixture
def kerb(app: FastAPI, transactions: Transactions, owner: Transactions, sandbox: Sandbox) -> Kerb:
    return Kerb(app, transactions, owner, sandbox)


async def test_a_driver_pays_without_any_script(
    screens: Screens, kerb: Kerb, subtests: pytest.Subtests
) -> None:
    for size in SIZES:
        with subtests.test(str(size)):
            page = await screens.open(SPOT, size, scripts=False)
            assert await page.locator("script").count() == 0
            await choose(page, plate="KH 1234 AB")
            await expect(page.locator(".barcode .amount")).to_have_text("Rp4.000")
            refresh = page.locator("meta[http-equiv=refresh]")
            await expect(refresh).to_have_attribute("content", "5")
            await kerb.pay(page)
            await page.reload()
            await expect(page.locator(".result.paid h1")).to_have_text("Lunas")
            assert await refresh.count() == 0
            await page.locator("a.button").click()
            await expect(page.locator("h1")).to_have_text("Karcis asli, lunas")
            facts = await page.locator("dl.facts").inner_text()
            assert "KH 1••• AB" in facts
            assert "1234" not in facts


ASKING = re.compile(r"/v1/charges/[^/]+$")
"""Where a page without an event stream would ask."""


async def test_the_page_turns_green_by_itself(screens: Screens, kerb: Kerb) -> None:
    screens.expected_statuses.add(503)
    page = await screens.open(SPOT)
    await page.route(ASKING, lambda route: route.fulfill(status=503))
    await screens.examine(page, "spot")
    await choose(page)
    await screens.examine(page, "charge")
    code = await page.locator(".code").inner_text()
    await kerb.pay(page)
    await expect(page.locator(".result.paid h1")).to_have_text("Lunas")
    assert await page.locator(".result .code").inner_text() == code
    await screens.examine(page, "paid")
    await page.locator("a.button").click()
    await page.wait_for_url("**/r/*")
    await screens.examine(page, "receipt")


async def test_a_phone_without_event_stream_turns_green_by_asking(
    screens: Screens, kerb: Kerb
) -> None:
    page = await screens.open(SPOT)
    await page.route("**/events", lambda route: route.abort())
    screens.complaints.clear()
    await choose(page)
    await kerb.pay(page)
    await expect(page.locator(".result.paid h1")).to_have_text("Lunas")
    # The stream that this test cut is all that Chromium complains of.
    assert all("ERR_FAILED" in complaint for complaint in screens.complaints)
    screens.complaints.clear()


async def test_the_countdown_runs_out_and_the_page_says_so(screens: Screens, kerb: Kerb) -> None:
    page = await screens.open(SPOT)
    await choose(page)
    shown = await page.locator("#left").inner_text()
    assert re.fullmatch(r"1\d:\d\d", shown)
    await expect(page.locator("#left")).not_to_have_text(shown)
    await kerb.end_in(page, 2)
    await page.reload()
    await expect(page.locator("h1")).to_have_text("Waktu habis")
    await expect(page.locator(".barcode")).to_have_count(0)
    await screens.examine(page, "time-up")
    await kerb.ask(charge_id(page).hex, later=timedelta(seconds=2))
    await expect(page.locator("h1")).to_have_text("Waktu habis, belum dibayar")
    await screens.examine(page, "expired")
    old = charge_id(page)
    await page.get_by_role("button", name="Buat barcode baru").click()
    await expect(page.locator(".barcode .amount")).to_have_text("Rp4.000")
    assert charge_id(page) != old


async def test_a_stay_is_extended_before_it_ends(screens: Screens, kerb: Kerb) -> None:
    page = await screens.open(HOURLY)
    await screens.examine(page, "spot-hourly")
    await by_the_hour(page, 1, "Rp4.000")
    stay = charge_id(page)
    await kerb.pay(page)
    await page.get_by_role("link", name="perpanjang").click()
    await expect(page.locator("h1")).to_have_text("Dibayar sampai")
    await screens.examine(page, "stay")
    await kerb.stay_ends_in(stay, 690)
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#until.paid")).to_be_visible()
    await page.clock.fast_forward(120_000)
    await expect(page.locator("#until.waiting h1")).to_have_text("Waktu hampir habis")
    await screens.examine(page, "stay-ending")
    await page.get_by_role("button", name="Perpanjang parkir").click()
    await expect(page.locator(".barcode .amount")).to_have_text("Rp2.000")
    await screens.examine(page, "charge-extension")
    await kerb.pay(page)
    await expect(page.locator(".result.paid h1")).to_have_text("Lunas")
    await page.get_by_role("link", name="perpanjang").click()
    await expect(page.locator("#until.paid")).to_be_visible()
    await expect(page.locator("#left")).to_have_text(re.compile(r"^1:(10|0\d):\d\d$"))


async def test_a_driver_without_script_sees_the_price_before_he_pays_when_he_leaves(
    screens: Screens, kerb: Kerb
) -> None:
    page = await screens.open(HOURLY, SMALL_PHONE, scripts=False)
    await page.locator("select").select_option("180")
    await page.locator("input[value=truck]").check()
    await page.locator("input[name=plate]").fill("KH 1234 AB")
    await page.get_by_role("button").click()
    await expect(page.locator("[role=alert]")).to_contain_text("Periksa biayanya")
    await expect(page.locator("#quote tfoot .number")).to_have_text("Rp20.000")
    assert await page.locator("input[name=plate]").input_value() == "KH 1234 AB"
    assert "KH" not in page.url
    await page.locator("select").select_option("0")
    await page.get_by_role("button").click()
    await expect(page.locator("h1")).to_have_text("Parkir berjalan, bayar saat selesai")
    refresh = page.locator("meta[http-equiv=refresh]")
    await expect(refresh).to_have_attribute("content", "60")
    await page.get_by_role("button").click()
    await expect(page.locator(".barcode .amount")).to_have_text("Rp10.000")
    await kerb.pay(page)
    await page.reload()
    await expect(page.locator(".result.paid h1")).to_have_text("Lunas")


async def test_a_stay_that_is_paid_at_its_end_says_what_it_owes(screens: Screens) -> None:
    page = await screens.open("/p")
    await screens.examine(page, "start")
    await page.locator("input[name=spot]").fill("rsu 003 i")
    await page.get_by_role("button").click()
    await page.locator("select").select_option("0")
    await expect(page.get_by_role("button")).to_have_text("Mulai parkir")
    await screens.examine(page, "spot-later")
    await page.get_by_role("button").click()
    await expect(page.locator(".result .amount")).to_have_text("Rp2.000")
    await screens.examine(page, "stay-later")


async def test_a_browser_that_takes_no_push_is_told_what_happens_instead(
    screens: Screens, kerb: Kerb
) -> None:
    page = await screens.open(HOURLY)
    await by_the_hour(page, 2, "Rp3.000", "motorcycle")
    await kerb.pay(page)
    await page.get_by_role("link", name="pengingat").click()
    await page.get_by_role("button", name="Ingatkan saya").click()
    await expect(page.locator("#not-reminded")).to_be_visible()
    await expect(page.locator("#remind")).to_be_hidden()
    await screens.examine(page, "stay-no-push")
    screens.complaints.clear()  # Chromium tells that it may not, or cannot


async def test_who_asks_too_often_is_told_how_long_to_wait(screens: Screens, app: FastAPI) -> None:
    screens.expected_statuses.add(429)
    app.state.driver_limit = RateLimit(1)
    for size in (SMALL_PHONE, DESK):
        page = await screens.open(SPOT, size)
        await page.get_by_role("button").click()
    await expect(page.locator(".result.refused")).to_contain_text("Tunggu")
    await screens.examine(page, "too-many", english=False)


MISFITS = [
    # expired, amount, what the page says
    (True, 4000, "Pembayaran masuk setelah barcode habis waktunya"),
    (False, 3999, "Jumlah yang masuk tidak sama dengan tagihan"),
    (False, 4001, "Jumlah yang masuk tidak sama dengan tagihan"),
]


async def test_money_that_does_not_fit_is_never_shown_as_paid(
    screens: Screens, kerb: Kerb, subtests: pytest.Subtests
) -> None:
    for expired, amount_rp, says in MISFITS:
        with subtests.test(f"{amount_rp} {expired}"):
            page = await screens.open(SPOT)
            await choose(page)
            if expired:
                await kerb.end_in(page, -61)
                await kerb.ask(charge_id(page).hex)
                await expect(page.locator(".result.refused")).to_be_visible()
            await kerb.receive(page, amount_rp)
            await page.reload()
            await expect(page.locator("h1")).to_have_text("Uang diterima, sedang diperiksa")
            assert says in await page.locator(".result").inner_text()
            assert await page.locator(".result.paid, .barcode").count() == 0
            await screens.examine(page, "money-checked")


async def test_a_charge_whose_barcode_is_not_there_yet_says_wait(
    screens: Screens, kerb: Kerb
) -> None:
    await kerb.sandbox.fault("generate_500")
    page = await screens.open(SPOT)
    await choose(page)
    await expect(page.locator("h1")).to_have_text("Barcode sedang dibuat")
    await screens.examine(page, "being-made")
    await kerb.ask(charge_id(page).hex)
    await expect(page.locator("h1")).not_to_have_text("Barcode sedang dibuat")


async def test_every_page_is_english_where_english_is_chosen(screens: Screens, kerb: Kerb) -> None:
    async def english(page: Page) -> None:
        assert await page.locator("html").get_attribute("lang") == "en"
        assert left_in_bahasa(await page.locator("body").inner_text()) == []
        assert left_in_bahasa(await page.title()) == []

    page = await screens.open(HOURLY, SMALL_PHONE)
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("h1")).to_have_text("Pay for parking")
    await english(page)
    await by_the_hour(page, 3, "Rp4.000", "motorcycle")  # the choice is remembered from here on
    await expect(page.locator(".barcode .amount")).to_have_text("Rp4.000")
    await english(page)
    await kerb.pay(page)
    await expect(page.locator(".result.paid h1")).to_have_text("Paid")
    await english(page)
    stay = charge_id(page)
    await page.goto(f"/s/{stay}")
    await english(page)
    await page.goto("/p")
    await english(page)
    await page.goto(f"/c/{stay}")
    await page.locator("a.button:not(.plain)").click()
    await expect(page.locator("h1")).to_have_text("Genuine receipt, paid")
    await english(page)
    screens.expected_statuses.add(404)
    await page.goto("/p/PSR-001-V")
    await english(page)
    await page.get_by_role("link", name="Bahasa").click()
    await expect(page.locator("h1")).to_have_text("Kode titik parkir salah ketik")


async def test_an_unknown_spot_is_a_page_not_a_riddle(screens: Screens) -> None:
    screens.expected_statuses.add(404)
    page = await screens.open("/p/PSR-001-V")
    await expect(page.locator("h1")).to_have_text("Kode titik parkir salah ketik")
    await screens.examine(page, "problem")


async def test_the_first_page_is_small(screens: Screens) -> None:
    sizes: dict[str, int] = {}

    async def weigh(response: Response) -> None:
        sizes[response.url] = len(await response.body())

    for spot in (SPOT, HOURLY):  # by the hour there is a script too
        sizes.clear()
        page = await screens.open("about:blank")
        page.on("response", weigh)
        await page.goto(spot, wait_until="networkidle")
        assert len(sizes) >= 5  # the page, its style and three vehicles
        assert sum(sizes.values()) <= 30_000, sizes


async def test_the_keyboard_reaches_everything_and_shows_where_it_is(screens: Screens) -> None:
    page = await screens.open(SPOT, DESK)
    reached: list[dict[str, Any]] = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        if focus := await page.evaluate(FOCUS):
            reached.append(focus)
    names = [focus["name"] for focus in reached]
    assert names[:4] == [
        "A English",
        "INPUT vehicle_class",
        "INPUT plate",
        "BUTTON Tampilkan barcode QR",
    ]
    assert all(focus["seen"] for focus in reached[:4])
    await page.locator("input[value=motorcycle]").focus()
    await page.keyboard.press("ArrowDown")
    assert await page.locator("input[value=car]").is_checked()


async def test_names_from_a_file_are_text_and_never_markup(
    screens: Screens, transactions: Transactions
) -> None:
    evil = "<img src=x onerror=alert(1)>\"'<script>alert(2)</script>"
    cell = '"' + evil.replace('"', '""') + '"'
    rows = f"PSR,{cell},PSR-001-U,{cell},-2.5,112.9,no"
    async with transactions.begin() as db:
        await spots.import_spots(db, f"{','.join(SPOT_FILE_COLUMNS)}\n{rows}\n")
    page = await screens.open(SPOT)
    assert evil in await page.locator("main").inner_text()
    assert await page.locator("main script, main img[src=x]").count() == 0
    await choose(page)
    assert evil in await page.locator("main").inner_text()


ADDRESSES = [
    "/p/<script>alert(1)</script>",
    '/p/PSR-001-V?lang=en&"><script>alert(1)</script>',
    '/p/PSR-001-V?lang="><script>alert(1)</script>',
    "/r/<img src=x onerror=alert(1)>",
    "/c/<b>x</b>",
]


async def test_an_address_is_never_markup(screens: Screens, subtests: pytest.Subtests) -> None:
    screens.expected_statuses.update({404, 422})
    for path in ADDRESSES:
        with subtests.test(path):
            page = await screens.open(path)
            assert await page.locator("script, main b, img").count() == 0
            await expect(page.locator(".result.refused h1")).to_be_visible()


async def test_a_foreign_script_does_not_run(screens: Screens) -> None:
    page = await screens.open(SPOT)
    await page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); }"
    )
    assert await page.evaluate("() => window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in screens.complaints)
    screens.complaints.clear()


async def test_a_plate_that_is_none_is_refused(screens: Screens, api: httpx.AsyncClient) -> None:
    screens.expected_statuses.add(422)
    page = await screens.open(SPOT)
    await page.locator("input[name=plate]").evaluate("e => e.removeAttribute('pattern')")
    await page.locator("input[name=plate]").fill("<b>KH</b>")
    await page.get_by_role("button").click()
    await expect(page.locator("h1")).to_have_text("Permintaan tidak sah")
    assert "<b>KH</b>" not in await page.content()


async def test_a_double_tap_is_one_charge(screens: Screens, transactions: Transactions) -> None:
    page = await screens.open(SPOT)
    other = await screens.open(SPOT, context=page.context)
    same = await page.locator("input[name=id]").input_value()
    await other.locator("input[name=id]").evaluate("(e, id) => { e.value = id }", same)
    await asyncio.gather(choose(page), choose(other))
    assert charge_id(page) == charge_id(other) == UUID(same)
