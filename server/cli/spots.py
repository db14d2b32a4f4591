"""Commands on parking spots."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import (
    DataDir,
    InputFile,
    fail,
    in_transaction,
)

spot_app = typer.Typer(help="Parking spots.", no_args_is_help=True)


@spot_app.command("import")
def import_spots(
    file: InputFile,
    data: DataDir = Path("data"),
    dry_run: Annotated[bool, typer.Option(help="Check the file, change nothing.")] = False,
) -> None:
    """Take in spots from CSV, all or nothing; known codes are updated."""
    from server.ledger import service as ledger
    from server.spots import service as spots

    async def read(db: Any, text: str) -> int:
        count = await spots.import_spots(db, text)
        await ledger.open_accounts(db, await spots.zone_names(db))
        return count

    count = _taken_in(data, file, dry_run, read, spots.SpotFileError)
    print(f"{count} spots{' would be' if dry_run else ''} imported")


sign_app = typer.Typer(help="Signs at parking spots.", no_args_is_help=True)


@sign_app.command("import")
def import_codes(
    file: InputFile,
    data: DataDir = Path("data"),
    dry_run: Annotated[bool, typer.Option(help="Check the file, change nothing.")] = False,
) -> None:
    """Register the static QRIS that are posted at spots, from CSV (spot,qris), all or nothing."""
    from server.inspection import signs

    async def read(db: Any, text: str) -> int:
        return await signs.import_codes(db, text, now=datetime.now(UTC))

    count = _taken_in(data, file, dry_run, read, signs.CodeFileError)
    print(f"{count} posted codes{' would be' if dry_run else ''} registered")


def _taken_in(
    data: Path,
    file: Path,
    dry_run: bool,
    read: Callable[[Any, str], Awaitable[int]],
    refused: type[ValueError],
) -> int:
    """How many rows of a file were taken in by `read`, in one transaction; `refused` is said."""

    async def work(db: Any, _books: Any) -> int:
        count = await read(db, text)
        if dry_run:
            await db.rollback()
        return count

    try:
        text = file.read_text(encoding="utf-8")
        return in_transaction(data, work)
    except (refused, UnicodeDecodeError) as exc:
        fail(f"{file.name}: {exc}")
