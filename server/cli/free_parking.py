"""Commands on passes, and on the vehicles that a regulation exempts."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.rules import refuse_unless_alone
from server.cli.shell import (
    DataDir,
    From,
    OfficerLogin,
    To,
    Until,
    fail,
    login,
    or_say_why,
)

pass_app = typer.Typer(help="Passes (langganan).", no_args_is_help=True)
exemption_app = typer.Typer(help="Vehicles that park free by regulation.", no_args_is_help=True)
Classes = Annotated[list[str], typer.Option("--class", help="car, motorcycle or truck; again.")]
Zones = Annotated[list[str] | None, typer.Option("--zone", help="Only there; again for more.")]
Kind = Annotated[str, typer.Option(help="ordinary, resident or disabled.")]


@pass_app.command("issue")
def issue_pass(
    out: Annotated[Path, typer.Argument(help="OUT.png: its QR, to be printed on the sticker.")],
    classes: Classes,
    first: From,
    last: To,
    price_rp: Annotated[int, typer.Option(min=0)],
    officer: OfficerLogin,
    slip: Annotated[str, typer.Option(help="The bank's slip; for a pass with a price.")] = "",
    day: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"])] = None,
    zones: Zones = None,
    plate: Annotated[str, typer.Option(help="Kept as a mask and a keyed hash only.")] = "",
    kind: Kind = "ordinary",
    data: DataDir = Path("data"),
) -> None:
    """Register a pass that was paid for, or is given free, and draw its QR."""
    from datetime import UTC

    from domain import covered as passes
    from domain.receipt import mask_plate
    from domain.tariff import VehicleClass
    from server.identity import service as identity
    from server.ledger import postings
    from server.parking import covered
    from server.payments import barcodes
    from server.payments.vouchers import NoSeal
    from server.reconciliation import deposits

    if bool(price_rp) != bool(slip and day):
        fail("a pass with a price names its --slip and the day it was paid --on")
    if last < first:
        fail("the last day is before the first")
    if out.exists():
        fail(f"{out} is there already")
    try:
        wheels = tuple(VehicleClass(name) for name in classes)
        whom = passes.PassKind(kind)
    except ValueError as exc:
        fail(str(exc))

    async def work(db: Any, books: Any) -> str:
        if books.seal is None:
            raise NoSeal
        now = datetime.now(UTC)
        who = await identity.officer_named(db, officer)
        wanted = covered.NewPass(
            wheels,
            tuple(zones or ()),
            first.date(),
            last.date(),
            mask_plate(plate) or None,
            books.plate_hash(plate) if plate else None,
            price_rp,
            whom,
        )
        made = await covered.register(db, wanted, login(), now=now)
        if day is not None:
            legs = postings.for_pass_sold(price_rp)
            paid = deposits.PaidIn(made.serial, legs, price_rp, slip, day.date())
            await deposits.record_paid_in(db, paid, books, who, now=now)
        out.write_bytes(barcodes.png(passes.sign(books.seal, made)))
        return made.serial

    print(f"{or_say_why(data, work)}: {out}")


@pass_app.command("price")
def set_price(
    code: Annotated[str, typer.Argument(help="Such as mobil-1.")],
    vehicle_class: Annotated[str, typer.Option("--class", help="car, motorcycle or truck.")],
    months: Annotated[int, typer.Option(min=1, max=12)],
    price_rp: Annotated[int, typer.Option(min=0)],
    regulation: Annotated[str, typer.Option(help="The article that says so.")],
    first: From,
    until: Until = None,
    kind: Kind = "ordinary",
    zones: Zones = None,
    data: DataDir = Path("data"),
) -> None:
    """Put a price of passes in force; the one of its code before it ends the day before.

    For setting up: once there are officers, prices are rules of two (`karcis rule propose`).
    Without a price, one for residents or disabled drivers is given at the office only.
    """
    from server.parking import pass_orders
    from server.parking.covered_models import PassPrice

    async def work(db: Any, _books: Any) -> None:
        await refuse_unless_alone(db)
        await pass_orders.set_price(
            db,
            PassPrice(
                code=code,
                kind=kind,
                vehicle_class=vehicle_class,
                months=months,
                zones=list(zones or ()),
                price_rp=price_rp,
                regulation=regulation,
                valid_from=first.date(),
                valid_until=until and until.date(),
            ),
        )

    try:
        or_say_why(data, work)
    except ValueError as exc:
        fail(str(exc))


@pass_app.command("prices")
def list_prices(
    day: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"])] = None,
    data: DataDir = Path("data"),
) -> None:
    """What passes cost today, or on another day."""
    from datetime import UTC

    from server.parking import pass_orders

    async def work(db: Any, books: Any) -> Any:
        return await pass_orders.prices_on(db, day.date() if day else books.day(datetime.now(UTC)))

    for price in or_say_why(data, work):
        where = ",".join(price.zones) or "all"
        print(
            f"{price.code:<20} {price.kind:<9} {price.vehicle_class:<11} {price.months:>2}"
            f" {where:<12} {price.price_rp:>9}  {price.regulation}"
        )


@pass_app.command("permit")
def permit(
    kind: Annotated[str, typer.Argument(help="resident or disabled.")],
    vehicle_class: Annotated[str, typer.Option("--class", help="car, motorcycle or truck.")],
    plate: Annotated[str, typer.Option(help="Kept as a mask and a keyed hash only.")],
    proof: Annotated[str, typer.Option(help="What was seen, such as KTP; never its number.")],
    last: To,
    officer: OfficerLogin,
    data: DataDir = Path("data"),
) -> None:
    """Let a vehicle have passes of a kind that not everybody may buy."""
    from datetime import UTC

    from domain.covered import PassKind
    from domain.tariff import VehicleClass
    from server.identity import service as identity
    from server.parking import pass_orders
    from server.parking.covered_models import PassPermit
    from server.payments.passes import Plate

    async def work(db: Any, books: Any) -> str:
        known = Plate.of(plate, books)
        await pass_orders.approve(
            db,
            PassPermit(
                kind=PassKind(kind).value,
                vehicle_class=VehicleClass(vehicle_class).value,
                plate_masked=known.masked,
                plate_hash=known.found_by,
                proof=proof,
                approved_by=await identity.officer_named(db, officer),
                approved_at=datetime.now(UTC),
                valid_until=last.date(),
            ),
        )
        return known.masked

    try:
        print(or_say_why(data, work))
    except ValueError as exc:
        fail(str(exc))


@pass_app.command("revoke")
def revoke_pass(
    serial: str, why: Annotated[str, typer.Option()], data: DataDir = Path("data")
) -> None:
    """Have a pass cover nothing any more; handhelds are told within minutes."""
    from datetime import UTC

    from server.parking import covered

    async def work(db: Any, _books: Any) -> None:
        await covered.revoke(db, serial, why, now=datetime.now(UTC))

    or_say_why(data, work)


@exemption_app.command("add")
def add_exemption(
    code: Annotated[str, typer.Argument(help="Such as ambulans.")],
    picture: Annotated[str, typer.Option(help="ambulance, fire, government, disabled or other.")],
    vehicle_class: Annotated[str, typer.Option("--class", help="car, motorcycle or truck.")],
    label_id: Annotated[str, typer.Option(help="In Bahasa, as on the button.")],
    label_en: Annotated[str, typer.Option(help="In English.")],
    regulation: Annotated[str, typer.Option(help="The article that says so.")],
    first: From,
    until: Until = None,
    data: DataDir = Path("data"),
) -> None:
    """Put an exemption in force; the one of its code before it ends the day before.

    For setting up: once there are officers, it is a rule of two (`karcis rule propose`).
    """
    from server.parking import covered
    from server.parking.covered_models import Exemption

    async def work(db: Any, _books: Any) -> None:
        await refuse_unless_alone(db)
        await covered.exempt(
            db,
            Exemption(
                code=code,
                picture=picture,
                vehicle_class=vehicle_class,
                label_id=label_id,
                label_en=label_en,
                regulation=regulation,
                valid_from=first.date(),
                valid_until=until and until.date(),
            ),
        )

    try:
        or_say_why(data, work)
    except ValueError as exc:
        fail(str(exc))


@exemption_app.command("count")
def count_exemptions(first: From, last: To, data: DataDir = Path("data")) -> None:
    """Free stays of each attendant by reason, the most first; and how many are in doubt."""
    from datetime import timedelta

    from server.parking import covered

    async def work(db: Any, books: Any) -> list[tuple[str, str, int, int]]:
        since = first.replace(tzinfo=books.timezone)
        until = last.replace(tzinfo=books.timezone) + timedelta(days=1)
        return await covered.per_attendant(db, since, until)

    for attendant, reason, stays, doubtful in or_say_why(data, work):
        print(f"{attendant:<10} {reason:<20} {stays:>6} {doubtful:>6}")
