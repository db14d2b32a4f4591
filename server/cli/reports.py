"""Commands of reports, and of the targets that they compare with."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.rules import refuse_unless_alone
from server.cli.shell import (
    USAGE,
    AsJson,
    DataDir,
    fail,
    login,
    or_say_why,
    print_json,
    talk,
    with_transactions,
    writing,
)

target_app = typer.Typer(help="What a year is to bring in (PAD).", no_args_is_help=True)
MOST_LISTED = 1_000
DAY = {"formats": ["%Y-%m-%d"]}
Zone = Annotated[str | None, typer.Option(help="Only this zone; else the whole regency.")]


def report(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Which; without one all are named; `scheduled`: what is made by itself."
        ),
    ] = None,
    first: Annotated[datetime | None, typer.Option("--from", help="First day.", **DAY)] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="Last day.", **DAY)] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write: .csv, .xlsx or .pdf.", dir_okay=False)
    ] = None,
    zone: Zone = None,
    compare: Annotated[str | None, typer.Option(help="before or year.")] = None,
    language: Annotated[str, typer.Option("--lang", help="id or en.")] = "id",
    data: DataDir = Path("data"),
) -> None:
    """Write a report into a file; that it was written is on record."""
    from server.reports import catalogue
    from server.reports.downloads import Form
    from server.reports.table import Comparison

    if name is None:
        for known in catalogue.REPORTS.values():
            print(f"{known.name:<14} {known.title.in_(language)}")
        return
    if name == "scheduled":
        _print_scheduled(data, language)
        return
    if first is None or last is None or out is None:
        fail("a report needs --from, --to and --out", USAGE)
    try:
        form = Form(out.suffix.removeprefix("."))
        comparison = None if compare is None else Comparison(compare)
    except ValueError:
        fail("--out ends in .csv, .xlsx or .pdf; --compare is before or year", USAGE)
    days = (first.date(), last.date())
    file = with_transactions(data, _making(name, days, zone, comparison, form, language))
    with writing(out):
        out.write_bytes(file.content)
    talk.print(f"{out}: {len(file.content)} B", markup=False)


def _print_scheduled(data: Path, language: str) -> None:
    """Who has which report made by itself, and which file was the last."""
    from server.reports import schedules
    from server.reports.downloads import ReportTooLong

    async def work(db: Any, _books: Any) -> Any:
        return await schedules.schedules(db, None, MOST_LISTED), await schedules.files(
            db, None, MOST_LISTED
        )

    planned, files = or_say_why(data, work)
    for shown in planned:
        plan = shown.schedule
        told = f"{plan.report} {plan.form} every {plan.every} at {plan.at:%H:%M}"
        if plan.ended_at is not None:
            state = f"ended: {plan.ended_why}"
        else:
            state = "running" if plan.failure is None else f"failing: {plan.failure}"
        if shown.left_out is not None:
            why = ReportTooLong().body(language)["title"]
            state += f"; not made {shown.left_out.first} {shown.left_out.last}: {why}"
        print(f"{shown.login:<12} {told:<40} {state}")
    for made in files:
        told = f"{made.file.first_day} {made.file.last_day} {made.download.sha256.hex()}"
        print(f"{made.download.who:<12} {made.file.name:<40} {told}")


def _making(
    name: str,
    days: tuple[date, date],
    zone: str | None,
    comparison: Any,
    form: Any,
    language: str,
) -> Any:
    from server.identity.models import Role
    from server.identity.service import MAY
    from server.payments.books import Books
    from server.reports import catalogue, downloads
    from server.reports.signing import ReportKeyUnfit, signer_of
    from server.reports.table import Asked, Filter, Period

    async def work(transactions: Any, settings: Any) -> downloads.File:
        rights, now = MAY[Role.AUDITOR], datetime.now(UTC)
        try:
            signer = signer_of(settings)
        except ReportKeyUnfit as exc:
            fail(f"the key of reports: {exc}")
        books = Books.of(settings)
        filters = {} if zone is None else {Filter.ZONE: zone}
        asked = Asked(Period(*days), books, books.business_day(now), filters, comparison)
        return await downloads.make(
            transactions,
            catalogue.find(name, rights),
            asked,
            form,
            downloads.Reader(login(), rights, language),
            signer,
            now=now,
        )

    return work


@target_app.command("set")
def set_target(
    year: int,
    amount_rp: Annotated[int, typer.Argument(help="Rupiah.")],
    regulation: Annotated[str, typer.Option(help="What sets it, such as Perda APBD 8/2025.")],
    month: Annotated[int | None, typer.Option(help="Only this month, 1 to 12.")] = None,
    zone: Zone = None,
    data: DataDir = Path("data"),
) -> None:
    """Set what a year, or a month of it, is to bring in, while there are no officers."""
    from server.reports import targets

    async def work(db: Any, _books: Any) -> None:
        await refuse_unless_alone(db)
        await targets.set_target(
            db,
            year=year,
            month=month,
            zone=zone,
            amount_rp=amount_rp,
            regulation=regulation,
            who=login(),
            now=datetime.now(UTC),
        )

    or_say_why(data, work)


@target_app.command("show")
def show_targets(year: int, data: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """What counts of a year, month by month, for each zone that has targets and for all."""
    from domain.money import format_rp
    from server.reports import targets

    async def work(db: Any, _books: Any) -> targets.Targets:
        return await targets.targets(db, year)

    known = or_say_why(data, work)
    told = {zone or "all": list(known.of(zone)) for zone in dict.fromkeys([*known.months, None])}
    if as_json:
        print_json(told)
        return
    for zone, months in sorted(told.items()):
        for month, amount_rp in enumerate(months, 1):
            print(f"{zone:<4} {year}-{month:02} {format_rp(amount_rp):>20}")
