"""Indexes built while payments go on."""

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import TextClause


def build(name: str, table: str, columns: Sequence[str | TextClause], **options: Any) -> None:
    """Build an index and keep nobody from writing; first of all that a migration does.

    It is outside the migration's transaction. What a run that was interrupted left is built anew.
    """
    with op.get_context().autocommit_block():
        # It waits for transactions, but nobody waits behind it.
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)
        op.execute("SET lock_timeout = '5s'")
