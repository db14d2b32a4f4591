"""The pool of barcodes: kept while online, shown once each while offline, claimed afterwards."""

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.attendant_app.builders import OTHER_SPOT, SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until


@pytest.fixture
def working(office: Office, device: Device) -> Device:
    """A handheld on shift at a spot, with two barcodes of each class."""
    office.offline["pool_size"] = 2
    device.sign_in()
    device.http.get(f"/spots/{SPOT}")
    until(lambda: len(office.charges) == 6 and len(kept(device)) == 6)
    return device


def rows(device: Device, sql: str) -> list[Any]:
    with sqlite3.connect(device.folder / "handheld.sqlite") as db:
        return db.execute(sql).fetchall()


def kept(device: Device) -> list[str]:
    sql = "SELECT charge_id FROM pool WHERE used_at IS NULL AND known IS NOT NULL"
    return [charge_id for (charge_id,) in rows(device, sql)]


def cut(office: Office, device: Device) -> None:
    office.stop()
    until(lambda: not device.status()["online"])


def kinds(office: Office) -> list[str]:
    return [event["kind"] for event in office.events]


def test_offline_a_tap_shows_a_real_barcode_once_and_it_is_claimed_later(
    office: Office, working: Device
) -> None:
    cut(office, working)
    shown = [working.charge(SPOT) for _ in range(3)]
    first, second, none = [charge["id"] for charge in shown]
    assert first != second
    for charge in shown[:2]:
        theirs = office.charges[charge["id"]]
        assert (charge["qris"], charge["amount_rp"]) == (theirs["qris"], 2000)
        assert (charge["state"], charge["sync"]) == ("issued", "waiting")
    # The pool is empty: nothing that could be paid is shown, and the screen says what is possible.
    assert shown[2]["qris"] is None
    assert "terima tunai" in working.http.get(f"/charges/{none}").text
    assert "Tunai saja" in working.http.get(f"/spots/{SPOT}").text
    screen = working.http.get(f"/charges/{first}").text
    assert "Belum bisa dipastikan di sini" in screen
    assert 'class="charge is-unsure"' in screen
    assert working.status()["offline"]["count"] == 2

    # Its driver pays before the handheld is back: the claim's own answer turns it green.
    office.pay(first)
    assert working.get(f"/api/charges/{first}")["state"] == "issued"
    office.start()
    until(lambda: working.get(f"/api/charges/{first}")["state"] == "paid")
    until(lambda: set(office.claims) == {first, second})
    office.pay(second)
    until(lambda: working.get(f"/api/charges/{second}")["state"] == "paid")
    until(lambda: working.status()["unsynced"] == 0)
    assert kinds(office).count("barcode_shown") == 2
    assert working.status()["offline"]["count"] == 0
    until(lambda: len(kept(working)) == 6)


def test_a_kill_after_the_tap_loses_nothing_and_shows_no_barcode_twice(
    office: Office, working: Device
) -> None:
    cut(office, working)
    first = working.charge(SPOT)["id"]
    working.kill()
    working.start()
    assert first not in kept(working)
    assert working.get(f"/api/charges/{first}")["qris"] == office.charges[first]["qris"]
    assert working.charge(SPOT)["id"] != first
    office.start()
    until(lambda: first in office.claims and working.status()["unsynced"] == 0)


def test_no_way_out_with_a_claim_unsent(office: Office, working: Device) -> None:
    cut(office, working)
    working.charge(SPOT)
    refused = working.close(0)
    assert (refused.status_code, refused.json()["slug"]) == (409, "unsynced-records")
    assert "Sambungkan" not in working.http.get(f"/spots/{SPOT}").text


def test_what_a_shift_may_show_alone_is_capped_and_cash_is_not(
    office: Office, device: Device
) -> None:
    office.offline |= {"pool_size": 3, "limit_count": 2}
    device.sign_in()
    device.http.get(f"/spots/{SPOT}")
    until(lambda: len(kept(device)) == 9)
    cut(office, device)
    for _ in range(2):
        device.charge(SPOT)
    refused = device.http.post("/api/charges", json={"spot": SPOT, "vehicle_class": "motorcycle"})
    assert (refused.status_code, refused.json()["slug"]) == (409, "offline-limit")
    assert "Batas kode tercapai" in device.http.get(f"/spots/{SPOT}").text
    device.cash(SPOT)
    assert device.status()["offline"]["count"] == 2
    office.start()
    until(lambda: device.status()["offline"]["count"] == 0 and device.status()["online"])
    assert len(office.claims) == 2
    cut(office, device)
    assert device.charge(SPOT)["qris"]


def test_the_cap_in_rupiah_counts_what_the_next_would_add(office: Office, device: Device) -> None:
    office.offline |= {"pool_size": 3, "limit_rp": 7_500}
    device.sign_in()
    device.http.get(f"/spots/{SPOT}")
    until(lambda: len(kept(device)) == 9)
    cut(office, device)
    assert device.charge(SPOT, "car")["qris"]
    body = {"spot": SPOT, "vehicle_class": "car"}
    assert device.http.post("/api/charges", json=body).json()["slug"] == "offline-limit"
    assert device.charge(SPOT)["qris"]


def test_a_claim_the_office_refuses_stays_here_marked(office: Office, working: Device) -> None:
    cut(office, working)
    shown = working.charge(SPOT)["id"]
    office.claims[shown] = b"claimed by somebody else"
    office.start()
    until(lambda: working.get(f"/api/charges/{shown}")["sync"] == "refused")
    until(lambda: (working.status()["quarantined"], working.status()["unsynced"]) == (1, 0))
    assert shown not in kept(working)


def test_what_lapses_is_renewed_and_what_costs_otherwise_is_not_shown(
    office: Office, working: Device
) -> None:
    before = set(kept(working))
    now = datetime.now(UTC)
    long_ago, soon = ((now + timedelta(hours=hours)).isoformat() for hours in (-12, 0.5))
    working.kill()
    with sqlite3.connect(working.folder / "handheld.sqlite") as db:
        change = "json_set(known, '$.created_at', ?, '$.expires_at', ?)"
        db.execute(f"UPDATE pool SET known = {change}", (long_ago, soon))
    working.start()
    until(lambda: len(kept(working)) == 12)
    cut(office, working)
    # What lapses first is shown first, while it still gives its driver time.
    assert working.charge(SPOT)["id"] in before
    working.kill()
    with sqlite3.connect(working.folder / "handheld.sqlite") as db:
        db.execute("UPDATE pool SET known = json_set(known, '$.amount_rp', 1)")
    working.start()
    assert working.charge(SPOT)["qris"] is None


def test_what_a_former_acquirer_issued_is_replaced_and_shown_to_nobody_new(
    office: Office, working: Device
) -> None:
    cut(office, working)
    shown = working.charge(SPOT)["id"]
    former = set(kept(working))
    office.issuer, office.offline["issuers"] = "b", {"MTG": "b"}
    working.kill()
    office.start()
    working.start()  # it asks for master data at once
    until(lambda: len(set(kept(working)) - former) == 6)
    assert {office.charges[one]["issued_by"] for one in set(kept(working)) - former} == {"b"}
    # What a driver had been shown is paid as ever.
    office.pay(shown)
    until(lambda: working.get(f"/api/charges/{shown}")["state"] == "paid")
    cut(office, working)
    for wheels in ("motorcycle", "car", "truck"):
        assert {working.charge(SPOT, wheels)["id"] for _ in range(2)}.isdisjoint(former)
    assert working.charge(SPOT)["qris"] is None  # none is left, though some of the former are kept
    assert set(kept(working)) <= former


def test_another_spot_has_no_pool_until_it_is_worked_at(office: Office, working: Device) -> None:
    working.http.get(f"/spots/{OTHER_SPOT}")
    until(lambda: len(kept(working)) == 12)
    cut(office, working)
    shown = working.charge(OTHER_SPOT)
    assert shown["qris"] == office.charges[shown["id"]]["qris"]
    assert office.charges[shown["id"]]["spot"] == OTHER_SPOT


def test_another_attendant_does_not_show_what_was_issued_for_the_first(
    office: Office, working: Device
) -> None:
    first = set(kept(working))
    until(lambda: working.status()["unsynced"] == 0)
    assert working.close(0).status_code == 200
    working.sign_in("J-002", "222222")
    until(lambda: len(kept(working)) == 6 and not first & set(kept(working)))


def test_a_proof_makes_its_own_charge_green_offline(
    office: Office, working: Device, paper: Paper
) -> None:
    cut(office, working)
    shown = working.charge(SPOT)["id"]
    office.pay(shown)
    told = working.http.post("/api/resolve", json={"text": office.prove(shown)}).json()["result"]
    assert (told["kind"], told["verdict"]) == ("proof", "paid")
    assert 'class="charge is-paid"' in working.http.get(f"/charges/{shown}").text
    assert working.status()["offline"]["count"] == 0
    assert paper.jobs == []
