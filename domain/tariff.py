"""Parking tariffs, and the quote a tariff gives for a stay, explained line by line.

Handheld and server call the same ``quote``, so an offline handheld asks for the same rupiah. All
prices are whole rupiah and hours are counted whole, so nothing here is ever rounded.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.money import MoneyError, whole

HIGHEST_RP = 10_000_000
"""The most a tariff may name: what one QRIS payment can carry (PADG 24/1/PADG/2022)."""
LONGEST_STAY = timedelta(days=366)
EVERY_DAY = frozenset(range(1, 8))
LONGEST_EVENT = 30
"""Characters: a receipt's line has room for it."""
LONGEST_HOLIDAY = 80
MOST_HOLIDAYS = 400


class TariffError(ValueError):
    """A tariff, or a question to one, that is wrong; the message begins with the field's name."""


class VehicleClass(StrEnum):
    MOTORCYCLE = "motorcycle"
    CAR = "car"
    TRUCK = "truck"

    @property
    def code(self) -> str:
        """The class as regulations write it, by wheels (roda): R2, R4, R6 and more."""
        return _CLASS_NAMES[self][0]

    def label(self, language: str = "id") -> str:
        """The name on screens and receipts; English for ``en``, Bahasa for any other language."""
        return _CLASS_NAMES[self][2 if language == "en" else 1]


_CLASS_NAMES: Mapping[VehicleClass, tuple[str, str, str]] = MappingProxyType(
    {
        VehicleClass.MOTORCYCLE: ("R2", "Motor", "Motorcycle"),
        VehicleClass.CAR: ("R4", "Mobil", "Car"),
        VehicleClass.TRUCK: ("R6", "Truk/Bus", "Truck/Bus"),
    }
)


_WEEKDAYS = (
    ("Sen", "Mon"),
    ("Sel", "Tue"),
    ("Rab", "Wed"),
    ("Kam", "Thu"),
    ("Jum", "Fri"),
    ("Sab", "Sat"),
    ("Min", "Sun"),
)


@dataclass(frozen=True, slots=True)
class Band:
    """Other prices within a window of local time: from ``starts`` until just before ``ends``.

    A window whose end is not after its start crosses midnight (equal means 24 hours). ``weekdays``
    are ISO numbers, 1 is Monday, of the day on which the window starts. With ``holidays`` it is
    there as well when that day is one of the tariff's holidays, and then goes before every window
    that is there by its weekday. ``first_rp`` is the flat price or the first hour's; ``next_rp`` is
    a further hour's, and None in a flat rate.
    """

    starts: time
    ends: time
    first_rp: int
    next_rp: int | None = None
    weekdays: frozenset[int] = EVERY_DAY
    holidays: bool = False

    def __post_init__(self) -> None:
        for name, at in (("from", self.starts), ("until", self.ends)):
            if at.tzinfo is not None or at.second or at.microsecond:
                raise TariffError(f"{name}: want a local time in hours and minutes")
        if not self.weekdays <= EVERY_DAY or not (self.weekdays or self.holidays):
            raise TariffError("weekdays: want some of 1 (Monday) to 7 (Sunday)")

    @property
    def lasts_a_day(self) -> bool:
        """Whether the window is a day, from midnight to midnight."""
        return self.starts == self.ends == time(0)

    def days(self, language: str = "id") -> str:
        """On which days it is there, in words; empty where that is every day, whatever it is."""
        english = language == "en"
        named = [_WEEKDAYS[day - 1][english] for day in sorted(self.weekdays)]
        if len(named) == len(_WEEKDAYS):
            named = ["every day" if english else "tiap hari"] if self.holidays else []
        if self.holidays:
            named.append("public holidays" if english else "hari libur")
        return ", ".join(named)

    def hours(self) -> str:
        """The window by the clock, as in 22.00–05.00 or 00.00–24.00."""
        return f"{self.starts:%H.%M}–{'24.00' if self.ends == time(0) else f'{self.ends:%H.%M}'}"

    def began(self, at: time) -> int | None:
        """How many days ago the window that holds local time ``at`` began, 0 or 1; or None."""
        if self.starts < self.ends:
            return 0 if self.starts <= at < self.ends else None
        return 0 if at >= self.starts else 1 if at < self.ends else None

    def covers(self, weekday: int, at: time) -> bool:
        """Whether local time ``at`` on ISO ``weekday``, no holiday, lies in the window."""
        began = self.began(at)
        return began is not None and (weekday - began or 7) in self.weekdays


@dataclass(frozen=True, slots=True)
class FlatRate:
    """One price a stay, however long."""

    amount_rp: int
    bands: tuple[Band, ...] = ()

    def __post_init__(self) -> None:
        _price(self.amount_rp, "amount_rp")
        for index, band in enumerate(self.bands):
            _price(band.first_rp, f"bands[{index}].amount_rp")
            if band.next_rp is not None:
                raise TariffError(f"bands[{index}].next_hour_rp: has no place in a flat rate")
        _refuse_overlap(self.bands)


@dataclass(frozen=True, slots=True)
class HourlyRate:
    """A price for the first hour and one for each further hour; see ``quote`` for the rules."""

    first_hour_rp: int
    next_hour_rp: int
    daily_cap_rp: int | None = None
    free_minutes: int = 0
    bands: tuple[Band, ...] = ()

    def __post_init__(self) -> None:
        _price(self.first_hour_rp, "first_hour_rp")
        _price(self.next_hour_rp, "next_hour_rp")
        if self.daily_cap_rp is not None and _price(self.daily_cap_rp, "daily_cap_rp") == 0:
            raise TariffError("daily_cap_rp: must be above zero; leave it out for no cap")
        if not 0 <= _whole(self.free_minutes, "free_minutes") <= 24 * 60:
            raise TariffError("free_minutes: want 0 to 1440")
        for index, band in enumerate(self.bands):
            _price(band.first_rp, f"bands[{index}].first_hour_rp")
            _price(band.next_rp, f"bands[{index}].next_hour_rp")
        _refuse_overlap(self.bands)


ClassRate = FlatRate | HourlyRate


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """What a regulation prices from one day until another.

    ``valid_until`` is the last day, included; None means until further notice. ``id`` is whatever
    the keeper of versions calls this one. ``event`` names a market day or another occasion: such a
    version stands above the ordinary one for its days, and must say its last. ``holidays`` are the
    local days, with their names, on which a band's ``holidays`` tells: a tariff carries them, so
    that whoever has it has all that its prices depend on. Raises TariffError naming the field that
    is wrong.
    """

    regulation: str
    valid_from: date
    valid_until: date | None
    rates: Mapping[VehicleClass, ClassRate] = field(hash=False)
    id: str | None = None
    event: str = ""
    holidays: Mapping[date, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.regulation.strip():
            raise TariffError("regulation: must name the rule the prices come from")
        if len(self.event) > LONGEST_EVENT or self.event != " ".join(self.event.split()):
            raise TariffError(f"event: want one line of at most {LONGEST_EVENT} characters")
        if self.event and not self.event.isprintable():
            raise TariffError("event: holds a character that cannot be printed")
        if self.event and self.valid_until is None:
            raise TariffError("valid_until: an event must have a last day")
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise TariffError("valid_until: is before valid_from")
        if not self.rates:
            raise TariffError("rates: must price at least one vehicle class")
        _check_holidays(self)
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))
        object.__setattr__(self, "holidays", MappingProxyType(dict(sorted(self.holidays.items()))))

    @property
    def prices_holidays(self) -> bool:
        """Whether any price is another one on holidays."""
        return any(band.holidays for rate in self.rates.values() for band in rate.bands)

    def covers(self, day: date) -> bool:
        """Whether the version is in force on that local day."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


def _check_holidays(tariff: TariffVersion) -> None:
    if tariff.prices_holidays and not tariff.holidays:
        raise TariffError("holidays: a band is for holidays, but none is named")
    if len(tariff.holidays) > MOST_HOLIDAYS:
        raise TariffError(f"holidays: want at most {MOST_HOLIDAYS}")
    for name in tariff.holidays.values():
        if not 0 < len(name) <= LONGEST_HOLIDAY or not name.isprintable():
            raise TariffError(f"holidays: want names of at most {LONGEST_HOLIDAY} characters")


def in_force(versions: Iterable[TariffVersion], day: date) -> TariffVersion:
    """The one version in force on a local day, an event's before the ordinary one.

    Raises TariffError for none, for two, and for two events.
    """
    covering = [version for version in versions if version.covers(day)]
    if not covering:
        raise TariffError(f"valid_from: no tariff is in force on {day}")
    found = [version for version in covering if version.event] or covering
    if len(found) > 1:
        names = " and ".join(version.regulation for version in found)
        raise TariffError(f"valid_until: more than one tariff is in force on {day}: {names}")
    return found[0]


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One reason for a part of the amount, in Bahasa and English; a reduction is negative."""

    label_id: str
    label_en: str
    quantity: int
    unit_rp: int
    amount_rp: int

    def __post_init__(self) -> None:
        if self.quantity * self.unit_rp != self.amount_rp:
            raise MoneyError(f"{self.quantity} times {self.unit_rp} is not {self.amount_rp}")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a stay costs, zero or more, and why; the lines sum to the amount, else MoneyError."""

    amount_rp: int
    lines: tuple[QuoteLine, ...]
    regulation: str

    def __post_init__(self) -> None:
        if self.amount_rp < 0 or self.amount_rp != sum(line.amount_rp for line in self.lines):
            raise MoneyError(f"the lines do not sum to {self.amount_rp}")


def quote(
    tariff: TariffVersion, vehicle_class: VehicleClass, start: datetime, end: datetime | None
) -> Quote:
    """What a stay from ``start`` to ``end`` costs under one tariff version, line by line.

    Both times are aware and ``start`` is in the regency's zone: its clock is the local time below.
    A stay bought in minutes ends that many minutes after its start.

    - A stay is priced by the version in force on the local day it starts, to its end: pass
      ``in_force(versions, start.date())``.
    - Flat: one price, that of the band in which the stay starts; ``end`` may be None.
    - Hourly: each started hour counts whole and the first counts as soon as the stay starts. Each
      hour takes the price of the band in which, by local time, that hour starts, or else the
      rate's own; the stay's first hour takes a first-hour price and all others next-hour prices.
    - Free minutes: a stay no longer than these costs nothing; a longer one is charged from its
      start. They are grace, not a deduction.
    - Cap: each 24 hours, counted from the start, cost no more than ``daily_cap_rp``.
    - Holidays: a window that began on one of the tariff's holidays, of a band for holidays, goes
      before every window of a weekday, to its end. Where none does, the day is its weekday.
    - Event: the version of a market day names it in each line of its prices.
    - Rounding: none; every price is whole rupiah and times are compared exactly.

    Raises TariffError for a naive time, an end before its start or over 366 days after it, an
    hourly stay without an end, and a vehicle class the tariff does not price.
    """
    _check_stay(start, end)
    rate = tariff.rates.get(vehicle_class)
    if rate is None:
        raise TariffError(f"rates: no price for {vehicle_class}")
    if isinstance(rate, FlatRate):
        lines = [_flat_line(rate, start, tariff)]
    elif end is None:
        raise TariffError("end: an hourly rate needs the time at which the stay ends")
    else:
        lines = _hourly_lines(rate, start, _elapsed(start, end), tariff)
    return Quote(sum(line.amount_rp for line in lines), tuple(lines), tariff.regulation)


def _check_stay(start: datetime, end: datetime | None) -> None:
    for name, at in (("start", start), ("end", end)):
        if at is not None and at.utcoffset() is None:
            raise TariffError(f"{name}: want a time with its zone, not {at}")
    if end is not None and not timedelta(0) <= _elapsed(start, end) <= LONGEST_STAY:
        raise TariffError(f"end: {end} is not within {LONGEST_STAY.days} days after {start}")


def _elapsed(start: datetime, end: datetime) -> timedelta:
    # Times that share a zone subtract by their clocks; in UTC they subtract by what elapsed.
    return end.astimezone(UTC) - start.astimezone(UTC)


class _Held(NamedTuple):
    """The band that a moment lies in, and whether it does as one of a holiday."""

    band: Band
    by_holiday: bool


def _flat_line(rate: FlatRate, start: datetime, tariff: TariffVersion) -> QuoteLine:
    held = _band_at(rate.bands, start, tariff.holidays)
    price_rp = rate.amount_rp if held is None else held.band.first_rp
    return _line(*_of_event(tariff.event, "Sekali parkir", "One parking"), held, 1, price_rp)


def _of_event(event: str, label_id: str, label_en: str) -> tuple[str, str]:
    if not event:
        return label_id, label_en
    return f"Tarif {event}: {label_id.lower()}", f"Prices of {event}: {label_en.lower()}"


def _hourly_lines(
    rate: HourlyRate, start: datetime, stay: timedelta, tariff: TariffVersion
) -> list[QuoteLine]:
    free = timedelta(minutes=rate.free_minutes)
    if free and stay <= free:
        minutes = rate.free_minutes
        return [QuoteLine(f"Gratis {minutes} menit", f"Free {minutes} minutes", 1, 0, 0)]
    hours = max(1, -(-stay // timedelta(hours=1)))
    priced = [_hour(rate, start, index, tariff.holidays) for index in range(hours)]
    lines = [
        _line(*_of_event(tariff.event, *_hour_labels(first)), held, quantity, price_rp)
        for (first, held, price_rp), quantity in Counter(priced).items()
    ]
    return lines + _cap_lines(rate.daily_cap_rp, [price_rp for *_, price_rp in priced])


def _hour(
    rate: HourlyRate, start: datetime, index: int, holidays: Collection[date]
) -> tuple[bool, _Held | None, int]:
    """Whether it is the stay's first hour, the band it starts in, and its price."""
    begins = (start.astimezone(UTC) + timedelta(hours=index)).astimezone(start.tzinfo)
    held = _band_at(rate.bands, begins, holidays)
    if held is None:
        return index == 0, None, rate.next_hour_rp if index else rate.first_hour_rp
    if index == 0:
        return True, held, held.band.first_rp
    return False, held, _price(held.band.next_rp, "next_hour_rp")


def _hour_labels(first: bool) -> tuple[str, str]:
    return ("Jam pertama", "First hour") if first else ("Jam berikutnya", "Further hours")


def _cap_lines(cap_rp: int | None, prices: list[int]) -> list[QuoteLine]:
    if cap_rp is None:
        return []
    days = [sum(prices[first : first + 24]) for first in range(0, len(prices), 24)]
    over = Counter(day_rp - cap_rp for day_rp in days if day_rp > cap_rp)
    return [
        _line("Batas harian", "Daily cap", None, quantity, -excess_rp)
        for excess_rp, quantity in over.items()
    ]


def _line(
    label_id: str, label_en: str, held: _Held | None, quantity: int, unit_rp: int
) -> QuoteLine:
    if held is not None and held.by_holiday:
        label_id, label_en = f"{label_id} hari libur", f"{label_en} on a holiday"
    if held is not None and not (held.by_holiday and held.band.lasts_a_day):
        label_id += f" {held.band.starts:%H.%M}-{held.band.ends:%H.%M}"
        label_en += f" {held.band.starts:%H:%M}-{held.band.ends:%H:%M}"
    return QuoteLine(label_id, label_en, quantity, unit_rp, quantity * unit_rp)


def _band_at(bands: tuple[Band, ...], at: datetime, holidays: Collection[date]) -> _Held | None:
    """No two bands of one kind share time, so at most one holds by holiday, one by weekday."""
    by_weekday = None
    for band in bands:
        ago = band.began(at.time())
        if ago is None:
            continue
        day = at.date() - timedelta(days=ago)
        if band.holidays and day in holidays:
            return _Held(band, by_holiday=True)
        if day.isoweekday() in band.weekdays:
            by_weekday = _Held(band, by_holiday=False)
    return by_weekday


def _refuse_overlap(bands: tuple[Band, ...]) -> None:
    # Two windows share time exactly when one of them holds the other's start.
    for index, band in enumerate(bands):
        for other_index, other in enumerate(bands):
            if other_index != index and any(
                other.covers(weekday, band.starts) for weekday in band.weekdays
            ):
                raise TariffError(f"bands[{index}]: overlaps bands[{other_index}]")
            # Any two days that follow each other may be holidays.
            both = other_index != index and band.holidays and other.holidays
            if both and other.began(band.starts) is not None:
                raise TariffError(f"bands[{index}]: overlaps bands[{other_index}]")


def _whole(value: object, name: str) -> int:
    try:
        return whole(value, name)
    except MoneyError:
        raise TariffError(f"{name}: want a whole number, not {value!r}") from None


def _price(value: object, name: str) -> int:
    price_rp = _whole(value, name)
    if not 0 <= price_rp <= HIGHEST_RP:
        raise TariffError(f"{name}: want 0 to {HIGHEST_RP} rupiah, not {price_rp}")
    return price_rp


def tariff_from_json(data: object) -> TariffVersion:
    """A tariff version from its JSON form, as ``tariff_to_json`` writes it::

        {"id": "7", "regulation": "Perda 1/2024", "valid_from": "2026-01-01", "valid_until": null,
         "rates": {
           "motorcycle": {"kind": "flat", "amount_rp": 1000, "bands": [
             {"from": "18:00", "until": "06:00", "amount_rp": 2000, "weekdays": [6, 7]},
             {"from": "00:00", "until": "24:00", "amount_rp": 3000, "weekdays": [],
              "holidays": true}]},
           "car": {"kind": "hourly", "first_hour_rp": 2000, "next_hour_rp": 1000,
             "daily_cap_rp": 10000, "free_minutes": 10, "bands": [
             {"from": "22:00", "until": "05:00", "first_hour_rp": 3000, "next_hour_rp": 1500}]}},
         "holidays": {"2026-12-25": "Hari Raya Natal"}}

    ``id``, ``valid_until``, ``event``, ``daily_cap_rp``, ``free_minutes``, ``bands``, both
    ``holidays`` and ``weekdays``, which then are all, may be left out; ``until`` may be "24:00".
    Raises TariffError naming the field for
    anything missing, misspelt or out of range.
    """
    optional = {"id", "valid_until", "event", "holidays"}
    fields = _object(data, "tariff", {"regulation", "valid_from", "rates"}, optional)
    until, event = fields.get("valid_until"), fields.get("event")
    rates = _object(fields["rates"], "rates", set(), set(VehicleClass))
    return TariffVersion(
        regulation=_text(fields["regulation"], "regulation"),
        valid_from=_day(fields["valid_from"], "valid_from"),
        valid_until=None if until is None else _day(until, "valid_until"),
        rates={VehicleClass(key): _rate(rate, f"rates.{key}") for key, rate in rates.items()},
        id=None if fields.get("id") is None else _text(fields["id"], "id"),
        event="" if event is None else _text(event, "event"),
        holidays=_holidays(fields.get("holidays")),
    )


def tariff_to_json(tariff: TariffVersion) -> dict[str, Any]:
    """The JSON form that ``tariff_from_json`` reads; every field is written out, an event's name
    and holidays where there are some.
    """
    # A handheld of before these refuses a field that it does not know, and asks the office.
    named: dict[str, Any] = {"event": tariff.event} if tariff.event else {}
    if tariff.holidays:
        named["holidays"] = {day.isoformat(): name for day, name in tariff.holidays.items()}
    return named | {
        "id": tariff.id,
        "regulation": tariff.regulation,
        "valid_from": tariff.valid_from.isoformat(),
        "valid_until": None if tariff.valid_until is None else tariff.valid_until.isoformat(),
        "rates": {key.value: _rate_to_json(rate) for key, rate in tariff.rates.items()},
    }


def _rate_to_json(rate: ClassRate) -> dict[str, Any]:
    bands = [_band_to_json(band) for band in rate.bands]
    if isinstance(rate, FlatRate):
        return {"kind": "flat", "amount_rp": rate.amount_rp, "bands": bands}
    return {
        "kind": "hourly",
        "first_hour_rp": rate.first_hour_rp,
        "next_hour_rp": rate.next_hour_rp,
        "daily_cap_rp": rate.daily_cap_rp,
        "free_minutes": rate.free_minutes,
        "bands": bands,
    }


def _band_to_json(band: Band) -> dict[str, Any]:
    window = {
        "from": f"{band.starts:%H:%M}",
        "until": f"{band.ends:%H:%M}",
        "weekdays": sorted(band.weekdays),
        **({"holidays": True} if band.holidays else {}),
    }
    if band.next_rp is None:
        return {**window, "amount_rp": band.first_rp}
    return {**window, "first_hour_rp": band.first_rp, "next_hour_rp": band.next_rp}


_HOURLY_PRICES = {"first_hour_rp", "next_hour_rp"}


def _rate(data: object, path: str) -> ClassRate:
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == "flat":
        fields = _object(data, path, {"kind", "amount_rp"}, {"bands"})
        bands = _bands(fields.get("bands"), f"{path}.bands", {"amount_rp"})
        with _within(path):
            return FlatRate(fields["amount_rp"], bands)
    if kind == "hourly":
        optional = {"daily_cap_rp", "free_minutes", "bands"}
        fields = _object(data, path, {"kind"} | _HOURLY_PRICES, optional)
        bands = _bands(fields.get("bands"), f"{path}.bands", _HOURLY_PRICES)
        with _within(path):
            return HourlyRate(
                fields["first_hour_rp"],
                fields["next_hour_rp"],
                fields.get("daily_cap_rp"),
                fields.get("free_minutes", 0),
                bands,
            )
    raise TariffError(f'{path}.kind: want "flat" or "hourly"')


def _bands(data: object, path: str, prices: set[str]) -> tuple[Band, ...]:
    rows = _list([] if data is None else data, path)
    return tuple(_band(row, f"{path}[{index}]", prices) for index, row in enumerate(rows))


def _band(data: object, path: str, prices: set[str]) -> Band:
    fields = _object(data, path, {"from", "until"} | prices, {"weekdays", "holidays"})
    weekdays = _list(fields.get("weekdays", sorted(EVERY_DAY)), f"{path}.weekdays")
    until = "00:00" if fields["until"] == "24:00" else fields["until"]
    with _within(path):
        return Band(
            starts=_clock(fields["from"], "from"),
            ends=_clock(until, "until"),
            first_rp=fields["amount_rp" if "amount_rp" in prices else "first_hour_rp"],
            next_rp=fields.get("next_hour_rp"),
            weekdays=frozenset(_whole(day, "weekdays") for day in weekdays),
            holidays=_truth(fields.get("holidays", False), "holidays"),
        )


@contextmanager
def _within(path: str) -> Iterator[None]:
    try:
        yield
    except TariffError as error:
        raise TariffError(f"{path}.{error}") from None


def _object(data: object, path: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise TariffError(f"{path}: want an object")
    for name in sorted(required - set(data)):
        raise TariffError(f"{path}.{name}: is missing")
    for name in data:
        if name not in required | optional:
            raise TariffError(f"{path}.{name}: is not a field of a tariff")
    return dict(data)


def _list(data: object, path: str) -> list[Any]:
    if not isinstance(data, list):
        raise TariffError(f"{path}: want a list")
    return data


def _holidays(data: object) -> dict[date, str]:
    told = {} if data is None else data
    if not isinstance(told, Mapping):
        raise TariffError("holidays: want an object of days with their names")
    return {_day(day, "holidays"): _text(name, f"holidays.{day}") for day, name in told.items()}


def _truth(data: object, path: str) -> bool:
    if not isinstance(data, bool):
        raise TariffError(f"{path}: want true or false")
    return data


def _text(data: object, path: str) -> str:
    if not isinstance(data, str):
        raise TariffError(f"{path}: want text")
    return data


def _day(data: object, path: str) -> date:
    text = _text(data, path)
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        raise TariffError(f"{path}: want a day as in 2026-01-31, not {text!r}")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise TariffError(f"{path}: there is no day {text}") from None


def _clock(data: object, path: str) -> time:
    text = _text(data, path)
    if re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text) is None:
        raise TariffError(f"{path}: want a time as in 18:00, not {text!r}")
    return time.fromisoformat(text)
