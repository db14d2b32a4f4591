"""Destroying what tells of a person once a complaint or a wish for money back is long over."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import CursorResult, delete, select, update

from server.complaints.models import Complaint, ComplaintPhoto, RefundWish
from server.complaints.states import ComplaintState
from server.database import Transactions
from server.payments import cases
from server.payments.models import Case

log = structlog.get_logger()

AT_ONCE = 1_000


async def destroy_told(transactions: Transactions, kept: timedelta, *, now: datetime) -> int:
    """Destroy contact, story and photo of what was closed longer ago than `kept`; how many."""
    before, destroyed = now - kept, 0
    while True:
        async with transactions.begin() as db:
            over = (
                await db.scalars(
                    select(Complaint.id)
                    .where(Complaint.state == ComplaintState.CLOSED)
                    .where(Complaint.closed_at < before, Complaint.destroyed_at.is_(None))
                    .limit(AT_ONCE)
                    .with_for_update()
                )
            ).all()
            await db.execute(delete(ComplaintPhoto).where(ComplaintPhoto.complaint_id.in_(over)))
            await db.execute(
                update(Complaint)
                .where(Complaint.id.in_(over))
                .values(story=None, contact=None, destroyed_at=now)
            )
            destroyed += len(over)
            if len(over) < AT_ONCE:
                destroyed += await _destroy_wishes(db, before)
                break
    log.info("told_destroyed", count=destroyed)
    return destroyed


async def _destroy_wishes(db: Any, before: datetime) -> int:
    settled = select(Case.charge_id).where(
        Case.kind == cases.REFUND_WISHED, Case.closed_at < before
    )
    done: CursorResult[Any] = await db.execute(
        update(RefundWish)
        .where(RefundWish.charge_id.in_(settled))
        .where(RefundWish.contact.is_not(None) | RefundWish.note.is_not(None))
        .values(contact=None, note=None)
    )
    return done.rowcount
