"""Officers signed in: who a browser's cookie belongs to, how it got there, and how that ends."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.identity import passwords, second_factor, tries
from server.identity.models import (
    Officer,
    OfficerChange,
    OfficerPasskey,
    OfficerSignIn,
    OfficerTotp,
)
from server.identity.second_factor import CodeRefused
from server.identity.service import NotSignedIn, PasswordRefused, SignInRefused

LIFETIME = timedelta(hours=8)
SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a browser last asked."""
CONFIRMED_FOR = timedelta(minutes=5)


class SecondFactorNeeded(Problem):
    slug = "second-factor-needed"
    status = 403
    title_id = "Peran Anda wajib memakai verifikasi dua langkah; siapkan di Akun saya"
    title_en = "Your role must use two-step verification; set it up in My account"


class PasswordTooShort(Problem):
    slug = "password-too-short"
    status = 422
    title_id = f"Kata sandi baru paling sedikit {passwords.SHORTEST} karakter"
    title_en = f"A new password has at least {passwords.SHORTEST} characters"


class SignInNotFound(NotFound):
    slug = "sign-in-not-found"
    title_id = "Peramban ini tidak sedang masuk"
    title_en = "This browser is not signed in"


class ConfirmationNeeded(Problem):
    slug = "confirmation-needed"
    status = 403
    title_id = "Tunjukkan sekali lagi bahwa ini Anda; belum ada yang dilakukan"
    title_en = "Show once more that it is you; nothing was done"


@dataclass(frozen=True)
class Asker:
    """From where somebody asks to be let in."""

    address: str
    browser: str

    def __str__(self) -> str:
        return f"{self.address}, {browser_named(self.browser)}"


@dataclass(frozen=True)
class SignedIn:
    """`has_factor`: who has an app or a passkey is asked for it, whatever the role."""

    officer: Officer
    sign_in: OfficerSignIn
    has_factor: bool

    @property
    def shown_half(self) -> bool:
        """Whether the officer has a second factor and has not shown it here."""
        return self.has_factor and not self.sign_in.strong

    def confirmed(self, now: datetime) -> bool:
        """Whether the person has shown who they are within the last minutes."""
        at = self.sign_in.confirmed_at
        return at is not None and now - at < CONFIRMED_FOR


SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "CrOS", "Linux")
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrom": "Chrome"}


def browser_named(agent: str) -> str:
    """A browser's own long name in two words, for people: Chrome, Android."""
    programs = (name for part, name in BROWSERS.items() if part in agent)
    program = next(programs, "Safari" if "Safari" in agent else agent.partition("/")[0][:20])
    system = next((name for name in SYSTEMS if name in agent), "")
    return ", ".join(part for part in (program, system) if part) or "?"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def by_password(
    transactions: Transactions,
    login: str,
    password: str,
    code: str,
    asker: Asker,
    key: SecretStr | None,
    *,
    now: datetime,
) -> str:
    """A token for the officer's browser; raises SignInRefused or TooManyTries.

    Whoever has an app shows a code at once with the password: which of the two was wrong is told to
    nobody. Who has only a passkey shows it afterwards, and may do nothing before.
    """
    await tries.claim(transactions, login, asker.address, now=now)
    async with transactions.begin() as db:
        officer = await db.scalar(select(Officer).where(Officer.login == login))
    right = await passwords.matches_aside(officer.password_hash if officer else None, password)
    if officer is None:
        raise SignInRefused
    async with transactions.begin() as db:
        method = await _method(db, officer, right, code, key, now)
        if method is None:
            await note(db, officer.id, "refused", officer.login, str(asker), now=now)
        else:
            await tries.forgive(db, login, asker.address)
            token = await open_(
                db, officer, method, asker, strong=method != "password", confirmed=False, now=now
            )
    if method is None:
        raise SignInRefused
    return token


async def _method(
    db: AsyncSession,
    officer: Officer,
    right: bool,
    code: str,
    key: SecretStr | None,
    now: datetime,
) -> str | None:
    """How the officer has shown who they are, if they have."""
    if not right or officer.switched_off_at is not None:
        return None
    if not (await second_factor.standing(db, officer.id)).totp:
        return "password"
    factor = await second_factor.taken(db, officer.id, key, code, now=now)
    return f"password+{factor}" if factor else None


async def open_(
    db: AsyncSession,
    officer: Officer,
    method: str,
    asker: Asker,
    *,
    strong: bool,
    confirmed: bool,
    now: datetime,
) -> str:
    """A new token for a browser of an officer who has shown who they are."""
    token = secrets.token_urlsafe(32)
    await db.execute(
        insert(OfficerSignIn).values(
            id=new_id(),
            token_hash=_digest(token),
            officer_id=officer.id,
            signed_in_at=now,
            seen_at=now,
            expires_at=now + LIFETIME,
            confirmed_at=now if confirmed else None,
            method=method,
            strong=strong,
            address=asker.address[:100],
            browser=asker.browser[:200],
        )
    )
    await db.execute(delete(OfficerSignIn).where(OfficerSignIn.expires_at <= now))
    await note(db, officer.id, "signed-in", officer.login, f"{method}; {asker}", now=now)
    return token


async def strengthen(
    db: AsyncSession, signed_in: SignedIn, shown: str, *, now: datetime, strong: bool = True
) -> str:
    """A new token in the place of this one, once its officer has shown who they are once more."""
    old = signed_in.sign_in
    await db.execute(delete(OfficerSignIn).where(OfficerSignIn.id == old.id))
    method = f"{old.method}+{shown}" if strong and not old.strong else old.method
    asker = Asker(old.address, old.browser)
    return await open_(
        db,
        signed_in.officer,
        method,
        asker,
        strong=strong or old.strong,
        confirmed=True,
        now=now,
    )


async def show_factor(
    transactions: Transactions,
    signed_in: SignedIn,
    typed: str,
    key: SecretStr | None,
    address: str,
    *,
    now: datetime,
) -> str:
    """A new token for who signed in by one factor and types the other; raises CodeRefused.

    Tries are counted as those of signing in are.
    """
    officer = signed_in.officer
    await tries.claim(transactions, officer.login, address, now=now)
    async with transactions.begin() as db:
        factor = await second_factor.taken(db, officer.id, key, typed, now=now)
        if factor is not None:
            await tries.forgive(db, officer.login, address)
            return await strengthen(db, signed_in, factor, now=now)
        await note(db, officer.id, "refused", officer.login, address, now=now)
    raise CodeRefused


async def who(
    db: AsyncSession, token: str, *, now: datetime, idle: timedelta = LIFETIME
) -> SignedIn:
    """Whose browser this is; raises NotSignedIn."""
    signed_in = await _found(db, OfficerSignIn.token_hash == _digest(token), now, idle)
    if signed_in.sign_in.seen_at <= now - SEEN_EVERY:
        await db.execute(
            update(OfficerSignIn)
            .where(OfficerSignIn.id == signed_in.sign_in.id)
            .values(seen_at=now)
            .execution_options(synchronize_session=False)
        )
    return signed_in


async def signed_in_as(db: AsyncSession, sign_in_id: UUID, *, now: datetime) -> SignedIn:
    """Who began something in a browser that is still signed in; raises NotSignedIn."""
    return await _found(db, OfficerSignIn.id == sign_in_id, now, LIFETIME)


async def _found(
    db: AsyncSession, which: ColumnElement[bool], now: datetime, idle: timedelta
) -> SignedIn:
    app = exists().where(
        OfficerTotp.officer_id == Officer.id, OfficerTotp.confirmed_at.is_not(None)
    )
    passkey = exists().where(OfficerPasskey.officer_id == Officer.id)
    row = (
        await db.execute(
            select(Officer, OfficerSignIn, or_(app, passkey))
            .join(OfficerSignIn, OfficerSignIn.officer_id == Officer.id)
            .where(which)
            .where(OfficerSignIn.expires_at > now, OfficerSignIn.seen_at > now - idle)
            .where(Officer.switched_off_at.is_(None))
        )
    ).one_or_none()
    if row is None:
        raise NotSignedIn
    officer, sign_in, has_factor = row
    return SignedIn(officer, sign_in, bool(has_factor))


async def of_officer(
    db: AsyncSession, officer_id: UUID, *, now: datetime, idle: timedelta
) -> Sequence[OfficerSignIn]:
    """The browsers where an officer is signed in, the newest first."""
    rows = await db.scalars(
        select(OfficerSignIn)
        .where(OfficerSignIn.officer_id == officer_id)
        .where(OfficerSignIn.expires_at > now, OfficerSignIn.seen_at > now - idle)
        .order_by(OfficerSignIn.signed_in_at.desc())
    )
    return rows.all()


async def sign_out(db: AsyncSession, token: str, *, now: datetime) -> None:
    gone = await db.scalar(
        delete(OfficerSignIn)
        .where(OfficerSignIn.token_hash == _digest(token))
        .returning(OfficerSignIn.officer_id)
    )
    if gone is not None:
        login = await db.scalar(select(Officer.login).where(Officer.id == gone))
        await note(db, gone, "signed-out", login or "", "", now=now)


async def end(
    db: AsyncSession, officer_id: UUID, sign_in_id: UUID, by: Officer, *, now: datetime
) -> None:
    """Sign one browser of an officer out; raises SignInNotFound."""
    ended = await db.scalar(
        delete(OfficerSignIn)
        .where(OfficerSignIn.id == sign_in_id, OfficerSignIn.officer_id == officer_id)
        .returning(OfficerSignIn.address)
    )
    if ended is None:
        raise SignInNotFound
    await note(db, officer_id, "sign-in-ended", by.login, ended, now=now)


async def end_all(
    db: AsyncSession, officer_id: UUID, by: str, *, now: datetime, but: UUID | None = None
) -> None:
    """Sign every browser of an officer out, but the one that asks if it is theirs."""
    ended = await db.scalars(
        delete(OfficerSignIn)
        .where(OfficerSignIn.officer_id == officer_id, OfficerSignIn.id.is_distinct_from(but))
        .returning(OfficerSignIn.id)
    )
    for _ in ended.all():
        await note(db, officer_id, "sign-in-ended", by, "", now=now)


async def confirm(
    transactions: Transactions,
    signed_in: SignedIn,
    typed: str,
    key: SecretStr | None,
    address: str,
    *,
    now: datetime,
) -> None:
    """That the person at the screen is the one who signed in; raises PasswordRefused.

    By the password or a code of their app. Tries are counted as those of signing in are.
    """
    officer = signed_in.officer
    await tries.claim(transactions, officer.login, address, now=now)
    async with transactions.begin() as db:
        right = bool(
            second_factor.TOTP_CODE.fullmatch(re.sub(r"\s", "", typed))
            and (await second_factor.standing(db, officer.id)).totp
            and await second_factor.taken(db, officer.id, key, typed, now=now)
        )
    right = right or await passwords.matches_aside(officer.password_hash, typed)
    async with transactions.begin() as db:
        if right:
            await tries.forgive(db, officer.login, address)
        else:
            await note(db, officer.id, "not-confirmed", officer.login, address, now=now)
    if not right:
        raise PasswordRefused


async def change_password(
    db: AsyncSession, signed_in: SignedIn, new: str, *, now: datetime
) -> None:
    """Another password; every other browser is signed out. Raises PasswordTooShort."""
    await set_password(db, signed_in.officer.id, new)
    officer = signed_in.officer
    await note(db, officer.id, "password-changed", officer.login, "", now=now)
    await end_all(db, officer.id, officer.login, now=now, but=signed_in.sign_in.id)


async def set_password(db: AsyncSession, officer_id: UUID, new: str) -> None:
    if len(new) < passwords.SHORTEST:
        raise PasswordTooShort
    await db.execute(
        update(Officer)
        .where(Officer.id == officer_id)
        .values(password_hash=passwords.hash_secret(new))
    )


async def note(
    db: AsyncSession, officer_id: UUID, act: str, who: str, why: str, *, now: datetime
) -> None:
    """Write down what happened to an officer's access. Never holds anything that was typed."""
    await db.execute(
        insert(OfficerChange).values(
            id=new_id(), officer_id=officer_id, changed_at=now, act=act, who=who, why=why[:300]
        )
    )


async def history(db: AsyncSession, officer_id: UUID, shown: int = 50) -> Sequence[OfficerChange]:
    rows = await db.scalars(
        select(OfficerChange)
        .where(OfficerChange.officer_id == officer_id)
        .order_by(OfficerChange.changed_at.desc(), OfficerChange.id.desc())
        .limit(shown)
    )
    return rows.all()
