"""Tariffs with their days, and what other prices would have earned of last month's stays."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.tariff import (
    ClassRate,
    FlatRate,
    TariffError,
    TariffVersion,
    VehicleClass,
    quote,
    tariff_from_json,
)
from server import pages
from server.database import Transaction, fetch
from server.errors import InvalidRequest, NotFound
from server.office.signed_in import OfficerDep
from server.payments.wiring import WiringDep
from server.spots.models import Tariff, Zone

router = APIRouter(prefix="/tariffs")
TEMPLATES = Path(__file__).parent / "templates"
LOOKED_BACK = timedelta(days=30)
MOST_STAYS = 5_000
FIELDS = ("first_hour_rp", "next_hour_rp", "daily_cap_rp", "free_minutes")


class TariffNotFound(NotFound):
    slug = "tariff-not-found"
    title_id = "Zona ini tidak punya tarif yang berlaku"
    title_en = "No tariff is in force in this zone"


@dataclass(frozen=True)
class Dated:
    zone: str
    zone_name: str
    version: TariffVersion

    def standing(self, today: date) -> str:
        if self.version.valid_from > today:
            return "coming"
        until = self.version.valid_until
        return "past" if until is not None and until < today else "in-force"


@dataclass(frozen=True)
class Effect:
    """Of one kind of vehicle: what stays earned, and what they would have."""

    vehicle_class: VehicleClass
    stays: int
    earned_rp: int
    draft_rp: int


@router.get("")
async def tariffs_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "tariffs.html",
        books=wired.books,
        tariffs=await _all(db),
        today=wired.books.day(datetime.now(UTC)),
        is_flat=_is_flat,
    )


@router.get("/{zone}/preview")
async def preview_page(
    zone: str, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    """Prices stand in the page's address; without any, those in force."""
    now = datetime.now(UTC)
    today = wired.books.day(now)
    in_force = [
        dated
        for dated in await _all(db)
        if dated.zone == zone and dated.standing(today) == "in-force"
    ]
    if not in_force:
        raise TariffNotFound(zone[:20])
    draft = _draft(in_force[0].version, request.query_params)
    stays = await _stays(db, zone, now - LOOKED_BACK, wired.books.timezone)
    return pages.render(
        request,
        TEMPLATES,
        "tariff-preview.html",
        books=wired.books,
        dated=in_force[0],
        draft=draft,
        effects=await asyncio.to_thread(lambda: list(_effects(draft, stays))),
        days=LOOKED_BACK.days,
        cut_off=len(stays) == MOST_STAYS,
        most=MOST_STAYS,
        fields=FIELDS,
        is_flat=_is_flat,
    )


async def _all(db: AsyncSession) -> list[Dated]:
    rows = await db.execute(
        select(Zone.code, Zone.name, Tariff.version)
        .join(Tariff, Tariff.zone_id == Zone.id)
        .order_by(Zone.code, Tariff.valid_from.desc())
    )
    return [Dated(code, name, tariff_from_json(version)) for code, name, version in rows]


def _is_flat(rate: ClassRate) -> bool:
    return isinstance(rate, FlatRate)


def _draft(version: TariffVersion, told: Mapping[str, str]) -> TariffVersion:
    """The version with other prices; its windows of time stay as they are."""
    rates = {}
    try:
        for kind, rate in version.rates.items():
            names = ("amount_rp",) if isinstance(rate, FlatRate) else FIELDS
            asked = {name: told.get(f"{kind.value}_{name}", "").strip() for name in names}
            changed: dict[str, Any] = {name: int(value) for name, value in asked.items() if value}
            rates[kind] = replace(rate, **changed)
    except (TariffError, ValueError) as exc:
        raise InvalidRequest(str(exc)) from exc
    return replace(version, rates=rates)


@dataclass(frozen=True)
class Stay:
    vehicle_class: VehicleClass
    starts: datetime
    ends: datetime | None
    paid_rp: int


async def _stays(db: AsyncSession, zone: str, since: datetime, timezone: ZoneInfo) -> list[Stay]:
    """The latest stays of a zone that were paid for, with all parts that they were paid in."""
    rows = await fetch(
        db,
        """SELECT v.vehicle_class, v.started_at, paid.rp,
            coalesce(v.ended_at, paid.until, v.ends_at) AS ends
        FROM parking_sessions v JOIN spots s ON s.id = v.spot_id JOIN zones z ON z.id = s.zone_id
        JOIN LATERAL (
            SELECT sum(amount_rp)::bigint AS rp, max(covers_until) AS until FROM (
                SELECT amount_rp, covers_until FROM payments
                WHERE id = v.id AND parking_session_id = v.id AND state = 'paid'
                UNION ALL SELECT amount_rp, covers_until FROM payments
                WHERE parking_session_id = v.id AND parking_session_id <> id AND state = 'paid'
            ) parts
        ) paid ON paid.rp IS NOT NULL
        WHERE z.code = $1 AND v.started_at >= $2 ORDER BY v.started_at DESC LIMIT $3""",
        zone,
        since,
        MOST_STAYS,
    )
    return [
        Stay(
            VehicleClass(row["vehicle_class"]),
            row["started_at"].astimezone(timezone),
            None if row["ends"] is None else row["ends"].astimezone(timezone),
            row["rp"],
        )
        for row in rows
    ]


def _effects(draft: TariffVersion, stays: list[Stay]) -> Iterator[Effect]:
    by_kind: dict[VehicleClass, list[Stay]] = defaultdict(list)
    for stay in stays:
        by_kind[stay.vehicle_class].append(stay)
    for kind in draft.rates:
        of_kind = by_kind[kind]
        would = sum(_would_earn(draft, stay) for stay in of_kind)
        yield Effect(kind, len(of_kind), sum(stay.paid_rp for stay in of_kind), would)


def _would_earn(draft: TariffVersion, stay: Stay) -> int:
    """What the draft asks for a stay; as much as was paid where it cannot be told."""
    try:
        return quote(draft, stay.vehicle_class, stay.starts, stay.ends).amount_rp
    except TariffError:
        return stay.paid_rp
