"""Alembic environment: the one way tables come to be, in tests as in production."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import server.tables  # noqa: F401
from server.database import Base, async_url


def _ours(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """The job queue's tables are its library's own, and changed by its own means."""
    return not (kind == "table" and name is not None and name.startswith("pgqueuer"))


# A dump carries the transactions of the cluster it was made in. In another one they may still be to
# come: their rows would be listed to nobody until then, and after all that is new.
RENUMBER = """
    DO $$
    DECLARE
        listed text;
        forgotten text;
        ahead boolean;
    BEGIN
        FOR listed, forgotten IN
            SELECT table_name, string_agg(column_name || ' = 0', ', ')
            FROM information_schema.columns WHERE table_schema = current_schema()
                AND column_name IN ('written_in', 'oldest_running')
            GROUP BY table_name
        LOOP
            EXECUTE format('SELECT max(written_in) >= pg_snapshot_xmax(pg_current_snapshot())'
                           '::text::bigint FROM %I', listed) INTO ahead;
            IF ahead THEN
                EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', listed);
                EXECUTE format('UPDATE %I SET ', listed) || forgotten;
                EXECUTE format('ALTER TABLE %I ENABLE TRIGGER USER', listed);
            END IF;
        END LOOP;
    END $$
"""


def _migrate(connection: Connection) -> None:
    # A migration waits for a lock only briefly: it must not queue up in front of payments.
    connection.exec_driver_sql("SET lock_timeout = '5s'")
    connection.commit()
    # Each in a transaction of its own, so that the locks of one are not held through all others.
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_ours,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.exec_driver_sql(RENUMBER)


async def _connect() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or ""
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_connect())
