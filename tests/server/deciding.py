"""Closing a case as the office does: one officer says how it ends, another one decides it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server import sample
from server.casework.models import CaseKind
from server.database import Transactions
from server.identity import service as identity
from server.office import settling
from server.sync.models import QuarantineCase, QuarantinedEvent

TWO_OFFICERS = r"""
    SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
    WHERE contype = 'c' AND pg_get_constraintdef(oid) ~ '_by (<>|=) \w+_by'
    UNION SELECT tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND p.prosrc ~ '(officer_id|decided_by|who) ='
"""
"""The tables of what one officer proposes and another decides."""


async def held_back(db: AsyncSession) -> list[tuple[QuarantineCase, int]]:
    """Devices' cases that are open, with how many events each holds."""
    rows = await db.execute(
        select(QuarantineCase, func.count(QuarantinedEvent.id))
        .join(QuarantinedEvent, QuarantinedEvent.case_id == QuarantineCase.id)
        .where(QuarantineCase.closed_at.is_(None))
        .group_by(QuarantineCase.id)
    )
    return [(case, count) for case, count in rows]


async def close_by_two(
    transactions: Transactions, kind: CaseKind, case_id: UUID, why: str, now: datetime
) -> None:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await settling.propose(db, maker, kind, case_id, why, now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, sample.CHECKER)
        await settling.decide(db, checker, kind, case_id, accept=True, why="", now=now)
