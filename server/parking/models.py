"""Parking sessions: one vehicle's stay at one spot."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.parking import VoidReason
from server.database import Base, Stamped, new_id


class ParkingSession(Base):
    """One stay. `ends_at` is until when it was bought, empty where no time was; `ended_at` is when
    the vehicle left. `shift_id` is whose shift started it without a payment; empty where one did.

    Of a plate only a mask and a keyed hash are kept (`domain.plate`), and both for a while only.
    """

    __tablename__ = "parking_sessions"
    __table_args__ = (
        CheckConstraint("state IN ('reserved', 'open', 'ended', 'voided')", name="state"),
        CheckConstraint("ends_at IS NULL OR ends_at > started_at", name="period"),
        CheckConstraint("plate_hash IS NULL OR plate_masked IS NOT NULL", name="plate"),
        CheckConstraint(
            "ended_at IS NULL OR (state = 'ended' AND ended_at >= started_at)", name="ended"
        ),
        ExcludeConstraint(
            ("spot_id", "="),
            (text("tstzrange(started_at, ends_at)"), "&&"),
            name="ex_parking_sessions_one_per_space",
            using="gist",
            where=text("exclusive AND state = 'open'"),
        ),
        Index("ix_parking_sessions_spot_id_started_at", "spot_id", "started_at"),
        Index("ix_parking_sessions_started_at", "started_at", postgresql_using="brin"),
        Index(
            "ix_parking_sessions_plate_hash",
            "plate_hash",
            postgresql_where=text("plate_hash IS NOT NULL"),
        ),
        Index(
            "ix_parking_sessions_plate_kept",
            "started_at",
            postgresql_where=text("plate_masked IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    vehicle_class: Mapped[str] = mapped_column(Text)
    plate_masked: Mapped[str | None] = mapped_column(Text)
    plate_hash: Mapped[str | None] = mapped_column(Text)
    exclusive: Mapped[bool]
    state: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))


class PlatesDestroyed(Base):
    """That plates were destroyed, and of how many stays: of all begun before a moment, whose time
    was over, or of one whose driver asked for it. Insert-only.
    """

    __tablename__ = "plates_destroyed"
    __table_args__ = (
        CheckConstraint("stays >= 0", name="stays"),
        CheckConstraint(
            "num_nonnulls(begun_before, parking_session_id) = 1"
            " AND (parking_session_id IS NULL OR stays <= 1)",
            name="why",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    destroyed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    begun_before: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    parking_session_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("parking_sessions.id"), unique=True
    )
    stays: Mapped[int] = mapped_column(BigInteger)


class UnendedStay(Base):
    """A stay to be paid for when the vehicle leaves, of which nobody ever said that it left.

    It has an owner until it is paid, or an officer says what was done about it. `owed_rp` is what
    the tariff asked for when it was ended.
    """

    __tablename__ = "unended_stays"
    __table_args__ = (
        CheckConstraint("owed_rp > 0", name="owed"),
        CheckConstraint("num_nulls(closed_by, closed_at, what_was_done) IN (0, 3)", name="closed"),
        Index("ix_unended_stays_open", "opened_at", postgresql_where=text("closed_at IS NULL")),
    )

    parking_session_id: Mapped[UUID] = mapped_column(
        ForeignKey("parking_sessions.id"), primary_key=True
    )
    owed_rp: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    what_was_done: Mapped[str | None] = mapped_column(Text)


class StayVoid(Stamped, Base):
    """What an attendant took back of a stay, and why. Insert-only.

    `forgone_rp` is what the tariff asked for and nobody paid: nothing where the stay was a mistake.
    """

    __tablename__ = "stay_voids"
    __table_args__ = (
        CheckConstraint(
            f"reason IN ({', '.join(repr(reason.value) for reason in VoidReason)})", name="reason"
        ),
        CheckConstraint("forgone_rp >= 0", name="forgone"),
    )

    parking_session_id: Mapped[UUID] = mapped_column(
        ForeignKey("parking_sessions.id"), primary_key=True
    )
    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    forgone_rp: Mapped[int] = mapped_column(BigInteger)
    voided_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
