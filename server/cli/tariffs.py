"""Commands by which two officers change a zone's tariff."""

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
    From,
    Id,
    InputFile,
    Officer,
    acting_as,
    fail,
    in_transaction,
    print_json,
    talk,
)

tariff_app = typer.Typer(help="Tariffs, changed by two officers.", no_args_is_help=True)


@tariff_app.command("list")
def list_tariffs(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Tariffs in force and to come, and what is proposed."""
    from server.spots import proposals
    from server.spots import service as spots

    async def work(db: Any, books: Any) -> Any:
        today = books.day(datetime.now(UTC))
        return await spots.tariffs_from(db, today), await proposals.latest(db, 50)

    tariffs, proposed = in_transaction(data, work)
    if as_json:
        print_json(
            {
                "tariffs": [{"zone": zone, "version": version} for zone, version in tariffs],
                "proposals": [_told(one) for one in proposed],
            }
        )
        return
    for zone, version in tariffs:
        until = version.get("valid_until") or "..."
        event = f"  {version['event']}" if version.get("event") else ""
        print(f"{zone}  {version['valid_from']} - {until}  {version['regulation']}{event}")
    for one in proposed:
        print(f"{one.zone}  {one.version.valid_from}  {one.state}  {one.id}  {one.reason}")


@tariff_app.command("propose")
def propose(
    zone: Annotated[str, typer.Argument(help="The zone's code.")],
    file: InputFile,
    first: From,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    officer: Officer,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Propose a tariff from JSON; it waits for a second officer, so this exits with 4.

    Prints its holidays, also those filled in where it names none: check them.
    """
    from server.spots import proposals

    try:
        draft = json.loads(file.read_text())
    except (ValueError, RecursionError) as exc:
        fail(f"{file} is not JSON: {exc}")
    if not isinstance(draft, dict):
        fail(f"{file} is not one tariff")

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        day = books.day(now)
        told = (zone, draft, first.date(), reason)
        holidays = books.workdays.holidays(day)
        asked = await proposals.propose(
            db, officer_id, *told, today=day, now=now, holidays=holidays
        )
        return await proposals.found(db, asked)

    _tell(acting_as(data, officer, work), as_json)
    talk.print("karcis: another officer decides it: karcis tariff decide", markup=False)
    raise typer.Exit(APPROVAL_NEEDED)


@tariff_app.command("decide")
def decide(
    proposal: Id,
    decision: Decision,
    officer: Officer,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Approve or decline what another officer proposed."""
    from server.spots import proposals

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        approve, today = decision is Decision.APPROVE, books.day(now)
        await proposals.decide(
            db, officer_id, proposal, approve=approve, why=why, today=today, now=now
        )
        return await proposals.found(db, proposal)

    _tell(acting_as(data, officer, work), as_json)


def _told(one: Any) -> dict[str, Any]:
    from domain.tariff import tariff_to_json

    return {
        "id": str(one.id),
        "zone": one.zone,
        "state": one.state.value,
        "version": tariff_to_json(one.version),
        "reason": one.reason,
        "proposed_by": one.maker,
        "decided_by": one.checker or None,
        "why": one.why or None,
    }


def _tell(one: Any, as_json: bool) -> None:
    if as_json:
        print_json(_told(one))
    else:
        print(f"{one.id}  {one.zone}  {one.version.valid_from}  {one.state}")
        for day, name in one.version.holidays.items():
            print(f"  {day}  {name}")
