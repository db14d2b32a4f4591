"""The office without a mouse, and on paper."""

from datetime import UTC, datetime

from playwright.async_api import Page, expect

from server.database import Transactions
from server.payments.books import Books
from tests.browser.screen import FOCUS, SHOTS, Screens
from tests.browser.test_office import sign_in
from tests.server.booking import book

A4 = {"width": 794, "height": 1123}
ON_PAPER = """() => {
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const menus = "nav, details.places, form:not(:has(table, dl)), button, .button, input";
  const left = [...document.querySelectorAll(menus)]
    .filter(shown).map((e) => e.outerHTML.slice(0, 80));
  const cut = [...document.querySelectorAll(".scroll, .card")]
    .filter((e) => shown(e) && e.scrollWidth > e.clientWidth).map((e) => e.innerText.slice(0, 60));
  return {left, cut, wide: document.documentElement.scrollWidth};
}"""
MOST_STEPS = 120


async def on_paper(page: Page, row: str, name: str) -> None:
    """The row that has these words is printed, and nothing to choose it by."""
    size = page.viewport_size or A4
    await page.set_viewport_size({"width": A4["width"], "height": A4["height"]})
    await page.emulate_media(media="print")
    await expect(page.locator("tbody tr", has_text=row).first).to_be_visible()
    told = await page.evaluate(ON_PAPER)
    assert (told["left"], told["cut"]) == ([], []), name
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    await page.emulate_media(media="screen")
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})


async def paid(transactions: Transactions, books: Books) -> None:
    paid_at = datetime(2026, 11, 21, 3, tzinfo=UTC)
    async with transactions.begin() as db:
        told = {"reference": "k1", "acquirer_reference": "A1", "rrn": "000000000007"}
        await book(db, books, **told, amount_rp=2000, paid_at=paid_at)


async def tab_to(page: Page, selector: str) -> None:
    """By the Tab key alone; whatever has the focus on the way is seen to have it."""
    for _ in range(MOST_STEPS):
        await page.keyboard.press("Tab")
        focus = await page.evaluate(FOCUS)
        assert focus is None or focus["seen"], focus
        if await page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"not reached: {selector}")


async def test_a_payment_is_looked_for_and_opened_by_the_keyboard(
    screens: Screens, transactions: Transactions, books: Books
) -> None:
    await paid(transactions, books)
    page = await sign_in(screens)
    await page.goto("/office/transactions?from=2026-11-21&to=2026-11-21")
    await tab_to(page, "#filters input[name=least_rp]")
    await page.keyboard.type("2001")
    await tab_to(page, "#filters input[name=rrn]")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody")).to_have_text("Tidak ada yang cocok.")
    await page.go_back()
    await expect(page.locator("tbody")).to_contain_text("000000000007")
    await tab_to(page, "tbody a")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/office/charges/*")
    await expect(page.locator("main")).to_contain_text("Rp2.000")
    await tab_to(page, "main input[name=explanation]")
    await page.keyboard.type("uji papan ketik")
    await expect(page.locator("main input[name=explanation]")).to_have_value("uji papan ketik")


async def test_on_paper_are_no_menus_or_forms_and_no_table_is_cut(
    screens: Screens, transactions: Transactions, books: Books
) -> None:
    await paid(transactions, books)
    page = await sign_in(screens)
    await page.set_viewport_size({"width": A4["width"], "height": A4["height"]})
    span = "from=2026-11-21&to=2026-11-21"
    for path in (f"transactions?{span}", f"reports/zona?{span}", "ledger", "deposits", "payouts"):
        await page.goto(f"/office/{path}")
        await page.emulate_media(media="print")
        told = await page.evaluate(ON_PAPER)
        assert (told["left"], told["cut"]) == ([], []), path
        assert told["wide"] <= A4["width"], path
        await page.emulate_media(media="screen")
