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

LONGEST_TRANSACTION = timedelta(minutes=1)
"""Longer than the timeouts of the database let one of ours last."""


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
    # A transaction that committed after that moment began at most so long before it.
    earliest_s = modified_since.timestamp() - LONGEST_TRANSACTION.total_seconds()
    last_before = await db.scalar(
        select(ChargeChange.written_in)
        .where(ChargeChange.id < uuid7(max(0, int(earliest_s * 1_000)), bytes(10)))
        .order_by(ChargeChange.id.desc())
        .limit(1)
    )
    return Position((last_before or 0) + 1)


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
