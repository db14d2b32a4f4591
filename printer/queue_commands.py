"""`karcis printer queue`: what waits, what a person says of it, and what became of each attempt."""

import dataclasses
import errno
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

import printer
from printer.spooler import Spooler
from printer.transports.rawbt import RawBt

app = typer.Typer(
    help="A queue of slips in a file: add and print them, list them, decide what is uncertain.",
    no_args_is_help=True,
)

QueueFile = Annotated[Path, typer.Option("--file", metavar="QUEUE.sqlite", help="The queue.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The slip's number.")]
Who = Annotated[str, typer.Option("--who", help="Who says so; goes into the log.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line for each.")]

_STATES = {
    printer.JobState.QUEUED: "menunggu giliran / waiting",
    printer.JobState.SENDING: "sedang dikirim / being sent",
    printer.JobState.PRINTED: "tercetak / printed",
    printer.JobState.UNCERTAIN: "periksa kertasnya / look at the paper",
    printer.JobState.FAILED: "tidak tercetak / not printed",
}


@app.command()
def add(
    document: Annotated[Path, typer.Argument(metavar="FILE.json", help="A document as JSON.")],
    file: QueueFile,
    key: Annotated[str, typer.Option(help="The slip's number; the same again is the same slip.")],
) -> None:
    """Queue a document under a key."""
    with _queue(file, make=True) as slips:
        content = printer.Document.from_json(document.read_bytes()).to_json()
        _show([slips.submit(key, content, now=_now())])


@app.command("print")
def print_waiting(
    file: QueueFile,
    to: Annotated[str, typer.Option(metavar="URL", help="tcp://host:9100 and others.")],
    profile: Annotated[str, typer.Option(help="Kind of printer.")],
) -> None:
    """Print what waits, as the queue's only owner; exit 1 if something waits for a person then."""
    with plain_errors():
        transport, kind = printer.from_url(to), printer.profile(profile)
        if isinstance(transport, RawBt):
            raise printer.BadAddress("rawbt: is a link that somebody opens; use `printer test`")
    with _queue(file, owner=True) as slips:
        slips.print_all(
            printer.from_content, transport, kind, told=lambda job: _show([job], err=True)
        )
        questions = slips.questions()
        _show(questions)
    if questions:
        raise typer.Exit(1)


@app.command("list")
def list_slips(
    file: QueueFile,
    every: Annotated[bool, typer.Option("--all", help="What is printed, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What waits for the printer, then what waits for a person, with their ages."""
    with _only_read(file) as slips:
        moving = slips.jobs(printer.JobState.SENDING, printer.JobState.QUEUED)
        jobs = slips.jobs(limit=10_000) if every else [*moving, *slips.questions()]
    if as_json:
        _print_json(jobs)
    else:
        _show(jobs)


@app.command()
def retry(
    key: Key,
    file: QueueFile,
    who: Who,
    why: Annotated[str, typer.Option(help="Why; goes into the log.")] = "",
) -> None:
    """Cetak ulang: the same slip while nothing of it left this host, otherwise a marked copy."""
    with _queue(file) as slips:
        _show([slips.again(key, _last(slips, key).copy, who=who, why=why, now=_now())])


@app.command()
def done(key: Key, file: QueueFile, who: Who) -> None:
    """Sudah tercetak: the slip that is uncertain did come out."""
    with _queue(file) as slips:
        _show([slips.seen(key, _last(slips, key).copy, who=who, now=_now())])


@app.command()
def log(
    file: QueueFile,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="One slip only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every change: when, which slip, who, what came of it, how many bytes left."""
    with _only_read(file) as slips:
        changes = slips.log(key)
    if as_json:
        _print_json(changes)
        return
    for change in changes:
        sent = "" if change.sent is None else f"{change.sent} B"
        said = [change.who, change.reason, sent, change.detail]
        told = "  ".join(part for part in said if part)
        typer.echo(
            f"{_local(change.at)}  {change.key}#{change.copy}  {change.state:9}  {told}".rstrip()
        )


@app.command()
def prune(
    file: QueueFile,
    days: Annotated[int, typer.Option(min=1, max=36_500, help="Keep what changed since.")],
) -> None:
    """Forget slips, with their log, of which nothing waits and nothing changed for so long."""
    with _queue(file) as slips:
        forgotten = slips.prune(_now() - timedelta(days=days))
    typer.echo(f"{forgotten} slip dilupakan / slips forgotten", err=True)


@contextmanager
def _queue(file: Path, *, make: bool = False, owner: bool = False) -> Iterator[Spooler]:
    with plain_errors():
        if not make:
            _must_be(file)
        with Spooler.open(file, owner=owner) as slips:
            yield slips


@contextmanager
def _only_read(file: Path) -> Iterator[Spooler]:
    """Also the queue within another program's file, such as a handheld's."""
    with plain_errors():
        _must_be(file)
        address = f"{file.absolute().as_uri()}?mode=ro"
        with Spooler(sqlite3.connect(address, uri=True, isolation_level=None)) as slips:
            yield slips


def _must_be(file: Path) -> None:
    if not file.exists():
        raise FileNotFoundError(errno.ENOENT, "No such queue", str(file))


@contextmanager
def plain_errors() -> Iterator[None]:
    """A wrong name, file or document is told in a sentence, not in a stack trace."""
    try:
        yield
    except (printer.PrinterError, OSError, sqlite3.Error, UnicodeError) as error:
        typer.echo(f"karcis printer: {error}", err=True)
        asked_wrongly = (printer.UnknownProfile, printer.BadAddress, printer.UnknownFault)
        raise typer.Exit(2 if isinstance(error, asked_wrongly) else 1) from None


def _last(slips: Spooler, key: str) -> printer.Job:
    copies = slips.copies(key)
    return copies[-1] if copies else slips.job(key, 0)


def _show(jobs: list[printer.Job], *, err: bool = False) -> None:
    for job in jobs:
        minutes = max(0, int((_now() - job.asked_at).total_seconds() // 60))
        reason = f" ({job.reason})" if job.reason else ""
        name = f"{job.key}#{job.copy}"
        typer.echo(f"{name}  {job.state:9}  {minutes} min  {_STATES[job.state]}{reason}", err=err)


def _print_json(rows: list[printer.Job] | list[printer.Change]) -> None:
    for row in rows:
        typer.echo(json.dumps(dataclasses.asdict(row), default=datetime.isoformat))


def _now() -> datetime:
    return datetime.now(UTC)


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%d/%m/%Y %H:%M:%S}"
