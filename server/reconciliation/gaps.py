"""Whether each bank statement of a collecting account follows the one before it.

A statement that nobody took in has movements that the books do not know; only the balances of
those before and after it tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.reconciliation.matching import Difference, DifferenceKind, Name
from server.reconciliation.models import StatementBalance, StatementLine
from server.reconciliation.statements import Balances, Statement
from server.settings import bare_account


@dataclass(frozen=True)
class Told(Balances):
    """A statement by its days and balances."""

    account: str


@dataclass(frozen=True)
class Gap:
    """A statement that opens with another balance than the one before it closed with."""

    before: Told
    after: Told

    @property
    def difference(self) -> Difference:
        ours_rp, theirs_rp = self.before.closing_rp, self.after.opening_rp
        subject = f"{bare_account(self.after.account)}/{self.after.opened_on}"
        kind = DifferenceKind.STATEMENT_GAP
        return Difference(kind, subject, theirs_rp - ours_rp, ours_rp, theirs_rp)


def keep(db: AsyncSession, file_id: UUID, statements: Iterable[Statement]) -> None:
    """Those that tell their balances."""
    db.add_all(
        StatementBalance(file_id=file_id, account=each.account, **vars(each.balances))
        for each in statements
        if each.balances is not None
    )


async def on(db: AsyncSession, day: date) -> list[Difference]:
    """The gaps before the statements that open on a day, one of an account."""
    opened = select(StatementBalance.id).where(StatementBalance.opened_on == day).limit(1)
    if await db.scalar(opened) is None:
        return []
    found = await _open(db)
    return [gap.difference for gap in found if gap.after.opened_on == day]


async def days(db: AsyncSession) -> set[date]:
    """The days on which there is a gap."""
    return {gap.after.opened_on for gap in await _open(db)}


async def _open(db: AsyncSession) -> list[Gap]:
    rows = await db.execute(
        select(
            StatementBalance.opened_on,
            StatementBalance.opening_rp,
            StatementBalance.closed_on,
            StatementBalance.closing_rp,
            StatementBalance.account,
        ).order_by(StatementBalance.id)
    )
    of_accounts = defaultdict[str, list[Told]](list)
    for row in rows:
        of_accounts[bare_account(row.account)].append(Told(*row))
    found: dict[Name, Gap] = {}
    for _, told in sorted(of_accounts.items()):
        for gap in between(told):
            if not await _all_told(db, gap):
                found.setdefault(gap.difference.name, gap)
    return list(found.values())


async def _all_told(db: AsyncSession, gap: Gap) -> bool:
    """Whether the movements that are known lead from the earlier's opening to the later's end.

    So they do where the two overlap, and where a table without balances told what was between.
    A bank may date the opening by the day before the first movement.
    """
    before, after = gap.before, gap.after
    moved_rp = func.coalesce(func.sum(StatementLine.amount_rp), 0)
    later = func.sum(StatementLine.amount_rp).filter(StatementLine.value_date > before.opened_on)
    row = await db.execute(
        select(moved_rp, func.coalesce(later, 0))
        .where(StatementLine.account.in_({before.account, after.account}))
        .where(StatementLine.value_date.between(before.opened_on, after.closed_on))
    )
    return after.closing_rp - before.opening_rp in map(int, row.one())


def between(told: Iterable[Told]) -> Iterator[Gap]:
    """Where the statements of one account do not follow, in whichever order they came. Pure.

    Those that begin alike on one day are one statement, told longer; one that begins within the
    days of another overlaps it.
    """
    last: list[Told] = []
    begun: set[tuple[date, int]] = set()
    in_order = sorted(told, key=_days)
    for _, group in groupby(in_order, key=_days):
        peers = list(group)
        loose = [each for each in peers if not _follows(each, peers, last)]
        for each in loose:
            begins = each.opened_on, each.opening_rp
            if last and begins not in begun and each.opened_on >= last[0].closed_on:
                yield Gap(_end(last), each)
            elif not last and begun and begins not in begun:
                yield Gap(_end([peer for peer in peers if peer is not each]), each)
            begun.add(begins)
        begun |= {(each.opened_on, each.opening_rp) for each in peers}
        if not last or peers[0].closed_on > last[0].closed_on:
            last = peers
        elif peers[0].closed_on == last[0].closed_on:
            last = [*last, *peers]


def _days(told: Told) -> tuple[date, date]:
    return told.opened_on, told.closed_on


def _follows(one: Told, peers: Sequence[Told], last: Sequence[Told]) -> bool:
    others = [*last, *(peer for peer in peers if peer is not one)]
    return any(other.closing_rp == one.opening_rp for other in others)


def _end(last: Sequence[Told]) -> Told:
    """Of several that close on one day, the one that no other of them continues."""
    opened = {each.opening_rp for each in last}
    return next((each for each in reversed(last) if each.closing_rp not in opened), last[-1])
