"""What the office looks up: tariffs and other prices, spots, attendants, the system's health."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import expect
from sqlalchemy import update

from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity import units
from server.identity.models import ROOT, DeviceReport, Officer, Role
from server.identity.units import Draft
from server.office import places
from server.settings import Settings
from tests.browser.screen import DESK, Screens
from tests.browser.test_afterwards import sign_in
from tests.browser.test_office import day_end
from tests.browser.test_officers import sign_in as sign_in_anew
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.handhelds import on_shift

__all__ = ["day_end"]


async def test_other_prices_are_tried_on_the_stays_there_were(
    screens: Screens,
    day_end: dict[str, Any],
) -> None:
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/tariffs")
    await screens.examine(page, "office-tariffs", sizes=((390, 844), DESK))
    await page.get_by_role("link", name="Coba harga lain di Pasar Contoh").click()
    total = page.locator("tfoot .number")
    await expect(total).to_have_text(["2", "Rp6.000", "Rp6.000", "Rp0"])
    await page.locator("[name=car_amount_rp]").fill("5000")
    await page.get_by_role("button", name="Hitung").click()
    await page.wait_for_url("**car_amount_rp=5000**")
    await expect(total).to_have_text(["2", "Rp6.000", "Rp7.000", "Rp1.000"])
    await screens.examine(page, "office-tariff-preview")


async def test_spots_attendants_and_the_systems_health_are_looked_up(screens: Screens) -> None:
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/spots")
    await page.get_by_label("Zona").select_option("PSR")
    await page.get_by_role("button", name="Tampilkan").click()
    await page.wait_for_url("**zone=PSR")
    await expect(page.locator("tbody")).to_contain_text("PSR-001-U")
    await expect(page.locator("tbody")).not_to_contain_text("RSU-")
    await screens.examine(page, "office-spots", sizes=((320, 568), DESK))
    await page.goto("/office/attendants")
    await expect(page.locator("tbody")).to_contain_text("J-001")
    await screens.examine(page, "office-attendants", sizes=((320, 568), DESK))
    await page.goto("/office/health")
    await expect(page.locator("h1")).to_have_text("Kesehatan sistem")
    await screens.examine(page, "office-health")


async def test_the_map_shows_where_somebody_parks_with_and_without_leaflet(
    screens: Screens, day_end: dict[str, Any]
) -> None:
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/map?zone=PSR")
    row = page.locator("tr", has_text="PSR-001-U")
    await expect(row).to_contain_text("ada yang sudah bayar")
    if places.LEAFLET.exists():
        marker = page.get_by_role("button", name="PSR-001-U, ada yang sudah bayar")
        await marker.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".leaflet-popup")).to_contain_text("Sudah bayar: 2")
    await screens.examine(page, "office-map")
    plain = await screens.browser.new_context(
        java_script_enabled=False, base_url=screens.site, locale="id-ID"
    )
    await plain.add_cookies(await page.context.cookies())  # type: ignore[arg-type]
    without = await screens.open("/office/map?zone=PSR", context=plain)
    await expect(without.locator("#map svg .is-paid")).to_have_count(1)
    if not places.LEAFLET.exists():
        pytest.skip("make setup fetches Leaflet by npm: its markers were not tried")


async def test_the_map_shows_where_a_device_fell_silent_to_those_whose_it_is(
    screens: Screens, api: httpx.AsyncClient, transactions: Transactions
) -> None:
    now = datetime.now(UTC)
    quiet = await on_shift(api, transactions, now)
    body = {"id": str(uuid4()), "vehicle_class": "car"}
    made = await api.post("/v1/spots/PSR-001-U/charges", json=body, auth=quiet.signed)
    assert made.status_code == 201, made.text
    async with transactions.begin() as db:
        hour_ago = now - timedelta(hours=1)
        db.add(DeviceReport(device_id=quiet.device_id, reported_at=hour_ago))
        other = await units.add(db, ROOT, Draft("UPT-UTARA", "UPT Utara"))
        role = Role.KOORDINATOR
        await identity.add_officer(db, login="koor", name="Koor", role=role, password=PASSWORD)
        await db.execute(update(Officer).where(Officer.login == "koor").values(unit_id=other))
    page = await sign_in(screens, sample.CHECKER, CHECKER_PASSWORD)
    await page.goto("/office/map?zone=PSR")
    row = page.locator("tr", has_text="HP 1")
    await expect(row).to_contain_text("PSR-001-U")
    if places.LEAFLET.exists():
        marker = page.get_by_role("button", name="HP 1, ")
        await marker.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".leaflet-popup")).to_contain_text("PSR-001-U")
    await screens.examine(page, "office-map-silent")
    plain = await screens.browser.new_context(
        java_script_enabled=False, base_url=screens.site, locale="id-ID"
    )
    await plain.add_cookies(await page.context.cookies())  # type: ignore[arg-type]
    without = await screens.open("/office/map?zone=PSR", context=plain)
    await expect(without.locator("#map svg .is-silent")).to_have_count(1)
    await page.goto("/office/map?zone=RSU")
    await expect(page.locator("main")).not_to_contain_text("HP 1")
    koor = await sign_in_anew(screens, "koor", PASSWORD)
    await koor.goto("/office/map")
    await expect(koor.locator("h1")).to_have_text("Peta")
    await expect(koor.locator("main")).not_to_contain_text("HP 1")
    if not places.LEAFLET.exists():
        pytest.skip("make setup fetches Leaflet by npm: its markers were not tried")


async def test_the_map_lists_the_longest_silent_and_counts_the_rest(
    api: httpx.AsyncClient, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    for minutes in (60, 90):
        quiet = await on_shift(api, transactions, now)
        async with transactions.begin() as db:
            heard = now - timedelta(minutes=minutes)
            db.add(DeviceReport(device_id=quiet.device_id, reported_at=heard))
    monkeypatch.setattr(places, "MOST", 1)
    form = {"login": sample.CHECKER, "password": CHECKER_PASSWORD}
    await api.post("/office/sign-in", data=form)
    page = (await api.get("/office/map")).text
    assert "2 perangkat tidak terdengar" in page
    assert f"/office/devices/{quiet.device_id}" in page
    assert page.count(">HP 1<") == 1
    assert "Dan 1 perangkat lagi yang tidak terdengar." in page
    nowhere = (await api.get("/office/map?zone=PSR")).text
    assert "Tidak ada perangkat yang diam di zona ini." in nowhere


async def test_tiles_come_from_the_regencys_own_file(
    api: httpx.AsyncClient, app: FastAPI, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "peta.mbtiles"
    with closing(sqlite3.connect(file)) as made:
        made.executescript(
            "CREATE TABLE metadata (name, value); INSERT INTO metadata VALUES ('format', 'png');"
            "CREATE TABLE tiles (zoom_level, tile_column, tile_row, tile_data);"
            "INSERT INTO tiles VALUES (2, 1, 3, x'89504e47')"  # the north, in its own count
        )
    form = {"login": sample.CHECKER, "password": CHECKER_PASSWORD}
    await api.post("/office/sign-in", data=form)
    assert (await api.get("/office/map/tiles/2/1/0")).json()["slug"] == "tile-not-found"
    wired = app.state.payments
    shown = settings.model_copy(update={"map_tiles": file})
    app.state.payments = replace(wired, settings=shown)
    answer = await api.get("/office/map/tiles/2/1/0")
    assert (answer.headers["content-type"], answer.content) == ("image/png", b"\x89PNG")
    for outside in ("2/1/3", "2/4/0", "99/0/0", "2/-1/0"):
        assert (await api.get(f"/office/map/tiles/{outside}")).status_code == 404


async def test_bad_prices_are_refused_in_words(api: httpx.AsyncClient) -> None:
    form = {"login": sample.CHECKER, "password": CHECKER_PASSWORD}
    await api.post("/office/sign-in", data=form)
    for bad in ("car_amount_rp=-1", "car_amount_rp=x", "car_amount_rp=99999999999"):
        answer = await api.get(f"/office/tariffs/PSR/preview?{bad}")
        assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request")
    answer = await api.get("/office/tariffs/XXX/preview")
    assert (answer.status_code, answer.json()["slug"]) == (404, "zone-not-found")
