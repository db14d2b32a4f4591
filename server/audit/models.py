"""The audit log: leaves in one chain, the tree over them, its checkpoints, and recorded changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base

Instant = DateTime(timezone=True)


class AuditChange(Base):
    """A row of a recorded table as it was made, changed or removed. Insert-only, by triggers.

    `state` is what the row was after it; `who` what the transaction said of itself, else the role.
    """

    __tablename__ = "audit_changes"
    __table_args__ = (Index("ix_audit_changes_table_name_key", "table_name", "key", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    table_name: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    act: Mapped[str] = mapped_column(Text)
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    who: Mapped[str] = mapped_column(Text)


class AuditLeaf(Base):
    """A sealed row: the hash of its bytes, and of that with all leaves before it. Insert-only."""

    __tablename__ = "audit_leaves"
    __table_args__ = (
        UniqueConstraint("table_name", "key"),
        CheckConstraint("octet_length(leaf) = 32 AND octet_length(chain) = 32", name="hashes"),
        Index("ix_audit_leaves_sealed_at", "sealed_at", postgresql_using="brin"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    table_name: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    chain: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(Instant)


class AuditTile(Base):
    """The root of a full subtree of 256 leaves, or of 256 such of the level below. Insert-only."""

    __tablename__ = "audit_tiles"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditSweep(Base):
    """All that was committed at `at` had a leaf when there were `size`. Insert-only."""

    __tablename__ = "audit_sweeps"

    at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)


class AuditCheckpoint(Base):
    """The log's size and root of a moment, as a signed note for others to keep. Insert-only."""

    __tablename__ = "audit_checkpoints"

    made_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
