"""Double entry, insert-only. The database refuses an entry that does not sum to zero at commit."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import text

from server.database import Base, Stamped, new_id


class Account(Base):
    __tablename__ = "ledger_accounts"
    __table_args__ = (
        CheckConstraint("kind IN ('asset', 'liability', 'revenue', 'expense')", name="kind"),
    )

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)


class Entry(Base):
    """`source` names the one fact this entry records, so that no fact is recorded twice.

    `legs` is how many postings it has; the database refuses any beyond them.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("legs >= 2", name="legs"),
        # Rows come in the order of time: what came when is found by blocks, and costs no insert.
        Index("ix_ledger_entries_recorded_at", "recorded_at", postgresql_using="brin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    business_day: Mapped[date] = mapped_column(index=True)
    description: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text, unique=True)
    legs: Mapped[int]


class Posting(Base):
    """One leg of an entry: debit positive, credit negative, whole rupiah.

    `party` is the key within the subsidiary ledger of an account that is owed by or to many.
    """

    __tablename__ = "ledger_postings"
    __table_args__ = (
        CheckConstraint("amount_rp <> 0", name="amount"),
        CheckConstraint("line > 0", name="line"),
        CheckConstraint(
            "(account_code IN ('1140', '1170', '2120', '2130')) = (party IS NOT NULL)", name="party"
        ),
        Index(
            "ix_ledger_postings_party",
            "account_code",
            "party",
            postgresql_where=text("party IS NOT NULL"),
        ),
    )

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_entries.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    account_code: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.code"), index=True)
    amount_rp: Mapped[int] = mapped_column(BigInteger)
    party: Mapped[str | None] = mapped_column(Text)


_PERIOD = "valid_until IS NULL OR valid_until >= valid_from"
_IN_FORCE = (text("daterange(valid_from, valid_until, '[]')"), "&&")


class ShareRuleRow(Base):
    """A dated `domain.shares.ShareRule`, of one zone or, without one, of the whole regency."""

    __tablename__ = "share_rules"
    __table_args__ = (
        CheckConstraint(_PERIOD, name="period"),
        CheckConstraint(
            "attendant_bp >= 0 AND third_party_bp >= 0 AND attendant_bp + third_party_bp <= 10000",
            name="whole",
        ),
        CheckConstraint("(third_party_bp > 0) = (third_party <> '')", name="third_party"),
        CheckConstraint(
            "remainder_to IN ('regency', 'attendant', 'third_party')", name="remainder_to"
        ),
        ExcludeConstraint(
            (text("coalesce(zone_id, '00000000-0000-0000-0000-000000000000')"), "="),
            _IN_FORCE,
            name="ex_share_rules_one_in_force",
            using="gist",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    zone_id: Mapped[UUID | None] = mapped_column(ForeignKey("zones.id"))
    regulation: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    attendant_bp: Mapped[int]
    third_party_bp: Mapped[int]
    third_party: Mapped[str] = mapped_column(Text)
    remainder_to: Mapped[str] = mapped_column(Text)


class MdrRuleRow(Base):
    """A dated `domain.mdr.MdrRule`, with where it was published."""

    __tablename__ = "mdr_rules"
    __table_args__ = (
        CheckConstraint(_PERIOD, name="period"),
        CheckConstraint("free_up_to_rp >= 0", name="free_up_to"),
        CheckConstraint("rate_bp BETWEEN 0 AND 10000", name="rate"),
        ExcludeConstraint(
            ("criteria", "="), _IN_FORCE, name="ex_mdr_rules_one_in_force", using="gist"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    criteria: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    free_up_to_rp: Mapped[int] = mapped_column(BigInteger)
    rate_bp: Mapped[int]
    source: Mapped[str] = mapped_column(Text)


class PayoutRuleRow(Stamped, Base):
    """A `domain.payout.PayoutRule` from a day on, until the next one's. Insert-only."""

    __tablename__ = "payout_rules"
    __table_args__ = (
        CheckConstraint("weekdays <@ ARRAY[1,2,3,4,5,6,7] AND weekdays <> '{}'", name="weekdays"),
        CheckConstraint("after_days BETWEEN 0 AND 60", name="after_days"),
    )

    valid_from: Mapped[date] = mapped_column(primary_key=True)
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    after_days: Mapped[int]
    regulation: Mapped[str] = mapped_column(Text)
