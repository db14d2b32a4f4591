"""What officers do about a case of any kind: whose it is now, what they note, how it is decided."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.payment import CaseEvent, CaseState
from server.database import Base, new_id, one_of

Instant = DateTime(timezone=True)
MOST_WORDS = 1_000


class CaseKind(StrEnum):
    """Whatever waits for officers; each kind has a table of its own, and `case_id` is its key."""

    DISCREPANCY = "discrepancy"
    SUSPENSE = "suspense"
    REFUND = "refund"
    UNENDED = "unended"
    COUNT = "count"
    QUARANTINE = "quarantine"
    COMPLAINT = "complaint"
    SIGN = "sign"
    CLAIM = "claim"
    TRANSFER = "transfer"


class CaseAssignment(Base):
    """That a case was given to an officer, or to nobody in particular again. Insert-only."""

    __tablename__ = "case_assignments"
    __table_args__ = (
        CheckConstraint(one_of("kind", CaseKind), name="kind"),
        Index("ix_case_assignments_case", "kind", "case_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    case_id: Mapped[UUID]
    officer_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    assigned_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    assigned_at: Mapped[datetime] = mapped_column(Instant)


class CaseComment(Base):
    """What an officer noted about a case. Insert-only: a mistake is corrected by another note."""

    __tablename__ = "case_comments"
    __table_args__ = (
        CheckConstraint(one_of("kind", CaseKind), name="kind"),
        CheckConstraint(f"length(words) BETWEEN 1 AND {MOST_WORDS}", name="words"),
        Index("ix_case_comments_case", "kind", "case_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    case_id: Mapped[UUID]
    words: Mapped[str] = mapped_column(Text)
    written_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    written_at: Mapped[datetime] = mapped_column(Instant)


class CaseStep(Base):
    """One step of `domain.payment.CASE_TABLE` that a case took, by whom and why. Insert-only.

    Without an officer the books took it. `outcome` is how it shall end, `entry_id` what the step
    posted. The database refuses a decision by who proposed, or without a proposal.
    """

    __tablename__ = "case_steps"
    __table_args__ = (
        CheckConstraint(one_of("kind", CaseKind), name="kind"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint(one_of("event", CaseEvent), name="event"),
        CheckConstraint(
            f"{one_of('state_before', CaseState)} AND {one_of('state_after', CaseState)}",
            name="states",
        ),
        CheckConstraint(
            "officer_id IS NOT NULL OR event IN ('declined', 'settled', 'reopened')",
            name="officer",
        ),
        CheckConstraint("entry_id IS NULL OR event IN ('accepted', 'corrected')", name="entry"),
        CheckConstraint("length(why) BETWEEN 1 AND 200", name="why"),
    )

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    officer_id: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    outcome: Mapped[str | None] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
