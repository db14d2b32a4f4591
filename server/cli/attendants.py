"""Commands of attendants' cards (KTA)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import USAGE, DataDir, fail, in_transaction, or_say_why, talk, writing

attendant_app = typer.Typer(help="Attendants and their cards.", no_args_is_help=True)

LIFETIME_DAYS = 365


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
    vest: Annotated[bool, typer.Option("--vest", help="A5, one a page, for vests.")] = False,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="Last day; else a year from now."),
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Issue cards that the office signed, all or none, and draw them. Needs KARCIS_PROOF_KEY."""
    from domain import card as kta
    from server.cli import cards
    from server.identity import cards as issued

    if bool(codes) == every:
        fail("name attendants, or --all", USAGE)
    alone = len(codes or ()) == 1 and not vest
    if out.suffix.lower() not in ((".pdf", ".png") if alone else (".pdf",)):
        fail(f"{out}: want a name that ends in .pdf{' or .png' * alone}", USAGE)
    now = datetime.now(UTC)

    async def work(db: Any, books: Any) -> Any:
        if books.seal is None:
            return None
        last = until.date() if until else books.day(now) + timedelta(days=LIFETIME_DAYS)
        wanted = await issued.everybody(db) if every else list(dict.fromkeys(codes or ()))
        made = [await issued.issue(db, code, last, now=now) for code in wanted]
        # Drawn before the commit: a card that could not be written was never issued.
        pictures = [
            cards.draw(card, kta.sign(books.seal, card), books.regency, books.agency)
            for card in made
        ]
        with writing(out):
            if alone:
                pictures[0].save(out, resolution=cards.DPI, dpi=(cards.DPI, cards.DPI))
            else:
                out.write_bytes(cards.vests(pictures) if vest else cards.sheets(pictures))
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
