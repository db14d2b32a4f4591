"""The SNAP services: who is let in, what is answered, and which code names each fault."""

import json
from typing import Any

import pytest

import qris
from server.sandbox import snap
from tests.server.sandbox.conftest import Partner, order_body


async def test_a_token_lasts_fifteen_minutes(partner: Partner) -> None:
    answer = (await partner.fetch_token()).json()
    assert answer["responseCode"] == "2007300"
    assert (answer["tokenType"], answer["expiresIn"]) == ("Bearer", "900")
    await partner.order("K-1")
    partner.advance(seconds=901)
    late = await partner.call("generate", order_body("K-2"))
    assert (late.status_code, late.json()["responseCode"]) == (401, "4014701")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-CLIENT-KEY": "somebody-else"}, "4017300"),
        ({"X-SIGNATURE": "AAAA"}, "4017300"),
        ({"X-SIGNATURE": ""}, "4007302"),
        ({"X-TIMESTAMP": "2026-11-21T02:44:59Z"}, "4017300"),
        ({"X-TIMESTAMP": "2026-11-21T10:15:01+07:00"}, "4017300"),
        ({"X-TIMESTAMP": "21 November 2026"}, "4007301"),
        ({"X-TIMESTAMP": "2026-02-30T10:00:00Z"}, "4007301"),
    ],
)
async def test_token_refusals(partner: Partner, headers: dict[str, str], code: str) -> None:
    response = await partner.fetch_token(**headers)
    assert response.json()["responseCode"] == code
    assert str(response.status_code) == code[:3]


async def test_no_token_while_the_partner_key_is_missing(partner: Partner) -> None:
    partner.settings.partner_key_file.unlink()
    assert (await partner.fetch_token()).json()["responseCode"] == "4017300"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"X-SIGNATURE": "AAAA"}, "4014700"),
        ({"X-SIGNATURE": ""}, "4004702"),
        ({"Authorization": "Bearer wrong"}, "4014701"),
        ({"Authorization": "Basic abc"}, "4014701"),
        ({"Authorization": ""}, "4004702"),
        ({"X-TIMESTAMP": "2026-11-21T02:44:59Z"}, "4014700"),
        ({"X-TIMESTAMP": "0001-01-01T00:00:00+14:00"}, "4014700"),
        ({"X-TIMESTAMP": "soon"}, "4004701"),
        ({"X-PARTNER-ID": "somebody-else"}, "4044716"),
        ({"X-EXTERNAL-ID": ""}, "4004702"),
        ({"X-EXTERNAL-ID": "abc"}, "4004701"),
        ({"X-EXTERNAL-ID": "1" * 37}, "4004701"),
        ({"CHANNEL-ID": "123456"}, "4004701"),
    ],
)
async def test_header_refusals(partner: Partner, changed: dict[str, str], code: str) -> None:
    response = await partner.call("generate", order_body("K-1"), **changed)
    assert response.json()["responseCode"] == code
    assert str(response.status_code) == code[:3]
    assert (await partner.truth())["orders"] == []


async def test_one_changed_byte_breaks_the_signature(partner: Partner) -> None:
    await partner.fetch_token()
    path = "/v1.0/qr/qr-mpm-generate"
    content = json.dumps(order_body("K-1"), separators=(",", ":")).encode()
    headers = partner.headers(path, content)
    changed = content.replace(b"5000.00", b"5001.00")
    response = await partner.client.post(path, content=changed, headers=headers)
    assert response.json()["responseCode"] == "4014700"


async def test_the_signature_covers_the_query_string(partner: Partner) -> None:
    await partner.fetch_token()
    content = json.dumps(order_body("K-1"), separators=(",", ":")).encode()
    path = "/v1.0/qr/qr-mpm-generate?lane=2"
    assert (await partner.post(path, content)).json()["responseCode"] == "2004700"
    headers = partner.headers("/v1.0/qr/qr-mpm-generate", content)
    response = await partner.client.post(path, content=content, headers=headers)
    assert response.json()["responseCode"] == "4014700"


async def test_whitespace_does_not_count_in_the_signature(partner: Partner) -> None:
    await partner.fetch_token()
    path = "/v1.0/qr/qr-mpm-generate"
    compact = json.dumps(order_body("K-1"), separators=(",", ":")).encode()
    spread = json.dumps(order_body("K-1"), indent=2).encode()
    response = await partner.client.post(
        path, content=spread, headers=partner.headers(path, compact)
    )
    assert response.json()["responseCode"] == "2004700"


async def test_an_external_id_serves_once_a_day(partner: Partner) -> None:
    assert (await partner.call("generate", order_body("K-1"), **{"X-EXTERNAL-ID": "77"})).is_success
    again = await partner.call("generate", order_body("K-2"), **{"X-EXTERNAL-ID": "77"})
    assert (again.status_code, again.json()["responseCode"]) == (409, "4094700")
    query = {"originalPartnerReferenceNo": "K-1", "serviceCode": "47"}
    other = await partner.call("query", query, **{"X-EXTERNAL-ID": "77"})
    assert other.json()["responseCode"] == "4095100"
    partner.advance(hours=14)  # 00.00 WIB: the day is the acquirer's, not UTC's
    await partner.fetch_token()
    tomorrow = await partner.call("generate", order_body("K-3"), **{"X-EXTERNAL-ID": "77"})
    assert tomorrow.json()["responseCode"] == "2004700"


async def test_generate_gives_a_dynamic_code_of_the_profile(partner: Partner) -> None:
    answer = await partner.order("K-1", 12_500, terminalId="T07", storeId="ZONA-3")
    code = qris.parse(answer["qrContent"])
    assert code.warnings == ()
    assert code.is_dynamic
    assert code.amount == "12500"
    assert (code.name, code.mcc, code.postal_code) == ("PARKIR KAB CONTOH", "7523", "99999")
    assert code.nmid == partner.settings.nmid
    assert code.national is not None
    assert code.national.guid == "ID.CO.QRIS.WWW"
    assert code.pan == partner.settings.mpan
    assert code.additional is not None
    assert code.additional.bill_number == answer["referenceNo"]
    assert code.additional.terminal_label == "T07"
    assert answer["storeId"] == "ZONA-3"
    assert answer["additionalInfo"]["validityPeriod"] == "2026-11-21T10:15:00+07:00"
    assert "qrImage" not in answer


async def test_asking_again_gives_the_same_code(partner: Partner) -> None:
    first = await partner.order("K-1", validityPeriod="2026-11-21T10:05:00+07:00")
    partner.advance(minutes=10)
    again = await partner.order("K-1", validityPeriod="2026-11-21T10:15:00+07:00")
    assert again == first
    other = await partner.call("generate", order_body("K-1", 6_000))
    assert (other.status_code, other.json()["responseCode"]) == (409, "4094701")
    elsewhere = await partner.call("generate", order_body("K-1", terminalId="T2"))
    assert elsewhere.json()["responseCode"] == "4094701"
    assert len((await partner.truth())["orders"]) == 1


def _amount(value: Any, currency: Any = "IDR") -> dict[str, Any]:
    return {"amount": {"value": value, "currency": currency}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"partnerReferenceNo": None}, "4004702"),
        ({"partnerReferenceNo": ""}, "4004702"),
        ({"partnerReferenceNo": "a" * 65}, "4004701"),
        ({"partnerReferenceNo": 17}, "4004701"),
        ({"partnerReferenceNo": "=SUM(A1)"}, "4004701"),
        ({"partnerReferenceNo": "\ud800"}, "4004701"),
        ({"amount": None}, "4004702"),
        ({"amount": "5000.00"}, "4004701"),
        ({"amount": {}}, "4004702"),
        (_amount(5000), "4004701"),
        (_amount("5000"), "4004701"),
        (_amount("5,000.00"), "4004701"),
        (_amount("-5000.00"), "4004701"),
        (_amount("٥٠٠٠.00"), "4004701"),
        (_amount("5000.50"), "4044713"),
        (_amount("0.00"), "4044713"),
        (_amount("10000001.00"), "4034702"),
        (_amount("5000.00", "USD"), "4004701"),
        ({"feeAmount": {"value": "500.00", "currency": "IDR"}}, "4034715"),
        ({"merchantId": None}, "4004702"),
        ({"merchantId": "SOMEBODY"}, "4044708"),
        ({"terminalId": "t" * 17}, "4004701"),
        ({"storeId": ["x"]}, "4004701"),
        ({"validityPeriod": "later"}, "4004701"),
        ({"validityPeriod": "2026-11-21T09:59:59+07:00"}, "4004701"),
        ({"validityPeriod": "9999-12-31T23:59:59-12:00"}, "4004701"),
        ({"additionalInfo": "x"}, "4004701"),
    ],
)
async def test_body_refusals(partner: Partner, change: dict[str, Any], code: str) -> None:
    response = await partner.call("generate", order_body("K-1") | change)
    assert response.json()["responseCode"] == code
    assert str(response.status_code) == code[:3]
    assert (await partner.truth())["orders"] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a":NaN}',
        b"\xff\xfe{}",
        b"[" * 9_000,
        b'{"a":' + b"9" * 9_000 + b"}",
        b'{"a":"' + b"x" * snap.MAX_BODY_BYTES + b'"}',
    ],
)
async def test_broken_bodies_are_bad_requests(partner: Partner, content: bytes) -> None:
    response = await partner.post("/v1.0/qr/qr-mpm-generate", content)
    assert (response.status_code, response.json()["responseCode"]) == (400, "4004700")


async def test_query_follows_the_life_of_an_order(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    first = await partner.query("K-1")
    assert (first["responseCode"], first["latestTransactionStatus"]) == ("2005100", "01")
    await partner.pay(code, "decline")
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "06"
    rrn = (await partner.pay(code)).json()["rrn"]
    partner.advance(minutes=3)
    paid = await partner.query("K-1")
    assert paid["latestTransactionStatus"] == "00"
    assert paid["paidTime"] == "2026-11-21T10:00:00+07:00"
    assert paid["amount"] == {"value": "5000.00", "currency": "IDR"}
    details = paid["additionalInfo"]
    assert (details["rrn"], details["qrContent"]) == (rrn, code)
    assert details["issuerName"]
    assert details["mpan"][:18] == partner.settings.mpan


async def test_query_tells_pending_expired_and_unknown(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    await partner.order("K-2")
    await partner.pay(code, "late")
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "03"
    partner.advance(seconds=900)
    await partner.fetch_token()
    assert (await partner.query("K-2"))["latestTransactionStatus"] == "05"
    response = await partner.call(
        "query", {"originalPartnerReferenceNo": "K-9", "serviceCode": "47"}
    )
    assert response.status_code == 404
    assert response.json()["responseCode"] == "4045101"
    assert response.json()["latestTransactionStatus"] == "07"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"serviceCode": "47"}, "4005102"),
        ({"originalPartnerReferenceNo": "K-1"}, "4005102"),
        ({"originalPartnerReferenceNo": "K-1", "serviceCode": "99"}, "4005101"),
        (
            {"originalPartnerReferenceNo": "K-1", "serviceCode": "47", "merchantId": "X"},
            "4045108",
        ),
        (
            {
                "originalPartnerReferenceNo": "K-1",
                "originalReferenceNo": "20261121000000000009",
                "serviceCode": "47",
            },
            "4045101",
        ),
    ],
)
async def test_query_refusals(partner: Partner, body: dict[str, Any], code: str) -> None:
    await partner.order("K-1")
    assert (await partner.call("query", body)).json()["responseCode"] == code


async def test_a_cancelled_code_is_paid_no_more(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    body = {
        "originalPartnerReferenceNo": "K-1",
        "merchantId": partner.settings.merchant_id,
        "reason": "kendaraan pergi",
    }
    first = (await partner.call("cancel", body)).json()
    assert first["responseCode"] == "2007700"
    partner.advance(minutes=1)
    assert (await partner.call("cancel", body)).json() == first
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "05"
    assert (await partner.pay(code)).json()["state"] == "cancelled"
    paid = (await partner.order("K-2"))["qrContent"]
    await partner.pay(paid)
    refused = await partner.call("cancel", body | {"originalPartnerReferenceNo": "K-2"})
    assert refused.json()["responseCode"] == "4047714"


async def test_refunds_never_exceed_what_was_paid(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]

    async def refund(number: str, value: str) -> dict[str, Any]:
        body = {
            "originalPartnerReferenceNo": "K-1",
            "partnerRefundNo": number,
            "refundAmount": {"value": value, "currency": "IDR"},
            "reason": "bayar dobel",
        }
        answer: dict[str, Any] = (await partner.call("refund", body)).json()
        return answer

    assert (await refund("R-1", "2000.00"))["responseCode"] == "4047800"
    await partner.pay(code)
    first = await refund("R-1", "2000.00")
    assert first["responseCode"] == "2007800"
    assert await refund("R-1", "2000.00") == first
    assert (await refund("R-1", "2500.00"))["responseCode"] == "4047818"
    assert (await refund("R-2", "3000.01"))["responseCode"] == "4047813"
    assert (await refund("R-2", "3001.00"))["responseCode"] == "4047813"
    assert (await refund("R-2", "3000.00"))["refundAmount"]["value"] == "3000.00"
    assert (await refund("R-3", "1.00"))["responseCode"] == "4047813"


@pytest.mark.parametrize(("fault", "code"), [("500", "5005100"), ("504", "5045100")])
async def test_scripted_faults_fire_as_often_as_asked(
    partner: Partner, fault: str, code: str
) -> None:
    await partner.order("K-1")
    await partner.order("K-2")
    await partner.fault(f"query_{fault}", times=2, reference="K-1")
    assert (await partner.query("K-2"))["responseCode"] == "2005100"
    assert (await partner.query("K-1"))["responseCode"] == code
    assert (await partner.query("K-1"))["responseCode"] == code
    assert (await partner.query("K-1"))["responseCode"] == "2005100"


async def test_revoked_tokens_are_asked_for_anew(partner: Partner) -> None:
    await partner.order("K-1")
    await partner.fault("tokens_revoked")
    assert (await partner.query("K-1"))["responseCode"] == "4015101"
    await partner.fetch_token()
    assert (await partner.query("K-1"))["responseCode"] == "2005100"
