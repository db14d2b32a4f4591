"""Closing a business day: one officer prepares it, another locks it, and nothing of it is edited.

A close is a snapshot of what the books say of a day that is over and reconciled. It does not lock
the books: money that comes to light later is posted and reconciled as ever, and told of as late.
To be closed otherwise, a day is reopened by two officers and closed again under the next number.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.states import TransitionRefused
from server.database import new_id
from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.models import Officer
from server.identity.service import Right
from server.ledger import reports
from server.ledger.models import Entry, Posting
from server.payments import changes
from server.payments.books import Books
from server.payments.models import Case, Money, Refund
from server.reconciliation import close_lists, discrepancies, service, turns
from server.reconciliation.models import DayClose, DayCloseChange, Reconciliation
from server.reconciliation.service import Report
from server.reconciliation.states import CLOSED, LIVE, CloseEvent, CloseState, advance_close
from server.webhooks import service as webhooks
from server.webhooks.facts import DayClosed

VERSION = 2
"""Of a snapshot's form. Those of the first have no version, and neither exceptions nor lists."""
TOTALS = ("collected_rp", "gross_rp", "mdr_rp", "net_rp", "bank_rp")


class DayNotOver(Problem):
    slug = "day-not-over"
    status = 409
    title_id = "Hari usaha ini belum selesai"
    title_en = "This business day is not over yet"


class DayNotReconciled(Problem):
    slug = "day-not-reconciled"
    status = 409
    title_id = "Hari usaha ini belum pernah dicocokkan"
    title_en = "This business day has never been reconciled"


class DayHasDifferences(Problem):
    slug = "day-has-differences"
    status = 409
    title_id = "Hari usaha ini masih punya selisih atau titipan; jelaskan mengapa tetap ditutup"
    title_en = "This business day has open differences or cases; say why it is closed all the same"


class DayCloseNotFound(NotFound):
    slug = "day-close-not-found"
    title_id = "Penutupan hari ini tidak ada"
    title_en = "There is no such close of a day"


class DayCloseNotPossible(Problem):
    slug = "day-close-not-possible"
    status = 409
    title_id = "Penutupan hari ini sudah berubah; muat ulang halamannya"
    title_en = "This close of a day has changed meanwhile; load the page again"


class OwnClose(Problem):
    slug = "own-close"
    status = 403
    title_id = "Yang menyiapkan atau meminta tidak boleh memutuskan"
    title_en = "Who prepared or asked may not decide"


async def last_reconciled(db: AsyncSession, day: date) -> datetime | None:
    """When a day was last compared; None when it never was."""
    return await db.scalar(
        select(func.max(Reconciliation.ran_at)).where(Reconciliation.business_day == day)
    )


async def last_comparison(db: AsyncSession, day: date) -> Reconciliation | None:
    found: Reconciliation | None = await db.scalar(
        select(Reconciliation)
        .where(Reconciliation.business_day == day)
        .order_by(Reconciliation.id.desc())
        .limit(1)
    )
    return found


async def prepare(
    db: AsyncSession, day: date, officer_id: UUID, books: Books, note: str = "", *, now: datetime
) -> DayClose:
    """Freeze what the books say of a day, for another officer to see; once while it stands.

    Open differences, cases and exceptions need a note: money may wait for weeks to be recognised,
    and the rest of the day's must be handed in meanwhile. What is not due yet needs none. Raises
    DayNotOver, DayNotReconciled, DayHasDifferences or RoleNotAllowed.
    """
    maker = await identity.acting(db, officer_id, Right.CLOSE_DAY)
    if day >= books.business_day(now):
        raise DayNotOver
    await turns.one_at_a_time(db)
    if (standing := await live(db, day)) is not None:
        return standing
    if await last_reconciled(db, day) is None:
        raise DayNotReconciled
    # Again, because a file or a payment may have come since an officer looked.
    report = await service.reconcile(db, day, books, now=now)
    cases = await _open_cases(db, day, books)
    exceptions = await close_lists.exceptions(db, day, books)
    undecided = await discrepancies.undecided(db, report.differences)
    unexplained = [one for one in exceptions if one["kind"] not in close_lists.DECIDED]
    if (undecided or cases or unexplained) and not note.strip():
        raise DayHasDifferences
    numbers = await db.scalar(select(func.max(DayClose.number)).where(DayClose.day == day))
    number = (numbers or 0) + 1
    snapshot = await _snapshot(db, report, cases, number)
    snapshot |= {"exceptions": exceptions, "lists": await close_lists.lists(db, day)}
    close = DayClose(
        id=new_id(),
        day=day,
        number=number,
        state=CloseState.PREPARED.value,
        snapshot=snapshot,
        sha256=digest(snapshot),
        note=note.strip()[:200],
        prepared_by=maker.id,
        prepared_at=now,
    )
    db.add(close)
    await db.flush()
    return close


def digest(snapshot: dict[str, Any]) -> bytes:
    """SHA-256 of a snapshot, the same however the database spells its JSON."""
    told = json.dumps(snapshot, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).digest()


async def _snapshot(
    db: AsyncSession, report: Report, cases: Sequence[Case], number: int
) -> dict[str, Any]:
    """All that the checker is to see and a later reader may ask for; whole rupiah and texts."""
    debit = func.sum(Posting.amount_rp).filter(Posting.amount_rp > 0)
    credit = func.sum(Posting.amount_rp).filter(Posting.amount_rp < 0)
    moved = await db.execute(
        select(Posting.account_code, func.coalesce(debit, 0), func.coalesce(-credit, 0))
        .join(Entry, Entry.id == Posting.entry_id)
        .where(Entry.business_day == report.day)
        .group_by(Posting.account_code)
    )
    turnover = {code: (int(debit_rp), int(credit_rp)) for code, debit_rp, credit_rp in moved}
    return {
        "version": VERSION,
        "day": report.day.isoformat(),
        "number": number,
        "totals": {name: getattr(report, name) for name in TOTALS},
        "entries": await _entries_of(db, report.day),
        "accounts": [
            {
                "code": line.code,
                "name": line.name,
                "debit_rp": turnover.get(line.code, (0, 0))[0],
                "credit_rp": turnover.get(line.code, (0, 0))[1],
                "balance_rp": line.balance_rp,
            }
            for line in await reports.trial_balance(db, report.day)
        ],
        "differences": [
            {"kind": d.kind.value, "subject": d.subject, "difference_rp": d.difference_rp}
            for d in report.differences
        ],
        "expected": service.summed(report.expected),
        "cases": [
            {
                "id": str(case.id),
                "kind": case.kind,
                "amount_rp": case.amount_rp,
                "owner": case.owner,
                "state": case.state,
            }
            for case in cases
        ],
    }


async def _entries_of(db: AsyncSession, day: date) -> int:
    return await db.scalar(select(func.count()).where(Entry.business_day == day)) or 0


async def _open_cases(db: AsyncSession, day: date, books: Books) -> Sequence[Case]:
    """Of money that came on the day, of a refund decided on it, or else opened on it.

    Lines of files that nothing matches are differences of the day, and no cases here.
    """
    begins, ends = books.business_days.bounds(day)
    opened = and_(
        func.num_nonnulls(
            Case.money_id, Case.refund_id, Case.settlement_line_id, Case.statement_line_id
        )
        == 0,
        Case.opened_at >= begins,
        Case.opened_at < ends,
    )
    rows = await db.scalars(
        select(Case)
        .outerjoin(Money, Money.id == Case.money_id)
        .outerjoin(Refund, Refund.id == Case.refund_id)
        .outerjoin(Entry, Entry.id == Refund.due_entry_id)
        .where(or_(Money.business_day == day, Entry.business_day == day, opened))
        .where(Case.state != "closed")
        .order_by(Case.opened_at, Case.id)
    )
    return rows.all()


async def live(db: AsyncSession, day: date) -> DayClose | None:
    """The close of a day that stands or waits to be decided."""
    found: DayClose | None = await db.scalar(
        select(DayClose).where(DayClose.day == day, DayClose.state.in_(LIVE))
    )
    return found


async def is_closed(db: AsyncSession, day: date) -> bool:
    """Whether two officers have closed the day, and not reopened it since."""
    closed = exists().where(DayClose.day == day, DayClose.state.in_(CLOSED))
    return bool(await db.scalar(select(closed)))


async def closes_of(db: AsyncSession, day: date) -> Sequence[DayClose]:
    """Every close of a day, the last one first."""
    rows = await db.scalars(
        select(DayClose).where(DayClose.day == day).order_by(DayClose.number.desc())
    )
    return rows.all()


async def lock(db: AsyncSession, officer_id: UUID, close_id: UUID, *, now: datetime) -> None:
    """A second officer has seen the snapshot, and agrees; the day is told to be closed.

    Raises as `decline` does.
    """
    close, checker = await _to_decide(db, officer_id, close_id)
    await _advance(db, close, CloseEvent.LOCKED, checker, "", now, decided_by=checker.id)
    totals = close.snapshot["totals"]
    fact = DayClosed(day=close.day, number=close.number, **totals, closed_at=now)
    await webhooks.publish(db, [fact])


async def decline(
    db: AsyncSession, officer_id: UUID, close_id: UUID, why: str, *, now: datetime
) -> None:
    """A second officer does not agree; the day can be prepared anew.

    Raises DayCloseNotFound, DayCloseNotPossible, OwnClose or RoleNotAllowed.
    """
    close, checker = await _to_decide(db, officer_id, close_id)
    await _advance(db, close, CloseEvent.DECLINED, checker, why, now, decided_by=checker.id)


async def ask_reopening(
    db: AsyncSession, officer_id: UUID, close_id: UUID, why: str, *, now: datetime
) -> None:
    """An officer wants a locked day open again. Raises as `decline` does, but for OwnClose."""
    maker = await identity.acting(db, officer_id, Right.CLOSE_DAY)
    close = await _locked(db, close_id)
    await _advance(db, close, CloseEvent.REOPENING_ASKED, maker, why, now, reopening_by=maker.id)


async def decide_reopening(
    db: AsyncSession, officer_id: UUID, close_id: UUID, why: str, *, agree: bool, now: datetime
) -> None:
    """Another officer agrees that the day is opened again, or it stays locked."""
    checker = await identity.acting(db, officer_id, Right.LOCK_DAY)
    close = await _locked(db, close_id)
    if close.reopening_by == checker.id:
        raise OwnClose
    if agree:
        approved = CloseEvent.REOPENING_APPROVED
        await _advance(db, close, approved, checker, why, now, reopened_by=checker.id)
    else:
        refused = CloseEvent.REOPENING_REFUSED
        await _advance(db, close, refused, checker, why, now, reopening_by=None)


async def _to_decide(
    db: AsyncSession, officer_id: UUID, close_id: UUID
) -> tuple[DayClose, Officer]:
    checker = await identity.acting(db, officer_id, Right.LOCK_DAY)
    close = await _locked(db, close_id)
    if close.prepared_by == checker.id:
        raise OwnClose
    return close, checker


async def _locked(db: AsyncSession, close_id: UUID) -> DayClose:
    """The row, which nobody else changes until commit."""
    close: DayClose | None = await db.scalar(
        select(DayClose)
        .where(DayClose.id == close_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if close is None:
        raise DayCloseNotFound
    return close


async def _advance(
    db: AsyncSession,
    close: DayClose,
    event: CloseEvent,
    officer: Officer,
    why: str,
    now: datetime,
    **values: UUID | None,
) -> None:
    before = CloseState(close.state)
    try:
        after = advance_close(before, event)
    except TransitionRefused as exc:
        raise DayCloseNotPossible from exc
    close.state = after.value
    if "decided_by" in values:
        close.decided_at = now
    for name, value in values.items():
        setattr(close, name, value)
    await db.flush()
    await changes.keep(
        db, DayCloseChange, before, after, who=officer.login, why=why, now=now, close_id=close.id
    )


async def late_entries(db: AsyncSession, close: DayClose, limit: int) -> tuple[int, list[Entry]]:
    """How many entries of the day came after its snapshot, and the newest of them.

    They are counted, since no clock says exactly which were there when it was taken.
    """
    late = await _entries_of(db, close.day) - int(close.snapshot.get("entries", 0))
    if close.number == 0 or late <= 0:
        return 0, []
    rows = await db.scalars(
        select(Entry)
        .where(Entry.business_day == close.day)
        .order_by(Entry.recorded_at.desc(), Entry.id.desc())
        .limit(min(late, limit))
    )
    return late, list(rows)


async def posted_for_closed(
    db: AsyncSession, day: date, books: Books, limit: int
) -> tuple[int, list[Entry]]:
    """How many entries came on a day for days closed before it, and the newest of them."""
    begins, ends = books.business_days.bounds(day)
    closed = exists().where(
        DayClose.day == Entry.business_day,
        DayClose.prepared_at < Entry.recorded_at,
        DayClose.number > 0,
        DayClose.state != CloseState.DECLINED,
    )
    came = (Entry.recorded_at >= begins, Entry.recorded_at < ends, Entry.business_day < day, closed)
    count = await db.scalar(select(func.count()).select_from(Entry).where(*came)) or 0
    newest = select(Entry).where(*came).order_by(Entry.recorded_at.desc(), Entry.id.desc())
    return count, list(await db.scalars(newest.limit(limit))) if count else []


@dataclass(frozen=True)
class DayState:
    """Where one day of the calendar stands; `late` counts entries after the snapshot."""

    day: date
    state: str
    due_on: date
    is_overdue: bool
    late: int
    bank_rp: int | None


async def calendar(
    db: AsyncSession, first: date, last: date, today: date, due: dict[date, date]
) -> list[DayState]:
    """Every day of a span; `due` says until when each is to be closed.

    Days before the first one with money are not waited for.
    """
    of_span = DayClose.day.between(first, last)
    newest: dict[date, DayClose] = {
        close.day: close
        for close in await db.scalars(select(DayClose).where(of_span).order_by(DayClose.number))
    }
    reconciled = set(
        await db.scalars(
            select(Reconciliation.business_day).where(
                Reconciliation.business_day.between(first, last)
            )
        )
    )
    counted = await db.execute(
        select(Entry.business_day, func.count())
        .where(Entry.business_day.between(first, last))
        .group_by(Entry.business_day)
    )
    entries = {day: int(count) for day, count in counted}
    began = await db.scalar(select(func.min(Entry.business_day))) or today
    return [
        _stands(day, due_on, newest.get(day), day in reconciled, entries.get(day, 0), began, today)
        for day, due_on in due.items()
    ]


def _stands(
    day: date,
    due_on: date,
    close: DayClose | None,
    reconciled: bool,
    entries: int,
    began: date,
    today: date,
) -> DayState:
    state = "reconciled" if reconciled else "open"
    if day > today:
        state = "coming"
    elif day == today:
        state = "running"
    elif close is not None and close.state != CloseState.DECLINED:
        state = close.state
    elif day < began and not reconciled:
        state = "before"
    closed = close is not None and close.state in CLOSED
    snapshot = close.snapshot if close is not None and closed else {}
    return DayState(
        day,
        state,
        due_on,
        is_overdue=began <= day < today and not closed and due_on < today,
        late=max(0, entries - snapshot["entries"]) if "entries" in snapshot else 0,
        bank_rp=snapshot.get("totals", {}).get("bank_rp"),
    )
