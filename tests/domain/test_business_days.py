"""Days that end at an hour: every moment is of one day, and of the one people would say."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.business_days import BusinessDays

WIB = ZoneInfo("Asia/Jakarta")
TEXTS = st.sampled_from(["24.00", "20.00", "22.00, 2027-01-01 24.00", "24.00, 2026-12-31 20:00"])
MOMENTS = st.datetimes(datetime(2026, 12, 25), datetime(2027, 1, 5), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=WIB)


@given(TEXTS, MOMENTS)
def test_a_moment_is_of_the_one_day_that_it_lies_in(text: str, moment: datetime) -> None:
    days = BusinessDays.read(text, WIB)
    day = days.of(moment)
    starts, ends = days.bounds(day)
    assert starts <= moment < ends
    for other in (day - timedelta(days=1), day + timedelta(days=1)):
        starts, ends = days.bounds(other)
        assert not starts <= moment < ends


@given(TEXTS, st.dates(date(2026, 12, 25), date(2027, 1, 5)))
def test_the_hours_of_a_day_follow_each_other_from_its_beginning(text: str, day: date) -> None:
    days = BusinessDays.read(text, WIB)
    starts, ends = days.bounds(day)
    hours = [starts + timedelta(hours=n) for n in range((ends - starts) // timedelta(hours=1))]
    assert [days.hours_in(day, hour.hour) for hour in hours] == [n % 24 for n in range(len(hours))]


def test_what_is_paid_after_the_cut_off_counts_for_the_day_after() -> None:
    days = BusinessDays.read("24.00, 2026-12-31 22.00", WIB)
    assert days.of(at("2026-12-30T23:59:59")) == date(2026, 12, 30)
    assert days.of(at("2026-12-31T21:59:59.999999")) == date(2026, 12, 31)
    assert days.of(at("2026-12-31T22:00")) == date(2027, 1, 1)
    assert days.of(at("2027-01-01T00:10")) == date(2027, 1, 1)
    assert days.bounds(date(2026, 12, 31)) == (at("2026-12-31T00:00"), at("2026-12-31T22:00"))


@pytest.mark.parametrize(
    "text",
    ["", "22", "22.30", "25.00", "11.00", "2027-01-01 22.00", "24.00, 22.00",
     "24.00, 2027-02-01 22.00, 2027-01-01 20.00", "24.00, 2027-02-30 22.00"],
)  # fmt: skip
def test_hours_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BusinessDays.read(text, WIB)
