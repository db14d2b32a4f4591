"""What a year is to bring in, which reports left the house, and which are made by themselves."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
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
        CheckConstraint("form IN ('csv', 'xlsx', 'pdf', 'zip', 'original')", name="form"),
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


class ReportSchedule(Base):
    """A report that is made by itself, period after period, as its officer may see it.

    Files follow each other from `first_day` on. `failure` is why the next one could not be made
    when that was last tried, at `failed_at`. `too_long_until` is the last day of the newest period
    that was left out because it is too long for a file.
    """

    __tablename__ = "report_schedules"
    __table_args__ = (
        CheckConstraint("every IN ('day', 'week', 'month')", name="every"),
        CheckConstraint("form IN ('csv', 'xlsx', 'pdf')", name="form"),
        CheckConstraint("language IN ('id', 'en')", name="language"),
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
        CheckConstraint("ended_why IN ('officer', 'off', 'right')", name="ended_why"),
        CheckConstraint("(failed_at IS NULL) = (failure IS NULL)", name="failed"),
        Index("ix_report_schedules_live", "id", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("officers.id"), index=True)
    report: Mapped[str] = mapped_column(Text)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    every: Mapped[str] = mapped_column(Text)
    at: Mapped[time]
    form: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    mail_to: Mapped[str | None] = mapped_column(Text)
    first_day: Mapped[date]
    made_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_why: Mapped[str | None] = mapped_column(Text)
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    failure: Mapped[str | None] = mapped_column(Text)
    too_long_until: Mapped[date | None]


class ScheduledFile(Base):
    """What a schedule made of one period, once. Insert-only.

    `role` is whose eyes it was made for; `download_id` what was written down of it.
    """

    __tablename__ = "scheduled_files"
    __table_args__ = (UniqueConstraint("schedule_id", "first_day"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("report_schedules.id"))
    first_day: Mapped[date]
    last_day: Mapped[date]
    role: Mapped[str] = mapped_column(Text)
    download_id: Mapped[UUID] = mapped_column(ForeignKey("report_downloads.id"), unique=True)
    name: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    made_at: Mapped[datetime] = mapped_column(Instant)


class LeftOutMail(Base):
    """That there is no file of a period, as it was too long for one; told as files are."""

    __tablename__ = "left_out_mails"
    __table_args__ = (
        UniqueConstraint("schedule_id", "first_day"),
        Index("ix_left_out_mails_due", "next_try_at", postgresql_where=text("sent_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("report_schedules.id"))
    first_day: Mapped[date]
    last_day: Mapped[date]
    tries: Mapped[int]
    next_try_at: Mapped[datetime | None] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    failure: Mapped[str | None] = mapped_column(Text)


class ScheduledMail(Base):
    """That a file is there, to be told by mail until a mail server took it; then `sent_at`."""

    __tablename__ = "scheduled_mails"
    __table_args__ = (
        Index("ix_scheduled_mails_due", "next_try_at", postgresql_where=text("sent_at IS NULL")),
    )

    file_id: Mapped[UUID] = mapped_column(ForeignKey("scheduled_files.id"), primary_key=True)
    tries: Mapped[int]
    next_try_at: Mapped[datetime | None] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    failure: Mapped[str | None] = mapped_column(Text)
