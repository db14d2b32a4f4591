"""Commands of the installation: its programs, its schema, and whether all is well with it."""

import gc
import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import (
    DIFFERENCES,
    FAILED,
    AsJson,
    DataDir,
    database_errors,
    database_url,
    fail,
    in_transaction,
    print_json,
    talk,
    why,
)


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
        fail(str(exc))


def _explain(facts: dict[str, Any], spot: str) -> None:
    attendant, officer, checker = facts["attendant"], facts["officer"], facts["checker"]
    coordinator = facts["coordinator"]
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
        f"  koordinator unit       {facts['server']}/office   "
        f"{coordinator['login']}, {coordinator['password']}",
        f"  printer virtual        {facts['printer']}",
        "Ctrl-C untuk berhenti / to stop.",
    ):
        talk.print(line, markup=False, soft_wrap=True)


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
        fail(f"{type(exc).__name__}: {exc}")
    if as_json:
        print_json({"ok": True, "steps": done.steps, "folder": str(data.absolute())})
    else:
        say(f"ok: pictures and files are in {data}")


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
                schema.migrate(database_url(stack, data, as_owner=True))
                url = database_url(stack, data)
                settings = settings.model_copy(update={"database_url": url})
            application = create_app(settings)
        except (NotConfigured, ValidationError, ValueError) as exc:
            fail(str(exc))
        # What stands now stands for good: it is not to be searched for garbage again and again.
        gc.freeze()
        gc.set_threshold(20_000)
        uvicorn.run(
            application,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # whose word is taken is a setting: see create_app
            timeout_graceful_shutdown=3,
        )


def migrate(data: DataDir = Path("data")) -> None:
    """Bring the database to the newest schema."""
    from server import schema

    with ExitStack() as stack:
        url = database_url(stack, data, as_owner=True)
        try:
            schema.migrate(url)
        except database_errors() as exc:
            fail(why(exc))
    talk.print(f"schema {schema.newest()}")


def sandbox() -> None:
    """The sandbox acquirer and its wallet, on the settings in the environment."""
    import runpy

    # By name, because the acquirer is a program of its own that the server never imports.
    runpy.run_module("server.sandbox", run_name="__main__")


def verify(data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Check every invariant of the database. Exit 3 on a violation."""
    from server import verify as invariants

    async def work(db: Any, _books: Any) -> dict[str, list[str]]:
        return await invariants.broken(db)

    broken = in_transaction(data, work)
    violations = sum(len(rows) for rows in broken.values())
    if as_json:
        print_json({"violations": violations, "broken": broken})
    else:
        for invariant in invariants.INVARIANTS:
            rows = broken[invariant.name]
            print(f"{'RUSAK' if rows else 'ok   '} {invariant.name}: {invariant.sentence}")
            for row in rows:
                print(f"      {row}")
    if violations:
        raise typer.Exit(DIFFERENCES)


def openapi(file: Annotated[Path, typer.Argument()] = Path("docs/openapi.json")) -> None:
    """Write down the HTTP interface as the program offers it, and who may ask for what."""
    from server import access
    from server.app import create_interface
    from server.openapi import text

    file.write_text(text(create_interface()))
    file.with_name("roles.md").write_text(access.table(create_interface()))


def doctor(data: DataDir = Path("data")) -> None:
    """Say what is wrong with this installation. Exit 1 when something is."""
    from server import doctor as examination

    findings = examination.examine(data)
    for finding in findings:
        print(f"{'ok   ' if finding.ok else 'SALAH'} {finding.what}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAILED)
