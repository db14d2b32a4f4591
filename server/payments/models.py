"""Payments, the charges that collect them, the evidence that money came, and receipts."""

from datetime import date, datetime
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
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from domain.payment import (
    REFUND_UNDECIDED,
    CaseOutcome,
    CaseState,
    ChargeKind,
    ChargeState,
    MoneyFlag,
    PaymentState,
    RefundMethod,
    RefundReason,
    RefundState,
)
from server.database import WRITTEN_IN, Base, Stamped, new_id, one_of

Instant = DateTime(timezone=True)
OWNER = "bendahara penerimaan"
"""Who owns a case or a discrepancy until somebody else takes it up."""

CASH = "cash"
"""What stands in the place of an acquirer where money was taken in cash."""
VOUCHER = "voucher"
"""What stands in the place of an acquirer where a voucher was taken."""


class Payment(Stamped, Base):
    """What is owed for one stay or a part of it, or for a pass; `quote` keeps the lines the driver
    was shown. A pass has no stay, no tariff and no zone of its own.

    A payment that starts its stay has the stay's id; each later one is a further part. The amount
    is what the tariff asks for the stay until `covers_until`, less the `charged_before_rp` of the
    parts before it.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint("charged_before_rp >= 0", name="charged_before"),
        CheckConstraint(one_of("state", PaymentState), name="state"),
        CheckConstraint(
            "num_nonnulls(parking_session_id, pass_order_id) = 1"
            " AND (tariff_id IS NULL) = (parking_session_id IS NULL)"
            " AND (pass_order_id IS NULL OR pass_order_id = id)",
            name="subject",
        ),
        Index("ix_payments_shift_id", "shift_id", postgresql_where=text("shift_id IS NOT NULL")),
        # Nearly all payments start their stay and are found by its id.
        Index(
            "ix_payments_further_parts",
            "parking_session_id",
            postgresql_where=text("parking_session_id <> id"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    parking_session_id: Mapped[UUID | None] = mapped_column(ForeignKey("parking_sessions.id"))
    pass_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("pass_orders.id"))
    tariff_id: Mapped[UUID | None] = mapped_column(ForeignKey("tariffs.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    quote: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    charged_before_rp: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    covers_until: Mapped[datetime | None] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(Instant)


class Charge(Stamped, Base):
    """One attempt to collect a payment; `reference` is our id of it, at the acquirer too.

    Cash and vouchers have no acquirer; their charges name `CASH` or `VOUCHER` instead.
    `next_inquiry_at` is when the acquirer is to be asked again; empty when nothing is to be asked.
    """

    __tablename__ = "charges"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("state", ChargeState), name="state"),
        CheckConstraint(one_of("money_flag", MoneyFlag), name="money_flag"),
        CheckConstraint(one_of("kind", ChargeKind), name="kind"),
        CheckConstraint("(kind = 'cash') = (acquirer = 'cash')", name="cash"),
        CheckConstraint("(kind = 'voucher') = (acquirer = 'voucher')", name="voucher"),
        UniqueConstraint("acquirer", "acquirer_reference"),
        Index(
            "ix_charges_due",
            "next_inquiry_at",
            postgresql_where=text("next_inquiry_at IS NOT NULL"),
        ),
        Index("ix_charges_qris", text("md5(qris)")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    kind: Mapped[str] = mapped_column(Text, default="mpm", server_default="mpm")
    acquirer: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    acquirer_reference: Mapped[str | None] = mapped_column(Text)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    money_flag: Mapped[str | None] = mapped_column(Text)
    qris: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    next_inquiry_at: Mapped[datetime | None] = mapped_column(Instant)


class ToldPart(Base):
    """The stay that cash was taken for which officers booked as a handheld told it.

    The handheld may not have told of the stay yet. The cash is in suspense, and no payment of the
    stay; nobody is asked for it again all the same. Cash for `minutes` has bought the stay
    `covers_until`, once the handheld told of that too.
    """

    __tablename__ = "told_parts"

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), primary_key=True)
    stay_id: Mapped[UUID] = mapped_column(index=True)
    minutes: Mapped[int | None]
    booked_at: Mapped[datetime] = mapped_column(Instant)
    covers_until: Mapped[datetime | None] = mapped_column(Instant)


class PooledCharge(Base):
    """A charge whose barcode was issued ahead, for a handheld that may have no connection later.

    `claimed_at` is when the handheld told that it had shown it to a driver; `claim_hash` is of what
    it told, so that it counts for one driver only.
    """

    __tablename__ = "pooled_charges"
    __table_args__ = (
        CheckConstraint("(claimed_at IS NULL) = (claim_hash IS NULL)", name="claimed"),
        Index("ix_pooled_charges_device_id", "device_id"),
    )

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(Instant)
    claim_hash: Mapped[bytes | None] = mapped_column(LargeBinary)


OLDEST_RUNNING = text("(pg_snapshot_xmin(pg_current_snapshot())::text::bigint)")
"""The default of a column that keeps which transaction was the oldest when a row was written."""


class ChargeChange(Base):
    """Every change of a charge's state: when, from what to what, and why. Insert-only."""

    __tablename__ = "charge_changes"
    __table_args__ = (Index("ix_charge_changes_written_in_id", "written_in", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=WRITTEN_IN)
    oldest_running: Mapped[int] = mapped_column(BigInteger, server_default=OLDEST_RUNNING)


class Notification(Base):
    """What an acquirer sent us, as it came, with what we answered. Insert-only.

    A refused one is the audit row of the refusal; it holds the outcome and the body's hash, and the
    body itself only when its signature was right.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index(
            "uq_notifications_external_id",
            "acquirer",
            "day",
            "external_id",
            unique=True,
            postgresql_where=text("outcome = 'accepted'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    acquirer: Mapped[str] = mapped_column(Text)
    day: Mapped[date]
    external_id: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Instant)
    outcome: Mapped[str] = mapped_column(Text)
    response_code: Mapped[str] = mapped_column(Text)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    signature: Mapped[str | None] = mapped_column(Text)
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"))


class Inquiry(Base):
    """What an acquirer answered when we asked about a charge. Insert-only."""

    __tablename__ = "inquiries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    status: Mapped[str] = mapped_column(Text)
    answer: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Money(Base):
    """Money that verifiably came for us, each arrival once. Insert-only.

    Posted only with evidence: the notification, the inquiry or the settlement line that proves it
    reached the acquirer. For cash it is the shift of the attendant who took it, whose word counts
    against himself only; for a voucher that it ended so, which happens to it once.
    """

    __tablename__ = "money"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("flag", MoneyFlag), name="flag"),
        CheckConstraint(
            "num_nonnulls(notification_id, inquiry_id, settlement_line_id, shift_id,"
            " voucher_serial) = 1",
            name="evidence",
        ),
        CheckConstraint("(acquirer = 'cash') = (shift_id IS NOT NULL)", name="cash"),
        CheckConstraint("(acquirer = 'voucher') = (voucher_serial IS NOT NULL)", name="voucher"),
        UniqueConstraint(
            "acquirer",
            "acquirer_reference",
            "rrn",
            name="uq_money_acquirer_reference",
            postgresql_nulls_not_distinct=True,
        ),
        Index("uq_money_final", "charge_id", unique=True, postgresql_where=text("flag = 'exact'")),
        Index("ix_money_shift_id", "shift_id", postgresql_where=text("shift_id IS NOT NULL")),
        Index("ix_money_business_day_id", "business_day", "id"),
        Index("ix_money_held", "business_day", "id", postgresql_where=text("flag <> 'exact'")),
        Index("ix_money_rrn", "rrn", postgresql_where=text("rrn IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), index=True)
    acquirer: Mapped[str] = mapped_column(Text)
    acquirer_reference: Mapped[str] = mapped_column(Text)
    rrn: Mapped[str | None] = mapped_column(Text)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    flag: Mapped[str] = mapped_column(Text)
    paid_at: Mapped[datetime] = mapped_column(Instant)
    business_day: Mapped[date]
    notification_id: Mapped[UUID | None] = mapped_column(ForeignKey("notifications.id"))
    inquiry_id: Mapped[UUID | None] = mapped_column(ForeignKey("inquiries.id"))
    settlement_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("settlement_lines.id"))
    shift_id: Mapped[UUID | None] = mapped_column(ForeignKey("shifts.id"))
    voucher_serial: Mapped[str | None] = mapped_column(
        ForeignKey("voucher_ends.serial"), unique=True
    )
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)


class Case(Base):
    """Something about money that people must decide, or a later file explain: whose, since when.

    It is about one thing: money that did not fit its charge, a settlement line or a bank movement
    nobody knew, a refund that was refused or is in doubt, a charge whose proof was taken twice, or
    a voucher that was taken offline and then refused. `amount_rp` is what went into suspense,
    negative where it went out; of a charge it is what it is for, of a voucher what it was worth.
    `claims_rp` of it paid what we claimed of an acquirer's fee.
    People propose and decide an outcome; `entry_id` is what they had posted, as long as it stands,
    and `posted_as` the outcome that it was posted for. `pays` is the batch or slip whose money they
    say a movement is, or the id of the case whose stray money it sends back.
    """

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint("amount_rp <> 0", name="amount"),
        CheckConstraint("claims_rp = 0 OR claims_rp BETWEEN 0 AND amount_rp", name="claims"),
        CheckConstraint(one_of("state", CaseState), name="state"),
        CheckConstraint(one_of("outcome", CaseOutcome), name="outcome"),
        CheckConstraint(
            "proposed_outcome IN ('recognised', 'matched', 'other_income', 'given_back',"
            " 'sent_back', 'kept', 'not_made', 'clarified', 'taken_back')",
            name="proposed_outcome",
        ),
        CheckConstraint(
            "num_nonnulls(money_id, settlement_line_id, statement_line_id, refund_id, charge_id,"
            " voucher_refusal_id) = 1",
            name="subject",
        ),
        CheckConstraint("proposed_by <> decided_by", name="maker_checker"),
        CheckConstraint(
            "state <> 'proposed'"
            " OR num_nulls(proposed_outcome, proposed_by, proposed_at, reason) = 0",
            name="proposed",
        ),
        CheckConstraint(
            "(state = 'closed') = (outcome IS NOT NULL)"
            " AND (state = 'closed') = (closed_at IS NOT NULL)",
            name="closed",
        ),
        CheckConstraint(
            "outcome NOT IN ('recognised', 'matched', 'other_income', 'given_back', 'sent_back',"
            " 'kept', 'not_made', 'clarified')"
            " OR (num_nulls(proposed_by, decided_by) = 0"
            " AND outcome IS NOT DISTINCT FROM proposed_outcome)",
            name="decided",
        ),
        CheckConstraint(
            "outcome NOT IN ('recognised', 'matched', 'other_income', 'given_back', 'sent_back')"
            " OR outcome IS NOT DISTINCT FROM posted_as",
            name="entry",
        ),
        CheckConstraint("(entry_id IS NULL) = (posted_as IS NULL)", name="posted_as"),
        CheckConstraint(
            "pays IS NOT NULL OR (coalesce(posted_as, '') NOT IN ('matched', 'sent_back')"
            " AND (state <> 'proposed' OR proposed_outcome NOT IN ('matched', 'sent_back')))",
            name="pays",
        ),
        CheckConstraint("outcome <> 'taken_back'", name="taken_back"),
        UniqueConstraint("refund_id", "kind"),
        UniqueConstraint("charge_id", "kind"),
        Index(
            "uq_cases_sent_back",
            "pays",
            unique=True,
            postgresql_where=text("posted_as = 'sent_back'"),
        ),
        Index("ix_cases_waiting", "opened_at", postgresql_where=text("state <> 'closed'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    money_id: Mapped[UUID | None] = mapped_column(ForeignKey("money.id"), unique=True)
    settlement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("settlement_lines.id"), unique=True
    )
    statement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("statement_lines.id"), unique=True
    )
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refunds.id"))
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"))
    voucher_refusal_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("voucher_refusals.id"), unique=True
    )
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    claims_rp: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text, default=CaseState.OPEN.value)
    proposed_outcome: Mapped[str | None] = mapped_column(Text)
    zone_id: Mapped[UUID | None] = mapped_column(ForeignKey("zones.id"))
    reason: Mapped[str | None] = mapped_column(Text)
    proposed_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    proposed_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    outcome: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    posted_as: Mapped[str | None] = mapped_column(Text)
    pays: Mapped[str | None] = mapped_column(Text)


class CaseChange(Base):
    """Every change of a case's state: when, from what to what, by whom, and why. Insert-only."""

    __tablename__ = "case_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class Refund(Base):
    """Money of one arrival given back, wholly or in part; asked for by one officer, decided by
    another.

    `number` is for people and never missing in its series; `reference` is our id at the acquirer,
    the same however often it is asked. `next_inquiry_at` is when the acquirer is to be asked what
    became of it. `due_entry_id` was posted at approval, `done_entry_id` when the money went back,
    `reversal_entry_id` when the acquirer refused.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("state", RefundState), name="state"),
        CheckConstraint(one_of("reason", RefundReason), name="reason"),
        CheckConstraint(one_of("method", RefundMethod), name="method"),
        CheckConstraint("requested_by <> decided_by", name="maker_checker"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        CheckConstraint(
            "(state IN ('requested', 'rejected')) = (due_entry_id IS NULL)"
            " AND (state = 'done') = (done_entry_id IS NOT NULL)"
            " AND (state = 'refused') = (reversal_entry_id IS NOT NULL)",
            name="entries",
        ),
        CheckConstraint(
            "state <> 'done' OR (num_nulls(refunded_at, business_day) = 0 AND CASE method"
            " WHEN 'acquirer'"
            " THEN num_nonnulls(acquirer_refund_number, inquiry_id, settlement_line_id) > 0"
            " ELSE num_nulls(transfer_reference, transferred_on, proof_id) = 0 END)",
            name="evidence",
        ),
        UniqueConstraint("series", "sequence"),
        UniqueConstraint("acquirer", "acquirer_refund_number"),
        Index(
            "uq_refunds_undecided",
            "money_id",
            unique=True,
            postgresql_where=text(
                f"state IN ({', '.join(sorted(repr(s.value) for s in REFUND_UNDECIDED))})"
            ),
        ),
        Index(
            "ix_refunds_due",
            "next_inquiry_at",
            postgresql_where=text("next_inquiry_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(Text, unique=True)
    series: Mapped[str] = mapped_column(ForeignKey("receipt_series.series"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), index=True)
    money_id: Mapped[UUID] = mapped_column(ForeignKey("money.id"), index=True)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    explanation: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    from_suspense: Mapped[bool] = mapped_column(default=False)
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    requested_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    acquirer: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    acquirer_refund_number: Mapped[str | None] = mapped_column(Text)
    next_inquiry_at: Mapped[datetime | None] = mapped_column(Instant)
    inquiry_id: Mapped[UUID | None] = mapped_column(ForeignKey("inquiries.id"))
    settlement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("settlement_lines.id"), unique=True
    )
    transfer_reference: Mapped[str | None] = mapped_column(Text)
    transferred_on: Mapped[date | None]
    proof_id: Mapped[UUID | None] = mapped_column(ForeignKey("refund_proofs.id"), unique=True)
    statement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("statement_lines.id"), unique=True
    )
    refunded_at: Mapped[datetime | None] = mapped_column(Instant)
    business_day: Mapped[date | None] = mapped_column(index=True)
    due_entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    done_entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    reversal_entry_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("ledger_entries.id"), unique=True
    )


class RefundChange(Base):
    """Every change of a refund's state: when, from what to what, by whom, and why. Insert-only."""

    __tablename__ = "refund_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    refund_id: Mapped[UUID] = mapped_column(ForeignKey("refunds.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class RefundProof(Base):
    """What an officer uploaded as proof of a transfer, as it came. Insert-only."""

    __tablename__ = "refund_proofs"
    __table_args__ = (CheckConstraint("octet_length(content) <= 1000000", name="size"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    media_type: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    uploaded_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    uploaded_at: Mapped[datetime] = mapped_column(Instant)


class RefundReceipt(Stamped, Base):
    """Proof of a refund given to the driver, under the refund's number. Insert-only."""

    __tablename__ = "refund_receipts"

    refund_id: Mapped[UUID] = mapped_column(ForeignKey("refunds.id"), primary_key=True)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ReceiptSeries(Base):
    """The last number given out in a zone's year; its row lock keeps the series without gaps."""

    __tablename__ = "receipt_series"

    series: Mapped[str] = mapped_column(Text, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class Receipt(Base):
    """Proof given to the driver; `facts` is all a printed or shown receipt says. Insert-only."""

    __tablename__ = "receipts"
    __table_args__ = (
        UniqueConstraint("series", "sequence"),
        Index("ix_receipts_written_in_number", "written_in", "number"),
    )

    number: Mapped[str] = mapped_column(Text, primary_key=True)
    series: Mapped[str] = mapped_column(ForeignKey("receipt_series.series"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), unique=True)
    money_id: Mapped[UUID] = mapped_column(ForeignKey("money.id"), unique=True)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=WRITTEN_IN)
