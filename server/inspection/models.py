"""What inspections look for, and what they found."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.notice import MOST_PHOTO_BYTES, Finding, NoticeState
from domain.sign import SignFault
from server.database import Base, new_id, one_of

Instant = DateTime(timezone=True)
OWNER = "dinas perhubungan"
"""Who owns the case of a sign until somebody else takes it up."""
SILENT = "silent"
"""The fault of a sign that nobody scans any more, which no check of it finds."""


def _of_event() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["device_id", "seq"], ["device_events.device_id", "device_events.seq"]
    )


class PostedCode(Base):
    """A static QRIS that belongs at a spot, as it was registered; one replaced has `retired_at`."""

    __tablename__ = "posted_codes"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint("retired_at >= registered_at", name="retired"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"), index=True)
    nmid: Mapped[str] = mapped_column(Text)
    pan: Mapped[str | None] = mapped_column(Text)
    criteria: Mapped[str | None] = mapped_column(Text)
    mcc: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    amount_rp: Mapped[int | None] = mapped_column(BigInteger)
    registered_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class SpotFile(Base):
    """A file of spots or of posted codes that was taken in: by whom, what it did. Insert-only."""

    __tablename__ = "spot_files"
    __table_args__ = (
        CheckConstraint("kind IN ('spots', 'codes')", name="kind"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("least(rows, added, changed, gone) >= 0", name="counts"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rows: Mapped[int]
    added: Mapped[int]
    changed: Mapped[int]
    gone: Mapped[int]
    who: Mapped[str] = mapped_column(Text)
    taken_at: Mapped[datetime] = mapped_column(Instant)


class SignCheck(Base):
    """What an attendant found a spot's sign to be; `fault` is empty for the right one. Insert-only.

    `told_at` is by the device's clock. `seen` is what was read instead: a merchant, a host.
    """

    __tablename__ = "sign_checks"
    __table_args__ = (
        _of_event(),
        CheckConstraint(one_of("fault", SignFault), name="fault"),
        Index("ix_sign_checks_spot_id_received_at", "spot_id", "received_at"),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    fault: Mapped[str | None] = mapped_column(Text)
    seen: Mapped[dict[str, Any]] = mapped_column(JSONB)
    told_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant)


class SignCase(Base):
    """A spot whose sign was found wrong, with an owner, until an officer says what was done."""

    __tablename__ = "sign_cases"
    __table_args__ = (
        CheckConstraint("num_nulls(closed_by, closed_at, what_was_done) IN (0, 3)", name="closed"),
        CheckConstraint(f"{one_of('fault', SignFault)} OR fault = '{SILENT}'", name="fault"),
        Index(
            "uq_sign_cases_open", "spot_id", unique=True, postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    fault: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    what_was_done: Mapped[str | None] = mapped_column(Text)


class StayCheck(Base):
    """What an inspector asked about a vehicle, and was answered. Insert-only.

    Of a plate nothing is kept here: a check that found a stay names it. `list_age_s` is how old
    the handheld's list was, if it had one. What it could not tell is `unknown`; where a notice was
    found, `noticed`.
    """

    __tablename__ = "stay_checks"
    __table_args__ = (
        _of_event(),
        CheckConstraint(
            "asked_by IN ('plate', 'receipt', 'proof', 'spot', 'notice')", name="asked_by"
        ),
        CheckConstraint(
            "result IN ('live', 'just-expired', 'expired', 'none', 'unknown', 'forged', 'void',"
            " 'noticed')",
            name="result",
        ),
        CheckConstraint("list_age_s >= 0", name="list_age"),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    asked_by: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text)
    stay_id: Mapped[UUID | None] = mapped_column(ForeignKey("parking_sessions.id"))
    list_age_s: Mapped[int | None] = mapped_column(BigInteger)
    told_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant, index=True)


class HeadCount(Base):
    """Vehicles counted in a zone, by class, and how many were recorded there then. Insert-only."""

    __tablename__ = "head_counts"
    __table_args__ = (_of_event(),)

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    counted: Mapped[dict[str, int]] = mapped_column(JSONB)
    recorded: Mapped[dict[str, int]] = mapped_column(JSONB)
    told_at: Mapped[datetime] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Notice(Base):
    """What an inspector left at a vehicle without a valid payment: a record, no fine.

    `plate_masked` is what was printed; it is destroyed with the photos. `receipt_number` is of the
    parking that was paid afterwards, `amount_rp` what the handheld said that the tariff asks.
    """

    __tablename__ = "notices"
    __table_args__ = (
        _of_event(),
        ForeignKeyConstraint(
            ["device_id", "check_seq"], ["stay_checks.device_id", "stay_checks.seq"]
        ),
        UniqueConstraint("device_id", "seq"),
        UniqueConstraint("device_id", "check_seq"),
        CheckConstraint(one_of("state", NoticeState), name="state"),
        CheckConstraint(one_of("finding", Finding), name="finding"),
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint("(state = 'paid') = (receipt_number IS NOT NULL)", name="paid"),
        CheckConstraint(
            "(state IN ('paid', 'withdrawn')) = (settled_at IS NOT NULL)", name="settled"
        ),
        CheckConstraint("destroyed_at IS NULL OR plate_masked IS NULL", name="destroyed"),
        Index(
            "ix_notices_to_destroy",
            "received_at",
            postgresql_where=text("destroyed_at IS NULL AND state <> 'objected'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(Text, unique=True)
    device_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    check_seq: Mapped[int] = mapped_column(BigInteger)
    attendant_id: Mapped[UUID] = mapped_column(ForeignKey("attendants.id"))
    spot_id: Mapped[UUID] = mapped_column(ForeignKey("spots.id"))
    vehicle_class: Mapped[str] = mapped_column(Text)
    plate_masked: Mapped[str | None] = mapped_column(Text)
    finding: Mapped[str] = mapped_column(Text)
    expired_at: Mapped[datetime | None] = mapped_column(Instant)
    amount_rp: Mapped[int | None] = mapped_column(BigInteger)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    object_until: Mapped[date]
    received_at: Mapped[datetime] = mapped_column(Instant, index=True)
    state: Mapped[str] = mapped_column(Text)
    receipt_number: Mapped[str | None] = mapped_column(Text, unique=True)
    settled_at: Mapped[datetime | None] = mapped_column(Instant)
    destroyed_at: Mapped[datetime | None] = mapped_column(Instant)


class NoticePhoto(Base):
    """A photo of a notice, under the hash that its device signed: no other picture fits there.

    `jpeg` is empty before it has arrived, and after it was destroyed.
    """

    __tablename__ = "notice_photos"
    __table_args__ = (
        UniqueConstraint("notice_id", "sha256"),
        CheckConstraint(f"octet_length(jpeg) <= {MOST_PHOTO_BYTES}", name="size"),
        CheckConstraint("encode(sha256(jpeg), 'hex') = sha256", name="the_signed_one"),
    )

    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id"), primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text)
    jpeg: Mapped[bytes | None] = mapped_column(LargeBinary)
    received_at: Mapped[datetime | None] = mapped_column(Instant)


class NoticeChange(Base):
    """Every change of a notice: when, by whom, and why. Insert-only."""

    __tablename__ = "notice_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class EvidenceDestroyed(Base):
    """That the photos and plates of notices over before a moment were destroyed. Insert-only."""

    __tablename__ = "evidence_destroyed"
    __table_args__ = (CheckConstraint("notices >= 0 AND photos >= 0", name="counts"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    destroyed_at: Mapped[datetime] = mapped_column(Instant)
    over_before: Mapped[datetime] = mapped_column(Instant)
    notices: Mapped[int] = mapped_column(BigInteger)
    photos: Mapped[int] = mapped_column(BigInteger)
