"""Pages as people have them before them, and what must hold of every one of them."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from axe_playwright_python.base import AxeResults
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from server.ledger.postings import CHART
from tests.examined import EXAMINED

PHONE, SMALL_PHONE, DESK = (390, 844), (320, 568), (1280, 800)
SIZES = (SMALL_PHONE, PHONE, DESK)
CATALOGUE = Path(__file__).parents[2] / "server" / "locale" / "en" / "LC_MESSAGES" / "messages.po"
SHOTS = os.environ.get("KARCIS_SCREENSHOTS")
"""A folder to leave a picture of every examined page in, for people to look at."""

# In one go with what is looked at next: a page that is alive changes its pictures at any time.
PICTURES_CAME = """
  for (let late; (late = [...document.images].filter((i) => !i.complete)).length;)
    await Promise.all(late.map((i) => new Promise((came) => { i.onload = i.onerror = came; })));
"""

# How light a colour is, and what stands behind an element: WCAG 2.2, relative luminance.
COLOURS = """
  const channels = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = channels(c).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if ((channels(c)[3] ?? 1) === 1) return c;
    }
    return "rgb(255, 255, 255)";
  };
"""
# Labels, targets, contrast, overflow: WCAG 2.2 1.4.3, 1.4.10, 2.5.8, 3.3.2, and our own 44 px.
FAULTS = (
    "async () => {"
    + PICTURES_CAME
    + """  const faults = [];
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const name = (e) => e.tagName.toLowerCase() + (e.className ? "." + e.className : "")
    + " " + (e.textContent || e.name || "").trim().slice(0, 30);
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  for (const e of all("input:not([type=hidden]), select, textarea"))
    if (![...(e.labels || [])].some((l) => l.textContent.trim()) && !e.ariaLabel)
      faults.push("no label: " + name(e));
  for (const e of all("button, .button, a.language, select, label.class, label.field input"))
    if (e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 44)
      faults.push("smaller than 44 px: " + name(e));
  for (const e of all("button, a")) if (!e.textContent.trim() && !e.ariaLabel)
    faults.push("no name: " + name(e));
  for (const e of all("img")) {
    if (!e.hasAttribute("alt")) faults.push("no alt: " + e.src);
    if (!e.complete || !e.naturalWidth) faults.push("picture did not load: " + e.src);
  }
  if (document.documentElement.scrollWidth > innerWidth)
    faults.push("scrolls sideways: " + document.documentElement.scrollWidth);
  for (const e of all(".card:not(.scroll), .result, .bar, button, .button"))
    if (e.scrollWidth > e.clientWidth) faults.push("spills over: " + name(e));
  if (document.querySelectorAll("main").length !== 1) faults.push("want one main");
  if (all("h1").length > 1) faults.push("more than one h1");
  if (!document.title.trim()) faults.push("no title");
  if (!["id", "en"].includes(document.documentElement.lang)) faults.push("no language");
"""
    + COLOURS
    + """  for (const e of all("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const [a, b] = [light(style.color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
      faults.push("contrast " + ratio.toFixed(1) + ": " + name(e));
    if (size < 15) faults.push("text of " + size + " px: " + name(e));
  }
  return faults;
}"""
)

# What a person wrote, and commands, are in no language of ours.
WITHOUT_OTHERS_WORDS = "document.querySelectorAll('.written, code').forEach((e) => e.remove())"
STATUS = "performance.getEntriesByType('navigation')[0]?.responseStatus"
AXE = "axe.run({resultTypes: ['violations']})"

FOCUS = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e);
  return {name: e.tagName + " " + (e.name || e.textContent.trim().slice(0, 20)),
          seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
}"""


@cache
def _messages() -> list[Message]:
    with CATALOGUE.open("rb") as file:
        return [m for m in read_po(file) if m.id and m.id != m.string]


def left_in_bahasa(text: str) -> list[str]:
    """Messages of the templates that an English page still says in Bahasa."""
    messages = _messages()
    for account in CHART:  # their names are the regency's own
        text = text.replace(account.name, "")
    return [
        str(m.id)
        for m in messages
        if re.search(rf"(?<!\w){re.escape(str(m.id))}(?!\w)", text)
        # "Karcis" is also the product's name, and some English sentences hold a short word.
        and not any(
            re.search(rf"(?<!\w){re.escape(str(m.id))}(?!\w)", str(o.string)) for o in messages
        )
        and m.id != "Karcis"
    ]


@dataclass
class Screens:
    browser: Browser
    site: str
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=set)
    _axe: Axe = field(default_factory=Axe)

    async def open(
        self,
        path: str,
        size: tuple[int, int] = PHONE,
        *,
        scripts: bool = True,
        context: BrowserContext | None = None,
    ) -> Page:
        context = context or await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=scripts,
            locale="id-ID",
            base_url=self.site,
        )
        self.contexts.append(context)
        context.set_default_timeout(60_000)  # nothing here is about speed
        page = await self._new_page(context)
        await page.goto(path)
        return page

    async def _new_page(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("response", self._response)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        expected = any(f"status of {status}" in message.text for status in self.expected_statuses)
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected_statuses:
            self.complaints.append(f"{response.status} {response.url}")

    async def examine(
        self,
        page: Page,
        name: str,
        *,
        sizes: Sequence[tuple[int, int]] = SIZES,
        english: bool = True,
    ) -> None:
        """What must hold of every page, at every width and in both languages.

        In English it is asked for anew: not where its address is only for a form that was sent.
        """
        before = page.viewport_size
        for width, height in sizes:
            await page.set_viewport_size({"width": width, "height": height})
            await self._look(page, name)
        if await page.evaluate(STATUS) in (200, 304):  # a refusal is not the page it stands for
            EXAMINED.add(urlsplit(page.url).path)
        if before is not None:
            await page.set_viewport_size(before)
        if english and await page.locator("html").get_attribute("lang") != "en":
            address = page.url.partition("#")[0]
            other = await self._new_page(page.context)
            await other.goto(f"{address}{'&' if '?' in address else '?'}lang=en")
            await self.examine(other, f"{name}-en", sizes=sizes)
            await other.evaluate(WITHOUT_OTHERS_WORDS)
            said = f"{await other.title()}\n{await other.locator('body').inner_text()}"
            left = left_in_bahasa(said)
            assert left == [], f"{name}: {left}"
            await other.close()
            await page.context.clear_cookies(name="lang")

    async def _look(self, page: Page, name: str) -> None:
        """At a page as it stands; also leaves its picture where people ask for them."""
        await page.wait_for_load_state()
        if SHOTS:
            size: Any = page.viewport_size
            await page.screenshot(path=f"{SHOTS}/{name}-{size['width']}.png", full_page=True)
        faults = await page.evaluate(FAULTS)
        assert faults == [], f"{name}: {faults}"
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(self._axe.axe_script)
        found = AxeResults(await page.evaluate(AXE))
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"

    async def close(self) -> None:
        for context in dict.fromkeys(self.contexts):
            await context.close()
        assert self.complaints == [], self.complaints
