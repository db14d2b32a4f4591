"""Recording entries, and reading what the ledger says. Nothing here ever changes a recorded row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.ledger import postings
from server.ledger.models import Account, Entry, Posting
from server.ledger.postings import Leg

FIXED_ACCOUNTS = {
    postings.BANK: ("Bank RKUD", "asset"),
    postings.RECEIVABLE: ("Piutang acquirer QRIS", "asset"),
    postings.IN_TRANSIT: ("Pencairan dalam perjalanan", "asset"),
    postings.SUSPENSE: ("Titipan belum dikenali", "liability"),
    postings.MDR_EXPENSE: ("Beban MDR", "expense"),
}


async def open_accounts(db: AsyncSession, zones: Sequence[tuple[str, str]]) -> None:
    """Open the fixed accounts and a revenue account per (zone code, name); again is harmless."""
    rows = [{"code": c, "name": n, "kind": k} for c, (n, k) in FIXED_ACCOUNTS.items()]
    rows += [
        {
            "code": postings.revenue(code),
            "name": f"Retribusi parkir {name}",
            "kind": "revenue",
        }
        for code, name in zones
    ]
    await db.execute(upsert(Account).values(rows).on_conflict_do_nothing())


async def record(
    db: AsyncSession,
    legs: Sequence[Leg],
    *,
    source: str,
    description: str,
    business_day: date,
    now: datetime,
) -> UUID:
    """Record one entry; `source` names the fact, and the database refuses a second one for it."""
    entry_id = new_id()
    await db.execute(
        insert(Entry).values(
            id=entry_id,
            recorded_at=now,
            business_day=business_day,
            description=description,
            source=source,
        )
    )
    await db.execute(
        insert(Posting),
        [
            {
                "entry_id": entry_id,
                "line": number,
                "account_code": leg.account,
                "amount_rp": leg.amount_rp,
            }
            for number, leg in enumerate(legs, start=1)
        ],
    )
    return entry_id


@dataclass(frozen=True)
class AccountBalance:
    """One line of the trial balance; debit positive."""

    code: str
    name: str
    balance_rp: int


async def trial_balance(db: AsyncSession) -> list[AccountBalance]:
    """The trial balance: every account's balance in rupiah, summing to zero."""
    rows = await db.execute(
        select(Account.code, Account.name, func.coalesce(func.sum(Posting.amount_rp), 0))
        .outerjoin(Posting, Posting.account_code == Account.code)
        .group_by(Account.code)
        .order_by(Account.code)
    )
    return [AccountBalance(code, name, int(total)) for code, name, total in rows]
