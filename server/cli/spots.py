"""Commands on parking spots."""

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

    async def work(db: Any, _books: Any) -> int:
        count = await spots.import_spots(db, file.read_text(encoding="utf-8"))
        await ledger.open_accounts(db, await spots.zone_names(db))
        if dry_run:
            await db.rollback()
        return count

    try:
        count = in_transaction(data, work)
    except (spots.SpotFileError, UnicodeDecodeError) as exc:
        fail(f"{file.name}: {exc}")
    print(f"{count} spots{' would be' if dry_run else ''} imported")
