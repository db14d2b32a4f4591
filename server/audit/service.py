"""Sealing: each row of a sealed table becomes a leaf of one chain and one tree, once.

A payment pays nothing for it: no trigger, no queue. What has no leaf is looked for again and again,
by what each row says of when it was written, and at night without asking that.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import uuid7
from server.audit import tree
from server.audit.sealed import Source, sources
from server.audit.tiles import fill
from server.database import Transactions, fetch
from server.faults import crash_point

log = structlog.get_logger()

AT_ONCE = 5_000
"""Rows looked at in one transaction."""
LATE = timedelta(minutes=10)
"""How long before a sweep a row may say it was written and yet be committed after it: a transaction
lives for seconds, and the clocks of servers differ by less."""
LONG = timedelta(hours=6)
"""After so long without a sweep everything is gone through: that is along indexes."""
SWEEP_TOLD = timedelta(hours=1)
"""A sweep that found nothing is written down so seldom."""
LOCK = 0x6B617263_61756474
GENESIS = bytes(32)
"""What stands before the first leaf of the chain."""


@dataclass(frozen=True)
class Head:
    size: int
    chain: bytes


class _Busy(Exception):
    """Another process seals."""


def chained(chain: bytes, leaf: bytes) -> bytes:
    return sha256(chain + leaf).digest()


async def head(db: AsyncSession) -> Head:
    rows = await fetch(db, "SELECT seq, chain FROM audit_leaves ORDER BY seq DESC LIMIT 1")
    return Head(rows[0]["seq"] + 1, rows[0]["chain"]) if rows else Head(0, GENESIS)


async def seal(transactions: Transactions, *, now: datetime, all_rows: bool = False) -> int:
    """Seal what has no leaf yet; how many rows. None where another process is at it.

    Looks at what was written since the last sweep, or with `all_rows` at everything.
    """
    async with transactions.begin() as db:
        known = await fetch(db, "SELECT at, size FROM audit_sweeps ORDER BY at DESC LIMIT 1")
    since = known[0]["at"] - LATE if known and not all_rows else None
    if since is not None and now - since > LONG:
        since = None
    sealed = 0
    try:
        for source in sources():
            async for count in _seal_table(transactions, source, since, now):
                sealed += count
    except _Busy:
        return sealed
    async with transactions.begin() as db:
        await _tell_swept(db, now)
    if sealed:
        log.info("audit_sealed", count=sealed)
    return sealed


async def _seal_table(
    transactions: Transactions, source: Source, since: datetime | None, now: datetime
) -> AsyncIterator[int]:
    """Seal a table's rows page by page, in the order of their keys."""
    after: Sequence[str] = ()
    while True:
        async with transactions.begin() as db:
            await _lock(db)
            page = await fetch(db, *_page(source, since, after))
            rows = [
                (source.name, row["key"], source.data(row["row"]))
                for row in page
                if row["row"] is not None
            ]
            if rows:
                await append(db, rows, now)
                crash_point("sealed-not-committed")
        yield len(rows)
        if not page or not page[-1]["is_full"]:
            return
        after = page[-1]["place"]


async def _lock(db: AsyncSession) -> None:
    if not (await fetch(db, f"SELECT pg_try_advisory_xact_lock({LOCK}) AS got"))[0]["got"]:
        raise _Busy


def _page(
    source: Source, since: datetime | None, after: Sequence[str]
) -> tuple[str, *tuple[Any, ...]]:
    """A page's rows that have no leaf, and its last one if it is full; with the values asked by.

    Put so that it goes along one index and looks each row up in another, whatever PostgreSQL knows
    of how many there are.
    """
    values: list[Any] = []
    wanted, rows = ["true"], source.name
    leaf = (
        "(SELECT l.seq FROM audit_leaves l"
        f" WHERE l.table_name = '{source.name}' AND l.key = {source.key})"
    )
    if since is not None:
        values = [since, uuid7(int(since.timestamp() * 1000), bytes(10))]
        # PostgreSQL wants to know the type of a value that a statement does not use.
        recent = f"{source.recent} AND $1::timestamptz IS NOT NULL AND $2::uuid IS NOT NULL"
        if source.is_by_key:
            wanted.append(recent)
        else:
            rows = f"(SELECT * FROM {source.name} t WHERE {recent} AND {leaf} IS NULL OFFSET 0)"
    if after:
        places = [
            f"${len(values) + place}::text::{kind}"
            for place, kind in enumerate(source.key_types, start=1)
        ]
        wanted.append(f"({', '.join(source.order)}) > ({', '.join(places)})")
        values += after
    place, order = ", ".join(f"{name}::text" for name in source.order), ", ".join(source.order)
    sql = f"""
        WITH page AS MATERIALIZED (
            SELECT t.*, row_number() OVER (ORDER BY {order}) AS audit_nth FROM {rows} t
            WHERE {" AND ".join(wanted)} ORDER BY {order} LIMIT {AT_ONCE}
        ), looked_up AS MATERIALIZED (
            SELECT t.*, {leaf} AS audit_seq FROM page t
        )
        SELECT {source.key} AS key, ARRAY[{place}] AS place, audit_nth = {AT_ONCE} AS is_full,
            CASE WHEN audit_seq IS NULL THEN {source.values} END AS row
        FROM looked_up t WHERE audit_seq IS NULL OR audit_nth = {AT_ONCE} ORDER BY audit_nth"""
    return sql, *values


async def append(db: AsyncSession, rows: Sequence[tuple[str, str, bytes]], now: datetime) -> None:
    """Add (table, key, bytes) to the log; who calls holds the lock."""
    before = await head(db)
    chain, leaves, chains = before.chain, [], []
    for _, _, data in rows:
        leaf = tree.leaf_hash(data)
        chain = chained(chain, leaf)
        leaves.append(leaf)
        chains.append(chain)
    await fetch(
        db,
        "INSERT INTO audit_leaves (seq, table_name, key, leaf, chain, sealed_at)"
        " SELECT $1 + n - 1, table_name, key, leaf, chain, $2"
        " FROM unnest($3::text[], $4::text[], $5::bytea[], $6::bytea[])"
        " WITH ORDINALITY AS told (table_name, key, leaf, chain, n)",
        before.size,
        now,
        [table for table, _, _ in rows],
        [key for _, key, _ in rows],
        leaves,
        chains,
    )
    await fill(db, before.size, before.size + len(rows))


async def _tell_swept(db: AsyncSession, now: datetime) -> None:
    """Write down that all that was committed at `now` is sealed."""
    await db.execute(
        text("""INSERT INTO audit_sweeps (at, size)
            SELECT :now, size FROM (SELECT coalesce(max(seq) + 1, 0) AS size FROM audit_leaves) l
            WHERE size > 0 AND NOT EXISTS (
                SELECT FROM audit_sweeps s
                WHERE s.at >= :now OR s.size = l.size AND s.at > :told
            ) ON CONFLICT DO NOTHING"""),
        {"now": now, "told": now - SWEEP_TOLD},
    )
