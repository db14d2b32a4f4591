"""A day of the audit log for an auditor: rows with proofs, a checkpoint, what checks them.

Nothing in it lets anybody in or tells of a driver: such columns are sealed as digests, or not.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import tree
from server.audit.checkpoints import DayNotSigned, NoCheckpoint
from server.audit.models import AuditCheckpoint
from server.audit.notes import Checkpoint, Signer
from server.audit.sealed import Source, sources
from server.audit.tiles import Tree

VERIFIER = Path(__file__).with_name("verifier.py")
PAGE = 500
OF_DAY = "sealed_at >= :start AND sealed_at < :end"


async def export(
    db: AsyncSession,
    day: date,
    out: Path,
    signer: Signer,
    timezone: ZoneInfo,
    *,
    earlier: str | None = None,
) -> int:
    """Write the rows sealed on a day into a folder; how many. Raises DayNotSigned, NoCheckpoint.

    `earlier` is a checkpoint that the auditor kept; else it is the last one before the day.
    """
    start = datetime.combine(day, time(), timezone)
    bounds = {"start": start, "end": start + timedelta(days=1)}
    # A plan that looks each leaf up in a table without an index for it would never end.
    await db.execute(text("SET LOCAL enable_nestloop = off"))
    counted = (
        await db.execute(
            text(f"SELECT count(*) AS rows, max(seq) AS last FROM audit_leaves WHERE {OF_DAY}"),
            bounds,
        )
    ).one()
    checkpoint = await covering(db, counted.last or 0)
    before = earlier or await _note_before(db, start)
    stored = Tree(db, checkpoint.size)
    with (out / "rows.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        for source in sources():
            async for line in _lines(db, source, stored, bounds):
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    about: dict[str, Any] = {
        "day": day.isoformat(),
        "timezone": str(timezone),
        "rows": counted.rows,
        "public_keys": codes(signer.believed),
    }
    if before is not None:
        spans = tree.consistency(Checkpoint.read(before).size, checkpoint.size)
        about["consistency"] = codes(await stored.hashes(spans))
        _write(out / "earlier-checkpoint.txt", before)
    _write(out / "checkpoint.txt", checkpoint.note)
    _write(out / "export.json", json.dumps(about, indent=1) + "\n")
    _write(out / "periksa.py", VERIFIER.read_text(encoding="utf-8"))
    _write_sums(out)
    return int(counted.rows)


async def covering(db: AsyncSession, seq: int) -> AuditCheckpoint:
    """The first checkpoint that covers a leaf."""
    wanted = select(AuditCheckpoint).order_by(AuditCheckpoint.size, AuditCheckpoint.made_at)
    found = (await db.scalars(wanted.where(AuditCheckpoint.size > seq).limit(1))).first()
    if found is not None:
        return found
    raise DayNotSigned if (await db.scalars(wanted.limit(1))).first() else NoCheckpoint


async def _note_before(db: AsyncSession, moment: datetime) -> str | None:
    return await db.scalar(
        select(AuditCheckpoint.note)
        .where(AuditCheckpoint.made_at < moment)
        .order_by(AuditCheckpoint.made_at.desc())
        .limit(1)
    )


async def _lines(
    db: AsyncSession, source: Source, stored: Tree, bounds: dict[str, datetime]
) -> AsyncIterator[dict[str, Any]]:
    rows = await db.stream(
        text(f"""SELECT l.seq, {source.values} AS row FROM {source.name} t
            JOIN audit_leaves l ON l.table_name = :name AND l.key = {source.key}
            WHERE {OF_DAY} ORDER BY l.seq"""),
        {"name": source.name, **bounds},
        execution_options={"yield_per": PAGE},
    )
    async for row in rows:
        path = tree.inclusion(row.seq, stored.size)
        yield {
            "seq": row.seq,
            "row": source.data(row.row).decode(),
            "proof": codes(await stored.hashes(path)),
        }


def codes(hashes: Any) -> list[str]:
    return [b64encode(one).decode() for one in hashes]


def _write(path: Path, content: str) -> None:
    path.write_bytes(content.encode())


def _write_sums(out: Path) -> None:
    """Checksums as `sha256sum -c` reads them."""
    told = [
        f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(out.iterdir())
        if path.is_file() and path.name != "SHA256SUMS"
    ]
    _write(out / "SHA256SUMS", "".join(told))
