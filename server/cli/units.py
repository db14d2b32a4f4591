"""Commands on the units of the office: the tree, and what two officers move in it."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import (
    APPROVAL_NEEDED,
    AsJson,
    DataDir,
    Decision,
    Id,
    Officer,
    acting_as,
    in_transaction,
    print_json,
    talk,
)

unit_app = typer.Typer(help="Units of the office, as a tree.", no_args_is_help=True)

Under = Annotated[str, typer.Option("--under", help="The code of the unit above.")]


class What(StrEnum):
    """What comes under a unit."""

    UNIT = "unit"
    ZONE = "zone"
    ATTENDANT = "attendant"


@unit_app.command("list")
def list_units(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """The tree, with the zones, officers and attendants of each unit."""
    from server.spots import units

    async def work(db: Any, _books: Any) -> Any:
        return await units.shown(db)

    shown = in_transaction(data, work)
    if as_json:
        print_json([_told(one) for one in shown])
        return
    for one in shown:
        unit, indent = one.placed.unit, "  " * one.placed.depth
        operator = f"  {unit.operator}, {unit.contract}" if unit.operator else ""
        print(f"{indent}{unit.code}  {unit.name}{operator}")
        print(f"{indent}  {', '.join(one.zones) or '-'}; {len(one.officers)} officers", end="")
        print(f", {one.attendants} attendants")


def _told(one: Any) -> dict[str, Any]:
    unit = one.placed.unit
    return {
        "code": unit.code,
        "name": unit.name,
        "depth": one.placed.depth,
        "operator": unit.operator,
        "contract": unit.contract,
        "zones": one.zones,
        "officers": one.officers,
        "attendants": one.attendants,
    }


@unit_app.command("add")
def add(
    code: Annotated[str, typer.Argument(help="Its code: capitals, digits, dashes.")],
    name: Annotated[str, typer.Option(help="Its name.")],
    officer: Officer,
    under: Under = "PUSAT",
    operator: Annotated[str, typer.Option(help="The third party who runs it.")] = "",
    contract: Annotated[str, typer.Option(help="The number of the contract.")] = "",
    data: DataDir = Path("data"),
) -> None:
    """Add an empty unit."""
    from server.identity import units as tree
    from server.identity.units import Draft
    from server.spots import units

    async def work(db: Any, _books: Any, officer_id: Any, _now: datetime) -> None:
        parent = await tree.coded(db, under)
        draft = Draft(code.strip().upper(), name, operator, contract)
        await units.add(db, officer_id, parent.id, draft)

    acting_as(data, officer, work)


@unit_app.command("move")
def move(
    what: What,
    code: Annotated[str, typer.Argument(help="The code of the unit, zone or attendant.")],
    under: Under,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    officer: Officer,
    data: DataDir = Path("data"),
) -> None:
    """Ask that something come under a unit; it waits for a second officer, so this exits with 4."""
    from server.identity import units as tree
    from server.spots import units

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> Any:
        to = await tree.coded(db, under)
        subject = units.Subject(what.value)
        return await units.propose(db, officer_id, subject, code, to.id, why, now=now)

    print(acting_as(data, officer, work))
    talk.print("karcis: another officer decides it: karcis unit decide", markup=False)
    raise typer.Exit(APPROVAL_NEEDED)


@unit_app.command("decide")
def decide(move_id: Id, decision: Decision, officer: Officer, data: DataDir = Path("data")) -> None:
    """Approve or decline what another officer asked to move."""
    from server.spots import units

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> None:
        approve = decision is Decision.APPROVE
        await units.decide(db, officer_id, move_id, approve=approve, now=now)

    acting_as(data, officer, work)
