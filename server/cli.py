"""The `karcis` command. Data goes to stdout, talk to stderr.

Exit codes: 0 ok, 1 failed, 2 usage, 3 differences found. The other programs add their commands
through the entry point group `karcis.commands`, because the server imports neither of them.
"""

import asyncio
import getpass
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import typer
from rich.console import Console

Result = TypeVar("Result")

FAILED, USAGE, DIFFERENCES = 1, 2, 3
PLUGINS = "karcis.commands"
talk = Console(stderr=True, highlight=False)

app = typer.Typer(
    help="Karcis: cashless kerbside parking.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
spot_app = typer.Typer(help="Parking spots.", no_args_is_help=True)
settlement_app = typer.Typer(help="Settlement files of the acquirer.", no_args_is_help=True)
statement_app = typer.Typer(help="Bank statements.", no_args_is_help=True)
ledger_app = typer.Typer(help="What the ledger says, for accountants.", no_args_is_help=True)
share_rule_app = typer.Typer(help="Shares of attendants and third parties.", no_args_is_help=True)
mdr_rule_app = typer.Typer(help="Rates of the acquirer's fee.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of integrators.", no_args_is_help=True)
webhook_app = typer.Typer(help="Webhooks: who is told what happens.", no_args_is_help=True)
app.add_typer(spot_app, name="spot")
app.add_typer(ledger_app, name="ledger")
app.add_typer(share_rule_app, name="share-rule")
app.add_typer(mdr_rule_app, name="mdr-rule")
app.add_typer(settlement_app, name="settlement")
app.add_typer(key_app, name="key")
app.add_typer(webhook_app, name="webhook")
app.add_typer(statement_app, name="statement")

DataDir = Annotated[
    Path, typer.Option("--data", help="Where the embedded database and all files are kept.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Day = Annotated[
    datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="Business day, 2026-11-21.")
]
From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")]
To = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Last day, if it has one.")
]
InputFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


def main() -> None:
    """The entry point; loads another program's commands only when they are asked for."""
    asked = sys.argv[1] if len(sys.argv) > 1 else "--help"
    for plugin in entry_points(group=PLUGINS):
        if asked in (plugin.name, "--help"):
            loaded = plugin.load()
            if isinstance(loaded, typer.Typer):
                app.add_typer(loaded, name=plugin.name)
            else:
                app.command(plugin.name)(loaded)
    app()


def _fail(message: str, code: int = FAILED) -> NoReturn:
    talk.print(f"karcis: {message}", markup=False, soft_wrap=True)
    raise typer.Exit(code)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def _database_url(stack: ExitStack, data: Path, *, as_owner: bool = False) -> str:
    """DATABASE_URL where it is set, else the embedded database of the data directory.

    As the server's role, or as the owner of the schema.
    """
    from server.database import APP_ROLE, as_role, plain_url
    from server.embedded import EmbeddedPostgres

    given = os.environ.get("DATABASE_URL")
    if as_owner:
        given = os.environ.get("KARCIS_MIGRATION_URL") or given
    if given:
        try:
            return plain_url(given)
        except ValueError as exc:
            _fail(str(exc))
    if not (data / "postgres").exists():
        _fail(f"there is no database in {data}; `karcis run` makes one, or set DATABASE_URL")
    url = stack.enter_context(EmbeddedPostgres(data)).url
    return url if as_owner else as_role(url, APP_ROLE)


def _in_transaction(data: Path, work: Callable[[Any, Any], Awaitable[Result]]) -> Result:
    """Run `work(db, books)` in one transaction on the installation's database."""
    from pydantic import ValidationError

    from server.database import create_engine, create_transactions
    from server.faults import crash_point
    from server.payments.books import Books
    from server.settings import Settings

    async def run(url: str) -> Result:
        engine = create_engine(url, pool_size=1)
        try:
            async with create_transactions(engine).begin() as db:
                return await work(db, Books.of(Settings()))
        finally:
            await engine.dispose()

    with ExitStack() as stack:
        url = _database_url(stack, data)
        try:
            done = asyncio.run(run(url))
        except ValidationError as exc:
            _fail(str(exc))
        except _database_errors() as exc:
            _fail(_why(exc))
    crash_point("command-not-answered")
    return done


def _database_errors() -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, SQLAlchemyError)


def _why(exc: Exception) -> str:
    """What a person can do about a database that refused."""
    refusal = getattr(exc, "orig", exc)
    code = str(getattr(refusal, "sqlstate", None) or "")
    if code == "42P01":  # undefined_table
        return "the database has no schema yet; `karcis migrate` makes it"
    if code == "42501":  # insufficient_privilege
        needs = "; `karcis migrate` needs the schema's owner: set KARCIS_MIGRATION_URL"
        return f"the database refused: {refusal}".splitlines()[0] + needs
    # a value or a row the tables do not allow; a role that may not come in; a guard of ours
    if code[:2] in ("22", "23", "28", "KA"):
        return f"the database refused: {refusal}".splitlines()[0]
    return f"the database does not answer: {type(refusal.__cause__ or refusal).__name__}"


@app.command()
def run(
    port: Annotated[
        int, typer.Option(min=1024, max=65_000, help="Server; +1 … +3 the rest.")
    ] = 8080,
    data: DataDir = Path("data"),
    open_payments: Annotated[int, typer.Option(min=0, max=100_000)] = 0,
) -> None:
    """Run the whole system with sample data until Ctrl-C."""
    from server import sample
    from server.system import System, SystemFailed

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with System(data, port) as system:
            spot = sample.first_spot()
            sample.open_payments(system.url(0), open_payments)
            facts = system.ready_facts(spot)
            print(f"ready {json.dumps(facts)}", flush=True)
            _explain(facts, spot)
            while not stopping.wait(0.5):
                for dead in system.revive():
                    talk.print(f"{dead}; dijalankan lagi / started again", markup=False)
            talk.print("berhenti / stopping …")
    except SystemFailed as exc:
        _fail(str(exc))


def _explain(facts: dict[str, Any], spot: str) -> None:
    attendant, officer, checker = facts["attendant"], facts["officer"], facts["checker"]
    for line in (
        "",
        "Karcis berjalan dengan data SAMPEL. / Karcis is running with SAMPLE data.",
        f"  pengemudi / driver     {facts['server']}/p/{spot}",
        f"  dompet / wallet        {facts['sandbox']}/wallet",
        f"  gangguan / faults      {facts['sandbox']}/sandbox",
        f"  juru parkir / handheld {facts['handheld']}/   "
        f"{attendant['code']}, PIN {attendant['pin']}",
        f"  kantor / office        {facts['server']}/office   "
        f"{officer['login']}, {officer['password']}",
        f"  pemeriksa / checker    {facts['server']}/office   "
        f"{checker['login']}, {checker['password']}",
        f"  printer virtual        {facts['printer']}",
        "Ctrl-C untuk berhenti / to stop.",
    ):
        talk.print(line, markup=False, soft_wrap=True)


@app.command()
def once(
    data: DataDir = Path("data/once"),
    as_json: AsJson = False,
    port: Annotated[int, typer.Option(help="First of four ports; 0 chooses free ones.")] = 0,
) -> None:
    """One paid parking from barcode to reconciled bank statement, without a person."""
    import httpx

    from server import once as chain
    from server.system import SystemFailed, free_ports

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    try:
        done = chain.run(data, port or free_ports(), say)
    except (chain.StepFailed, SystemFailed, httpx.HTTPError) as exc:
        _fail(f"{type(exc).__name__}: {exc}")
    if as_json:
        _print_json({"ok": True, "steps": done.steps, "folder": str(data.absolute())})
    else:
        say(f"ok: pictures and files are in {data}")


@app.command()
def serve(data: DataDir = Path("data")) -> None:
    """The payment server alone, on the settings in the environment."""
    import uvicorn
    from pydantic import ValidationError

    from server import schema
    from server.app import NotConfigured, create_app
    from server.observability import configure_logging
    from server.settings import Settings

    configure_logging()
    with ExitStack() as stack:
        try:
            settings = Settings()
            if not settings.database_url:
                schema.migrate(_database_url(stack, data, as_owner=True))
                url = _database_url(stack, data)
                settings = settings.model_copy(update={"database_url": url})
            application = create_app(settings)
        except (NotConfigured, ValidationError, ValueError) as exc:
            _fail(str(exc))
        uvicorn.run(
            application,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )


@app.command()
def migrate(data: DataDir = Path("data")) -> None:
    """Bring the database to the newest schema."""
    from server import schema

    with ExitStack() as stack:
        url = _database_url(stack, data, as_owner=True)
        try:
            schema.migrate(url)
        except _database_errors() as exc:
            _fail(_why(exc))
    talk.print(f"schema {schema.newest()}")


@app.command()
def sandbox() -> None:
    """The sandbox acquirer and its wallet, on the settings in the environment."""
    import runpy

    # By name, because the acquirer is a program of its own that the server never imports.
    runpy.run_module("server.sandbox", run_name="__main__")


@app.command("qris")
def explain_qris(text: str, as_json: AsJson = False) -> None:
    """Explain a QRIS payload: every tag, the verdict, the warnings. Exit 1 when invalid."""
    import qris

    explanation = qris.explain(text)
    if as_json:
        _print_json(asdict(explanation))
    else:
        _print_explanation(explanation)
    if explanation.code is not None:
        raise typer.Exit(FAILED)


def _print_explanation(explanation: Any) -> None:
    for row in explanation.rows:
        print(f"{row.path:<8} {row.name:<34} {row.value}{f'   ({row.note})' if row.note else ''}")
    print(f"{explanation.verdict}{f' ({explanation.code})' if explanation.code else ''}")
    for warning in explanation.warnings:
        print(f"! {warning.code}: {warning.detail}")


@app.command()
def reconcile(day: Day, data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Compare a business day's books with settlement and bank. Exit 3 on a difference."""
    from server.reconciliation import service

    async def work(db: Any, books: Any) -> service.Report:
        return await service.reconcile(db, day.date(), books, now=datetime.now(UTC))

    report = _in_transaction(data, work)
    if as_json:
        _print_json(report.to_json())
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
        imported = _in_transaction(data, work)
    except FileRefused as exc:
        _fail(f"{file.name}: {exc}")
    if as_json:
        _print_json(
            {"lines": imported.lines, "total_rp": imported.total_rp, "known": imported.known}
        )
    else:
        print(
            f"{file.name}: {imported.lines} baris baru, {format_rp(imported.total_rp)}; "
            f"{imported.known} sudah dikenal"
        )


@app.command()
def verify(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Check every invariant of the database. Exit 3 on a violation."""
    from server import verify as invariants

    async def work(db: Any, _books: Any) -> dict[str, list[str]]:
        return await invariants.broken(db)

    broken = _in_transaction(data, work)
    violations = sum(len(rows) for rows in broken.values())
    if as_json:
        _print_json({"violations": violations, "broken": broken})
    else:
        for invariant in invariants.INVARIANTS:
            rows = broken[invariant.name]
            print(f"{'RUSAK' if rows else 'ok   '} {invariant.name}: {invariant.sentence}")
            for row in rows:
                print(f"      {row}")
    if violations:
        raise typer.Exit(DIFFERENCES)


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
        count = _in_transaction(data, work)
    except (spots.SpotFileError, UnicodeDecodeError) as exc:
        _fail(f"{file.name}: {exc}")
    print(f"{count} spots{' would be' if dry_run else ''} imported")


@ledger_app.command("trial-balance")
def trial_balance(
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="At the end of this business day."),
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Every account's balance; debit positive."""
    from domain.money import format_rp
    from server.ledger import reports

    async def work(db: Any, _books: Any) -> list[reports.AccountBalance]:
        return await reports.trial_balance(db, as_of and as_of.date())

    balances = _in_transaction(data, work)
    total_rp = sum(line.balance_rp for line in balances)
    if as_json:
        _print_json({"accounts": [asdict(line) for line in balances], "total_rp": total_rp})
        return
    for line in balances:
        print(f"{line.code:<10} {line.name:<42} {format_rp(line.balance_rp):>20}")
    print(f"{'':<10} {'Total':<42} {format_rp(total_rp):>20}")


@ledger_app.command("statement")
def account_statement(
    account: str,
    first: From,
    last: To,
    party: Annotated[
        str | None, typer.Option(help="Only this one of the account's parties, such as J-001.")
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """An account's postings with the balance after each, as CSV."""
    from server.errors import Problem
    from server.ledger import reports

    async def work(db: Any, _books: Any) -> reports.Statement:
        return await reports.statement(db, account, first.date(), last.date(), party=party)

    try:
        told = _in_transaction(data, work)
    except Problem as exc:
        _fail(f"{account}: {exc.title_id} / {exc.title_en}")
    if as_json:
        _print_json(asdict(told))
    else:
        _print_csv(reports.statement_csv(told))


@ledger_app.command("journal")
def journal(first: From, last: To, data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Every posting of some business days as CSV, or as one JSON object a line."""
    from server.ledger import reports

    async def work(db: Any, _books: Any) -> None:
        if as_json:
            async for line in reports.journal(db, first.date(), last.date()):
                _print_json(asdict(line))
        else:
            async for text in reports.journal_csv(db, first.date(), last.date()):
                _print_csv(text)

    _in_transaction(data, work)


def _print_csv(text: str) -> None:
    """As it is: a terminal's line ends are not the file's."""
    sys.stdout.buffer.write(text.encode())


@share_rule_app.command("add")
def add_share_rule(
    regulation: Annotated[str, typer.Option(help="The decree that says so.")],
    first: From,
    attendant_bp: Annotated[int, typer.Option(help="Basis points: 3500 is 35 %.")],
    third_party_bp: int = 0,
    third_party: Annotated[str, typer.Option(help="Whom the third party's share is owed to.")] = "",
    remainder_to: Annotated[
        str, typer.Option(help="regency, attendant or third_party: who gets a rupiah's fraction.")
    ] = "regency",
    zone: Annotated[str | None, typer.Option(help="Only this zone; else all the others.")] = None,
    until: Until = None,
    data: DataDir = Path("data"),
) -> None:
    """Put a share rule in force; the one without an end before it ends the day before."""
    from domain.shares import ShareLeg, ShareRule
    from server.errors import Problem
    from server.ledger import service as ledger
    from server.spots import service as spots

    async def work(db: Any, _books: Any) -> None:
        await ledger.add_share_rule(
            db,
            ShareRule(attendant_bp, third_party_bp, third_party, ShareLeg(remainder_to)),
            zone_id=None if zone is None else await spots.zone_id(db, zone),
            valid_from=first.date(),
            valid_until=until and until.date(),
            regulation=regulation,
        )

    try:
        _in_transaction(data, work)
    except Problem as exc:
        _fail(f"{zone}: {exc.title_id} / {exc.title_en}")
    except ValueError as exc:
        _fail(str(exc))


@mdr_rule_app.command("add")
def add_mdr_rule(
    criteria: Annotated[str, typer.Argument(help="UMI, URE, PSO, …")],
    source: Annotated[str, typer.Option(help="Where the rate was published.")],
    first: From,
    rate_bp: Annotated[int, typer.Option(help="Basis points: 70 is 0.7 %.")],
    free_up_to_rp: Annotated[int, typer.Option(help="No fee on payments up to this.")] = 0,
    until: Until = None,
    data: DataDir = Path("data"),
) -> None:
    """Put a rate in force; the one without an end before it ends the day before."""
    from domain.mdr import MdrRule, MerchantCriteria
    from server.ledger import service as ledger

    async def work(db: Any, _books: Any) -> None:
        last = until and until.date()
        rule = MdrRule(MerchantCriteria(criteria), first.date(), last, free_up_to_rp, rate_bp)
        await ledger.add_mdr_rule(db, rule, source)

    try:
        _in_transaction(data, work)
    except ValueError as exc:
        _fail(str(exc))


Scopes = Annotated[list[str], typer.Option("--scope", help="What the key may do; repeat it.")]
Id = Annotated[UUID, typer.Argument()]


def _login() -> str:
    """Who works at this terminal, for the record."""
    return f"cli:{getpass.getuser()}"


def _or_say_why(data: Path, work: Callable[[Any, Any], Awaitable[Result]]) -> Result:
    from server.errors import Problem

    try:
        return _in_transaction(data, work)
    except Problem as exc:
        _fail(f"{exc.title_id} / {exc.title_en}{f' ({exc.detail})' if exc.detail else ''}")


@key_app.command("issue")
def issue_key(
    name: Annotated[str, typer.Argument(help="Whose program it is for.")],
    scope: Scopes,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it is good.")] = 365,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Issue an API key. It is shown now and never again."""
    from server.identity import api_keys

    known = [known.value for known in api_keys.Scope]
    if unknown := set(scope) - set(known):
        _fail(f"no such scope: {', '.join(sorted(unknown))}; there are {', '.join(known)}", USAGE)

    async def work(db: Any, _books: Any) -> api_keys.IssuedKey:
        return await api_keys.issue(
            db,
            name,
            [api_keys.Scope(one) for one in scope],
            created_by=_login(),
            now=datetime.now(UTC),
            lifetime=timedelta(days=days),
        )

    issued = _or_say_why(data, work)
    if as_json:
        _print_json(asdict(issued))
    else:
        talk.print(f"{issued.key_id}, until {issued.expires_at:%Y-%m-%d}; shown only now:")
        print(issued.key)


@key_app.command("list")
def list_keys(data: DataDir = Path("data")) -> None:
    """Every key ever issued, as JSON lines; the keys themselves are not known here."""
    from server.identity import api_keys

    async def work(db: Any, _books: Any) -> Any:
        return await api_keys.all_keys(db)

    for key in _or_say_why(data, work):
        told = ("id", "name", "scopes", "created_by", "created_at", "expires_at", "revoked_at")
        _print_json({name: getattr(key, name) for name in told})


@key_app.command("revoke")
def revoke_key(key_id: Id, data: DataDir = Path("data")) -> None:
    """Refuse a key from now on; again is harmless."""
    from server.identity import api_keys

    async def work(db: Any, _books: Any) -> None:
        await api_keys.revoke(db, key_id, now=datetime.now(UTC))

    _or_say_why(data, work)


def _seal(data: Path) -> Any:
    """By the settings; the sample keeps its own key in the data directory."""
    from pydantic import SecretStr

    from server.settings import Settings
    from server.webhooks.sealing import Seal

    key, kept = Settings().webhook_key, data / "secrets.json"
    if key is None and kept.exists():
        key = SecretStr(json.loads(kept.read_text())["webhook_key"])
    return Seal.of(key)


@webhook_app.command("add")
def add_webhook(
    url: str,
    fact: Annotated[
        list[str] | None, typer.Option("--type", help="A type of facts; repeat it; all if none.")
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Have facts sent to an address. The signing secret is shown now and never again."""
    from server.database import new_id
    from server.settings import Settings
    from server.webhooks import addresses, service
    from server.webhooks.facts import FACTS

    webhook_id, types = new_id(), fact or list(FACTS)
    if unknown := set(types) - set(FACTS):
        _fail(f"no such type: {', '.join(sorted(unknown))}; there are {', '.join(FACTS)}", USAGE)

    async def work(db: Any, _books: Any) -> str | None:
        return await service.subscribe(
            db,
            _seal(data),
            subscription_id=webhook_id,
            url=addresses.checked(url, production=Settings().mode == "production"),
            types=types,
            created_by=_login(),
            now=datetime.now(UTC),
        )

    secret = _or_say_why(data, work)
    if as_json:
        _print_json({"id": webhook_id, "secret": secret})
    else:
        talk.print(f"{webhook_id}; shown only now:")
        print(secret)


@webhook_app.command("list")
def list_webhooks(data: DataDir = Path("data")) -> None:
    """Every webhook, as JSON lines."""
    from server.webhooks import schemas, service

    async def work(db: Any, _books: Any) -> Any:
        return [schemas.Webhook.of(one) for one in await service.subscriptions(db)]

    for webhook in _or_say_why(data, work):
        print(webhook.model_dump_json())


@webhook_app.command("deliveries")
def list_deliveries(
    webhook_id: Id,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    data: DataDir = Path("data"),
) -> None:
    """What was sent to a webhook, newest first, with every attempt, as JSON lines."""
    from server.webhooks import queries, schemas, service

    async def work(db: Any, _books: Any) -> Any:
        await service.find(db, webhook_id)
        rows = await queries.deliveries(db, webhook_id, None, limit)
        return [schemas.LoggedFact.of(row) for row in rows]

    for delivery in _or_say_why(data, work):
        print(delivery.model_dump_json())


@webhook_app.command("replay")
def replay_webhook(
    webhook_id: Id,
    fact_id: Annotated[UUID | None, typer.Option("--fact", help="One fact, by its id.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Everything recorded since, 2026-11-21T00:00:00, UTC.")
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Send one fact, or everything since a moment, again under the same ids."""
    from server.webhooks import service

    if (fact_id is None) == (since is None):
        _fail("say either --fact or --since", USAGE)

    async def work(db: Any, _books: Any) -> int:
        now = datetime.now(UTC)
        if fact_id is not None:
            await service.replay(db, webhook_id, fact_id, now=now)
            return 1
        moment = (since or now).replace(tzinfo=UTC)
        return await service.replay_since(db, webhook_id, moment, now=now)

    print(f"{_or_say_why(data, work)} facts are sent again")


@webhook_app.command("rotate")
def rotate_webhook(webhook_id: Id, data: DataDir = Path("data")) -> None:
    """A new signing secret; for a day the old one signs as well."""
    from server.webhooks import service

    async def work(db: Any, _books: Any) -> str:
        return await service.rotate(db, _seal(data), webhook_id, now=datetime.now(UTC))

    print(_or_say_why(data, work))


@webhook_app.command("disable")
def disable_webhook(webhook_id: Id, data: DataDir = Path("data")) -> None:
    """Send no more; what is under way waits."""
    from server.webhooks import service

    async def work(db: Any, _books: Any) -> None:
        await service.find(db, webhook_id)
        await service.disable(db, webhook_id, "asked", now=datetime.now(UTC))

    _or_say_why(data, work)


@webhook_app.command("enable")
def enable_webhook(webhook_id: Id, data: DataDir = Path("data")) -> None:
    """Send again, first what waited."""
    from server.webhooks import service

    async def work(db: Any, _books: Any) -> None:
        await service.find(db, webhook_id)
        await service.enable(db, webhook_id)

    _or_say_why(data, work)


@app.command()
def openapi(file: Annotated[Path, typer.Argument()] = Path("docs/openapi.json")) -> None:
    """Write down the HTTP interface as the program offers it."""
    from server.app import create_interface
    from server.openapi import text

    file.write_text(text(create_interface()))


@app.command()
def doctor(data: DataDir = Path("data")) -> None:
    """Say what is wrong with this installation. Exit 1 when something is."""
    from server import doctor as examination

    findings = examination.examine(data)
    for finding in findings:
        print(f"{'ok   ' if finding.ok else 'SALAH'} {finding.what}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAILED)
