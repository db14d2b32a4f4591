"""Commands of attendants: who may work, and their cards (KTA)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import (
    APPROVAL_NEEDED,
    USAGE,
    AsJson,
    DataDir,
    InputFile,
    acting_as,
    fail,
    in_transaction,
    or_say_why,
    print_json,
    talk,
    writing,
)

attendant_app = typer.Typer(help="Attendants and their cards.", no_args_is_help=True)

LIFETIME_DAYS = 365
ByOfficer = Annotated[str, typer.Option("--officer", help="The login of the officer who does it.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the record.")]
Code = Annotated[str, typer.Argument(help="The attendant's code, J-001.")]
ToUnit = Annotated[
    str, typer.Option("--unit", help="The code of the unit; else the officer's own.")
]
OfUnit = Annotated[str, typer.Option("--unit", help="Only of this unit and those below it.")]


@attendant_app.command("card")
def make_card(
    *,
    codes: Annotated[list[str] | None, typer.Argument(help="The attendants' codes, J-001.")] = None,
    out: Annotated[
        Path,
        typer.Argument(
            help="OUT.pdf or OUT.png of the size of a bank card; of several an OUT.pdf of A4"
            " sheets with marks to cut by."
        ),
    ],
    every: Annotated[bool, typer.Option("--all", help="Every attendant.")] = False,
    unit: OfUnit = "",
    vest: Annotated[bool, typer.Option("--vest", help="A5, one a page, for vests.")] = False,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="Last day; else a year from now."),
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Issue cards that the office signed, all or none, and draw them. Needs KARCIS_PROOF_KEY."""
    from domain import card as kta
    from server.identity import card_pictures as cards
    from server.identity import cards as issued
    from server.identity import units

    if bool(codes) == every:
        fail("name attendants, or --all", USAGE)
    if codes and unit:
        fail("--unit goes with --all", USAGE)
    alone = len(codes or ()) == 1 and not vest
    if out.suffix.lower() not in ((".pdf", ".png") if alone else (".pdf",)):
        fail(f"{out}: want a name that ends in .pdf{' or .png' * alone}", USAGE)
    now = datetime.now(UTC)

    async def work(db: Any, books: Any) -> Any:
        if books.seal is None:
            return None
        last = until.date() if until else books.day(now) + timedelta(days=LIFETIME_DAYS)
        wanted: Sequence[str] = list(dict.fromkeys(codes or ()))
        if every:
            wanted = await issued.everybody(db, (await units.coded(db, unit or "PUSAT")).id)
        made = [await issued.issue(db, code, last, now=now) for code in wanted]
        # Drawn before the commit: a card that could not be written was never issued.
        names = books.seal, books.regency, books.agency
        with writing(out):
            if alone:
                picture = cards.draw(made[0], kta.sign(books.seal, made[0]), *names[1:])
                picture.save(out, resolution=cards.DPI, dpi=(cards.DPI, cards.DPI))
            else:
                out.write_bytes(cards.printed(made, *names, vest=vest))
        return made

    made = or_say_why(data, work)
    if made is None:
        fail("KARCIS_PROOF_KEY is not set: cards are signed as proofs are")
    for card in made:
        talk.print(f"{out}: {card.attendant} {card.name}, {card.valid_until}", markup=False)


@attendant_app.command("revoke-cards")
def revoke_cards(
    code: Annotated[str, typer.Argument(help="The attendant's code, J-001.")],
    why: Annotated[str, typer.Option(help="Lost, left, …")],
    data: DataDir = Path("data"),
) -> None:
    """Take back every card of an attendant; handhelds hear of it with their master data."""
    from server.errors import Problem
    from server.identity import cards as issued

    async def work(db: Any, _books: Any) -> int:
        return await issued.revoke(db, code, why, now=datetime.now(UTC))

    try:
        count = in_transaction(data, work)
    except Problem as exc:
        fail(f"{code}: {exc.title_id} / {exc.title_en}")
    print(count)


@attendant_app.command("list")
def list_attendants(
    data: DataDir = Path("data"), unit: OfUnit = "PUSAT", as_json: AsJson = False
) -> None:
    """Every attendant: code, whether he may work, name, letter of assignment."""
    from server.identity import attendants, units

    async def work(db: Any, _books: Any) -> list[dict[str, Any]]:
        return [
            {
                "code": one.code,
                "state": one.state,
                "name": one.name,
                "sk_number": one.sk_number,
                "sk_until": one.sk_until,
            }
            for one in await attendants.everybody(db, (await units.coded(db, unit)).id)
        ]

    told = or_say_why(data, work)
    if as_json:
        print_json(told)
        return
    for one in told:
        print(f"{one['code']}  {one['state']}  {one['name']}  {one['sk_number'] or ''}".rstrip())


@attendant_app.command("add")
def add(
    code: Code,
    name: Annotated[str, typer.Option(help="The person's name.")],
    officer: ByOfficer,
    why: Why,
    unit: ToUnit = "",
    data: DataDir = Path("data"),
) -> None:
    """Ask that somebody may work; another officer decides it, so this exits with 4.

    The NIK and the letter of assignment are filled in on the page, or by `import`: on a command
    line others of this machine would read them.
    """
    from server.identity import attendants, units
    from server.identity.attendants import Particulars

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> None:
        told, unit_id = Particulars(name), (await units.coded(db, unit)).id if unit else None
        asked = (officer_id, code.upper(), told, why, None)
        await attendants.add(db, *asked, unit_id=unit_id, now=now)

    acting_as(data, officer, work)
    _wait_for_another()


@attendant_app.command("import")
def import_attendants(
    file: InputFile,
    officer: ByOfficer,
    why: Why,
    unit: ToUnit = "",
    data: DataDir = Path("data"),
    dry_run: Annotated[bool, typer.Option(help="Check the file, change nothing.")] = False,
) -> None:
    """Ask for every attendant of a CSV, all or none; every bad line is named. Exits with 4."""
    from server.errors import FileRefused
    from server.identity import units
    from server.settings import Settings
    from server.spots import rosters

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> int:
        unit_id = (await units.coded(db, unit)).id if unit else None
        asked, today = (officer_id, text, why, Settings().person_key), books.day(now)
        count = await rosters.take_in(db, *asked, unit_id=unit_id, today=today, now=now)
        if dry_run:
            await db.rollback()
        return count

    try:
        text = file.read_text(encoding="utf-8")
        count = acting_as(data, officer, work)
    except FileRefused as exc:
        fail("\n".join(f"{file.name}: {f.indonesian} / {f.english}" for f in exc.faults))
    except UnicodeDecodeError:
        fail(f"{file.name}: bukan teks UTF-8 / not text in UTF-8")
    print(f"{count} attendants{' would be' if dry_run else ''} asked for")
    if not dry_run:
        _wait_for_another()


@attendant_app.command("stop")
def stop(code: Code, officer: ByOfficer, why: Why, data: DataDir = Path("data")) -> None:
    """Stop an attendant at once: no sign-in, no token, no card is good from now on."""
    from server.identity import attendants

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> None:
        await attendants.stop(db, officer_id, await attendants.named(db, code), why, now=now)

    acting_as(data, officer, work)


@attendant_app.command("resume")
def resume(code: Code, officer: ByOfficer, why: Why, data: DataDir = Path("data")) -> None:
    """Ask that a stopped attendant may work again; another officer decides it. Exits with 4."""
    from server.identity import attendants

    async def work(db: Any, _books: Any, officer_id: Any, now: datetime) -> None:
        await attendants.propose(db, officer_id, await attendants.named(db, code), why, now=now)

    acting_as(data, officer, work)
    _wait_for_another()


def _wait_for_another() -> None:
    talk.print("karcis: another officer decides it, in the office (Juru parkir)", markup=False)
    raise typer.Exit(APPROVAL_NEEDED)
