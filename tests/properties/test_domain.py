import itertools
import string
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.check_digit import ALPHABET, append, is_valid
from domain.events import GENESIS, Event, event_hash, verify_chain
from domain.money import Rounding, multiply_divide, split
from domain.parking import SpotCodeError, parse_spot_code, spot_code
from domain.payment import EVENTS_TO_PAID, ChargeState, MoneyFlag, judge_money
from domain.receipt import (
    ReceiptFacts,
    ReceiptNumberError,
    mask_plate,
    parse_receipt_number,
    receipt_number,
    series,
)
from domain.tariff import (
    Band,
    FlatRate,
    HourlyRate,
    TariffError,
    TariffVersion,
    VehicleClass,
    in_force,
    quote,
    tariff_from_json,
    tariff_to_json,
)

JAKARTA = ZoneInfo("Asia/Jakarta")
prices = st.integers(0, 20_000)
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
weekdays = st.frozensets(st.integers(1, 7), min_size=1)
# The days of a band: some weekdays, with holidays or without, or holidays alone.
when = st.tuples(weekdays, st.booleans()) | st.just((frozenset(), True))


@st.composite
def bands(draw, *, hourly):
    """Some bands that do not overlap; those that would are left out."""
    further = prices if hourly else st.none()
    kept = ()
    drawn = st.tuples(clocks, clocks, prices, further, when)
    for *window, of_days in draw(st.lists(drawn, max_size=4)):
        band = Band(*window, *of_days)
        try:
            HourlyRate(0, 0, bands=(*kept, band)) if hourly else FlatRate(0, (*kept, band))
        except TariffError:
            continue
        kept = (*kept, band)
    return kept


hourly_rates = st.builds(
    HourlyRate,
    prices,
    prices,
    st.none() | st.integers(1, 50_000),
    st.integers(0, 120),
    bands(hourly=True),
)
flat_rates = st.builds(FlatRate, prices, bands(hourly=False))
days = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@st.composite
def tariffs(draw, rates=flat_rates | hourly_rates):
    start, until = draw(days), draw(st.none() | days)
    assume(until is None or start <= until)
    priced = draw(st.dictionaries(st.sampled_from(VehicleClass), rates, min_size=1))
    event = draw(st.sampled_from(["", "Hari pasar Legi"])) if until else ""
    named = draw(st.none() | st.text())
    closed = draw(st.lists(st.dates(date(2025, 12, 31), date(2027, 1, 6)), min_size=1, max_size=60))
    holidays = dict.fromkeys(closed, "Libur")
    return TariffVersion("Perda 1/2024", start, until, priced, named, event, holidays)


starts = st.timedeltas(timedelta(0), timedelta(days=365)).map(
    lambda passed: datetime(2026, 1, 1, tzinfo=JAKARTA) + passed
)
stays = st.timedeltas(timedelta(0), timedelta(days=4)) | st.integers(0, 96).map(
    lambda count: timedelta(hours=count)
)


@given(tariffs(), starts, stays)
def test_a_quotes_lines_sum_to_an_amount_that_is_never_negative(tariff, start, stay):
    for vehicle_class in tariff.rates:
        told = quote(tariff, vehicle_class, start, start + stay)
        assert told.amount_rp == sum(line.quantity * line.unit_rp for line in told.lines) >= 0
        assert told.lines
        assert all(line.quantity > 0 for line in told.lines)


@given(tariffs(), starts, stays, stays)
def test_a_longer_stay_never_costs_less(tariff, start, one, other):
    shorter, longer = sorted((one, other))
    for vehicle_class in tariff.rates:
        cheaper = quote(tariff, vehicle_class, start, start + shorter)
        dearer = quote(tariff, vehicle_class, start, start + longer)
        assert cheaper.amount_rp <= dearer.amount_rp


@given(tariffs(hourly_rates), starts, stays)
def test_no_24_hours_cost_more_than_the_cap(tariff, start, stay):
    begun = max(1, -(-stay // timedelta(days=1)))
    for vehicle_class, rate in tariff.rates.items():
        if rate.daily_cap_rp is not None:
            amount_rp = quote(tariff, vehicle_class, start, start + stay).amount_rp
            assert amount_rp <= rate.daily_cap_rp * begun


@given(tariffs(hourly_rates), starts, stays)
def test_a_quote_is_the_sum_of_its_hours_one_at_a_time(tariff, start, stay):
    """The same amount from the rules as they are told, with none of the code they are told of."""
    for vehicle_class, rate in tariff.rates.items():
        due_rp, hour = [], start
        while hour < start + stay or not due_rp:
            minute = hour.hour * 60 + hour.minute
            price_rp = rate.next_hour_rp if due_rp else rate.first_hour_rp
            held = {True: [], False: []}
            for band, back in itertools.product(rate.bands, (0, 1)):
                opens, shuts = (at.hour * 60 + at.minute for at in (band.starts, band.ends))
                length = (shuts - opens) % 1440 or 1440
                day = (hour - timedelta(days=back)).date()
                if 0 <= minute + 1440 * back - opens < length:
                    if band.holidays and day in tariff.holidays:
                        held[True].append(band)
                    elif day.isoweekday() in band.weekdays:
                        held[False].append(band)
            assert all(len(bands) <= 1 for bands in held.values()), "at every instant one price"
            for band in held[True] or held[False]:
                price_rp = band.next_rp if due_rp else band.first_rp
            due_rp.append(price_rp)
            hour += timedelta(hours=1)
        days_rp = [sum(due_rp[first : first + 24]) for first in range(0, len(due_rp), 24)]
        wanted_rp = sum(min(rate.daily_cap_rp or day_rp, day_rp) for day_rp in days_rp)
        if stay <= timedelta(minutes=rate.free_minutes) and rate.free_minutes:
            wanted_rp = 0
        assert quote(tariff, vehicle_class, start, start + stay).amount_rp == wanted_rp


@given(bands(hourly=True))
def test_no_moment_has_two_prices_even_where_every_day_is_a_holiday(found):
    """Two windows share time only where one of them begins, so these moments are all there are."""
    for band, weekday in itertools.product(found, range(1, 8)):
        at = band.starts
        assert sum(other.covers(weekday, at) for other in found) <= 1
        assert sum(other.holidays and other.began(at) is not None for other in found) <= 1


@given(tariffs(), st.dates(date(2026, 1, 2), date(2026, 12, 30)), st.integers(0, 40))
def test_the_days_of_an_event_are_its_own_and_all_others_are_as_before(ordinary, first, lasts):
    last = first + timedelta(days=lasts)
    always = replace(ordinary, valid_from=date(2025, 1, 1), valid_until=None, event="")
    event = replace(ordinary, valid_from=first, valid_until=last, event="Pasar")
    for day in (first - timedelta(days=1), first, last, last + timedelta(days=1)):
        assert in_force([always, event], day) is (event if event.covers(day) else always)


@given(tariffs())
def test_a_tariff_survives_json(tariff):
    assert tariff_from_json(tariff_to_json(tariff)) == tariff


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoilt_tariffs(draw):
    """A good tariff's JSON with one value, wherever it stands, replaced by any other."""
    data = tariff_to_json(draw(tariffs()))
    place, key = data, draw(st.sampled_from(sorted(data)))
    while isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = draw(json_values)
    return data


@given(json_values | spoilt_tariffs())
def test_any_json_is_a_tariff_or_a_tariff_error(data):
    try:
        tariff = tariff_from_json(data)
    except TariffError:
        return
    assert tariff_from_json(tariff_to_json(tariff)) == tariff


amounts = st.integers(-(10**15), 10**15)


@given(amounts, st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.data())
def test_shares_sum_to_the_whole_and_only_one_leg_is_rounded_up(amount_rp, weights, data):
    assume(sum(weights))
    leg = data.draw(st.integers(0, len(weights) - 1))
    shares = split(amount_rp, weights, remainder_to=leg)
    assert sum(shares) == amount_rp
    for index, (share_rp, weight) in enumerate(zip(shares, weights, strict=True)):
        exact = Fraction(amount_rp * weight, sum(weights))
        assert abs(share_rp - exact) < (len(weights) if index == leg else 1)
        assert share_rp * amount_rp >= 0
        if index != leg:
            assert abs(share_rp) <= abs(exact)


@given(amounts, amounts, st.integers(1, 10**9), st.sampled_from(Rounding))
def test_a_rounded_amount_is_less_than_a_rupiah_off_and_symmetric(amount_rp, by, over, rounding):
    rounded = multiply_divide(amount_rp, by, over, rounding)
    assert abs(rounded - Fraction(amount_rp * by, over)) < 1
    assert multiply_divide(-amount_rp, by, over, rounding) == -rounded


codes = st.text(ALPHABET, min_size=1, max_size=20)


@given(codes, st.data())
def test_every_wrong_character_and_every_swap_of_neighbours_is_caught(code, data):
    right = append(code).replace("-", "")
    assert is_valid(right)
    at = data.draw(st.integers(0, len(right) - 1))
    for other in ALPHABET.replace(right[at], ""):
        assert not is_valid(right[:at] + other + right[at + 1 :])
    for index in range(len(right) - 1):
        one, other = right[index], right[index + 1]
        assert is_valid(right[:index] + other + one + right[index + 2 :]) == (one == other)


def mistyped(code, data):
    """The code with one character wrong, or with two different neighbours swapped."""
    at = data.draw(st.integers(0, len(code) - 1))
    if data.draw(st.booleans()):
        return code[:at] + data.draw(st.sampled_from(ALPHABET)) + code[at + 1 :]
    return code[:at] + code[at : at + 2][::-1] + code[at + 2 :]


def as_typed(code, data):
    text = code.lower() if data.draw(st.booleans()) else code
    return text.replace("-", data.draw(st.sampled_from(["-", "", " ", " - "])))


zones = st.from_regex("[A-Z]([A-Z0-9]{0,6}[A-Z])?", fullmatch=True)


@given(zones, st.integers(1, 99_999), st.data())
def test_a_spot_code_is_read_however_typed_and_never_as_another(zone, number, data):
    code = spot_code(zone, number)
    assert parse_spot_code(as_typed(code, data)) == code
    bare = code.replace("-", "")
    wrong = mistyped(bare, data)
    if wrong != bare:
        with pytest.raises(SpotCodeError):
            parse_spot_code(wrong)


@given(zones, st.integers(2000, 9999), st.integers(1, 10**12 - 1), st.data())
def test_a_receipt_number_is_read_however_typed_and_never_as_another(zone, year, sequence, data):
    number = receipt_number(series(zone, year), sequence)
    assert parse_receipt_number(as_typed(number, data)) == (f"{zone}-{year}", sequence)
    bare = number.replace("-", "")
    wrong = mistyped(bare, data)
    if wrong != bare:
        with pytest.raises(ReceiptNumberError):
            parse_receipt_number(wrong)


@given(st.text() | codes)
def test_any_text_is_a_code_or_its_own_error(text):
    with suppress(SpotCodeError):
        assert is_valid(parse_spot_code(text))
    with suppress(ReceiptNumberError):
        assert parse_receipt_number(text)[1] > 0
    assert is_valid(text) in {True, False}


plates = st.from_regex("[A-Z]{1,3} [0-9]{1,5}( [A-Z]{1,3})?", fullmatch=True)


@given(plates | st.text())
def test_a_mask_shows_one_digit_at_most_and_masking_again_changes_nothing(plate):
    masked = mask_plate(plate)
    assert mask_plate(masked) == masked
    assert sum(character in string.digits for character in masked) <= 1
    assert ("•••" in masked) == bool(masked)


@given(plates, tariffs(hourly_rates), starts, stays)
def test_a_receipt_survives_json(plate, tariff, start, stay):
    vehicle_class = next(iter(tariff.rates))
    told = quote(tariff, vehicle_class, start, start + stay)
    assume(told.amount_rp)
    texts = dict.fromkeys(
        ("regency", "agency", "place", "zone", "reference", "complaint", "verify_url"), "x"
    )
    facts = ReceiptFacts(
        number="MTG-2026-000123-2",
        regulation=told.regulation,
        vehicle_class=vehicle_class,
        spot_code="MTG-012-3",
        started_at=start,
        paid_at=start + stay,
        amount_rp=told.amount_rp,
        lines=told.lines,
        method="Tunai",
        plate=mask_plate(plate),
        **texts,
    )
    assert ReceiptFacts.from_json(facts.to_json()) == facts


@given(st.sampled_from(ChargeState), st.integers(1, 10**9), st.integers(1, 10**9), st.booleans())
def test_only_the_whole_amount_on_a_payable_charge_is_exact(state, expected_rp, received_rp, same):
    received_rp = expected_rp if same else received_rp
    flag = judge_money(state, expected_rp, received_rp)
    exact = state in EVENTS_TO_PAID and received_rp == expected_rp
    assert (flag is MoneyFlag.EXACT) == exact


bodies = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    max_size=3,
)


@given(st.lists(bodies, min_size=1, max_size=8), st.data())
def test_a_chain_with_any_event_lost_doubled_or_edited_is_broken(all_bodies, data):
    events, head = [], GENESIS
    for seq, body in enumerate(all_bodies, start=1):
        events.append(Event("HH-1", seq, head, "charge_requested", "2026-11-21T14:05:00Z", body))
        head = event_hash(events[-1])
    assert verify_chain(events) is None
    at = data.draw(st.integers(0, len(events) - 1))
    assert verify_chain(events[: at + 1] + events[at:]) == at + 2
    if at + 1 < len(events):
        assert verify_chain(events[:at] + events[at + 1 :]) == at + 1
        edited = Event("HH-1", at + 1, events[at].prev_hash, "shift_closed", "", {})
        assert verify_chain([*events[:at], edited, *events[at + 1 :]]) == at + 2
