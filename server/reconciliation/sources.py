"""What the money of an STS is: its amount told apart by where it came from, to the rupiah.

A batch is told by the zones that earned it less the acquirer's fee, and a slip by who paid in,
where one movement brought all of it. What nothing tells apart stays under the account that awaited
it, so that the lines always sum to the amount.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.business_days import BusinessDays
from server.database import fetch
from server.ledger import postings
from server.ledger.models import Account
from server.reconciliation.models import Remittance
from server.reconciliation.movements import PAID_OUT_WITHIN
from server.reconciliation.names import business_day

FEES, CASH, VOUCHERS, OTHER = "fees", "cash", "vouchers", "other"
PASSES, REFUNDS, SHARES, HELD = postings.PASSES, "refunds", "shares", postings.SUSPENSE
OTHER_INCOME = postings.OTHER_INCOME
BATCH, SLIP = "batch", "slip"
AWAITS: Mapping[str, str] = {
    postings.IN_TRANSIT: BATCH,
    postings.DEPOSITS_IN_TRANSIT: SLIP,
    postings.TRANSFERS_IN_TRANSIT: REFUNDS,
    postings.PAYOUTS_IN_TRANSIT: SHARES,
    postings.SUSPENSE: HELD,
}
"""What the other side of a movement says it is."""
WORDS: Mapping[str, str] = {
    PASSES: "Retribusi parkir berlangganan",
    CASH: "Retribusi parkir tunai, disetor juru parkir",
    VOUCHERS: "Retribusi parkir lewat penjualan voucher",
    BATCH: "Pencairan QRIS yang belum terurai per zona",
    SLIP: "Setoran tunai yang belum terurai",
    OTHER_INCOME: "Pendapatan lain: jasa giro dan bunga",
    HELD: "Titipan yang belum dikenali",
    FEES: "Dikurangi: MDR dan pajaknya, dipotong acquirer",
    REFUNDS: "Dikurangi: pengembalian kepada pembayar",
    SHARES: "Dikurangi: bagi hasil yang dibayarkan",
    OTHER: "Lain-lain",
}
"""As the STS names them; a zone's revenue by its account."""

Sums: TypeAlias = Counter[tuple[date, str]]


@dataclass(frozen=True)
class Movement:
    """What came on the account on a day, or left it; `name` is the batch or slip it brought."""

    day: date
    amount_rp: int
    source: str
    name: str | None = None


def split(movements: Sequence[Movement], parts: Mapping[str, Mapping[str, int]]) -> Sums:
    """By day and source; `parts` is what the batches and slips that movements name are made of."""
    sums: Sums = Counter()
    for one in movements:
        known = parts.get(one.name or "", {})
        if one.source in (BATCH, SLIP) and known and sum(known.values()) == one.amount_rp:
            for source, amount_rp in known.items():
                sums[one.day, source] += amount_rp
        else:
            sums[one.day, one.source] += one.amount_rp
    return sums


def left(moved: Sums, listed: Sums, days: Sequence[tuple[date, int]]) -> list[dict[str, Any]]:
    """What of each day no STS has listed; each day's lines sum to what is left of it."""
    lines = []
    for day, amount_rp in days:
        keys = sorted({source for on, source in [*moved, *listed] if on == day})
        rest = {source: moved[day, source] - listed[day, source] for source in keys}
        rest[OTHER] = rest.get(OTHER, 0) + amount_rp - sum(rest.values())
        lines += [
            {"day": day.isoformat(), "source": source, "amount_rp": rp}
            for source, rp in rest.items()
            if rp
        ]
    return lines


def read(lines: Sequence[Mapping[str, Any]]) -> Sums:
    sums: Sums = Counter()
    for one in lines:
        sums[date.fromisoformat(one["day"]), one["source"]] += one["amount_rp"]
    return sums


# A movement that was in suspense is what explained it, or what two officers found it to be.
MOVED = """
    SELECT e.business_day AS day, p.amount_rp, o.account_code AS account, c.name,
        (SELECT q.account_code FROM cases k JOIN ledger_postings q ON q.entry_id = k.entry_id
            AND q.account_code <> '2190' AND sign(q.amount_rp) = -sign(p.amount_rp)
            WHERE k.statement_line_id = l.id AND k.state = 'closed' ORDER BY q.line LIMIT 1
        ) AS recognised,
        (SELECT q.account_code FROM ledger_entries x JOIN ledger_postings q ON q.entry_id = x.id
            AND q.account_code <> '2190' WHERE x.source = 'explained:' || l.id LIMIT 1
        ) AS explained
    FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id AND p.account_code = $1
    JOIN ledger_postings o ON o.entry_id = e.id AND o.account_code <> $1
    LEFT JOIN statement_lines l ON l.value_date = e.business_day AND e.source IN (
        'movement:' || l.id, 'rkud:' || l.id,
        'statement:' || l.account || ':' || l.statement_reference || ':' || l.line_number)
    LEFT JOIN (SELECT statement_line_id, name FROM cleared_movements UNION ALL
        SELECT statement_line_id, pays FROM cases WHERE posted_as = 'matched'
    ) c ON c.statement_line_id = l.id
    WHERE e.id = ANY($2::uuid[])
"""


def _unbooked(line: str) -> str:
    """Whether nobody knows whose the money of a line is: it is in suspense until two decide."""
    posted = "EXISTS (SELECT FROM ledger_entries e WHERE e.source = '{}' || {}.id)"
    unbooked, explained = "unbooked:", "explained:settlement:"
    return f"{posted.format(unbooked, line)} AND NOT {posted.format(explained, line)}"


# Of lines that tell no reference of the acquirer's. Of payments alike in RRN, amount and day the
# first is that of the first line: their times tell such lines apart.
MONEY_BY_OURS = """
    SELECT m.id FROM money m JOIN charges c ON c.id = m.charge_id
    WHERE m.acquirer = s.acquirer AND c.reference = s.reference
        AND coalesce(m.rrn, s.rrn) IS NOT DISTINCT FROM coalesce(s.rrn, m.rrn)
    ORDER BY abs(extract(epoch FROM m.paid_at - s.paid_at)), m.id LIMIT 1
"""
MONEY_BY_RRN = f"""
    SELECT m.id FROM money m
    WHERE m.acquirer = s.acquirer AND m.rrn = s.rrn AND m.amount_rp = abs(s.gross_rp)
        AND m.business_day = {{day}}
    ORDER BY m.paid_at, m.id LIMIT 1 OFFSET (
        SELECT count(DISTINCT n.paid_at) FROM settlement_lines n
        WHERE n.acquirer = s.acquirer AND n.acquirer_reference IS NULL AND n.reference = ''
            AND n.rrn = s.rrn AND abs(n.gross_rp) = abs(s.gross_rp)
            AND (n.gross_rp < 0) = (n.takes_back_id IS NOT NULL)
            AND n.paid_at < s.paid_at AND {{of_n}} = {{day}}
            AND NOT ({_unbooked("n")}))
"""  # noqa: S608 - of our own words
BATCHES = f"""
    WITH told AS (
        SELECT s.*, {_unbooked("s")} AS unbooked FROM settlement_lines s
        WHERE s.batch_id = ANY($1::text[]) AND s.settlement_date >= $2
    ), lines AS (
        SELECT s.*, m.id AS money_id FROM told s LEFT JOIN money m
            ON m.acquirer = s.acquirer AND m.acquirer_reference = s.acquirer_reference
            AND coalesce(m.rrn, s.rrn) IS NOT DISTINCT FROM coalesce(s.rrn, m.rrn)
            AND NOT s.unbooked
        WHERE s.acquirer_reference IS NOT NULL
        UNION ALL
        SELECT s.*, CASE WHEN s.unbooked THEN NULL
            WHEN s.reference <> '' THEN ({MONEY_BY_OURS}) ELSE ({MONEY_BY_RRN}) END
        FROM told s WHERE s.acquirer_reference IS NULL
    )
    SELECT t.name, t.source, sum(t.rp) AS rp FROM (
        SELECT s.batch_id AS name, s.gross_rp AS rp,
            CASE WHEN s.unbooked AND NOT EXISTS (SELECT FROM cases k
                WHERE k.settlement_line_id = s.id AND k.state = 'closed') THEN '2190'
            WHEN (s.gross_rp < 0) <> (s.takes_back_id IS NOT NULL) THEN 'refunds'
            WHEN r.code IS NOT NULL THEN r.code
            WHEN s.unbooked THEN 'other'
            WHEN m.flag IS DISTINCT FROM 'exact' THEN '2190'
            WHEN y.pass_order_id IS NOT NULL THEN '4120'
            ELSE coalesce('4110.' || z.code, '2190') END AS source
        FROM lines s LEFT JOIN money m ON m.id = s.money_id
        LEFT JOIN LATERAL (
            SELECT q.account_code AS code FROM cases k JOIN ledger_postings q
                ON q.entry_id = k.entry_id AND q.account_code LIKE '41%' AND q.amount_rp < 0
            WHERE k.state = 'closed' AND (k.money_id = m.id
                OR k.settlement_line_id = coalesce(s.takes_back_id, s.id)) LIMIT 1
        ) r ON true
        LEFT JOIN charges g ON g.id = m.charge_id LEFT JOIN payments y ON y.id = g.payment_id
        LEFT JOIN parking_sessions v ON v.id = y.parking_session_id
        LEFT JOIN spots o ON o.id = v.spot_id LEFT JOIN zones z ON z.id = o.zone_id
        UNION ALL
        SELECT batch_id, net_rp - gross_rp, 'fees' FROM settlement_lines
        WHERE batch_id = ANY($1::text[]) AND settlement_date >= $2
    ) t GROUP BY 1, 2
"""  # noqa: S608 - of our own words
SLIPS = """
    SELECT d.reference AS name, sum(d.amount_rp) AS rp,
        CASE q.account_code WHEN '1140' THEN 'cash' WHEN '1170' THEN 'vouchers'
        WHEN '4120' THEN '4120' ELSE 'slip' END AS source
    FROM cash_deposits d JOIN LATERAL (
        SELECT account_code FROM ledger_postings WHERE entry_id = d.entry_id AND amount_rp < 0
        ORDER BY line LIMIT 1
    ) q ON true WHERE d.reference = ANY($1::text[]) GROUP BY 1, 3
"""


def batches(days: BusinessDays) -> str:
    return BATCHES.format(day=business_day(days, "s.paid_at"), of_n=business_day(days, "n.paid_at"))


async def moved(
    db: AsyncSession, account: str, entries: Sequence[UUID], days: BusinessDays
) -> Sums:
    """What these entries moved on an account, by day and source."""
    movements = []
    for row in await fetch(db, MOVED, account, list(entries)):
        code = row["explained"] or row["recognised"] or row["account"]
        is_revenue = code.startswith("4110.") or code in (PASSES, OTHER_INCOME)
        source = code if is_revenue else AWAITS.get(code, OTHER)
        movements.append(Movement(row["day"], int(row["amount_rp"]), source, row["name"]))
    parts: dict[str, dict[str, int]] = {}
    # Older lines are not read: a batch that has some does not sum up, and stays untold.
    since = min((one.day for one in movements), default=date.max) - 2 * PAID_OUT_WITHIN
    for asked, kind, *told in ((batches(days), BATCH, since), (SLIPS, SLIP)):
        names = list({one.name for one in movements if one.name and one.source == kind})
        for row in await fetch(db, asked, names, *told) if names else ():
            parts.setdefault(row["name"], {})[row["source"]] = int(row["rp"])
    return split(movements, parts)


@dataclass(frozen=True)
class Line:
    """One line of an STS, in words of Bahasa; what is revenue of parking stands under its code."""

    source: str
    code: str
    words: str
    amount_rp: int


async def of_remittance(db: AsyncSession, made: Remittance, revenue_code: str) -> list[Line]:
    """The lines of an STS; one line for an older one that kept none."""
    sums: Counter[str] = Counter()
    for (_, source), amount_rp in read(made.sources).items():
        sums[source] += amount_rp
    if not sums:
        return [Line("", revenue_code, "Retribusi pelayanan parkir", made.amount_rp)]
    rows = await db.execute(select(Account.code, Account.name))
    names = {row.code: row.name for row in rows}
    order = [*sorted(one for one in sums if one.startswith("4110.")), *WORDS]
    return [
        Line(
            source,
            "" if source in (OTHER_INCOME, HELD, FEES, REFUNDS, SHARES, OTHER) else revenue_code,
            WORDS.get(source) or names.get(source, source),
            sums[source],
        )
        for source in order
        if sums[source]
    ]
