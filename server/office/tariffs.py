"""Tariffs with their days, what other prices would have earned of last month's stays, and how two
officers put them in force."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.tariff import (
    LONGEST_EVENT,
    LONGEST_HOLIDAY,
    Band,
    ClassRate,
    FlatRate,
    TariffError,
    TariffVersion,
    VehicleClass,
    quote,
    tariff_from_json,
    tariff_to_json,
)
from server import pages
from server.database import Transaction, fetch
from server.errors import InvalidRequest, Problem
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office.signed_in import OfficerDep, confirmed
from server.pages import DayOrNone
from server.payments.books import Books
from server.payments.wiring import WiringDep
from server.spots import proposals
from server.spots import service as spots
from server.spots.models import Tariff, Zone
from server.spots.states import ProposalState

router = APIRouter(prefix="/tariffs")
TEMPLATES = Path(__file__).parent / "templates"
LOOKED_BACK = timedelta(days=30)
MOST_STAYS = 5_000
SHOWN = 50
LONGEST_HOLIDAYS = 40_000
LONGEST_VERSION = 60_000
"""Characters: as many holidays, with the longest names, as a tariff may have."""
FIELDS = ("first_hour_rp", "next_hour_rp", "daily_cap_rp", "free_minutes")
ENDS_SOON = timedelta(days=60)
"""How long before a tariff's last holiday officers are told of it."""


class EventNeedsBoth(Problem):
    slug = "event-needs-both"
    status = 422
    title_id = "Tarif hari pasar atau acara butuh nama dan hari terakhirnya"
    title_en = "The tariff of a market day or event needs its name and its last day"


class HolidayUnfit(Problem):
    slug = "holiday-unfit"
    status = 422
    title_id = (
        "Tiap baris hari libur: tanggalnya, lalu namanya, misalnya 2026-12-25 Hari Raya Natal"
    )
    title_en = "Each line of holidays: its date, then its name, as in 2026-12-25 Hari Raya Natal"


@dataclass(frozen=True)
class Dated:
    zone: str
    zone_name: str
    version: TariffVersion
    taken_back_by: UUID | None = None

    def standing(self, today: date) -> str:
        if self.taken_back_by is not None:
            return "taken-back"
        if self.version.valid_from > today:
            return "coming"
        until = self.version.valid_until
        return "past" if until is not None and until < today else "in-force"

    def outlives_its_holidays(self, today: date) -> bool:
        """Whether it soon has no more prices of holidays, though it goes on."""
        if self.standing(today) in ("past", "taken-back") or not self.version.prices_holidays:
            return False
        last, until = max(self.version.holidays), self.version.valid_until
        return last < today + ENDS_SOON and (until is None or last < until)


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
    tariffs = await _all(db)
    priced = {dated.zone for dated in tariffs if dated.taken_back_by is None}
    return pages.render(
        request,
        TEMPLATES,
        "tariffs.html",
        books=wired.books,
        tariffs=tariffs,
        without=[(code, name) for code, name in await spots.zone_names(db) if code not in priced],
        proposed=await proposals.latest(db, SHOWN),
        today=wired.books.day(datetime.now(UTC)),
        is_flat=_is_flat,
    )


@router.get("/{zone}/preview")
async def preview_page(
    zone: str, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    """Prices stand in the page's address; without any, those in force.

    A zone without a tariff begins with that of the zone `like`, or with one price a stay.
    """
    now = datetime.now(UTC)
    today = wired.books.day(now)
    names = dict(await spots.zone_names(db))
    if zone not in names:
        raise spots.ZoneNotFound(zone[:20])
    in_force = _in_force(await _all(db), today)
    like = request.query_params.get("like", "")
    current = in_force.get(zone)
    begun = current or in_force.get(like) or _blank(today)
    draft = _draft(begun, request.query_params, wired.books.workdays.holidays(today), today)
    return pages.render(
        request,
        TEMPLATES,
        "tariff-preview.html",
        books=wired.books,
        zone=zone,
        zone_name=names[zone],
        current=current,
        draft=draft,
        differs=_differs(begun, draft),
        told=json.dumps(tariff_to_json(draft)),
        like=like,
        others=[(code, names[code]) for code in in_force],
        tomorrow=today + timedelta(days=1),
        may_propose=Right.PROPOSE_TARIFF in MAY[Role(officer.role)],
        fields=FIELDS,
        holiday=_of_holidays,
        is_flat=_is_flat,
        **await _effect(db, zone, draft, wired.books, now),
    )


@router.post("/{zone}/proposals")
async def propose(
    zone: str,
    officer: Annotated[Officer, confirmed(Right.PROPOSE_TARIFF)],
    db: Transaction,
    wired: WiringDep,
    version: Annotated[str, Form(max_length=LONGEST_VERSION)],
    valid_from: Annotated[date, Form()],
    regulation: Annotated[str, Form(min_length=1, max_length=200)],
    reason: Annotated[str, Form(min_length=1, max_length=500)],
    event: Annotated[str, Form(max_length=LONGEST_EVENT)] = "",
    last: Annotated[DayOrNone, Form()] = None,
    holidays: Annotated[str, Form(max_length=LONGEST_HOLIDAYS)] = "",
) -> Response:
    """`version` is the draft that the page showed, as JSON; `event` and `last` of a market day.

    `holidays`, a line each, are instead of the draft's, where it has prices for them.
    """
    try:
        read = tariff_from_json(json.loads(version))
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest(str(exc)) from exc
    if bool(event.strip()) != (last is not None):
        raise EventNeedsBoth
    now = datetime.now(UTC)
    ends = {"valid_until": last and last.isoformat()}
    named: dict[str, Any] = {"event": " ".join(event.split()) or None}
    if read.prices_holidays:
        named["holidays"] = _told_holidays(holidays)
    told = (
        zone,
        tariff_to_json(read) | {"regulation": regulation} | ends | named,
        valid_from,
        reason,
    )
    asked = await proposals.propose(db, officer.id, *told, today=wired.books.day(now), now=now)
    return RedirectResponse(f"/office/tariffs/proposals/{asked}", 303)


@router.get("/proposals/{proposal_id}")
async def proposal_page(
    proposal_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    """What is proposed beside what is in force on the day before it."""
    now = datetime.now(UTC)
    one = await proposals.found(db, proposal_id)
    before = one.version.valid_from - timedelta(days=1)
    rights, waits = MAY[Role(officer.role)], one.state is ProposalState.REQUESTED
    own = one.proposed_by == officer.id
    return pages.render(
        request,
        TEMPLATES,
        "tariff-proposal.html",
        books=wired.books,
        one=one,
        current=_in_force(await _all(db), before).get(one.zone),
        may_decide=waits and not own and Right.DECIDE_TARIFF in rights,
        may_withdraw=waits and own and Right.PROPOSE_TARIFF in rights,
        is_flat=_is_flat,
        **await _effect(db, one.zone, one.version, wired.books, now),
    )


@router.post("/proposals/{proposal_id}/decision")
async def decide(
    proposal_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_TARIFF)],
    db: Transaction,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    now = datetime.now(UTC)
    today = wired.books.day(now)
    approve = decision == "approve"
    await proposals.decide(
        db, officer.id, proposal_id, approve=approve, why=why, today=today, now=now
    )
    return RedirectResponse(f"/office/tariffs/proposals/{proposal_id}", 303)


@router.post("/proposals/{proposal_id}/withdrawal")
async def withdraw(
    proposal_id: UUID,
    officer: Annotated[Officer, confirmed(Right.PROPOSE_TARIFF)],
    db: Transaction,
    why: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    await proposals.withdraw(db, officer.id, proposal_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/tariffs/proposals/{proposal_id}", 303)


def _in_force(tariffs: list[Dated], day: date) -> dict[str, TariffVersion]:
    """The ordinary ones, by zone: those of events stand above them for their days only."""
    return {
        dated.zone: dated.version
        for dated in tariffs
        if dated.version.covers(day) and not dated.version.event and dated.taken_back_by is None
    }


async def outliving(db: AsyncSession, day: date) -> list[str]:
    """The zones whose newest ordinary tariff soon has no more prices of holidays."""
    newest = {
        dated.zone: dated
        for dated in sorted(await _all(db), key=lambda dated: dated.version.valid_from)
        if not dated.version.event and dated.taken_back_by is None
    }
    return [zone for zone, dated in newest.items() if dated.outlives_its_holidays(day)]


def _blank(today: date) -> TariffVersion:
    return TariffVersion("-", today, None, {kind: FlatRate(0) for kind in VehicleClass})


async def _effect(
    db: AsyncSession, zone: str, draft: TariffVersion, books: Books, now: datetime
) -> dict[str, Any]:
    """What a draft would have earned, as pages show it."""
    stays = await _stays(db, zone, now - LOOKED_BACK, books.timezone)
    cut_off = len(stays) == MOST_STAYS
    if draft.event:
        stays = [stay for stay in stays if stay.starts.isoweekday() in _weekdays(draft)]
    return {
        "effects": await asyncio.to_thread(lambda: list(_effects(draft, stays))),
        "days": LOOKED_BACK.days,
        "cut_off": cut_off,
        "most": MOST_STAYS,
    }


def _weekdays(event: TariffVersion) -> set[int]:
    """Those on which an event is: of other days nothing can be told about it."""
    assert event.valid_until is not None
    days = min((event.valid_until - event.valid_from).days + 1, 7)
    return {(event.valid_from + timedelta(days=day)).isoweekday() for day in range(days)}


async def _all(db: AsyncSession) -> list[Dated]:
    rows = await db.execute(
        select(Zone.code, Zone.name, Tariff.version, Tariff.taken_back_by)
        .join(Tariff, Tariff.zone_id == Zone.id)
        .order_by(Zone.code, Tariff.valid_from.desc())
    )
    return [
        Dated(code, name, tariff_from_json(version), back) for code, name, version, back in rows
    ]


def _is_flat(rate: ClassRate) -> bool:
    return isinstance(rate, FlatRate)


def _draft(
    version: TariffVersion, told: Mapping[str, str], known: Mapping[date, str], today: date
) -> TariffVersion:
    """The version with other prices; its windows stay as they are, but that of whole holidays.

    From today on its holidays are the `known` ones, as feasts that were estimated when it was made
    may have been decreed since. Its own stay before that, and after the last known one.
    """
    rates: dict[VehicleClass, ClassRate] = {}
    try:
        for kind, rate in version.rates.items():
            names = ("amount_rp",) if isinstance(rate, FlatRate) else FIELDS
            asked = {name: told.get(f"{kind.value}_{name}", "").strip() for name in names}
            changed: dict[str, Any] = {name: int(value) for name, value in asked.items() if value}
            rates[kind] = _with_holidays(replace(rate, **changed), kind, told)
        last = max(known, default=today)
        kept = {day: name for day, name in version.holidays.items() if not today <= day <= last}
        ahead = {day: name for day, name in known.items() if day >= today}
        return proposals.read(
            tariff_to_json(replace(version, rates=rates, holidays=kept | ahead)), {}
        )
    except (TariffError, ValueError) as exc:
        raise InvalidRequest(str(exc)) from exc


@dataclass(frozen=True)
class Differs:
    """Holidays that a draft has and the tariff it began with has not, and the other way."""

    added: Mapping[date, str]
    gone: Mapping[date, str]


def _differs(begun: TariffVersion, draft: TariffVersion) -> Differs | None:
    """None where the days are the same, or where only one of the two has prices for holidays."""
    was, now = begun.holidays, draft.holidays
    if not was or not now or was.keys() == now.keys():
        return None
    return Differs(
        {day: name for day, name in now.items() if day not in was},
        {day: name for day, name in was.items() if day not in now},
    )


def _of_holidays(rate: ClassRate) -> Band | None:
    """The window of whole holidays, which is the one that the page asks for."""
    return next((band for band in rate.bands if _is_holiday(band)), None)


def _is_holiday(band: Band) -> bool:
    return band.holidays and not band.weekdays and band.lasts_a_day


def _with_holidays(rate: ClassRate, kind: VehicleClass, told: Mapping[str, str]) -> ClassRate:
    """With the prices of whole holidays that were asked; a price left out is that of other days."""
    asked = [told.get(f"{kind.value}_holiday_{name}_rp") for name in ("first", "next")]
    if asked == [None, None]:
        return rate
    bands = tuple(band for band in rate.bands if not _is_holiday(band))
    first, following = ((text or "").strip() for text in asked)
    if first or following:
        usual = (
            (rate.amount_rp, None)
            if isinstance(rate, FlatRate)
            else (rate.first_hour_rp, rate.next_hour_rp)
        )
        first_rp = int(first) if first else usual[0]
        next_rp = int(following) if following else usual[1]
        bands = (*bands, Band(time(), time(), first_rp, next_rp, frozenset(), holidays=True))
    return replace(rate, bands=bands)


def _told_holidays(lines: str) -> dict[str, str]:
    """Raises HolidayUnfit, with the line's number, also for none at all."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines.splitlines(), 1):
        day, _, name = " ".join(line.split()).partition(" ")
        if not day:
            continue
        try:
            date.fromisoformat(day)
        except ValueError as exc:
            raise HolidayUnfit(f"{number}: {line[:80]}") from exc
        if not 0 < len(name) <= LONGEST_HOLIDAY or not name.isprintable() or day in found:
            raise HolidayUnfit(f"{number}: {line[:80]}")
        found[day] = name
    if not found:
        raise HolidayUnfit
    return found


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
