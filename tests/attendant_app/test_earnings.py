"""Hak saya hari ini: the office's word, kept for when there is no line, and said how old it is."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from attendant_app import prices, shifts
from attendant_app.store import Charge, Sync, stamp
from domain.business_days import BusinessDays
from domain.payment import ChargeKind
from tests.attendant_app.builders import MASTER_DATA, SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_closing import closed
from tests.attendant_app.test_screens import Walk

PENDING = [
    {"why": "unconfirmed", "count": 1, "amount_rp": 2000},
    {"why": "over", "count": 1, "amount_rp": 2500},
    {"why": "refund-unknown", "count": 1, "amount_rp": 5000},
]


WIB = ZoneInfo("Asia/Jakarta")


def today(device: Device) -> str:
    return device.http.get("/fragments/today").text


def test_the_share_is_the_offices_word_also_offline(device: Device, office: Office) -> None:
    office.earned = {"share_rp": 700, "unpaid_share_rp": 4900, "pending": PENDING}
    device.sign_in()
    until(lambda: "Rp700" in today(device))
    page = today(device)
    assert "Bagian saya 35 %" in page
    assert "Rp4.900" in page
    assert "Ditahan: dibayar lebih" in page
    assert "Ditahan kantor" in page
    office.stop()
    until(lambda: not device.status()["online"])
    device.kill()
    device.start()
    assert "Rp700" in today(device)
    assert "Menurut kantor" in today(device)


def test_what_was_paid_just_now_is_asked_for_and_another_attendant_sees_none_of_it(
    device: Device, office: Office
) -> None:
    device.sign_in()
    charge = device.charge(SPOT)
    until(lambda: "Bagian saya 35 %" in today(device))
    office.earned = {"share_rp": 700, "unpaid_share_rp": 700}
    office.pay(charge["id"])
    until(lambda: "Rp700" in today(device))
    closed(device, 0)
    office.stop()
    office.earned = {}
    office.start()
    until(lambda: device.status()["online"])
    device.sign_in("J-002", "222222")
    assert "Rp700" not in today(device)


def test_yesterdays_word_is_not_todays(device: Device, office: Office) -> None:
    office.earned = {"share_rp": 700, "day": "2020-01-01"}
    device.sign_in()
    until(lambda: "Menurut kantor" in today(device))
    assert "Rp700" not in today(device)
    assert "menunggu kantor" in today(device)


def test_the_day_of_the_books_ends_in_the_evening_also_offline(
    device: Device, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).astimezone(WIB)
    hour = 20 if now.hour in (13, 14) else 14  # Not while this test runs.
    regency = MASTER_DATA["regency"] | {"day_ends": f"{hour}.00"}
    monkeypatch.setitem(MASTER_DATA, "regency", regency)
    day = BusinessDays.read(f"{hour}.00", WIB).of(now)
    office.earned = {"share_rp": 700, "day": str(day)}
    device.sign_in()
    until(lambda: f"Untuk {day:%d-%m-%Y}, sampai pukul {hour}:00" in today(device))
    until(lambda: "Rp700" in today(device))
    device.cash(SPOT)
    office.stop()
    until(lambda: not device.status()["online"])
    device.kill()
    device.start()
    assert f"Untuk {day:%d-%m-%Y}" in today(device)
    assert "Rp2.000" in today(device)


DAYS = st.sampled_from(
    ["", "?", "24.00", "20.00", "22.00, 2027-01-01 24.00", "24.00, 2026-12-31 20.00"]
)
MOMENTS = st.datetimes(datetime(2026, 12, 29), datetime(2027, 1, 3), timezones=st.just(UTC))  # noqa: DTZ001
TAKEN = st.tuples(MOMENTS, st.none() | MOMENTS, st.integers(1, 9))


@given(DAYS, MOMENTS, st.lists(TAKEN))
def test_each_rupiah_is_of_one_day_and_of_the_one_of_the_books(
    told: str, now: datetime, taken: list[tuple[datetime, datetime | None, int]]
) -> None:
    """`told` and `paid`: of the office where it answered, else by this device alone."""
    days = prices.business_days({"regency": {"timezone": "Asia/Jakarta", "day_ends": told}})
    charges = [_charge(made, paid, amount_rp) for made, paid, amount_rp in taken]
    starts, ends = days.bounds(days.of(now))
    assert starts <= now < ends
    owed = sum(rp for made, paid, rp in taken if starts <= (paid or made) < ends)
    day = shifts.of_day(charges, days, now)
    assert (day.cash_rp, day.day, day.ends_at) == (owed, days.of(now), ends)
    # The same charges seen at the last moment of one day and at the first of the next.
    before = shifts.of_day(charges, days, ends - timedelta(microseconds=1))
    after = shifts.of_day(charges, days, ends)
    assert before == day
    assert after.day == day.day + timedelta(days=1)
    assert before.cash_count + after.cash_count <= len(charges)


def _charge(made: datetime, paid: datetime | None, amount_rp: int) -> Charge:
    known = paid and {"paid_at": paid.isoformat(), "amount_rp": amount_rp}
    return Charge(
        "c", "s", ChargeKind.CASH, SPOT, "car", amount_rp, True,
        Sync.SENT if paid else Sync.WAITING, "paid" if paid else "new",
        known, None, stamp(made), stamp(made),
    )  # fmt: skip


def test_the_page_of_the_day(browser: Browser, device: Device, office: Office) -> None:
    office.earned = {"share_rp": 48_300, "unpaid_share_rp": 96_600, "pending": PENDING}
    device.sign_in()
    device.cash(SPOT)
    until(lambda: "Rp48.300" in today(device))
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(context.new_page())
    walk.see("/shift", "today", ".own")
    context.close()
    assert not walk.faults, "\n".join(walk.faults)
