"""Where a driver wants to be reminded that his time runs out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base


class Reminder(Base):
    """A browser's push subscription (RFC 8030), for one stay and no longer than it.

    `endpoint` is where its push service takes messages, `p256dh` and `auth` what they are encrypted
    for (RFC 8291). `told_of` is the end that it was last reminded of.
    """

    __tablename__ = "reminders"
    __table_args__ = (CheckConstraint("language IN ('id', 'en')", name="language"),)

    parking_session_id: Mapped[UUID] = mapped_column(
        ForeignKey("parking_sessions.id"), primary_key=True
    )
    endpoint: Mapped[str] = mapped_column(Text)
    p256dh: Mapped[str] = mapped_column(Text)
    auth: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    told_of: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
