"""By what settlement lines and money are found that may belong together.

A line goes by the acquirer's reference; where its file has none by ours; else by its RRN, which is
of its day only: an RRN comes again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, any_, func, literal, null, or_, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.business_days import MIDNIGHT, BusinessDays
from domain.payment import RefundMethod, RefundState
from server.payments.models import Charge, Money, Refund
from server.reconciliation.matching import LARGEST, Booked, Settled
from server.reconciliation.models import SettlementLine


def named(line: Any) -> str:
    """What people call a line: the acquirer's reference, else ours, else the RRN."""
    return str(line.acquirer_reference or line.reference or line.rrn)


def business_day(days: BusinessDays, moment: str) -> str:
    """The business day of a moment, as `BusinessDays.of` tells it, in the database's words."""
    local = f"({moment} AT TIME ZONE '{days.timezone.key}')"
    rules = "".join(f" WHEN {local} >= '{first}' THEN {at}" for first, at in reversed(days.rules))
    ends = f"CASE{rules} ELSE {MIDNIGHT} END" if rules else str(MIDNIGHT)
    return f"({local}::date + (extract(hour FROM {local}) >= {ends})::int)"


BY_THEIRS = """
    EXISTS (SELECT FROM settlement_lines s WHERE s.acquirer = {table}.acquirer
        AND s.acquirer_reference = {table}.acquirer_reference
        AND s.rrn IS NOT DISTINCT FROM {table}.rrn
        AND (s.gross_rp < 0) = ({table}.gross_rp < 0) AND s.takes_back_id IS NULL)
"""
ALIKE = """
    (SELECT count(DISTINCT s.paid_at) FROM {of} s WHERE s.acquirer = {table}.acquirer
        AND s.acquirer_reference IS NULL AND s.reference = {table}.reference
        AND s.gross_rp = {table}.gross_rp AND {day_of_s} = {day} AND {named} AND {further})
"""
# Apart, so that each is found by an index.
NAMED = (
    "{table}.reference <> '' AND (s.rrn = {table}.rrn) IS NOT FALSE",
    "{table}.reference = '' AND s.rrn = {table}.rrn",
)


def settled_since(table: str, days: BusinessDays) -> str:
    """Whether a line by which nothing was settled has been since, in the database's words.

    Without the acquirer's reference the lines of one name, amount and business day settle as many
    of those that were told before, the first ones first: a later file may tell another time.
    """
    day, day_of_s = (business_day(days, f"{of}.paid_at") for of in (table, "s"))

    def alike(of: str, further: str) -> str:
        told = {"of": of, "table": table, "day": day, "day_of_s": day_of_s, "further": further}
        return " + ".join(ALIKE.format(named=n.format(table=table), **told) for n in NAMED)

    settled = alike("settlement_lines", "s.takes_back_id IS NULL")
    told_before = alike(table, f"s.paid_at <= {table}.paid_at")
    return (
        f"{BY_THEIRS.format(table=table)}"
        f" OR {table}.acquirer_reference IS NULL AND {settled} >= {told_before}"
    )


def texts(values: Collection[str]) -> ColumnElement[Any]:
    """An array in one parameter; one parameter each would end at 32,767."""
    return literal(list(values), ARRAY(Text))


@dataclass(frozen=True)
class Names:
    """By what money and lines that may belong together are found: each by what it goes by."""

    theirs: frozenset[str]
    ours: frozenset[str]
    rrns: frozenset[str]
    days: tuple[date, date]
    """Of what an RRN alone names, as far apart as a rule may let two sides be."""

    @classmethod
    def of(cls, booked: Collection[Booked], settled: Collection[Settled]) -> "Names":
        """All by which a line may name what is booked, and by which the lines go themselves."""
        theirs = {b.acquirer_reference for b in booked}
        ours = {b.reference for b in booked}
        rrns = {b.rrn for b in booked} | {b.returned_rrn for b in booked}
        told = [b.day for b in booked] + [s.day for s in settled]
        days = [day for day in told if day is not None]
        for s in settled:
            if s.acquirer_reference is not None:
                theirs.add(s.acquirer_reference)
            elif s.reference:
                ours.add(s.reference)
            else:
                rrns.add(s.rrn)
        apart = timedelta(days=LARGEST["heard_within_days"])
        return cls(
            frozenset(theirs),
            frozenset(ours),
            frozenset(rrn for rrn in rrns if rrn is not None),
            (min(days, default=date.max) - apart, max(days, default=date.max - apart) + apart),
        )

    def of_lines(self) -> ColumnElement[bool]:
        """The lines that go by one of them."""
        without = SettlementLine.acquirer_reference.is_(None)
        return or_(
            SettlementLine.acquirer_reference == any_(texts(self.theirs)),
            and_(without, SettlementLine.reference == any_(texts(self.ours))),
            and_(
                without,
                SettlementLine.reference == "",
                SettlementLine.rrn == any_(texts(self.rrns)),
            ),
        )

    def of_money(self, acquirer: str | None) -> ColumnElement[bool]:
        """The money of an acquirer, or of any, that a line of one of them may settle."""
        whose = Money.acquirer == func.coalesce(acquirer, Money.acquirer)
        by_theirs = and_(whose, Money.acquirer_reference == any_(texts(self.theirs)))
        if not (self.ours or self.rrns):
            return by_theirs
        by_ours = and_(whose, Charge.reference == any_(texts(self.ours)))
        by_rrn = and_(whose, Money.rrn == any_(texts(self.rrns)))
        found = (
            select(Money.id).where(by_theirs),
            select(Money.id).join(Charge, Charge.id == Money.charge_id).where(by_ours),
            select(Money.id).where(by_rrn, Money.business_day.between(*self.days)),
        )
        return Money.id.in_(union_all(*found))

    def of_refunds(self, acquirer: str | None) -> ColumnElement[bool]:
        """Those of the money, and those that have such a number, or return such a payment."""
        of_money = self.of_money(acquirer)
        if not self.rrns:
            return of_money
        rrns = texts(self.rrns)
        lately = Refund.business_day.between(*self.days)
        whose = Money.acquirer == func.coalesce(acquirer, Money.acquirer)
        refunds = select(Refund.id).join(Money, Money.id == Refund.money_id)
        found = (
            refunds.where(of_money),
            refunds.where(whose, lately, Refund.acquirer_refund_number == any_(rrns)),
            refunds.where(whose, lately, Money.rrn == any_(rrns)),
        )
        return Refund.id.in_(union_all(*found))


async def booked_under(db: AsyncSession, names: Names, acquirer: str | None = None) -> list[Booked]:
    """Money and refunds of some names, of an acquirer or of any."""
    money = await db.execute(
        select(
            Charge.reference,
            Money.acquirer_reference,
            Money.rrn,
            Money.amount_rp,
            null(),
            Money.acquirer,
            Money.business_day,
        )
        .join(Charge, Charge.id == Money.charge_id)
        .where(names.of_money(acquirer))
    )
    returned = await db.execute(
        # The money's own reference: a charge whose generate was never answered has none.
        select(
            Charge.reference,
            Money.acquirer_reference,
            Refund.acquirer_refund_number,
            -Refund.amount_rp,
            Money.rrn,
            Money.acquirer,
            Refund.business_day,
        )
        .join(Money, Money.id == Refund.money_id)
        .join(Charge, Charge.id == Refund.charge_id)
        .where(names.of_refunds(acquirer))
        .where(Refund.method == RefundMethod.ACQUIRER, Refund.state == RefundState.DONE)
    )
    return [Booked(*told) for told in (*money, *returned)]
