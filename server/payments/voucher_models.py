"""Vouchers: the batches handed to sellers, how each voucher ended, and those refused too late."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.tariff import VehicleClass
from server.database import Base, Stamped, new_id, one_of
from server.payments.models import Instant
from server.spots.states import ProposalState


class VoucherAct(StrEnum):
    ISSUE = "issue"
    VOID = "void"


class VoucherProposal(Base):
    """That a batch is issued, or vouchers of one are voided: one officer asks, another decides.

    Of an issue the terms stand here, and `batch` once it was approved; of a voiding the batch and
    the range of its vouchers. `why` is the word of who decided.
    """

    __tablename__ = "voucher_proposals"
    __table_args__ = (
        CheckConstraint(one_of("act", VoucherAct), name="act"),
        CheckConstraint(one_of("state", ProposalState), name="state"),
        CheckConstraint(
            "num_nonnulls(seller, count, value_rp, valid_until)"
            " = CASE act WHEN 'issue' THEN 4 ELSE 0 END"
            " AND num_nonnulls(first_number, last_number) = CASE act WHEN 'void' THEN 2 ELSE 0 END"
            " AND (act = 'issue' OR vehicle_class IS NULL)",
            name="terms",
        ),
        CheckConstraint(one_of("vehicle_class", VehicleClass), name="vehicle_class"),
        CheckConstraint("count BETWEEN 1 AND 10000 AND value_rp > 0", name="amount"),
        CheckConstraint("first_number BETWEEN 1 AND last_number", name="range"),
        CheckConstraint("(batch IS NULL) = (act = 'issue' AND state <> 'approved')", name="batch"),
        CheckConstraint("(proposed_by = decided_by) = (state = 'withdrawn')", name="maker_checker"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        Index(
            "uq_voucher_proposals_issued",
            "batch",
            unique=True,
            postgresql_where=text("act = 'issue'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    act: Mapped[str] = mapped_column(Text)
    seller: Mapped[str | None] = mapped_column(Text)
    count: Mapped[int | None]
    value_rp: Mapped[int | None] = mapped_column(BigInteger)
    vehicle_class: Mapped[str | None] = mapped_column(Text)
    valid_until: Mapped[date | None]
    # At the transaction's end, as the batch's own trigger looks for its proposal first.
    batch: Mapped[int | None] = mapped_column(
        ForeignKey("voucher_batches.number", deferrable=True, initially="DEFERRED")
    )
    first_number: Mapped[int | None]
    last_number: Mapped[int | None]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")


class VoucherBatch(Base):
    """Vouchers handed to one seller, who owes their value, as two officers agreed. Insert-only.

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


class VoucherEnd(Stamped, Base):
    """How a voucher ended, which it does once: it paid a charge, or was voided. Insert-only."""

    __tablename__ = "voucher_ends"
    __table_args__ = (CheckConstraint("num_nonnulls(charge_id, why) = 1", name="how"),)

    serial: Mapped[str] = mapped_column(Text, primary_key=True)
    batch: Mapped[int] = mapped_column(ForeignKey("voucher_batches.number"), index=True)
    ended_at: Mapped[datetime] = mapped_column(Instant)
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"), unique=True)
    why: Mapped[str | None] = mapped_column(Text)


class VoucherRefusal(Stamped, Base):
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
