"""Commands on acquirers: which issues new barcodes, how each does, and having another one do it."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.money import format_rp
from server.cli.shell import (
    APPROVAL_NEEDED,
    AsJson,
    DataDir,
    Decision,
    Id,
    Officer,
    acting_as,
    fail,
    in_transaction,
    print_json,
    talk,
)

acquirer_app = typer.Typer(help="Acquirers, and questions to them.", no_args_is_help=True)


@acquirer_app.command("list")
def list_acquirers(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """The acquirers, how each did in the last 15 minutes, and who was chosen for which zone."""
    from server.payments import choices
    from server.payments.choices import Doing

    names = _names()

    async def work(db: Any, _books: Any) -> Any:
        now = datetime.now(UTC)
        return (
            await choices.doing(db, now),
            await choices.covering_now(db, now),
            await choices.waiting(db, now),
        )

    doing, in_force, waiting = in_transaction(data, work)
    if as_json:
        print_json(
            {
                "acquirers": [{"name": name, **_did(doing.get(name, Doing()))} for name in names],
                "in_force": [_told(one) for one in in_force],
                "waiting": [_told(one) for one in waiting],
            }
        )
        return
    for at, name in enumerate(names):
        did = doing.get(name, Doing())
        print(
            f"{name}  issued {did.issued}, refused {did.refused}, unknown {did.unknown}"
            f"{'  FAILS' if did.fails else ''}{'  (first of the settings)' if at == 0 else ''}"
        )
    for one in in_force:
        until = f" until {one.lapses_at:%Y-%m-%d %H:%M %Z}" if one.lapses_at else ""
        print(f"in force: {one.zone or 'all zones'}  {one.acquirer}{until}  {one.reason}")
    for one in waiting:
        print(f"waits: {one.id}  {one.zone or 'all zones'}  {one.acquirer}  {one.reason}")


@acquirer_app.command("use")
def use(
    acquirer: Annotated[str, typer.Argument(help="The acquirer's name.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    officer: Officer,
    zone: Annotated[str, typer.Option(help="A zone's code; empty: all zones.")] = "",
    starts: Annotated[
        datetime | None,
        typer.Option("--from", help="From when on, by the regency's clock; now, if left out."),
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Now, and for 24 hours unless a second agrees.")
    ] = False,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Have an acquirer issue new barcodes; unless at once it waits for a second: exit 4."""
    from server.payments import choices
    from server.payments.choices import Wish

    names = _names()

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        wish = Wish(acquirer, zone, reason)
        if at_once:
            made = await choices.switch(db, officer_id, wish, names, now=now)
        else:
            starts_at = starts.replace(tzinfo=books.timezone) if starts else now
            told = (wish, names)
            made = await choices.ask(db, officer_id, *told, starts_at=starts_at, now=now)
        return await choices.chosen(db, made)

    _tell(acting_as(data, officer, work), as_json)
    talk.print("karcis: another officer decides it: karcis acquirer decide", markup=False)
    if not at_once:
        raise typer.Exit(APPROVAL_NEEDED)


@acquirer_app.command("decide")
def decide(
    choice: Id,
    decision: Decision,
    officer: Officer,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Agree to what another officer chose, or end it."""
    from server.payments import choices

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> Any:
        approve = decision is Decision.APPROVE
        await choices.decide(db, officer_id, choice, approve=approve, why=why, now=now)
        return await choices.chosen(db, choice)

    _tell(acting_as(data, officer, work), as_json)


@acquirer_app.command()
def decode(text: str, as_json: AsJson = False) -> None:
    """Ask the first acquirer that tells such whose barcode a payload is. Exit 1 if none will."""
    from pydantic import ValidationError

    from server.app import NotConfigured, create_acquirers
    from server.payments.acquirer import AcquirerRefused, AcquirerUnknown, DecodedBarcode
    from server.settings import Settings

    async def ask() -> DecodedBarcode:
        acquirers = create_acquirers(Settings())
        asked = next((each for each in acquirers if each.profile.decodes), acquirers.first)
        try:
            return await asked.decode(text)
        finally:
            await acquirers.close()

    try:
        decoded = asyncio.run(ask())
    except (NotConfigured, ValidationError, AcquirerRefused, AcquirerUnknown) as exc:
        fail(str(exc))
    if as_json:
        print_json(asdict(decoded))
        return
    print(
        f"{decoded.merchant_name}{f' {format_rp(decoded.amount_rp)}' if decoded.amount_rp else ''}"
    )
    for acquirer, pan in decoded.pans.items():
        print(f"{pan}  {acquirer}")


def _names() -> list[str]:
    from pydantic import ValidationError

    from server.settings import AcquirersUnfit, Settings

    try:
        return [terms.name for terms in Settings().acquirer_terms]
    except (ValidationError, AcquirersUnfit) as exc:
        fail(str(exc))


def _did(doing: Any) -> dict[str, Any]:
    at = doing.answered_at
    return asdict(doing) | {"answered_at": at.isoformat() if at else None, "fails": doing.fails}


def _told(one: Any) -> dict[str, Any]:
    lapses_at = one.lapses_at
    return {
        "id": str(one.id),
        "acquirer": one.acquirer,
        "zone": one.zone or None,
        "at_once": one.at_once,
        "starts_at": one.starts_at.isoformat(),
        "lapses_at": lapses_at.isoformat() if lapses_at else None,
        "state": one.state.value,
        "reason": one.reason,
        "asked_by": one.maker,
        "decided_by": one.checker or None,
    }


def _tell(one: Any, as_json: bool) -> None:
    if as_json:
        print_json(_told(one))
    else:
        print(f"{one.id}  {one.zone or 'all zones'}  {one.acquirer}  {one.state}")
