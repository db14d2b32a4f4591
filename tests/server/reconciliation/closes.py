"""A business day closed by two officers, as tests of other things need it."""

from datetime import date, datetime

from server.database import Transactions
from server.identity import service as identity
from server.payments.books import Books
from server.reconciliation import closing
from server.reconciliation.models import DayClose
from server.sample import CHECKER, OFFICER


async def prepare(
    transactions: Transactions, day: date, books: Books, note: str = "", *, now: datetime
) -> DayClose:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        return await closing.prepare(db, day, maker, books, note, now=now)


async def close(
    transactions: Transactions, day: date, books: Books, note: str = "", *, now: datetime
) -> DayClose:
    """Prepared by one officer and locked by the other."""
    prepared = await prepare(transactions, day, books, note, now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, CHECKER)
        await closing.lock(db, checker, prepared.id, now=now)
    return prepared


async def reopen(transactions: Transactions, close: DayClose, *, now: datetime) -> None:
    async with transactions.begin() as db:
        maker, checker = [await identity.officer_named(db, who) for who in (OFFICER, CHECKER)]
        await closing.ask_reopening(db, maker, close.id, "uji", now=now)
        await closing.decide_reopening(db, checker, close.id, "uji", agree=True, now=now)
