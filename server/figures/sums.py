"""A table of sums, and the SQL that keeps it: what is added up, by what, out of which facts."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.figures.models import FEES, PARTY


@dataclass(frozen=True)
class Sums:
    """`cell` tells one sum from another, the first of it the day; `facts` are rows of both.

    In `facts`, `{entries}` and `{lines}` say which ledger entries `e` and settlement lines `l` are
    meant; `$1` is the regency's time zone.
    """

    table: str
    cell: Sequence[str]
    sums: Sequence[str]
    facts: str

    def of(self, entries: str, lines: str) -> str:
        return self.facts.replace("{entries}", entries).replace("{lines}", lines)

    def adding(self, entries: str, lines: str) -> str:
        """Add what is summed to the sums."""
        cell, names = ", ".join(self.cell), ", ".join((*self.cell, *self.sums))
        summed = ", ".join(f"sum({name}) AS {name}" for name in self.sums)
        added = ", ".join(f"{name} = {self.table}.{name} + excluded.{name}" for name in self.sums)
        # In the order of their keys, so that sweeps and mends lock rows in one order.
        return f"""
            INSERT INTO {self.table} ({names})
            SELECT {cell}, {summed} FROM ({self.of(entries, lines)}) f
            GROUP BY {cell} ORDER BY {cell}
            ON CONFLICT ({cell}) DO UPDATE SET {added}"""

    def sweep(self) -> str:
        """Of what was written from `$2` on and before `$3`."""
        return self.adding("e.id >= $2 AND e.id < $3", "l.id >= $2 AND l.id < $3")

    def count_day(self) -> str:
        """Of the day `$2`, as far as it was written before `$3`."""
        return self.adding(
            "e.business_day = $2 AND e.id < $3", "l.settlement_date = $2 AND l.id < $3"
        )

    def with_later(self, bound: str) -> str:
        """The sums, and as rows like them what they do not hold yet, being not before `$2`.

        The first bound is what the plan is made for; the second holds in the statement's own
        snapshot, and is never before it.
        """
        later = f"{{id}} >= $2 AND {{id}} >= (SELECT {bound} FROM takings_swept)"
        names = ", ".join((*self.cell, *self.sums))
        facts = self.of(later.format(id="e.id"), later.format(id="l.id"))
        return f"SELECT {names} FROM {self.table} UNION ALL SELECT {names} FROM ({facts}) n"


PARTIES = Sums(
    "party_sums",
    PARTY,
    ("added_rp", "taken_rp"),
    """
    SELECT e.business_day, g.account_code, g.party, greatest(g.amount_rp, 0) AS added_rp,
        least(g.amount_rp, 0) AS taken_rp
    FROM ledger_entries e JOIN ledger_postings g ON g.entry_id = e.id
    WHERE g.party IS NOT NULL AND $1::text IS NOT NULL AND {entries}
    """,
)
"""What was added to and taken off each party of an account that is owed by or to many."""

FEE_LINES = Sums(
    "fee_sums",
    FEES,
    ("count", "mdr_rp", "vat_rp", "withheld_rp", "net_rp"),
    """
    SELECT l.settlement_date, l.acquirer, (l.paid_at AT TIME ZONE $1)::date AS paid_on,
        s.sign * l.gross_rp AS gross_rp, s.sign AS count,
        l.mdr_rp, l.vat_rp, l.withheld_rp, l.net_rp
    FROM settlement_lines l
    CROSS JOIN LATERAL (SELECT CASE WHEN l.takes_back_id IS NULL THEN 1 ELSE -1 END AS sign) s
    WHERE {lines}
    """,
)
"""What acquirers kept of payments of one amount, paid on one day and settled on one.

A line that takes another back is one payment of that amount less.
"""

REPORTED = (PARTIES, FEE_LINES)

REPORTED_ASTRAY = """
    SELECT business_day FROM (
        SELECT business_day, account_code, party, added_rp, taken_rp FROM party_sums
    ) told FULL JOIN (
        SELECT e.business_day, g.account_code, g.party,
            sum(greatest(g.amount_rp, 0)) AS added, sum(least(g.amount_rp, 0)) AS taken
        FROM ledger_entries e JOIN ledger_postings g ON g.entry_id = e.id
        WHERE g.party IS NOT NULL AND e.id < (SELECT reports_bound FROM takings_swept)
        GROUP BY 1, 2, 3
    ) posted USING (business_day, account_code, party)
    WHERE (coalesce(added_rp, 0), coalesce(taken_rp, 0))
        <> (coalesce(added, 0), coalesce(taken, 0))
    UNION SELECT business_day FROM (
        SELECT settlement_date AS business_day, acquirer, gross_rp, sum(count) AS n,
            sum(mdr_rp) AS mdr, sum(net_rp) AS net
        FROM fee_sums GROUP BY 1, 2, 3
    ) told FULL JOIN (
        SELECT settlement_date AS business_day, acquirer, sign * gross_rp AS gross_rp,
            sum(sign) AS lines, sum(mdr_rp) AS mdr_of_lines, sum(net_rp) AS net_of_lines
        FROM settlement_lines
        CROSS JOIN LATERAL (SELECT CASE WHEN takes_back_id IS NULL THEN 1 ELSE -1 END AS sign) s
        WHERE id < (SELECT reports_bound FROM takings_swept)
        GROUP BY 1, 2, 3
    ) settled USING (business_day, acquirer, gross_rp)
    WHERE (coalesce(n, 0), coalesce(mdr, 0), coalesce(net, 0))
        <> (coalesce(lines, 0), coalesce(mdr_of_lines, 0), coalesce(net_of_lines, 0))
"""
"""The business days of which these are not what the ledger and the settlement lines say."""
