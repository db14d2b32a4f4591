"""Closing a business day: only one that is over, reconciled, and has nothing left to explain.

Closing states what a day came to; it does not lock the books. Money that a settlement brings to
light later is posted and reconciled as ever.
"""

from datetime import date, datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Problem
from server.identity.models import Officer
from server.ledger.models import Entry
from server.payments.books import Books
from server.payments.models import Case, Money, Refund
from server.reconciliation import service
from server.reconciliation.models import ClosedDay, Reconciliation
from server.webhooks import service as webhooks
from server.webhooks.facts import DayClosed


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
    title_id = "Hari usaha ini masih punya selisih atau titipan yang terbuka"
    title_en = "This business day still has open differences or cases"


async def last_reconciled(db: AsyncSession, day: date) -> datetime | None:
    """When a day was last compared; None when it never was."""
    return await db.scalar(
        select(func.max(Reconciliation.ran_at)).where(Reconciliation.business_day == day)
    )


async def close_day(
    db: AsyncSession, day: date, officer: Officer, books: Books, *, now: datetime
) -> None:
    """Close a day as it stands now; a day that is closed stays as it was closed.

    Raises DayNotOver, DayNotReconciled or DayHasDifferences.
    """
    if day >= books.day(now):
        raise DayNotOver
    if await last_reconciled(db, day) is None:
        raise DayNotReconciled
    # Again, because a file or a payment may have come since an officer looked.
    report = await service.reconcile(db, day, books, now=now)
    if report.differences or await _has_open_cases(db, day):
        raise DayHasDifferences
    fact = DayClosed(
        day=day,
        collected_rp=report.collected_rp,
        gross_rp=report.gross_rp,
        mdr_rp=report.mdr_rp,
        net_rp=report.net_rp,
        bank_rp=report.bank_rp,
        closed_at=now,
    )
    totals = fact.model_dump(include={"collected_rp", "gross_rp", "mdr_rp", "net_rp", "bank_rp"})
    closed = await db.scalar(
        upsert(ClosedDay)
        .values(day=day, closed_by=officer.id, closed_at=now, totals=totals)
        .on_conflict_do_nothing(index_elements=[ClosedDay.day])
        .returning(ClosedDay.day)
    )
    if closed is not None:
        await webhooks.publish(db, [fact])


async def _has_open_cases(db: AsyncSession, day: date) -> bool:
    """Of money that came on the day, or of a refund that was decided on it."""
    open_case = (
        select(Case.id)
        .outerjoin(Money, Money.id == Case.money_id)
        .outerjoin(Refund, Refund.id == Case.refund_id)
        .outerjoin(Entry, Entry.id == Refund.due_entry_id)
        .where(or_(Money.business_day == day, Entry.business_day == day), Case.state != "closed")
    )
    return bool(await db.scalar(select(exists(open_case))))
