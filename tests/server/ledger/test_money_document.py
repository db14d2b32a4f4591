"""docs/money.md is the ledger's rules: its chart, its worked entries and its rates are compared."""

import inspect
import re
from pathlib import Path

import pytest

from domain.shares import ShareRule, share
from server.database import Transactions
from server.ledger import postings, service
from server.ledger.postings import Leg

TEXT = (Path(__file__).parents[3] / "docs" / "money.md").read_text()
NAMES = {account.code: account.name for account in postings.CHART} | {
    postings.revenue("PSR"): "Retribusi parkir PSR"
}
RULES = dict(inspect.getmembers(postings, inspect.isfunction))
CONSTANTS = {name: value for name, value in vars(postings).items() if name.isupper()}
SHARES = share(2000, ShareRule(3500, 500, "Karang Taruna"), "J-001")
WORKED = re.findall(r"`((?:for|reverse)\w*\(.*\))`\n\n\| account.*\n\|[-:|]+\n((?:\|.*\n)+)", TEXT)


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]


def leg_of(account: str, party: str, debit: str, credit: str) -> Leg:
    """A row of a worked table; its account's name must be the chart's."""
    code, _, name = account.partition(" ")
    assert NAMES[code] == name
    assert bool(debit) != bool(credit)
    amount_rp = int((debit or f"-{credit}").replace(".", ""))
    return Leg(code, amount_rp, party or None)


@pytest.mark.parametrize(("call", "table"), WORKED, ids=[call for call, _ in WORKED])
def test_each_worked_entry_is_what_the_rule_posts(call: str, table: str) -> None:
    posted = eval(call, {**RULES, **CONSTANTS, "shares": SHARES})
    assert [leg_of(*row) for row in rows_of(table)] == list(posted)


def test_every_posting_rule_is_worked() -> None:
    worked = {call.partition("(")[0] for call, _ in WORKED}
    assert worked == {name for name in RULES if name.startswith("for_")} | {"reverse"}


def test_the_documented_chart_is_the_chart() -> None:
    documented = re.findall(r"^\| `(\d{4})` \| ([^|]+) \| (\w+) \| ([^|]*)\|", TEXT, re.M)
    assert [(code, name, kind) for code, name, kind, _ in documented] == [
        (account.code, account.name, account.kind) for account in postings.CHART
    ]
    assert {code for code, *_, parties in documented if parties.strip()} == {
        "1140",
        "1170",
        "2120",
        "2130",
    }
    assert postings.zone_account("PSR", "Pasar") == postings.ChartAccount(
        "4110.PSR", "Retribusi parkir Pasar", "revenue"
    )


async def test_the_documented_rates_are_the_published_ones(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        rules = await service.mdr_rules(db)
    rows = re.findall(
        r"^\| `([A-Z0-9]+)` \| [^|]+\| (\S+) \| (\S*) ?\| (\S+) \| (\S+) %", TEXT, re.M
    )
    documented = {
        (criteria, since, until, int(free.replace(".", "")), rate)
        for criteria, since, until, free, rate in rows
    }
    assert documented == {
        (
            rule.criteria.value,
            f"{rule.valid_from}",
            f"{rule.valid_until or ''}",
            rule.free_up_to_rp,
            f"{rule.rate_bp // 100},{rule.rate_bp % 100 // 10}" if rule.rate_bp else "0",
        )
        for rule in rules
    }
