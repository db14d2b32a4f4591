"""Whether the log is what it was: rows, chain, tree, sweeps and checkpoints, each against the rest.

Found are: a row edited or deleted after it was sealed, one put in where the log was complete,
leaves in another order or cut off, and, against a checkpoint kept elsewhere, a log written anew.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import tree
from server.audit.notes import Checkpoint, Signer
from server.audit.sealed import RECORDED, Source, sources
from server.audit.service import GENESIS, chained
from server.audit.tiles import WIDTH
from server.database import Base

LAG = timedelta(hours=1)
"""So much before a sweep a row must have been written to be missed by it and be suspect."""
MOST = 100
PAGE = 500


@dataclass(frozen=True)
class Finding:
    """`kind` is one word for what was done; `what` names the row or place; `since` who vouches."""

    kind: str
    what: str
    since: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.kind}{f' ({self.since})' if self.since else ''}"


@dataclass(frozen=True)
class _Known:
    """What the log said of itself over time."""

    checkpoints: Sequence[tuple[int, bytes, datetime, str]]
    swept_at: Sequence[datetime]
    swept: Sequence[int]

    def vouched(self, seq: int) -> str:
        """The first checkpoint that covers a leaf."""
        for size, _, made_at, _ in self.checkpoints:
            if size > seq:
                return f"sealed before the checkpoint of {size} rows, {made_at:%Y-%m-%d %H:%M} UTC"
        return "sealed, and in no checkpoint yet"

    def missed(self, seq: int | None, written: datetime | None) -> datetime | None:
        """The sweep that found all sealed, though a row as old as it says it is was not."""
        if written is None:
            return None
        place = bisect_right(self.swept_at, written + LAG)
        if place < len(self.swept) and (seq is None or seq >= self.swept[place]):
            return self.swept_at[place]
        return None


async def find(
    db: AsyncSession, signer: Signer | None = None, outside: Iterable[str] = ()
) -> list[Finding]:
    """What is wrong, at most a hundred of a kind of look; nothing when all is well.

    `outside` are checkpoints kept elsewhere. Signatures are looked at where there is a signer.
    """
    await db.execute(text("SET LOCAL timezone = 'UTC'"))
    await db.execute(text("SET LOCAL bytea_output = 'hex'"))
    await db.execute(text("SET LOCAL extra_float_digits = 1"))
    known = await _known(db)
    kept = [_Kept.of(note, signer) for note in outside]
    found = await _of_leaves(db, known, kept)
    found += [Finding("not signed by the audit key", one.what) for one in kept if one.is_unsigned]
    if signer is not None:
        found += [
            Finding("not signed by the audit key", f"checkpoint of {size} rows")
            for size, _, _, note in known.checkpoints
            if not signer.believes(note)
        ]
    for source in sources():
        found += await _first(_of_rows(db, source, known))
    for table in RECORDED:
        found += await _of_recorded(db, table)
    return found


async def _first(findings: AsyncIterator[Finding]) -> list[Finding]:
    kept = []
    async for finding in findings:
        kept.append(finding)
        if len(kept) == MOST:
            break
    return kept


async def _known(db: AsyncSession) -> _Known:
    checkpoints = (
        await db.execute(
            text("SELECT size, root, made_at, note FROM audit_checkpoints ORDER BY size, made_at")
        )
    ).all()
    sweeps = (await db.execute(text("SELECT at, size FROM audit_sweeps ORDER BY at"))).all()
    return _Known(
        [(row.size, row.root, row.made_at, row.note) for row in checkpoints],
        [row.at for row in sweeps],
        [row.size for row in sweeps],
    )


@dataclass(frozen=True)
class _Kept:
    """A checkpoint that somebody kept outside."""

    size: int
    root: bytes
    is_unsigned: bool

    @classmethod
    def of(cls, note: str, signer: Signer | None) -> "_Kept":
        checkpoint = Checkpoint.read(note)
        unsigned = signer is not None and not signer.believes(note)
        return cls(checkpoint.size, checkpoint.root, unsigned)

    @property
    def what(self) -> str:
        return f"checkpoint of {self.size} rows kept outside"


async def _of_leaves(db: AsyncSession, known: _Known, kept: Sequence[_Kept]) -> list[Finding]:
    """Go along all leaves once: their order, chain and tree, and each root that was signed."""
    found: list[Finding] = []
    roots = _Roots(known, kept)
    grown, chain, expected = tree.Frontier(), GENESIS, 0
    edges: list[list[bytes]] = []
    stored = await db.stream(
        text("SELECT seq, table_name, key, leaf, chain FROM audit_leaves ORDER BY seq"),
        execution_options={"yield_per": PAGE},
    )
    async for row in stored:
        at = f"{row.table_name} {row.key} at {row.seq}"
        if row.seq != expected:
            gone = f"leaves {expected} to {row.seq - 1}"
            found.append(Finding("removed", gone, known.vouched(expected)))
        chain = chained(chain, row.leaf)
        if chain != row.chain and len(found) < MOST:
            found.append(
                Finding("put in, replaced or in another order", at, known.vouched(row.seq))
            )
        chain, expected = row.chain, row.seq + 1
        grown.add(row.leaf)
        _keep_tiles(edges, row.leaf)
        found += roots.at(grown)
    found += roots.beyond(grown.size)
    longest = max((size for size in known.swept), default=0)
    if longest > expected:
        swept = known.swept_at[known.swept.index(longest)]
        told = f"a sweep of {swept:%Y-%m-%d %H:%M} UTC found {longest}"
        found.append(Finding("cut off", f"the log at {expected} rows", told))
    return found + await _of_tiles(db, edges)


class _Roots:
    """Compares each root that was signed with that of the tree as it grows."""

    def __init__(self, known: _Known, kept: Sequence[_Kept]) -> None:
        told = [
            (size, root, f"checkpoint of {size} rows", "the log under it was written anew")
            for size, root, _, _ in known.checkpoints
        ] + [(one.size, one.root, one.what, "the log was written anew") for one in kept]
        self._due = sorted(told, reverse=True)

    def at(self, grown: tree.Frontier) -> list[Finding]:
        found = []
        while self._due and self._due[-1][0] == grown.size:
            _, root, what, wrong = self._due.pop()
            if grown.root() != root:
                found.append(Finding(wrong, what))
        return found

    def beyond(self, size: int) -> list[Finding]:
        return [
            Finding("cut off", f"the log at {size} rows", f"there is a {what}")
            for _, _, what, _ in reversed(self._due)
        ]


def _keep_tiles(edges: list[list[bytes]], leaf: bytes) -> None:
    """Put together anew what `tiles.fill` stored; a full block's root goes to the level above."""
    found, level = leaf, 0
    while True:
        if level == len(edges):
            edges.append([])
        edges[level].append(found)
        if len(edges[level]) % WIDTH:
            return
        found = tree.whole(edges[level][-WIDTH:])
        if not level:
            edges[level].clear()
        level += 1


async def _of_tiles(db: AsyncSession, edges: Sequence[Sequence[bytes]]) -> list[Finding]:
    rows = await db.execute(text("SELECT level, number, hash FROM audit_tiles"))
    stored = {(row.level, row.number): row.hash for row in rows}
    due = {
        (level, number): root
        for level, roots in enumerate(edges[1:], start=1)
        for number, root in enumerate(roots)
    }
    return [
        Finding("not what the leaves say", f"tile {number} of level {level}")
        for level, number in sorted(stored.keys() | due.keys())
        if stored.get((level, number)) != due.get((level, number))
    ][:MOST]


async def _of_rows(db: AsyncSession, source: Source, known: _Known) -> AsyncIterator[Finding]:
    """Each row against its leaf."""
    rows = await db.stream(
        text(f"""SELECT coalesce(l.key, s.key) AS key, l.seq, l.leaf, s.row, s.written
            FROM (SELECT {source.key} AS key, {source.values} AS row, {source.written} AS written
                  FROM {source.name} t) s
            FULL JOIN (SELECT key, seq, leaf FROM audit_leaves WHERE table_name = :name) l
            ON l.key = s.key"""),
        {"name": source.name},
        execution_options={"yield_per": PAGE},
    )
    async for row in rows:
        what = f"{source.name} {row.key}"
        if row.row is None:
            yield Finding("deleted", what, known.vouched(row.seq))
            continue
        if row.leaf is not None and tree.leaf_hash(source.data(row.row)) != row.leaf:
            yield Finding("edited", what, known.vouched(row.seq))
        missed = known.missed(row.seq, row.written)
        if missed is not None:
            told = f"says it is of {row.written:%Y-%m-%d %H:%M}"
            told += f", and a sweep of {missed:%Y-%m-%d %H:%M} UTC did not find it"
            yield Finding("put in later", what, told)


async def _of_recorded(db: AsyncSession, table: str) -> list[Finding]:
    """Each row of a recorded table against the last of its recorded changes.

    Secrets are compared by who may read them.
    """
    rule = RECORDED[table]
    key = next(iter(Base.metadata.tables[table].primary_key)).name
    names = [
        column.name
        for column in Base.metadata.tables[table].columns
        if column.name not in rule.left_out | rule.digests
    ]
    may_read = "SELECT has_column_privilege(CAST(:table AS regclass), :name, 'SELECT')"
    secrets = {
        name: await db.scalar(text(may_read), {"table": table, "name": name})
        for name in rule.digests
    }
    told = [f"'{name}', to_jsonb(t.{name})" for name in names]
    told += [
        f"'{name}', encode(sha256(convert_to(to_jsonb(t.{name}) #>> '{{}}', 'UTF8')), 'hex')"
        for name, seen in secrets.items()
        if seen
    ]
    hidden = [name for name, seen in secrets.items() if not seen]
    rows = await db.execute(
        text(f"""
            SELECT coalesce(s.key, c.key) AS key, s.key IS NULL AS gone, c.key IS NULL AS new
            FROM (SELECT t.{key}::text AS key, (
                      -- As karcis_recorded: a NULL inside a column's own JSON stays.
                      SELECT coalesce(jsonb_object_agg(k.key, k.value), '{{}}')
                      FROM jsonb_each(jsonb_build_object({", ".join(told)})) k
                      WHERE k.value <> 'null'
                  ) AS state
                  FROM {table} t) s
            FULL JOIN (
                SELECT * FROM (
                    SELECT DISTINCT ON (key) key, act, state FROM audit_changes
                    WHERE table_name = :table ORDER BY key, id DESC
                ) last WHERE act <> 'delete'
            ) c ON c.key = s.key
            WHERE s.state IS DISTINCT FROM c.state - CAST(:hidden AS text[])
            LIMIT {MOST}"""),
        {"table": table, "hidden": hidden},
    )
    words = {(True, False): "deleted", (False, True): "put in"}
    return [
        Finding(
            words.get((row.gone, row.new), "edited"), f"{table} {row.key}", "no change recorded"
        )
        for row in rows
    ]
