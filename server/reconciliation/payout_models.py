"""Shares paid out: where the payees' money goes, runs, and what became of each line of one."""

from datetime import date, datetime
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
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base, new_id, one_of
from server.reconciliation.states import LineState, RunState

Instant = DateTime(timezone=True)


class PayeeAccount(Base):
    """The bank account of a party that is owed shares. Insert-only.

    The newest that another officer agreed to holds; one that was never decided gets no money.

    The number is `sealed`, but for its `ending`.
    """

    __tablename__ = "payee_accounts"
    __table_args__ = (
        CheckConstraint("account_code IN ('2120', '2130')", name="account_code"),
        Index("ix_payee_accounts_party", "account_code", "party"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_code: Mapped[str] = mapped_column(Text)
    party: Mapped[str] = mapped_column(Text)
    bank: Mapped[str] = mapped_column(Text)
    holder: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    ending: Mapped[str] = mapped_column(Text)
    recorded_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class PayeeDecision(Base):
    """What another officer than who recorded an account said of it. Insert-only."""

    __tablename__ = "payee_decisions"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("payee_accounts.id"), primary_key=True)
    agreed: Mapped[bool]
    why: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime] = mapped_column(Instant)


class PayoutRun(Base):
    """What is paid of shares earned until a day; made by one officer, approved by another."""

    __tablename__ = "payout_runs"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("state", RunState), name="state"),
        CheckConstraint("prepared_by <> decided_by", name="maker_checker"),
        CheckConstraint(
            "(state = 'prepared') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        UniqueConstraint("series", "sequence"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(Text, unique=True)
    series: Mapped[str] = mapped_column(ForeignKey("receipt_series.series"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[date]
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    prepared_by: Mapped[UUID] = mapped_column(ForeignKey("officers.id"))
    prepared_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
    statement_line_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("statement_lines.id"), unique=True
    )


class PayoutLine(Base):
    """One payee's part of a run; paid or failed as the bank said, which `evidence` names."""

    __tablename__ = "payout_lines"
    __table_args__ = (
        CheckConstraint("amount_rp > 0", name="amount"),
        CheckConstraint(one_of("state", LineState), name="state"),
        CheckConstraint(
            "(state IN ('paid', 'failed')) = (num_nonnulls(told_by, result_file_id) > 0)"
            " AND (state IN ('paid', 'failed')) = (evidence <> '')"
            " AND (state = 'paid') = (entry_id IS NOT NULL)",
            name="evidence",
        ),
        UniqueConstraint("run_id", "position"),
        Index(
            "uq_payout_lines_waiting",
            "account_code",
            "party",
            unique=True,
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("payout_runs.id"))
    position: Mapped[int]
    account_code: Mapped[str] = mapped_column(Text)
    party: Mapped[str] = mapped_column(Text)
    payee_account_id: Mapped[UUID] = mapped_column(ForeignKey("payee_accounts.id"))
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    evidence: Mapped[str] = mapped_column(Text, default="")
    told_by: Mapped[UUID | None] = mapped_column(ForeignKey("officers.id"))
    told_at: Mapped[datetime | None] = mapped_column(Instant)
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    result_file_id: Mapped[UUID | None] = mapped_column(ForeignKey("imported_files.id"))
    """The bank's file that said so; nobody's, where an officer did."""
