"""Recording entries, and the dated rules of shares and fees. No recorded entry is ever changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.mdr import MdrRule, MerchantCriteria
from domain.payout import DEFAULT, PayoutRule
from domain.shares import ShareLeg, ShareRule
from server.database import Connected, Insertions, fetch, new_id
from server.ledger import postings
from server.ledger.models import Account, Entry, MdrRuleRow, PayoutRuleRow, Posting, ShareRuleRow
from server.ledger.postings import Leg


async def open_accounts(db: AsyncSession, zones: Sequence[tuple[str, str]]) -> None:
    """Open the chart's accounts and a revenue account per (zone code, name); again is harmless."""
    accounts = (*postings.CHART, *(postings.zone_account(code, name) for code, name in zones))
    rows = [vars(account) for account in accounts]
    await db.execute(upsert(Account).values(rows).on_conflict_do_nothing())


@dataclass(frozen=True)
class NewEntry:
    """An entry to record; `source` names its fact, and the database refuses a second one for it."""

    legs: Sequence[Leg]
    source: str
    description: str
    business_day: date


async def record(
    db: AsyncSession,
    legs: Sequence[Leg],
    *,
    source: str,
    description: str,
    business_day: date,
    now: datetime,
) -> UUID:
    """Record one entry."""
    insertions = Insertions()
    (entry_id,) = add_entries(
        insertions, [NewEntry(legs, source, description, business_day)], now=now
    )
    await insertions.write(db)
    return entry_id


def add_entries(
    insertions: Insertions, entries: Sequence[NewEntry], *, now: datetime
) -> list[UUID]:
    """Add entries to what is to be inserted; their ids in the same order."""
    ids = [new_id() for _ in entries]
    insertions.add(
        Entry,
        [
            {
                "id": entry_id,
                "recorded_at": now,
                "business_day": entry.business_day,
                "description": entry.description,
                "source": entry.source,
                "legs": len(entry.legs),
            }
            for entry_id, entry in zip(ids, entries, strict=True)
        ],
    )
    insertions.add(
        Posting,
        [
            {
                "entry_id": entry_id,
                "line": line,
                "account_code": leg.account,
                "amount_rp": leg.amount_rp,
                "party": leg.party,
            }
            for entry_id, entry in zip(ids, entries, strict=True)
            for line, leg in enumerate(entry.legs, start=1)
        ],
    )
    return ids


async def legs_of(db: AsyncSession, entry_id: UUID) -> tuple[Leg, ...]:
    """The legs of an entry, as `postings.reverse` takes them back."""
    rows = await db.execute(
        select(Posting.account_code, Posting.amount_rp, Posting.party)
        .where(Posting.entry_id == entry_id)
        .order_by(Posting.line)
    )
    return tuple(Leg(*row) for row in rows)


@dataclass(frozen=True)
class DatedShareRule:
    """A share rule of one zone or, without one, of the whole regency; both days are included."""

    zone_id: UUID | None
    valid_from: date
    valid_until: date | None
    rule: ShareRule

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


RULES = """
    SELECT zone_id, valid_from, valid_until, attendant_bp, third_party_bp, third_party, remainder_to
    FROM share_rules WHERE valid_from <= $2 AND (valid_until IS NULL OR valid_until >= $1)
"""


async def share_rules(db: Connected, first_day: date, last_day: date) -> list[DatedShareRule]:
    """Every rule in force on some day of a span."""
    return [
        DatedShareRule(
            row["zone_id"],
            row["valid_from"],
            row["valid_until"],
            ShareRule(
                row["attendant_bp"],
                row["third_party_bp"],
                row["third_party"],
                ShareLeg(row["remainder_to"]),
            ),
        )
        for row in await fetch(db, RULES, first_day, last_day)
    ]


def pick(rules: Iterable[DatedShareRule], zone_id: UUID, day: date) -> ShareRule | None:
    """The rule for a zone's payment of a day: the zone's own before the regency's; None without."""
    in_force = {dated.zone_id: dated.rule for dated in rules if dated.covers(day)}
    return in_force.get(zone_id, in_force.get(None))


class RuleTooLate(ValueError):
    """A share rule for days whose payments are posted already."""


async def add_share_rule(
    db: AsyncSession,
    rule: ShareRule,
    *,
    zone_id: UUID | None,
    valid_from: date,
    valid_until: date | None,
    regulation: str,
) -> None:
    """Put a rule in force; one without an end before it ends the day before. Raises RuleTooLate.

    The same rule again is harmless.
    """
    values = {
        "zone_id": zone_id,
        "valid_from": valid_from,
        "valid_until": valid_until,
        "regulation": regulation,
        "attendant_bp": rule.attendant_bp,
        "third_party_bp": rule.third_party_bp,
        "third_party": rule.third_party,
        "remainder_to": rule.remainder_to.value,
    }
    same = (
        getattr(ShareRuleRow, name).is_not_distinct_from(value) for name, value in values.items()
    )
    if await db.scalar(select(exists().where(*same))):
        return
    if await db.scalar(select(exists().where(Entry.business_day >= valid_from))):
        raise RuleTooLate(f"payments of {valid_from} or later are posted already")
    await db.execute(
        update(ShareRuleRow)
        .where(ShareRuleRow.zone_id.is_not_distinct_from(zone_id))
        .where(ShareRuleRow.valid_until.is_(None), ShareRuleRow.valid_from < valid_from)
        .values(valid_until=valid_from - timedelta(days=1))
    )
    db.add(ShareRuleRow(**values))
    await db.flush()


async def mdr_rules(db: AsyncSession) -> list[MdrRule]:
    """The whole list, published and added, of every kind of merchant."""
    rows = await db.scalars(select(MdrRuleRow).order_by(MdrRuleRow.criteria, MdrRuleRow.valid_from))
    return [
        MdrRule(
            MerchantCriteria(row.criteria),
            row.valid_from,
            row.valid_until,
            row.free_up_to_rp,
            row.rate_bp,
        )
        for row in rows
    ]


async def add_mdr_rule(db: AsyncSession, rule: MdrRule, source: str) -> None:
    """Put a rate in force; one without an end before it ends the day before."""
    await db.execute(
        update(MdrRuleRow)
        .where(MdrRuleRow.criteria == rule.criteria.value)
        .where(MdrRuleRow.valid_until.is_(None), MdrRuleRow.valid_from < rule.valid_from)
        .values(valid_until=rule.valid_from - timedelta(days=1))
    )
    db.add(MdrRuleRow(**{**vars(rule), "criteria": rule.criteria.value}, source=source))
    await db.flush()


async def payout_rule(db: AsyncSession, day: date) -> PayoutRule:
    """The rule for what is earned on a day; the default where the office has set none."""
    row: PayoutRuleRow | None = await db.scalar(
        select(PayoutRuleRow)
        .where(PayoutRuleRow.valid_from <= day)
        .order_by(PayoutRuleRow.valid_from.desc())
        .limit(1)
    )
    return DEFAULT if row is None else PayoutRule(tuple(row.weekdays), row.after_days)


async def add_payout_rule(
    db: AsyncSession, rule: PayoutRule, *, valid_from: date, regulation: str
) -> bool:
    """Put a rule in force from a day on; False where another one starts on that day."""
    values = {
        "valid_from": valid_from,
        "weekdays": list(rule.weekdays),
        "after_days": rule.after_days,
        "regulation": regulation,
    }
    await db.execute(upsert(PayoutRuleRow).values(values).on_conflict_do_nothing())
    return await payout_rule(db, valid_from) == rule
