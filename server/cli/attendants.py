"""Commands of attendants' cards (KTA)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import DataDir, fail, in_transaction, talk, writing

attendant_app = typer.Typer(help="Attendants and their cards.", no_args_is_help=True)

LIFETIME_DAYS = 365


@attendant_app.command("card")
def make_card(
    code: Annotated[str, typer.Argument(help="The attendant's code, J-001.")],
    out: Annotated[Path, typer.Argument(help="OUT.pdf or OUT.png, at the size of a bank card.")],
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="Last day; else a year from now."),
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Issue a card that the office signed, and draw it. Needs KARCIS_PROOF_KEY."""
    from domain import card as kta
    from server.cli import cards
    from server.errors import Problem
    from server.identity import cards as issued

    if out.suffix.lower() not in (".pdf", ".png"):
        fail(f"{out}: want a name that ends in .pdf or .png")
    now = datetime.now(UTC)

    async def work(db: Any, books: Any) -> Any:
        if books.seal is None:
            return None
        last = until.date() if until else books.day(now) + timedelta(days=LIFETIME_DAYS)
        card = await issued.issue(db, code, last, now=now)
        # Drawn before the commit: a card that could not be written was never issued.
        picture = cards.draw(card, kta.sign(books.seal, card), books.regency, books.agency)
        with writing(out):
            picture.save(out, resolution=cards.DPI, dpi=(cards.DPI, cards.DPI))
        return card

    try:
        card = in_transaction(data, work)
    except Problem as exc:
        fail(f"{code}: {exc.title_id} / {exc.title_en}")
    if card is None:
        fail("KARCIS_PROOF_KEY is not set: cards are signed as proofs are")
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
