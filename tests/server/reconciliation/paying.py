"""Shares paid out by two officers, as tests of other things need it."""

from datetime import date, datetime

from pydantic import SecretStr

from server.database import Transactions
from server.identity import service as identity
from server.payments.books import Books
from server.reconciliation import payees, payouts
from server.reconciliation.payout_models import PayoutRun
from server.reconciliation.payouts import ToldAccount
from server.sample import CHECKER, OFFICER
from tests.server.conftest import PAYEE_KEY

KEY = SecretStr(PAYEE_KEY)
NUMBER = "001234567890"


async def record_accounts(transactions: Transactions, now: datetime) -> None:
    """One for everybody who is owed shares, seen by two."""
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        for one in await payouts.payees(db):
            told = ToldAccount(one.account_code, one.party, "Bank Uji", "=Uji", NUMBER)
            await payouts.record_account(db, maker, told, KEY, now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, CHECKER)
        for account in (await payees.waiting(db)).values():
            await payees.decide(db, checker, account.id, "buku tabungan", agree=True, now=now)


async def prepare(
    transactions: Transactions, until: date, books: Books, now: datetime
) -> PayoutRun:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        return await payouts.prepare(db, maker, until, books, now=now)


async def decide(
    transactions: Transactions, run: PayoutRun, now: datetime, *, agree: bool = True
) -> None:
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, CHECKER)
        await payouts.decide(db, checker, run.id, "uji", agree=agree, now=now)


async def tell(
    transactions: Transactions,
    run: PayoutRun,
    positions: list[int],
    books: Books,
    now: datetime,
    *,
    paid: bool = True,
) -> None:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        await payouts.tell(db, maker, run.id, positions, "BANK-REF-1", books, paid=paid, now=now)


async def pay_shares(transactions: Transactions, books: Books, now: datetime) -> PayoutRun:
    """All that is owed to anybody, approved, and the first line of it paid."""
    await record_accounts(transactions, now)
    run = await prepare(transactions, books.day(now), books, now)
    await decide(transactions, run, now)
    await tell(transactions, run, [1], books, now)
    return run
