"""What a tariff asks, told to a driver before he pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from domain.money import format_rp
from domain.tariff import Band, FlatRate, HourlyRate, Quote, TariffVersion, VehicleClass
from server.payments.issuing import price

HOURS = range(1, 13)
"""How many hours a driver is offered; by the API it may be any number of minutes."""

HOLIDAYS = 3
"""How many holidays to come a driver is told of."""


@dataclass(frozen=True)
class Offer:
    """One vehicle class with its price in words, and what else its rate says."""

    vehicle_class: VehicleClass
    price: str
    free_minutes: int = 0
    daily_cap_rp: int | None = None
    bands: Sequence[Band] = ()


def is_by_time(tariff: TariffVersion) -> bool:
    return any(isinstance(rate, HourlyRate) for rate in tariff.rates.values())


def offers(tariff: TariffVersion, starts: datetime, language: str) -> list[Offer]:
    return [_offer(tariff, kind, starts, language) for kind in VehicleClass if kind in tariff.rates]


def _offer(tariff: TariffVersion, kind: VehicleClass, starts: datetime, language: str) -> Offer:
    rate, english = tariff.rates[kind], language == "en"
    if isinstance(rate, FlatRate):
        # At this hour: another may have another price.
        amount = format_rp(price(tariff, kind, starts, None).amount_rp)
        words = f"{amount} {'per visit' if english else 'sekali parkir'}"
        return Offer(kind, words, bands=rate.bands)
    first, following = format_rp(rate.first_hour_rp), format_rp(rate.next_hour_rp)
    words = f"{first} jam pertama, lalu {following} per jam"
    if english:
        words = f"{first} first hour, then {following} per hour"
    return Offer(kind, words, rate.free_minutes, rate.daily_cap_rp, rate.bands)


def holidays(tariff: TariffVersion, kind: VehicleClass, day: date) -> list[tuple[date, str]]:
    """The next days on which its prices are those of holidays, that day among them."""
    if not any(band.holidays for band in tariff.rates[kind].bands):
        return []
    coming = (each for each in tariff.holidays.items() if each[0] >= day and tariff.covers(each[0]))
    return list(islice(coming, HOLIDAYS))


def quoted(
    tariff: TariffVersion, kind: VehicleClass, starts: datetime, minutes: int | None
) -> Quote:
    """What a stay that begins now costs; one that costs one price however long has no minutes."""
    ends = None if minutes is None else starts + timedelta(minutes=minutes)
    return price(tariff, kind, starts, ends)
