"""Closing a case by proposal and decision: by two people, never by one alone."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import (
    REFUND_UNDECIDED,
    REFUND_VOID,
    CaseEvent,
    CaseOutcome,
    CaseState,
    RefundEvent,
)
from domain.shares import NO_SHARES, Shares
from server.casework import service as casework
from server.casework.models import CaseKind
from server.casework.service import (
    AlreadyDecided,
    CaseNotFound,
    CaseNotReopenable,
    OutcomeUnfit,
    SamePerson,
)
from server.identity import service as identity
from server.identity.service import Right
from server.ledger import postings
from server.ledger import service as ledger
from server.parking import pass_orders
from server.payments import cases, passes, returning
from server.payments.books import Books
from server.payments.cases import NO_PROPOSAL
from server.payments.models import Case, Charge, Money, Refund
from server.spots.models import Zone

FOUND_TO_BE = {
    CaseOutcome.OTHER_INCOME: postings.OTHER_INCOME,
    CaseOutcome.GIVEN_BACK: postings.TO_GIVE_BACK,
    CaseOutcome.SENT_BACK: postings.TO_GIVE_BACK,
}
"""The account of what a movement is found to be that pays no batch or slip, and no zone."""
POSTED = frozenset({CaseOutcome.RECOGNISED, CaseOutcome.MATCHED, *FOUND_TO_BE})
"""The outcomes for which something is posted."""
WORDS = {
    CaseOutcome.OTHER_INCOME: "pendapatan lain",
    CaseOutcome.GIVEN_BACK: "uang orang lain, harus dikembalikan",
    CaseOutcome.SENT_BACK: "uang orang lain yang dikirim kembali",
}
"""As the ledger says it."""
REOPENABLE = POSTED | {CaseOutcome.KEPT, CaseOutcome.CLARIFIED}
"""What two officers decided and may ask about again; with NOT_MADE a refund was decided too."""


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    case_id: UUID,
    outcome: CaseOutcome,
    zone_code: str | None,
    reason: str,
    *,
    now: datetime,
    pays: str | None = None,
) -> None:
    """Say how a case should end, for another officer to decide; `zone_code` where it has none.

    `pays` is what a movement is matched with, or the case of what it sends back, which the caller
    found to await it.
    """
    maker = await identity.acting(db, officer_id, Right.PROPOSE_CASE)
    case = await _lock(db, case_id)
    if case.state != CaseState.OPEN:
        raise AlreadyDecided
    zone_id = await _zone_of(db, case, zone_code)
    await _refuse_unfit(db, case, outcome, zone_id)
    await cases.advance(
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
        pays=case.pays if case.entry_id else pays,
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
    clears: str | None = None,
) -> None:
    """Close a case as proposed, or send it back; raises SamePerson for who proposed it.

    `clears` is the account that awaits what a movement is matched with.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_CASE)
    case = await _lock(db, case_id)
    if case.state != CaseState.PROPOSED or case.proposed_outcome is None:
        raise AlreadyDecided
    if case.proposed_by == checker.id:
        raise SamePerson
    if not accept:
        lapsed = NO_PROPOSAL | {"pays": case.pays if case.entry_id else None}
        await cases.advance(
            db, case, CaseEvent.DECLINED, who=checker.login, why=why, now=now, **lapsed
        )
        return
    outcome = CaseOutcome(case.proposed_outcome)
    await _refuse_unfit(db, case, outcome, case.zone_id)
    if outcome is CaseOutcome.TAKEN_BACK:
        await cases.undo_recognition(db, case, books.business_day(now), now)
        words = why or case.reason or outcome
        await cases.advance(
            db, case, CaseEvent.CORRECTED, who=checker.login, why=words, now=now, **NO_PROPOSAL
        )
        return
    if outcome in POSTED and case.entry_id is None:
        if outcome is CaseOutcome.RECOGNISED:
            case.entry_id = await _recognise(db, case, books, now)
        else:
            account = FOUND_TO_BE.get(outcome, clears)
            case.entry_id = await _match(db, case, outcome, account, books, now)
        case.posted_as = outcome.value
    await cases.advance(
        db,
        case,
        CaseEvent.ACCEPTED,
        who=checker.login,
        why=why or outcome,
        now=now,
        decided_by=checker.id,
        outcome=outcome.value,
        closed_at=now,
    )
    if outcome is CaseOutcome.NOT_MADE:
        await _refuse_refund(db, case, checker.login, books, now)


async def reopen(
    db: AsyncSession, officer_id: UUID, case_id: UUID, reason: str, *, now: datetime
) -> None:
    """Ask again about a case that two officers closed.

    What they had posted stands until two officers decide to take it back, or that it stays.
    """
    officer = await casework.reopening(db, officer_id, CaseKind.SUSPENSE)
    case = await _lock(db, case_id)
    if case.state != CaseState.CLOSED or case.outcome not in REOPENABLE:
        raise CaseNotReopenable
    await cases.advance(
        db,
        case,
        CaseEvent.REOPENED,
        who=officer.login,
        why=reason,
        now=now,
        decided_by=None,
        outcome=None,
        closed_at=None,
        # The zone of what is still posted stays, as a proposal that it stands needs none.
        **NO_PROPOSAL | {"zone_id": case.zone_id if case.entry_id else None},
    )


async def _refuse_refund(
    db: AsyncSession, case: Case, who: str, books: Books, now: datetime
) -> None:
    if case.refund_id is None or case.reason is None:
        raise RuntimeError("a case that was proposed without a reason, or is about no refund")
    locked = await returning.lock(db, case.refund_id)
    await returning.refuse(db, locked, RefundEvent.NOT_FOUND, who, case.reason, books, now)


async def _lock(db: AsyncSession, case_id: UUID) -> Case:
    case = await db.get(Case, case_id)
    if case is None:
        raise CaseNotFound
    # First the charge and the refund, in the order in which the books lock them.
    if case.refund_id is not None:
        await returning.lock(db, case.refund_id)
    elif case.money_id is not None:
        money = await db.get_one(Money, case.money_id)
        await db.get_one(Charge, money.charge_id, with_for_update=True)
    return await db.get_one(Case, case_id, with_for_update=True, populate_existing=True)


async def _zone_of(db: AsyncSession, case: Case, zone_code: str | None) -> UUID | None:
    """Where the money was collected; for a line of a file what the officer says."""
    if case.money_id is not None:
        return (await cases.earning(db, await db.get_one(Money, case.money_id))).zone_id
    found: UUID | None = await db.scalar(select(Zone.id).where(Zone.code == zone_code))
    return found


def fitting(case: Case) -> tuple[CaseOutcome, ...]:
    """The outcomes that people may propose for a case, the usual one first."""
    if case.posted_as is not None:
        return CaseOutcome.TAKEN_BACK, CaseOutcome(case.posted_as)
    if case.charge_id is not None or case.voucher_refusal_id is not None:
        return (CaseOutcome.CLARIFIED,)
    if case.statement_line_id is not None and not case.claims_rp:
        usual = (CaseOutcome.MATCHED, CaseOutcome.RECOGNISED)
        if case.amount_rp < 0:
            return *usual, CaseOutcome.SENT_BACK
        return *usual, CaseOutcome.OTHER_INCOME, CaseOutcome.GIVEN_BACK
    if case.refund_id is None:
        return (CaseOutcome.RECOGNISED,)
    return (CaseOutcome.KEPT if case.kind == cases.REFUND_REFUSED else CaseOutcome.NOT_MADE,)


async def _refuse_unfit(
    db: AsyncSession, case: Case, outcome: CaseOutcome, zone_id: UUID | None
) -> None:
    """Only money in suspense, and no refund of it under way, can be recognised."""
    if outcome not in fitting(case):
        raise OutcomeUnfit
    if outcome is CaseOutcome.TAKEN_BACK:
        await _refuse_what_is_used(db, case)
    if outcome not in POSTED or case.entry_id is not None:
        return
    held_rp = await cases.held_rp(db, case)
    if not held_rp:
        raise OutcomeUnfit
    if outcome is not CaseOutcome.RECOGNISED:
        return
    order_id = await _pass_order_of(db, case)
    if order_id is not None:
        if not await passes.can_be_given(db, order_id, held_rp):
            raise OutcomeUnfit("it pays for no pass that could be given; refund it")
    elif case.amount_rp > 0 and zone_id is None:
        raise OutcomeUnfit("say in which zone it was earned")
    if case.money_id is not None and await _being_refunded(db, case.money_id):
        raise OutcomeUnfit("a refund of this money is under way")


async def _refuse_what_is_used(db: AsyncSession, case: Case) -> None:
    """Money that went back, or gave a pass, cannot be put into suspense again."""
    if await sent_back_by(db, case) is not None:
        raise OutcomeUnfit("it was sent back; take that back first")
    if case.money_id is None:
        return
    if await _pass_order_of(db, case) is not None:
        raise OutcomeUnfit("a pass was given for it")
    used = select(Refund.id).where(
        Refund.money_id == case.money_id,
        Refund.from_suspense.is_(False),
        Refund.state.not_in(REFUND_VOID),
    )
    if await db.scalar(used.limit(1)) is not None:
        raise OutcomeUnfit("a refund of what it earned was made, or is under way")


async def sent_back_by(db: AsyncSession, case: Case) -> UUID | None:
    """The case of the transfer with which a stranger's money went back."""
    if case.posted_as != CaseOutcome.GIVEN_BACK:
        return None
    found: UUID | None = await db.scalar(
        select(Case.id).where(Case.posted_as == CaseOutcome.SENT_BACK, Case.pays == str(case.id))
    )
    return found


async def _pass_order_of(db: AsyncSession, case: Case) -> UUID | None:
    """The order of the pass that money in suspense was meant for."""
    if case.money_id is None:
        return None
    return (await cases.earning(db, await db.get_one(Money, case.money_id))).pass_order_id


async def _being_refunded(db: AsyncSession, money_id: UUID) -> bool:
    undecided = select(Refund.id).where(
        Refund.money_id == money_id, Refund.state.in_(REFUND_UNDECIDED)
    )
    return await db.scalar(undecided) is not None


async def _recognise(db: AsyncSession, case: Case, books: Books, now: datetime) -> UUID:
    """Money is a zone's earning after all, or pays for a pass, which is given now; a debit nobody
    explained is a cost.
    """
    amount_rp = await cases.held_rp(db, case)
    order_id = await _pass_order_of(db, case)
    if amount_rp < 0:
        legs = postings.for_recognised_cost(-amount_rp)
    elif order_id is not None:
        legs = postings.for_pass_recognised(amount_rp)
        await pass_orders.give(db, order_id, now=now)
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
        business_day=books.business_day(now),
        now=now,
    )


async def _match(
    db: AsyncSession,
    case: Case,
    outcome: CaseOutcome,
    clears: str | None,
    books: Books,
    now: datetime,
) -> UUID:
    """What the books post by themselves where the bank names what a movement pays."""
    if clears is None:
        raise OutcomeUnfit("nothing awaits it")
    return await ledger.record(
        db,
        postings.for_explained_movement(await cases.held_rp(db, case), clears),
        source=f"{outcome}:{case.id}:{now.isoformat()}",
        description=f"Titipan adalah {WORDS.get(outcome, case.pays)}: {case.reason}"[:200],
        business_day=books.business_day(now),
        now=now,
    )


async def _shares(db: AsyncSession, case: Case, amount_rp: int) -> Shares:
    """What others are owed of recognised money: as much as if it had fitted its charge."""
    if case.money_id is None:
        return NO_SHARES
    return (await cases.earning(db, await db.get_one(Money, case.money_id))).shares(amount_rp)
