"""The amount a button shows before the server has said anything: the same rules, the same rupiah.

It is an offer on the screen only. What is owed is what the server's charge says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain import closure
from domain.business_days import BusinessDays
from domain.closure import Closure, ClosureReason
from domain.money import MoneyError
from domain.tariff import (
    FlatRate,
    TariffError,
    TariffVersion,
    VehicleClass,
    in_force,
    quote,
    tariff_from_json,
)

FIRST_STAY_MINUTES = 60


@dataclass(frozen=True)
class Offer:
    """An amount, and the stay it buys: None where the price is for a stay however long."""

    amount_rp: int
    minutes: int | None


def spot_in(master: Mapping[str, Any] | None, code: str) -> dict[str, Any] | None:
    for spot in (master or {}).get("spots", ()):
        if spot["code"] == code:
            return dict(spot)
    return None


def zone_of(master: Mapping[str, Any] | None) -> ZoneInfo:
    """The regency's clock; Jakarta's where the server has not said yet."""
    name = str((master or {}).get("regency", {}).get("timezone", ""))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Asia/Jakarta")


def business_days(master: Mapping[str, Any] | None) -> BusinessDays:
    """When the days of the regency's books end; at midnight where the server has not said."""
    zone = zone_of(master)
    try:
        return BusinessDays.read(str((master or {}).get("regency", {}).get("day_ends", "")), zone)
    except ValueError:
        return BusinessDays(zone)


def offer(
    master: Mapping[str, Any] | None,
    spot_code: str,
    vehicle_class: VehicleClass,
    at: datetime,
    minutes: int | None = None,
) -> Offer | None:
    """What a stay starting at `at` costs; None where only the server can say.

    By the hour nothing can be priced without an end: unless told otherwise the first hour is sold.
    """
    try:
        version, start = _in_force(master, spot_code, at)
        if minutes is None and not isinstance(version.rates.get(vehicle_class), FlatRate):
            minutes = FIRST_STAY_MINUTES
        end = None if minutes is None else start + timedelta(minutes=minutes)
        return Offer(quote(version, vehicle_class, start, end).amount_rp, minutes)
    except (TariffError, MoneyError, KeyError, TypeError):
        return None


def whole_rp(
    master: Mapping[str, Any] | None,
    spot_code: str,
    vehicle_class: VehicleClass,
    start: datetime,
    end: datetime,
) -> int | None:
    """What a stay costs in all; None where only the server can say."""
    try:
        version, start = _in_force(master, spot_code, start)
        return quote(version, vehicle_class, start, max(start, end)).amount_rp
    except (TariffError, MoneyError, KeyError, TypeError):
        return None


def tariff(master: Mapping[str, Any] | None, spot_code: str, at: datetime) -> TariffVersion | None:
    """What prices a stay that starts at `at`; None where only the server can say."""
    try:
        return _in_force(master, spot_code, at)[0]
    except (TariffError, MoneyError, KeyError, TypeError):
        return None


def closed(master: Mapping[str, Any] | None, spot_code: str, at: datetime) -> Closure | None:
    """What closes a spot then, as far as the office told; also what it told days ahead."""
    found = [_closure(told) for told in (master or {}).get("closures") or ()]
    return closure.closed([each for each in found if each], spot_code, at)


def _closure(told: Mapping[str, Any]) -> Closure | None:
    """None for one that this device cannot read: the office refuses what it must."""
    try:
        ends = told["ends"] and datetime.fromisoformat(told["ends"])
        starts = datetime.fromisoformat(told["starts"])
        return Closure(told["zone"], told["spot"], starts, ends, ClosureReason(told["reason"]))
    except (KeyError, TypeError, ValueError):
        return None


def _covers(told: Mapping[str, Any], day: date) -> bool:
    """Whether a version is of that day: one to come may have what this device cannot read yet."""
    first, last = told["valid_from"], told.get("valid_until") or str(date.max)
    return bool(first <= str(day) <= last)


def _in_force(
    master: Mapping[str, Any] | None, spot_code: str, start: datetime
) -> tuple[TariffVersion, datetime]:
    """The tariff of a stay that starts then, and then by the regency's clock; or KeyError."""
    spot = spot_in(master, spot_code)
    if master is None or spot is None:
        raise KeyError(spot_code)
    local = start.astimezone(zone_of(master))
    versions = [
        tariff_from_json(tariff["version"])
        for tariff in master["tariffs"]
        if tariff["zone"] == spot["zone"]["code"] and _covers(tariff["version"], local.date())
    ]
    return in_force(versions, local.date()), local
