"""What a close of a day lists beside the books: what is still open of it, and what makes it up.

All of it by the business day that it concerns, as it stood when the close was prepared.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from server.database import fetch
from server.payments.books import Books
from server.payments.models import CASH, VOUCHER
from server.reconciliation import numbers
from server.reconciliation.names import settled_since
from server.reconciliation.transfers import MENDED

DECIDED = frozenset({"claim"})
"""Two officers have decided of these already; nobody has to say why a day is closed with them."""

# What a device calls the moment of an event may be no moment at all.
AT = """CASE WHEN pg_input_is_valid(q.event->>'at', 'timestamptz')
    THEN (q.event->>'at')::timestamptz ELSE q.received_at END"""
EXCEPTIONS = f"""
    SELECT 'quarantine' AS kind, count(*) AS count, 0 AS amount_rp
    FROM quarantine_cases k WHERE k.closed_at IS NULL AND EXISTS (
        SELECT FROM quarantined_events q WHERE q.case_id = k.id AND
            {AT} >= $2 AND {AT} < $3)
    UNION ALL
    SELECT 'count', count(*), coalesce(sum(f.difference_rp), 0)
    FROM shift_differences f JOIN shifts h ON h.id = f.shift_id
    WHERE f.explained_at IS NULL AND h.opened_at >= $2 AND h.opened_at < $3
    UNION ALL
    SELECT 'unended', count(*), coalesce(sum(u.owed_rp), 0)
    FROM unended_stays u JOIN parking_sessions t ON t.id = u.parking_session_id
    WHERE u.closed_at IS NULL AND t.started_at >= $2 AND t.started_at < $3 AND NOT EXISTS (
        SELECT FROM payments y WHERE y.state = 'paid'
            AND y.parking_session_id = u.parking_session_id)
    UNION ALL
    SELECT 'transfer', count(*), coalesce(sum(t.amount_rp), 0) FROM transfer_cases t
    WHERE t.closed_at IS NULL AND NOT {MENDED}
        AND (t.opened_at >= $2 AND t.opened_at < $3 OR EXISTS (
            SELECT FROM remitted_days d WHERE d.remittance_id = t.remittance_id AND d.day = $1))
    UNION ALL
    SELECT 'claim', count(*), coalesce(sum(f.amount_rp), 0)
    FROM fee_claims f JOIN discrepancies d ON d.id = f.discrepancy_id
    WHERE f.state <> 'closed' AND d.business_day = $1
    UNION ALL
    SELECT 'held', count(*), coalesce(sum(gross_rp), 0) FROM held_lines
    WHERE paid_at >= $2 AND paid_at < $3 AND NOT ({{settled_since}})
    UNION ALL
    SELECT 'unsynced', count(*), 0 FROM devices e JOIN device_reports r ON r.device_id = e.id
    WHERE e.state = 'active' AND r.unsynced_count > 0
        AND r.reported_at - make_interval(secs => coalesce(r.oldest_unsynced_s, 0)) < $3
        AND EXISTS (SELECT FROM shifts h WHERE h.device_id = e.id
            AND h.opened_at >= $2 AND h.opened_at < $3)
    UNION ALL
    SELECT 'shift', count(*), 0 FROM shifts h
    WHERE h.opened_at >= $2 AND h.opened_at < $3
        AND NOT EXISTS (SELECT FROM shift_closings c WHERE c.shift_id = h.id)
"""  # noqa: S608 - of our own words

LISTS: Mapping[str, str] = {
    "payments": f"""
        SELECT coalesce(z.code, '') AS zone,
            CASE WHEN m.flag <> 'exact' THEN 'held' WHEN p.pass_order_id IS NOT NULL THEN 'pass'
            WHEN m.acquirer = '{CASH}' THEN 'cash' WHEN m.acquirer = '{VOUCHER}' THEN 'voucher'
            ELSE 'qris' END AS means,
            count(*) AS count, sum(m.amount_rp) AS amount_rp
        FROM money m JOIN charges c ON c.id = m.charge_id JOIN payments p ON p.id = c.payment_id
        LEFT JOIN parking_sessions v ON v.id = p.parking_session_id
        LEFT JOIN spots s ON s.id = v.spot_id LEFT JOIN zones z ON z.id = s.zone_id
        WHERE m.business_day = $1 GROUP BY 1, 2 ORDER BY 1, 2""",  # noqa: S608
    "receipts": """
        SELECT r.series, min(r.sequence) AS first, max(r.sequence) AS last, count(*) AS count
        FROM receipts r JOIN money m ON m.id = r.money_id
        WHERE m.business_day = $1 GROUP BY 1 ORDER BY 1""",
    "refunds": """
        SELECT r.number, r.method, r.state, r.amount_rp FROM refunds r
        LEFT JOIN ledger_entries e ON e.id = r.due_entry_id
        WHERE e.business_day = $1 OR r.business_day = $1 ORDER BY r.number""",
    "deposits": """
        SELECT d.series, d.sequence, coalesce(a.code, d.payer) AS payer, d.reference, d.amount_rp
        FROM cash_deposits d JOIN ledger_entries e ON e.id = d.entry_id
        LEFT JOIN attendants a ON a.id = d.attendant_id
        WHERE e.business_day = $1 ORDER BY d.series, d.sequence, d.reference""",
    "remittances": """
        SELECT r.number, r.state, d.amount_rp AS of_day_rp, r.amount_rp
        FROM remittances r LEFT JOIN remitted_days d ON d.remittance_id = r.id AND d.day = $1
        LEFT JOIN ledger_entries e ON e.id = r.entry_id
        WHERE r.state <> 'declined' AND (d.day IS NOT NULL OR e.business_day = $1)
        ORDER BY r.number""",
    "batches": """
        SELECT acquirer, batch_id AS batch,
            sum(CASE WHEN takes_back_id IS NULL THEN 1 ELSE -1 END) AS count,
            sum(gross_rp) AS gross_rp, sum(mdr_rp) AS mdr_rp, sum(net_rp) AS net_rp
        FROM settlement_lines WHERE settlement_date = $1 GROUP BY 1, 2 ORDER BY 1, 2""",
    "movements": """
        SELECT l.statement_reference || '/' || l.line_number AS line, coalesce(c.name, '') AS named,
            l.ledger_account IS NOT NULL AS rkud, l.amount_rp
        FROM statement_lines l LEFT JOIN (
            SELECT statement_line_id, name FROM cleared_movements
            UNION ALL SELECT statement_line_id, pays FROM cases WHERE posted_as = 'matched'
        ) c ON c.statement_line_id = l.id
        WHERE l.value_date = $1 AND (l.ledger_account IS NULL OR c.name IS NOT NULL)
        ORDER BY l.account, l.statement_reference, l.line_number""",
    "files": """
        SELECT f.kind, f.name, encode(f.sha256, 'hex') AS sha256 FROM imported_files f
        WHERE f.id IN (
            SELECT file_id FROM settlement_lines WHERE settlement_date = $1
            UNION SELECT file_id FROM held_lines WHERE settlement_date = $1
            UNION SELECT file_id FROM unsettled_lines WHERE settlement_date = $1
            UNION SELECT file_id FROM statement_lines WHERE value_date = $1
            UNION SELECT l.result_file_id FROM payout_lines l JOIN ledger_entries e
                ON e.id = l.entry_id AND e.business_day = $1)
        ORDER BY f.imported_at, f.id""",
}


async def exceptions(db: AsyncSession, day: date, books: Books) -> list[dict[str, Any]]:
    """What of the day is still open beside differences and cases, by kind; nothing of an empty one.

    `unsynced` counts devices with records of the day that are not here, `shift` those that nobody
    ended.
    """
    asked = EXCEPTIONS.format(settled_since=settled_since("held_lines", books.business_days))
    rows = await fetch(db, asked, day, *books.business_days.bounds(day))
    return [
        {"kind": row["kind"], "count": row["count"], "amount_rp": int(row["amount_rp"])}
        for row in rows
        if row["count"]
    ]


async def lists(db: AsyncSession, day: date) -> dict[str, list[dict[str, Any]]]:
    """What makes up the day, list by list: whole rupiah and texts.

    Of the bank's movements only what they were matched by: their own words may name a person. Those
    of the regency's account only once matched: the others are none of parking's.
    """
    return {
        name: [_told(dict(row)) for row in await fetch(db, asked, day)]
        for name, asked in LISTS.items()
    }


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Sums are whole numbers, and a deposit's place in its series is written as its number."""
    told = {name: int(v) if isinstance(v, Decimal) else v for name, v in row.items()}
    if "sequence" in told:
        series, sequence = told.pop("series"), told.pop("sequence")
        told["number"] = "" if series is None else numbers.written(str(series), int(sequence))
    return told
