"""What came in, by whatever it is grouped by, out of the sums that are kept beforehand.

What a charge was paid exactly counts on the day it was paid; money recognised later and earnings
given back count on the day that was decided. The net is what the revenue accounts have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from enum import StrEnum
from operator import add
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.tariff import VehicleClass
from server.figures import service as figures
from server.figures.service import Method, Part, Takings, Wanted
from server.identity.models import Attendant, Shift
from server.payments.models import CASH, VOUCHER
from server.reports.table import Asked, Filter, Period, Row, Said, Value
from server.spots.models import Spot, Zone

NOBODY = Said("Tanpa juru parkir (pengemudi sendiri)", "No attendant (drivers themselves)")
NO_ZONE = Said("Tanpa zona (langganan, titipan)", "No zone (passes, suspense)")
OTHER = Said("Lain", "Other")


class By(StrEnum):
    """What takings are grouped by."""

    DAY = "day"
    MONTH = "month"
    HOUR = "hour"
    ZONE = "zone"
    SPOT = "spot"
    CLASS = "class"
    ATTENDANT = "attendant"
    SHIFT = "shift"
    ACQUIRER = "acquirer"


PARTS: Mapping[By, Sequence[Part]] = {
    By.DAY: (Part.DAY,),
    By.MONTH: (Part.DAY,),
    By.HOUR: (Part.HOUR,),
    By.ZONE: (Part.ZONE,),
    By.SPOT: (Part.ZONE, Part.SPOT),
    By.CLASS: (Part.VEHICLE_CLASS,),
    By.ATTENDANT: (Part.ATTENDANT,),
    By.SHIFT: (Part.SHIFT, Part.ATTENDANT),
    By.ACQUIRER: (Part.ACQUIRER,),
}
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Sum:
    """Of one group: payments and what they came to, by which means, and what became of it."""

    count: int = 0
    amount_rp: int = 0
    cash_count: int = 0
    cash_rp: int = 0
    voucher_count: int = 0
    voucher_rp: int = 0
    recognised_rp: int = 0
    refunded_rp: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(*map(add, astuple(self), astuple(other)))

    @property
    def digital_count(self) -> int:
        return self.count - self.cash_count - self.voucher_count

    @property
    def digital_rp(self) -> int:
        return self.amount_rp - self.cash_rp - self.voucher_rp

    @property
    def net_rp(self) -> int:
        return self.amount_rp + self.recognised_rp - self.refunded_rp


NOTHING = Sum()


async def taken(db: AsyncSession, by: By, period: Period, asked: Asked) -> dict[Key, Sum]:
    """The takings of a period by their group."""
    parts = PARTS[by]
    told = await figures.takings(
        db,
        Wanted(
            period.first,
            period.last,
            zone=asked.of(Filter.ZONE),
            spot=asked.of(Filter.SPOT),
            vehicle_class=asked.of(Filter.CLASS),
            attendant=asked.of(Filter.ATTENDANT),
            acquirer=asked.of(Filter.ACQUIRER),
            zones=asked.zones,
        ),
        asked.books.timezone,
        (*parts, Part.METHOD),
    )
    found: dict[Key, Sum] = {}
    for takings in told:
        if takings.count or takings.gross_rp or takings.recognised_rp or takings.refunded_rp:
            key = tuple(getattr(takings, part) for part in parts)
            if by is By.MONTH:
                key = (f"{key[0]:%Y-%m}",)
            found[key] = found.get(key, NOTHING) + _sum(takings)
    return found


def _sum(told: Takings) -> Sum:
    cash, voucher = told.method == Method.CASH, told.method == Method.VOUCHER
    return Sum(
        count=told.count,
        amount_rp=told.gross_rp,
        cash_count=told.count if cash else 0,
        cash_rp=told.gross_rp if cash else 0,
        voucher_count=told.count if voucher else 0,
        voucher_rp=told.gross_rp if voucher else 0,
        recognised_rp=told.recognised_rp,
        refunded_rp=told.refunded_rp,
    )


async def rows(db: AsyncSession, by: By, asked: Asked) -> Sequence[Row]:
    """The groups of the period as rows, with what they came to in the compared one, if any."""
    now = await taken(db, by, asked.period, asked)
    before: dict[Key, Sum] = {}
    if asked.comparison is not None:
        other = asked.period.compared(asked.comparison)
        before = await taken(db, by, other, asked)
        if by is By.DAY:
            before = _aligned(before, other, asked.period)
    names = await _names(db, by, asked, {*now, *before})
    keys = sorted({*now, *before}, key=lambda key: _order(key, names))
    return [_row(names[key], now.get(key, NOTHING), before.get(key, NOTHING)) for key in keys]


def _order(key: Key, names: Mapping[Key, Row]) -> tuple[Any, ...]:
    """As they are read, and what has no name of its own last."""
    told = [value for value in names[key].values() if not isinstance(value, Said)]
    return (not told or "–" in told, *map(str, told), *map(str, key))


def _aligned(before: Mapping[Key, Sum], other: Period, period: Period) -> dict[Key, Sum]:
    """Days by their place in the period; those a longer one has more stand at the last."""
    placed: dict[Key, Sum] = {}
    for (day,), total in before.items():
        at = (min(period.first + (day - other.first), period.last),)
        placed[at] = placed.get(at, NOTHING) + total
    return placed


def _row(named: Row, total: Sum, before: Sum) -> Row:
    return {
        **named,
        "count": total.count,
        "amount_rp": total.amount_rp,
        "digital_rp": total.digital_rp,
        "cash_rp": total.cash_rp,
        "voucher_rp": total.voucher_rp,
        "recognised_rp": total.recognised_rp,
        "refunded_rp": total.refunded_rp,
        "net_rp": total.net_rp,
        "before_rp": before.amount_rp,
        "change_rp": total.amount_rp - before.amount_rp,
    }


async def _names(db: AsyncSession, by: By, asked: Asked, keys: set[Key]) -> dict[Key, Row]:
    """What groups are called, by column."""
    match by:
        case By.ZONE:
            zones = await _told(db, Zone.code, Zone.name)
            return {k: {"zone": k[0] or "–", "zone_name": zones.get(k[0], NO_ZONE)} for k in keys}
        case By.SPOT:
            places = await _told(db, Spot.code, Spot.place)
            return {
                k: {"zone": k[0] or "–", "spot": k[1] or "–", "place": places.get(k[1], NO_ZONE)}
                for k in keys
            }
        case By.CLASS:
            return {k: {"class": class_name(k[0])} for k in keys}
        case By.ATTENDANT:
            people = await attendants(db)
            return {
                k: {"attendant": k[0] or "–", "attendant_name": people.get(k[0], NOBODY)}
                for k in keys
            }
        case By.SHIFT:
            opened = await _opened(db, asked, keys)
            return {k: {"opened": opened.get(k[0], NOBODY), "attendant": k[1] or "–"} for k in keys}
        case By.HOUR:
            return {k: {"hour": f"{k[0]:02}.00–{k[0]:02}.59"} for k in keys}
        case By.ACQUIRER:
            return {k: {"acquirer": acquirer_name(k[0])} for k in keys}
        case By.DAY | By.MONTH:
            return {k: {by.value: k[0]} for k in keys}


async def attendants(db: AsyncSession) -> dict[str, str]:
    """Their names by their codes."""
    return await _told(db, Attendant.code, Attendant.name)


async def _told(db: AsyncSession, code: Any, name: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in await db.execute(select(code, name))}


async def _opened(db: AsyncSession, asked: Asked, keys: set[Key]) -> dict[Any, Value]:
    found = await db.execute(
        select(Shift.id, Shift.opened_at).where(Shift.id.in_({key[0] for key in keys}))
    )
    return {shift: _moment(at, asked) for shift, at in found}


def _moment(at: datetime, asked: Asked) -> str:
    return f"{at.astimezone(asked.books.timezone):%Y-%m-%d %H.%M}"


def class_name(vehicle_class: str) -> Said:
    if not vehicle_class:
        return NO_ZONE
    known = VehicleClass(vehicle_class)
    return Said(known.label("id"), known.label("en"))


def acquirer_name(acquirer: str) -> Value:
    if not acquirer:
        return OTHER
    if acquirer == CASH:
        return Said("Tunai", "Cash")
    return Said("Voucher", "Voucher") if acquirer == VOUCHER else f"QRIS: {acquirer}"
