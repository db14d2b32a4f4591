"""The sandbox's own controls: truth by date, faults, refusals in two languages."""

import sqlite3
from typing import Any

import pytest

from server.sandbox import report
from server.sandbox.faults import FAULTS
from server.sandbox.settings import Settings
from server.sandbox.tables import ADDED_COLUMNS
from server.sandbox.truth import Truth
from tests.server.sandbox.conftest import Partner


async def test_truth_shows_one_day_or_everything(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1"))["qrContent"])
    partner.advance(days=1)
    await partner.fetch_token()
    await partner.order("K-2")
    everything = (await partner.client.get("/sandbox/truth")).json()
    assert [order["partner_reference_no"] for order in everything["orders"]] == ["K-1", "K-2"]
    day = (await partner.client.get("/sandbox/truth?date=2026-11-21")).json()
    assert [order["partner_reference_no"] for order in day["orders"]] == ["K-1"]
    assert day["payments"][0]["paid_at"] == "2026-11-21T10:00:00+07:00"
    assert day["notifications"][0]["payment_id"] == day["payments"][0]["id"]
    assert (await partner.client.get("/sandbox/truth?date=2026-11-20")).json()["payments"] == []


async def test_faults_are_listed_counted_and_cleared(partner: Partner) -> None:
    await partner.fault("query_500", times=3)
    await partner.order("K-1")
    await partner.query("K-1")
    listed = (await partner.client.get("/sandbox/faults")).json()
    assert set(listed["known"]) == set(FAULTS)
    [fault] = listed["faults"]
    assert (fault["remaining"], fault["fired"]) == (2, 1)
    cleared = await partner.client.post("/sandbox/faults", json={"clear": True})
    assert cleared.json()["faults"][0]["remaining"] == 0
    assert (await partner.query("K-1"))["responseCode"] == "2005100"


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/sandbox/faults", {"fault": "earthquake"}, "unknown_fault"),
        ("/sandbox/faults", {"fault": ["query_500"]}, "unknown_fault"),
        ("/sandbox/faults", {"fault": "query_500", "times": 0}, "bad_fault"),
        ("/sandbox/faults", {"fault": "query_500", "times": True}, "bad_fault"),
        ("/sandbox/faults", {"fault": "query_500", "reference": 5}, "bad_fault"),
        ("/sandbox/faults", {"fault": "query_delay", "value": -1}, "bad_fault"),
        ("/sandbox/faults", [], "not_json"),
        ("/sandbox/faults", {"fault": "x" * 5_000}, "too_long"),
        ("/sandbox/day-end", {"date": "21-11-2026"}, "bad_date"),
        ("/sandbox/day-end", {}, "bad_date"),
    ],
)
async def test_refusals_name_the_fault(partner: Partner, path: str, body: Any, error: str) -> None:
    response = await partner.client.post(path, json=body)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert response.json()["message"]
    assert response.json()["message_en"]


def test_a_ledger_of_before_gets_the_columns_added_since(settings: Settings) -> None:
    path = settings.data / "truth.sqlite3"
    Truth(path, settings.zone).close()
    with sqlite3.connect(path) as old:
        for table, column, _ in ADDED_COLUMNS:
            old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    truth = Truth(path, settings.zone)
    assert truth.clock_offset_ms == 0
    assert report.everything(truth, None)["orders"] == []
    truth.close()


async def test_truth_adds_up_per_reference(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1", 5_000))["qrContent"], "twice")
    body = {
        "originalPartnerReferenceNo": "K-1",
        "partnerRefundNo": "R-1",
        "refundAmount": {"value": "5000.00", "currency": "IDR"},
    }
    assert (await partner.call("refund", body)).is_success
    await partner.order("K-2")
    before = (await partner.truth())["references"]
    assert [line["settled_net_rp"] for line in before] == [0, 0]
    day = await partner.client.post("/sandbox/day-end", json={"date": "2026-11-21"})
    first, second = (await partner.truth())["references"]
    sums = ("ordered_rp", "paid_rp", "refunded_rp", "settled_payments_rp", "settled_mdr_rp")
    assert [first[name] for name in sums] == [5_000, 10_000, 5_000, 10_000, 70]
    assert first["settled_net_rp"] == day.json()["net_rp"] == 4_930
    assert (second["paid_rp"], second["settled_net_rp"]) == (0, 0)
