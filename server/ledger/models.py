"""Double entry, insert-only. The database refuses an entry that does not sum to zero at commit."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base


class Account(Base):
    __tablename__ = "ledger_accounts"
    __table_args__ = (
        CheckConstraint("kind IN ('asset', 'liability', 'revenue', 'expense')", name="kind"),
    )

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)


class Entry(Base):
    """`source` names the one fact this entry records, so that no fact is recorded twice."""

    __tablename__ = "ledger_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    business_day: Mapped[date] = mapped_column(index=True)
    description: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text, unique=True)


class Posting(Base):
    """One leg of an entry: debit positive, credit negative, whole rupiah."""

    __tablename__ = "ledger_postings"
    __table_args__ = (CheckConstraint("amount_rp <> 0", name="amount"),)

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entries.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    account_code: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.code"), index=True)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
