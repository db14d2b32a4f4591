"""Commands on vouchers: two officers issue a batch and void what was lost; it is printed."""

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from server.cli.shell import (
    APPROVAL_NEEDED,
    DataDir,
    Decision,
    Id,
    Officer,
    OfficerLogin,
    PaidOn,
    Slip,
    acting_as,
    fail,
    login,
    or_say_why,
    talk,
    with_transactions,
    writing,
)

voucher_app = typer.Typer(
    help="Vouchers of prepaid parking; issued and voided by two officers.", no_args_is_help=True
)
LISTED = 50
Batch = Annotated[int, typer.Argument(help="The serial's first number: 1 of V-0001-00042-X.")]
First = Annotated[int, typer.Option("--from", help="The serial's second number.")]
Last = Annotated[int, typer.Option("--to", help="The last of them.")]


@voucher_app.command("list")
def list_vouchers(
    below: Annotated[int | None, typer.Option(help="Go on below this batch.")] = None,
    data: DataDir = Path("data"),
) -> None:
    """The newest 50 batches with what became of them, and what is proposed."""
    from server.payments import voucher_proposals, voucher_stock

    async def work(db: Any, _books: Any) -> Any:
        rows = await voucher_stock.stock(db, below=below, limit=LISTED)
        return rows, await voucher_proposals.latest(db, LISTED)

    rows, proposed = or_say_why(data, work)
    for row in rows:
        told = f"{row.count} issued, {row.redeemed} used, {row.voided} voided, {row.left} left"
        print(f"{row.batch:04}  {row.value_rp:>7}  {row.valid_until}  {told}  {row.seller}")
    for one in proposed:
        _tell(one)


@voucher_app.command()
def issue(
    count: Annotated[int, typer.Option(min=1, max=10_000)],
    amount_rp: Annotated[int, typer.Option(min=1, help="What each is worth.")],
    valid_until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day.")],
    seller: Annotated[str, typer.Option(help="Who sells them, and owes the office their value.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    officer: Officer,
    vehicle_class: Annotated[
        str | None, typer.Option("--class", help="car, motorcycle or truck; else any.")
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Propose a batch of vouchers; it waits for a second officer, so this exits with 4."""
    from domain.tariff import VehicleClass
    from server.payments import voucher_proposals
    from server.payments.vouchers import Issue

    try:
        only = None if vehicle_class is None else VehicleClass(vehicle_class)
    except ValueError as exc:
        fail(str(exc))

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        wanted = Issue(seller, count, amount_rp, only, valid_until.date())
        asked = await voucher_proposals.propose_issue(
            db, officer_id, wanted, reason, books, now=now
        )
        return await voucher_proposals.found(db, asked)

    _wait_for_another(acting_as(data, officer, work))


@voucher_app.command()
def void(
    batch: Batch,
    first: First,
    last: Last,
    why: Annotated[str, typer.Option(help="Such as: lost with the bag of seller X.")],
    officer: Officer,
    data: DataDir = Path("data"),
) -> None:
    """Propose that lost or unsold vouchers are voided; it waits for a second officer."""
    from server.payments import voucher_proposals
    from server.payments.voucher_proposals import Range

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        which = Range(batch, first, last)
        asked = await voucher_proposals.propose_void(db, officer_id, which, why, books, now=now)
        return await voucher_proposals.found(db, asked)

    _wait_for_another(acting_as(data, officer, work))


@voucher_app.command()
def decide(
    proposal: Id,
    decision: Decision,
    officer: Officer,
    why: Annotated[str, typer.Option(help="Why, for the record.")],
    data: DataDir = Path("data"),
) -> None:
    """Approve or decline what another officer proposed; what is approved is done at once."""
    from server.payments import voucher_proposals

    async def work(db: Any, books: Any, officer_id: Any, now: datetime) -> Any:
        approve = decision is Decision.APPROVE
        await voucher_proposals.decide(
            db, officer_id, proposal, books, approve=approve, why=why, now=now
        )
        return await voucher_proposals.found(db, proposal)

    _tell(acting_as(data, officer, work))


def _tell(one: Any) -> None:
    row = one.row
    if row.act == "issue":
        told = f"issue {row.count} x {row.value_rp} to {row.seller}"
        told += f" as batch {row.batch:04}" if row.batch else ""
    else:
        told = f"void {row.batch:04}: {row.first_number}-{row.last_number}"
    print(f"{row.id}  {one.state}  {told}  {row.reason}")


def _wait_for_another(one: Any) -> NoReturn:
    _tell(one)
    talk.print("karcis: another officer decides it: karcis voucher decide", markup=False)
    raise typer.Exit(APPROVAL_NEEDED)


@voucher_app.command("print")
def print_vouchers(
    batch: Batch,
    out: Annotated[Path, typer.Argument(help="OUT.csv for a printer's own layout, or OUT.pdf.")],
    officer: Officer,
    first: First = 1,
    last: Annotated[int | None, typer.Option("--to", help="The last of them; else all.")] = None,
    data: DataDir = Path("data"),
) -> None:
    """Write the vouchers of a batch down to be printed; that it was done is on record."""
    if out.suffix not in (".csv", ".pdf"):
        fail(f"{out}: want a .csv or a .pdf")
    if out.exists():
        fail(f"{out} is there already")
    count, content = with_transactions(data, _printing(batch, first, last, officer, out.suffix))
    with writing(out):
        out.write_bytes(content)
    print(f"batch {batch:04d}: {count} vouchers in {out}")


def _printing(number: int, first: int, last: int | None, officer: str, suffix: str) -> Any:
    from datetime import UTC

    from sqlalchemy import select

    from server.identity import service as identity
    from server.identity.models import Officer as OfficerRow
    from server.identity.service import Right, RoleNotAllowed
    from server.office import taken_out
    from server.payments import voucher_proposals, voucher_sheets, voucher_stock
    from server.payments.books import Books

    async def work(transactions: Any, settings: Any) -> tuple[int, bytes]:
        now, books, form = datetime.now(UTC), Books.of(settings), suffix.removeprefix(".")
        most = voucher_stock.MOST_ON_SHEETS if form == "pdf" else None
        async with transactions.begin() as db:
            who = await db.scalar(select(OfficerRow).where(OfficerRow.login == officer))
            if who is None:
                raise RoleNotAllowed
            await identity.acting(db, who.id, Right.ISSUE_VOUCHERS)
            batch = await voucher_proposals.batch_of(db, number)
            which = voucher_proposals.Range(number, first, last or batch.count)
            signed = await voucher_stock.signed(db, which, books, books.day(now), most)
        content = voucher_sheets.file(signed, form, books.regency)
        what = taken_out.vouchers(batch, which, books)
        what.filters["officer"] = officer
        await taken_out.record(
            transactions, login(), what, form, sha256(content).digest(), len(signed), now=now
        )
        return len(signed), content

    return work


@voucher_app.command()
def paid(
    seller: Annotated[str, typer.Argument(help="As the batches name the seller.")],
    amount_rp: Annotated[int, typer.Option(min=1)],
    slip: Slip,
    day: PaidOn,
    officer: OfficerLogin,
    data: DataDir = Path("data"),
) -> None:
    """Record what a seller paid in at the bank; the statement must name the slip."""
    from datetime import UTC

    from server.identity import service as identity
    from server.ledger import postings
    from server.payments import vouchers
    from server.reconciliation import deposits

    async def work(db: Any, books: Any) -> None:
        if not await vouchers.sells(db, seller):
            fail(f"{seller!r} was given no batch")
        who = await identity.officer_named(db, officer)
        legs = postings.for_voucher_payment(amount_rp, seller)
        paid_in = deposits.PaidIn(seller, legs, amount_rp, slip, day.date())
        await deposits.record_paid_in(db, paid_in, books, who, now=datetime.now(UTC))

    or_say_why(data, work)
