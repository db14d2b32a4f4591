"""Cases: every rupiah in suspense has one, with an owner, until people decide or a file explains.

What a case still holds is what went into suspense for it, less what was approved to go back to the
payer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from domain.payment import (
    REFUND_VOID,
    CaseEvent,
    CaseOutcome,
    CaseState,
    RefundState,
    advance_case,
)
from domain.shares import ShareRule, Shares, pool, share
from server.database import new_id
from server.identity.models import Attendant, Shift
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.models import Entry
from server.parking.models import ParkingSession
from server.payments import changes
from server.payments.models import OWNER, Case, CaseChange, Charge, Money, Payment, Refund
from server.spots.models import Spot, Zone

GIVEN_TWICE = "given-twice"
REFUND_REFUSED = "refund-refused"
REFUND_UNKNOWN = "refund-unknown"
REFUND_DIFFERS = "refund-differs"
PROOF_TAKEN_TWICE = "proof-taken-twice"
VOUCHER_REFUSED = "voucher-refused"
NEVER_CLAIMED = "never-claimed"
REFUND_WISHED = "refund-wished"
PAID_WHILE_CLOSED = "paid-while-closed"

APPROVED = frozenset(RefundState) - REFUND_VOID - {RefundState.REQUESTED}


@dataclass(frozen=True)
class Earning:
    """Where money of a charge was earned, and by which rule others are owed of it.

    That of a pass is earned in no zone, and nobody shares it.
    """

    zone_id: UUID | None
    zone_code: str
    pass_order_id: UUID | None
    rule: ShareRule | None
    attendant: str

    def shares(self, amount_rp: int) -> Shares:
        return share(amount_rp, self.rule, self.attendant)


async def earning(db: AsyncSession, money: Money) -> Earning:
    row = await db.execute(
        select(Zone.id, Zone.code, Payment.pass_order_id, Attendant.code)
        .select_from(Charge)
        .join(Payment, Payment.id == Charge.payment_id)
        .outerjoin(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .outerjoin(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Zone, Zone.id == Spot.zone_id)
        .outerjoin(Shift, Shift.id == Payment.shift_id)
        .outerjoin(Attendant, Attendant.id == Shift.attendant_id)
        .where(Charge.id == money.charge_id)
    )
    zone_id, zone_code, pass_order_id, attendant = row.one()
    if pass_order_id is not None:
        return Earning(None, "", pass_order_id, None, "")
    day = money.business_day
    rule = ledger.pick(await ledger.share_rules(db, day, day), zone_id, day)
    return Earning(zone_id, zone_code, None, rule, attendant or pool(zone_code))


async def advance(
    db: AsyncSession,
    case: Case,
    event: CaseEvent,
    *,
    who: str,
    why: str,
    now: datetime,
    **values: object,
) -> None:
    """Move a locked case along its table, with `values` that change too; keep who, when and why."""
    before = CaseState(case.state)
    after = advance_case(before, event)
    case.state = after.value
    for name, value in values.items():
        setattr(case, name, value)
    await db.flush()
    await changes.keep(db, CaseChange, before, after, who=who, why=why, now=now, case_id=case.id)


async def open_cases(
    db: AsyncSession, kind: str, subject: str, amounts: Sequence[tuple[UUID, int]], now: datetime
) -> None:
    """Open a case for each (id, amount); `subject` names the column that holds the id."""
    rows = [
        opened(kind, subject, subject_id, amount_rp, now)
        for subject_id, amount_rp in amounts
        if amount_rp
    ]
    if rows:
        await db.execute(insert(Case), rows)


def opened(
    kind: str, subject: str, subject_id: UUID, amount_rp: int, now: datetime
) -> dict[str, Any]:
    """The row of a new case."""
    return {
        "id": new_id(),
        "kind": kind,
        subject: subject_id,
        "amount_rp": amount_rp,
        "owner": OWNER,
        "opened_at": now,
        "state": CaseState.OPEN.value,
    }


async def of_money(db: AsyncSession, money_id: UUID) -> Case | None:
    """The case of money that did not fit its charge, locked."""
    return await _locked(db, Case.money_id, money_id)


async def open_wish(db: AsyncSession, charge_id: UUID) -> Case | None:
    """The open case of a driver who wants a charge's money back, locked."""
    case: Case | None = await db.scalar(
        select(Case)
        .where(Case.charge_id == charge_id, Case.kind == REFUND_WISHED)
        .where(Case.state != CaseState.CLOSED)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return case


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


def is_about_suspense(case: Case) -> bool:
    """Whether a case holds money; refunds, proofs and vouchers are looked into without."""
    return case.refund_id is None and case.charge_id is None and case.voucher_refusal_id is None


async def held_rp(db: AsyncSession, case: Case) -> int:
    """What of a case is in suspense now; nothing once it is closed, or while what two officers had
    recognised stands.
    """
    if case.state == CaseState.CLOSED or case.entry_id is not None or not is_about_suspense(case):
        return 0
    if case.money_id is None:
        return case.amount_rp - case.claims_rp
    returned = await db.scalar(
        select(func.coalesce(func.sum(Refund.amount_rp), 0))
        .where(Refund.money_id == case.money_id, Refund.from_suspense)
        .where(Refund.state.in_(APPROVED))
    )
    return case.amount_rp - int(returned or 0)


NO_PROPOSAL = {
    "proposed_outcome": None,
    "proposed_by": None,
    "proposed_at": None,
    "zone_id": None,
    "reason": None,
}


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
        pays=None,
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
    if case.entry_id is not None:
        recognised = await db.get_one(Entry, case.entry_id)
        await undo_recognition(db, case, recognised.business_day, now)
    if case.state == CaseState.CLOSED:
        await reopen_by_books(db, case, why, now)
    await settle(db, case, CaseOutcome.EXPLAINED, why, now)


async def reopen_by_books(db: AsyncSession, case: Case, why: str, now: datetime) -> None:
    """What was decided of a locked case holds no longer."""
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
        **NO_PROPOSAL,
    )


async def undo_recognition(db: AsyncSession, case: Case, day: date, now: datetime) -> None:
    """Money that was recognised is in suspense again, as of a business day."""
    if case.entry_id is None:
        return
    await ledger.record(
        db,
        postings.reverse(await ledger.legs_of(db, case.entry_id)),
        source=f"unrecognised:{case.entry_id}",
        description="Pengakuan titipan dibatalkan",
        business_day=day,
        now=now,
    )
    case.entry_id = case.posted_as = case.pays = None
