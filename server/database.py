"""The engine, the base of all tables, and the one place where a request's transaction is opened."""

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import orjson
from fastapi import Depends, Request
from sqlalchemy import DateTime, MetaData, event, func, make_url, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from domain.ids import uuid7

Transactions = async_sessionmaker[AsyncSession]
"""What a flow takes: it opens its own short transactions with `transactions.begin()`."""

APP_ROLE = "karcis_app"
"""What the server works as; it owns nothing, so it can drop no guard."""
READ_ROLE = "karcis_read"
"""For reports and auditors: sees all but what would let somebody in, and changes nothing."""

CONNECTIONS = 20
"""The most that the pool of a process opens, as they are needed, and keeps."""
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 15_000


class Base(DeclarativeBase):
    """Tables of every slice. Names on all constraints, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class Stamped:
    """A row that keeps when the database wrote it, which nothing else in it tells."""

    written_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), deferred=True
    )


WRITTEN_IN = text("(pg_current_xact_id()::text::bigint)")
"""The default of a column that keeps which transaction wrote a row."""


def one_of(column: str, values: type[StrEnum]) -> str:
    """The CHECK that a column holds a member of an enum."""
    return f"{column} IN ({', '.join(repr(member.value) for member in values)})"


def new_id() -> UUID:
    """A UUIDv7: ordered by time, so that index pages are filled one after the other."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def async_url(database_url: str) -> str:
    """The same address for asyncpg, whatever driver or scheme it was written with."""
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("DATABASE_URL must start with postgresql://")
    return f"postgresql+asyncpg://{rest}"


def plain_url(database_url: str) -> str:
    """The same address as asyncpg itself and the PostgreSQL tools read it."""
    return "postgresql://" + async_url(database_url).partition("://")[2]


def as_role(database_url: str, role: str) -> str:
    """The same address for another role."""
    url = make_url(plain_url(database_url)).set(username=role)
    return url.render_as_string(hide_password=False)


def create_engine(database_url: str) -> AsyncEngine:
    engine = create_async_engine(
        async_url(database_url),
        pool_size=CONNECTIONS,
        max_overflow=0,  # made for one use, a connection costs more than what it is used for
        pool_timeout=5,
        json_deserializer=orjson.loads,
        hide_parameters=True,  # an error's text goes to the log, and values may be personal
        connect_args={
            "server_settings": {
                "application_name": "karcis",
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": "30000",
                "timezone": "UTC",
            },
            "timeout": 5,
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, *_: object) -> None:
    """Have the pool make a connection anew that the database has closed.

    The driver knows of it; SQLAlchemy's own ping would ask the database three times at each use.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def create_transactions(engine: AsyncEngine) -> Transactions:
    return async_sessionmaker(engine, expire_on_commit=False)


Connected = AsyncSession | asyncpg.Connection
"""What `fetch` sends a statement by: a session, or the driver's connection, as of `quick`."""

# To plan a join of nine tables takes PostgreSQL longer than to record a payment.
_PLANNED_ONCE = """
    BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off
"""


@asynccontextmanager
async def quick(transactions: Transactions) -> AsyncIterator[asyncpg.Connection]:
    """A short transaction of `fetch`: a connection plans each of its statements once, by keys.

    Of SQLAlchemy it has the pool. Raises as SQLAlchemy does.
    """
    engine: AsyncEngine = transactions.kw["bind"]
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            with _as_sqlalchemy():
                await driver.execute(_PLANNED_ONCE)
                yield driver
                await driver.execute("COMMIT")
        except BaseException:
            await _roll_back(connection, driver)
            raise


@asynccontextmanager
async def autocommit(transactions: Transactions) -> AsyncIterator[asyncpg.Connection]:
    """A connection on which each `fetch` is a transaction of its own."""
    engine: AsyncEngine = transactions.kw["bind"]
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            yield driver
        except BaseException:
            await _roll_back(connection, driver)
            raise


async def _roll_back(connection: AsyncConnection, driver: asyncpg.Connection) -> None:
    """Leave the connection as the pool expects it, or leave it to nobody."""
    try:
        await driver.execute("ROLLBACK")
    except BaseException:  # what made it necessary is raised by the caller
        await connection.invalidate()


async def fetch(db: Connected, sql: str, *values: object) -> list[asyncpg.Record]:
    """The rows of a statement with `$1` … for its values, straight from the driver.

    Past SQLAlchemy's own execution, which takes three times as long as the driver's. What a session
    has not written yet is written first, as before its own statements. Raises as SQLAlchemy does.
    """
    driver = await _driver(db) if isinstance(db, AsyncSession) else db
    with _as_sqlalchemy():
        rows: list[asyncpg.Record] = await driver.fetch(sql, *values)
    return rows


async def _driver(db: AsyncSession) -> Any:
    """The driver's own connection, in the transaction or savepoint that SQLAlchemy began on it."""
    await db.flush()
    known, driver = db.info.get(_driver, (None, None))
    if driver is None or known is not _innermost(db):
        connection = await db.connection()
        # SQLAlchemy begins a transaction, or sets a savepoint, with its own first statement.
        await connection.exec_driver_sql("SELECT 1")
        driver = (await connection.get_raw_connection()).driver_connection
        db.info[_driver] = (_innermost(db), driver)
    return driver


def _innermost(db: AsyncSession) -> Any:
    return db.get_nested_transaction() or db.get_transaction()


@contextmanager
def _as_sqlalchemy() -> Iterator[None]:
    """The driver's errors as SQLAlchemy wraps them."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise IntegrityError(None, None, exc, hide_parameters=True) from exc
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        gone = isinstance(exc, asyncpg.InterfaceError)
        raise DBAPIError(
            None, None, exc, hide_parameters=True, connection_invalidated=gone
        ) from exc


class Insertions:
    """Rows of any tables, inserted by one statement, in which they may refer to each other.

    All rows of one table name the same columns. They travel as one JSON text a table, so that sixty
    rows cost little more than one.
    """

    def __init__(self) -> None:
        self._rows: dict[type[Base], Sequence[Mapping[str, Any]]] = {}

    def add(self, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
        if table in self._rows:
            raise ValueError(f"{table.__tablename__} has its rows already")
        if any(row.keys() != rows[0].keys() for row in rows):
            raise ValueError(f"{table.__tablename__}: the rows name different columns")
        if rows:
            self._rows[table] = rows

    async def write(self, db: Connected) -> None:
        if not self._rows:
            return
        columns = tuple((table, tuple(rows[0])) for table, rows in self._rows.items())
        texts = (orjson.dumps(rows, default=_as_text).decode() for rows in self._rows.values())
        await fetch(db, _insertion(columns), *texts)


def _as_text(value: object) -> str:
    """What JSON has no form for, as PostgreSQL reads it from a text."""
    if isinstance(value, UUID):  # the driver's own kind, which orjson does not know
        return str(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"{type(value).__name__} is not stored")


@cache
def _insertion(columns: tuple[tuple[type[Base], tuple[str, ...]], ...]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    inserts = []
    for place, (table, names) in enumerate(columns, start=1):
        types = (table.__table__.c[name].type.compile(dialect) for name in names)
        typed = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
        # Names of our own tables and columns, never a request's text.
        inserts.append(
            f"INSERT INTO {table.__tablename__} ({', '.join(names)}) "  # noqa: S608
            f"SELECT * FROM json_to_recordset(${place}::json) AS told ({typed})"
        )
    *first, last = inserts
    named = ", ".join(f"i{place} AS ({sql})" for place, sql in enumerate(first))
    return f"WITH {named} {last}" if first else last


async def transactions(request: Request) -> Transactions:  # async, or it runs in a thread
    maker: Transactions = request.app.state.transactions
    return maker


async def transaction(
    maker: Annotated[Transactions, Depends(transactions)],
) -> AsyncIterator[AsyncSession]:
    async with maker.begin() as db:
        yield db


# scope="function" commits before the response leaves: with the default scope a transaction that
# rolled back has already answered 200.
Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]
TransactionsDep = Annotated[Transactions, Depends(transactions)]
