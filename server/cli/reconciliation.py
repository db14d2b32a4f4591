"""Commands that take in settlement files and bank statements, and compare the books with them."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from server.cli.shell import (
    APPROVAL_NEEDED,
    DIFFERENCES,
    AsJson,
    DataDir,
    Day,
    Decision,
    From,
    Id,
    InputFile,
    Officer,
    To,
    acting_as,
    fail,
    in_transaction,
    print_json,
    talk,
    with_transactions,
)

settlement_app = typer.Typer(help="Settlement files of the acquirer.", no_args_is_help=True)
statement_app = typer.Typer(help="Bank statements.", no_args_is_help=True)
settlement_mapping_app = typer.Typer(help="How settlement files are read.", no_args_is_help=True)
statement_mapping_app = typer.Typer(help="How statements are read.", no_args_is_help=True)
payout_app = typer.Typer(help="Payouts of shares.", no_args_is_help=True)
payout_mapping_app = typer.Typer(help="How banks' results are read.", no_args_is_help=True)
payout_app.add_typer(payout_mapping_app, name="mapping")
settlement_app.add_typer(settlement_mapping_app, name="mapping")
statement_app.add_typer(statement_mapping_app, name="mapping")


def reconcile(
    day: Day,
    data: DataDir = Path("data"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would find; write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a business day's books with settlement and bank. Exit 3 on a difference."""
    from server.reconciliation import previews, service

    async def work(db: Any, books: Any) -> service.Report:
        compare = previews.reconcile if dry_run else service.reconcile
        return await compare(db, day.date(), books, now=datetime.now(UTC))

    report = in_transaction(data, work)
    if as_json:
        print_json(report.to_json() | ({"dry_run": True} if dry_run else {}))
    else:
        if dry_run:
            print("PRATINJAU, tidak ada yang disimpan:")
        _print_report(report)
    if report.differences:
        raise typer.Exit(DIFFERENCES)


def _print_report(report: Any) -> None:
    from domain.money import format_rp
    from server.reconciliation.names import named

    for matched in report.matched:
        line = matched.settled
        print(f"cocok     {named(line)}/{line.rrn or '-'}  {format_rp(line.gross_rp)}")
    for difference in report.differences:
        print(
            f"selisih   {difference.subject}  {difference.kind}  "
            f"kami {format_rp(difference.ours_rp)}, mereka {format_rp(difference.theirs_rp)}, "
            f"selisih {format_rp(difference.difference_rp)}"
        )
    for expected in report.expected:
        print(
            f"ditunggu  {expected.subject}  {expected.kind}  {format_rp(expected.amount_rp)}"
            f"  sampai {expected.until}"
        )
    for paid in report.paid:
        if paid.days_late:
            print(f"terlambat {paid.name}  {format_rp(paid.net_rp)}  {paid.days_late} hari")
    taxes_rp = report.gross_rp - report.mdr_rp - report.net_rp
    taxes = f"- pajak {format_rp(taxes_rp)} " if taxes_rp else ""
    print(
        f"{report.day}  tercatat {format_rp(report.collected_rp)}  dicairkan "
        f"{format_rp(report.gross_rp)} - MDR {format_rp(report.mdr_rp)} {taxes}= "
        f"{format_rp(report.net_rp)}  bank {format_rp(report.bank_rp)}  "
        f"cocok {len(report.matched)}  ditunggu {len(report.expected)}  "
        f"selisih {len(report.differences)}"
    )


Mapping = Annotated[
    str, typer.Option(help="A ready mapping's name, or a TOML file. As the settings say, if empty.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would do; write nothing.")]


def _agreed(settings: Any, acquirer: str) -> tuple[str, str, str]:
    """Whose file it is, the merchant it must name, and its mapping.

    One that the settings do not name may be read too, for whatever merchant.
    """
    from server.settings import AcquirersUnfit

    whose = acquirer or settings.acquirer
    try:
        names = [terms.name for terms in settings.acquirer_terms]
        terms = settings.terms_of(whose)
    except AcquirersUnfit as exc:
        fail(f"KARCIS_ACQUIRERS: {exc}")
    if not acquirer and len(names) > 1:
        fail(f"--acquirer: say whose file it is: {', '.join(names)}")
    if terms is None:
        return whose, "", settings.settlement_mapping
    return whose, terms.merchant_id, terms.settlement_mapping


@settlement_app.command("import")
def import_settlement(
    file: InputFile,
    data: DataDir = Path("data"),
    mapping: Mapping = "",
    acquirer: Annotated[
        str, typer.Option(help="Whose file it is; needed with several acquirers.")
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in an acquirer's settlement file (CSV, XLSX); the same again changes nothing."""
    from server.reconciliation import mappings, previews, service
    from server.settings import Settings

    settings = Settings()
    whose, merchant, configured = _agreed(settings, acquirer)
    how = _mapping(mappings.SettlementMapping, mapping or configured)

    async def work(db: Any, books: Any) -> Any:
        take_in = previews.settlement if dry_run else service.import_settlement
        return await take_in(
            db,
            whose,
            file.name,
            file.read_bytes(),
            books,
            now=datetime.now(UTC),
            mapping=how,
            merchant=merchant,
        )

    _take_in(file, data, work, as_json)


@statement_app.command("import")
def import_statement(
    file: InputFile,
    data: DataDir = Path("data"),
    mapping: Mapping = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in a bank statement (MT940, camt.053, CSV, XLSX); the same again changes nothing."""
    from server.reconciliation import mappings, previews, service
    from server.settings import Settings

    how = _mapping(mappings.StatementMapping, mapping or Settings().statement_mapping)

    async def work(db: Any, books: Any) -> Any:
        take_in = previews.statement if dry_run else service.import_statement
        content = file.read_bytes()
        return await take_in(db, file.name, content, books, now=datetime.now(UTC), mapping=how)

    _take_in(file, data, work, as_json)


@payout_app.command("result")
def import_payout_result(
    file: InputFile,
    data: DataDir = Path("data"),
    mapping: Mapping = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in what the bank tells of payouts (CSV, XLSX); the same again changes nothing."""
    from domain.money import format_rp
    from server.errors import FileRefused
    from server.reconciliation import mappings, previews, results
    from server.settings import Settings

    how = _mapping(mappings.PayoutMapping, mapping or Settings().payout_result_mapping)

    async def work(db: Any, books: Any) -> Any:
        take_in = previews.results if dry_run else results.take_in
        content = file.read_bytes()
        return await take_in(db, file.name, content, books, mapping=how, now=datetime.now(UTC))

    try:
        told = in_transaction(data, work)
    except FileRefused as exc:
        _refuse(file, exc)
    if as_json:
        print_json({**asdict(told), "dry_run": dry_run})
        return
    print(
        f"{file.name}: {'PRATINJAU, tidak ada yang disimpan: ' if dry_run else ''}"
        f"{told.paid} dibayar, {format_rp(told.paid_rp)}; {told.failed} gagal, "
        f"{format_rp(told.failed_rp)}; {told.known} sudah dikenal"
    )


@payout_mapping_app.command("show")
def show_payout_mappings() -> None:
    """Print the ready mappings, to begin one of one's own from."""
    from server.reconciliation import mappings

    print(mappings.ready_text(mappings.PayoutMapping), end="")


@payout_mapping_app.command("check")
def check_payout_mapping(mapping: InputFile, sample: InputFile) -> None:
    """Read a sample by a mapping of one's own, and say what was understood."""
    from domain.money import format_rp
    from server.reconciliation import mappings, results

    how = _mapping(mappings.PayoutMapping, str(mapping))
    rows = _read(sample, lambda content: results.read(content, how))
    for row in rows[:10]:
        said = "dibayar" if row.paid else "gagal"
        print(f"baris {row.line_number}: {row.run}/{row.position}  {said}  {row.evidence}")
    print(f"{sample.name}: {len(rows)} baris, {format_rp(sum(row.amount_rp for row in rows))}")
    _tell_version(how)


@settlement_app.command("correct")
def correct_settlement(
    file: InputFile,
    reason: Annotated[str, typer.Option(help="Why, for the record: the acquirer's letter.")],
    officer: Officer,
    data: DataDir = Path("data"),
    mapping: Mapping = "",
    acquirer: Annotated[
        str, typer.Option(help="Whose file it is; needed with several acquirers.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Ask that a file told anew counts, where it differs from earlier ones. Waits for a second: 4.

    Nothing is taken in before another officer agrees.
    """
    from server.errors import FileRefused
    from server.reconciliation import corrections, mappings
    from server.settings import Settings

    whose, merchant, configured = _agreed(Settings(), acquirer)
    how = _mapping(mappings.SettlementMapping, mapping or configured)
    told = corrections.CorrectedFile(whose, file.name, file.read_bytes(), how, mapping, merchant)

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        made = await corrections.propose(db, officer_id, told, reason, books, now)
        return made, (await corrections.found(db, made)).row.lines

    try:
        made, lines = acting_as(data, officer, work)
    except FileRefused as exc:
        _refuse(file, exc)
    if as_json:
        print_json({"id": str(made), "lines": lines})
    else:
        for line in lines:
            was, is_now = line["before"], line["after"]
            name = line["acquirer_reference"] or line["reference"] or line["rrn"]
            print(
                f"baris {line['line_number']}: {name}  neto "
                f"{was['net_rp']} -> {is_now['net_rp']}  {was['batch_id']} -> {is_now['batch_id']}"
            )
        print(f"{made}  {len(lines)} baris dikoreksi")
    talk.print("karcis: another officer decides it: karcis settlement decide", markup=False)
    raise typer.Exit(APPROVAL_NEEDED)


@settlement_app.command("decide")
def decide_correction(
    correction: Id,
    decision: Decision,
    officer: Officer,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Take a corrected file in, or end the proposal; by another than who asked."""
    from server.errors import FileRefused
    from server.reconciliation import corrections, mappings
    from server.settings import Settings

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        if decision is Decision.DECLINE:
            await corrections.decline(db, officer_id, correction, why, now=now)
            return None
        row = (await corrections.found(db, correction)).row
        _, merchant, configured = _agreed(Settings(), row.acquirer)
        return await corrections.approve(
            db,
            officer_id,
            correction,
            books,
            mapping=_mapping(mappings.SettlementMapping, row.mapping or configured),
            merchant=merchant,
            why=why,
            now=now,
        )

    try:
        imported = acting_as(data, officer, work)
    except FileRefused as exc:
        fail(str(exc))
    if imported:
        _compare_after(data, imported)
    if as_json:
        did = asdict(imported) if imported else None
        if did:
            did.pop("file_id")
        print_json({"id": str(correction), "imported": did})
    else:
        told = f"{imported.lines} baris" if imported else "ditolak"
        print(f"{correction}  {told}")


@settlement_app.command("held")
def show_held(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """What acquirers hold back: told of, and settled by no line yet."""
    from domain.money import format_rp
    from server.reconciliation import service

    async def work(db: Any, books: Any) -> Any:
        return [
            {
                "acquirer": line.acquirer,
                "acquirer_reference": line.acquirer_reference,
                "reference": line.reference,
                "rrn": line.rrn,
                "batch_id": line.batch_id,
                "settlement_date": line.settlement_date.isoformat(),
                "net_rp": line.net_rp,
            }
            for line in await service.held_lines(db, books)
        ]

    lines = in_transaction(data, work)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        name = line["acquirer_reference"] or line["reference"] or "-"
        print(
            f"ditahan  {line['settlement_date']}  {name}/{line['rrn'] or '-'}"
            f"  {line['batch_id']}  {format_rp(line['net_rp'])}"
        )
    print(f"{len(lines)} baris ditahan, {format_rp(sum(line['net_rp'] for line in lines))}")


@settlement_app.command("compare")
def compare_settlements(
    file: InputFile,
    first: From,
    last: To,
    data: DataDir = Path("data"),
    mapping: Mapping = "",
    acquirer: Annotated[
        str, typer.Option(help="Whose file it is; needed with several acquirers.")
    ] = "",
    statement: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="The bank's, by MT940 …")
    ] = None,
    memory_mb: Annotated[int, typer.Option(min=100, help="What the engine may hold.")] = 400,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    spark: Annotated[bool, typer.Option("--spark", help="On PySpark: `karcis[spark]`.")] = False,
    out: Annotated[Path | None, typer.Option(help="A CSV of every difference.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare an acquirer's CSV of any size with the books of some days. Writes nothing to them.

    With the bank's statements its payouts too. Exit 3 on a difference.
    """
    import tempfile

    from server.errors import FileRefused
    from server.reconciliation import mappings, periods
    from server.settings import Settings

    settings = Settings()
    whose, merchant, configured = _agreed(settings, acquirer)
    how = _mapping(mappings.SettlementMapping, mapping or configured)
    of_bank = _mapping(mappings.StatementMapping, settings.statement_mapping)
    with tempfile.TemporaryDirectory(prefix="karcis-") as folder:
        ours = Path(folder) / "booked.csv"

        async def work(db: Any, books: Any) -> Any:
            count = await periods.write_books(db, ours, whose, first.date(), last.date(), how)
            return count, books.business_days

        count, days = in_transaction(data, work)
        try:
            done = periods.compare(
                _engine(Path(folder), memory_mb, threads, spark),
                ours,
                count,
                file,
                how,
                merchant,
                [path.read_bytes() for path in statement or ()],
                of_bank,
                (first.date(), last.date(), days),
                out,
            )
        except FileRefused as exc:
            _refuse(file, exc)
    if as_json:
        print_json(vars(done))
    else:
        _print_compared(done)
    if done.differences:
        raise typer.Exit(DIFFERENCES)


def _engine(folder: Path, memory_mb: int, threads: int, spark: bool) -> Any:
    from server.reconciliation import volume

    if not spark:
        return volume.duckdb(folder, memory_mb=memory_mb, threads=threads)
    try:
        return volume.pyspark(memory_mb=memory_mb, threads=threads)
    except ImportError:
        fail("PySpark tidak terpasang / PySpark is not installed: pip install 'karcis[spark]'")


def _print_compared(done: Any) -> None:
    from domain.money import format_rp

    for reason, count in done.matched.items():
        print(f"cocok     {reason}  {count}")
    for kind, count in done.differences.items():
        print(f"selisih   {kind}  {count}  {format_rp(done.difference_rp[kind])}")
    print(
        f"{done.lines} baris  {format_rp(done.gross_rp)} - MDR {format_rp(done.mdr_rp)}, neto "
        f"{format_rp(done.net_rp)}; {done.paid_batches} batch masuk bank, "
        f"{done.across_midnight} lewat tengah malam"
    )


@settlement_mapping_app.command("check")
def check_settlement_mapping(mapping: InputFile, sample: InputFile) -> None:
    """Read a sample by a mapping of one's own, and say what was understood."""
    from domain.money import format_rp
    from server.reconciliation import mappings, settlements

    how = _mapping(mappings.SettlementMapping, str(mapping))
    told = _read(sample, lambda content: settlements.read(content, how))
    for row in told.rows[:10]:
        print(
            f"baris {row.line_number}: {row.paid_at.isoformat()}  {row.reference or '-'}  "
            f"{row.acquirer_reference or '-'}/{row.rrn or '-'}  {row.batch_id}  "
            f"{format_rp(row.gross_rp)} - MDR {format_rp(row.mdr_rp)} "
            f"- PPN {format_rp(row.vat_rp)} - PPh {format_rp(row.withheld_rp)} "
            f"= {format_rp(row.net_rp)}"
        )
    print(
        f"{sample.name}: {len(told.rows)} baris, {format_rp(sum(r.net_rp for r in told.rows))}; "
        f"{len(told.held)} ditahan, {len(told.passed_over)} dilewati"
    )
    _tell_version(how)


@statement_mapping_app.command("check")
def check_statement_mapping(mapping: InputFile, sample: InputFile) -> None:
    """Read a sample by a mapping of one's own, and say what was understood."""
    from domain.money import format_rp
    from server.reconciliation import mappings, statements

    how = _mapping(mappings.StatementMapping, str(mapping))
    rows = _read(sample, lambda content: statements.read(content, how))
    for row in rows[:10]:
        print(f"baris {row.place}: {row.value_date}  {format_rp(row.amount_rp)}  {row.narrative}")
    print(f"{sample.name}: {len(rows)} mutasi, {format_rp(sum(row.amount_rp for row in rows))}")
    _tell_version(how)


@settlement_mapping_app.command("show")
def show_settlement_mappings() -> None:
    """Print the ready mappings, to begin one of one's own from."""
    from server.reconciliation import mappings

    print(mappings.ready_text(mappings.SettlementMapping), end="")


@statement_mapping_app.command("show")
def show_statement_mappings() -> None:
    """Print the ready mappings, to begin one of one's own from."""
    from server.reconciliation import mappings

    print(mappings.ready_text(mappings.StatementMapping), end="")


def _mapping(kind: Any, name: str) -> Any:
    from server.reconciliation import mappings

    try:
        return mappings.mapping(kind, name)
    except mappings.MappingRefused as exc:
        fail(f"{name}: {exc}")


def _tell_version(mapping: Any) -> None:
    """As the office's list of files names it."""
    print(f"pemetaan {mapping.name}, versi {mapping.version.hex()[:8]}")


def _read(file: Path, read: Callable[[bytes], Any]) -> Any:
    from server.errors import FileRefused

    try:
        return read(file.read_bytes())
    except FileRefused as exc:
        _refuse(file, exc)


def _refuse(file: Path, refused: Any) -> NoReturn:
    """Every line that is wrong on a line of its own; nothing of the file was taken in."""
    if len(refused.faults) == 1:
        fail(f"{file.name}: {refused}")
    for fault in refused.faults:
        talk.print(
            f"{file.name}: {fault.indonesian} / {fault.english}", markup=False, soft_wrap=True
        )
    count = len(refused.faults)
    fail(f"{file.name}: tidak ada yang diambil ({count}) / nothing was taken in ({count})")


def _take_in(
    file: Path, data: Path, work: Callable[[Any, Any], Awaitable[Any]], as_json: bool
) -> None:
    """Take a file in, and compare the days it tells of; a preview is only shown."""
    from server.errors import FileRefused
    from server.reconciliation.service import Imported

    try:
        done = in_transaction(data, work)
    except FileRefused as exc:
        _refuse(file, exc)
    if isinstance(done, Imported):
        _compare_after(data, done)
    told = asdict(done)
    imported = told.pop("imported", None)
    (told if imported is None else imported).pop("file_id")
    if as_json:
        print_json(told if imported is None else {**imported, **told, "dry_run": True})
    elif imported is None:
        print(f"{file.name}: {_new_and_known(told)}")
    else:
        _print_preview(file, imported, told)


def _compare_after(data: Path, imported: Any) -> None:
    from server.payments.books import Books
    from server.reconciliation import daily

    async def work(transactions: Any, settings: Any) -> None:
        books = Books.of(settings)
        await daily.after_import(transactions, imported, books, now=datetime.now(UTC))

    if imported.file_id is not None:
        with_transactions(data, work)


def _new_and_known(imported: dict[str, int]) -> str:
    from domain.money import format_rp

    return (
        f"{imported['lines']} baris baru, {format_rp(imported['total_rp'])}; "
        f"{imported['known']} sudah dikenal"
    )


def _print_preview(file: Path, imported: dict[str, int], told: dict[str, Any]) -> None:
    from domain.money import format_rp

    print(f"{file.name}: PRATINJAU, tidak ada yang disimpan: {_new_and_known(imported)}")
    print(f"cocok {told['matched']}, tidak dikenal {imported['lines'] - told['matched']}")
    for name, value in told.items():
        if name.endswith("_rp"):
            print(f"{name.removesuffix('_rp'):10} {format_rp(value)}")
    for batch, net_rp in told.get("batches", {}).items():
        print(f"{batch}  {format_rp(net_rp)}")
    for name, word in (("held", "ditahan"), ("passed_over", "dilewati")):
        if told.get(name):
            print(f"{word}: baris {', '.join(str(line) for line in told[name])}")
