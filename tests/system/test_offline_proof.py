"""A driver who pays a code of the pool proves it to a handheld that nobody can reach."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import cv2
import httpx
import numpy as np
from playwright.async_api import Page, async_playwright, expect

from attendant_app import scanner
from server.system import HANDHELD, SANDBOX, SERVER, System
from tests.browser.screen import SHOTS
from tests.faults.gate import Mode
from tests.system.kerb import Kerb, behind_a_gate, until

PHONE: Any = {"width": 360, "height": 740}


async def photograph(page: Page, name: str) -> bytes:
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    return await page.screenshot()


def seen_in(picture: bytes) -> list[str]:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return scanner.decode(np.asarray(pixels), 60)


async def test_a_code_of_the_pool_is_paid_proved_and_claimed(system: System, spot: str) -> None:
    kerb = Kerb(system)
    async with behind_a_gate(system) as gate, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        await kerb.sign_in(spot)
        await kerb.cut(gate)

        body = {"spot": spot, "vehicle_class": "motorcycle"}
        shown = (await kerb.http.post("/api/charges", json=body)).json()
        screen = await browser.new_page(viewport=PHONE, base_url=system.url(HANDHELD))
        await screen.goto(f"/charges/{shown['id']}")
        assert seen_in(await photograph(screen, "pooled-code")) == [shown["qris"]]
        await screen.locator("a.to-proof").click()
        await expect(screen.get_by_role("heading", name="Sudah bayar?")).to_be_visible()
        (link,) = seen_in(await photograph(screen, "pooled-link"))
        assert link == f"{system.url(SERVER)}/c/{shown['id']}"

        phone = await browser.new_page(viewport=PHONE, locale="id-ID")
        await phone.goto(link)
        assert seen_in(await photograph(phone, "pooled-unpaid")) == [shown["qris"]]
        await expect(phone.locator("#left")).to_have_text(re.compile(r"2[34]:\d\d:\d\d"))
        async with httpx.AsyncClient(
            base_url=system.url(SANDBOX), trust_env=False, timeout=60
        ) as wallet:
            paid = await wallet.post("/wallet/pay", json={"qris": shown["qris"], "outcome": "pay"})
        assert paid.is_success, paid.text
        await expect(phone.locator(".result.paid h1")).to_have_text("Lunas")
        await expect(phone.locator(".result.paid .code")).to_have_text(shown["code"])

        assert (await kerb.get(f"/api/charges/{shown['id']}"))["state"] == "issued"
        await phone.locator("img[src$='proof.svg']").scroll_into_view_if_needed()
        found = await kerb.scan(await photograph(phone, "pooled-proof"))
        assert (found["kind"], found["verdict"]) == ("proof", "paid"), found
        proof = found["proof"]
        assert [proof[name] for name in ("spot", "amount_rp", "code")] == [
            spot, shown["amount_rp"], shown["code"]
        ]  # fmt: skip
        await screen.goto(f"/charges/{shown['id']}")
        await expect(screen.locator(".charge.is-paid .verdict")).to_have_text("LUNAS")
        await photograph(screen, "pooled-proved")
        assert await books(system, shown["id"]) == (1, 1, 0, False), "and nobody claimed it yet"

        gate.mode = Mode.OPEN

        async def settled() -> bool:
            charge = await kerb.get(f"/api/charges/{shown['id']}")
            printed = await kerb.get(f"/api/charges/{shown['id']}/print")
            unsynced = (await kerb.get("/api/status"))["unsynced"]
            return charge["state"] == "paid" and printed["state"] == "PRINTED" and not unsynced

        await until(settled)
        assert await books(system, shown["id"]) == (1, 1, 0, True)
        await browser.close()
    await kerb.http.aclose()
    assert proof["receipt"] == (await receipt_of(system, shown["id"]))


async def books(system: System, charge_id: str) -> tuple[int, int, int, bool]:
    """How much money, how many receipts and cases there are of a charge; and whether claimed."""
    db = await asyncpg.connect(system.database_url)
    row = await db.fetchrow(
        "SELECT (SELECT count(*) FROM money WHERE charge_id = $1),"
        " (SELECT count(*) FROM receipts WHERE charge_id = $1),"
        " (SELECT count(*) FROM cases WHERE charge_id = $1),"
        " (SELECT claimed_at IS NOT NULL FROM pooled_charges WHERE charge_id = $1)",
        UUID(charge_id),
    )
    await db.close()
    assert row is not None
    return tuple(row)


async def receipt_of(system: System, charge_id: str) -> str:
    async with httpx.AsyncClient(base_url=system.url(SERVER), trust_env=False, timeout=60) as http:
        return str((await http.get(f"/v1/charges/{charge_id}")).json()["receipt"]["number"])
