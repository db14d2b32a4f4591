"""How often somebody may try to sign in: by login and by address, with waits that double.

A try is counted before anything is compared, so that a thousand at once are a thousand. A login is
counted whether there is such an officer or not, so that nobody learns from it which there are.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions
from server.errors import Problem
from server.identity.models import SignInTries

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)


class TooManyTries(Problem):
    slug = "too-many-sign-in-tries"
    status = 429
    title_id = "Terlalu banyak percobaan yang salah; tunggu sebentar, lalu coba lagi"
    title_en = "Too many wrong tries; wait a while, then try again"


@dataclass(frozen=True)
class Allowance:
    """Tries without a wait, and after how long without one they begin anew."""

    tries: int
    forgotten_after: timedelta


OF_LOGIN = Allowance(5, timedelta(days=1))
OF_ADDRESS = Allowance(20, timedelta(hours=1))
"""A whole office may stand behind one address."""


def _login(login: str) -> bytes:
    return hashlib.sha256(f"login {login}".encode()).digest()


def _address(address: str) -> bytes:
    return hashlib.sha256(f"address {address}".encode()).digest()


async def claim(transactions: Transactions, login: str, address: str, *, now: datetime) -> None:
    """Count a try that is about to be made; raises TooManyTries, and then none is to be made."""
    askers = {_login(login): OF_LOGIN, _address(address): OF_ADDRESS}
    async with transactions.begin() as db:
        await db.execute(
            delete(SignInTries)
            .where(SignInTries.last_at < now - OF_LOGIN.forgotten_after)
            .where(func.coalesce(SignInTries.locked_until, now) <= now)
        )
        for asker in sorted(askers):  # in one order, or two tries wait for each other
            await _count(db, asker, askers[asker], now)


async def _count(db: AsyncSession, asker: bytes, allowed: Allowance, now: datetime) -> None:
    await db.execute(
        upsert(SignInTries).values(asker=asker, tries=0, last_at=now).on_conflict_do_nothing()
    )
    row = (
        await db.execute(select(SignInTries).where(SignInTries.asker == asker).with_for_update())
    ).scalar_one()
    if row.locked_until is not None and row.locked_until > now:
        raise TooManyTries(retry_after_s=int((row.locked_until - now).total_seconds()) + 1)
    if now - row.last_at >= allowed.forgotten_after:
        row.tries = 0
    row.tries, row.last_at = row.tries + 1, now
    too_many = row.tries - allowed.tries
    if too_many >= 0:
        row.locked_until = now + min(FIRST_WAIT * 2 ** min(too_many, 10), LONGEST_WAIT)


async def forgive(db: AsyncSession, login: str, address: str) -> None:
    """The try that was claimed was right: the login begins anew, the address has it back."""
    await db.execute(delete(SignInTries).where(SignInTries.asker == _login(login)))
    await db.execute(
        update(SignInTries)
        .where(SignInTries.asker == _address(address), SignInTries.tries > 0)
        .values(tries=SignInTries.tries - 1, locked_until=None)
    )
