"""What is claimed of an acquirer's fee: until it is paid or refused, as two officers decide.

A claim is opened when two officers decide that a fee was too high. What pays it came by itself:
money in suspense, or a settlement line that gives the fee back. Refused, it is a loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseEvent, CaseOutcome, CaseState
from server.casework import service as casework
from server.casework.models import CaseKind, CaseStep
from server.casework.service import (
    AlreadyDecided,
    CaseNotFound,
    CaseNotReopenable,
    OutcomeUnfit,
)
from server.database import new_id
from server.ledger import postings
from server.ledger import service as ledger
from server.payments import cases
from server.payments.books import Books
from server.payments.models import OWNER, Case
from server.reconciliation import movements, turns
from server.reconciliation.models import FeeClaim, SettlementLine, StatementLine
from server.reconciliation.names import named

KIND = CaseKind.CLAIM
MOST_SOURCES = 200


class Ending(StrEnum):
    """How a claim ends. TAKEN_BACK: what was posted for its end is undone, and it is open again.

    WITHDRAWN is what becomes of it when the claim itself is taken back.
    """

    PAID = "paid"
    REFUSED = "refused"
    TAKEN_BACK = "taken_back"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Source:
    """Money that may pay a claim: what it is called, and how much of it is left."""

    key: str
    name: str
    left_rp: int


def open_claim(discrepancy_id: UUID, entry_id: UUID, amount_rp: int, now: datetime) -> FeeClaim:
    return FeeClaim(
        id=new_id(),
        discrepancy_id=discrepancy_id,
        entry_id=entry_id,
        amount_rp=amount_rp,
        owner=OWNER,
        opened_at=now,
        state=CaseState.OPEN.value,
    )


async def of_entry(db: AsyncSession, entry_id: UUID) -> FeeClaim | None:
    """The claim that an entry posted, locked."""
    found: FeeClaim | None = await db.scalar(
        select(FeeClaim)
        .where(FeeClaim.entry_id == entry_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found


async def withdraw(db: AsyncSession, claim: FeeClaim, why: str, now: datetime) -> None:
    """Two officers took back the claim itself; a proposal about its end lapses."""
    before = CaseState(claim.state)
    await casework.take(db, KIND, claim.id, before, CaseEvent.SETTLED, None, why, now=now)
    claim.state, claim.outcome = CaseState.CLOSED.value, Ending.WITHDRAWN.value
    claim.case_id = claim.settlement_line_id = None
    await db.flush()


def fitting(claim: FeeClaim) -> tuple[Ending, ...]:
    """What may be proposed of an open claim; first what was posted for its end is taken back."""
    if claim.ended_entry_id is None:
        return Ending.PAID, Ending.REFUSED
    has_source = claim.case_id is not None or claim.settlement_line_id is not None
    return Ending.TAKEN_BACK, Ending.PAID if has_source else Ending.REFUSED


async def sources(db: AsyncSession, claim: FeeClaim) -> Sequence[Source]:
    """The credits in suspense, and lines that give a fee back, which are enough for a claim."""
    held = await db.execute(
        select(Case, StatementLine.narrative, SettlementLine)
        .outerjoin(StatementLine, StatementLine.id == Case.statement_line_id)
        .outerjoin(SettlementLine, SettlementLine.id == Case.settlement_line_id)
        .where(Case.state == CaseState.OPEN, Case.entry_id.is_(None), Case.money_id.is_(None))
        .where(func.coalesce(Case.statement_line_id, Case.settlement_line_id).is_not(None))
        .where(Case.amount_rp - Case.claims_rp >= claim.amount_rp)
        .order_by(Case.opened_at.desc(), Case.id)
        .limit(MOST_SOURCES)
    )
    given = await db.scalars(
        select(SettlementLine)
        .where(SettlementLine.gross_rp == 0, -SettlementLine.mdr_rp >= claim.amount_rp)
        .where(movements.stands())
        .order_by(SettlementLine.settlement_date.desc(), SettlementLine.id)
        .limit(MOST_SOURCES)
    )
    found = [
        Source(
            f"case:{case.id}",
            narrative or (named(line) if line else ""),
            case.amount_rp - case.claims_rp,
        )
        for case, narrative, line in held
    ]
    found += [Source(f"line:{line.id}", named(line), await _left_of(db, line)) for line in given]
    return [source for source in found if source.left_rp >= claim.amount_rp]


async def _left_of(db: AsyncSession, line: SettlementLine) -> int:
    paid = await db.scalar(
        select(func.coalesce(func.sum(FeeClaim.amount_rp), 0)).where(
            FeeClaim.settlement_line_id == line.id, FeeClaim.ended_entry_id.is_not(None)
        )
    )
    return -line.mdr_rp - int(paid or 0)


async def lock(db: AsyncSession, claim_id: UUID) -> FeeClaim:
    """Raises CaseNotFound. Files and comparisons, which look at its money too, wait."""
    await turns.one_at_a_time(db)
    claim = await db.get(FeeClaim, claim_id, with_for_update=True, populate_existing=True)
    if claim is None:
        raise CaseNotFound
    return claim


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    claim_id: UUID,
    outcome: Ending,
    source: str,
    why: str,
    *,
    now: datetime,
) -> None:
    """Say how a claim ends; `source` names the money that paid it. Raises OutcomeUnfit."""
    claim = await lock(db, claim_id)
    before = CaseState(claim.state)
    if before is CaseState.OPEN and outcome not in fitting(claim):
        raise OutcomeUnfit
    if claim.ended_entry_id is None and outcome is Ending.PAID:
        if source not in {one.key for one in await sources(db, claim)}:
            raise OutcomeUnfit("choose the money that paid it")
        kind, _, key = source.partition(":")
        setattr(claim, "case_id" if kind == "case" else "settlement_line_id", UUID(key))
    await casework.propose(db, officer_id, KIND, claim.id, before, why, outcome=outcome, now=now)
    claim.state = CaseState.PROPOSED.value
    await db.flush()


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    claim_id: UUID,
    books: Books,
    *,
    accept: bool,
    why: str,
    now: datetime,
) -> None:
    """End a claim as proposed, or send it back; raises SamePerson for who proposed it."""
    claim = await lock(db, claim_id)
    if claim.state != CaseState.PROPOSED:
        raise AlreadyDecided
    proposed = await casework.refuse_same_person(db, officer_id, KIND, claim.id)
    outcome = Ending(proposed.outcome or "")
    event, entry_id, values = CaseEvent.DECLINED, None, dict[str, Any]()
    if not accept and claim.ended_entry_id is None:
        values = {"case_id": None, "settlement_line_id": None}
    elif accept:
        if outcome not in fitting(claim):
            raise OutcomeUnfit
        event, values = CaseEvent.ACCEPTED, {"outcome": outcome.value}
        if outcome is Ending.TAKEN_BACK:
            entry_id = await _take_back(db, claim, books, now)
            event = CaseEvent.CORRECTED
            values = {"ended_entry_id": None, "case_id": None, "settlement_line_id": None}
        elif claim.ended_entry_id is None:
            entry_id = await _post(db, claim, outcome, proposed, books, now)
            values["ended_entry_id"] = entry_id
    words = why or proposed.why
    after = await casework.take(
        db,
        KIND,
        claim.id,
        CaseState.PROPOSED,
        event,
        officer_id,
        words,
        outcome=outcome,
        entry_id=entry_id,
        now=now,
    )
    claim.state = after.value
    for name, value in values.items():
        setattr(claim, name, value)
    await db.flush()


async def reopen(
    db: AsyncSession, officer_id: UUID, claim_id: UUID, why: str, *, now: datetime
) -> None:
    """Ask again how a claim ended; what was posted for it stands until two officers decide."""
    claim = await lock(db, claim_id)
    if claim.outcome not in (Ending.PAID, Ending.REFUSED):
        raise CaseNotReopenable
    await casework.reopen(db, officer_id, KIND, claim.id, CaseState(claim.state), why, now=now)
    claim.state, claim.outcome = CaseState.OPEN.value, None
    await db.flush()


async def _post(
    db: AsyncSession,
    claim: FeeClaim,
    outcome: Ending,
    proposed: CaseStep,
    books: Books,
    now: datetime,
) -> UUID:
    if outcome is Ending.REFUSED:
        legs = postings.for_claim_refused(claim.amount_rp)
    else:
        legs = postings.for_claim_paid(claim.amount_rp, await _use(db, claim, now))
    return await ledger.record(
        db,
        legs,
        source=f"claim:{claim.id}:{proposed.number}",
        description=f"Klaim MDR: {proposed.why}"[:200],
        business_day=books.business_day(now),
        now=now,
    )


async def _use(db: AsyncSession, claim: FeeClaim, now: datetime) -> str:
    """Take what pays a claim out of its source; the account where that is. Raises OutcomeUnfit."""
    if claim.case_id is None:
        line = await db.get_one(SettlementLine, claim.settlement_line_id)
        if await _left_of(db, line) < claim.amount_rp:
            raise OutcomeUnfit("less is left of the money that was named")
        return postings.MDR_EXPENSE
    case = await _case(db, claim)
    if case.state != CaseState.OPEN or await cases.held_rp(db, case) < claim.amount_rp:
        raise OutcomeUnfit("less is left of the money that was named")
    case.claims_rp += claim.amount_rp
    await db.flush()
    if case.claims_rp == case.amount_rp:
        await cases.settle(db, case, CaseOutcome.CLAIM_PAID, "klaim MDR", now)
    return postings.SUSPENSE


async def _take_back(db: AsyncSession, claim: FeeClaim, books: Books, now: datetime) -> UUID:
    if claim.ended_entry_id is None:
        raise RuntimeError("nothing was posted that could be taken back")
    if claim.case_id is not None:
        await _give_back(db, await _case(db, claim), claim.amount_rp, now)
    return await ledger.record(
        db,
        postings.reverse(await ledger.legs_of(db, claim.ended_entry_id)),
        source=f"unclaim:{claim.ended_entry_id}",
        description="Akhir klaim MDR dibatalkan",
        business_day=books.business_day(now),
        now=now,
    )


async def _give_back(db: AsyncSession, case: Case, amount_rp: int, now: datetime) -> None:
    """The money is in suspense again, and somebody has to see to it."""
    if case.state == CaseState.CLOSED:
        if case.outcome != CaseOutcome.CLAIM_PAID:
            raise OutcomeUnfit("the rest of its money was decided; open that case first")
        await cases.reopen_by_books(db, case, "klaim MDR", now)
    elif case.entry_id is not None:
        raise OutcomeUnfit("the rest of its money was decided; open that case first")
    case.claims_rp -= amount_rp
    await db.flush()


async def _case(db: AsyncSession, claim: FeeClaim) -> Case:
    return await db.get_one(Case, claim.case_id, with_for_update=True, populate_existing=True)
