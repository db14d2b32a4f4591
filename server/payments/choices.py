"""Which acquirer issues new charges, as officers chose, and how each of them does.

The last choice that covers a zone counts. A charge stays with the acquirer that it was issued at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import uuid7
from domain.payment import ChargeKind
from domain.states import TransitionRefused
from server.database import Connected, fetch, new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import Officer
from server.identity.service import Right
from server.payments.acquirer import Acquirer, Acquirers
from server.payments.choice_models import AcquirerChoice
from server.spots import service as spots
from server.spots.models import Zone
from server.spots.states import ProposalEvent, ProposalState, advance

UNCONFIRMED = timedelta(hours=24)
"""How long a switch that one officer made at once lasts, unless another agrees to it."""
LOOKED_AT = timedelta(minutes=15)
FEW = 5
"""Charges too few to say anything about an acquirer."""


class ChoiceNotFound(NotFound):
    slug = "acquirer-choice-not-found"
    title_id = "Pilihan acquirer ini tidak ada"
    title_en = "There is no such choice of an acquirer"


class AcquirerNotSet(Problem):
    slug = "acquirer-not-set"
    status = 422
    title_id = "Acquirer ini tidak ada dalam pengaturan server"
    title_en = "The server's settings name no such acquirer"


class ChoiceDecided(Problem):
    slug = "acquirer-choice-decided"
    status = 409
    title_id = "Pilihan acquirer ini sudah diputuskan atau ditarik"
    title_en = "This choice of an acquirer was decided or withdrawn already"


class ChoiceLapsed(Problem):
    slug = "acquirer-choice-lapsed"
    status = 409
    title_id = "Peralihan ini sudah berakhir tanpa disetujui; usulkan yang baru"
    title_en = "This switch has lapsed without anybody's agreement; ask for a new one"


class SwitchRepeated(Problem):
    slug = "acquirer-switch-repeated"
    status = 409
    title_id = (
        "Peralihan ini sudah pernah dibuat dan tidak disetujui; usulkan dan mintalah persetujuan"
    )
    title_en = "This switch was made before and not agreed to; ask for it, and have it agreed to"


class OwnChoice(Problem):
    slug = "own-acquirer-choice"
    status = 403
    title_id = "Yang memilih acquirer tidak boleh memutuskannya"
    title_en = "Who chose the acquirer may not decide on it"


class NotOwnChoice(Problem):
    slug = "not-own-acquirer-choice"
    status = 403
    title_id = "Hanya yang memilih acquirer boleh menariknya"
    title_en = "Only who chose the acquirer may withdraw it"


@dataclass(frozen=True)
class InForce:
    """A choice that counts now, unless a later one covers the same zone; `zone_id` None is all."""

    id: UUID
    zone_id: UUID | None
    acquirer: str
    since: datetime


# The later of two that cover a zone counts, so what is for all ends what was for one.
IN_FORCE = """
    SELECT id, zone_id, acquirer,
        CASE WHEN at_once THEN starts_at ELSE greatest(starts_at, decided_at) END AS since
    FROM acquirer_choices
    WHERE starts_at <= $1
        AND (state = 'approved' OR state = 'requested' AND at_once AND starts_at > $2)
    ORDER BY since DESC, id DESC
"""


async def in_force(db: Connected, now: datetime) -> list[InForce]:
    """The latest first."""
    return [InForce(*row) for row in await fetch(db, IN_FORCE, now, now - UNCONFIRMED)]


def covering(choices: Sequence[InForce], zone_id: UUID | None) -> InForce | None:
    """The choice that counts for a zone; for what belongs to none, one that is for all."""
    return next((choice for choice in choices if choice.zone_id in (None, zone_id)), None)


def issuing_at(
    acquirers: Acquirers, choices: Sequence[InForce], zone_id: UUID | None, kind: ChargeKind
) -> Acquirer:
    """Who issues a new charge: whom officers chose, or the first of the settings.

    What a driver's barcode pays goes to one that takes such, whoever was chosen.
    """
    choice = covering(choices, zone_id)
    is_there = choice is not None and choice.acquirer in acquirers
    chosen = acquirers[choice.acquirer] if choice is not None and is_there else acquirers.first
    if kind is ChargeKind.CPM and not chosen.profile.consumers:
        return next((each for each in acquirers if each.profile.consumers), chosen)
    return chosen


@dataclass(frozen=True)
class Wish:
    """That an acquirer shall issue new charges; `zone` is a code, or empty for all zones."""

    acquirer: str
    zone: str
    reason: str


async def ask(
    db: AsyncSession,
    officer_id: UUID,
    wish: Wish,
    known: Acquirers | Sequence[str],
    *,
    starts_at: datetime,
    now: datetime,
) -> UUID:
    """Ask that an acquirer issues new charges from a moment on, once another officer agrees.

    Raises RoleNotAllowed, AcquirerNotSet, ZoneNotFound or InvalidRequest.
    """
    maker = await identity.acting(db, officer_id, Right.CHOOSE_ACQUIRER)
    return await _add(db, maker.id, wish, known, max(starts_at, now), now, at_once=False)


async def switch(
    db: AsyncSession,
    officer_id: UUID,
    wish: Wish,
    known: Acquirers | Sequence[str],
    *,
    now: datetime,
) -> UUID:
    """Have an acquirer issue new charges from now on, and for a day unless another officer agrees.

    Raises as `ask` does, or SwitchRepeated.
    """
    maker = await identity.acting(db, officer_id, Right.SWITCH_ACQUIRER)
    if wish.acquirer in known:
        await _refuse_repeated(db, wish, known, now)
    return await _add(db, maker.id, wish, known, now, now, at_once=True)


# A switch of the same zones that nobody agreed to, since two officers last chose for them.
REPEATED = """
    SELECT p.id FROM acquirer_choices p
    WHERE p.at_once AND p.state <> 'approved' AND p.acquirer = $1
        AND (p.zone_id IS NULL OR $2::uuid IS NULL OR p.zone_id = $2)
        AND NOT EXISTS (
            SELECT FROM acquirer_choices a
            WHERE a.state = 'approved' AND a.decided_at > coalesce(p.decided_at, p.starts_at)
                AND (a.zone_id IS NULL OR a.zone_id = coalesce(p.zone_id, $2)))
    LIMIT 1
"""


async def _refuse_repeated(
    db: AsyncSession, wish: Wish, known: Acquirers | Sequence[str], now: datetime
) -> None:
    """So that one officer has an acquirer for a day, and not day after day.

    Back to whom two officers last agreed on, or to the settings' first, is free.
    """
    zone_id = await spots.zone_id(db, wish.zone) if wish.zone else None
    names = known.names if isinstance(known, Acquirers) else known
    agreed = [InForce(*row) for row in await fetch(db, IN_FORCE, now, now)]  # and no switch
    by_zone: dict[UUID | None, str] = {}
    for choice in agreed:
        if zone_id is None or choice.zone_id in (None, zone_id):
            by_zone.setdefault(choice.zone_id, choice.acquirer)
        if choice.zone_id in (None, zone_id):
            break
    else:
        by_zone[None] = names[0]
    settled = {name if name in names else names[0] for name in by_zone.values()}
    if settled != {wish.acquirer} and await fetch(db, REPEATED, wish.acquirer, zone_id):
        raise SwitchRepeated


async def _add(
    db: AsyncSession,
    maker: UUID,
    wish: Wish,
    known: Acquirers | Sequence[str],
    starts_at: datetime,
    now: datetime,
    *,
    at_once: bool,
) -> UUID:
    if wish.acquirer not in known:
        raise AcquirerNotSet(wish.acquirer[:30])
    if not wish.reason.strip():
        raise InvalidRequest("reason")
    made = AcquirerChoice(
        id=new_id(),
        zone_id=await spots.zone_id(db, wish.zone) if wish.zone else None,
        acquirer=wish.acquirer,
        at_once=at_once,
        reason=wish.reason.strip(),
        starts_at=starts_at,
        state=ProposalState.REQUESTED.value,
        asked_by=maker,
        asked_at=now,
        why="",
    )
    db.add(made)
    await db.flush()
    return made.id


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    choice_id: UUID,
    *,
    approve: bool,
    why: str,
    now: datetime,
) -> None:
    """Agree to what another officer chose, or end it.

    Raises RoleNotAllowed, ChoiceNotFound, OwnChoice, ChoiceDecided or ChoiceLapsed.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_ACQUIRER)
    row = await _locked(db, choice_id)
    if row.asked_by == checker.id:
        raise OwnChoice
    after = _after(row, ProposalEvent.APPROVED if approve else ProposalEvent.DECLINED)
    if approve and row.at_once and now >= row.starts_at + UNCONFIRMED:
        raise ChoiceLapsed
    row.state, row.decided_by, row.decided_at, row.why = after, checker.id, now, why.strip()
    await db.flush()


async def withdraw(
    db: AsyncSession, officer_id: UUID, choice_id: UUID, why: str, *, now: datetime
) -> None:
    """Take back one's own choice nobody agreed to; raises ChoiceNotFound, NotOwnChoice or
    ChoiceDecided, or RoleNotAllowed."""
    row = await _locked(db, choice_id)
    right = Right.SWITCH_ACQUIRER if row.at_once else Right.CHOOSE_ACQUIRER
    maker = await identity.acting(db, officer_id, right)
    if row.asked_by != maker.id:
        raise NotOwnChoice
    row.state = _after(row, ProposalEvent.WITHDRAWN)
    row.decided_by, row.decided_at, row.why = maker.id, now, why.strip()
    await db.flush()


async def _locked(db: AsyncSession, choice_id: UUID) -> AcquirerChoice:
    row = await db.scalar(
        select(AcquirerChoice)
        .where(AcquirerChoice.id == choice_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise ChoiceNotFound
    return row


def _after(row: AcquirerChoice, event: ProposalEvent) -> str:
    try:
        return advance(ProposalState(row.state), event).value
    except TransitionRefused as exc:
        raise ChoiceDecided from exc


@dataclass(frozen=True)
class Doing:
    """How an acquirer did of late: what it was asked to issue, and what came of it.

    `answered_at` is when it last answered anything at all, within the hour.
    """

    answered_at: datetime | None = None
    issued: int = 0
    refused: int = 0
    unknown: int = 0
    silent_inquiries: int = 0

    @property
    def asked(self) -> int:
        return self.issued + self.refused + self.unknown

    @property
    def unknown_percent(self) -> int:
        return self.unknown * 100 // self.asked if self.asked else 0

    @property
    def fails(self) -> bool:
        """Whether new charges should go elsewhere: of the latest, half or more got no barcode."""
        return self.asked >= FEW and (self.refused + self.unknown) * 2 >= self.asked


# Both by the keys of rows, which tell when those were written.
DOING = """
    SELECT c.acquirer, max(h.changed_at) FILTER (WHERE h.state_after <> 'issue_unknown'),
        count(*) FILTER (WHERE h.id >= $1 AND h.state_after = 'issued'),
        count(*) FILTER (WHERE h.id >= $1 AND h.state_after = 'issue_failed'),
        count(*) FILTER (WHERE h.id >= $1 AND h.state_after = 'issue_unknown'), 0
    FROM charge_changes h JOIN charges c ON c.id = h.charge_id
    WHERE h.id >= $2 AND h.state_before = 'issuing' AND h.who = 'acquirer' GROUP BY 1
    UNION ALL
    SELECT c.acquirer, max(i.asked_at) FILTER (WHERE i.status <> 'unknown'), 0, 0, 0,
        count(*) FILTER (WHERE i.id >= $1 AND i.status = 'unknown')
    FROM inquiries i JOIN charges c ON c.id = i.charge_id
    WHERE i.id >= $2 GROUP BY 1
"""


async def doing(db: Connected, now: datetime) -> dict[str, Doing]:
    """How each acquirer did in the last minutes, by name; of one that nobody asked, nothing."""
    firsts = [
        uuid7(int((now - ago).timestamp() * 1_000), bytes(10))
        for ago in (LOOKED_AT, timedelta(hours=1))
    ]
    found: dict[str, Doing] = {}
    for name, at, *counts in await fetch(db, DOING, *firsts):
        known = found.get(name, Doing())
        told = [
            old + new
            for old, new in zip(
                (known.issued, known.refused, known.unknown, known.silent_inquiries),
                counts,
                strict=True,
            )
        ]
        latest = max((each for each in (known.answered_at, at) if each), default=None)
        found[name] = Doing(latest, *told)
    return found


@dataclass(frozen=True)
class Chosen:
    """A choice with its names, as people see it; `zone` is a code, empty for all zones."""

    id: UUID
    zone: str
    zone_name: str
    acquirer: str
    at_once: bool
    reason: str
    starts_at: datetime
    state: ProposalState
    asked_by: UUID
    maker: str
    asked_at: datetime
    checker: str
    decided_at: datetime | None
    why: str

    @property
    def lapses_at(self) -> datetime | None:
        """When a switch ends that nobody has agreed to."""
        waits = self.at_once and self.state is ProposalState.REQUESTED
        return self.starts_at + UNCONFIRMED if waits else None

    def waits(self, now: datetime) -> bool:
        """Whether another officer is to decide on it."""
        lapsed = self.lapses_at is not None and self.lapses_at <= now
        return self.state is ProposalState.REQUESTED and not lapsed


async def chosen(db: AsyncSession, choice_id: UUID) -> Chosen:
    """Raises ChoiceNotFound."""
    found = await _told(db, _named().where(AcquirerChoice.id == choice_id))
    if not found:
        raise ChoiceNotFound
    return found[0]


async def latest(db: AsyncSession, limit: int) -> list[Chosen]:
    """The newest first."""
    return await _told(db, _named().order_by(AcquirerChoice.id.desc()).limit(limit))


async def waiting(db: AsyncSession, now: datetime) -> list[Chosen]:
    """Those that another officer is to decide on."""
    asked = _named().where(AcquirerChoice.state == ProposalState.REQUESTED)
    found = await _told(db, asked.order_by(AcquirerChoice.id.desc()))
    return [one for one in found if one.waits(now)]


async def covering_now(db: AsyncSession, now: datetime) -> list[Chosen]:
    """What is in force: of zones that have one of their own, then of all others."""
    ids: list[UUID] = []
    zones: set[UUID | None] = set()
    for choice in await in_force(db, now):
        if choice.zone_id not in zones:
            ids.append(choice.id)
            zones.add(choice.zone_id)
        if choice.zone_id is None:
            break
    found = {one.id: one for one in await _told(db, _named().where(AcquirerChoice.id.in_(ids)))}
    return [found[each] for each in ids]


def _named() -> Select[Any]:
    maker = select(Officer.name).where(Officer.id == AcquirerChoice.asked_by)
    checker = select(Officer.name).where(Officer.id == AcquirerChoice.decided_by)
    return select(
        AcquirerChoice,
        func.coalesce(Zone.code, ""),
        func.coalesce(Zone.name, ""),
        maker.scalar_subquery(),
        func.coalesce(checker.scalar_subquery(), ""),
    ).outerjoin(Zone, Zone.id == AcquirerChoice.zone_id)


async def _told(db: AsyncSession, asked: Select[Any]) -> list[Chosen]:
    return [
        Chosen(
            id=row.id,
            zone=zone,
            zone_name=zone_name,
            acquirer=row.acquirer,
            at_once=row.at_once,
            reason=row.reason,
            starts_at=row.starts_at,
            state=ProposalState(row.state),
            asked_by=row.asked_by,
            maker=maker,
            asked_at=row.asked_at,
            checker=checker,
            decided_at=row.decided_at,
            why=row.why,
        )
        for row, zone, zone_name, maker, checker in await db.execute(asked)
    ]
