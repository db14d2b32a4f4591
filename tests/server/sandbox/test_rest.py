"""The REST transport: the same truth, told as Midtrans' Core API tells it."""

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest

import qris
from tests.server.sandbox.conftest import SECRET, Partner
from tests.server.sandbox.receiver import Receiver
from tests.server.sandbox.test_notifier import delivered

BASIC = {"Authorization": "Basic " + base64.b64encode(f"{SECRET}:".encode()).decode()}


async def charge(partner: Partner, reference: str, **more: Any) -> httpx.Response:
    body = {
        "payment_type": "qris",
        "transaction_details": {"order_id": reference, "gross_amount": 2_000},
        "custom_expiry": {"expiry_duration": 600, "unit": "second"},
        **more,
    }
    return await partner.client.post("/v2/charge", json=body, headers=BASIC)


async def status(partner: Partner, reference: str) -> dict[str, Any]:
    told: dict[str, Any] = (
        await partner.client.get(f"/v2/{reference}/status", headers=BASIC)
    ).json()
    return told


async def refund(partner: Partner, reference: str, **body: Any) -> dict[str, Any]:
    path = f"/v2/{reference}/refund/online/direct"
    told: dict[str, Any] = (await partner.client.post(path, json=body, headers=BASIC)).json()
    return told


async def test_charge_pay_and_hear_of_it(partner: Partner, receiver: Receiver) -> None:
    made = await charge(partner, "K-1")
    assert made.status_code == 201
    answer = made.json()
    expected = {
        "status_code": "201",
        "order_id": "K-1",
        "gross_amount": "2000.00",
        "currency": "IDR",
        "payment_type": "qris",
        "transaction_status": "pending",
        "transaction_time": "2026-11-21 10:00:00",
        "expiry_time": "2026-11-21 10:10:00",
    }
    assert expected.items() <= answer.items()
    assert qris.parse(answer["qr_string"]).amount_rp == 2_000

    rrn = (await partner.pay(answer["qr_string"])).json()["rrn"]
    [heard] = await receiver.wait_for(1)
    assert heard.path == "/v1/acquirer/notifications"
    said = json.loads(heard.body)
    assert (said["order_id"], said["transaction_status"]) == ("K-1", "settlement")
    signed = f"K-1200{said['gross_amount']}{SECRET}"
    assert said["signature_key"] == hashlib.sha512(signed.encode()).hexdigest()
    await delivered(partner)

    told = await status(partner, "K-1")
    assert (told["status_code"], told["transaction_status"]) == ("200", "settlement")
    assert (told["reference_id"], told["settlement_time"]) == (rrn, "2026-11-21 10:00:00")
    assert await status(partner, told["transaction_id"]) == told


async def test_refunds_are_listed_and_never_too_much(partner: Partner) -> None:
    code = (await charge(partner, "K-1")).json()["qr_string"]
    assert (await refund(partner, "K-1", refund_key="R-1"))["status_code"] == "412"
    await partner.pay(code)
    part = await refund(partner, "K-1", refund_key="R-1", amount=500, reason="bayar dobel")
    assert (part["status_code"], part["transaction_status"]) == ("200", "partial_refund")
    assert (await refund(partner, "K-1", refund_key="R-1", amount=500))["status_code"] == "406"
    assert (await refund(partner, "K-1", refund_key="R-2", amount=1_501))["status_code"] == "414"
    assert (await refund(partner, "K-1", refund_key="R-2", amount="1"))["status_code"] == "414"
    rest = await refund(partner, "K-1", refund_key="R-2")
    assert (rest["transaction_status"], rest["refund_amount"]) == ("refund", "1500.00")
    told = await status(partner, "K-1")
    assert [one["refund_key"] for one in told["refunds"]] == ["R-1", "R-2"]
    assert told["refund_amount"] == "2000.00"
    day = await partner.client.post("/sandbox/day-end", json={"date": "2026-11-21"})
    assert day.json()["gross_rp"] == 0
    [line] = (await partner.truth())["references"]
    assert (line["channel"], line["paid_rp"], line["refunded_rp"]) == ("rest", 2_000, 2_000)
    assert line["settled_net_rp"] == day.json()["net_rp"] == -14


async def test_cancel_and_expiry(partner: Partner) -> None:
    code = (await charge(partner, "K-1")).json()["qr_string"]
    path = "/v2/K-1/cancel"
    assert (await partner.client.post(path, headers=BASIC)).json()["transaction_status"] == "cancel"
    assert (await partner.client.post(path, headers=BASIC)).json()["status_code"] == "412"
    assert (await status(partner, "K-1"))["transaction_status"] == "cancel"
    assert (await partner.pay(code)).json()["state"] == "cancelled"
    await charge(partner, "K-2")
    partner.advance(minutes=10)
    expired = await status(partner, "K-2")
    assert (expired["status_code"], expired["transaction_status"]) == ("407", "expire")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payment_type": "gopay"}, "402"),
        ({"transaction_details": {"order_id": "K-2", "gross_amount": 0}}, "400"),
        ({"transaction_details": {"order_id": "K-2", "gross_amount": "2000"}}, "400"),
        ({"transaction_details": {"order_id": "K-2", "gross_amount": 10_000_001}}, "400"),
        ({"transaction_details": {"gross_amount": 2_000}}, "400"),
        ({"transaction_details": "K-2"}, "400"),
        ({"custom_expiry": {"expiry_duration": 0}}, "400"),
        ({"custom_expiry": {"expiry_duration": 5, "unit": "fortnight"}}, "400"),
        ({"custom_expiry": {"expiry_duration": 10**30, "unit": "day"}}, "400"),
    ],
)
async def test_charge_refusals(partner: Partner, change: dict[str, Any], code: str) -> None:
    refused = await charge(partner, "K-1", **change)
    assert (str(refused.status_code), refused.json()["status_code"]) == (code, code)
    assert (await partner.truth())["orders"] == []


async def test_who_is_let_in_and_what_is_not_there(partner: Partner) -> None:
    await charge(partner, "K-1")
    assert (await charge(partner, "K-1")).json()["status_code"] == "406"
    for word in ("", "Basic", "Basic !!", "Basic " + base64.b64encode(b"x:").decode()):
        refused = await partner.client.get("/v2/K-1/status", headers={"Authorization": word})
        assert (refused.status_code, refused.json()["status_code"]) == (401, "401")
    assert (await status(partner, "K-9"))["status_code"] == "404"
    await partner.order("K-snap")
    assert (await status(partner, "K-snap"))["status_code"] == "404"
    assert (await partner.query("K-1"))["responseCode"] == "4045101"


async def test_the_faults_are_the_same(partner: Partner, receiver: Receiver) -> None:
    await partner.fault("generate_504_after_booking", reference="K-1")
    assert (await charge(partner, "K-1")).json()["status_code"] == "504"
    assert (await status(partner, "K-1"))["transaction_status"] == "pending"
    await partner.fault("query_not_found")
    assert (await status(partner, "K-1"))["status_code"] == "404"
    await partner.fault("generate_409_reference")
    assert (await charge(partner, "K-2")).json()["status_code"] == "406"
    await partner.fault("notify_wrong_amount")
    await partner.pay((await status(partner, "K-1"))["qr_string"])
    said = json.loads((await receiver.wait_for(1))[0].body)
    assert said["gross_amount"] == "2001.00"
    signed = f"K-12002001.00{SECRET}"
    assert said["signature_key"] == hashlib.sha512(signed.encode()).hexdigest()
    await partner.fault("notify_bad_signature")
    await partner.pay((await charge(partner, "K-3")).json()["qr_string"])
    said = json.loads((await receiver.wait_for(2))[1].body)
    assert said["gross_amount"] == "2000.00"
    signed = f"K-32002000.00{SECRET}"
    assert said["signature_key"] != hashlib.sha512(signed.encode()).hexdigest()
