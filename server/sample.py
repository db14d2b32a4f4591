"""Sample data: an invented regency town in the shape of Sampit. Nothing in it is a real person."""

import json
from contextlib import suppress
from datetime import date, datetime
from importlib.resources import files
from typing import Any

import httpx
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.shares import ShareLeg, ShareRule
from domain.sign import SignEvent
from server.identity import devices, units
from server.identity import service as identity
from server.identity.models import ROOT, Attendant, Officer, Role
from server.identity.units import Draft
from server.ledger import service as ledger
from server.parking import covered, pass_orders
from server.parking.covered_models import Exemption, PassPrice
from server.spots import service as spots
from server.spots import signs
from server.spots.models import Zone

REGENCY = "Kab. Kotawaringin Timur (SAMPEL)"
AGENCY = "Dinas Perhubungan"
COMPLAINT = "Pengaduan: 0800-0000-000 (sampel)"
MERCHANT = "PARKIR KOTIM SAMPEL"
COLLECTING_ACCOUNT = "9990000017"
OFFICER = "bendahara"
CHECKER = "verifikator"
ADMIN = "admin"
COORDINATOR = "koordinator"
UNIT, ITS_ZONE = "UPT-PASAR", "PSR"
ATTENDANT = "J-001"
HOURLY_ZONES = {"RSU"}


async def seed(
    db: AsyncSession,
    *,
    officer_password: str,
    checker_password: str,
    attendant_pin: str,
    admin_password: str = "",
    coordinator_password: str = "",
) -> None:
    """Put the sample town into an empty database; again is harmless."""
    folder = files("server") / "sample_data"
    await spots.import_spots(db, (folder / "spots.csv").read_text())
    tariffs = json.loads((folder / "tariffs.json").read_text())
    zones = await spots.zone_names(db)
    for code, _ in zones:
        await spots.add_tariff(db, code, tariffs["hourly" if code in HOURLY_ZONES else "flat"])
    await ledger.open_accounts(db, zones)
    with suppress(ledger.RuleTooLate):  # a sample of before there were shares goes on without
        await _share_rule(db, json.loads((folder / "share_rule.json").read_text()))
    await _exemptions(db, json.loads((folder / "exemptions.json").read_text()))
    await _pass_prices(db, json.loads((folder / "pass_prices.json").read_text()))
    for login, name, role, password in (
        (OFFICER, "Bendahara Contoh", Role.BENDAHARA, officer_password),
        (CHECKER, "Verifikator Contoh", Role.VERIFIKATOR, checker_password),
        (ADMIN, "Admin Contoh", Role.ADMIN, admin_password),
    ):
        if not password:
            continue
        await identity.add_officer(db, login=login, name=name, role=role, password=password)
    await identity.add_attendant(db, code=ATTENDANT, name="Juru Parkir Contoh", pin=attendant_pin)
    if coordinator_password:
        with suppress(units.UnitCodeTaken):
            await _unit(db, coordinator_password)


async def _unit(db: AsyncSession, password: str) -> None:
    """A unit with one zone, the attendant, and a coordinator who sees nothing else."""
    unit_id = await units.add(db, ROOT, Draft(UNIT, "UPT Pasar (sampel)"))
    await identity.add_officer(
        db,
        login=COORDINATOR,
        name="Koordinator Contoh",
        role=Role.KOORDINATOR,
        password=password,
    )
    for table, which in (
        (Zone, Zone.code == ITS_ZONE),
        (Attendant, Attendant.code == ATTENDANT),
        (Officer, Officer.login == COORDINATOR),
    ):
        await db.execute(update(table).where(which).values(unit_id=unit_id))


async def hang_signs(db: AsyncSession, key_id: str, *, now: datetime) -> dict[str, int]:
    """A sign at every spot of the sample town; again is harmless. Returns each spot's version."""
    planned = await signs.plan(db, await spots.all_spots(db), key_id, replace=False)
    await signs.issue(db, planned, key_id, OFFICER, "data sampel", now=now)
    for each in planned:
        if each.is_new:
            told = (each.spot.id, each.version, SignEvent.MOUNTED, OFFICER, "data sampel")
            await signs.change(db, *told, now=now)
    return {each.spot.code: each.version for each in planned}


async def enrolment_code(db: AsyncSession, *, now: datetime) -> str:
    return await devices.issue_code(db, await identity.officer_named(db, OFFICER), now=now)


async def approve_devices(db: AsyncSession, *, now: datetime) -> None:
    """As the sample's second officer, so that its handheld may work at once."""
    checker = await identity.officer_named(db, CHECKER)
    for device in await devices.pending(db):
        await devices.approve(db, checker, device.id, "data sampel", now=now)


async def _share_rule(db: AsyncSession, told: dict[str, Any]) -> None:
    rule = ShareRule(
        told["attendant_bp"],
        told["third_party_bp"],
        told["third_party"],
        ShareLeg(told["remainder_to"]),
    )
    await ledger.add_share_rule(
        db,
        rule,
        zone_id=None,
        valid_from=date.fromisoformat(told["valid_from"]),
        valid_until=None,
        regulation=told["regulation"],
    )


async def _exemptions(db: AsyncSession, told: dict[str, Any]) -> None:
    first = date.fromisoformat(told["valid_from"])
    known = {exemption.code for exemption in await covered.exemptions_from(db, first)}
    for kind in told["kinds"]:
        if kind["code"] not in known:
            regulation = told["regulation"]
            await covered.exempt(db, Exemption(**kind, regulation=regulation, valid_from=first))


async def _pass_prices(db: AsyncSession, told: dict[str, Any]) -> None:
    first = date.fromisoformat(told["valid_from"])
    known = {price.code for price in await pass_orders.prices_on(db, first)}
    for price in told["prices"]:
        if price["code"] not in known:
            regulation = told["regulation"]
            await pass_orders.set_price(
                db, PassPrice(**price, regulation=regulation, valid_from=first)
            )


def first_spot() -> str:
    """The spot that examples show."""
    lines = (files("server") / "sample_data" / "spots.csv").read_text().splitlines()
    return lines[1].split(",")[2]


def open_payments(server_url: str, count: int) -> None:
    """Ask for `count` charges over the server's own HTTP, spread over the flat-price spots."""
    lines = (files("server") / "sample_data" / "spots.csv").read_text().splitlines()[1:]
    codes = [line.split(",")[2] for line in lines if line.split(",")[0] not in HOURLY_ZONES]
    with httpx.Client(base_url=server_url, timeout=10, trust_env=False) as client:
        for number in range(count):
            body = {"vehicle_class": "motorcycle"}
            client.post(f"/v1/spots/{codes[number % len(codes)]}/charges", json=body)
