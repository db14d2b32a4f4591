"""Zones, the spots in them, and the dated tariffs in force there."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from server.database import WRITTEN_IN, Base, new_id

ZONE_CODE = "[A-Z]{3}"
"""This regency's zone codes: of those that `domain.parking` allows, the ones of three letters."""


class Zone(Base):
    __tablename__ = "zones"
    __table_args__ = (CheckConstraint(f"code ~ '^{ZONE_CODE}$'", name="code"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)


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
    """One dated version of a zone's prices; `rates` is `domain.tariff`'s JSON."""

    __tablename__ = "tariffs"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="period"),
        ExcludeConstraint(
            ("zone_id", "="),
            (text("daterange(valid_from, valid_until, '[]')"), "&&"),
            name="ex_tariffs_one_in_force",
            using="gist",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    zone_id: Mapped[UUID] = mapped_column(ForeignKey("zones.id"))
    regulation: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    version: Mapped[dict[str, Any]] = mapped_column(JSONB)
