"""Facts a handheld recorded, in its own order; refused ones are kept in quarantine."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from server.database import Base, new_id

Instant = DateTime(timezone=True)


class DeviceEvent(Base):
    """One accepted event of a device's chain. Insert-only; a fork is refused by the index."""

    __tablename__ = "device_events"
    __table_args__ = (
        UniqueConstraint("device_id", "prev_hash"),
        Index("ix_device_events_received_at", "received_at", postgresql_using="brin"),
        Index(
            "ix_device_events_notices",
            "device_id",
            "seq",
            postgresql_where=text("kind = 'notice_issued'"),
        ),
        Index(
            "ix_device_events_proof_taken",
            text("(body ->> 'charge_id')"),
            postgresql_where=text("kind = 'proof_taken'"),
        ),
        Index(
            "ix_device_events_refund_wished",
            text("(body ->> 'charge_id')"),
            postgresql_where=text("kind = 'refund_wished'"),
        ),
        Index(
            "ix_device_events_started",
            text("(body ->> 'stay_id')"),
            postgresql_where=text("kind = 'stay_started'"),
        ),
        Index(
            "ix_device_events_taken",
            text("(body ->> 'charge_id')"),
            postgresql_where=text("kind IN ('cash_taken', 'voucher_taken')"),
        ),
    )

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    prev_hash: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    at: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    signature: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Instant)


class QuarantineCase(Base):
    """What a device pushed and the server refused, until an officer has looked at it."""

    __tablename__ = "quarantine_cases"
    __table_args__ = (
        CheckConstraint("num_nulls(closed_at, closed_by, why) IN (0, 3)", name="closed"),
        Index(
            "uq_quarantine_cases_open",
            "device_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    why: Mapped[str | None] = mapped_column(Text)


class QuarantinedEvent(Base):
    """An event that was refused, as it came, with the reason. Insert-only.

    `digest` is of the whole event, so that one that comes again is kept once.
    """

    __tablename__ = "quarantined_events"
    __table_args__ = (UniqueConstraint("device_id", "digest"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("quarantine_cases.id"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    event: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Instant)


class ProofClaim(Base):
    """The device that was first to ask whether it may take a charge's proof. Insert-only."""

    __tablename__ = "proof_claims"

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    claimed_at: Mapped[datetime] = mapped_column(Instant)
