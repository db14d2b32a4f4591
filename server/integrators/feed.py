"""Lists that a program can follow without missing a row or asking for one twice in vain.

Rows are ordered by the transaction that wrote them, and shown only once every transaction up to
theirs has ended. A row that commits late therefore never slips in behind a cursor that was already
handed out, which it could under any order by time.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import uuid7
from server.errors import Problem
from server.payments.models import ChargeChange

SLOWEST_CHANGE = timedelta(minutes=1)
"""Longer than a change takes from its id, which tells its time, to its row in the database."""


class CursorNotUsable(Problem):
    slug = "cursor-not-usable"
    status = 409
    title_id = "Penanda halaman ini tidak dapat dipakai; mulai lagi dengan modified_since"
    title_en = "This cursor cannot be used; start again with modified_since"


@dataclass(frozen=True)
class Horizon:
    """Up to where rows are shown now, and in which cluster transactions are so numbered."""

    cluster: int
    before: int


@dataclass(frozen=True)
class Position:
    """The last row that was shown: its transaction, and its key among the rows of that one."""

    written_in: int
    key: str = ""

    def cursor(self, horizon: Horizon) -> str:
        plain = f"{horizon.cluster}:{self.written_in}:{self.key}"
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


async def horizon(db: AsyncSession) -> Horizon:
    row = await db.execute(
        text(
            "SELECT (pg_control_system()).system_identifier,"
            " pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        )
    )
    return Horizon(*row.one())


async def start(
    db: AsyncSession, shown: Horizon, cursor: str | None, modified_since: datetime | None
) -> Position:
    """Where a page begins: after a cursor, else at what was written since a moment, else first.

    Raises CursorNotUsable.
    """
    if cursor is not None:
        return _read(cursor, shown)
    if modified_since is None:
        return Position(0)
    # Whatever committed after that moment was running when a change was written before it, or began
    # later: its transaction is not older than the oldest of then, however long it ran.
    earliest_s = modified_since.timestamp() - SLOWEST_CHANGE.total_seconds()
    oldest = await db.scalar(
        select(ChargeChange.oldest_running)
        .where(ChargeChange.id < uuid7(max(0, int(earliest_s * 1_000)), bytes(10)))
        .order_by(ChargeChange.id.desc())
        .limit(1)
    )
    return Position(oldest or 0)


def _read(cursor: str, shown: Horizon) -> Position:
    """The position of a cursor we gave; one of another cluster means nothing in this one."""
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        cluster, written_in, key = plain.split(":", 2)
        position = Position(int(written_in), key)
        known = int(cluster) == shown.cluster and 0 <= position.written_in < 2**63
    except (binascii.Error, ValueError) as exc:
        raise CursorNotUsable from exc
    if not known:
        raise CursorNotUsable
    return position
