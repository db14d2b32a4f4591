"""Commands by which an officer asks to close a business day, or to open it again.

The second officer agrees on the office's pages, where a password tells who it is.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import APPROVAL_NEEDED, AsJson, DataDir, Day, Officer, acting_as, print_json

day_app = typer.Typer(help="Closing business days, by two officers.", no_args_is_help=True)

Why = Annotated[str, typer.Option(help="Why, for the record.")]


@day_app.command("close")
def close(
    day: Day,
    officer: Officer,
    note: Annotated[str, typer.Option(help="Why, where differences or cases are open.")] = "",
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Prepare the close of a day that is reconciled; a second officer locks it on its page."""
    from server.reconciliation import closing

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        return await closing.prepare(db, day.date(), officer_id, books, note, now=now)

    _tell(acting_as(data, officer, work), as_json)


@day_app.command("reopen")
def reopen(
    day: Day, officer: Officer, why: Why, data: DataDir = Path("data"), as_json: AsJson = False
) -> None:
    """Ask that a locked day is opened again; a second officer agrees on the office's pages."""
    from server.reconciliation import closing

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> Any:
        found = await _live(db, day)
        await closing.ask_reopening(db, officer_id, found.id, why, now=now)
        return found

    _tell(acting_as(data, officer, work), as_json)


async def _live(db: Any, day: datetime) -> Any:
    from server.reconciliation import closing

    found = await closing.live(db, day.date())
    if found is None:
        raise closing.DayCloseNotFound
    return found


def _tell(close: Any, as_json: bool) -> None:
    told = {
        "date": close.day.isoformat(),
        "number": close.number,
        "state": close.state,
        "sha256": close.sha256.hex(),
    }
    if as_json:
        print_json(told)
    else:
        print(f"{close.day}  nomor {close.number}  {close.state}  sha256 {close.sha256.hex()}")
    raise typer.Exit(APPROVAL_NEEDED)
