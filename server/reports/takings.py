"""What came in, by whatever it is grouped by: exactly paid charges, by business day.

Their sum is what the ledger posted for them, which tests compare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from operator import add
from typing import Any

from sqlalchemy import Select, String, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.tariff import VehicleClass
from server.identity.models import Attendant, Shift
from server.parking.models import ParkingSession
from server.payments.models import CASH, VOUCHER, Charge, Money, Payment
from server.reports.table import Asked, Filter, Period, Row, Said, Value
from server.spots.models import Spot, Zone

NOBODY = Said("Tanpa juru parkir (pengemudi sendiri)", "No attendant (drivers themselves)")
PASSES = Said("Langganan (tanpa zona)", "Passes (no zone)")


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


@dataclass(frozen=True)
class Sum:
    """Of one group: how many payments, what they came to, and by which means."""

    count: int
    amount_rp: int
    cash_count: int
    cash_rp: int
    voucher_count: int
    voucher_rp: int

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(*map(add, astuple(self), astuple(other)))

    @property
    def qris_count(self) -> int:
        return self.count - self.cash_count - self.voucher_count

    @property
    def qris_rp(self) -> int:
        return self.amount_rp - self.cash_rp - self.voucher_rp


NOTHING = Sum(0, 0, 0, 0, 0, 0)
Key = tuple[Any, ...]


def _keys(by: By, timezone: str) -> list[Any]:
    local = func.timezone(timezone, Money.paid_at)
    keys: Mapping[By, list[Any]] = {
        By.DAY: [Money.business_day],
        By.MONTH: [func.to_char(Money.business_day, "YYYY-MM")],
        By.HOUR: [func.to_char(local, "HH24")],
        By.ZONE: [Zone.code, Zone.name],
        By.SPOT: [Zone.code, Spot.code, Spot.place],
        By.CLASS: [ParkingSession.vehicle_class],
        By.ATTENDANT: [Attendant.code, Attendant.name],
        By.SHIFT: [
            func.to_char(func.timezone(timezone, Shift.opened_at), "YYYY-MM-DD HH24.MI"),
            Attendant.code,
            cast(Shift.id, String),
        ],
        By.ACQUIRER: [Money.acquirer],
    }
    return keys[by]


async def taken(db: AsyncSession, by: By, period: Period, asked: Asked) -> dict[Key, Sum]:
    """The takings of a period by their group, in its order."""
    keys = [key.label(f"k{at}") for at, key in enumerate(_keys(by, str(asked.books.timezone)))]
    sums = []
    for means in (literal(True), Money.acquirer == CASH, Money.acquirer == VOUCHER):
        sums += [
            func.count().filter(means),
            func.coalesce(func.sum(Money.amount_rp).filter(means), 0),
        ]
    found = _narrowed(_joined(select(*keys, *sums)), period, asked).group_by(*keys)
    rows = await db.execute(found.order_by(*(key.nulls_last() for key in keys)))
    return {tuple(row[: len(keys)]): Sum(*map(int, row[len(keys) :])) for row in rows}


def _joined(found: Select[Any]) -> Select[Any]:
    return (
        found.select_from(Money)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .outerjoin(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .outerjoin(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Zone, Zone.id == Spot.zone_id)
        .outerjoin(Shift, Shift.id == func.coalesce(Money.shift_id, Payment.shift_id))
        .outerjoin(Attendant, Attendant.id == Shift.attendant_id)
    )


def _narrowed(found: Select[Any], period: Period, asked: Asked) -> Select[Any]:
    found = found.where(
        Money.business_day.between(period.first, period.last), Money.flag == "exact"
    )
    columns: Mapping[Filter, Any] = {
        Filter.ZONE: Zone.code,
        Filter.SPOT: Spot.code,
        Filter.CLASS: ParkingSession.vehicle_class,
        Filter.ATTENDANT: Attendant.code,
        Filter.ACQUIRER: Money.acquirer,
    }
    return found.where(*(columns[name] == wanted for name, wanted in asked.filters.items()))


async def rows(db: AsyncSession, by: By, asked: Asked) -> Sequence[Row]:
    """The groups of the period as rows, with what they came to in the compared one, if any."""
    now = await taken(db, by, asked.period, asked)
    before: dict[Key, Sum] = {}
    if asked.comparison is not None:
        other = asked.period.compared(asked.comparison)
        before = await taken(db, by, other, asked)
        if by is By.DAY:
            before = _aligned(before, other, asked.period)
    keys = sorted({*now, *before}, key=lambda key: tuple((part is None, str(part)) for part in key))
    return [_row(by, key, now.get(key, NOTHING), before.get(key, NOTHING)) for key in keys]


def _aligned(before: Mapping[Key, Sum], other: Period, period: Period) -> dict[Key, Sum]:
    """Days by their place in the period; those a longer one has more stand at the last."""
    placed: dict[Key, Sum] = {}
    for (day,), total in before.items():
        at = (min(period.first + (day - other.first), period.last),)
        placed[at] = placed.get(at, NOTHING) + total
    return placed


def _row(by: By, key: Key, total: Sum, before: Sum) -> Row:
    return {
        **_named(by, key),
        "count": total.count,
        "amount_rp": total.amount_rp,
        "qris_rp": total.qris_rp,
        "cash_rp": total.cash_rp,
        "voucher_rp": total.voucher_rp,
        "before_rp": before.amount_rp,
        "change_rp": total.amount_rp - before.amount_rp,
    }


def _named(by: By, key: Key) -> dict[str, Value]:
    """What a group is called, by column."""
    first = key[0]
    match by:
        case By.ZONE:
            return {"zone": first or "–", "zone_name": key[1] or PASSES}
        case By.SPOT:
            return {"zone": first or "–", "spot": key[1] or "–", "place": key[2] or PASSES}
        case By.CLASS:
            return {"class": class_name(first) if first else PASSES}
        case By.ATTENDANT:
            return {"attendant": first or "–", "attendant_name": key[1] or NOBODY}
        case By.SHIFT:
            return {"opened": first or NOBODY, "attendant": key[1] or "–"}
        case By.HOUR:
            return {"hour": f"{first}.00–{first}.59"}
        case By.ACQUIRER:
            return {"acquirer": acquirer_name(first)}
        case By.DAY | By.MONTH:
            return {by.value: first}


def class_name(vehicle_class: str) -> Said:
    known = VehicleClass(vehicle_class)
    return Said(known.label("id"), known.label("en"))


def acquirer_name(acquirer: str) -> Value:
    if acquirer == CASH:
        return Said("Tunai", "Cash")
    return Said("Voucher", "Voucher") if acquirer == VOUCHER else f"QRIS: {acquirer}"
