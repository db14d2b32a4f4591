"""Commands of the audit log: seal it, sign it, hand it out, and look whether it is what it was."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import (
    DIFFERENCES,
    AsJson,
    DataDir,
    Day,
    From,
    To,
    fail,
    login,
    print_json,
    talk,
    with_transactions,
    writing,
)

audit_app = typer.Typer(help="The audit log: rows sealed in a chain.", no_args_is_help=True)
NO_KEY = "set KARCIS_AUDIT_KEY to the file of the key that signs checkpoints"


def _signer(settings: Any) -> Any:
    from server.audit.notes import AuditKeyUnfit, Signer

    try:
        return Signer.of(settings)
    except AuditKeyUnfit as exc:
        fail(str(exc))


def _needed(settings: Any) -> Any:
    return _signer(settings) or fail(NO_KEY)


@audit_app.command("seal")
def seal(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Seal every row that has no leaf yet; the server does so each minute."""
    from server.audit import service

    async def work(transactions: Any, _settings: Any) -> int:
        return await service.seal(transactions, now=datetime.now(UTC), all_rows=True)

    sealed = with_transactions(data, work)
    if as_json:
        print_json({"sealed": sealed})
    else:
        print(f"{sealed} baris disegel / rows sealed")


@audit_app.command("checkpoint")
def checkpoint(
    out: Annotated[Path | None, typer.Option(help="Write it there too.")] = None,
    data: DataDir = Path("data"),
) -> None:
    """Sign what the log is now, and print it: keep it where the database's owner cannot reach."""
    from server.audit import checkpoints

    async def work(transactions: Any, settings: Any) -> str:
        signer = _needed(settings)
        async with transactions.begin() as db:
            made = await checkpoints.make(db, signer, now=datetime.now(UTC))
            return str(made.note)

    note = with_transactions(data, work)
    if out is not None:
        try:
            out.write_bytes(note.encode())
        except OSError as exc:
            fail(f"{out}: {exc.strerror}")
    print(note, end="")


@audit_app.command("export")
def export(
    day: Day,
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    since: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A checkpoint you kept, to be extended."),
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Write what was sealed on a day, with its proofs and the program that checks them."""
    from server.audit import export as exporting

    if out.exists() and any(out.iterdir()):
        fail(f"{out} is not empty")
    out.mkdir(parents=True, exist_ok=True)
    earlier = None if since is None else _read_note(since)

    async def work(transactions: Any, settings: Any) -> int:
        signer = _needed(settings)
        async with transactions.begin() as db:
            return await exporting.export(
                db, day.date(), out, signer, settings.timezone, earlier=earlier
            )

    rows = with_transactions(data, work)
    talk.print(f"{rows} baris / rows; python3 {out / 'periksa.py'} {out}", markup=False)


@audit_app.command("package")
def package(
    first: From,
    last: To,
    out: Annotated[Path, typer.Argument(help="The ZIP to write.", dir_okay=False)],
    proofs: Annotated[
        bool,
        typer.Option(help="With the audit log's rows and their proofs: takes long."),
    ] = True,
    data: DataDir = Path("data"),
) -> None:
    """Write the books of a period as CSV for an auditor: with sums, proofs and signature."""
    from server.payments.books import Books
    from server.reports import package as packing
    from server.reports.signing import ReportKeyUnfit, signer_of
    from server.reports.table import Period

    if out.exists():
        fail(f"{out} is there already")

    async def work(transactions: Any, settings: Any) -> packing.Package:
        try:
            signer = signer_of(settings)
        except ReportKeyUnfit as exc:
            fail(f"the key of reports: {exc}")
        wanted = packing.Wanted(Period(first.date(), last.date()), proofs, login())
        with writing(out):
            return await packing.make(
                transactions,
                out,
                wanted,
                Books.of(settings),
                signer,
                _signer(settings),
                now=datetime.now(UTC),
            )

    made = with_transactions(data, work)
    for name, rows in made.rows.items():
        talk.print(f"{rows:>12,} {name}", markup=False)
    print(f"{made.sha256.hex()}  {out}")


@audit_app.command("verify")
def verify(
    kept: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", exists=True, dir_okay=False, help="One that you kept."),
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Compare rows, chain, tree and signed checkpoints with each other. Exit 3 on a difference."""
    from server.audit import findings

    notes = [_read_note(path) for path in kept or ()]

    async def work(transactions: Any, settings: Any) -> Any:
        signer = _signer(settings)
        if signer is None:
            talk.print(f"signatures are not looked at: {NO_KEY}", markup=False)
        async with transactions.begin() as db:
            return await findings.find(db, signer, notes)

    found = with_transactions(data, work)
    if as_json:
        print_json({"findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            print(f"RUSAK {finding}")
        if not found:
            print("ok    the log is whole, and each row as it was sealed")
    if found:
        raise typer.Exit(DIFFERENCES)


def _read_note(path: Path) -> str:
    from server.audit.notes import Checkpoint

    try:
        note = path.read_bytes().decode()
        Checkpoint.read(note)
    except (OSError, ValueError) as exc:
        fail(f"{path}: not a checkpoint ({exc})")
    return note
