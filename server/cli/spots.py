"""Commands on parking spots."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.shell import (
    USAGE,
    AsJson,
    DataDir,
    InputFile,
    Officer,
    acting_as,
    fail,
    in_transaction,
    login,
    or_say_why,
    print_json,
    talk,
    writing,
)

if TYPE_CHECKING:
    from server.inspection.printing import Kind
    from server.spots.sheets import Sheet, Size, View

spot_app = typer.Typer(help="Parking spots.", no_args_is_help=True)


@spot_app.command("import")
def import_spots(
    file: InputFile,
    data: DataDir = Path("data"),
    dry_run: Annotated[bool, typer.Option(help="Check the file, change nothing.")] = False,
) -> None:
    """Take in spots from CSV or GeoJSON, all or nothing; known codes are updated.

    A GeoJSON file is known by its name, .geojson or .json; it may have the zones' outlines too.
    """
    count = _taken_in(data, file, dry_run, "spots")
    print(f"{count} spots{' would be' if dry_run else ''} imported")


class Reason(StrEnum):
    ROAD = "road"
    EVENT = "event"
    WORKS = "works"
    SAFETY = "safety"


CLOCK = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


@spot_app.command("close")
def close_spot(
    place: Annotated[str, typer.Argument(help="A spot's code, or a zone's for all of it.")],
    reason: Annotated[Reason, typer.Option(help="Why, as drivers are told.")],
    officer: Officer,
    starts: Annotated[
        datetime | None,
        typer.Option("--from", formats=CLOCK, help="The regency's clock; else at once."),
    ] = None,
    ends: Annotated[
        datetime | None,
        typer.Option("--until", formats=CLOCK, help="Else until it is opened again."),
    ] = None,
    note: Annotated[str, typer.Option(help="For the record.")] = "",
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Close a spot or a zone: nothing is asked for there, on handhelds within half a minute."""
    from domain.closure import ClosureReason
    from server.spots import closures

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        starts_at, ends_at = (
            told and told.replace(tzinfo=books.timezone) for told in (starts, ends)
        )
        return await closures.close(
            db,
            officer_id,
            place.upper(),
            ClosureReason(reason.value),
            starts=starts_at,
            ends=ends_at,
            note=note,
            now=now,
        )

    made = acting_as(data, officer, work)
    if as_json:
        print_json({"id": str(made)})
    else:
        print(made)


@spot_app.command("open")
def open_spot(
    place: Annotated[str, typer.Argument(help="As it was closed: a spot's code, or a zone's.")],
    officer: Officer,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    data: DataDir = Path("data"),
) -> None:
    """End what closes a spot or a zone now, and call off what would."""
    from server.spots import closures

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        return await closures.end_all(db, officer_id, place.upper(), why, now=now)

    count = acting_as(data, officer, work)
    if not count:
        fail(f"{place} is not closed")
    print(f"{count} closures ended")


class SheetSize(StrEnum):
    """A5 148 x 210 mm, A6 105 x 148 mm, a sticker 74 x 105 mm."""

    A5 = "a5"
    A6 = "a6"
    STICKER = "sticker"


class Light(StrEnum):
    """Daylight or a street lamp; dim where there is neither."""

    DAY = "day"
    DIM = "dim"


@spot_app.command("sign")
def sign_spots(
    *,
    codes: Annotated[list[str] | None, typer.Argument(help="The spots' codes.")] = None,
    out: Annotated[Path, typer.Argument(help="OUT.pdf, one sign a page.")],
    zone: Annotated[str | None, typer.Option(help="Every spot of a zone, by its code.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every spot.")] = False,
    size: Annotated[
        SheetSize | None,
        typer.Option(help="What a sheet is cut to; else a5, or what --distance needs."),
    ] = None,
    distance: Annotated[
        float | None, typer.Option(min=1, help="From how many cm a phone is to read it.")
    ] = None,
    light: Annotated[Light, typer.Option(help="For --distance.")] = Light.DAY,
    replace: Annotated[
        bool, typer.Option("--replace", help="New versions; the signs of before are old at once.")
    ] = False,
    why: Annotated[str, typer.Option(help="For the registry.")] = "dicetak",
    data: DataDir = Path("data"),
    dry_run: Annotated[
        bool, typer.Option(help="Draw and read every sheet; write and enter nothing.")
    ] = False,
) -> None:
    """Draw signs as print-ready sheets, and enter the new ones in the registry.

    Each sheet is read back with two decoders first. Needs KARCIS_PROOF_KEY.
    """
    from server.inspection import printing
    from server.settings import Settings
    from server.spots import signs

    if sum((bool(codes), zone is not None, every)) != 1:
        fail("name spots, or --zone, or --all", USAGE)
    if out.suffix.lower() != ".pdf":
        fail(f"{out}: want a .pdf", USAGE)
    if out.exists():
        fail(f"{out} is there already")

    async def plan(db: Any, books: Any) -> Any:
        spots = await printing.wanted(db, codes, zone)
        merchant, now = Settings().merchant_name, datetime.now(UTC)
        return await printing.plan(db, books, spots, merchant, replace=replace, now=now)

    drawing = or_say_why(data, plan)
    drawn = drawing.sheets
    chosen, view = _chosen(drawn[0].link, size, distance, light)
    content = _drawn(drawn, chosen, view)

    async def enter(db: Any, _books: Any) -> None:
        now = datetime.now(UTC)
        await signs.issue(db, drawing.planned, drawing.key_id, login(), why, now=now)
        # Before they count: a sign that could not be written was never made.
        with writing(out):
            out.write_bytes(content)

    if not dry_run:
        or_say_why(data, enter)
    _tell_sizes(drawn, chosen)
    print(f"{len(drawn)} signs ({drawing.new} new){' would be' if dry_run else ''} in {out}")


def _chosen(
    link: str, size: SheetSize | None, distance: float | None, light: Light
) -> "tuple[Size, View | None]":
    """The size that was asked for, or the smallest that is read from so far; else says so."""
    from server.spots import sheets

    if distance is None:
        return sheets.SIZES[(size or SheetSize.A5).value], None
    by = sheets.Light(light.value)
    reach = {name: sheets.reach(link, of, by) / 10 for name, of in sheets.SIZES.items()}
    names = [name for name in reach if size is None or name == size.value]
    fit = [name for name in names if reach[name] >= distance]
    if not fit:
        told = ", ".join(f"{name} from {reach[name]:.0f} cm" for name in reach)
        fail(
            f"a code that is read from {distance:.0f} cm does not fit {' or '.join(names)}"
            f" ({light.value}: {told}); hang it nearer, or print {names[0]} at"
            f" {100 * distance / reach[names[0]]:.0f} % on larger paper"
        )
    best = min(fit, key=lambda name: reach[name])
    return sheets.SIZES[best], sheets.View(10 * distance, by)


def _drawn(drawn: "list[Sheet]", size: "Size", view: "View | None") -> bytes:
    from rich.progress import Progress

    from server.spots import sheets

    with Progress(console=talk, disable=not talk.is_terminal, transient=True) as progress:
        task = progress.add_task("signs", total=2 * len(drawn))
        try:
            return sheets.draw(drawn, size, lambda: progress.advance(task), view)
        except sheets.SheetUnreadable as exc:
            fail(f"nothing written: {exc}; another --size, or --replace, draws another code")


def _tell_sizes(drawn: "list[Sheet]", size: "Size") -> None:
    """From how far these codes are read; they are all as long."""
    from server.spots import sheets

    count = sheets.modules(drawn[0].link)
    module = size.code / (count + 2 * sheets.QUIET)
    talk.print(
        f"QR {count * module:.0f} mm, {count} x {count} modules of {module:.2f} mm:"
        f" read from up to {sheets.reach(drawn[0].link, size, sheets.Light.DAY) / 1000:.1f} m",
        markup=False,
    )


sign_app = typer.Typer(help="Signs at parking spots.", no_args_is_help=True)


@sign_app.command("import")
def import_codes(
    file: InputFile,
    data: DataDir = Path("data"),
    dry_run: Annotated[bool, typer.Option(help="Check the file, change nothing.")] = False,
) -> None:
    """Register the static QRIS that are posted at spots, from CSV (spot,qris), all or nothing."""
    count = _taken_in(data, file, dry_run, "codes")
    print(f"{count} posted codes{' would be' if dry_run else ''} registered")


def _taken_in(data: Path, file: Path, dry_run: bool, kind: "Kind") -> int:
    """How many rows of a file were taken in, in one transaction."""
    from server.errors import FileRefused
    from server.inspection import printing

    content = file.read_bytes()

    async def work(db: Any, _books: Any) -> int:
        now = datetime.now(UTC)
        if dry_run:
            return (await printing.preview(db, kind, file.name, content, now=now)).rows
        return (await printing.take_in(db, kind, file.name, content, login(), now=now)).rows

    try:
        return in_transaction(data, work)
    except FileRefused as exc:
        fail(f"{file.name}: {exc}")
