import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from domain.money import MoneyError
from domain.tariff import (
    HIGHEST_RP,
    Band,
    FlatRate,
    HourlyRate,
    Quote,
    QuoteLine,
    TariffError,
    TariffVersion,
    VehicleClass,
    in_force,
    quote,
    tariff_from_json,
    tariff_to_json,
)

JAKARTA = ZoneInfo("Asia/Jakarta")
MOTORCYCLE, CAR, TRUCK = VehicleClass
SATURDAY, SUNDAY = 6, 7
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=JAKARTA)  # a Saturday


def tariff(rate, **changes):
    version = TariffVersion("Perda 1/2024", date(2026, 1, 1), None, {CAR: rate})
    return replace(version, **changes)


def amount(rate, start, end=None):
    return quote(tariff(rate), CAR, start, end).amount_rp


def told(rate, start, stay):
    """The quote's lines as (label, quantity, unit)."""
    lines = quote(tariff(rate), CAR, start, start + stay).lines
    return [(line.label_id, line.quantity, line.unit_rp) for line in lines]


def at(hour, minute=0, *, day=21):
    return datetime(2026, 11, day, hour, minute, tzinfo=JAKARTA)


def hours(count, minutes=0):
    return timedelta(hours=count, minutes=minutes)


@pytest.mark.parametrize(
    ("vehicle_class", "value", "code", "bahasa", "english"),
    [
        (MOTORCYCLE, "motorcycle", "R2", "Motor", "Motorcycle"),
        (CAR, "car", "R4", "Mobil", "Car"),
        (TRUCK, "truck", "R6", "Truk/Bus", "Truck/Bus"),
    ],
)
def test_a_vehicle_class_has_a_code_and_a_name_in_two_languages(
    vehicle_class, value, code, bahasa, english
):
    assert (vehicle_class.value, vehicle_class.code) == (value, code)
    assert vehicle_class.label() == vehicle_class.label("id") == bahasa
    assert vehicle_class.label("en") == english


MATARAM = TariffVersion(
    "SK 933/VIII/2025",
    date(2025, 12, 16),
    None,
    {MOTORCYCLE: FlatRate(1_000), CAR: FlatRate(2_000), TRUCK: FlatRate(3_000)},
)


@pytest.mark.parametrize(
    ("vehicle_class", "amount_rp"), [(MOTORCYCLE, 1_000), (CAR, 2_000), (TRUCK, 3_000)]
)
@pytest.mark.parametrize("end", [None, NOON, NOON + hours(9)])
def test_a_flat_tariff_asks_once_however_long(vehicle_class, amount_rp, end):
    assert quote(MATARAM, vehicle_class, NOON, end) == Quote(
        amount_rp,
        (QuoteLine("Sekali parkir", "One parking", 1, amount_rp, amount_rp),),
        "SK 933/VIII/2025",
    )


HOURLY = HourlyRate(5_000, 2_000)


@pytest.mark.parametrize(
    ("stay", "amount_rp"),
    [
        (timedelta(0), 5_000),
        (timedelta(microseconds=1), 5_000),
        (hours(1), 5_000),
        (hours(1) + timedelta(microseconds=1), 7_000),
        (hours(1, 1), 7_000),
        (hours(2), 7_000),
        (hours(2, 1), 9_000),
        (hours(24), 51_000),
        (hours(25), 53_000),
        (timedelta(days=366), 5_000 + (366 * 24 - 1) * 2_000),
    ],
)
def test_a_started_hour_counts_whole(stay, amount_rp):
    assert amount(HOURLY, NOON, NOON + stay) == amount_rp


def test_hours_are_explained_apart():
    assert quote(tariff(HOURLY), CAR, NOON, NOON + hours(3)).lines == (
        QuoteLine("Jam pertama", "First hour", 1, 5_000, 5_000),
        QuoteLine("Jam berikutnya", "Further hours", 2, 2_000, 4_000),
    )


@pytest.mark.parametrize(
    ("minutes", "lines"),
    [
        (0, [("Gratis 10 menit", 1, 0)]),
        (10, [("Gratis 10 menit", 1, 0)]),
        (11, [("Jam pertama", 1, 5_000)]),
        (60, [("Jam pertama", 1, 5_000)]),
        (61, [("Jam pertama", 1, 5_000), ("Jam berikutnya", 1, 2_000)]),
    ],
)
def test_free_minutes_are_grace_and_no_deduction(minutes, lines):
    rate = HourlyRate(5_000, 2_000, free_minutes=10)
    assert told(rate, NOON, timedelta(minutes=minutes)) == lines


def test_one_moment_over_the_free_minutes_is_charged():
    rate = HourlyRate(5_000, 2_000, free_minutes=10)
    assert amount(rate, NOON, NOON + timedelta(minutes=10, microseconds=1)) == 5_000


CAPPED = HourlyRate(5_000, 2_000, daily_cap_rp=10_000)


@pytest.mark.parametrize(
    ("count", "amount_rp"),
    [(3, 9_000), (4, 10_000), (24, 10_000), (25, 12_000), (29, 20_000), (48, 20_000), (49, 22_000)],
)
def test_each_24_hours_from_the_start_cost_no_more_than_the_cap(count, amount_rp):
    assert amount(CAPPED, NOON, NOON + hours(count)) == amount_rp


def test_what_the_cap_takes_off_is_a_negative_line():
    assert told(CAPPED, NOON, hours(3)) == [("Jam pertama", 1, 5_000), ("Jam berikutnya", 2, 2_000)]
    assert told(CAPPED, NOON, hours(4)) == [
        ("Jam pertama", 1, 5_000),
        ("Jam berikutnya", 3, 2_000),
        ("Batas harian", 1, -1_000),
    ]


def test_a_day_that_just_reaches_the_cap_is_not_reduced():
    rate = replace(CAPPED, daily_cap_rp=9_000)
    assert told(rate, NOON, hours(3)) == [("Jam pertama", 1, 5_000), ("Jam berikutnya", 2, 2_000)]


def test_days_over_the_cap_by_as_much_share_a_line():
    assert told(CAPPED, NOON, hours(72)) == [
        ("Jam pertama", 1, 5_000),
        ("Jam berikutnya", 71, 2_000),
        ("Batas harian", 1, -41_000),
        ("Batas harian", 2, -38_000),
    ]


def test_a_cap_below_the_first_hour_still_caps():
    assert amount(HourlyRate(5_000, 2_000, daily_cap_rp=3_000), NOON, NOON + hours(1)) == 3_000


NIGHT = HourlyRate(2_000, 1_000, bands=(Band(time(22), time(5), 3_000, 1_500),))


@pytest.mark.parametrize(
    ("start", "stay", "lines"),
    [
        (at(20), hours(2), [("Jam pertama", 1, 2_000), ("Jam berikutnya", 1, 1_000)]),
        (
            at(20),
            hours(2, 1),
            [
                ("Jam pertama", 1, 2_000),
                ("Jam berikutnya", 1, 1_000),
                ("Jam berikutnya 22.00-05.00", 1, 1_500),
            ],
        ),
        # The hour that starts at 21.30 keeps the price of 21.30 until it ends.
        (
            at(21, 30),
            hours(2),
            [("Jam pertama", 1, 2_000), ("Jam berikutnya 22.00-05.00", 1, 1_500)],
        ),
        (at(22), hours(1), [("Jam pertama 22.00-05.00", 1, 3_000)]),
        (
            at(23),
            hours(8),
            [
                ("Jam pertama 22.00-05.00", 1, 3_000),
                ("Jam berikutnya 22.00-05.00", 5, 1_500),
                ("Jam berikutnya", 2, 1_000),
            ],
        ),
        (at(4, 59), hours(1), [("Jam pertama 22.00-05.00", 1, 3_000)]),
        (at(5), hours(1), [("Jam pertama", 1, 2_000)]),
    ],
)
def test_each_hour_takes_the_band_in_which_it_starts_also_across_midnight(start, stay, lines):
    assert told(NIGHT, start, stay) == lines


def test_a_line_of_a_band_names_its_window_in_english_too():
    line = quote(tariff(NIGHT), CAR, at(23), at(23, 30)).lines[0]
    assert line.label_en == "First hour 22:00-05:00"


def test_the_cap_and_the_free_minutes_hold_across_bands():
    rate = replace(NIGHT, daily_cap_rp=9_000, free_minutes=15)
    assert told(rate, at(21, 55), timedelta(minutes=15)) == [("Gratis 15 menit", 1, 0)]
    assert amount(rate, at(20), at(20, day=22)) == 9_000
    assert amount(rate, at(20), at(21, day=22)) == 10_000


@pytest.mark.parametrize(
    ("start", "amount_rp"),
    [
        (at(17, 59), 2_000),
        (at(18), 4_000),
        (at(23, 59), 4_000),
        (at(5, 59, day=22), 4_000),
        (at(6, day=22), 2_000),
        (at(18, day=22), 2_000),
        (at(5, 59, day=21), 2_000),
    ],
)
def test_a_flat_band_of_a_weekday_crosses_midnight_with_its_own_day(start, amount_rp):
    rate = FlatRate(2_000, bands=(Band(time(18), time(6), 4_000, weekdays=frozenset({SATURDAY})),))
    assert amount(rate, start) == amount_rp


def test_a_band_from_sunday_reaches_into_monday():
    band = Band(time(18), time(6), 4_000, weekdays=frozenset({SUNDAY}))
    assert band.covers(1, time(5, 59))
    assert not band.covers(1, time(6))
    assert not band.covers(7, time(5, 59))


def test_a_band_that_ends_as_it_starts_lasts_24_hours():
    band = Band(time(0), time(0), 4_000, weekdays=frozenset({SATURDAY, SUNDAY}))
    assert [band.covers(day, clock) for day in (5, 6, 7, 1) for clock in (time.min, time.max)] == [
        False, False, True, True, True, True, False, False,
    ]  # fmt: skip
    shifted = Band(time(6), time(6), 4_000, weekdays=frozenset({SATURDAY}))
    assert shifted.covers(7, time(5, 59))
    assert not shifted.covers(7, time(6))
    assert not shifted.covers(6, time(5, 59))


CHRISTMAS, BOXING = date(2026, 12, 25), date(2026, 12, 26)  # A Friday and a Saturday.
CLOSED = Band(time(0), time(0), 5_000, 4_000, weekdays=frozenset(), holidays=True)
DAY = Band(time(7), time(18), 3_000, 2_000, weekdays=frozenset({1, 2, 3, 4, 5}))


def with_holidays(rate, *days):
    return TariffVersion(
        "Perda 1/2024", date(2026, 1, 1), None, {CAR: rate}, holidays=dict.fromkeys(days, "Libur")
    )


def on(day, hour, minute=0):
    return datetime.combine(day, time(hour, minute), JAKARTA)


def test_a_stay_over_midnight_into_a_holiday_changes_its_price_at_midnight():
    tariff = with_holidays(HourlyRate(2_000, 1_000, bands=(DAY, CLOSED)), CHRISTMAS)
    eve = CHRISTMAS - timedelta(days=1)
    told = quote(tariff, CAR, on(eve, 17), on(CHRISTMAS, 2))
    assert [(line.label_id, line.quantity, line.unit_rp) for line in told.lines] == [
        ("Jam pertama 07.00-18.00", 1, 3_000),
        ("Jam berikutnya", 6, 1_000),
        ("Jam berikutnya hari libur", 2, 4_000),
    ]
    assert told.lines[-1].label_en == "Further hours on a holiday"
    # A Friday otherwise; and the day after it is a Saturday like any other.
    assert quote(tariff, CAR, on(CHRISTMAS, 23), on(BOXING, 1)).amount_rp == 5_000 + 1_000
    before = with_holidays(HourlyRate(2_000, 1_000, bands=(DAY, CLOSED)), BOXING)
    assert quote(before, CAR, on(CHRISTMAS, 10), on(CHRISTMAS, 11)).amount_rp == 3_000


def test_a_holidays_window_goes_before_a_weekdays_to_its_end():
    night = Band(time(20), time(9), 7_000, weekdays=frozenset({6}), holidays=True)
    day = Band(time(7), time(18), 3_000, weekdays=frozenset({1, 2, 3, 4, 5, 6}))
    tariff = with_holidays(FlatRate(2_000, (day, night)), CHRISTMAS)
    asked = {
        on(CHRISTMAS, 8): 3_000,  # It is a holiday, but the night's window begins in the evening.
        on(CHRISTMAS, 19): 2_000,
        on(CHRISTMAS, 20): 7_000,
        on(BOXING, 8): 7_000,  # By the holiday it began on, before the day's window.
        on(BOXING, 9): 3_000,
        on(BOXING, 20): 7_000,  # A Saturday.
    }
    assert {at: quote(tariff, CAR, at, None).amount_rp for at in asked} == asked


def test_a_band_says_its_days_and_hours_in_words():
    weekend = Band(time(22), time(0), 1, weekdays=frozenset({6, 7}), holidays=True)
    always = Band(time(22), time(5), 1, holidays=True)
    told = [(band.hours(), band.days(), band.days("en")) for band in (CLOSED, weekend, always)]
    assert told == [
        ("00.00–24.00", "hari libur", "public holidays"),
        ("22.00–24.00", "Sab, Min, hari libur", "Sat, Sun, public holidays"),
        ("22.00–05.00", "tiap hari, hari libur", "every day, public holidays"),
    ]
    assert Band(time(22), time(5), 1).days() == ""


def test_two_windows_of_holidays_may_not_share_time_even_on_days_that_follow():
    late = Band(time(22), time(6), 7_000, weekdays=frozenset({1}), holidays=True)
    early = Band(time(5), time(7), 6_000, weekdays=frozenset({4}), holidays=True)
    with pytest.raises(TariffError, match=r"^bands\[0\]: overlaps bands\[1\]$"):
        FlatRate(2_000, (early, late))
    assert FlatRate(2_000, (early, replace(late, holidays=False))).bands


def test_a_tariff_carries_the_holidays_that_its_prices_depend_on():
    tariff = with_holidays(FlatRate(2_000, (replace(CLOSED, next_rp=None),)), BOXING, CHRISTMAS)
    written = json.loads(json.dumps(tariff_to_json(tariff)))
    assert written["holidays"] == {"2026-12-25": "Libur", "2026-12-26": "Libur"}
    assert written["rates"]["car"]["bands"][0]["holidays"] is True
    assert tariff_from_json(written) == tariff
    for wrong in (None, {}, [], {"25/12": "Natal"}, {"2026-12-25": ""}, {"2026-12-25": "a\n"}):
        with pytest.raises(TariffError, match=r"^holidays"):
            tariff_from_json(written | {"holidays": wrong})
    assert "holidays" not in tariff_to_json(NEW)
    with pytest.raises(TariffError, match="holidays: want true or false"):
        tariff_from_json(full("rates.car.bands.0.holidays", "yes"))


def test_bands_go_by_the_clock_of_the_regency_even_where_clocks_are_put_back():
    berlin = ZoneInfo("Europe/Berlin")
    rate = HourlyRate(100, 100, bands=(Band(time(2), time(3), 700, 700),))
    start = datetime(2026, 10, 25, 1, 0, tzinfo=berlin)
    end = datetime(2026, 10, 25, 4, 0, tzinfo=berlin)
    # 01.00, 02.00, 02.00 again, 03.00: four hours passed though the clock shows three.
    assert amount(rate, start, end) == 100 + 700 + 700 + 100


def test_the_end_may_be_told_in_another_zone():
    assert amount(HOURLY, NOON, (NOON + hours(2)).astimezone(UTC)) == 7_000
    fixed = timezone(timedelta(hours=7))
    assert amount(NIGHT, at(23).astimezone(fixed), at(23, 30)) == 3_000


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (NOON.replace(tzinfo=None), NOON, r"^start: .*zone"),
        (NOON, NOON.replace(tzinfo=None), r"^end: .*zone"),
        (NOON, NOON - timedelta(microseconds=1), r"^end: .*not within"),
        (NOON, NOON + timedelta(days=366, microseconds=1), r"^end: .*not within"),
    ],
)
@pytest.mark.parametrize("rate", [HOURLY, FlatRate(2_000)])
def test_a_stay_that_makes_no_sense_is_refused(rate, start, end, message):
    with pytest.raises(TariffError, match=message):
        quote(tariff(rate), CAR, start, end)


def test_an_hourly_stay_needs_an_end_and_a_class_needs_a_price():
    with pytest.raises(TariffError, match=r"^end: "):
        quote(tariff(HOURLY), CAR, NOON, None)
    with pytest.raises(TariffError, match=r"^rates: no price for truck$"):
        quote(tariff(HOURLY), TRUCK, NOON, NOON)


def test_a_quote_that_does_not_add_up_cannot_be_made():
    with pytest.raises(MoneyError, match="3 times 2"):
        QuoteLine("a", "a", 3, 2, 5)
    line = QuoteLine("a", "a", 3, 2, 6)
    for amount_rp, lines in ((5, (line,)), (6, ()), (-6, (QuoteLine("a", "a", 3, -2, -6),))):
        with pytest.raises(MoneyError, match="do not sum"):
            Quote(amount_rp, lines, "Perda 1/2024")


OLD = tariff(FlatRate(2_000), regulation="old", valid_until=date(2026, 12, 31))
NEW = tariff(FlatRate(3_000), regulation="new", valid_from=date(2027, 1, 1))


@pytest.mark.parametrize(
    ("day", "regulation"),
    [
        (date(2026, 1, 1), "old"),
        (date(2026, 12, 31), "old"),
        (date(2027, 1, 1), "new"),
        (date(2099, 1, 1), "new"),
    ],
)
def test_the_tariff_changes_at_midnight(day, regulation):
    assert in_force([NEW, OLD], day).regulation == regulation


def test_a_stay_over_the_change_keeps_the_tariff_of_its_start():
    old, new = (
        replace(version, rates={CAR: HourlyRate(rp, rp)})
        for version, rp in ((OLD, 2_000), (NEW, 3_000))
    )
    eve = datetime(2026, 12, 31, 23, 59, tzinfo=JAKARTA)
    midnight = datetime(2027, 1, 1, tzinfo=JAKARTA)
    paid = [
        quote(in_force([old, new], start.date()), CAR, start, start + hours(2))
        for start in (eve, midnight)
    ]
    assert [(q.amount_rp, q.regulation) for q in paid] == [(4_000, "old"), (6_000, "new")]


def test_a_day_without_a_tariff_and_a_day_with_two_are_refused():
    with pytest.raises(TariffError, match=r"^valid_from: no tariff is in force on 2025-12-31$"):
        in_force([OLD, NEW], date(2025, 12, 31))
    with pytest.raises(TariffError, match=r"^valid_until: more than one .* old and new$"):
        in_force([OLD, replace(NEW, valid_from=date(2026, 12, 31))], date(2026, 12, 31))


FULL = {
    "id": "7",
    "regulation": "Perda 1/2024 pasal 12",
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
    "rates": {
        "motorcycle": {
            "kind": "flat",
            "amount_rp": 1000,
            "bands": [{"from": "18:00", "until": "06:00", "weekdays": [6, 7], "amount_rp": 2000}],
        },
        "car": {
            "kind": "hourly",
            "first_hour_rp": 2000,
            "next_hour_rp": 1000,
            "daily_cap_rp": 10000,
            "free_minutes": 10,
            "bands": [
                {
                    "from": "22:00",
                    "until": "05:00",
                    "weekdays": [1, 2, 3, 4, 5, 6, 7],
                    "first_hour_rp": 3000,
                    "next_hour_rp": 1500,
                }
            ],
        },
    },
}


def full(path, value):
    """FULL with the value at a dotted path replaced, or removed where the value is ``...``."""
    data = json.loads(json.dumps(FULL))
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = data
    for step in parents:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


EVENT = replace(
    NEW,
    event="Hari pasar Legi",
    valid_from=date(2027, 1, 24),
    valid_until=date(2027, 1, 25),
    rates={CAR: HourlyRate(5000, 3000, 6000)},
)


def test_an_events_version_stands_above_the_ordinary_one_for_its_days():
    days = [date(2027, 1, day) for day in (23, 24, 25, 26)]
    assert [in_force([NEW, EVENT], day).event for day in days] == ["", *[EVENT.event] * 2, ""]
    with pytest.raises(TariffError):
        in_force([NEW, EVENT, replace(EVENT, event="Pawai")], days[1])
    lines = quote(
        EVENT, CAR, datetime(2027, 1, 24, 9, tzinfo=UTC), datetime(2027, 1, 24, 11, tzinfo=UTC)
    ).lines
    assert [(line.label_id, line.amount_rp) for line in lines] == [
        ("Tarif Hari pasar Legi: jam pertama", 5000),
        ("Tarif Hari pasar Legi: jam berikutnya", 3000),
        ("Batas harian", -2000),
    ]
    assert tariff_from_json(tariff_to_json(EVENT)) == EVENT
    assert "event" not in tariff_to_json(NEW)


@pytest.mark.parametrize(
    "wrong",
    [{"valid_until": None}, {"event": "x" * 31}, {"event": " Legi"}, {"event": "a\x07b"}],
)
def test_an_event_has_a_short_name_and_a_last_day(wrong):
    with pytest.raises(TariffError):
        replace(EVENT, **wrong)


def test_a_tariff_is_read_from_json_and_written_as_it_was_read():
    version = tariff_from_json(FULL)
    assert version == TariffVersion(
        regulation="Perda 1/2024 pasal 12",
        valid_from=date(2026, 1, 1),
        valid_until=date(2026, 12, 31),
        rates={
            MOTORCYCLE: FlatRate(
                1_000, (Band(time(18), time(6), 2_000, weekdays=frozenset({6, 7})),)
            ),
            CAR: HourlyRate(2_000, 1_000, 10_000, 10, (Band(time(22), time(5), 3_000, 1_500),)),
        },
        id="7",
    )
    assert json.loads(json.dumps(tariff_to_json(version))) == FULL


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("id", lambda version: version.id is None),
        ("valid_until", lambda version: version.valid_until is None),
        ("rates.car.daily_cap_rp", lambda version: version.rates[CAR].daily_cap_rp is None),
        ("rates.car.free_minutes", lambda version: version.rates[CAR].free_minutes == 0),
        ("rates.car.bands", lambda version: version.rates[CAR].bands == ()),
        (
            "rates.motorcycle.bands.0.weekdays",
            lambda version: version.rates[MOTORCYCLE].bands[0].weekdays == set(range(1, 8)),
        ),
    ],
)
def test_what_may_be_left_out_has_a_plain_meaning(path, read):
    version = tariff_from_json(full(path, ...))
    assert read(version)
    assert tariff_from_json(tariff_to_json(version)) == version


@pytest.mark.parametrize("path", ["id", "valid_until", "rates.car.daily_cap_rp", "rates.car.bands"])
def test_null_is_as_good_as_left_out(path):
    assert tariff_from_json(full(path, None)) == tariff_from_json(full(path, ...))


def test_a_band_may_end_at_24_00():
    band = tariff_from_json(full("rates.car.bands.0.until", "24:00")).rates[CAR].bands[0]
    assert band.ends == time(0)
    assert band.covers(1, time(23, 59))
    assert not band.covers(1, time(0))


BAND = FULL["rates"]["car"]["bands"][0]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("regulation", ..., "tariff.regulation: is missing"),
        ("regulation", " ", "regulation: must name"),
        ("regulation", 7, "regulation: want text"),
        ("id", 7, "id: want text"),
        ("note", "x", "tariff.note: is not a field"),
        ("valid_from", "2026-02-30", "valid_from: there is no day"),
        ("valid_from", "20260101", "valid_from: want a day"),
        ("valid_from", None, "valid_from: want text"),
        ("valid_until", "2025-12-31", "valid_until: is before valid_from"),
        ("rates", {}, "rates: must price"),
        ("rates", [], "rates: want an object"),
        ("rates.bus", {}, "rates.bus: is not a field"),
        ("rates.car", 2000, "rates.car.kind: want"),
        ("rates.car.kind", "daily", "rates.car.kind: want"),
        ("rates.car.kind", "flat", "rates.car.amount_rp: is missing"),
        ("rates.car.first_hour_rp", ..., "rates.car.first_hour_rp: is missing"),
        ("rates.car.first_hour_rp", 2000.0, "rates.car.first_hour_rp: want a whole number"),
        ("rates.car.first_hour_rp", "2000", "rates.car.first_hour_rp: want a whole number"),
        ("rates.car.next_hour_rp", True, "rates.car.next_hour_rp: want a whole number"),
        ("rates.car.next_hour_rp", -1, "rates.car.next_hour_rp: want 0 to"),
        ("rates.car.next_hour_rp", HIGHEST_RP + 1, "rates.car.next_hour_rp: want 0 to"),
        ("rates.car.first_hours_rp", 1, "rates.car.first_hours_rp: is not a field"),
        ("rates.car.daily_cap_rp", 0, "rates.car.daily_cap_rp: must be above zero"),
        ("rates.car.daily_cap_rp", "1", "rates.car.daily_cap_rp: want a whole number"),
        ("rates.car.free_minutes", -1, "rates.car.free_minutes: want 0 to 1440"),
        ("rates.car.free_minutes", 1441, "rates.car.free_minutes: want 0 to 1440"),
        ("rates.car.free_minutes", None, "rates.car.free_minutes: want a whole number"),
        ("rates.motorcycle.amount_rp", -1, "rates.motorcycle.amount_rp: want 0 to"),
        ("rates.motorcycle.bands.0.amount_rp", -1, "rates.motorcycle.bands[0].amount_rp: want 0"),
        ("rates.motorcycle.bands.0.next_hour_rp", 1, "rates.motorcycle.bands[0].next_hour_rp: is"),
        ("rates.car.bands", {}, "rates.car.bands: want a list"),
        ("rates.car.bands.0", 7, "rates.car.bands[0]: want an object"),
        ("rates.car.bands.0.from", "25:00", "rates.car.bands[0].from: want a time"),
        ("rates.car.bands.0.from", "24:00", "rates.car.bands[0].from: want a time"),
        ("rates.car.bands.0.until", "5:00", "rates.car.bands[0].until: want a time"),
        ("rates.car.bands.0.until", 5, "rates.car.bands[0].until: want text"),
        ("rates.car.bands.0.first_hour_rp", -1, "rates.car.bands[0].first_hour_rp: want 0 to"),
        ("rates.car.bands.0.next_hour_rp", None, "rates.car.bands[0].next_hour_rp: want a whole"),
        ("rates.car.bands.0.weekdays", [], "rates.car.bands[0].weekdays: want some"),
        ("rates.car.bands.0.weekdays", [0], "rates.car.bands[0].weekdays: want some"),
        ("rates.car.bands.0.weekdays", ["1"], "rates.car.bands[0].weekdays: want a whole"),
        ("rates.car.bands.0.weekdays", "1", "rates.car.bands[0].weekdays: want a list"),
        ("rates.car.bands", [BAND, BAND], "rates.car.bands[0]: overlaps bands[1]"),
    ],
)
def test_wrong_json_is_refused_naming_the_field(path, value, message):
    with pytest.raises(TariffError) as refused:
        tariff_from_json(full(path, value))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("data", [None, [], "tariff", 7])
def test_a_tariff_is_an_object(data):
    with pytest.raises(TariffError, match=r"^tariff: want an object"):
        tariff_from_json(data)


def band(starts, ends, *weekdays):
    return Band(time(starts), time(ends), 1_000, weekdays=frozenset(weekdays or range(1, 8)))


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (band(8, 12), band(12, 18), False),
        (band(8, 13), band(12, 18), True),
        (band(8, 18), band(10, 12), True),
        (band(22, 5), band(5, 8), False),
        (band(22, 5), band(4, 8), True),
        (band(22, 5, SATURDAY), band(0, 5, SATURDAY), False),
        (band(22, 5, SATURDAY), band(0, 5, SUNDAY), True),
        (band(22, 5, SUNDAY), band(0, 5, 1), True),
        (band(8, 12, 1), band(8, 12, 2), False),
        (band(0, 0, SATURDAY), band(8, 12, SATURDAY), True),
        (band(0, 0, SATURDAY), band(8, 12, SUNDAY), False),
    ],
)
def test_bands_that_share_time_are_refused(one, other, overlap):
    for bands in ((one, other), (other, one)):
        if overlap:
            with pytest.raises(TariffError, match=r"^bands\[\d\]: overlaps bands\[\d\]$"):
                FlatRate(2_000, bands)
        else:
            assert FlatRate(2_000, bands).bands == bands


@pytest.mark.parametrize("clock", [time(8, 0, 1), time(8, 0, 0, 1), time(8, tzinfo=UTC)])
def test_a_band_is_told_in_hours_and_minutes_of_local_time(clock):
    with pytest.raises(TariffError, match=r"^from: "):
        Band(clock, time(9), 1_000)
    with pytest.raises(TariffError, match=r"^until: "):
        Band(time(7), clock, 1_000)


def test_a_bands_prices_fit_its_rate():
    with pytest.raises(TariffError, match=r"^bands\[0\].next_hour_rp: has no place"):
        FlatRate(2_000, (Band(time(8), time(9), 1_000, 1_000),))
    with pytest.raises(TariffError, match=r"^bands\[0\].next_hour_rp: want a whole number"):
        HourlyRate(2_000, 1_000, bands=(Band(time(8), time(9), 1_000),))


def test_a_version_cannot_be_changed_from_outside():
    rates = {CAR: FlatRate(2_000)}
    version = tariff(HOURLY, rates=rates)
    rates[CAR] = FlatRate(1)
    assert version.rates == {CAR: FlatRate(2_000)}
    with pytest.raises(TypeError):
        version.rates[CAR] = FlatRate(1)
    assert hash(version) == hash(tariff(FlatRate(2_000)))
