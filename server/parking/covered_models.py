"""Passes, kinds of vehicles that a regulation exempts, and the stays that cost nothing by them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.covered import PassKind
from domain.tariff import VehicleClass
from server.database import Base, new_id, one_of

Instant = DateTime(timezone=True)


class PassRow(Base):
    """A pass that was sold or given; `zones` is empty where it covers all. Insert-only.

    Of its plate a mask and a keyed hash are kept, as of any. `kind` is empty for the ordinary
    one, `order_id` where the office issued it: else it is the driver's order it was paid by.
    """

    __tablename__ = "passes"
    __table_args__ = (
        CheckConstraint("valid_until >= valid_from", name="period"),
        CheckConstraint("cardinality(classes) > 0", name="classes"),
        CheckConstraint("price_rp >= 0", name="price"),
        CheckConstraint("plate_hash IS NULL OR plate_masked IS NOT NULL", name="plate"),
        CheckConstraint("kind IN ('resident', 'disabled')", name="kind"),
        Index(
            "ix_passes_plate_hash",
            "plate_hash",
            postgresql_where=text("plate_hash IS NOT NULL"),
        ),
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
    kind: Mapped[str | None] = mapped_column(Text)
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("pass_orders.id"), unique=True)


class PassPrice(Base):
    """What a pass costs, by its article; no zones means all. Both days are included.

    Only `valid_until` changes, when another price takes its place.
    """

    __tablename__ = "pass_prices"
    __table_args__ = (
        CheckConstraint(one_of("kind", PassKind), name="kind"),
        CheckConstraint(one_of("vehicle_class", VehicleClass), name="vehicle_class"),
        CheckConstraint("months BETWEEN 1 AND 12", name="months"),
        CheckConstraint("price_rp > 0 OR (price_rp = 0 AND kind <> 'ordinary')", name="price"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="period"),
        ExcludeConstraint(
            ("code", "="),
            (text("daterange(valid_from, valid_until, '[]')"), "&&"),
            name="ex_pass_prices_one_in_force",
            using="gist",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    vehicle_class: Mapped[str] = mapped_column(Text)
    months: Mapped[int]
    zones: Mapped[list[str]] = mapped_column(ARRAY(Text))
    price_rp: Mapped[int] = mapped_column(BigInteger)
    regulation: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]


class PassPermit(Base):
    """That a vehicle may have passes of a kind, by a proof that an officer saw. Insert-only."""

    __tablename__ = "pass_permits"
    __table_args__ = (
        CheckConstraint("kind IN ('resident', 'disabled')", name="kind"),
        CheckConstraint(one_of("vehicle_class", VehicleClass), name="vehicle_class"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    vehicle_class: Mapped[str] = mapped_column(Text)
    plate_masked: Mapped[str] = mapped_column(Text)
    plate_hash: Mapped[str] = mapped_column(Text, index=True)
    proof: Mapped[str] = mapped_column(Text)
    approved_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    approved_at: Mapped[datetime] = mapped_column(Instant)
    valid_until: Mapped[date]


class PassOrder(Base):
    """A pass that a driver asked for; its payment and its charge have its id.

    It becomes a pass once its money came. `valid_from` is the day that was asked for. Of the plate
    of one that was never paid nothing is kept for long.
    """

    __tablename__ = "pass_orders"
    __table_args__ = (
        CheckConstraint("(plate_hash IS NULL) = (plate_masked IS NULL)", name="plate"),
        Index(
            "ix_pass_orders_plate_kept",
            "ordered_at",
            postgresql_where=text("plate_masked IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    price_id: Mapped[UUID] = mapped_column(ForeignKey("pass_prices.id"))
    valid_from: Mapped[date]
    plate_masked: Mapped[str | None] = mapped_column(Text)
    plate_hash: Mapped[str | None] = mapped_column(Text)
    ordered_at: Mapped[datetime] = mapped_column(Instant)


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
        ExcludeConstraint(
            ("code", "="),
            (text("daterange(valid_from, valid_until, '[]')"), "&&"),
            name="ex_exemptions_one_in_force",
            using="gist",
        ),
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
