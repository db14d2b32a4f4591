"""Commands by which two officers change a rule that steers money."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import (
    APPROVAL_NEEDED,
    AsJson,
    DataDir,
    Decision,
    Id,
    InputFile,
    Officer,
    acting_as,
    fail,
    in_transaction,
    print_json,
    talk,
)

rule_app = typer.Typer(
    help="Rules of shares, fees, payouts, matching, targets, passes; changed by two officers.",
    no_args_is_help=True,
)


async def refuse_unless_alone(db: Any) -> None:
    """For commands by which one person sets rules before there are officers."""
    from server.rules import service

    await service.refuse_unless_alone(db)


@rule_app.command("list")
def list_rules(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Rules in force, to come and past, and what is proposed."""
    from server.rules import service, standing
    from server.spots import service as spots

    async def work(db: Any, books: Any) -> Any:
        today = books.day(datetime.now(UTC))
        zones = dict(await spots.zone_names(db))
        rules = [(one, one.state(today)) for one in await standing.every(db)]
        return zones, rules, await service.latest(db, 50)

    zones, rules, proposed = in_transaction(data, work)
    if as_json:
        print_json(
            {
                "rules": [
                    {"rule": one.rule.model_dump(mode="json"), "until": one.until, "state": state}
                    for one, state in rules
                ],
                "proposals": [_told(one) for one in proposed],
            }
        )
        return
    for one, state in rules:
        said = one.rule.said(zones).bahasa
        print(f"{state:<9}  {one.rule.begins} - {one.until or '...'}  {said}")
    for one in proposed:
        print(f"{one.state}  {one.rule.begins}  {one.id}  {one.said.bahasa}  {one.reason}")


@rule_app.command("propose")
def propose(
    file: InputFile,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    officer: Officer,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Propose a rule from JSON; it waits for a second officer, so this exits with 4."""
    from server.rules import service

    try:
        told = json.loads(file.read_text())
    except (ValueError, RecursionError) as exc:
        fail(f"{file} is not JSON: {exc}")
    if not isinstance(told, dict):
        fail(f"{file} is not one rule")

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        rule, today = service.parsed(told), books.day(now)
        asked = await service.propose(db, officer_id, rule, reason, today=today, now=now)
        return await service.found(db, asked)

    _tell(acting_as(data, officer, work), as_json)
    talk.print("karcis: another officer decides it: karcis rule decide", markup=False)
    raise typer.Exit(APPROVAL_NEEDED)


@rule_app.command("decide")
def decide(
    proposal: Id,
    decision: Decision,
    officer: Officer,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Approve or decline what another officer proposed."""
    from server.rules import service

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        approve, today = decision is Decision.APPROVE, books.day(now)
        await service.decide(
            db, officer_id, proposal, approve=approve, why=why, today=today, now=now
        )
        return await service.found(db, proposal)

    _tell(acting_as(data, officer, work), as_json)


def _told(one: Any) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "state": one.state.value,
        "rule": one.rule.model_dump(mode="json"),
        "reason": one.reason,
        "proposed_by": one.maker,
        "decided_by": one.checker or None,
        "why": one.why or None,
    }


def _tell(one: Any, as_json: bool) -> None:
    if as_json:
        print_json(_told(one))
    else:
        print(f"{one.id}  {one.rule.begins}  {one.state}  {one.said.bahasa}")
