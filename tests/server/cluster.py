"""A PostgreSQL of the tests' own, with a template database: migrated, and the sample town in it."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from server import sample, schema
from server.database import APP_ROLE, as_role, create_engine, create_transactions
from server.embedded import EmbeddedPostgres

TEMPLATE = "karcis_template"
PIN = "246810"
PASSWORD = "kata sandi uji"
CHECKER_PASSWORD = "kata sandi penguji"


@contextmanager
def running() -> Iterator[str]:
    """Its address, or that of the server which DATABASE_URL names.

    Not in pytest's own folder: another run that starts shuts that to all but this user, and as root
    PostgreSQL runs as another user.
    """
    with (
        tempfile.TemporaryDirectory(prefix="karcis-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder)) as postgres,
    ):
        url = os.environ.get("DATABASE_URL") or postgres.url
        asyncio.run(_prepare(url, durable=url != postgres.url))
        schema.migrate(database_named(url, TEMPLATE))
        asyncio.run(_seed(url))
        yield url


async def _prepare(url: str, *, durable: bool) -> None:
    if not durable:
        await execute(url, "ALTER SYSTEM SET fsync = off")
        await execute(url, "ALTER SYSTEM SET full_page_writes = off")
        await execute(url, "SELECT pg_reload_conf()")
    await execute(url, f"DROP DATABASE IF EXISTS {TEMPLATE}")
    await execute(url, f"CREATE DATABASE {TEMPLATE}")


async def _seed(url: str) -> None:
    password = make_url(url).password
    if password:
        await execute(url, f"ALTER ROLE {APP_ROLE} PASSWORD '{password}'")
    engine = create_engine(as_role(database_named(url, TEMPLATE), APP_ROLE))
    async with create_transactions(engine).begin() as db:
        await sample.seed(
            db, officer_password=PASSWORD, checker_password=CHECKER_PASSWORD, attendant_pin=PIN
        )
    await engine.dispose()


async def copy_template(url: str, name: str) -> None:
    """A database of its own, by files: a third of the time of the way by the log."""
    await execute(url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def database_named(url: str, name: str) -> str:
    """The same cluster's address for another database."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{'?' + query if query else ''}"
