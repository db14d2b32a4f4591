"""The sandbox's own controls: truth by date, faults, refusals in two languages."""

from typing import Any

import pytest

from server.sandbox.faults import FAULTS
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
