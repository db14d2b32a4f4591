"""Parking sessions: one vehicle's stay at one spot."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from server.database import Base


class ParkingSession(Base):
    """`plate_masked` is all that is kept of a plate; `ends_at` is empty for a flat tariff."""

    __tablename__ = "parking_sessions"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'ended', 'voided')", name="state"),
        CheckConstraint("ends_at IS NULL OR ends_at > started_at", name="period"),
        ExcludeConstraint(
            ("spot_id", "="),
            (text("tstzrange(started_at, ends_at)"), "&&"),
            name="ex_parking_sessions_one_per_space",
            using="gist",
            where=text("exclusive AND state = 'open'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    vehicle_class: Mapped[str] = mapped_column(Text)
    plate_masked: Mapped[str | None] = mapped_column(Text)
    exclusive: Mapped[bool]
    state: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
