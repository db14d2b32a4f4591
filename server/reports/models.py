"""What a year is to bring in, and which reports left the house."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, new_id

Instant = DateTime(timezone=True)


class RevenueTarget(Base):
    """What a year, or a month of it, is to bring in; of one zone or of all. Insert-only.

    Of several for the same the newest counts: a target that was changed leaves what it was.
    """

    __tablename__ = "revenue_targets"
    __table_args__ = (
        CheckConstraint("year BETWEEN 2000 AND 2999", name="year"),
        CheckConstraint("month BETWEEN 1 AND 12", name="month"),
        CheckConstraint("amount_rp >= 0", name="amount"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    year: Mapped[int]
    month: Mapped[int | None]
    zone_id: Mapped[UUID | None] = mapped_column(ForeignKey("zones.id"))
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    regulation: Mapped[str] = mapped_column(Text)
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(Instant)


class ReportDownload(Base):
    """A report that somebody took out as a file: which, of what, and what it was. Insert-only."""

    __tablename__ = "report_downloads"
    __table_args__ = (
        CheckConstraint("form IN ('csv', 'xlsx', 'pdf')", name="form"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("last_day >= first_day", name="period"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    who: Mapped[str] = mapped_column(Text)
    report: Mapped[str] = mapped_column(Text)
    form: Mapped[str] = mapped_column(Text)
    first_day: Mapped[date]
    last_day: Mapped[date]
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    row_count: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(Instant)
