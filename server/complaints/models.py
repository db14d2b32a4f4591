"""What drivers tell the office: complaints with their photos, and wishes for money back.

What tells of a person (contact, story, photo) is destroyed some time after all is over.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.payment import RefundReason
from server.complaints.states import ComplaintKind, ComplaintOutcome, ComplaintState
from server.database import Base, new_id, one_of

Instant = DateTime(timezone=True)
MOST_PHOTO_BYTES = 1_000_000


class Complaint(Base):
    """What a driver complained of, whose it is, and by when it is to be answered.

    `number` is chance with a check character, so that it is also the key to its page. Money is
    never moved by one: `amount_rp`, `reference` and `paid_on` are what the driver's wallet shows.
    `contact` is sealed. `published_at` is when everybody could read the answer, `destroyed_at` when
    contact, story and photo were destroyed.
    """

    __tablename__ = "complaints"
    __table_args__ = (
        CheckConstraint(one_of("kind", ComplaintKind), name="kind"),
        CheckConstraint(one_of("state", ComplaintState), name="state"),
        CheckConstraint(one_of("outcome", ComplaintOutcome), name="outcome"),
        CheckConstraint("(kind = 'notice') = (notice_number IS NOT NULL)", name="notice"),
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)"
            " AND (state = 'closed') = (outcome IS NOT NULL)",
            name="closed",
        ),
        CheckConstraint("state = 'open' OR answer IS NOT NULL", name="answered"),
        CheckConstraint(
            "destroyed_at IS NULL OR num_nonnulls(story, contact) = 0", name="destroyed"
        ),
        CheckConstraint("published_at IS NULL OR state = 'closed'", name="published"),
        Index(
            "ix_complaints_published",
            "published_at",
            "id",
            postgresql_where=text("published_at IS NOT NULL"),
        ),
        Index("ix_complaints_due", "due_on", postgresql_where=text("state <> 'closed'")),
        Index(
            "ix_complaints_to_destroy",
            "closed_at",
            postgresql_where=text("state = 'closed' AND destroyed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text)
    spot_id: Mapped[UUID | None] = mapped_column(ForeignKey("spots.id"))
    attendant_code: Mapped[str | None] = mapped_column(Text)
    receipt_number: Mapped[str | None] = mapped_column(Text)
    notice_number: Mapped[str | None] = mapped_column(Text)
    amount_rp: Mapped[int | None] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(Text)
    paid_on: Mapped[date | None]
    story: Mapped[str | None] = mapped_column(Text)
    contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    due_on: Mapped[date]
    state: Mapped[str] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    destroyed_at: Mapped[datetime | None] = mapped_column(Instant)
    published_at: Mapped[datetime | None] = mapped_column(Instant)


class ComplaintPhoto(Base):
    """A driver's photo as it was drawn anew: nothing that the camera wrote into it is left."""

    __tablename__ = "complaint_photos"
    __table_args__ = (CheckConstraint(f"octet_length(jpeg) <= {MOST_PHOTO_BYTES}", name="size"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id"), primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)


class ComplaintChange(Base):
    """Every answer to a complaint and its end: when, by whom, and in which words. Insert-only."""

    __tablename__ = "complaint_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaints.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class RefundWish(Base):
    """A driver's own wish for the money of a charge, beside the case that an officer works on.

    One for each charge. `id` is the key to its page; `contact` is sealed, for money that the
    acquirer cannot give back.
    """

    __tablename__ = "refund_wishes"
    __table_args__ = (
        CheckConstraint(one_of("reason", RefundReason), name="reason"),
        Index(
            "ix_refund_wishes_to_destroy",
            "wished_at",
            postgresql_where=text("contact IS NOT NULL OR note IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), unique=True)
    reason: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    wished_at: Mapped[datetime] = mapped_column(Instant)
