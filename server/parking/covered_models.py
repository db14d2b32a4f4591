"""Passes, kinds of vehicles that a regulation exempts, and the stays that cost nothing by them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, new_id

Instant = DateTime(timezone=True)


class PassRow(Base):
    """A pass that was sold or given; `zones` is empty where it covers all. Insert-only.

    Of its plate a mask and a keyed hash are kept, as of any.
    """

    __tablename__ = "passes"
    __table_args__ = (
        CheckConstraint("valid_until >= valid_from", name="period"),
        CheckConstraint("cardinality(classes) > 0", name="classes"),
        CheckConstraint("price_rp >= 0", name="price"),
        CheckConstraint("plate_hash IS NULL OR plate_masked IS NOT NULL", name="plate"),
    )

    serial: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    classes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    zones: Mapped[list[str]] = mapped_column(ARRAY(Text))
    valid_from: Mapped[date]
    valid_until: Mapped[date]
    plate_masked: Mapped[str | None] = mapped_column(Text)
    plate_hash: Mapped[str | None] = mapped_column(Text)
    price_rp: Mapped[int] = mapped_column(BigInteger)
    issued_by: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime] = mapped_column(Instant)


class PassRevocation(Base):
    """That a pass covers no stay from then on, and why. Insert-only."""

    __tablename__ = "pass_revocations"

    serial: Mapped[str] = mapped_column(ForeignKey("passes.serial"), primary_key=True)
    revoked_at: Mapped[datetime] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text)


class Exemption(Base):
    """A kind of vehicle that parks free, by an article that says so; both days are included."""

    __tablename__ = "exemptions"
    __table_args__ = (
        CheckConstraint(
            "picture IN ('ambulance', 'fire', 'government', 'disabled', 'other')", name="picture"
        ),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="period"),
        UniqueConstraint("code", "valid_from"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text)
    picture: Mapped[str] = mapped_column(Text)
    vehicle_class: Mapped[str] = mapped_column(Text)
    label_id: Mapped[str] = mapped_column(Text)
    label_en: Mapped[str] = mapped_column(Text)
    regulation: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]


class CoveredStay(Base):
    """A stay that nobody paid for, by a pass or by an exemption, as a handheld recorded it.

    `doubt` is why it should not have been free, where the office knows better. Insert-only.
    """

    __tablename__ = "covered_stays"
    __table_args__ = (
        CheckConstraint("num_nonnulls(pass_serial, exemption) = 1", name="reason"),
        CheckConstraint(
            "doubt IN ('unknown', 'revoked', 'out-of-time', 'other-zone', 'other-class')",
            name="doubt",
        ),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("parking_sessions.id"), primary_key=True)
    pass_serial: Mapped[str | None] = mapped_column(Text, index=True)
    exemption: Mapped[str | None] = mapped_column(Text)
    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"), index=True)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    doubt: Mapped[str | None] = mapped_column(Text)
