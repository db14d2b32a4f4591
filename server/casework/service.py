"""Assigning, noting and deciding cases of every kind, each by a row that nobody changes.

Who closes a case is never one person: what one officer proposes another one decides. A kind's own
slice locks its case first, and does what was decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.payment import CaseEvent, CaseState, TransitionRefused, advance_case
from server.casework.models import CaseAssignment, CaseComment, CaseKind, CaseStep
from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right, RoleNotAllowed


class CaseNotFound(NotFound):
    slug = "case-not-found"
    title_id = "Kasus tidak ditemukan"
    title_en = "This case is not known"


class AlreadyDecided(Problem):
    slug = "already-decided"
    status = 409
    title_id = "Ini sudah diputuskan"
    title_en = "This has been decided already"


class SamePerson(Problem):
    slug = "same-person"
    status = 403
    title_id = "Yang mengusulkan tidak boleh memutuskan; minta petugas lain"
    title_en = "Who proposed this may not decide it; ask another officer"


class OutcomeUnfit(Problem):
    slug = "outcome-unfit"
    status = 409
    title_id = "Kasus ini tidak dapat diakhiri dengan cara itu"
    title_en = "This case cannot end in that way"


class CaseNotReopenable(Problem):
    slug = "case-not-reopenable"
    status = 409
    title_id = "Kasus ini tidak dapat dibuka lagi"
    title_en = "This case cannot be opened again"


class OfficerUnfit(Problem):
    slug = "officer-unfit"
    status = 409
    title_id = "Petugas ini tidak ada, nonaktif, atau perannya tidak menangani kasus ini"
    title_en = "This officer is not there, is switched off, or has no part in such a case"


class OfficerElsewhere(Problem):
    slug = "officer-elsewhere"
    status = 409
    title_id = "Petugas ini dari unit lain, dan tidak dapat membuka kasus ini"
    title_en = "This officer is of another unit, and cannot open this case"


@dataclass(frozen=True)
class Rights:
    """Who sees cases of a kind, who says how one should end, and who decides it."""

    sees: Right
    proposes: Right
    decides: Right


RIGHTS: Mapping[CaseKind, Rights] = MappingProxyType(
    {
        CaseKind.DISCREPANCY: Rights(Right.SEE_BOOKS, Right.PROPOSE_CASE, Right.DECIDE_CASE),
        CaseKind.SUSPENSE: Rights(Right.SEE_BOOKS, Right.PROPOSE_CASE, Right.DECIDE_CASE),
        CaseKind.REFUND: Rights(Right.SEE_BOOKS, Right.REQUEST_REFUND, Right.DECIDE_REFUND),
        CaseKind.UNENDED: Rights(Right.SEE_BOOKS, Right.PROPOSE_CASE, Right.DECIDE_CASE),
        CaseKind.COUNT: Rights(Right.SEE_WORK, Right.EXPLAIN_COUNT, Right.DECIDE_CASE),
        CaseKind.QUARANTINE: Rights(Right.SEE_WORK, Right.MANAGE_DEVICES, Right.DECIDE_CASE),
        CaseKind.COMPLAINT: Rights(Right.SEE_WORK, Right.ANSWER_COMPLAINT, Right.ANSWER_COMPLAINT),
        CaseKind.CLAIM: Rights(Right.SEE_BOOKS, Right.PROPOSE_CASE, Right.DECIDE_CASE),
        CaseKind.TRANSFER: Rights(Right.SEE_BOOKS, Right.PROPOSE_CASE, Right.DECIDE_CASE),
        CaseKind.SIGN: Rights(Right.SEE_SIGNS, Right.SETTLE_SIGN, Right.DECIDE_CASE),
    }
)


def seen_by(role: Role) -> list[CaseKind]:
    return [kind for kind, rights in RIGHTS.items() if rights.sees in MAY[role]]


def works_on(role: Role, kind: CaseKind) -> bool:
    """Whether a role may propose how such a case ends, or decide it."""
    return bool({RIGHTS[kind].proposes, RIGHTS[kind].decides} & MAY[role])


# Whose it is, and what is noted


async def assign(
    db: AsyncSession,
    officer_id: UUID,
    kind: CaseKind,
    case_id: UUID,
    assignee: UUID | None,
    *,
    now: datetime,
) -> None:
    """Give a case to an officer who has a part in it, or to nobody in particular.

    That its place is one that the officer sees, the caller knows.
    """
    by = await _who_sees(db, officer_id, kind)
    if assignee is not None and assignee not in {one.id for one in await assignable(db, kind)}:
        raise OfficerUnfit
    db.add(
        CaseAssignment(
            kind=kind.value,
            case_id=case_id,
            officer_id=assignee,
            assigned_by=by.id,
            assigned_at=now,
        )
    )
    await db.flush()


async def assignable(db: AsyncSession, kind: CaseKind) -> Sequence[Officer]:
    """Who sees such cases and may propose how one ends, or decide it; wherever it is."""
    rows = await db.scalars(
        select(Officer).where(Officer.switched_off_at.is_(None)).order_by(Officer.name, Officer.id)
    )
    of_kind = RIGHTS[kind]
    return [
        one
        for one in rows
        if of_kind.sees in (rights := identity.rights_of(one))
        and {of_kind.proposes, of_kind.decides} & rights
    ]


async def comment(
    db: AsyncSession, officer_id: UUID, kind: CaseKind, case_id: UUID, words: str, *, now: datetime
) -> None:
    by = await _who_sees(db, officer_id, kind)
    db.add(
        CaseComment(kind=kind.value, case_id=case_id, words=words, written_by=by.id, written_at=now)
    )
    await db.flush()


async def _who_sees(db: AsyncSession, officer_id: UUID, kind: CaseKind) -> Officer:
    officer = await identity.acting(db, officer_id, Right.WORK_CASE)
    if RIGHTS[kind].sees not in MAY[Role(officer.role)]:
        raise RoleNotAllowed
    return officer


# How it ends


async def steps_of(db: AsyncSession, kind: CaseKind, case_id: UUID) -> Sequence[CaseStep]:
    rows = await db.scalars(
        select(CaseStep)
        .where(CaseStep.kind == kind.value, CaseStep.case_id == case_id)
        .order_by(CaseStep.number)
    )
    return rows.all()


def state_of(steps: Sequence[CaseStep], *, closed: bool) -> CaseState:
    """Of a case whose own table only tells whether it is closed."""
    if closed:
        return CaseState.CLOSED
    return CaseState.PROPOSED if proposal(steps) else CaseState.OPEN


def proposal(steps: Sequence[CaseStep]) -> CaseStep | None:
    """What waits for a decision."""
    last = steps[-1] if steps else None
    return last if last is not None and last.event == CaseEvent.PROPOSED else None


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    kind: CaseKind,
    case_id: UUID,
    before: CaseState,
    why: str,
    *,
    outcome: str | None = None,
    now: datetime,
) -> None:
    """Say how a locked case should end, for another officer to decide."""
    maker = await identity.acting(db, officer_id, RIGHTS[kind].proposes)
    await take(
        db, kind, case_id, before, CaseEvent.PROPOSED, maker.id, why, outcome=outcome, now=now
    )


async def refuse_same_person(
    db: AsyncSession, officer_id: UUID, kind: CaseKind, case_id: UUID
) -> CaseStep:
    """The proposal that this officer may decide; raises AlreadyDecided or SamePerson."""
    checker = await identity.acting(db, officer_id, RIGHTS[kind].decides)
    proposed = proposal(await steps_of(db, kind, case_id))
    if proposed is None:
        raise AlreadyDecided
    if proposed.officer_id == checker.id:
        raise SamePerson
    return proposed


async def reopen(
    db: AsyncSession,
    officer_id: UUID,
    kind: CaseKind,
    case_id: UUID,
    before: CaseState,
    why: str,
    *,
    now: datetime,
) -> None:
    """Ask again about a locked case; one officer may, since nothing is decided by it."""
    officer = await reopening(db, officer_id, kind)
    await take(db, kind, case_id, before, CaseEvent.REOPENED, officer.id, why, now=now)


async def reopening(db: AsyncSession, officer_id: UUID, kind: CaseKind) -> Officer:
    """Who opens a case again: an officer who may propose or decide; raises RoleNotAllowed."""
    officer = await identity.acting(db, officer_id, Right.WORK_CASE)
    if not works_on(Role(officer.role), kind):
        raise RoleNotAllowed
    return officer


async def take(
    db: AsyncSession,
    kind: CaseKind,
    case_id: UUID,
    before: CaseState,
    event: CaseEvent,
    officer_id: UUID | None,
    why: str,
    *,
    outcome: str | None = None,
    entry_id: UUID | None = None,
    now: datetime,
) -> CaseState:
    """Keep a step of a locked case, whose state is `before`; without an officer it is the books'.

    Raises AlreadyDecided where the table has no such step.
    """
    try:
        after = advance_case(before, event)
    except TransitionRefused as exc:
        raise AlreadyDecided from exc
    steps = await steps_of(db, kind, case_id)
    db.add(
        CaseStep(
            kind=kind.value,
            case_id=case_id,
            number=len(steps) + 1,
            at=now,
            event=event.value,
            state_before=before.value,
            state_after=after.value,
            officer_id=officer_id,
            outcome=outcome,
            why=why[:200],
            entry_id=entry_id,
        )
    )
    await db.flush()
    return after


# What its page shows


@dataclass(frozen=True)
class Told:
    """One line of a case's history; `who` is empty for the books."""

    at: datetime
    event: str
    who: str
    words: str
    outcome: str | None = None


async def history(db: AsyncSession, kind: CaseKind, case_id: UUID) -> list[Told]:
    """Its steps and who it was given to, in the order of time."""
    steps = await db.execute(
        select(CaseStep, Officer.name)
        .outerjoin(Officer, Officer.id == CaseStep.officer_id)
        .where(CaseStep.kind == kind.value, CaseStep.case_id == case_id)
    )
    to, by = aliased(Officer), aliased(Officer)
    given = await db.execute(
        select(CaseAssignment.assigned_at, by.name, to.name)
        .join(by, by.id == CaseAssignment.assigned_by)
        .outerjoin(to, to.id == CaseAssignment.officer_id)
        .where(CaseAssignment.kind == kind.value, CaseAssignment.case_id == case_id)
    )
    told = [
        *(Told(step.at, step.event, who or "", step.why, step.outcome) for step, who in steps),
        *(Told(at, "assigned" if to_ else "unassigned", by_, to_ or "") for at, by_, to_ in given),
    ]
    return sorted(told, key=lambda line: line.at)


async def comments(
    db: AsyncSession, kind: CaseKind, case_id: UUID
) -> list[tuple[CaseComment, str]]:
    """Each with its author's name, the first on top."""
    rows = await db.execute(
        select(CaseComment, Officer.name)
        .join(Officer, Officer.id == CaseComment.written_by)
        .where(CaseComment.kind == kind.value, CaseComment.case_id == case_id)
        .order_by(CaseComment.id)
    )
    return [(note, name) for note, name in rows]


async def assigned_to(db: AsyncSession, kind: CaseKind, case_id: UUID) -> Officer | None:
    found: Officer | None = await db.scalar(
        select(Officer)
        .join(CaseAssignment, CaseAssignment.officer_id == Officer.id)
        .where(
            CaseAssignment.id
            == select(CaseAssignment.id)
            .where(CaseAssignment.kind == kind.value, CaseAssignment.case_id == case_id)
            .order_by(CaseAssignment.id.desc())
            .limit(1)
            .scalar_subquery()
        )
    )
    return found
