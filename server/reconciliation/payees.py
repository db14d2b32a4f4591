"""Where payees' shares go: an account that one officer recorded and another agreed to."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.service import Right
from server.reconciliation.payout_models import PayeeAccount, PayeeDecision

Party: TypeAlias = tuple[str, str]
"""The ledger account, and who is owed in it."""


class PayeeAccountNotFound(NotFound):
    slug = "payee-account-not-found"
    title_id = "Rekening ini tidak ada"
    title_en = "There is no such account of a payee"


class PayeeAccountDecided(Problem):
    slug = "payee-account-decided"
    status = 409
    title_id = "Rekening ini sudah diputuskan, atau ada yang lebih baru"
    title_en = "This account was decided already, or there is a newer one"


class OwnPayeeAccount(Problem):
    slug = "own-payee-account"
    status = 403
    title_id = "Yang mencatat rekening tidak boleh menyetujuinya"
    title_en = "Who recorded the account may not agree to it"


async def agreed(db: AsyncSession) -> dict[Party, PayeeAccount]:
    """The newest account of each party that two officers saw."""
    rows = await db.scalars(
        select(PayeeAccount)
        .join(PayeeDecision, PayeeDecision.account_id == PayeeAccount.id)
        .where(PayeeDecision.agreed)
        .order_by(PayeeAccount.id)
    )
    return {(row.account_code, row.party): row for row in rows}


async def waiting(db: AsyncSession) -> Mapping[Party, PayeeAccount]:
    """The newest account of each party, where nobody has decided on it."""
    rows = await db.execute(
        select(PayeeAccount, PayeeDecision.account_id)
        .outerjoin(PayeeDecision, PayeeDecision.account_id == PayeeAccount.id)
        .order_by(PayeeAccount.id)
    )
    newest = {(row.account_code, row.party): (row, decided) for row, decided in rows}
    return {party: row for party, (row, decided) in newest.items() if decided is None}


async def decide(
    db: AsyncSession, officer_id: UUID, account_id: UUID, why: str, *, agree: bool, now: datetime
) -> None:
    """Let shares go to an account that another officer recorded, or not.

    Raises PayeeAccountNotFound, PayeeAccountDecided, OwnPayeeAccount or RoleNotAllowed.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_PAYOUT)
    account = await db.get(PayeeAccount, account_id)
    if account is None:
        raise PayeeAccountNotFound
    if account.recorded_by == checker.id:
        raise OwnPayeeAccount
    newest = (await waiting(db)).get((account.account_code, account.party))
    if newest is None or newest.id != account_id:
        raise PayeeAccountDecided
    made = await db.scalar(
        upsert(PayeeDecision)
        .values(
            account_id=account_id,
            agreed=agree,
            why=why.strip()[:200],
            decided_by=checker.id,
            decided_at=now,
        )
        .on_conflict_do_nothing()
        .returning(PayeeDecision.account_id)
    )
    if made is None:
        raise PayeeAccountDecided
