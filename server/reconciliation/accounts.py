"""Whose account a statement is of: the collecting one, whose every movement is posted, or the RKUD.

A statement of any other account would be posted as money of the collecting one, for good.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import FileRefused
from server.payments.books import Books
from server.reconciliation.models import StatementLine
from server.settings import bare_account


class StatementOfOtherAccount(FileRefused):
    """Neither the collecting account's statement nor the RKUD's."""


def is_rkud(account: str, books: Books) -> bool:
    """Whether a statement is of the regency's account, however its number is written."""
    return bool(books.rkud_account) and bare_account(account) == bare_account(books.rkud_account)


async def check(db: AsyncSession, account: str, books: Books) -> None:
    """Raises StatementOfOtherAccount; without a setting the first statement told the account."""
    if is_rkud(account, books):
        return
    collecting = books.collecting_account or await db.scalar(
        select(StatementLine.account)
        .where(StatementLine.ledger_account.is_(None))
        .order_by(StatementLine.id)
        .limit(1)
    )
    if collecting and bare_account(account) not in map(bare_account, collecting.split(",")):
        raise StatementOfOtherAccount(
            f"this statement is of account {account}; the collecting account is {collecting}",
            f"rekening koran ini dari rekening {account}; rekening penerimaan adalah {collecting}",
        )
