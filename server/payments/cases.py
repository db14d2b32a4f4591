"""Cases: every rupiah in suspense has one, with an owner, until people decide or a file explains.

What a case still holds is what went into suspense for it, less what was approved to go back to the
payer. People close a case by proposal and decision, never one person alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from domain.payment import (
    REFUND_UNDECIDED,
    REFUND_VOID,
    CaseEvent,
    CaseOutcome,
    CaseState,
    RefundState,
    advance_case,
)
from domain.shares import NO_SHARES, ShareRule, Shares, pool, share
from server.database import new_id
from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.models import Attendant, Shift
from server.identity.service import Right
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.models import Entry
from server.parking.models import ParkingSession
from server.payments.books import Books
from server.payments.models import OWNER, Case, CaseChange, Charge, Money, Payment, Refund
from server.spots.models import Spot, Zone

NOT_BOOKED = "not-booked"
UNKNOWN_MOVEMENT = "unknown-movement"
REFUND_REFUSED = "refund-refused"

APPROVED = frozenset(RefundState) - REFUND_VOID - {RefundState.REQUESTED}


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


@dataclass(frozen=True)
class Earning:
    """Where money of a charge was earned, and by which rule others are owed of it."""

    zone_id: UUID
    zone_code: str
    rule: ShareRule | None
    attendant: str

    def shares(self, amount_rp: int) -> Shares:
        return share(amount_rp, self.rule, self.attendant)


async def earning(db: AsyncSession, money: Money) -> Earning:
    row = await db.execute(
        select(Zone.id, Zone.code, Attendant.code)
        .select_from(Charge)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .join(Spot, Spot.id == ParkingSession.spot_id)
        .join(Zone, Zone.id == Spot.zone_id)
        .outerjoin(Shift, Shift.id == Payment.shift_id)
        .outerjoin(Attendant, Attendant.id == Shift.attendant_id)
        .where(Charge.id == money.charge_id)
    )
    zone_id, zone_code, attendant = row.one()
    day = money.business_day
    rule = ledger.pick(await ledger.share_rules(db, day, day), zone_id, day)
    return Earning(zone_id, zone_code, rule, attendant or pool(zone_code))


async def advance(
    db: AsyncSession,
    case: Case,
    event: CaseEvent,
    *,
    who: str,
    why: str,
    now: datetime,
    **changes: object,
) -> None:
    """Move a locked case along its table, with whatever changes along; keep who, when and why."""
    before = CaseState(case.state)
    case.state = advance_case(before, event).value
    for name, value in changes.items():
        setattr(case, name, value)
    await db.flush()
    await db.execute(
        insert(CaseChange).values(
            id=new_id(),
            case_id=case.id,
            changed_at=now,
            state_before=before.value,
            state_after=case.state,
            who=who,
            why=why[:200],
        )
    )


async def open_cases(
    db: AsyncSession, kind: str, subject: str, amounts: Sequence[tuple[UUID, int]], now: datetime
) -> None:
    """Open a case for each (id, amount); `subject` names the column that holds the id."""
    rows = [
        {
            "id": new_id(),
            "kind": kind,
            subject: subject_id,
            "amount_rp": amount_rp,
            "owner": OWNER,
            "opened_at": now,
            "state": CaseState.OPEN.value,
        }
        for subject_id, amount_rp in amounts
        if amount_rp
    ]
    if rows:
        await db.execute(insert(Case), rows)


async def of_money(db: AsyncSession, money_id: UUID) -> Case | None:
    """The case of money that did not fit its charge, locked."""
    return await _locked(db, Case.money_id, money_id)


async def _locked(
    db: AsyncSession, subject: InstrumentedAttribute[UUID | None], subject_id: UUID
) -> Case | None:
    case: Case | None = await db.scalar(
        select(Case)
        .where(subject == subject_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return case


async def held_rp(db: AsyncSession, case: Case) -> int:
    """What of a case is in suspense now; nothing once it is closed."""
    if case.state == CaseState.CLOSED or case.refund_id is not None:
        return 0
    if case.money_id is None:
        return case.amount_rp
    returned = await db.scalar(
        select(func.coalesce(func.sum(Refund.amount_rp), 0))
        .where(Refund.money_id == case.money_id, Refund.from_suspense)
        .where(Refund.state.in_(APPROVED))
    )
    return case.amount_rp - int(returned or 0)


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    case_id: UUID,
    outcome: CaseOutcome,
    zone_code: str | None,
    reason: str,
    *,
    now: datetime,
) -> None:
    """Say how a case should end, for another officer to decide; `zone_code` where it has none."""
    maker = await identity.acting(db, officer_id, Right.PROPOSE_CASE)
    case = await _lock(db, case_id)
    if case.state != CaseState.OPEN:
        raise AlreadyDecided
    zone_id = await _zone_of(db, case, zone_code)
    await _refuse_unfit(db, case, outcome, zone_id)
    await advance(
        db,
        case,
        CaseEvent.PROPOSED,
        who=maker.login,
        why=reason,
        now=now,
        proposed_outcome=outcome.value,
        proposed_by=maker.id,
        proposed_at=now,
        zone_id=zone_id,
        reason=reason,
    )


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    case_id: UUID,
    books: Books,
    *,
    accept: bool,
    why: str,
    now: datetime,
) -> None:
    """Close a case as proposed, or send it back; raises SamePerson for who proposed it."""
    checker = await identity.acting(db, officer_id, Right.DECIDE_CASE)
    case = await _lock(db, case_id)
    if case.state != CaseState.PROPOSED or case.proposed_outcome is None:
        raise AlreadyDecided
    if case.proposed_by == checker.id:
        raise SamePerson
    if not accept:
        await advance(
            db, case, CaseEvent.DECLINED, who=checker.login, why=why, now=now, **NO_PROPOSAL
        )
        return
    outcome = CaseOutcome(case.proposed_outcome)
    await _refuse_unfit(db, case, outcome, case.zone_id)
    entry_id = await _recognise(db, case, books, now) if outcome is CaseOutcome.RECOGNISED else None
    await advance(
        db,
        case,
        CaseEvent.ACCEPTED,
        who=checker.login,
        why=why or outcome,
        now=now,
        decided_by=checker.id,
        outcome=outcome.value,
        closed_at=now,
        entry_id=entry_id,
    )


NO_PROPOSAL = {
    "proposed_outcome": None,
    "proposed_by": None,
    "proposed_at": None,
    "zone_id": None,
    "reason": None,
}


async def _lock(db: AsyncSession, case_id: UUID) -> Case:
    case = await db.get(Case, case_id)
    if case is None:
        raise CaseNotFound
    if case.money_id is not None:  # first the charge, as refunds of its money do
        money = await db.get_one(Money, case.money_id)
        await db.get_one(Charge, money.charge_id, with_for_update=True)
    return await db.get_one(Case, case_id, with_for_update=True, populate_existing=True)


async def _zone_of(db: AsyncSession, case: Case, zone_code: str | None) -> UUID | None:
    """Where the money was collected; for a line of a file what the officer says."""
    if case.money_id is not None:
        return (await earning(db, await db.get_one(Money, case.money_id))).zone_id
    found: UUID | None = await db.scalar(select(Zone.id).where(Zone.code == zone_code))
    return found


async def _refuse_unfit(
    db: AsyncSession, case: Case, outcome: CaseOutcome, zone_id: UUID | None
) -> None:
    """Only a refused refund can be kept; only money in suspense, and no refund of it under way,
    can be recognised."""
    if (outcome is CaseOutcome.KEPT) != (case.refund_id is not None):
        raise OutcomeUnfit
    if outcome is CaseOutcome.KEPT:
        return
    if outcome is not CaseOutcome.RECOGNISED or not await held_rp(db, case):
        raise OutcomeUnfit
    if case.amount_rp > 0 and zone_id is None:
        raise OutcomeUnfit("say in which zone it was earned")
    if case.money_id is not None and await _being_refunded(db, case.money_id):
        raise OutcomeUnfit("a refund of this money is under way")


async def _being_refunded(db: AsyncSession, money_id: UUID) -> bool:
    undecided = select(Refund.id).where(
        Refund.money_id == money_id, Refund.state.in_(REFUND_UNDECIDED)
    )
    return await db.scalar(undecided) is not None


async def _recognise(db: AsyncSession, case: Case, books: Books, now: datetime) -> UUID:
    """Money is a zone's earning after all; a debit nobody explained is a cost."""
    amount_rp = await held_rp(db, case)
    if amount_rp < 0:
        legs = postings.for_recognised_cost(-amount_rp)
    else:
        zone = await db.get_one(Zone, case.zone_id)
        shares = await _shares(db, case, amount_rp)
        legs = postings.for_recognised(amount_rp, zone.code, shares)
    return await ledger.record(
        db,
        legs,
        # A case may be recognised again after a later file had reopened it.
        source=f"recognised:{case.id}:{now.isoformat()}",
        description=f"Titipan diakui: {case.reason}"[:200],
        business_day=books.day(now),
        now=now,
    )


async def _shares(db: AsyncSession, case: Case, amount_rp: int) -> Shares:
    """What others are owed of recognised money: as much as if it had fitted its charge."""
    if case.money_id is None:
        return NO_SHARES
    return (await earning(db, await db.get_one(Money, case.money_id))).shares(amount_rp)


async def settle(
    db: AsyncSession, case: Case, outcome: CaseOutcome, why: str, now: datetime
) -> None:
    """Close a locked case by what the books know; a proposal about it lapses."""
    await advance(
        db,
        case,
        CaseEvent.SETTLED,
        who="books",
        why=why,
        now=now,
        outcome=outcome.value,
        closed_at=now,
        **NO_PROPOSAL,
    )


async def explained(
    db: AsyncSession,
    subject: InstrumentedAttribute[UUID | None],
    subject_id: UUID,
    why: str,
    now: datetime,
) -> None:
    """Close the case of a line that a later file explains; what people had recognised is undone."""
    case = await _locked(db, subject, subject_id)
    if case is None:  # the line put nothing into suspense
        return
    if case.state == CaseState.CLOSED:
        await _undo_recognition(db, case, now)
        await advance(
            db,
            case,
            CaseEvent.REOPENED,
            who="books",
            why=why,
            now=now,
            decided_by=None,
            outcome=None,
            closed_at=None,
            entry_id=None,
            **NO_PROPOSAL,
        )
    await settle(db, case, CaseOutcome.EXPLAINED, why, now)


async def _undo_recognition(db: AsyncSession, case: Case, now: datetime) -> None:
    if case.entry_id is not None:
        recognised = await db.get_one(Entry, case.entry_id)
        await ledger.record(
            db,
            postings.reverse(await ledger.legs_of(db, case.entry_id)),
            source=f"unrecognised:{case.entry_id}",
            description="Pengakuan titipan dibatalkan: sudah dijelaskan berkas",
            business_day=recognised.business_day,
            now=now,
        )
