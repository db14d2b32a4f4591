"""Commands on vouchers: issuing a batch to be printed, and voiding what was lost."""

import csv
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import DataDir, OfficerLogin, PaidOn, Slip, fail, login, or_say_why, writing

voucher_app = typer.Typer(help="Vouchers of prepaid parking.", no_args_is_help=True)


@voucher_app.command()
def issue(
    out: Annotated[Path, typer.Argument(help="OUT.csv for a printer's own layout, or OUT.pdf.")],
    count: Annotated[int, typer.Option(min=1, max=10_000)],
    amount_rp: Annotated[int, typer.Option(min=1, help="What each is worth.")],
    valid_until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day.")],
    seller: Annotated[str, typer.Option(help="Who sells them, and owes the office their value.")],
    vehicle_class: Annotated[
        str | None, typer.Option("--class", help="car, motorcycle or truck; else any.")
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Issue a batch of vouchers, and write them down to be printed."""
    from datetime import UTC

    from domain.tariff import VehicleClass
    from server.payments import vouchers

    if out.suffix not in (".csv", ".pdf"):
        fail(f"{out}: want a .csv or a .pdf")
    if out.exists():
        fail(f"{out} is there already")
    try:
        only = None if vehicle_class is None else VehicleClass(vehicle_class)
    except ValueError as exc:
        fail(str(exc))

    async def work(db: Any, books: Any) -> int:
        now = datetime.now(UTC)
        if valid_until.date() < books.day(now):
            fail(f"{valid_until:%Y-%m-%d} is over")
        wanted = vouchers.Issue(seller.strip(), count, amount_rp, only, valid_until.date())
        batch = await vouchers.issue(db, wanted, books, login(), now=now)
        # Before the batch counts: one that nobody can print would be owed to nobody.
        with writing(out):
            _write(out, list(vouchers.texts(batch, books.seal)), books.regency)
        return batch.number

    number = or_say_why(data, work)
    print(f"batch {number:04d}: {count} vouchers in {out}")


@voucher_app.command()
def void(
    batch: Annotated[int, typer.Argument(help="The serial's first number: 1 of V-0001-00042-X.")],
    first: Annotated[int, typer.Option("--from", help="The serial's second number.")],
    last: Annotated[int, typer.Option("--to", help="The last of them.")],
    why: Annotated[str, typer.Option(help="Such as: lost with the bag of seller X.")],
    data: DataDir = Path("data"),
) -> None:
    """Void vouchers that were lost or came back unsold; used ones stay as they are."""
    from datetime import UTC

    from server.payments import vouchers

    async def work(db: Any, books: Any) -> int:
        return await vouchers.void(db, batch, first, last, why, books, now=datetime.now(UTC))

    print(f"{or_say_why(data, work)} vouchers voided")


def _write(out: Path, signed: list[tuple[Any, str]], regency: str) -> None:
    if out.suffix == ".pdf":
        from server.payments import voucher_sheets

        out.write_bytes(voucher_sheets.pdf(signed, regency))
        return
    with out.open("x", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("serial", "value_rp", "class", "valid_until", "qr"))
        for voucher, text in signed:
            only = voucher.vehicle_class.value if voucher.vehicle_class else ""
            row = (voucher.serial, voucher.value_rp, only, voucher.valid_until, text)
            writer.writerow(row)


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
