"""Passes that drivers order for themselves: at what price, for which vehicle, from which day.

A pass is entered in the register when its money comes, in the same transaction: none is sold
without money, and none is paid for and not given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.covered import Pass, PassKind, first_free, last_day
from domain.tariff import QuoteLine, VehicleClass
from server.database import Connected, fetch
from server.errors import NotFound, Problem
from server.parking import covered
from server.parking.covered import NewPass
from server.parking.covered_models import PassPermit, PassPrice
from server.spots import service as spots

AHEAD = timedelta(days=31)
"""How long before its first day a pass can be bought."""
KIND_LABELS = {
    PassKind.ORDINARY: ("", ""),
    PassKind.RESIDENT: (" (warga)", " (resident)"),
    PassKind.DISABLED: (" (difabel)", " (disabled)"),
}


class PassPriceNotFound(NotFound):
    slug = "pass-price-not-found"
    title_id = "Langganan ini tidak dijual lagi; pilih dari daftar harga"
    title_en = "This pass is not sold any more; choose from the list of prices"


class PassDayUnfit(Problem):
    slug = "pass-day-unfit"
    status = 422
    title_id = "Langganan mulai paling cepat hari ini dan paling lambat 31 hari lagi"
    title_en = "A pass starts today at the earliest and 31 days from now at the latest"


class PermitNeeded(Problem):
    slug = "permit-needed"
    status = 409
    title_id = "Langganan ini perlu persetujuan kantor lebih dahulu; bawa buktinya ke kantor"
    title_en = "This pass needs the office's approval first; bring your proof to the office"


class PassGivenAtOffice(Problem):
    slug = "pass-given-at-office"
    status = 409
    title_id = "Langganan ini gratis dan diberikan di kantor"
    title_en = "This pass is free and is given at the office"


# Prices

END_BEFORE = """
    UPDATE pass_prices SET valid_until = $2::date - 1
    WHERE code = $1 AND valid_from < $2 AND (valid_until IS NULL OR valid_until >= $2)
"""


async def set_price(db: AsyncSession, wanted: PassPrice) -> None:
    """Put a price in force; the one of its code before it ends the day before."""
    PassKind(wanted.kind)
    VehicleClass(wanted.vehicle_class)
    for code in wanted.zones:
        await spots.zone_id(db, code)
    await fetch(db, END_BEFORE, wanted.code, wanted.valid_from)
    db.add(wanted)
    await db.flush()


async def prices_on(db: AsyncSession, day: date) -> Sequence[PassPrice]:
    """What is sold on a day: by class, for whom, and how long."""
    rows = await db.scalars(
        select(PassPrice)
        .where(PassPrice.valid_from <= day)
        .where(PassPrice.valid_until.is_(None) | (PassPrice.valid_until >= day))
    )
    classes, kinds = list(VehicleClass), list(PassKind)
    return sorted(
        rows,
        key=lambda row: (
            kinds.index(PassKind(row.kind)),
            classes.index(VehicleClass(row.vehicle_class)),
            row.months,
            row.price_rp,
        ),
    )


def line(price: PassPrice) -> QuoteLine:
    """What a pass is called where it is paid for."""
    of_kind = KIND_LABELS[PassKind(price.kind)]
    wheels = VehicleClass(price.vehicle_class)
    months = f"{price.months} month{'s' * (price.months > 1)}"
    return QuoteLine(
        label_id=f"Langganan {wheels.label('id').lower()} {price.months} bulan{of_kind[0]}",
        label_en=f"Pass, {wheels.label('en').lower()}, {months}{of_kind[1]}",
        quantity=1,
        unit_rp=price.price_rp,
        amount_rp=price.price_rp,
    )


# Permits


async def approve(db: AsyncSession, permit: PassPermit) -> None:
    """Let a vehicle have passes of a kind that not everybody may."""
    db.add(permit)
    await db.flush()


async def _is_permitted(db: AsyncSession, price: PassPrice, plate_hash: str, day: date) -> bool:
    found = await db.scalar(
        select(PassPermit.id)
        .where(PassPermit.plate_hash == plate_hash, PassPermit.kind == price.kind)
        .where(PassPermit.vehicle_class == price.vehicle_class, PassPermit.valid_until >= day)
        .limit(1)
    )
    return price.kind == PassKind.ORDINARY or found is not None


# Orders


@dataclass(frozen=True)
class Plan:
    """What a driver would get: `begins_after` is the last day of the pass he has until then."""

    price: PassPrice
    valid_from: date
    valid_until: date
    begins_after: date | None


TAKEN = """
    SELECT p.valid_from, p.valid_until FROM passes p
    WHERE p.plate_hash = $1 AND $2 = ANY(p.classes) AND p.valid_until >= $4
        AND (p.zones = '{}' OR $3::text[] = '{}' OR p.zones && $3::text[])
        AND NOT EXISTS (SELECT FROM pass_revocations r WHERE r.serial = p.serial)
"""


async def _first_free(
    db: Connected,
    plate_hash: str | None,
    vehicle_class: str,
    zones: Sequence[str],
    wanted: date,
    months: int,
) -> date:
    taken = await fetch(db, TAKEN, plate_hash, vehicle_class, zones, wanted)
    return first_free([(row[0], row[1]) for row in taken], wanted, months)


async def plan(
    db: AsyncSession, price_id: UUID, plate_hash: str, wanted: date, today: date
) -> Plan:
    """What an order of today would give; raises why there is none."""
    price = await db.get(PassPrice, price_id)
    if price is None or price not in await prices_on(db, today):
        raise PassPriceNotFound
    if not today <= wanted <= today + AHEAD:
        raise PassDayUnfit
    if not price.price_rp:
        raise PassGivenAtOffice
    if not await _is_permitted(db, price, plate_hash, today):
        raise PermitNeeded
    begins = await _first_free(
        db, plate_hash, price.vehicle_class, price.zones, wanted, price.months
    )
    after = begins - timedelta(days=1) if begins > wanted else None
    return Plan(price, begins, last_day(begins, price.months), after)


ORDERED = """
    SELECT o.plate_hash, o.plate_masked, o.valid_from, p.kind, p.vehicle_class, p.zones, p.months,
        p.price_rp
    FROM pass_orders o JOIN pass_prices p ON p.id = o.price_id
    WHERE o.id = $1
"""


async def give(db: Connected, order_id: UUID, *, now: datetime) -> Pass:
    """Enter the pass that was ordered, once its money has come.

    Where another one of the same vehicle has come between, it begins after that one's last day.
    """
    [told] = await fetch(db, ORDERED, order_id)
    await covered.hold_register(db)
    months = told["months"]
    begins = await _first_free(
        db, told["plate_hash"], told["vehicle_class"], told["zones"], told["valid_from"], months
    )
    wanted = NewPass(
        (VehicleClass(told["vehicle_class"]),),
        tuple(told["zones"]),
        begins,
        last_day(begins, months),
        told["plate_masked"],
        told["plate_hash"],
        told["price_rp"],
        PassKind(told["kind"]),
        order_id,
    )
    return await covered.enter(db, wanted, "driver", now=now)


GIVEN = """
    SELECT p.serial, p.classes, p.zones, p.valid_from, p.valid_until, p.plate_masked,
        r.serial IS NOT NULL AS revoked
    FROM passes p LEFT JOIN pass_revocations r ON r.serial = p.serial
    WHERE p.order_id = $1
"""


@dataclass(frozen=True)
class Given:
    """The pass that an order became, and whether it still covers anything."""

    held: Pass
    revoked: bool


async def given(db: Connected, order_id: UUID) -> Given | None:
    for row in await fetch(db, GIVEN, order_id):
        held = Pass(
            row["serial"],
            tuple(VehicleClass(name) for name in row["classes"]),
            tuple(row["zones"]),
            row["valid_from"],
            row["valid_until"],
            row["plate_masked"],
        )
        return Given(held, row["revoked"])
    return None


async def take_back(db: AsyncSession, order_id: UUID, why: str, *, now: datetime) -> None:
    """The money of an order went back: its pass, if it became one, covers nothing any more."""
    known = await given(db, order_id)
    if known is not None:
        await covered.revoke(db, known.held.serial, why, now=now)
