"""Commands that take in settlement files and bank statements, and compare the books with them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from server.cli.shell import (
    DIFFERENCES,
    AsJson,
    DataDir,
    Day,
    InputFile,
    fail,
    in_transaction,
    print_json,
)

settlement_app = typer.Typer(help="Settlement files of the acquirer.", no_args_is_help=True)
statement_app = typer.Typer(help="Bank statements.", no_args_is_help=True)


def reconcile(day: Day, data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Compare a business day's books with settlement and bank. Exit 3 on a difference."""
    from server.reconciliation import service

    async def work(db: Any, books: Any) -> service.Report:
        return await service.reconcile(db, day.date(), books, now=datetime.now(UTC))

    report = in_transaction(data, work)
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(report)
    if report.differences:
        raise typer.Exit(DIFFERENCES)


def _print_report(report: Any) -> None:
    from domain.money import format_rp

    for matched in report.matched:
        line = matched.settled
        print(f"cocok     {line.acquirer_reference}/{line.rrn or '-'}  {format_rp(line.gross_rp)}")
    for difference in report.differences:
        print(
            f"selisih   {difference.subject}  {difference.kind}  "
            f"kami {format_rp(difference.ours_rp)}, mereka {format_rp(difference.theirs_rp)}, "
            f"selisih {format_rp(difference.difference_rp)}"
        )
    print(
        f"{report.day}  tercatat {format_rp(report.collected_rp)}  dicairkan "
        f"{format_rp(report.gross_rp)} - MDR {format_rp(report.mdr_rp)} = "
        f"{format_rp(report.net_rp)}  bank {format_rp(report.bank_rp)}  "
        f"cocok {len(report.matched)}  selisih {len(report.differences)}"
    )


@settlement_app.command("import")
def import_settlement(
    file: InputFile, data: DataDir = Path("data"), as_json: AsJson = False
) -> None:
    """Take in an acquirer's settlement CSV; the same file again changes nothing."""
    from server.reconciliation import service
    from server.settings import Settings

    async def work(db: Any, books: Any) -> service.Imported:
        return await service.import_settlement(
            db, Settings().acquirer, file.name, file.read_bytes(), books, now=datetime.now(UTC)
        )

    _import(file, data, work, as_json)


@statement_app.command("import")
def import_statement(
    file: InputFile, data: DataDir = Path("data"), as_json: AsJson = False
) -> None:
    """Take in a bank statement (MT940); the same file again changes nothing."""
    from server.reconciliation import service

    async def work(db: Any, _books: Any) -> service.Imported:
        return await service.import_statement(
            db, file.name, file.read_bytes(), now=datetime.now(UTC)
        )

    _import(file, data, work, as_json)


def _import(
    file: Path, data: Path, work: Callable[[Any, Any], Awaitable[Any]], as_json: bool
) -> None:
    from domain.money import format_rp
    from server.reconciliation.files import FileRefused

    try:
        imported = in_transaction(data, work)
    except FileRefused as exc:
        fail(f"{file.name}: {exc}")
    if as_json:
        print_json(
            {"lines": imported.lines, "total_rp": imported.total_rp, "known": imported.known}
        )
    else:
        print(
            f"{file.name}: {imported.lines} baris baru, {format_rp(imported.total_rp)}; "
            f"{imported.known} sudah dikenal"
        )
