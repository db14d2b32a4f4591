"""Which acquirer issues new charges: what officers asked for, and what became of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, new_id, one_of
from server.spots.states import ProposalState

Instant = DateTime(timezone=True)


class AcquirerChoice(Base):
    """That an acquirer issues the charges of a zone, or of all, from a moment on.

    One officer asks and another decides. One that was made at once is in force before anybody
    decided on it, for a while. `why` is the word of who decided.
    """

    __tablename__ = "acquirer_choices"
    __table_args__ = (
        CheckConstraint(one_of("state", ProposalState), name="state"),
        CheckConstraint("(asked_by = decided_by) = (state = 'withdrawn')", name="maker_checker"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        CheckConstraint("NOT at_once OR starts_at = asked_at", name="at_once"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    zone_id: Mapped[UUID | None] = mapped_column(ForeignKey("zones.id"))
    acquirer: Mapped[str] = mapped_column(Text)
    at_once: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
