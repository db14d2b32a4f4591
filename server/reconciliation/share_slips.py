"""What a payout of a share was for: earned on which days, by which part, less what was taken back.

A line pays all that was owed when its run was prepared. What the payee's paid line before it had
paid already is left out, so that a slip stays as it was, whatever comes later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import fetch
from server.ledger import postings
from server.ledger import service as ledger
from server.reconciliation.payout_models import PayeeAccount, PayoutLine, PayoutRun
from server.reconciliation.states import LineState

PAID_FOR = """
    SELECT e.business_day AS day, n.id AS zone_id,
        coalesce(-sum(p.amount_rp) FILTER (WHERE p.amount_rp < 0), 0) AS share_rp,
        coalesce(sum(z.gross_rp) FILTER (WHERE p.amount_rp < 0), 0) AS gross_rp,
        coalesce(sum(p.amount_rp) FILTER (WHERE p.amount_rp > 0), 0) AS taken_rp
    FROM ledger_postings p JOIN ledger_entries e ON e.id = p.entry_id
    LEFT JOIN LATERAL (
        SELECT substr(q.account_code, 6) AS code, -q.amount_rp AS gross_rp
        FROM ledger_postings q WHERE q.entry_id = e.id AND q.account_code LIKE '4110.%' LIMIT 1
    ) z ON true LEFT JOIN zones n ON n.code = z.code
    WHERE p.account_code = $1 AND p.party = $2 AND e.source NOT LIKE 'payout:%'
        AND e.recorded_at <= $3 AND (p.amount_rp > 0 OR e.business_day <= $4)
        AND NOT (e.recorded_at <= coalesce($5::timestamptz, '-infinity')
            AND (p.amount_rp > 0 OR e.business_day <= $6::date))
    GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Reckoning:
    """`parts_bp` are the parts that held, each once. `rest_rp` is what else the payout brought.

    Share less what refunds took back, and the rest, sum to what was paid.
    """

    first: date | None
    last: date | None
    days: int
    gross_rp: int
    parts_bp: Sequence[int]
    share_rp: int
    taken_back_rp: int
    rest_rp: int


async def reckoned(db: AsyncSession, run: PayoutRun, line: PayoutLine) -> Reckoning:
    before = (
        await db.execute(
            select(PayoutRun.prepared_at, PayoutRun.until)
            .join(PayoutLine, PayoutLine.run_id == PayoutRun.id)
            .where(PayoutLine.account_code == line.account_code, PayoutLine.party == line.party)
            .where(PayoutLine.state == LineState.PAID, PayoutRun.prepared_at < run.prepared_at)
            .order_by(PayoutRun.prepared_at.desc())
            .limit(1)
        )
    ).first()
    since = (None, None) if before is None else (before.prepared_at, before.until)
    of = (line.account_code, line.party, run.prepared_at, run.until)
    rows = await fetch(db, PAID_FOR, *of, *since)
    earned = [row for row in rows if row["share_rp"]]
    days = sorted({row["day"] for row in earned})
    share_rp = sum(int(row["share_rp"]) for row in earned)
    taken_rp = sum(int(row["taken_rp"]) for row in rows)
    parts = set()
    rules = await ledger.share_rules(db, days[0], days[-1]) if days else []
    for row in earned:
        rule = None if row["zone_id"] is None else ledger.pick(rules, row["zone_id"], row["day"])
        if rule is not None:
            own = line.account_code == postings.ATTENDANT_PAYABLE
            parts.add(rule.attendant_bp if own else rule.third_party_bp)
    return Reckoning(
        days[0] if days else None,
        days[-1] if days else None,
        len(days),
        sum(int(row["gross_rp"]) for row in earned),
        sorted(parts),
        share_rp,
        taken_rp,
        line.amount_rp - share_rp + taken_rp,
    )


async def newest_of(
    db: AsyncSession, attendant: str, limit: int
) -> list[tuple[PayoutRun, PayoutLine, PayeeAccount]]:
    """What an attendant was paid last."""
    rows = await db.execute(
        select(PayoutRun, PayoutLine, PayeeAccount)
        .join(PayoutLine, PayoutLine.run_id == PayoutRun.id)
        .join(PayeeAccount, PayeeAccount.id == PayoutLine.payee_account_id)
        .where(PayoutLine.account_code == postings.ATTENDANT_PAYABLE)
        .where(PayoutLine.party == attendant, PayoutLine.state == LineState.PAID)
        .order_by(PayoutLine.told_at.desc())
        .limit(limit)
    )
    return [(run, line, account) for run, line, account in rows]
