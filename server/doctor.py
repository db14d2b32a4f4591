"""What is wrong with an installation, found by trying each part rather than by asking for it."""

import asyncio
import ctypes.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg

from server.database import APP_ROLE, plain_url
from server.payments.acquirer import (
    Acquirer,
    Acquirers,
    AcquirerUnknown,
    PaidStatus,
    UnknownAcquirer,
)

CONNECT_S = 5
LEAST_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is well, and what a person should do when it is not."""

    what: str
    ok: bool
    detail: str


def examine(data: Path) -> list[Finding]:
    """Look at Python, system libraries, the data directory and the database's address."""
    return [
        _python(),
        _library("zbar", "libzbar0"),
        _browser(),
        _disk(data),
        *_database(data),
        *_acquirers(),
    ]


def _python() -> Finding:
    ok = sys.version_info >= (3, 11) and __debug__
    return Finding("python", ok, f"{sys.version.split()[0]}{'' if __debug__ else ', runs with -O'}")


def _library(name: str, package: str) -> Finding:
    found = ctypes.util.find_library(name)
    return Finding(f"lib{name}", found is not None, found or f"apt-get install {package}")


def _browser() -> Finding:
    found = shutil.which("chromium")
    return Finding("chromium", True, found or "absent; only the browser tests need it")


def _disk(data: Path) -> Finding:
    folder = data.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    detail = f"{folder}, {free // 2**20} MB free" + ("" if writable else ", not writable")
    return Finding("data directory", writable and free >= LEAST_FREE_BYTES, detail)


def _acquirers() -> list[Finding]:
    """Each acquirer that the settings name, asked about a charge that nobody ever made."""
    from pydantic import ValidationError

    from server.app import NotConfigured, create_acquirers, create_listener
    from server.settings import Settings

    try:
        settings = Settings()
        if settings.acquirer_client_secret is None and settings.acquirers is None:
            return [Finding("acquirer", True, "none set; `karcis run` has a sandbox of its own")]
        acquirers = create_acquirers(settings)
        for terms in settings.acquirer_terms:
            create_listener(settings, terms)
    except (NotConfigured, ValidationError, UnknownAcquirer) as exc:
        return [Finding("acquirers", False, str(exc))]
    return asyncio.run(_each(acquirers))


async def _each(acquirers: Acquirers) -> list[Finding]:
    try:
        return [await _asked(each) for each in acquirers]
    finally:
        await acquirers.close()


async def _asked(acquirer: Acquirer) -> Finding:
    what = f"acquirer {acquirer.profile.name}"
    try:
        answer = await acquirer.inquire(uuid4().hex)
    except AcquirerUnknown as exc:
        return Finding(what, False, f"does not answer, or not so that we understand it: {exc}")
    known = answer.status is not PaidStatus.UNKNOWN
    return Finding(what, known, "answers" if known else "answers what nobody understands")


def _database(data: Path) -> list[Finding]:
    address = os.environ.get("DATABASE_URL")
    if address:
        try:
            role, is_owner = asyncio.run(_who_we_are(address))
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            return [Finding("database", False, f"DATABASE_URL: {type(exc).__name__}")]
        return [Finding("database", True, "DATABASE_URL answers"), _role(role, is_owner)]
    here = (data / "postgres" / "PG_VERSION").exists()
    return [Finding("database", True, "embedded" if here else "embedded, made at the first start")]


def _role(role: str, is_owner: bool) -> Finding:
    advice = f"; connect as {APP_ROLE}, and let KARCIS_MIGRATION_URL name the owner"
    detail = f"{role} may drop the guards of the tables{advice}" if is_owner else role
    return Finding("database role", not is_owner, detail)


async def _who_we_are(address: str) -> tuple[str, bool]:
    """The role that DATABASE_URL names, and whether it has the rights of the tables' owner."""
    connection = await asyncpg.connect(plain_url(address), timeout=CONNECT_S)
    try:
        row = await connection.fetchrow(
            "SELECT current_user::text AS role, EXISTS (SELECT FROM pg_class"
            " WHERE oid = to_regclass('ledger_entries') AND pg_has_role(relowner, 'USAGE')) AS owns"
        )
    finally:
        await connection.close()
    return (row["role"], row["owns"]) if row else ("", False)
