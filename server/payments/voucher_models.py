"""Vouchers: the batches handed to sellers, how each voucher ended, and those refused too late."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base
from server.payments.models import Instant


class VoucherBatch(Base):
    """Vouchers handed to one seller, who owes their value. Insert-only.

    A voucher has no row of its own: its text says what it is, and `voucher_ends` that it is spent.
    """

    __tablename__ = "voucher_batches"
    __table_args__ = (
        CheckConstraint("number BETWEEN 1 AND 9999", name="number"),
        CheckConstraint("count BETWEEN 1 AND 10000", name="count"),
        CheckConstraint("value_rp > 0", name="value"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seller: Mapped[str] = mapped_column(Text)
    count: Mapped[int]
    value_rp: Mapped[int] = mapped_column(BigInteger)
    vehicle_class: Mapped[str | None] = mapped_column(Text)
    valid_until: Mapped[date]
    issued_by: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)


class VoucherEnd(Base):
    """How a voucher ended, which it does once: it paid a charge, or was voided. Insert-only."""

    __tablename__ = "voucher_ends"
    __table_args__ = (CheckConstraint("num_nonnulls(charge_id, why) = 1", name="how"),)

    serial: Mapped[str] = mapped_column(Text, primary_key=True)
    batch: Mapped[int] = mapped_column(ForeignKey("voucher_batches.number"), index=True)
    ended_at: Mapped[datetime] = mapped_column(Instant)
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"), unique=True)
    why: Mapped[str | None] = mapped_column(Text)


class VoucherRefusal(Base):
    """A voucher that a handheld took offline and the office then refused. Insert-only.

    `id` is that of the charge that was asked for; its case says what it was worth.
    """

    __tablename__ = "voucher_refusals"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    serial: Mapped[str] = mapped_column(Text)
    spot_code: Mapped[str] = mapped_column(Text)
    vehicle_class: Mapped[str] = mapped_column(Text)
    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    taken_at: Mapped[datetime] = mapped_column(Instant)
    refused_at: Mapped[datetime] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(Text)
