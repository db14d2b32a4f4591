"""Zones, the spots in them, their printed signs, and the dated tariffs in force there."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.closure import ClosureReason
from domain.sign import SignState
from server.database import WRITTEN_IN, Base, new_id
from server.identity.models import ROOT
from server.spots.states import ProposalState

ZONE_CODE = "[A-Z]{3}"
"""This regency's zone codes: of those that `domain.parking` allows, the ones of three letters."""
Instant = DateTime(timezone=True)


class Zone(Base):
    __tablename__ = "zones"
    __table_args__ = (CheckConstraint(f"code ~ '^{ZONE_CODE}$'", name="code"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    outline: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """A Polygon or MultiPolygon of GeoJSON, where one was given: maps draw it, nothing asks it."""
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"), server_default=text(f"'{ROOT}'"))


class UnitMove(Base):
    """That a unit, a zone or an attendant comes under a unit: one asks, another decides.

    It changes what officers of units see.
    """

    __tablename__ = "unit_moves"
    __table_args__ = (
        CheckConstraint("num_nonnulls(unit_id, zone_id, attendant_id) = 1", name="subject"),
        CheckConstraint("proposed_by <> decided_by", name="maker_checker"),
        CheckConstraint("num_nulls(decided_by, decided_at, approved) IN (0, 3)", name="decided"),
        Index(
            "uq_unit_moves_open",
            text("coalesce(unit_id, zone_id, attendant_id)"),
            unique=True,
            postgresql_where=text("decided_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey("units.id"))
    zone_id: Mapped[UUID | None] = mapped_column(ForeignKey("zones.id"))
    attendant_id: Mapped[UUID | None] = mapped_column(ForeignKey("attendants.id"))
    to_id: Mapped[UUID] = mapped_column(ForeignKey("units.id"))
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    approved: Mapped[bool | None]


class Spot(Base):
    """A marked place. `exclusive` where it holds one vehicle at a time."""

    __tablename__ = "spots"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text, unique=True)
    zone_id: Mapped[UUID] = mapped_column(ForeignKey("zones.id"), index=True)
    place: Mapped[str] = mapped_column(Text)
    latitude: Mapped[float]
    longitude: Mapped[float]
    exclusive: Mapped[bool] = mapped_column(default=False)
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=WRITTEN_IN)


class Tariff(Base):
    """One dated version of a zone's prices, `version` as `domain.tariff` writes it.

    Only its end changes, when another version takes its place, and before its first day whether it
    is taken back at all, by what two officers decided. That of an `event` stands above the
    ordinary one for its days, which goes on beneath it and after it.
    """

    __tablename__ = "tariffs"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="period"),
        ExcludeConstraint(
            ("zone_id", "="),
            (text("daterange(valid_from, valid_until, '[]')"), "&&"),
            name="ex_tariffs_one_in_force",
            using="gist",
            where=text("event IS NULL AND taken_back_by IS NULL"),
        ),
        ExcludeConstraint(
            ("zone_id", "="),
            (text("daterange(valid_from, valid_until, '[]')"), "&&"),
            name="ex_tariffs_one_event",
            using="gist",
            where=text("event IS NOT NULL AND taken_back_by IS NULL"),
        ),
        CheckConstraint("event IS NULL OR valid_until IS NOT NULL", name="event_ends"),
        CheckConstraint("event IS NOT DISTINCT FROM version->>'event'", name="event"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    zone_id: Mapped[UUID] = mapped_column(ForeignKey("zones.id"))
    regulation: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    version: Mapped[dict[str, Any]] = mapped_column(JSONB)
    event: Mapped[str | None] = mapped_column(Text)
    taken_back_by: Mapped[UUID | None] = mapped_column(ForeignKey("rule_proposals.id"))


_STATES = ", ".join(repr(state.value) for state in SignState)
_REASONS = ", ".join(repr(reason.value) for reason in ClosureReason)
_PROPOSAL_STATES = ", ".join(repr(state.value) for state in ProposalState)


class TariffProposal(Base):
    """A version of a zone's prices that one officer proposes; in force once another agrees.

    Only who proposed it may withdraw it. `why` is the word of who decided.
    """

    __tablename__ = "tariff_proposals"
    __table_args__ = (
        CheckConstraint(f"state IN ({_PROPOSAL_STATES})", name="state"),
        CheckConstraint("(proposed_by = decided_by) = (state = 'withdrawn')", name="maker_checker"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (state = 'approved') = (tariff_id IS NOT NULL)",
            name="decided",
        ),
        CheckConstraint("version->>'valid_from' = to_char(valid_from, 'YYYY-MM-DD')", name="day"),
        Index(
            "uq_tariff_proposals_open",
            "zone_id",
            unique=True,
            postgresql_where=text("state = 'requested'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    zone_id: Mapped[UUID] = mapped_column(ForeignKey("zones.id"))
    valid_from: Mapped[date]
    version: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
    tariff_id: Mapped[UUID | None] = mapped_column(ForeignKey("tariffs.id"), unique=True)


class Closure(Base):
    """That a spot, or all of a zone, takes no vehicles from one moment until another. Insert-only.

    Without an end it lasts until an officer ends it. It is never written afterwards: money of an
    hour that was open cannot be made money of a closed one.
    """

    __tablename__ = "closures"
    __table_args__ = (
        CheckConstraint(f"reason IN ({_REASONS})", name="reason"),
        CheckConstraint("starts_at >= closed_at", name="not_afterwards"),
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="period"),
        Index("ix_closures_starts_at", "starts_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    zone_id: Mapped[UUID] = mapped_column(ForeignKey("zones.id"))
    spot_id: Mapped[UUID | None] = mapped_column(ForeignKey("spots.id"))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    closed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    closed_at: Mapped[datetime] = mapped_column(Instant)


class ClosureEnd(Base):
    """That an officer ended a closure before its time, and why. Insert-only."""

    __tablename__ = "closure_ends"

    closure_id: Mapped[UUID] = mapped_column(ForeignKey("closures.id"), primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(Instant)
    ended_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    why: Mapped[str] = mapped_column(Text)


class Sign(Base):
    """A printed sign of a spot; of each spot's, one at most is neither replaced nor withdrawn.

    `key_id` is of the key that signed its link, `place` where exactly it hangs.
    """

    __tablename__ = "signs"
    __table_args__ = (
        UniqueConstraint("spot_id", "version", name="uq_signs_spot_id_version"),
        CheckConstraint("version BETWEEN 1 AND 65535", name="version"),
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        Index(
            "uq_signs_in_force",
            "spot_id",
            unique=True,
            postgresql_where=text("state NOT IN ('replaced', 'withdrawn')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    version: Mapped[int] = mapped_column(Integer)
    key_id: Mapped[str] = mapped_column(Text)
    printed_at: Mapped[datetime] = mapped_column(Instant)
    printed_by: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text, default="", server_default="")


class SignChange(Base):
    """What became of a sign, who said so, and why. Insert-only."""

    __tablename__ = "sign_changes"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        Index("ix_sign_changes_sign_id_at", "sign_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    sign_id: Mapped[UUID] = mapped_column(ForeignKey("signs.id"))
    state: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant)
    changed_by: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)


class SignScan(Base):
    """On how many scans of its sign a spot's page was opened on a day."""

    __tablename__ = "sign_scans"
    __table_args__ = (CheckConstraint("scans > 0", name="scans"),)

    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    scans: Mapped[int] = mapped_column(BigInteger)


class SignPhoto(Base):
    """How a sign hangs at its place, drawn anew; the newest photo only."""

    __tablename__ = "sign_photos"
    __table_args__ = (CheckConstraint("octet_length(jpeg) <= 1000000", name="size"),)

    sign_id: Mapped[UUID] = mapped_column(ForeignKey("signs.id"), primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)
    kept_at: Mapped[datetime] = mapped_column(Instant)
    kept_by: Mapped[str] = mapped_column(Text)


class SpotAssignment(Base):
    """That an attendant works a spot, on which days of the week (1 is Monday) and hours.

    It gives no right: whoever is on shift may collect anywhere. One that ends a day before its
    first never held.
    """

    __tablename__ = "spot_assignments"
    __table_args__ = (
        CheckConstraint(
            "cardinality(days) > 0 AND days <@ '{1,2,3,4,5,6,7}'::integer[]", name="days"
        ),
        CheckConstraint("starts <> ends", name="hours"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from - 1", name="period"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"), index=True)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"), index=True)
    days: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    starts: Mapped[time]
    ends: Mapped[time]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    assigned_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    assigned_at: Mapped[datetime] = mapped_column(Instant)
