"""What inspections look for, and what they found."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.sign import SignFault
from server.database import Base, new_id, one_of

Instant = DateTime(timezone=True)
OWNER = "dinas perhubungan"
"""Who owns the case of a sign until somebody else takes it up."""
SILENT = "silent"
"""The fault of a sign that nobody scans any more, which no check of it finds."""


def _of_event() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["device_id", "seq"], ["device_events.device_id", "device_events.seq"]
    )


class PostedCode(Base):
    """A static QRIS that belongs at a spot, as it was registered; one replaced has `retired_at`."""

    __tablename__ = "posted_codes"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint("retired_at >= registered_at", name="retired"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"), index=True)
    nmid: Mapped[str] = mapped_column(Text)
    pan: Mapped[str | None] = mapped_column(Text)
    criteria: Mapped[str | None] = mapped_column(Text)
    mcc: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    amount_rp: Mapped[int | None] = mapped_column(BigInteger)
    registered_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class SignCheck(Base):
    """What an attendant found a spot's sign to be; `fault` is empty for the right one. Insert-only.

    `told_at` is by the device's clock. `seen` is what was read instead: a merchant, a host.
    """

    __tablename__ = "sign_checks"
    __table_args__ = (
        _of_event(),
        CheckConstraint(one_of("fault", SignFault), name="fault"),
        Index("ix_sign_checks_spot_id_received_at", "spot_id", "received_at"),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    fault: Mapped[str | None] = mapped_column(Text)
    seen: Mapped[dict[str, Any]] = mapped_column(JSONB)
    told_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant)


class SignCase(Base):
    """A spot whose sign was found wrong, with an owner, until an officer says what was done."""

    __tablename__ = "sign_cases"
    __table_args__ = (
        CheckConstraint("num_nulls(closed_by, closed_at, what_was_done) IN (0, 3)", name="closed"),
        CheckConstraint(f"{one_of('fault', SignFault)} OR fault = '{SILENT}'", name="fault"),
        Index(
            "uq_sign_cases_open", "spot_id", unique=True, postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    fault: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    what_was_done: Mapped[str | None] = mapped_column(Text)


class StayCheck(Base):
    """What an inspector asked about a vehicle, and was answered. Insert-only.

    Of a plate nothing is kept here: a check that found a stay names it. `list_age_s` is how old
    the handheld's list was, if it had one. What it could not tell is `unknown`.
    """

    __tablename__ = "stay_checks"
    __table_args__ = (
        _of_event(),
        CheckConstraint("asked_by IN ('plate', 'receipt', 'proof', 'spot')", name="asked_by"),
        CheckConstraint(
            "result IN ('live', 'just-expired', 'expired', 'none', 'unknown', 'forged', 'void')",
            name="result",
        ),
        CheckConstraint("list_age_s >= 0", name="list_age"),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    asked_by: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text)
    stay_id: Mapped[UUID | None] = mapped_column(ForeignKey("parking_sessions.id"))
    list_age_s: Mapped[int | None] = mapped_column(BigInteger)
    told_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant, index=True)


class HeadCount(Base):
    """Vehicles counted in a zone, by class, and how many were recorded there then. Insert-only."""

    __tablename__ = "head_counts"
    __table_args__ = (_of_event(),)

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    counted: Mapped[dict[str, int]] = mapped_column(JSONB)
    recorded: Mapped[dict[str, int]] = mapped_column(JSONB)
    told_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant, index=True)
