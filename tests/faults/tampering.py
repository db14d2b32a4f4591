"""T27: somebody who owns the database changes what was written, and covers it up as well as he can.

Every guard is switched off first. The control has what a first system has, its own tables: whatever
is done to them, nothing in them tells.
"""

import asyncio
import re
import signal
from collections.abc import Sequence

import asyncpg

from server.audit.sealed import SEALED
from tests.faults.stage import Stage
from tests.forging import put_in, take_out

ROUNDS = 3
WITHIN = (
    "audit_leaves", "audit_sweeps", "audit_tiles", "audit_checkpoints", "ledger_postings",
)  # fmt: skip
"""What is tampered with here, and put back from a copy after each time."""
ANY = "(SELECT entry_id FROM ledger_postings ORDER BY random() LIMIT 1)"
SWAP = """
    UPDATE audit_leaves l SET key = ' ' || l.key WHERE seq IN ({0}, {0} + 1);
    UPDATE audit_leaves l SET table_name = o.table_name, key = trim(o.key), leaf = o.leaf
    FROM (SELECT * FROM audit_leaves) o WHERE l.seq IN ({0}, {0} + 1)
        AND o.seq = 2 * {0} + 1 - l.seq
"""
TAMPERING = {
    "edit": f"UPDATE ledger_postings SET amount_rp = 2 * amount_rp WHERE entry_id = {ANY}",
    "delete": f"DELETE FROM ledger_postings WHERE entry_id = {ANY}",
    "reorder": SWAP,
    "truncate tail": "DELETE FROM audit_leaves WHERE seq >= {0}",
}
NAIVE = {
    "edit": "UPDATE posted SET amount_rp = 2 * amount_rp",
    "delete": "DELETE FROM posted WHERE rrn = (SELECT min(rrn) FROM posted)",
    "insert": "INSERT INTO posted VALUES ('uji', 'uji', 1)",
    "reorder": "UPDATE posted SET rrn = reverse(rrn)",
    "truncate tail": "DELETE FROM posted WHERE rrn = (SELECT max(rrn) FROM posted)",
    "rewrite": "DELETE FROM posted",
}


async def tamper(stage: Stage) -> None:
    """T27."""
    await _take_payments(stage, 8)
    if not stage.is_ours:
        for name, statement in NAIVE.items():
            await _as_dba(stage, statement)
            stage.tally.fired[name] += 1
            stage.tally.runs += 1
            stage.tally.violate("tampering not found", name)
        return
    kept = stage.folder / "checkpoint.txt"
    await _killed_in_the_middle(stage)
    await _expect(stage, 0, "seal")
    await _expect(stage, 0, "checkpoint", "--out", str(kept))
    await _take_payments(stage, 4)
    both = await asyncio.gather(*(stage.office("server", "audit", "seal") for _ in range(2)))
    if both != [0, 0]:
        stage.tally.violate("two sealers at once", both)
    await _expect(stage, 0, "verify", "--checkpoint", str(kept))
    await _keep(stage)
    size = (await stage.rows("SELECT count(*) FROM audit_leaves"))[0][0]
    for name, statement in list(TAMPERING.items()) * ROUNDS:
        place = stage.rng.randrange(1, size - 1)
        await _as_dba(stage, *statement.format(place).split(";"))
        await _expect(stage, 3, "verify", told=f"{name} not found")
        await _put_back(stage)
        stage.tally.fired[name] += 1
        stage.tally.runs += 1
    await _put_into_each(stage)
    await _as_dba(stage, TAMPERING["edit"], *(f"DELETE FROM {name}" for name in WITHIN[:4]))
    await _expect(stage, 0, "seal")
    await _expect(stage, 3, "verify", "--checkpoint", str(kept), told="rewrite not found")
    stage.tally.fired["rewrite"] += 1
    await _put_back(stage)
    await _expect(stage, 0, "verify", "--checkpoint", str(kept), told="found when put back")


async def _put_into_each(stage: Stage) -> None:
    """A row of long ago in every sealed table, each found before it is sealed and after."""
    for table in SEALED:
        await _as_dba(stage, *put_in(table))
        stage.tally.fired["insert"] += 1
        stage.tally.runs += 1
    for command in ("verify", "seal", "verify"):
        code = 3 if command == "verify" else 0
        told = await _said(stage, code, command)
        for table in SEALED if command == "verify" else ():
            if not re.search(rf"RUSAK {table} .*: put in later", told):
                stage.tally.violate("insert not found", table)
    await _as_dba(stage, *(take_out(table) for table in SEALED))
    await _put_back(stage)


async def _said(stage: Stage, code: int, command: str) -> str:
    log = stage.folder / "logs" / "office.log"
    before = log.stat().st_size
    await _expect(stage, code, command)
    return log.read_bytes()[before:].decode()


async def _take_payments(stage: Stage, more: int) -> None:
    enough = len(stage.asked) + more
    await stage.kerb(until=lambda: len(stage.asked) >= enough, drivers=4)
    await stage.settle()


async def _killed_in_the_middle(stage: Stage) -> None:
    died = await stage.office("server", "audit", "seal", crash_at="sealed-not-committed")
    if died != -signal.SIGKILL:
        stage.tally.violate("harness dead: the sealer was not killed", died)
    stage.tally.kills += 1
    await _expect(stage, 0, "verify", told="broken by a sealer that was killed")


async def _expect(stage: Stage, code: int, *command: str, told: str = "") -> None:
    found = await stage.office("server", "audit", *command)
    if found != code:
        stage.tally.violate(told or f"audit {command[0]}", f"exit {found}")


async def _as_dba(stage: Stage, *statements: str) -> None:
    """All in one transaction, with every trigger off."""
    connection = await asyncpg.connect(stage.cluster.url(stage.name))
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


async def _keep(stage: Stage) -> None:
    copies: Sequence[str] = [f"CREATE TABLE kept.{name} AS TABLE {name}" for name in WITHIN]
    await _as_dba(stage, "CREATE SCHEMA kept", *copies)


async def _put_back(stage: Stage) -> None:
    await _as_dba(
        stage,
        *(f"DELETE FROM {name}" for name in WITHIN),
        *(f"INSERT INTO {name} SELECT * FROM kept.{name}" for name in WITHIN),
    )
