"""The two officers who issue and void vouchers, for tests that need some."""

from datetime import datetime
from uuid import UUID

from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.payments import voucher_proposals as proposals
from server.payments.books import Books
from server.payments.voucher_proposals import Range
from server.payments.vouchers import Issue


async def propose_issue(
    transactions: Transactions, books: Books, wanted: Issue, now: datetime
) -> UUID:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        return await proposals.propose_issue(db, maker, wanted, "stok", books, now=now)


async def propose_void(
    transactions: Transactions, books: Books, which: Range, now: datetime
) -> UUID:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        return await proposals.propose_void(db, maker, which, "tas hilang", books, now=now)


async def decide(
    transactions: Transactions,
    books: Books,
    proposal: UUID,
    now: datetime,
    *,
    approve: bool = True,
    login: str = sample.CHECKER,
) -> int:
    """The batch that it is about."""
    async with transactions.begin() as db:
        who = await identity.officer_named(db, login)
        decided = {"approve": approve, "why": "sesuai", "now": now}
        await proposals.decide(db, who, proposal, books, **decided)
        return (await proposals.found(db, proposal)).row.batch or 0


async def issued(transactions: Transactions, books: Books, wanted: Issue, now: datetime) -> int:
    """The number of a batch that was."""
    asked = await propose_issue(transactions, books, wanted, now)
    return await decide(transactions, books, asked, now)


async def voided(transactions: Transactions, books: Books, which: Range, now: datetime) -> None:
    await decide(transactions, books, await propose_void(transactions, books, which, now), now)
