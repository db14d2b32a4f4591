"""Facts to tell integrators, who is told of which, and every attempt to tell them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from server.database import Base, new_id

Instant = DateTime(timezone=True)


class OutboxFact(Base):
    """A fact recorded in the transaction that made it true; `fanned_out_at` once it is told."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_new", "id", postgresql_where=text("fanned_out_at IS NULL")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    type: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    happened_at: Mapped[datetime] = mapped_column(Instant)
    fanned_out_at: Mapped[datetime | None] = mapped_column(Instant)


class Subscription(Base):
    """An address that is told facts of some types, signed with a secret only both sides know.

    The secrets are sealed with a key that is not in this database. After a rotation the previous
    one signs as well until `previous_until`.
    """

    __tablename__ = "webhook_subscriptions"
    __table_args__ = (
        CheckConstraint("cardinality(types) > 0", name="types"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_why IS NULL)", name="disabled"),
        CheckConstraint("disabled_why IN ('asked', 'gone', 'exhausted')", name="disabled_why"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    url: Mapped[str] = mapped_column(Text)
    types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    disabled_why: Mapped[str | None] = mapped_column(Text)


class Delivery(Base):
    """One fact for one subscription; under way as long as `next_attempt_at` is set."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("outcome IN ('delivered', 'gone', 'exhausted')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (next_attempt_at IS NOT NULL)", name="under_way"),
        Index("ix_webhook_deliveries_of_subscription", "subscription_id", "outbox_id"),
        Index(
            "ix_webhook_deliveries_due",
            "subscription_id",
            "next_attempt_at",
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
    )

    outbox_id: Mapped[UUID] = mapped_column(
        ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True
    )
    subscription_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_subscriptions.id"), primary_key=True
    )
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(Instant)
    outcome: Mapped[str | None] = mapped_column(Text)


class Attempt(Base):
    """One try to deliver: when, and what came of it. Insert-only; pruned with its fact."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["outbox_id", "subscription_id"],
            ["webhook_deliveries.outbox_id", "webhook_deliveries.subscription_id"],
            ondelete="CASCADE",
        ),
        Index("ix_webhook_attempts_of_delivery", "outbox_id", "subscription_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    outbox_id: Mapped[UUID]
    subscription_id: Mapped[UUID]
    sent_at: Mapped[datetime] = mapped_column(Instant)
    duration_ms: Mapped[int]
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    response_head: Mapped[str] = mapped_column(Text)
