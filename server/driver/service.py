"""What a driver may do with a stay of his: pay for more of it, end it, be reminded of its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.parking import StayState
from domain.payment import ChargeKind
from domain.tariff import Quote
from server.database import Transactions
from server.errors import Problem
from server.parking.service import StayOver
from server.payments import parts, stays
from server.payments.parts import PartRequest
from server.payments.stays import Account
from server.payments.wiring import Wiring

HOURS = range(1, 7)
LAST_MINUTES = timedelta(minutes=10)
"""How long before its end a stay is shown as running out."""


class StayOfAttendant(Problem):
    slug = "stay-of-attendant"
    status = 409
    title_id = "Parkir ini dicatat petugas; akhiri dan bayar kepadanya"
    title_en = "An attendant recorded this stay; end it and pay there"


@dataclass(frozen=True)
class Extension:
    """So much longer, for so much more."""

    minutes: int
    until: datetime
    amount_rp: int


def clock(seconds: int) -> str:
    """As the pages' script counts it on: hours only where there are any."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:" * bool(hours) + f"{minutes:02d}:{seconds % 60:02d}"


def may_extend(account: Account, now: datetime) -> bool:
    until = account.paid_until
    return (
        account.row.state == StayState.OPEN
        and account.waiting is None
        and until is not None
        and until > now
    )


def extensions(account: Account) -> Sequence[Extension]:
    """What more hours cost; one that costs nothing more, past a day's cap, cannot be bought."""
    until = account.paid_until
    if until is None:
        return []
    ends = [until + timedelta(hours=hours) for hours in HOURS]
    return [
        Extension(hours * 60, end, amount_rp)
        for hours, end in zip(HOURS, ends, strict=True)
        if (amount_rp := account.rest(end).amount_rp)
    ]


def may_leave(account: Account) -> bool:
    """Whether the driver started this stay himself, to pay for it when he leaves."""
    return (
        account.row.shift_id is None
        and account.row.state in (StayState.OPEN, StayState.ENDED)
        and account.void is None
        and not account.parts
    )


def owed(account: Account, now: datetime) -> Quote | None:
    """What leaving now costs, or what it did; nothing where it is paid beforehand."""
    return account.owed(now) if may_leave(account) else None


async def extend(
    transactions: Transactions,
    wired: Wiring,
    stay_id: UUID,
    charge_id: UUID,
    minutes: int,
    *,
    now: datetime,
) -> None:
    async with transactions.begin() as db:
        account = await stays.look(db, stay_id, wired.books)
        if account.waiting is None and not may_extend(account, now):
            raise StayOver
    await issue_part(transactions, wired, stay_id, charge_id, minutes, now=now)


async def leave(
    transactions: Transactions, wired: Wiring, stay_id: UUID, charge_id: UUID, *, now: datetime
) -> bool:
    """End a stay that is paid for at its end; whether anything is to be paid."""
    async with transactions.begin() as db:
        account = await stays.look(db, stay_id, wired.books)
        if account.row.shift_id is not None:
            raise StayOfAttendant
        if account.waiting is None and not may_leave(account):
            raise StayOver
        ended = await stays.end(db, wired.books, stay_id, None, now=now)
        if not ended.owed(now).amount_rp and ended.waiting is None:
            return False
    await issue_part(transactions, wired, stay_id, charge_id, None, now=now)
    return True


async def issue_part(
    transactions: Transactions,
    wired: Wiring,
    stay_id: UUID,
    charge_id: UUID,
    minutes: int | None,
    *,
    now: datetime,
) -> None:
    await parts.issue(
        transactions,
        wired.issuer,
        wired.books,
        PartRequest(stay_id, charge_id, None, ChargeKind.MPM, minutes),
        lifetime=wired.settings.charge_lifetime,
        now=now,
    )
