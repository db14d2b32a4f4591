"""Cash as cash: owed from the moment it was taken, paid only once the office has it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from attendant_app.store import SCHEMA, Store
from tests.attendant_app import office as stand_in
from tests.attendant_app.builders import MASTER_DATA, SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until


def cash_events(office: Office) -> list[dict[str, Any]]:
    return [event["body"] for event in office.events if event["kind"] == "cash_taken"]


def test_cash_is_paid_by_the_office_alone(device: Device, office: Office) -> None:
    device.sign_in()
    charge = device.cash(SPOT)
    assert (charge["kind"], charge["state"], charge["amount_rp"]) == ("cash", "paid", 2000)
    assert charge["receipt"]["amount_rp"] == 2000
    until(lambda: cash_events(office))
    (fact,) = cash_events(office)
    assert (fact["charge_id"], fact["spot"], fact["quoted_rp"]) == (charge["id"], SPOT, 2000)


def test_cash_taken_offline_outlives_a_power_cut_and_is_sent_once(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.stop()
    until(lambda: not device.status()["online"])
    charge = device.cash(SPOT, "car")
    assert (charge["state"], charge["sync"], charge["receipt"]) == ("new", "waiting", None)
    device.kill()
    device.start()
    assert "Tunai diterima" in device.http.get(f"/charges/{charge['id']}").text
    today = device.http.get("/shift").text
    assert "Rp5.000" in today
    assert "1 belum dicatat kantor" in today
    office.lose_answers = 1
    office.start()
    until(lambda: device.get(f"/api/charges/{charge['id']}")["state"] == "paid")
    assert list(office.charges) == [charge["id"]]
    until(lambda: len(cash_events(office)) == 1)
    assert "belum dicatat kantor" not in device.http.get("/shift").text


def test_a_form_sent_twice_takes_the_cash_once(device: Device, office: Office) -> None:
    device.sign_in()
    page = device.http.get(f"/spots/{SPOT}/cash/motorcycle").text
    charge_id = page.split('name="id" value="')[1].split('"')[0]
    form = {"id": charge_id, "vehicle_class": "motorcycle"}
    for _ in range(2):
        answer = device.http.post(f"/spots/{SPOT}/cash", data=form)
        assert answer.headers["location"] == f"/charges/{charge_id}"
    assert list(office.charges) == [charge_id]


def test_no_cash_of_an_unknown_amount(
    device: Device, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "MASTER_DATA", {**MASTER_DATA, "tariffs": []})
    device.sign_in()
    answer = device.http.post("/api/cash-charges", json={"spot": SPOT, "vehicle_class": "car"})
    assert (answer.status_code, answer.json()["slug"]) == (409, "no-price")
    assert device.http.get(f"/spots/{SPOT}/cash/car").status_code == 409
    assert office.posts == []


def test_refused_cash_stays_the_attendants_and_is_never_green(
    device: Device, office: Office
) -> None:
    device.sign_in()
    office.refuse_charges = (409, "spot-occupied")
    charge = device.cash(SPOT)
    assert charge["sync"] == "refused"
    page = device.http.get(f"/charges/{charge['id']}").text
    assert "is-paid" not in page.split("<main")[1]
    assert "Uang ini tetap tercatat di sini" in page
    assert "Rp2.000" in device.http.get("/shift").text.split("<main")[1]


def test_the_day_counts_qris_only_when_paid(device: Device, office: Office) -> None:
    device.sign_in()
    paid, _ = device.charge(SPOT)["id"], device.charge(SPOT, "car")
    device.cash(SPOT)
    office.pay(paid)
    until(lambda: device.get(f"/api/charges/{paid}")["state"] == "paid")
    day = device.http.get("/fragments/today").text
    assert day.count("Rp2.000") == 2
    assert "Rp5.000" not in day


def test_a_file_of_before_cash_is_taken_over(tmp_path: Path) -> None:
    before = sqlite3.connect(tmp_path / "handheld.sqlite")
    before.executescript(
        f"{SCHEMA[0]} PRAGMA user_version = 1;"
        " INSERT INTO charges VALUES ('c-1', NULL, 'MTG-012-3', 'car', 5000, 1, 'sent', 'paid',"
        " '{}', NULL, '2026-11-21T00:00:00.000Z', '2026-11-21T00:00:00.000Z');"
    )
    before.close()
    charge = (reopened := Store(tmp_path)).charge("c-1")
    assert charge is not None
    assert (charge.kind, charge.state) == ("mpm", "paid")
    reopened.close()
