"""The invariants that must hold whatever happened, each one SQL question that must find nothing."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class Invariant:
    """`sql` selects the rows that break it; `sentence` says what must hold."""

    name: str
    sentence: str
    sql: str


INVARIANTS = (
    Invariant(
        "I1-entries-balance",
        "every ledger entry sums to zero",
        """SELECT e.id FROM ledger_entries e LEFT JOIN ledger_postings p ON p.entry_id = e.id
           GROUP BY e.id HAVING count(p.line) < 2 OR sum(p.amount_rp) <> 0""",
    ),
    Invariant(
        "I2-paid-once",
        "a charge is paid exactly when one final payment is recorded for it",
        """SELECT c.id FROM charges c
           LEFT JOIN money m ON m.charge_id = c.id AND m.flag = 'exact'
           WHERE (c.paid_at IS NOT NULL) <> (m.id IS NOT NULL)
              OR (c.state = 'paid' OR c.state LIKE 'refund%') <> (m.id IS NOT NULL)""",
    ),
    Invariant(
        "I3-receipts",
        "a paid charge has exactly one receipt, of the same amount",
        """SELECT c.id FROM charges c LEFT JOIN receipts r ON r.charge_id = c.id
           WHERE (c.paid_at IS NOT NULL) <> (r.number IS NOT NULL)
              OR (r.facts ->> 'amount_rp')::bigint <> c.amount_rp""",
    ),
    Invariant(
        "I3-series-without-gaps",
        "receipts of a series are numbered 1, 2, 3 … to the last",
        """SELECT s.series FROM receipt_series s LEFT JOIN receipts r ON r.series = s.series
           GROUP BY s.series, s.last
           HAVING count(r.number) <> s.last OR max(r.sequence) <> s.last""",
    ),
    Invariant(
        "I5-evidence",
        "all money is in the ledger, to the rupiah, as owed by the acquirer or the attendant",
        """SELECT m.id FROM money m LEFT JOIN ledger_postings p ON p.entry_id = m.entry_id
           AND p.account_code = CASE WHEN m.shift_id IS NULL THEN '1120' ELSE '1140' END
           GROUP BY m.id HAVING coalesce(sum(p.amount_rp), 0) <> m.amount_rp""",
    ),
    Invariant(
        "I6-suspense-has-a-case",
        "money that did not fit its charge has a case with an owner",
        """SELECT m.id FROM money m LEFT JOIN cases c ON c.money_id = m.id
           WHERE (m.flag <> 'exact') <> (c.id IS NOT NULL)""",
    ),
    Invariant(
        "I7-bank-as-imported",
        "the bank account holds what the imported statements moved",
        """SELECT posted - moved FROM
           (SELECT coalesce(sum(amount_rp), 0) AS posted FROM ledger_postings
            WHERE account_code = '1110') p,
           (SELECT coalesce(sum(amount_rp), 0) AS moved FROM statement_lines) s
           WHERE posted <> moved""",
    ),
    Invariant(
        "I7-receivable-as-settled",
        "the acquirer owes the money recorded less the settlement lines set against it",
        """SELECT owed - (came - settled) FROM
           (SELECT coalesce(sum(amount_rp), 0) AS owed FROM ledger_postings
            WHERE account_code = '1120') p,
           (SELECT coalesce(sum(amount_rp), 0) AS came FROM money WHERE acquirer <> 'cash') m,
           (SELECT coalesce(sum(l.gross_rp), 0) AS settled FROM settlement_lines l
            LEFT JOIN ledger_entries u ON u.source = 'unbooked:' || l.id
            LEFT JOIN ledger_entries e ON e.source = 'explained:settlement:' || l.id
            WHERE u.id IS NULL OR e.id IS NOT NULL) s
           WHERE owed <> came - settled""",
    ),
    Invariant(
        "I7-cash-as-taken",
        "each attendant owes the cash taken on the own shifts less the deposits",
        """SELECT a.code FROM attendants a
           LEFT JOIN (SELECT s.attendant_id AS id, sum(m.amount_rp) AS rp FROM money m
                      JOIN shifts s ON s.id = m.shift_id GROUP BY 1) taken ON taken.id = a.id
           LEFT JOIN (SELECT attendant_id AS id, sum(amount_rp) AS rp FROM cash_deposits
                      GROUP BY 1) paid ON paid.id = a.id
           FULL JOIN (SELECT party, sum(amount_rp) AS rp FROM ledger_postings
                      WHERE account_code = '1140' GROUP BY 1) owed ON owed.party = a.code
           WHERE coalesce(owed.rp, 0) <> coalesce(taken.rp, 0) - coalesce(paid.rp, 0)""",
    ),
    Invariant(
        "I8-device-chains",
        "each event of a device names the one before it",
        """SELECT e.device_id FROM device_events e
           LEFT JOIN device_events b ON b.device_id = e.device_id AND b.seq = e.seq - 1
           WHERE e.prev_hash <> coalesce(b.hash, repeat('0', 64))
              OR (e.seq > 1 AND b.seq IS NULL)""",
    ),
)


async def broken(db: AsyncSession) -> dict[str, list[str]]:
    """For every invariant the rows that break it, at most a hundred; all empty when all hold."""
    found = {}
    for invariant in INVARIANTS:
        rows = await db.scalars(text(f"{invariant.sql} LIMIT 100"))
        found[invariant.name] = [str(row) for row in rows]
    return found
