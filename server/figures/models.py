"""Takings summed up beforehand, so that no page adds up millions of payments."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    SmallInteger,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Base

CELL = (
    "business_day",
    "hour",
    "zone",
    "spot",
    "vehicle_class",
    "attendant",
    "shift_id",
    "acquirer",
    "method",
)
"""What tells one sum from another; a code is empty where there is none, as of a pass's spot."""

PARTY = ("business_day", "account_code", "party")
FEES = ("settlement_date", "acquirer", "paid_on", "gross_rp")

NO_SHIFT = UUID(int=0)


class TakingsCell(Base):
    """What was taken in one hour at one spot of one kind of vehicle, by whom and by which method.

    Follows from the ledger, the money and the settlement lines, and can be counted anew from them.
    `shift_id` names no foreign key, and is `NO_SHIFT` where there is none.
    """

    __tablename__ = "takings"
    __table_args__ = (
        CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
        CheckConstraint("method IN ('qris', 'cash', 'voucher', 'pass', 'other')", name="method"),
    )

    business_day: Mapped[date] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    zone: Mapped[str] = mapped_column(Text, primary_key=True)
    spot: Mapped[str] = mapped_column(Text, primary_key=True)
    vehicle_class: Mapped[str] = mapped_column(Text, primary_key=True)
    attendant: Mapped[str] = mapped_column(Text, primary_key=True)
    shift_id: Mapped[UUID] = mapped_column(primary_key=True)
    acquirer: Mapped[str] = mapped_column(Text, primary_key=True)
    method: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    gross_rp: Mapped[int] = mapped_column(BigInteger)
    recognised_rp: Mapped[int] = mapped_column(BigInteger)
    refunded_rp: Mapped[int] = mapped_column(BigInteger)
    held_count: Mapped[int] = mapped_column(BigInteger)
    held_rp: Mapped[int] = mapped_column(BigInteger)
    mdr_rp: Mapped[int] = mapped_column(BigInteger)


class PartySum(Base):
    """What one business day added to and took off a party of a ledger account, as `Posting`s say.

    Debits are added, credits taken: negative, as they are posted.
    """

    __tablename__ = "party_sums"

    account_code: Mapped[str] = mapped_column(Text, primary_key=True)
    party: Mapped[str] = mapped_column(Text, primary_key=True)
    business_day: Mapped[date] = mapped_column(primary_key=True)
    added_rp: Mapped[int] = mapped_column(BigInteger)
    taken_rp: Mapped[int] = mapped_column(BigInteger)


class FeeSum(Base):
    """What an acquirer settled on a day of the payments of one day that were of one amount."""

    __tablename__ = "fee_sums"

    settlement_date: Mapped[date] = mapped_column(primary_key=True)
    acquirer: Mapped[str] = mapped_column(Text, primary_key=True)
    paid_on: Mapped[date] = mapped_column(primary_key=True)
    gross_rp: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    mdr_rp: Mapped[int] = mapped_column(BigInteger)
    vat_rp: Mapped[int] = mapped_column(BigInteger)
    withheld_rp: Mapped[int] = mapped_column(BigInteger)
    net_rp: Mapped[int] = mapped_column(BigInteger)


class TakingsSwept(Base):
    """How far the sums go: every fact whose UUIDv7 is before `bound` is in them. One row.

    `reports_bound` is the same of the sums of parties and of fees, which were kept later.

    `waiting_at` is how far they may go next, once no transaction runs that had begun by then: its
    number would be under `waiting_xid`.
    """

    __tablename__ = "takings_swept"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, default=True)
    bound: Mapped[UUID]
    reports_bound: Mapped[UUID] = mapped_column(default=UUID(int=0))
    waiting_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    waiting_xid: Mapped[int | None] = mapped_column(BigInteger)
