"""Rules that steer money, as one officer proposed them and another decided them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, new_id, one_of
from server.rules.states import Kind
from server.spots.states import ProposalState

Instant = DateTime(timezone=True)


class RuleProposal(Base):
    """A rule that one officer proposes; `body` is put in force as it is once another agrees.

    Only who proposed it may withdraw it. `why` is the word of who decided.
    """

    __tablename__ = "rule_proposals"
    __table_args__ = (
        CheckConstraint(one_of("kind", Kind), name="kind"),
        CheckConstraint("body->>'kind' = kind", name="body"),
        CheckConstraint(one_of("state", ProposalState), name="state"),
        CheckConstraint("(proposed_by = decided_by) = (state = 'withdrawn')", name="maker_checker"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        Index(
            "uq_rule_proposals_open",
            "body",
            unique=True,
            postgresql_where=text("state = 'requested'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
