"""What the acquirer and the bank say of the money, and where it differs from our books."""

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
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.payment import CaseState
from server.database import Base, Stamped, new_id, one_of
from server.reconciliation.states import LIVE, CloseState, RemittanceState
from server.spots.states import ProposalState

Instant = DateTime(timezone=True)


class ImportedFile(Base):
    """What an acquirer or a bank sent, kept as it came; its hash makes a repeat harmless."""

    __tablename__ = "imported_files"
    __table_args__ = (
        CheckConstraint("kind IN ('settlement', 'statement', 'payout')", name="kind"),
        CheckConstraint("octet_length(mapping_sha256) = 32", name="mapping_sha256"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    imported_at: Mapped[datetime] = mapped_column(Instant)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    imported_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    """Who took it in on the office's page; nobody where a command did."""
    mapping: Mapped[str | None] = mapped_column(Text)
    """By which mapping it was read, or of which form it is that needs none."""
    mapping_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Which version of the mapping: the SHA-256 of what it said."""


class _Settled:
    """What an acquirer tells of one payment: gross, fee (MDR), taxes on the fee, and net.

    Some tell no reference of their own, but ours (`reference`, else empty) or the RRN alone.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("imported_files.id"), index=True)
    line_number: Mapped[int]
    acquirer: Mapped[str] = mapped_column(Text)
    batch_id: Mapped[str] = mapped_column(Text)
    settlement_date: Mapped[date] = mapped_column(index=True)
    paid_at: Mapped[datetime] = mapped_column(Instant, index=True)
    reference: Mapped[str] = mapped_column(Text)
    acquirer_reference: Mapped[str | None] = mapped_column(Text)
    rrn: Mapped[str | None] = mapped_column(Text)
    gross_rp: Mapped[int] = mapped_column(BigInteger)
    mdr_rp: Mapped[int] = mapped_column(BigInteger)
    net_rp: Mapped[int] = mapped_column(BigInteger)
    vat_rp: Mapped[int] = mapped_column(BigInteger, server_default="0")
    withheld_rp: Mapped[int] = mapped_column(BigInteger, server_default="0")


KEY = ("acquirer", "acquirer_reference", "rrn", text("(gross_rp < 0)"))
KEY_WITHOUT = ("acquirer", "reference", "rrn", "paid_at", text("(gross_rp < 0)"))
"""Of lines without the acquirer's reference."""


def _each_once(
    table: str, *key: str, where: str = ""
) -> tuple[CheckConstraint, CheckConstraint, Index, Index]:
    """Net is what is left of gross, and a line of an acquirer stands once."""

    def once(name: str, columns: tuple[Any, ...], has: str) -> Index:
        return Index(
            f"uq_{table}_{name}",
            *columns,
            *key,
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text(f"acquirer_reference IS {has}{where}"),
        )

    return (
        CheckConstraint("gross_rp - mdr_rp - vat_rp - withheld_rp = net_rp", name="net"),
        CheckConstraint(
            "num_nonnulls(acquirer_reference, nullif(reference, ''), rrn) > 0", name="whose"
        ),
        once("acquirer_reference", KEY, "NOT NULL"),
        once("reference", KEY_WITHOUT, "NULL"),
    )


class SettlementLine(_Settled, Base):
    """One payment as the acquirer settled it. Insert-only.

    What it told wrongly at first is taken back by a line of the same amounts with the other sign,
    and told again by one of the next `version`, the first of which is 2. A sum of all lines is what
    they come to.
    """

    __tablename__ = "settlement_lines"
    __table_args__ = (
        *_each_once("settlement_lines", "version", where=" AND takes_back_id IS NULL"),
        # Of the few that are there: of all others none is looked for.
        Index(
            "uq_settlement_lines_takes_back_id",
            "takes_back_id",
            unique=True,
            postgresql_where=text("takes_back_id IS NOT NULL"),
        ),
    )

    version: Mapped[int | None] = mapped_column(SmallInteger)
    takes_back_id: Mapped[UUID | None] = mapped_column(ForeignKey("settlement_lines.id"))


class SettlementCorrection(Base):
    """A file that tells some lines otherwise than an earlier one: one officer asks that it counts,
    and another decides. `lines` is what it changes, each with before and after.
    """

    __tablename__ = "settlement_corrections"
    __table_args__ = (
        CheckConstraint(one_of("state", ProposalState), name="state"),
        CheckConstraint("(asked_by = decided_by) = (state = 'withdrawn')", name="maker_checker"),
        CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        Index(
            "uq_settlement_corrections_waiting",
            "sha256",
            unique=True,
            postgresql_where=text("state = 'requested'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    acquirer: Mapped[str] = mapped_column(Text)
    mapping: Mapped[str] = mapped_column(Text)
    """The name it was read by; empty for the one of the settings."""
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
    """The word of who decided."""


class HeldLine(_Settled, Base):
    """One payment that the acquirer told of and holds back, until a line settles it. Insert-only.

    It is in no entry of the ledger: what is held is still owed by the acquirer.
    """

    __tablename__ = "held_lines"
    __table_args__ = _each_once("held_lines")


class UnsettledLine(_Settled, Base):
    """One payment whose outcome the network told nobody (response code 68). Insert-only.

    It settles nothing and is in no entry of the ledger.
    """

    __tablename__ = "unsettled_lines"
    __table_args__ = _each_once("unsettled_lines")


class MatchingRule(Stamped, Base):
    """The `matching.Tolerances` from a day on, until the next one's. Insert-only.

    `working_days` is empty, not false, in rules that count every day: as in those made before it.
    """

    __tablename__ = "matching_rules"
    __table_args__ = (
        CheckConstraint("fee_rounding_rp BETWEEN 0 AND 1000", name="fee_rounding"),
        CheckConstraint("late_after_days BETWEEN 0 AND 31", name="late_after"),
        CheckConstraint("heard_within_days BETWEEN 0 AND 3", name="heard_within"),
    )

    valid_from: Mapped[date] = mapped_column(primary_key=True)
    fee_rounding_rp: Mapped[int]
    late_after_days: Mapped[int]
    heard_within_days: Mapped[int]
    working_days: Mapped[bool | None]
    regulation: Mapped[str] = mapped_column(Text)


class StatementLine(Base):
    """One credit or debit on an account of the regency; credits positive.

    `ledger_account` is empty on the collecting account, where each movement is posted. Of the
    regency's own account (RKUD) only what is money of ours is.
    """

    __tablename__ = "statement_lines"
    __table_args__ = (
        UniqueConstraint("account", "statement_reference", "line_number"),
        CheckConstraint("form IN ('mt940', 'camt053', 'table')", name="form"),
        CheckConstraint("ledger_account = '1100'", name="ledger_account"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("imported_files.id"), index=True)
    line_number: Mapped[int]
    account: Mapped[str] = mapped_column(Text)
    statement_reference: Mapped[str] = mapped_column(Text)
    value_date: Mapped[date] = mapped_column(index=True)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    narrative: Mapped[str] = mapped_column(Text)
    form: Mapped[str] = mapped_column(Text, server_default="mt940")
    ledger_account: Mapped[str | None] = mapped_column(Text)


class StatementBalance(Stamped, Base):
    """What the collecting account held before and after one statement. Insert-only."""

    __tablename__ = "statement_balances"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("imported_files.id"), index=True)
    account: Mapped[str] = mapped_column(Text)
    opened_on: Mapped[date] = mapped_column(index=True)
    opening_rp: Mapped[int] = mapped_column(BigInteger)
    closed_on: Mapped[date]
    closing_rp: Mapped[int] = mapped_column(BigInteger)


class ClearedMovement(Stamped, Base):
    """The batch, slip, run of shares or STS whose money a movement is, by its name. Insert-only.

    A narrative may name several, and what is awaited changes: the books keep which was chosen.
    """

    __tablename__ = "cleared_movements"

    statement_line_id: Mapped[UUID] = mapped_column(
        ForeignKey("statement_lines.id"), primary_key=True
    )
    name: Mapped[str] = mapped_column(Text)


class CashDeposit(Base):
    """Cash an attendant has paid in, by the bank slip that proves it. Insert-only.

    Its place in a `series` numbers the receipt (TBP) that the office gives of it.

    One slip may hold the cash of several attendants, each once. Others pay in too: `payer` is a
    seller of vouchers, or the serial of the pass that was paid for.
    """

    __tablename__ = "cash_deposits"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint("num_nonnulls(attendant_id, payer) = 1", name="payer"),
        UniqueConstraint("reference", "attendant_id"),
        UniqueConstraint("reference", "payer"),
        UniqueConstraint("series", "sequence"),
        CheckConstraint("(series IS NULL) = (sequence IS NULL)", name="number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    attendant_id: Mapped[UUID | None] = mapped_column(ForeignKey("attendants.id"))
    payer: Mapped[str | None] = mapped_column(Text)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str] = mapped_column(Text)
    deposited_on: Mapped[date] = mapped_column(index=True)
    received_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    series: Mapped[str | None] = mapped_column(ForeignKey("receipt_series.series"))
    sequence: Mapped[int | None] = mapped_column(BigInteger)


class Remittance(Base):
    """A deposit of the office to the regency's account, by an STS; made by one officer, approved
    by another.

    `number` is never missing in its year, also of one that was declined. A `direct` one is a paper
    over money that acquirers paid into the regency's account themselves: it moves nothing.
    `confirmed_on` is when the whole sum had come there, as that account's statement says.
    """

    __tablename__ = "remittances"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("state", RemittanceState), name="state"),
        CheckConstraint("prepared_by <> decided_by", name="maker_checker"),
        CheckConstraint(
            "(state = 'prepared') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        CheckConstraint(
            "(NOT direct AND state IN ('approved', 'seen')) = (entry_id IS NOT NULL)"
            " AND (state = 'seen') = (statement_line_id IS NOT NULL)"
            " AND (confirmed_on IS NULL OR state IN ('approved', 'seen'))",
            name="evidence",
        ),
        UniqueConstraint("series", "sequence"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(Text, unique=True)
    series: Mapped[str] = mapped_column(ForeignKey("receipt_series.series"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    prepared_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    prepared_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    statement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("statement_lines.id"), unique=True
    )
    confirmed_on: Mapped[date | None]
    direct: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    sources: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, server_default=text("'[]'"), default=list
    )
    """Where each day's part of it came from, as it was when it was made; empty for older ones."""


class RemittedDay(Stamped, Base):
    """How much of a remittance came on a business day. Insert-only."""

    __tablename__ = "remitted_days"
    __table_args__ = (CheckConstraint("amount_rp <> 0", name="amount"),)

    remittance_id: Mapped[UUID] = mapped_column(ForeignKey("remittances.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    amount_rp: Mapped[int] = mapped_column(BigInteger)


class Discrepancy(Base):
    """A difference people must explain; `subject` names the line it is about, once per kind.

    Two acquirers may give the same, so of a line `acquirer` says whose; of a movement it is empty.

    It is closed by the books once both sides agree, or by two officers with an `outcome`;
    `entry_id` is what they had posted, as long as it stands.
    """

    __tablename__ = "discrepancies"
    __table_args__ = (
        CheckConstraint(one_of("state", CaseState), name="state"),
        CheckConstraint(
            "outcome IN ('accepted', 'claimed', 'explained', 'written_off')", name="outcome"
        ),
        CheckConstraint("outcome IS NULL OR state = 'closed'", name="decided"),
        CheckConstraint(
            "outcome IS NULL OR (outcome IN ('claimed', 'written_off')) = (entry_id IS NOT NULL)",
            name="entry",
        ),
        UniqueConstraint("kind", "subject", "acquirer"),
        Index("ix_discrepancies_waiting", "opened_at", postgresql_where=text("state <> 'closed'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    acquirer: Mapped[str] = mapped_column(Text, server_default="")
    business_day: Mapped[date] = mapped_column(index=True)
    difference_rp: Mapped[int] = mapped_column(BigInteger)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text, default=CaseState.OPEN.value)
    outcome: Mapped[str | None] = mapped_column(Text)
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)


class FeeClaim(Base):
    """What two officers claim of an acquirer's fee, until it is paid, refused or withdrawn.

    `entry_id` posted the claim and `ended_entry_id` its end, as long as that stands. What pays it
    is money in suspense, whose `case_id` it is, or a settlement line that gives the fee back.
    """

    __tablename__ = "fee_claims"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("state", CaseState), name="state"),
        CheckConstraint("outcome IN ('paid', 'refused', 'withdrawn')", name="outcome"),
        CheckConstraint("(outcome IS NOT NULL) = (state = 'closed')", name="decided"),
        CheckConstraint(
            "outcome IS NULL OR (outcome IN ('paid', 'refused')) = (ended_entry_id IS NOT NULL)",
            name="entry",
        ),
        CheckConstraint(
            "num_nonnulls(case_id, settlement_line_id) <= 1"
            " AND (outcome <> 'paid' OR num_nonnulls(case_id, settlement_line_id) = 1)",
            name="evidence",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    discrepancy_id: Mapped[UUID] = mapped_column(ForeignKey("discrepancies.id"), index=True)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text, default=CaseState.OPEN.value)
    outcome: Mapped[str | None] = mapped_column(Text)
    ended_entry_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("ledger_entries.id"), unique=True
    )
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"), index=True)
    settlement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("settlement_lines.id"), index=True
    )


class TransferCase(Base):
    """A transfer of the office that went wrong, until it is mended or two officers explain it.

    `detail` says how; `amount_rp` is what did not leave or arrive, what the bank did not answer,
    what came less (negative) or more, what left beyond what was paid, or what moved on the
    regency's account under the name of a batch that does not await it.
    """

    __tablename__ = "transfer_cases"
    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(payout_line_id, payout_run_id, refund_id, remittance_id,"
            " statement_line_id) = 1"
            " AND CASE detail WHEN 'payout-failed' THEN payout_line_id IS NOT NULL"
            " WHEN 'payout-not-seen' THEN payout_run_id IS NOT NULL"
            " WHEN 'payout-differs' THEN payout_run_id IS NOT NULL"
            " WHEN 'payout-unanswered' THEN payout_run_id IS NOT NULL"
            " WHEN 'refund-not-seen' THEN refund_id IS NOT NULL"
            " WHEN 'rkud-not-awaited' THEN statement_line_id IS NOT NULL"
            " ELSE detail IN ('sts-not-seen', 'sts-unconfirmed', 'sts-differs')"
            " AND remittance_id IS NOT NULL END",
            name="detail",
        ),
        CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)"
            " AND (closed_at IS NULL) = (what_was_done IS NULL)",
            name="closed",
        ),
        UniqueConstraint("remittance_id", "detail", "amount_rp"),
        UniqueConstraint("payout_run_id", "detail", "amount_rp"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    detail: Mapped[str] = mapped_column(Text)
    payout_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("payout_lines.id"), unique=True)
    payout_run_id: Mapped[UUID | None] = mapped_column(ForeignKey("payout_runs.id"))
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
    remittance_id: Mapped[UUID | None] = mapped_column(ForeignKey("remittances.id"))
    statement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("statement_lines.id"), unique=True
    )
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    what_was_done: Mapped[str | None] = mapped_column(Text)


class Reconciliation(Base):
    """That a business day was compared, and how many differences it showed then. Insert-only.

    `matched` is what agreed then, and how: lines by reason and confidence, and each payout.
    `expected` sums up what was not due yet. Empty where that was not kept yet.
    """

    __tablename__ = "reconciliations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    business_day: Mapped[date] = mapped_column(index=True)
    ran_at: Mapped[datetime] = mapped_column(Instant)
    difference_count: Mapped[int]
    matched: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    expected: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))


class DayClose(Base):
    """One close of a business day: `snapshot` is what the books said, and never changes.

    A day that was reopened is closed again under the next number. Number 0 stands for a day that
    one officer closed alone.
    """

    __tablename__ = "day_closes"
    __table_args__ = (
        UniqueConstraint("day", "number"),
        CheckConstraint("number >= 0", name="number"),
        CheckConstraint(one_of("state", CloseState), name="state"),
        CheckConstraint("prepared_by <> decided_by", name="maker_checker"),
        CheckConstraint("reopening_by <> reopened_by", name="reopening_maker_checker"),
        CheckConstraint(
            "number = 0 OR (state = 'prepared') = (decided_by IS NULL)", name="decided"
        ),
        CheckConstraint(
            "(state <> 'reopening' OR reopening_by IS NOT NULL)"
            " AND (state = 'reopened') = (reopened_by IS NOT NULL)",
            name="reopened",
        ),
        Index(
            "uq_day_closes_live",
            "day",
            unique=True,
            postgresql_where=text(f"state IN ({', '.join(sorted(repr(s.value) for s in LIVE))})"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    day: Mapped[date]
    number: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    prepared_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    prepared_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    reopening_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    reopened_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))


class DayCloseChange(Base):
    """One change of a close: when, from what to what, by whom, and why. Insert-only."""

    __tablename__ = "day_close_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    close_id: Mapped[UUID] = mapped_column(ForeignKey("day_closes.id"), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    state_before: Mapped[str] = mapped_column(Text)
    state_after: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)


class ClosedDay(Base):
    """A day that one officer closed alone; day_closes has it too, as number 0. Insert-only."""

    __tablename__ = "closed_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    closed_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    closed_at: Mapped[datetime] = mapped_column(Instant)
    totals: Mapped[dict[str, Any]] = mapped_column(JSONB)
