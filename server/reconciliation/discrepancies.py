"""Differences that people decide: proposed by one officer, decided by another, with what is posted.

A comparison neither opens nor closes what two officers decided about the same amount. Where the
amount is another, or what they had posted is no longer needed, the books open it again.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Text, any_, exists, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseEvent, CaseState
from server.casework import service as casework
from server.casework.models import CaseKind, CaseStep
from server.casework.service import (
    AlreadyDecided,
    CaseNotFound,
    CaseNotReopenable,
    OutcomeUnfit,
)
from server.ledger import postings
from server.ledger import service as ledger
from server.payments.books import Books
from server.reconciliation import claims
from server.reconciliation.matching import Difference, DifferenceKind, Name, Outcome
from server.reconciliation.models import CashDeposit, Discrepancy

KIND = CaseKind.DISCREPANCY
# What the sources of entries about a difference begin with; its id and a step's number follow.
RESOLVED = "resolved:"
TAKEN_BACK = "unresolved:"
# No acquirer's name has a colon.
NAMED = Discrepancy.kind + ":" + Discrepancy.acquirer + ":" + Discrepancy.subject


class Resolution(StrEnum):
    """How two officers end a difference.

    ACCEPTED: the fee is right as it was taken. CLAIMED: what was taken beyond the fee is the
    acquirer's debt. WRITTEN_OFF: nobody will make it good. EXPLAINED: the bank told that no
    movement is missing, or that it tells no more of it. TAKEN_BACK: what was posted is undone,
    and the difference is open as before.
    """

    ACCEPTED = "accepted"
    CLAIMED = "claimed"
    WRITTEN_OFF = "written_off"
    EXPLAINED = "explained"
    TAKEN_BACK = "taken_back"


UNPOSTED = (Resolution.ACCEPTED, Resolution.EXPLAINED)

OUTCOMES: Mapping[DifferenceKind, tuple[Resolution, ...]] = MappingProxyType(
    {
        DifferenceKind.MDR_DIFFERS: (Resolution.ACCEPTED, Resolution.CLAIMED),
        DifferenceKind.NOT_SETTLED: (Resolution.WRITTEN_OFF,),
        DifferenceKind.FILE_MISSING: (Resolution.WRITTEN_OFF,),
        DifferenceKind.OUTCOME_UNKNOWN: (Resolution.WRITTEN_OFF,),
        DifferenceKind.AMOUNT_DIFFERS: (Resolution.WRITTEN_OFF,),
        DifferenceKind.PAYOUT_MISSING: (Resolution.WRITTEN_OFF,),
        DifferenceKind.PAYOUT_DIFFERS: (Resolution.WRITTEN_OFF,),
        # Their money is in suspense, and its own case is decided; with it they are closed.
        DifferenceKind.NOT_BOOKED: (),
        DifferenceKind.SEVERAL_FIT: (),
        DifferenceKind.UNKNOWN_MOVEMENT: (),
        # No money of ours lies on it; the movements that are missing close it as well.
        DifferenceKind.STATEMENT_GAP: (Resolution.EXPLAINED,),
    }
)


async def fitting(db: AsyncSession, row: Discrepancy) -> tuple[Resolution, ...]:
    """What may be proposed: first what was posted is taken back, unless it is as it should be.

    A claim that the acquirer paid or refused is taken back after its end is.
    """
    if row.entry_id is None:
        return tuple(
            outcome
            for outcome in OUTCOMES[DifferenceKind(row.kind)]
            if outcome is not Resolution.CLAIMED or row.difference_rp < 0
        )
    legs = await ledger.legs_of(db, row.entry_id)
    claim = await claims.of_entry(db, row.entry_id)
    undoable = (Resolution.TAKEN_BACK,) if claim is None or claim.ended_entry_id is None else ()
    posted_rp = sum(leg.amount_rp for leg in legs if leg.amount_rp > 0)
    steps = await casework.steps_of(db, KIND, row.id)
    stands = next(
        Resolution(step.outcome) for step in reversed(steps) if step.entry_id and step.outcome
    )
    return (*undoable, stands) if posted_rp == abs(row.difference_rp) else undoable


async def lock(db: AsyncSession, discrepancy_id: UUID) -> Discrepancy:
    """Raises CaseNotFound."""
    row = await db.get(Discrepancy, discrepancy_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise CaseNotFound
    return row


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    discrepancy_id: UUID,
    outcome: Resolution,
    why: str,
    *,
    now: datetime,
) -> None:
    row = await lock(db, discrepancy_id)
    before = CaseState(row.state)
    if before is CaseState.OPEN and outcome not in await fitting(db, row):
        raise OutcomeUnfit
    await casework.propose(db, officer_id, KIND, row.id, before, why, outcome=outcome, now=now)
    row.state = CaseState.PROPOSED.value
    await db.flush()


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    discrepancy_id: UUID,
    books: Books,
    *,
    accept: bool,
    why: str,
    now: datetime,
) -> None:
    """Do as was proposed, or send it back; raises SamePerson for who proposed it."""
    row = await lock(db, discrepancy_id)
    if row.state != CaseState.PROPOSED:
        raise AlreadyDecided
    proposed = await casework.refuse_same_person(db, officer_id, KIND, row.id)
    outcome = Resolution(proposed.outcome or "")
    event, entry_id, values = CaseEvent.DECLINED, None, dict[str, Any]()
    if accept:
        if outcome not in await fitting(db, row):
            raise OutcomeUnfit
        event = CaseEvent.ACCEPTED
        values = {"outcome": outcome.value}
        if outcome is Resolution.TAKEN_BACK:
            entry_id = await _take_back(db, row, books, now)
            event, values = CaseEvent.CORRECTED, {"entry_id": None}
        elif row.entry_id is None and outcome not in UNPOSTED:
            entry_id = await _post(db, row, outcome, proposed, books, now)
            values["entry_id"] = entry_id
    after = await casework.take(
        db,
        KIND,
        row.id,
        CaseState.PROPOSED,
        event,
        officer_id,
        why or proposed.why,
        outcome=outcome,
        entry_id=entry_id,
        now=now,
    )
    if outcome is Resolution.TAKEN_BACK and accept and row.entry_id is not None:
        claim = await claims.of_entry(db, row.entry_id)
        if claim is not None:
            await claims.withdraw(db, claim, proposed.why, now)
    row.state = after.value
    for name, value in values.items():
        setattr(row, name, value)
    if outcome is Resolution.CLAIMED and entry_id is not None:
        db.add(claims.open_claim(row.id, entry_id, -row.difference_rp, now))
    await db.flush()


async def reopen(
    db: AsyncSession, officer_id: UUID, discrepancy_id: UUID, why: str, *, now: datetime
) -> None:
    """Ask again about what two officers decided; what they had posted stands until then."""
    row = await lock(db, discrepancy_id)
    if row.outcome is None:
        raise CaseNotReopenable
    await casework.reopen(db, officer_id, KIND, row.id, CaseState(row.state), why, now=now)
    row.state, row.outcome = CaseState.OPEN.value, None
    await db.flush()


async def _post(
    db: AsyncSession,
    row: Discrepancy,
    outcome: Resolution,
    proposed: CaseStep,
    books: Books,
    now: datetime,
) -> UUID:
    if outcome is Resolution.CLAIMED:
        legs = postings.for_fee_claimed(-row.difference_rp)
    else:
        legs = postings.for_written_off(row.difference_rp, await _awaits(db, row))
    return await ledger.record(
        db,
        legs,
        source=f"{RESOLVED}{row.id}:{proposed.number}",
        description=f"Selisih {row.subject}: {proposed.why}"[:200],
        business_day=books.business_day(now),
        now=now,
    )


async def _awaits(db: AsyncSession, row: Discrepancy) -> str:
    """The account on which the difference lies."""
    if DifferenceKind(row.kind) in (
        DifferenceKind.NOT_SETTLED,
        DifferenceKind.FILE_MISSING,
        DifferenceKind.OUTCOME_UNKNOWN,
        DifferenceKind.AMOUNT_DIFFERS,
    ):
        return postings.RECEIVABLE
    slip = exists().where(CashDeposit.reference == row.subject)
    is_slip = await db.scalar(select(slip))
    return postings.DEPOSITS_IN_TRANSIT if is_slip else postings.IN_TRANSIT


async def _take_back(db: AsyncSession, row: Discrepancy, books: Books, now: datetime) -> UUID:
    if row.entry_id is None:
        raise RuntimeError("nothing was posted that could be taken back")
    return await ledger.record(
        db,
        postings.reverse(await ledger.legs_of(db, row.entry_id)),
        source=f"{TAKEN_BACK}{row.entry_id}",
        description=f"Penyelesaian selisih {row.subject} dibatalkan"[:200],
        business_day=books.business_day(now),
        now=now,
    )


def named(name: Name) -> str:
    """As NAMED says it of a row."""
    kind, subject, acquirer = name
    return f"{kind.value}:{acquirer}:{subject}"


async def undecided(db: AsyncSession, found: Sequence[Difference]) -> list[Difference]:
    """Those of a comparison just now that two officers have not decided."""
    names = [named(each.name) for each in found]
    rows = await db.execute(
        select(NAMED)
        .where(Discrepancy.outcome.is_not(None))
        .where(any_(literal(names, ARRAY(Text))) == NAMED)
    )
    decided = set(rows.scalars())
    return [each for each, name in zip(found, names, strict=True) if name not in decided]


# What a comparison does to what people have decided, or are about to


async def meet(db: AsyncSession, day: date, outcome: Outcome, now: datetime) -> set[str]:
    """Hold what officers work on against a new comparison; what all of it is `named`."""
    # What officers decided stays decided when a later rule awaits it longer.
    there = (*outcome.differences, *(each.missing for each in outcome.expected))
    found = {named(each.name): each for each in there}
    names = [*found, *map(named, outcome.explained)]
    rows = await db.scalars(
        select(Discrepancy)
        .where(
            or_(
                # An open one too: somebody may be proposing how it ends at this moment.
                Discrepancy.state != CaseState.CLOSED,
                Discrepancy.outcome.is_not(None),
                Discrepancy.entry_id.is_not(None),
            )
        )
        .where(or_(Discrepancy.business_day == day, any_(literal(names, ARRAY(Text))) == NAMED))
        .order_by(Discrepancy.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    met = set()
    for row in rows:
        if row.state == CaseState.OPEN and row.entry_id is None:
            continue
        name = f"{row.kind}:{row.acquirer}:{row.subject}"
        await _meet(db, row, found.get(name), now)
        met.add(name)
    return met


async def _meet(
    db: AsyncSession, row: Discrepancy, now_is: Difference | None, now: datetime
) -> None:
    difference_rp = now_is.difference_rp if now_is else 0
    if difference_rp == row.difference_rp and now_is is not None:
        return
    event = event_of(CaseState(row.state), gone=now_is is None, posted=row.entry_id is not None)
    if event is None and row.state == CaseState.CLOSED:
        return
    if event is not None:
        why = f"selisih menjadi {difference_rp}" if now_is else "selisih tidak ada lagi"
        before = CaseState(row.state)
        after = await casework.take(db, KIND, row.id, before, event, None, why, now=now)
        row.state, row.outcome = after.value, None
    if now_is is not None:
        row.details = {"ours_rp": now_is.ours_rp, "theirs_rp": now_is.theirs_rp}
    if event is not CaseEvent.SETTLED:
        row.difference_rp = difference_rp
    await db.flush()


def event_of(state: CaseState, *, gone: bool, posted: bool) -> CaseEvent | None:
    """What the books do about a difference that changed its amount, or is gone.

    Whatever was posted for it is taken back by people.
    """
    if state is CaseState.CLOSED:
        return CaseEvent.REOPENED if posted or not gone else None
    if state is CaseState.PROPOSED:
        return CaseEvent.SETTLED if gone and not posted else CaseEvent.DECLINED
    return CaseEvent.SETTLED if gone and not posted else None
