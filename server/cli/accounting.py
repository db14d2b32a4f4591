"""Commands of the ledger, and of the rules by which money is shared and fees are due."""

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.rules import refuse_unless_alone
from server.cli.shell import (
    AsJson,
    DataDir,
    From,
    To,
    Until,
    fail,
    in_transaction,
    or_say_why,
    print_json,
)

ledger_app = typer.Typer(help="What the ledger says, for accountants.", no_args_is_help=True)
share_rule_app = typer.Typer(help="Shares of attendants and third parties.", no_args_is_help=True)
matching_rule_app = typer.Typer(help="What may differ and still match.", no_args_is_help=True)
payout_rule_app = typer.Typer(help="When attendants are paid their share.", no_args_is_help=True)
mdr_rule_app = typer.Typer(help="Rates of the acquirer's fee.", no_args_is_help=True)


@ledger_app.command("trial-balance")
def trial_balance(
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="At the end of this business day."),
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Every account's balance; debit positive."""
    from domain.money import format_rp
    from server.ledger import reports

    async def work(db: Any, _books: Any) -> list[reports.AccountBalance]:
        return await reports.trial_balance(db, as_of and as_of.date())

    balances = in_transaction(data, work)
    total_rp = sum(line.balance_rp for line in balances)
    if as_json:
        print_json({"accounts": [asdict(line) for line in balances], "total_rp": total_rp})
        return
    for line in balances:
        print(f"{line.code:<10} {line.name:<42} {format_rp(line.balance_rp):>20}")
    print(f"{'':<10} {'Total':<42} {format_rp(total_rp):>20}")


@ledger_app.command("statement")
def account_statement(
    account: str,
    first: From,
    last: To,
    party: Annotated[
        str | None, typer.Option(help="Only this one of the account's parties, such as J-001.")
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """An account's postings with the balance after each, as CSV."""
    from server.errors import Problem
    from server.ledger import reports

    async def work(db: Any, _books: Any) -> reports.Statement:
        return await reports.statement(db, account, first.date(), last.date(), party=party)

    try:
        told = in_transaction(data, work)
    except Problem as exc:
        fail(f"{account}: {exc.title_id} / {exc.title_en}")
    if as_json:
        print_json(asdict(told))
    else:
        _print_csv(reports.statement_csv(told))


@ledger_app.command("journal")
def journal(first: From, last: To, data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Every posting of some business days as CSV, or as one JSON object a line."""
    from server.ledger import reports

    async def work(db: Any, _books: Any) -> None:
        if as_json:
            async for line in reports.journal(db, first.date(), last.date()):
                print_json(asdict(line))
        else:
            async for text in reports.journal_csv(db, first.date(), last.date()):
                _print_csv(text)

    in_transaction(data, work)


def _print_csv(text: str) -> None:
    """As it is: a terminal's line ends are not the file's."""
    sys.stdout.buffer.write(text.encode())


@share_rule_app.command("add")
def add_share_rule(
    regulation: Annotated[str, typer.Option(help="The decree that says so.")],
    first: From,
    attendant_bp: Annotated[int, typer.Option(help="Basis points: 3500 is 35 %.")],
    third_party_bp: int = 0,
    third_party: Annotated[str, typer.Option(help="Whom the third party's share is owed to.")] = "",
    remainder_to: Annotated[
        str, typer.Option(help="regency, attendant or third_party: who gets a rupiah's fraction.")
    ] = "regency",
    zone: Annotated[str | None, typer.Option(help="Only this zone; else all the others.")] = None,
    until: Until = None,
    data: DataDir = Path("data"),
) -> None:
    """Put a share rule in force, while there are no officers; the open one before it ends."""
    from domain.shares import ShareLeg, ShareRule
    from server.ledger import service as ledger
    from server.spots import service as spots

    async def work(db: Any, _books: Any) -> None:
        await refuse_unless_alone(db)
        await ledger.add_share_rule(
            db,
            ShareRule(attendant_bp, third_party_bp, third_party, ShareLeg(remainder_to)),
            zone_id=None if zone is None else await spots.zone_id(db, zone),
            valid_from=first.date(),
            valid_until=until and until.date(),
            regulation=regulation,
        )

    try:
        or_say_why(data, work)
    except ValueError as exc:
        fail(str(exc))


@mdr_rule_app.command("add")
def add_mdr_rule(
    criteria: Annotated[str, typer.Argument(help="UMI, URE, PSO, …")],
    source: Annotated[str, typer.Option(help="Where the rate was published.")],
    first: From,
    rate_bp: Annotated[int, typer.Option(help="Basis points: 70 is 0.7 %.")],
    free_up_to_rp: Annotated[int, typer.Option(help="No fee on payments up to this.")] = 0,
    until: Until = None,
    data: DataDir = Path("data"),
) -> None:
    """Put a rate in force, while there are no officers; the open one before it ends."""
    from domain.mdr import MdrRule, MerchantCriteria
    from server.ledger import service as ledger

    async def work(db: Any, _books: Any) -> None:
        await refuse_unless_alone(db)
        last = until and until.date()
        rule = MdrRule(MerchantCriteria(criteria), first.date(), last, free_up_to_rp, rate_bp)
        await ledger.add_mdr_rule(db, rule, source)

    try:
        or_say_why(data, work)
    except ValueError as exc:
        fail(str(exc))


@payout_rule_app.command("add")
def add_payout_rule(
    regulation: Annotated[str, typer.Option(help="The decree that says so.")],
    first: From,
    weekdays: Annotated[str, typer.Option(help="1 is Monday: 1,2,3,4,5.")] = "1,2,3,4,5",
    after_days: Annotated[int, typer.Option(help="Days after the day it was earned on.")] = 1,
    data: DataDir = Path("data"),
) -> None:
    """Say when shares are paid out, from a day on, while there are no officers."""
    from domain.payout import PayoutRule
    from server.ledger import service as ledger

    try:
        rule = PayoutRule(tuple(sorted({int(day) for day in weekdays.split(",")})), after_days)
    except ValueError as exc:
        fail(str(exc))

    async def work(db: Any, _books: Any) -> bool:
        await refuse_unless_alone(db)
        return await ledger.add_payout_rule(
            db, rule, valid_from=first.date(), regulation=regulation
        )

    if not or_say_why(data, work):
        fail(f"another rule starts on {first.date()}")


@matching_rule_app.command("add")
def add_matching_rule(
    regulation: Annotated[str, typer.Option(help="The contract or decree that says so.")],
    first: From,
    fee_rounding_rp: Annotated[int, typer.Option(help="How far a line's fee may be off.")] = 0,
    late_after_days: Annotated[
        int, typer.Option(help="How long a settlement, and its payout, is awaited.")
    ] = 3,
    heard_within_days: Annotated[
        int, typer.Option(help="Days between a payment and its line, where no time is told.")
    ] = 1,
    working_days: Annotated[
        bool, typer.Option("--working-days", help="Only working days count towards being late.")
    ] = False,
    data: DataDir = Path("data"),
) -> None:
    """Say by what a match is judged, from a day on, while there are no officers."""
    from server.reconciliation import rules
    from server.reconciliation.matching import Tolerances

    try:
        rule = Tolerances(fee_rounding_rp, late_after_days, heard_within_days, working_days)
    except ValueError as exc:
        fail(str(exc))

    async def work(db: Any, _books: Any) -> bool:
        await refuse_unless_alone(db)
        return await rules.add(db, rule, valid_from=first.date(), regulation=regulation)

    if not or_say_why(data, work):
        fail(f"another rule starts on {first.date()}")
