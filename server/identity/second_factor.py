"""The second factor of officers: codes of an authenticator app (TOTP, RFC 6238), or recovery codes.

Nothing is taken twice: of the app the step of the newest code is kept, a recovery code is used up.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from cryptography.fernet import InvalidToken
from pydantic import SecretStr
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Problem
from server.identity.models import Officer, OfficerRecoveryCode, OfficerTotp
from server.sealing import Seal

STEP_S = 30
DRIFT_STEPS = 1
"""How many steps a phone's clock may be off, either way."""
RECOVERY_CODES = 10
TOTP_CODE = re.compile(r"\d{6}")


class SecondFactorNotConfigured(Problem):
    slug = "second-factor-not-configured"
    status = 503
    title_id = "Verifikasi dua langkah belum disiapkan di server ini"
    title_en = "Two-step verification is not set up on this server"


class CodeRefused(Problem):
    slug = "code-refused"
    status = 403
    title_id = "Kode autentikator salah atau sudah dipakai; tunggu kode berikutnya"
    title_en = "The authenticator code is wrong or was used already; wait for the next one"


class TotpPresent(Problem):
    slug = "totp-present"
    status = 409
    title_id = "Aplikasi autentikator sudah aktif; hapus dahulu yang lama"
    title_en = "An authenticator app is active already; remove the old one first"


@dataclass(frozen=True)
class Standing:
    """What of a second factor an officer has."""

    totp: bool
    codes_left: int


def seal_of(key: SecretStr | None) -> Seal:
    """Raises SecondFactorNotConfigured where no key is set."""
    if key is None:
        raise SecondFactorNotConfigured("KARCIS_SIGN_IN_KEY is not set")
    return Seal(key)


async def standing(db: AsyncSession, officer_id: UUID) -> Standing:
    left = await db.scalar(
        select(func.count())
        .where(OfficerRecoveryCode.officer_id == officer_id)
        .where(OfficerRecoveryCode.used_at.is_(None))
    )
    return Standing(await _active(db, officer_id) is not None, left or 0)


async def _active(db: AsyncSession, officer_id: UUID) -> OfficerTotp | None:
    found: OfficerTotp | None = await db.scalar(
        select(OfficerTotp)
        .where(OfficerTotp.officer_id == officer_id, OfficerTotp.confirmed_at.is_not(None))
        .execution_options(populate_existing=True)
    )
    return found


async def begin(
    db: AsyncSession, officer: Officer, key: SecretStr | None, *, now: datetime
) -> None:
    """A new secret, which counts once a code of it is shown."""
    seal = seal_of(key)
    if await _active(db, officer.id) is not None:
        raise TotpPresent
    await db.execute(delete(OfficerTotp).where(OfficerTotp.officer_id == officer.id))
    secret = pyotp.random_base32()
    await db.execute(
        insert(OfficerTotp).values(
            officer_id=officer.id, secret=seal.close(secret), made_at=now, last_step=0
        )
    )


async def begun(
    db: AsyncSession, officer: Officer, key: SecretStr | None, issuer: str
) -> tuple[str, str]:
    """The secret that waits for its first code: as text, and as an app's QR has it."""
    waiting = await _begun(db, officer.id)
    if waiting is None:
        raise TotpPresent
    totp = _opened(waiting, key)
    return totp.secret, totp.provisioning_uri(name=officer.login, issuer_name=issuer)


async def _begun(db: AsyncSession, officer_id: UUID) -> OfficerTotp | None:
    found: OfficerTotp | None = await db.scalar(
        select(OfficerTotp)
        .where(OfficerTotp.officer_id == officer_id, OfficerTotp.confirmed_at.is_(None))
        .with_for_update()
    )
    return found


async def finish(
    db: AsyncSession, officer: Officer, key: SecretStr | None, code: str, *, now: datetime
) -> list[str]:
    """From now on the app's codes count. Returns new recovery codes; raises CodeRefused."""
    waiting = await _begun(db, officer.id)
    step = None if waiting is None else _step_of(_opened(waiting, key), code, now)
    if waiting is None or step is None:
        raise CodeRefused
    waiting.confirmed_at, waiting.last_step = now, step
    return await new_recovery_codes(db, officer.id, now=now)


async def remove(db: AsyncSession, officer_id: UUID) -> None:
    await db.execute(delete(OfficerTotp).where(OfficerTotp.officer_id == officer_id))
    await db.execute(
        delete(OfficerRecoveryCode).where(OfficerRecoveryCode.officer_id == officer_id)
    )


async def new_recovery_codes(db: AsyncSession, officer_id: UUID, *, now: datetime) -> list[str]:
    """Codes that replace all of before. They are shown once: only their digests are kept."""
    await db.execute(
        delete(OfficerRecoveryCode).where(OfficerRecoveryCode.officer_id == officer_id)
    )
    raw = [base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES)]
    await db.execute(
        insert(OfficerRecoveryCode),
        [{"code_hash": _digest(code), "officer_id": officer_id, "made_at": now} for code in raw],
    )
    return ["-".join(re.findall("....", code)) for code in raw]


def _digest(code: str) -> bytes:
    """Eighty bits of chance need no salt and no slow hash."""
    return hashlib.sha256(code.encode()).digest()


async def taken(
    db: AsyncSession, officer_id: UUID, key: SecretStr | None, typed: str, *, now: datetime
) -> str | None:
    """How a typed code proves the officer: `totp` or `recovery`; then it is used up. Else None."""
    code = re.sub(r"[\s-]", "", typed).upper()
    if TOTP_CODE.fullmatch(code):
        return "totp" if await _totp_taken(db, officer_id, key, code, now) else None
    used = await db.scalar(
        update(OfficerRecoveryCode)
        .where(OfficerRecoveryCode.code_hash == _digest(code))
        .where(OfficerRecoveryCode.officer_id == officer_id)
        .where(OfficerRecoveryCode.used_at.is_(None))
        .values(used_at=now)
        .returning(OfficerRecoveryCode.officer_id)
    )
    return "recovery" if used else None


async def _totp_taken(
    db: AsyncSession, officer_id: UUID, key: SecretStr | None, code: str, now: datetime
) -> bool:
    active = await _active(db, officer_id)
    step = None if active is None else _step_of(_opened(active, key), code, now)
    if step is None:
        return False
    newer = await db.scalar(
        update(OfficerTotp)
        .where(OfficerTotp.officer_id == officer_id, OfficerTotp.last_step < step)
        .values(last_step=step)
        .returning(OfficerTotp.officer_id)
    )
    return newer is not None


def _opened(totp: OfficerTotp, key: SecretStr | None) -> pyotp.TOTP:
    try:
        return pyotp.TOTP(seal_of(key).open(totp.secret))
    except InvalidToken as exc:
        raise SecondFactorNotConfigured("KARCIS_SIGN_IN_KEY is another one than before") from exc


def _step_of(totp: pyotp.TOTP, code: str, now: datetime) -> int | None:
    """The time step a code is of, if that is now or near."""
    code = re.sub(r"\s", "", code)
    current = int(now.timestamp()) // STEP_S
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            return step
    return None
