"""What the ledger says: trial balance, account statement, journal. No balance is kept anywhere.

CSV is for Indonesian spreadsheets: UTF-8 with a byte order mark, semicolons, CRLF, whole rupiah
without separators, debit and credit in columns of their own.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import NotFound
from server.ledger import postings
from server.ledger.models import Account, Entry, Posting


class AccountNotFound(NotFound):
    slug = "account-not-found"
    title_id = "Akun ini tidak ada"
    title_en = "There is no such account"


@dataclass(frozen=True)
class AccountBalance:
    """One line of the trial balance; debit positive."""

    code: str
    name: str
    balance_rp: int


async def trial_balance(db: AsyncSession, as_of: date | None = None) -> list[AccountBalance]:
    """Every account's balance at the end of a business day, or by now; the sum is zero."""
    posted = select(Posting.account_code, func.sum(Posting.amount_rp).label("rp"))
    if as_of is not None:
        posted = posted.join(Entry, Entry.id == Posting.entry_id).where(Entry.business_day <= as_of)
    balances = posted.group_by(Posting.account_code).subquery()
    rows = await db.execute(
        select(Account.code, Account.name, func.coalesce(balances.c.rp, 0))
        .outerjoin(balances, balances.c.account_code == Account.code)
        .order_by(Account.code)
    )
    return [AccountBalance(code, name, int(total)) for code, name, total in rows]


@dataclass(frozen=True)
class PartyBalance:
    """What one party of an account's subsidiary ledger owes (debit) or is owed (negative)."""

    party: str
    balance_rp: int


async def party_balances(db: AsyncSession, account: str) -> list[PartyBalance]:
    """Every party of an account whose balance is not zero."""
    total = func.sum(Posting.amount_rp)
    rows = await db.execute(
        select(Posting.party, total)
        .where(Posting.account_code == account, Posting.party.is_not(None))
        .group_by(Posting.party)
        .having(total != 0)
        .order_by(Posting.party)
    )
    return [PartyBalance(party or "", int(balance)) for party, balance in rows]


async def owed_by(db: AsyncSession, attendant: str) -> int:
    """The cash an attendant has taken and not deposited."""
    return await balance_of(db, postings.CASH_HELD, attendant)


async def balance_of(db: AsyncSession, account: str, party: str) -> int:
    """What one party owes (debit) or is owed (negative) on an account."""
    balance = await db.scalar(
        select(func.coalesce(func.sum(Posting.amount_rp), 0)).where(
            Posting.account_code == account, Posting.party == party
        )
    )
    return int(balance or 0)


@dataclass(frozen=True)
class StatementLine:
    """One posting on an account, and the account's balance after it."""

    business_day: date
    entry_id: UUID
    source: str
    description: str
    party: str | None
    amount_rp: int
    balance_rp: int


@dataclass(frozen=True)
class Statement:
    """An account from the first to the last of some business days; debit positive."""

    code: str
    name: str
    party: str | None
    first: date
    last: date
    opening_rp: int
    lines: list[StatementLine]
    closing_rp: int


async def statement(
    db: AsyncSession,
    account: str,
    first: date,
    last: date,
    *,
    party: str | None = None,
    limit: int | None = None,
) -> Statement:
    """An account's statement, of one party where named; raises AccountNotFound.

    With a limit only so many lines are listed; opening and closing are of the whole span.
    """
    known = await db.get(Account, account)
    if known is None:
        raise AccountNotFound(account)
    of_account = [Posting.account_code == account]
    if party is not None:
        of_account.append(Posting.party == party)
    total = func.sum(Posting.amount_rp)
    opening_rp, closing_rp = (
        await db.execute(
            select(
                func.coalesce(total.filter(Entry.business_day < first), 0),
                func.coalesce(total, 0),
            )
            .join(Entry, Entry.id == Posting.entry_id)
            .where(*of_account, Entry.business_day <= last)
        )
    ).one()
    rows = (
        await db.execute(
            select(Entry, Posting)
            .join(Posting, Posting.entry_id == Entry.id)
            .where(*of_account, Entry.business_day.between(first, last))
            .order_by(Entry.business_day, Entry.id, Posting.line)
            .limit(limit)
        )
    ).all()
    balances = accumulate((posting.amount_rp for _, posting in rows), initial=int(opening_rp))
    next(balances)
    lines = [
        StatementLine(
            entry.business_day,
            entry.id,
            entry.source,
            entry.description,
            posting.party,
            posting.amount_rp,
            balance_rp,
        )
        for (entry, posting), balance_rp in zip(rows, balances, strict=True)
    ]
    return Statement(
        known.code, known.name, party, first, last, int(opening_rp), lines, int(closing_rp)
    )


@dataclass(frozen=True)
class JournalLine:
    """One posting with its entry and its account's name, as the journal lists it."""

    business_day: date
    recorded_at: datetime
    entry_id: UUID
    source: str
    description: str
    line: int
    account: str
    account_name: str
    party: str | None
    amount_rp: int


async def journal(db: AsyncSession, first: date, last: date) -> AsyncIterator[JournalLine]:
    """Every posting of some business days, entry by entry, read as it is asked for."""
    rows = await db.stream(
        select(Entry, Posting, Account.name)
        .join(Posting, Posting.entry_id == Entry.id)
        .join(Account, Account.code == Posting.account_code)
        .where(Entry.business_day.between(first, last))
        .order_by(Entry.business_day, Entry.id, Posting.line)
    )
    async for entry, posting, account_name in rows:
        yield JournalLine(
            entry.business_day,
            entry.recorded_at,
            entry.id,
            entry.source,
            entry.description,
            posting.line,
            posting.account_code,
            account_name,
            posting.party,
            posting.amount_rp,
        )


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"


def csv_line(cells: Iterable[object]) -> str:
    """One line of CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerow([cell(value) for value in cells])
    return out.getvalue()


def cell(value: object) -> str:
    """Any value as a text that no spreadsheet runs."""
    return harmless("" if value is None else str(value))


def harmless(text: str) -> str:
    """What a spreadsheet would take for a formula, also after blanks, gets a quote before it."""
    return f"'{text}" if text.lstrip(" \n").startswith(FORMULA_STARTS) else text


def debit_credit(amount_rp: int) -> tuple[int | None, int | None]:
    """An amount in two columns, of which one stays empty; both for nothing at all."""
    return amount_rp if amount_rp > 0 else None, -amount_rp if amount_rp < 0 else None


def trial_balance_csv(balances: Iterable[AccountBalance]) -> str:
    rows: list[Iterable[object]] = [("akun", "nama_akun", "debit", "kredit")]
    rows += [(line.code, line.name, *debit_credit(line.balance_rp)) for line in balances]
    return BYTE_ORDER_MARK + "".join(csv_line(row) for row in rows)


def statement_csv(told: Statement) -> str:
    head = ("tanggal", "entri", "sumber", "uraian", "pihak", "debit", "kredit")
    opening = (told.first, "", "", "Saldo awal", told.party, None, None)
    closing = (told.last, "", "", "Saldo akhir", told.party, None, None)
    rows: list[Iterable[object]] = [(*head, "saldo_debit", "saldo_kredit")]
    rows.append((*opening, *debit_credit(told.opening_rp)))
    rows += [
        (
            line.business_day,
            line.entry_id,
            line.source,
            line.description,
            line.party,
            *debit_credit(line.amount_rp),
            *debit_credit(line.balance_rp),
        )
        for line in told.lines
    ]
    rows.append((*closing, *debit_credit(told.closing_rp)))
    return BYTE_ORDER_MARK + "".join(csv_line(row) for row in rows)


JOURNAL_COLUMNS = (
    "tanggal",
    "dicatat",
    "entri",
    "sumber",
    "uraian",
    "baris",
    "akun",
    "nama_akun",
    "pihak",
    "debit",
    "kredit",
)


async def journal_csv(db: AsyncSession, first: date, last: date) -> AsyncIterator[str]:
    """The journal, line by line, so that a year of it needs no memory."""
    yield BYTE_ORDER_MARK + csv_line(JOURNAL_COLUMNS)
    async for line in journal(db, first, last):
        yield csv_line(
            (
                line.business_day,
                line.recorded_at.isoformat(),
                line.entry_id,
                line.source,
                line.description,
                line.line,
                line.account,
                line.account_name,
                line.party,
                *debit_credit(line.amount_rp),
            )
        )
