"""Who is an officer, and in which role: one asks for it, another allows it.

The same goes for letting in anew who lost their password or app. Switching an officer off waits for
nobody.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.identity import passkeys, second_factor, sign_ins, tries, units
from server.identity.models import Officer, OfficerRequest, OfficerSetupCode, Role
from server.identity.service import Right, SignInRefused, acting
from server.identity.sign_ins import Asker, note

CODE_LIFETIME = timedelta(hours=24)


class OfficerNotFound(NotFound):
    slug = "officer-not-found"
    title_id = "Petugas ini tidak ada"
    title_en = "There is no such officer"


class LoginTaken(Problem):
    slug = "login-taken"
    status = 409
    title_id = "Nama masuk ini sudah dipakai petugas lain"
    title_en = "Another officer has this login"


class PortalAccountTaken(Problem):
    slug = "portal-account-taken"
    status = 409
    title_id = "Akun portal ini sudah dihubungkan dengan petugas lain"
    title_en = "This account of the portal is linked to another officer"


class RequestOpen(Problem):
    slug = "officer-request-open"
    status = 409
    title_id = "Masih ada permintaan untuk petugas ini yang belum diputuskan"
    title_en = "A request about this officer still waits for its decision"


class RequestDecided(Problem):
    slug = "officer-request-decided"
    status = 409
    title_id = "Permintaan ini sudah diputuskan"
    title_en = "This request was decided already"


class OwnRights(Problem):
    slug = "own-rights"
    status = 403
    title_id = "Hak diri sendiri diputuskan orang lain; minta petugas lain"
    title_en = "Others decide on your own rights; ask another officer"


class SetupNotPossible(Problem):
    slug = "setup-not-possible"
    status = 409
    title_id = "Kode masuk pertama hanya untuk petugas aktif yang belum punya kata sandi"
    title_en = "A first sign-in code is only for an active officer without a password"


@dataclass(frozen=True)
class ShownOfficer:
    officer: Officer
    open_request: OfficerRequest | None


async def all_officers(db: AsyncSession) -> list[ShownOfficer]:
    rows = await db.execute(_shown().order_by(Officer.login).limit(500))
    return [ShownOfficer(*row) for row in rows]


def _shown() -> Select[Officer, OfficerRequest]:
    return select(Officer, OfficerRequest).outerjoin(
        OfficerRequest,
        (OfficerRequest.officer_id == Officer.id) & OfficerRequest.decided_at.is_(None),
    )


async def find(db: AsyncSession, officer_id: UUID) -> ShownOfficer:
    row = (await db.execute(_shown().where(Officer.id == officer_id))).one_or_none()
    if row is None:
        raise OfficerNotFound
    return ShownOfficer(*row)


async def requests_of(db: AsyncSession, officer_id: UUID) -> Sequence[OfficerRequest]:
    rows = await db.scalars(
        select(OfficerRequest)
        .where(OfficerRequest.officer_id == officer_id)
        .order_by(OfficerRequest.proposed_at.desc())
        .limit(20)
    )
    return rows.all()


async def add(
    db: AsyncSession,
    by: UUID,
    login: str,
    name: str,
    role: Role,
    why: str,
    *,
    now: datetime,
    portal_account: str | None = None,
    unit_id: UUID | None = None,
) -> UUID:
    """A new officer, who is let in once another officer has allowed it."""
    officer_id = await _insert(db, login, name, role, off_since=now)
    await propose(
        db,
        by,
        officer_id,
        role,
        why,
        reset=False,
        now=now,
        portal_account=portal_account,
        unit_id=unit_id,
    )
    return officer_id


async def _insert(
    db: AsyncSession, login: str, name: str, role: Role, *, off_since: datetime | None
) -> UUID:
    added = await db.scalar(
        upsert(Officer)
        .values(id=new_id(), login=login, name=name, role=role, switched_off_at=off_since)
        .on_conflict_do_nothing(index_elements=[Officer.login])
        .returning(Officer.id)
    )
    if added is None:
        raise LoginTaken
    return UUID(str(added))


async def add_at_once(db: AsyncSession, login: str, name: str, role: Role, *, now: datetime) -> str:
    """An officer whom the operator of the server lets in, and the code of the first sign-in.

    How the first ones come in, who then let in the others.
    """
    officer_id = await _insert(db, login, name, role, off_since=None)
    await note(db, officer_id, "added", "karcis officer add", role, now=now)
    return await _issue(db, officer_id, None, now)


async def propose(
    db: AsyncSession,
    by: UUID,
    officer_id: UUID,
    role: Role,
    why: str,
    *,
    reset: bool,
    now: datetime,
    portal_account: str | None = None,
    unit_id: UUID | None = None,
) -> UUID:
    """Ask that an officer be active in a role, with a `reset` by a first sign-in anew.

    And that this account of the city's portal be the officer's, or none; and that this be the
    officer's unit, without which it stays what it is.
    """
    asking = await acting(db, by, Right.MANAGE_OFFICERS)
    officer = (await find(db, officer_id)).officer
    unit = await units.find(db, unit_id or officer.unit_id)
    await _refuse_taken(db, officer_id, portal_account)
    made = await db.scalar(
        upsert(OfficerRequest)
        .values(
            id=new_id(),
            officer_id=officer_id,
            role=role,
            reset=reset,
            portal_account=portal_account,
            unit_id=unit.id,
            proposed_by=by,
            proposed_at=now,
            why=why,
        )
        .on_conflict_do_nothing()
        .returning(OfficerRequest.id)
    )
    if made is None:
        raise RequestOpen
    extras = [", reset"] * reset + [f", {portal_account}"] * bool(portal_account)
    extras += [f", {unit.code}"] * (unit.id != officer.unit_id)
    wanted = f"{role}{''.join(extras)}: {why}"
    await note(db, officer_id, "requested", asking.login, wanted, now=now)
    return UUID(str(made))


async def decide(
    db: AsyncSession, by: UUID, request_id: UUID, why: str, *, approve: bool, now: datetime
) -> None:
    """Allow or refuse what another officer asked for; raises OwnRights, RequestDecided."""
    deciding = await acting(db, by, Right.APPROVE_OFFICER)
    asked = await db.scalar(
        select(OfficerRequest).where(OfficerRequest.id == request_id).with_for_update()
    )
    if asked is None:
        raise OfficerNotFound
    if asked.decided_at is not None:
        raise RequestDecided
    if by in (asked.proposed_by, asked.officer_id):
        raise OwnRights
    asked.decided_by, asked.decided_at, asked.approved = by, now, approve
    act = "approved" if approve else "rejected"
    await note(db, asked.officer_id, act, deciding.login, f"{asked.role}: {why}", now=now)
    if approve:
        await _let_in(db, asked, deciding.login, now)


async def _let_in(db: AsyncSession, asked: OfficerRequest, by: str, now: datetime) -> None:
    """As asked. Browsers are signed out, so that nothing of the former role goes on."""
    await _refuse_taken(db, asked.officer_id, asked.portal_account)
    values: dict[str, object] = {
        "role": asked.role,
        "portal_account": asked.portal_account,
        "unit_id": asked.unit_id,
        "switched_off_at": None,
    }
    if asked.reset:
        values["password_hash"] = None
        await second_factor.remove(db, asked.officer_id)
        await passkeys.remove_all(db, asked.officer_id)
    await db.execute(update(Officer).where(Officer.id == asked.officer_id).values(values))
    await sign_ins.end_all(db, asked.officer_id, by, now=now)


async def _refuse_taken(db: AsyncSession, officer_id: UUID, account: str | None) -> None:
    of_another = select(Officer.id).where(
        Officer.portal_account == account, Officer.id != officer_id
    )
    if account is not None and await db.scalar(of_another) is not None:
        raise PortalAccountTaken


async def switch_off(
    db: AsyncSession, by: UUID, officer_id: UUID, why: str, *, now: datetime
) -> None:
    """Out at once, from every browser; back only by a request that another officer allows."""
    acted = await acting(db, by, Right.MANAGE_OFFICERS)
    if by == officer_id:
        raise OwnRights
    await find(db, officer_id)
    await db.execute(update(Officer).where(Officer.id == officer_id).values(switched_off_at=now))
    await db.execute(delete(OfficerSetupCode).where(OfficerSetupCode.officer_id == officer_id))
    await note(db, officer_id, "switched-off", acted.login, why, now=now)
    await sign_ins.end_all(db, officer_id, acted.login, now=now)


async def end_sign_in(
    db: AsyncSession, by: UUID, officer_id: UUID, sign_in_id: UUID, *, now: datetime
) -> None:
    acted = await acting(db, by, Right.MANAGE_OFFICERS)
    await sign_ins.end(db, officer_id, sign_in_id, acted, now=now)


async def issue_setup_code(db: AsyncSession, by: UUID, officer_id: UUID, *, now: datetime) -> str:
    """A code with which an officer chooses the first password; only its digest is kept."""
    acted = await acting(db, by, Right.MANAGE_OFFICERS)
    officer = (await find(db, officer_id)).officer
    if by == officer_id or officer.switched_off_at or officer.password_hash:
        raise SetupNotPossible
    await note(db, officer_id, "setup-code-made", acted.login, "", now=now)
    return await _issue(db, officer_id, by, now)


async def _issue(db: AsyncSession, officer_id: UUID, by: UUID | None, now: datetime) -> str:
    await db.execute(delete(OfficerSetupCode).where(OfficerSetupCode.officer_id == officer_id))
    code = secrets.token_urlsafe(12)
    await db.execute(
        insert(OfficerSetupCode).values(
            code_hash=_digest(code),
            officer_id=officer_id,
            issued_by=by,
            issued_at=now,
            expires_at=now + CODE_LIFETIME,
        )
    )
    return code


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


async def sign_in_first(
    transactions: Transactions, login: str, code: str, new: str, asker: Asker, *, now: datetime
) -> str:
    """A token for the browser of an officer who has the code, whose password is `new` from now on.

    Raises SignInRefused, TooManyTries, PasswordTooShort.
    """
    await tries.claim(transactions, login, asker.address, now=now)
    async with transactions.begin() as db:
        owner = await db.scalar(
            delete(OfficerSetupCode)
            .where(OfficerSetupCode.code_hash == _digest(code.strip()))
            .where(OfficerSetupCode.expires_at > now)
            .returning(OfficerSetupCode.officer_id)
        )
        officer = await db.scalar(
            select(Officer)
            .where(Officer.id == owner, Officer.login == login)
            .where(Officer.switched_off_at.is_(None))
        )
        if officer is None:
            raise SignInRefused
        await sign_ins.set_password(db, officer.id, new)
        await tries.forgive(db, login, asker.address)
        await note(db, officer.id, "password-changed", officer.login, str(asker), now=now)
        return await sign_ins.open_(
            db, officer, "setup-code", asker, strong=False, confirmed=False, now=now
        )
