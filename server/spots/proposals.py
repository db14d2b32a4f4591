"""Changing a tariff: one officer proposes, another decides, and the zone quotes it from its day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.states import TransitionRefused
from domain.tariff import TariffError, TariffVersion, tariff_from_json, tariff_to_json
from server.database import new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import Officer
from server.identity.service import Right
from server.spots import service
from server.spots.models import Tariff, TariffProposal, Zone
from server.spots.states import ProposalEvent, ProposalState, advance

NO_HOLIDAYS: Mapping[date, str] = MappingProxyType({})


class ProposalNotFound(NotFound):
    slug = "tariff-proposal-not-found"
    title_id = "Usulan tarif ini tidak ada"
    title_en = "There is no such tariff proposal"


class ProposalDecided(Problem):
    slug = "tariff-proposal-decided"
    status = 409
    title_id = "Usulan tarif ini sudah diputuskan atau ditarik"
    title_en = "This tariff proposal was decided or withdrawn already"


class OwnProposal(Problem):
    slug = "own-tariff-proposal"
    status = 403
    title_id = "Yang mengusulkan tarif tidak boleh memutuskannya"
    title_en = "Who proposed the tariff may not decide it"


class NotOwnProposal(Problem):
    slug = "not-own-tariff-proposal"
    status = 403
    title_id = "Hanya yang mengusulkan tarif boleh menariknya"
    title_en = "Only who proposed the tariff may withdraw it"


class ProposalOpen(Problem):
    slug = "tariff-proposal-open"
    status = 409
    title_id = "Zona ini masih punya usulan tarif yang menunggu keputusan"
    title_en = "Another tariff proposal of this zone waits for a decision"


class TariffTooSoon(Problem):
    slug = "tariff-too-soon"
    status = 409
    title_id = "Tarif baru paling cepat berlaku besok"
    title_en = "A new tariff is in force tomorrow at the earliest"


class TariffToCome(Problem):
    slug = "tariff-to-come"
    status = 409
    title_id = "Zona ini sudah punya tarif yang mulai pada atau sesudah hari itu"
    title_en = "This zone has a tariff already that begins on that day or later"


class EventOverlaps(Problem):
    slug = "event-overlaps"
    status = 409
    title_id = "Zona ini sudah punya tarif hari pasar atau acara pada salah satu hari itu"
    title_en = "This zone has a market day's or event's tariff already on one of those days"


@dataclass(frozen=True)
class Proposed:
    """A proposal with its names, as people see it."""

    id: UUID
    zone: str
    zone_name: str
    version: TariffVersion
    reason: str
    state: ProposalState
    proposed_by: UUID
    maker: str
    proposed_at: datetime
    checker: str
    decided_at: datetime | None
    why: str


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    zone: str,
    draft: Mapping[str, Any],
    valid_from: date,
    reason: str,
    *,
    today: date,
    now: datetime,
    holidays: Mapping[date, str] = NO_HOLIDAYS,
) -> UUID:
    """Ask that `draft` is in force from a day on, whatever day it says itself. Returns the id.

    `holidays` are those of a draft with prices for them that names none.
    Raises RoleNotAllowed, ZoneNotFound, InvalidRequest, TariffTooSoon, TariffToCome, EventOverlaps
    or ProposalOpen.
    """
    maker = await identity.acting(db, officer_id, Right.PROPOSE_TARIFF)
    zone_id = await service.zone_id(db, zone)
    if not reason.strip():
        raise InvalidRequest("reason")
    try:
        version = read({**draft, "id": None, "valid_from": valid_from.isoformat()}, holidays)
    except TariffError as exc:
        raise InvalidRequest(str(exc)) from exc
    await _refuse_unless_fit(db, zone_id, version, today)
    made = TariffProposal(
        id=new_id(),
        zone_id=zone_id,
        valid_from=valid_from,
        version=tariff_to_json(version),
        reason=reason.strip(),
        state=ProposalState.REQUESTED.value,
        proposed_by=maker.id,
        proposed_at=now,
        why="",
    )
    try:
        async with db.begin_nested():
            db.add(made)
    except IntegrityError as exc:
        if "uq_tariff_proposals_open" in str(exc):
            raise ProposalOpen from exc
        raise
    return made.id


def read(told: Mapping[str, Any], holidays: Mapping[date, str]) -> TariffVersion:
    """A version from JSON, with these holidays where it needs and names none.

    One whose prices are the same on holidays carries none. Raises TariffError.
    """
    named = told.get("holidays") or {day.isoformat(): name for day, name in holidays.items()}
    version = tariff_from_json({**told, "holidays": named})
    return version if version.prices_holidays else replace(version, holidays={})


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    proposal_id: UUID,
    *,
    approve: bool,
    why: str,
    today: date,
    now: datetime,
) -> None:
    """Put what another officer proposed in force from its day on, or decline it.

    An event's version stands above the ordinary one, which it does not end. Raises RoleNotAllowed,
    ProposalNotFound, OwnProposal, ProposalDecided, TariffTooSoon, TariffToCome or EventOverlaps.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_TARIFF)
    row = await _locked(db, proposal_id)
    if row.proposed_by == checker.id:
        raise OwnProposal
    event = ProposalEvent.APPROVED if approve else ProposalEvent.DECLINED
    after = _after(row, event)
    if approve:
        version = tariff_from_json(row.version)
        await _refuse_unless_fit(db, row.zone_id, version, today)
        if not version.event:
            await service.end_before(db, row.zone_id, row.valid_from)
        row.tariff_id = await service.put_in_force(db, row.zone_id, row.version)
    row.state, row.decided_by, row.decided_at, row.why = after, checker.id, now, why.strip()
    await db.flush()


async def withdraw(
    db: AsyncSession, officer_id: UUID, proposal_id: UUID, why: str, *, now: datetime
) -> None:
    """Raises RoleNotAllowed, ProposalNotFound, NotOwnProposal or ProposalDecided."""
    maker = await identity.acting(db, officer_id, Right.PROPOSE_TARIFF)
    row = await _locked(db, proposal_id)
    if row.proposed_by != maker.id:
        raise NotOwnProposal
    row.state = _after(row, ProposalEvent.WITHDRAWN)
    row.decided_by, row.decided_at, row.why = maker.id, now, why.strip()
    await db.flush()


async def found(db: AsyncSession, proposal_id: UUID) -> Proposed:
    """Raises ProposalNotFound."""
    rows = await _told(db, _named().where(TariffProposal.id == proposal_id))
    if not rows:
        raise ProposalNotFound
    return rows[0]


async def latest(db: AsyncSession, limit: int) -> Sequence[Proposed]:
    """Those that wait first, then the newest."""
    waits = TariffProposal.state == ProposalState.REQUESTED
    return await _told(db, _named().order_by(waits.desc(), TariffProposal.id.desc()).limit(limit))


def _named() -> Select[Any]:
    maker = select(Officer.name).where(Officer.id == TariffProposal.proposed_by)
    checker = select(Officer.name).where(Officer.id == TariffProposal.decided_by)
    return select(
        TariffProposal,
        Zone.code,
        Zone.name,
        maker.scalar_subquery(),
        func.coalesce(checker.scalar_subquery(), ""),
    ).join(Zone, Zone.id == TariffProposal.zone_id)


async def _told(db: AsyncSession, asked: Select[Any]) -> list[Proposed]:
    return [
        Proposed(
            id=row.id,
            zone=zone,
            zone_name=zone_name,
            version=tariff_from_json(row.version),
            reason=row.reason,
            state=ProposalState(row.state),
            proposed_by=row.proposed_by,
            maker=maker,
            proposed_at=row.proposed_at,
            checker=checker,
            decided_at=row.decided_at,
            why=row.why,
        )
        for row, zone, zone_name, maker, checker in await db.execute(asked)
    ]


async def _locked(db: AsyncSession, proposal_id: UUID) -> TariffProposal:
    row = await db.scalar(
        select(TariffProposal)
        .where(TariffProposal.id == proposal_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise ProposalNotFound
    return row


def _after(row: TariffProposal, event: ProposalEvent) -> str:
    try:
        return advance(ProposalState(row.state), event).value
    except TransitionRefused as exc:
        raise ProposalDecided from exc


async def _refuse_unless_fit(
    db: AsyncSession, zone_id: UUID, version: TariffVersion, today: date
) -> None:
    """What is quoted today has been told to drivers; what is to come was decided by two already."""
    if version.valid_from <= today:
        raise TariffTooSoon
    of_zone = (
        select(Tariff.id).where(Tariff.zone_id == zone_id, Tariff.taken_back_by.is_(None)).limit(1)
    )
    if version.event:
        others = of_zone.where(
            Tariff.event.is_not(None),
            Tariff.valid_from <= version.valid_until,
            Tariff.valid_until >= version.valid_from,
        )
        if await db.scalar(others) is not None:
            raise EventOverlaps
        return
    later = of_zone.where(Tariff.event.is_(None), Tariff.valid_from >= version.valid_from)
    if await db.scalar(later) is not None:
        raise TariffToCome
