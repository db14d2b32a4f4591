"""The sums of takings: kept by a sweep, and asked for with what the sweep has not counted yet.

A payment pays nothing for them: no trigger, no queue, no row that all would lock. What is summed
carries a UUIDv7 made when it was written, and the sums go up to one: an answer is the sums and
what came after that, in one statement, so that it is right at any moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import uuid7
from server.database import Transactions, fetch
from server.figures.models import CELL, NO_SHIFT
from server.figures.sums import FEE_LINES, PARTIES, REPORTED, REPORTED_ASTRAY, Sums
from server.payments.models import CASH, VOUCHER

log = structlog.get_logger()

AT_ONCE = 5_000
"""Facts counted in one transaction, which ends well within a statement's time on a busy disk."""
EARLIER = timedelta(minutes=1)
"""How long before its transaction writes first an id may be made, and clocks of servers differ."""
SUMS = ("count", "gross_rp", "recognised_rp", "refunded_rp", "held_count", "held_rp", "mdr_rp")


class Part(StrEnum):
    """What takings are told apart by."""

    DAY = "business_day"
    HOUR = "hour"
    ZONE = "zone"
    SPOT = "spot"
    VEHICLE_CLASS = "vehicle_class"
    ATTENDANT = "attendant"
    SHIFT = "shift_id"
    ACQUIRER = "acquirer"
    METHOD = "method"


class Method(StrEnum):
    """How was paid; `PASS` for passes, however they were paid for."""

    QRIS = "qris"
    CASH = "cash"
    VOUCHER = "voucher"
    PASS = "pass"  # noqa: S105
    OTHER = "other"


@dataclass(frozen=True)
class Wanted:
    """Of which takings; both days are included. Codes as they are printed; '' and `NO_SHIFT` are
    for none."""

    first: date
    last: date
    hour: int | None = None
    zone: str | None = None
    spot: str | None = None
    vehicle_class: str | None = None
    attendant: str | None = None
    shift_id: UUID | None = None
    acquirer: str | None = None
    method: str | None = None
    zones: Sequence[str] | None = None
    """Only of these, whatever else is wanted."""


@dataclass(frozen=True)
class Takings:
    """A sum, and what it is of: None for what was not told apart, '' or `NO_SHIFT` for what it
    has not.

    `gross_rp` is what charges were paid exactly, on the day and hour they were paid, and what was
    paid in for passes. Money that did not fit its charge is in `held_rp`; what of it was found to
    be earned later in `recognised_rp`, and what of earnings is given back in `refunded_rp`, on the
    day it was decided. `mdr_rp` is the fee of what was settled on that day.
    """

    business_day: date | None = None
    hour: int | None = None
    zone: str | None = None
    spot: str | None = None
    vehicle_class: str | None = None
    attendant: str | None = None
    shift_id: UUID | None = None
    acquirer: str | None = None
    method: str | None = None
    count: int = 0
    gross_rp: int = 0
    recognised_rp: int = 0
    refunded_rp: int = 0
    held_count: int = 0
    held_rp: int = 0
    mdr_rp: int = 0

    @property
    def net_rp(self) -> int:
        """What was earned, as the revenue accounts of the ledger have it."""
        return self.gross_rp + self.recognised_rp - self.refunded_rp


METHOD = f"""
    CASE WHEN p.pass_order_id IS NOT NULL THEN 'pass' WHEN c.acquirer = '{CASH}' THEN 'cash'
    WHEN c.acquirer = '{VOUCHER}' THEN 'voucher' WHEN c.id IS NOT NULL THEN 'qris' ELSE 'other' END
"""
OF_CHARGE = """
    LEFT JOIN payments p ON p.id = c.payment_id
    LEFT JOIN parking_sessions v ON v.id = p.parking_session_id
    LEFT JOIN spots s ON s.id = v.spot_id LEFT JOIN zones z ON z.id = s.zone_id
"""
SHIFT = f"coalesce(h.id, '{NO_SHIFT}')"
OF_SHIFT = "LEFT JOIN attendants a ON a.id = h.attendant_id"
# The zone of what was earned is the one whose account it went to: a spot may move to another.
ZONE = "CASE WHEN g.account_code LIKE '4110.%' THEN substr(g.account_code, 6) ELSE '' END"
REVENUE = "(g.account_code LIKE '4110.%' OR g.account_code = '4120')"

FACTS = f"""
    SELECT e.business_day, extract(hour FROM m.paid_at AT TIME ZONE $1)::smallint AS hour,
        coalesce({ZONE.replace("ELSE ''", "ELSE z.code")}, '') AS zone,
        coalesce(s.code, '') AS spot, coalesce(v.vehicle_class, '') AS vehicle_class,
        coalesce(a.code, '') AS attendant, {SHIFT} AS shift_id, m.acquirer, {METHOD} AS method,
        (m.flag = 'exact')::int AS count,
        CASE m.flag WHEN 'exact' THEN m.amount_rp ELSE 0 END AS gross_rp,
        0 AS recognised_rp, 0 AS refunded_rp, (m.flag <> 'exact')::int AS held_count,
        CASE m.flag WHEN 'exact' THEN 0 ELSE m.amount_rp END AS held_rp, 0 AS mdr_rp
    FROM ledger_entries e JOIN money m ON m.entry_id = e.id
    LEFT JOIN ledger_postings g ON g.entry_id = e.id AND {REVENUE}
    JOIN charges c ON c.id = m.charge_id {OF_CHARGE}
    LEFT JOIN shifts h ON h.id = coalesce(m.shift_id, p.shift_id) {OF_SHIFT}
    WHERE {{entries}}

    UNION ALL
    SELECT e.business_day, extract(hour FROM e.recorded_at AT TIME ZONE $1)::smallint, {ZONE},
        coalesce(s.code, ''), coalesce(v.vehicle_class, ''), coalesce(a.code, ''), {SHIFT},
        coalesce(c.acquirer, ''), CASE WHEN d.id IS NOT NULL THEN 'pass' ELSE {METHOD} END,
        (d.id IS NOT NULL)::int, CASE WHEN d.id IS NOT NULL THEN -g.amount_rp ELSE 0 END,
        CASE WHEN d.id IS NULL AND r.id IS NULL THEN -g.amount_rp ELSE 0 END,
        CASE WHEN r.id IS NOT NULL THEN g.amount_rp ELSE 0 END, 0, 0, 0
    FROM ledger_entries e JOIN ledger_postings g ON g.entry_id = e.id AND {REVENUE}
    LEFT JOIN cash_deposits d ON d.entry_id = e.id
    LEFT JOIN refunds r ON r.id =
        CASE WHEN e.source LIKE 'refund-%' THEN split_part(e.source, ':', 2)::uuid END
    LEFT JOIN ledger_entries o ON o.id =
        CASE WHEN e.source LIKE 'unrecognised:%' THEN split_part(e.source, ':', 2)::uuid END
    LEFT JOIN cases k ON k.id = CASE WHEN coalesce(o.source, e.source) LIKE 'recognised:%'
        THEN split_part(coalesce(o.source, e.source), ':', 2)::uuid END
    LEFT JOIN money m ON m.id = coalesce(r.money_id, k.money_id)
    LEFT JOIN charges c ON c.id = m.charge_id {OF_CHARGE}
    LEFT JOIN shifts h ON h.id = coalesce(m.shift_id, p.shift_id) {OF_SHIFT}
    WHERE {{entries}} AND e.source NOT LIKE 'money:%'

    UNION ALL
    SELECT l.settlement_date, extract(hour FROM l.paid_at AT TIME ZONE $1)::smallint,
        coalesce(z.code, ''), coalesce(s.code, ''), coalesce(v.vehicle_class, ''),
        coalesce(a.code, ''), {SHIFT}, l.acquirer, {METHOD}, 0, 0, 0, 0, 0, 0, l.mdr_rp
    FROM settlement_lines l
    LEFT JOIN charges c ON c.reference = l.reference AND c.acquirer = l.acquirer {OF_CHARGE}
    LEFT JOIN shifts h ON h.id = p.shift_id {OF_SHIFT}
    WHERE l.mdr_rp <> 0 AND {{lines}}
"""
"""Every fact that is summed, as rows of the table of sums; `$1` is the regency's time zone."""


TAKINGS = Sums("takings", CELL, SUMS, FACTS)
BOUNDS = {"bound": (TAKINGS,), "reports_bound": REPORTED}
"""The tables of sums by the column that says how far they go."""


async def takings(
    db: AsyncSession, wanted: Wanted, timezone: ZoneInfo, by: Sequence[Part] = ()
) -> list[Takings]:
    """Sums of takings, told apart and ordered by some parts; one sum of all without any."""
    values: list[Any] = [str(timezone), await _bound(db, "bound"), wanted.first, wanted.last]
    of = ["business_day BETWEEN $3 AND $4"]
    for part in Part:
        value = None if part is Part.DAY else getattr(wanted, part)
        if value is not None:
            values.append(value)
            of.append(f"{part} = ${len(values)}")
    if wanted.zones is not None:
        values.append(wanted.zones)
        of.append(f"zone = ANY(${len(values)}::text[])")
    parts = ", ".join(by)
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in SUMS)
    sql = f"""
        SELECT {parts + ", " if by else ""}{sums} FROM (
            {TAKINGS.with_later("bound")}
        ) t WHERE {" AND ".join(of)} {f"GROUP BY {parts} ORDER BY {parts}" if by else ""}"""
    return [Takings(**row) for row in await fetch(db, sql, *values)]


def total(rows: Sequence[Takings]) -> Takings:
    """The sum of sums, of everything that they are of."""
    of = {name: sum(getattr(row, name) for row in rows) for name in SUMS}
    return Takings(**of)


@dataclass(frozen=True)
class Party:
    """Of one party of an account: what stood before a period, and what it added and took off."""

    party: str
    before_rp: int
    added_rp: int
    taken_rp: int


async def parties(
    db: AsyncSession, account: str, first: date, last: date, timezone: ZoneInfo
) -> list[Party]:
    """Every party of a ledger account until a day, in the order of their names."""
    sql = f"""
        SELECT party,
            coalesce(sum(added_rp + taken_rp) FILTER (WHERE business_day < $4), 0)::bigint
                AS before_rp,
            coalesce(sum(added_rp) FILTER (WHERE business_day >= $4), 0)::bigint AS added_rp,
            coalesce(sum(taken_rp) FILTER (WHERE business_day >= $4), 0)::bigint AS taken_rp
        FROM ({PARTIES.with_later("reports_bound")}) t
        WHERE account_code = $3 AND business_day <= $5 GROUP BY 1 ORDER BY 1"""
    values = (str(timezone), await _bound(db, "reports_bound"), account, first, last)
    return [Party(**row) for row in await fetch(db, sql, *values)]


@dataclass(frozen=True)
class Owed:
    """Of what a day added to a party, what was still there at the end."""

    party: str
    business_day: date
    owed_rp: int


async def owed_since(db: AsyncSession, account: str, last: date, timezone: ZoneInfo) -> list[Owed]:
    """What parties of an account owe at the end of a day, by the days that added it.

    What was taken off is of the oldest.
    """
    sql = f"""
        WITH days AS (
            SELECT party, business_day, sum(added_rp) AS added, sum(taken_rp) AS taken
            FROM ({PARTIES.with_later("reports_bound")}) t
            WHERE account_code = $3 AND business_day <= $4 GROUP BY 1, 2
        ), running AS (
            SELECT party, business_day, added, sum(added + taken) OVER (PARTITION BY party) AS owed,
                sum(added) OVER (PARTITION BY party ORDER BY business_day DESC) - added AS later
            FROM days
        )
        SELECT party, business_day, least(added, owed - later)::bigint AS owed_rp FROM running
        WHERE added > 0 AND later < owed ORDER BY party, business_day"""
    values = (str(timezone), await _bound(db, "reports_bound"), account, last)
    return [Owed(**row) for row in await fetch(db, sql, *values)]


@dataclass(frozen=True)
class Fees:
    """What was settled on a day of payments of one amount and one day, and what was kept of it."""

    settlement_date: date
    acquirer: str
    paid_on: date
    gross_rp: int
    count: int
    mdr_rp: int
    vat_rp: int
    withheld_rp: int
    net_rp: int


async def fees(
    db: AsyncSession, first: date, last: date, timezone: ZoneInfo, acquirer: str | None = None
) -> list[Fees]:
    """What acquirers settled in a period, in the order of days; `gross_rp` is of one payment."""
    cell = ", ".join(FEE_LINES.cell)
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in FEE_LINES.sums)
    sql = f"""
        SELECT {cell}, {sums} FROM ({FEE_LINES.with_later("reports_bound")}) t
        WHERE settlement_date BETWEEN $3 AND $4 AND ($5::text IS NULL OR acquirer = $5)
        GROUP BY {cell} ORDER BY {cell}"""
    values = (str(timezone), await _bound(db, "reports_bound"), first, last, acquirer)
    return [Fees(**row) for row in await fetch(db, sql, *values)]


async def _bound(db: AsyncSession, name: str) -> UUID:
    found: UUID = (await fetch(db, f"SELECT {name} AS bound FROM takings_swept"))[0]["bound"]
    return found


async def sweep(transactions: Transactions, timezone: ZoneInfo, *, now: datetime) -> int:
    """Count what no running transaction can add to any more; how many sums it added to."""
    bound = await _may_go_to(transactions, now)
    added = 0
    if bound is None:
        return added
    for name, kept in BOUNDS.items():
        done = False
        while not done:
            async with transactions.begin() as db:
                count, done = await _count_page(db, name, kept, bound, timezone)
            added += count
    if added:
        log.info("takings_swept", count=added)
    return added


async def _may_go_to(transactions: Transactions, now: datetime) -> UUID | None:
    """How far the sums may go: up to a moment whose transactions have all ended since.

    Without that, what a long import had written early would be missed when it commits at last.
    """
    async with transactions.begin() as db:
        (swept,) = await fetch(
            db,
            "SELECT waiting_at, waiting_xid, pg_snapshot_xmin(s)::text::bigint AS oldest,"
            " pg_snapshot_xmax(s)::text::bigint AS next"
            " FROM takings_swept, pg_current_snapshot() AS s",
        )
        # A number that has not been given out yet is of another database, before a restore.
        known = swept["waiting_at"] is not None and swept["waiting_xid"] <= swept["next"]
        if known and swept["oldest"] < swept["waiting_xid"]:
            return None
        await fetch(
            db, "UPDATE takings_swept SET waiting_at = $1, waiting_xid = $2", now, swept["next"]
        )
    return _made_at(swept["waiting_at"] - EARLIER) if known else None


def _made_at(moment: datetime) -> UUID:
    """The first UUIDv7 of a moment."""
    return uuid7(int(moment.timestamp() * 1000), bytes(10))


async def _count_page(
    db: AsyncSession, name: str, kept: Sequence[Sums], last: UUID, timezone: ZoneInfo
) -> tuple[int, bool]:
    """Count the next facts before an id; how many sums it added to, and whether that was all."""
    (swept,) = await fetch(db, f"SELECT {name} AS bound FROM takings_swept FOR UPDATE")
    bound = swept["bound"]
    if bound >= last:
        return 0, True
    # A page is found by keys; hashing a whole table of millions for it takes minutes.
    await fetch(db, "SET LOCAL enable_seqscan = off")
    (page,) = await fetch(
        db,
        f"""SELECT least($2,
            (SELECT id FROM ledger_entries WHERE id >= $1 ORDER BY id OFFSET {AT_ONCE} LIMIT 1),
            (SELECT id FROM settlement_lines WHERE id >= $1 ORDER BY id OFFSET {AT_ONCE} LIMIT 1)
        ) AS until""",
        bound,
        last,
    )
    until, count = page["until"], 0
    for sums in kept:
        added = await fetch(db, f"{sums.sweep()} RETURNING 1", str(timezone), bound, until)
        count += len(added)
    await fetch(db, f"UPDATE takings_swept SET {name} = $1", until)
    return count, until == last


ASTRAY = f"""
    SELECT business_day FROM (
        SELECT business_day, zone, sum(gross_rp + recognised_rp - refunded_rp) AS rp
        FROM takings GROUP BY 1, 2
    ) told FULL JOIN (
        SELECT e.business_day, {ZONE} AS zone, -sum(g.amount_rp) AS rp
        FROM ledger_entries e JOIN ledger_postings g ON g.entry_id = e.id AND {REVENUE}
        WHERE e.id < (SELECT bound FROM takings_swept) GROUP BY 1, 2
    ) posted USING (business_day, zone) WHERE coalesce(told.rp, 0) <> coalesce(posted.rp, 0)
    UNION SELECT business_day FROM (
        SELECT business_day, sum(held_count) AS n, sum(held_rp) AS rp FROM takings GROUP BY 1
    ) told FULL JOIN (
        SELECT business_day, count(*) AS n, sum(amount_rp) AS rp FROM money
        WHERE flag <> 'exact' AND entry_id < (SELECT bound FROM takings_swept) GROUP BY 1
    ) came USING (business_day)
    WHERE (coalesce(told.n, 0), coalesce(told.rp, 0)) <> (coalesce(came.n, 0), coalesce(came.rp, 0))
    UNION SELECT business_day FROM (
        SELECT business_day, sum(mdr_rp) AS rp FROM takings GROUP BY 1
    ) told FULL JOIN (
        SELECT settlement_date AS business_day, sum(mdr_rp) AS rp FROM settlement_lines
        WHERE id < (SELECT bound FROM takings_swept) GROUP BY 1
    ) settled USING (business_day) WHERE coalesce(told.rp, 0) <> coalesce(settled.rp, 0)
    UNION {REPORTED_ASTRAY}
"""
"""The business days of which the sums are not what ledger, money and settlement lines say."""


async def mend(transactions: Transactions, timezone: ZoneInfo) -> list[date]:
    """Count the days anew whose sums went astray, as after facts were restored; which they were."""
    async with transactions.begin() as db:
        await fetch(db, "SET LOCAL statement_timeout = '10min'")
        days = [row["business_day"] for row in await fetch(db, ASTRAY)]
    for day in days:
        async with transactions.begin() as db:
            await fetch(db, "SET LOCAL statement_timeout = '10min'")
            (swept,) = await fetch(db, "SELECT * FROM takings_swept FOR UPDATE")
            for name, kept in BOUNDS.items():
                for sums in kept:
                    await fetch(db, f"DELETE FROM {sums.table} WHERE {sums.cell[0]} = $1", day)
                    await fetch(db, sums.count_day(), str(timezone), day, swept[name])
    if days:
        log.warning("takings_counted_anew", count=len(days))
    return days


assert tuple(field.name for field in fields(Takings)) == (*CELL, *SUMS)
