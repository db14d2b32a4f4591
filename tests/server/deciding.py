"""Closing a case as the office does: one officer says how it ends, another one decides it."""

from datetime import datetime
from uuid import UUID

from server import sample
from server.casework.models import CaseKind
from server.database import Transactions
from server.identity import service as identity
from server.office import settling


async def close_by_two(
    transactions: Transactions, kind: CaseKind, case_id: UUID, why: str, now: datetime
) -> None:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await settling.propose(db, maker, kind, case_id, why, now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, sample.CHECKER)
        await settling.decide(db, checker, kind, case_id, accept=True, why="", now=now)
