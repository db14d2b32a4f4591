"""The tree's stored parts: roots of full subtrees of 256 leaves, of 65,536, and so on.

With them a root or a proof over any number of leaves reads a few hundred rows.
"""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import tree
from server.database import fetch

BITS = 8
WIDTH = 1 << BITS

LEAVES = "SELECT leaf AS hash FROM audit_leaves WHERE seq >= $1 AND seq < $2 ORDER BY seq"
TILES = (
    "SELECT hash FROM audit_tiles WHERE level = $3 AND number >= $1 AND number < $2 ORDER BY number"
)


async def fill(db: AsyncSession, before: int, size: int) -> None:
    """Store the subtrees that became full when the log grew from `before` to `size` leaves."""
    level = 1
    while (first := before >> BITS * level) < (after := size >> BITS * level):
        below = await _layer(db, level - 1, first * WIDTH, after * WIDTH)
        roots = [tree.whole(below[at : at + WIDTH]) for at in range(0, len(below), WIDTH)]
        await fetch(
            db,
            "INSERT INTO audit_tiles (level, number, hash) SELECT $1, $2 + n - 1, hash"
            " FROM unnest($3::bytea[]) WITH ORDINALITY AS told (hash, n)",
            level,
            first,
            roots,
        )
        level += 1


async def _layer(db: AsyncSession, level: int, first: int, after: int) -> list[bytes]:
    """The hashes of a level between two numbers; level 0 is the leaves."""
    values = (first, after, level) if level else (first, after)
    rows = await fetch(db, TILES if level else LEAVES, *values)
    if len(rows) != after - first:
        raise LookupError(f"level {level} of the audit tree has gaps from {first} to {after}")
    return [row["hash"] for row in rows]


class Tree:
    """Reads hashes of the stored tree; what was read once is kept, as it never changes."""

    def __init__(self, db: AsyncSession, size: int) -> None:
        self._db = db
        self.size = size
        self._blocks: dict[tuple[int, int], list[bytes]] = {}
        self._known: dict[tuple[int, int], bytes] = {}

    async def root(self, size: int) -> bytes:
        return await self.span(0, size)

    async def hashes(self, spans: Iterable[tree.Span]) -> list[bytes]:
        return [await self.span(*span) for span in spans]

    async def span(self, first: int, after: int) -> bytes:
        return tree.fold([await self._whole(*part) for part in tree.wholes(first, after)])

    async def _whole(self, height: int, number: int) -> bytes:
        """The root of a whole subtree, from one block of the level below it."""
        found = self._known.get((height, number))
        if found is None:
            level, rest = divmod(height, BITS)
            first = number << rest
            block = await self._block(level, first // WIDTH)
            at = first % WIDTH
            found = self._known[height, number] = tree.whole(block[at : at + (1 << rest)])
        return found

    async def _block(self, level: int, number: int) -> list[bytes]:
        found = self._blocks.get((level, number))
        if found is None:
            last = min((number + 1) * WIDTH, self.size >> BITS * level)
            found = await _layer(self._db, level, number * WIDTH, last)
            self._blocks[level, number] = found
        return found
