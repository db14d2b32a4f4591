"""Indexes and constraints made while payments go on."""

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


def replace(old: str, new: str) -> None:
    """Let an index that was built under another name take the place and name of an older one."""
    op.execute(f"DROP INDEX {old}")
    op.execute(f"ALTER INDEX {new} RENAME TO {old}")


def constrain(name: str, table: str, constraint: str) -> None:
    """Add a constraint as `build` does an index: the rows there are keep nobody from writing."""
    with op.get_context().autocommit_block():
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name},"
            f" ADD CONSTRAINT {name} {constraint} NOT VALID"
        )
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
