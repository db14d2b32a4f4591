"""An acquirer over plain REST, and the webhook that announces without proving."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from pydantic import SecretStr

from server.app import create_app
from server.payments import queries
from server.payments.acquirer import (
    AcquirerRefused,
    AcquirerUnknown,
    NotOffered,
    PaidStatus,
    ToldRefund,
    profile,
)
from server.payments.callbacks import MAX_BODY, Callback, Refused
from server.payments.rest import RestAcquirer, RestListener
from server.settings import Settings
from tests.server.conftest import CLIENT_SECRET, Sandbox
from tests.server.payments.conftest import CAR_RP, Answering, Office, answers
from tests.server.payments.voice import Voice

WEBHOOK = "/v1/acquirer/notifications"
MERCHANT = "KARCIS000000001"
AMOUNT_RP = 4_000
PAID = {
    "status_code": "200",
    "transaction_id": "01bf5e23-7183-4cfe-862c-58a3f6e8f0a2",
    "transaction_status": "settlement",
    "fraud_status": "accept",
    "gross_amount": "4000.00",
    "currency": "IDR",
    "settlement_time": "2026-11-21 10:15:00",
    "reference_id": "626100000001",
}


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=15)


def scripted(answering: Answering) -> RestAcquirer:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answering), base_url="http://acquirer")
    return RestAcquirer(client, profile("sandbox-rest"), SecretStr(CLIENT_SECRET))


# What we say


async def test_requests_are_as_the_reference_has_them():
    sent: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=PAID | {"qr_string": "000201"})

    acquirer = scripted(keep)
    await acquirer.generate("abc", AMOUNT_RP, datetime.now(UTC) + timedelta(seconds=900))
    await acquirer.inquire("abc")
    await acquirer.cancel("abc", "pergi")
    await acquirer.refund("abc", "abcR1", 1_500, "lebih bayar")
    assert [(request.method, request.url.path) for request in sent] == [
        ("POST", "/v2/charge"),
        ("GET", "/v2/abc/status"),
        ("POST", "/v2/abc/cancel"),
        ("POST", "/v2/abc/refund"),
    ]
    expected = "Basic " + base64.b64encode(f"{CLIENT_SECRET}:".encode()).decode()
    assert {request.headers["authorization"] for request in sent} == {expected}
    charge, _, _, refund = sent
    assert charge.headers["content-type"] == refund.headers["content-type"] == "application/json"
    assert json.loads(charge.content) == {
        "payment_type": "qris",
        "transaction_details": {"order_id": "abc", "gross_amount": AMOUNT_RP},
        "custom_expiry": {"expiry_duration": 900, "unit": "second"},
    }
    assert json.loads(refund.content) == {
        "refund_key": "abcR1",
        "amount": 1_500,
        "reason": "lebih bayar",
    }


# What its answers mean

CODES = {
    AcquirerRefused: "400 401 402 403 404 405 410 413",
    AcquirerUnknown: "202 300 406 407 408 409 411 412 414 418 429 500 501 502 503 504 505 999",
}


@pytest.mark.parametrize("refusal", CODES)
async def test_only_what_surely_booked_nothing_is_called_refused(refusal):
    for code in [
        *CODES[refusal].split(),
        *([] if refusal is AcquirerRefused else ["", "20", "OK"]),
    ]:
        acquirer = scripted(answers(PAID | {"status_code": code, "qr_string": "000201"}))
        for call in (
            acquirer.generate("abc", AMOUNT_RP, soon()),
            acquirer.cancel("abc", "pergi"),
            acquirer.refund("abc", "R1", AMOUNT_RP, "rusak"),
        ):
            with pytest.raises(refusal):
                await call


@pytest.mark.parametrize("left_out", ["qr_string", "transaction_id"])
async def test_a_charge_without_its_barcode_or_its_number_is_unknown(left_out):
    whole = PAID | {"status_code": "201", "qr_string": "000201"}
    assert (await scripted(answers(whole)).generate("abc", AMOUNT_RP, soon())).qris == "000201"
    acquirer = scripted(answers({k: v for k, v in whole.items() if k != left_out}))
    with pytest.raises(AcquirerUnknown):
        await acquirer.generate("abc", AMOUNT_RP, soon())


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("settlement", PaidStatus.PAID),
        ("partial_refund", PaidStatus.PAID),
        ("refund", PaidStatus.REFUNDED),
        ("pending", PaidStatus.UNPAID),
        ("deny", PaidStatus.UNPAID),
        ("failure", PaidStatus.UNPAID),
        ("cancel", PaidStatus.CANCELLED),
        ("expire", PaidStatus.CANCELLED),
        ("capture", PaidStatus.UNKNOWN),
        ("authorize", PaidStatus.UNKNOWN),
        ("Settlement", PaidStatus.UNKNOWN),
        ("", PaidStatus.UNKNOWN),
        (None, PaidStatus.UNKNOWN),
    ],
)
async def test_an_inquiry_reads_what_became_of_an_order(said, status):
    answer = await scripted(answers(PAID | {"transaction_status": said})).inquire("abc")
    assert answer.status is status
    assert answer.amount_rp == (AMOUNT_RP if status in ("paid", "refunded") else None)
    assert answer.paid_at == datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
    assert (answer.acquirer_reference, answer.rrn) == (PAID["transaction_id"], "626100000001")


@pytest.mark.parametrize(
    "changed",
    [
        {"gross_amount": "4000.50"},
        {"gross_amount": 4000},
        {"gross_amount": "0.00"},
        {"gross_amount": None},
        {"currency": "USD"},
        {"status_code": "500"},
        {"status_code": "300"},
        {"status_code": None},
    ],
    ids=str,
)
async def test_no_odd_answer_is_taken_for_an_outcome(changed):
    with pytest.raises(AcquirerUnknown):
        await scripted(answers(PAID | changed)).inquire("abc")


async def test_money_held_for_suspected_fraud_is_not_ours_yet():
    for fraud_status in ("challenge", "deny", None):
        body = PAID | {"fraud_status": fraud_status}
        assert (await scripted(answers(body)).inquire("abc")).status is PaidStatus.UNKNOWN
    missing = {name: value for name, value in PAID.items() if name != "fraud_status"}
    assert (await scripted(answers(missing)).inquire("abc")).status is PaidStatus.PAID


async def test_an_order_nobody_knows_is_not_found():
    answer = await scripted(answers({"status_code": "404"}, 404)).inquire("abc")
    assert answer.status is PaidStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("told", "number"), [(77, "000000000077"), ("A 1", "A1"), (None, "R1"), (0, "R1")]
)
async def test_the_number_of_a_refund_is_spelled_as_settlement_files_are_read(told, number):
    acquirer = scripted(answers({"status_code": "200", "refund_chargeback_id": told}))
    answer = await acquirer.refund("abc", "R1", AMOUNT_RP, "rusak")
    assert answer.refund_number == number


async def test_the_answer_to_another_refund_is_none_to_ours():
    acquirer = scripted(answers({"status_code": "200", "refund_key": "R2"}))
    with pytest.raises(AcquirerUnknown):
        await acquirer.refund("abc", "R1", AMOUNT_RP, "rusak")


async def test_refunds_are_told_by_their_keys():
    entry = {
        "refund_chargeback_id": 1,
        "refund_amount": "1500.00",
        "created_at": "2026-11-21 10:30:00",
        "refund_key": "abcR1",
    }
    told = ToldRefund("abcR1", 1_500, datetime(2026, 11, 21, 3, 30, tzinfo=UTC))
    cases: list[tuple[str, object, object]] = [
        ("settlement", None, ()),
        ("partial_refund", [entry], (told,)),
        ("refund", [entry], (told,)),
        ("refund", None, None),
        ("refund", [entry | {"refund_key": None}], None),
        ("refund", [entry | {"refund_amount": "x"}], None),
    ]
    for said, history, expected in cases:
        body = PAID | {"transaction_status": said, "refunds": history}
        assert (await scripted(answers(body)).inquire("abc")).refunds == expected


async def test_what_it_does_not_offer_is_refused_without_asking():
    def nobody_asks(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url.path)

    acquirer = scripted(nobody_asks)
    with pytest.raises(NotOffered):
        await acquirer.pay_consumer("abc", AMOUNT_RP, "hQVDUFYw", soon())
    with pytest.raises(NotOffered):
        await acquirer.decode("000201")


# Its webhook


def webhook(order: str, **changed: Any) -> dict[str, Any]:
    body = PAID | {"order_id": order, "merchant_id": MERCHANT} | changed
    signed = f"{body['order_id']}{body['status_code']}{body['gross_amount']}{CLIENT_SECRET}"
    body.setdefault("signature_key", hashlib.sha512(signed.encode()).hexdigest())
    return {name: value for name, value in body.items() if value is not None}


def test_the_signature_is_as_published():
    """The example of the reference: order 1111, code 200, 100000.00 and an invented server key."""
    body = {
        "order_id": "1111",
        "status_code": "200",
        "gross_amount": "100000.00",
        "transaction_id": "1",
        "transaction_status": "settlement",
        "signature_key": hashlib.sha512(
            b"1111200100000.00askvnoibnosifnboseofinbofinfgbiufglnbfg"
        ).hexdigest(),
    }
    hears = RestListener(
        profile("sandbox-rest"), MERCHANT, SecretStr("askvnoibnosifnboseofinbofinfgbiufglnbfg")
    )
    told = hears.read(Callback({}, json.dumps(body).encode()), datetime.now(UTC))
    assert (told.reference, told.amount_rp, told.status_text) == ("1111", 100_000, "settlement")
    assert told.status is PaidStatus.UNKNOWN, "the signature does not cover the word settlement"


@pytest.mark.parametrize(
    ("code", "outcome", "content"),
    [
        ("401", "bad-signature", webhook("a", signature_key="0" * 128)),
        ("401", "bad-signature", webhook("a", signature_key="")),
        ("401", "bad-signature", webhook("a", signature_key=["x"])),
        ("401", "bad-signature", webhook("a", signature_key="é\ud800")),
        ("401", "bad-signature", webhook("a") | {"gross_amount": "5000.00"}),
        ("401", "bad-signature", webhook("a") | {"order_id": "b"}),
        ("401", "bad-signature", webhook("a", status_code="201") | {"status_code": "200"}),
        ("400", "missing-field", webhook("a", transaction_id="")),
        ("400", "missing-field", webhook("a", transaction_status="")),
        ("400", "missing-field", webhook("")),
        ("400", "bad-field", webhook("a", transaction_id="1\x002")),
        ("400", "bad-field", webhook("a", merchant_id=["x"])),
        ("400", "bad-amount", webhook("a", gross_amount="4000.50")),
        ("400", "bad-amount", webhook("a", currency="USD")),
        ("400", "not-json", b"order_id=a"),
        ("400", "not-json", b'{"order_id":"a","order_id":"b"}'),
        ("400", "oversized", b" " * (MAX_BODY + 1)),
    ],
)
def test_each_odd_or_forged_webhook_is_refused(code, outcome, content):
    hears = RestListener(profile("sandbox-rest"), MERCHANT, SecretStr(CLIENT_SECRET))
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(Refused) as refused:
        hears.read(Callback({}, raw), datetime.now(UTC))
    answer = hears.refused(refused.value)
    assert (answer.code, refused.value.outcome) == (code, outcome)
    assert answer.status == int(code)


# The real sandbox


@pytest.fixture
def acquirer(sandbox: Sandbox) -> RestAcquirer:
    return RestAcquirer(sandbox.client, profile("sandbox-rest"), SecretStr(CLIENT_SECRET))


async def test_an_order_is_charged_paid_and_refunded_at_the_sandbox(acquirer, sandbox):
    issued = await acquirer.generate("K-1", AMOUNT_RP, soon())
    unpaid = await acquirer.inquire("K-1")
    assert (unpaid.status, unpaid.qris) == (PaidStatus.UNPAID, issued.qris)
    with pytest.raises(AcquirerUnknown):  # a repeat is for an inquiry to tell
        await acquirer.generate("K-1", AMOUNT_RP, soon())

    rrn = (await sandbox.pay(issued.qris))["rrn"]
    paid = await acquirer.inquire("K-1")
    assert (paid.status, paid.amount_rp, paid.rrn) == (PaidStatus.PAID, AMOUNT_RP, rrn)
    assert (paid.acquirer_reference, paid.refunds) == (issued.acquirer_reference, ())
    assert paid.paid_at is not None
    assert abs(datetime.now(UTC) - paid.paid_at) < timedelta(seconds=30)

    with pytest.raises(AcquirerUnknown):
        await acquirer.cancel("K-1", "terlambat")
    first = await acquirer.refund("K-1", "K-1R1", 1_500, "lebih bayar")
    with pytest.raises(AcquirerUnknown):
        await acquirer.refund("K-1", "K-1R1", 1_500, "lebih bayar")
    with pytest.raises(AcquirerUnknown):
        await acquirer.refund("K-1", "K-1R2", AMOUNT_RP, "terlalu banyak")
    partly = await acquirer.inquire("K-1")
    assert partly.status is PaidStatus.PAID
    assert partly.refunds == (ToldRefund("K-1R1", 1_500, first.refunded_at),)

    await acquirer.refund("K-1", "K-1R3", AMOUNT_RP - 1_500, "sisanya")
    fully = await acquirer.inquire("K-1")
    assert (fully.status, fully.amount_rp) == (PaidStatus.REFUNDED, AMOUNT_RP)
    assert [told.amount_rp for told in fully.refunds or ()] == [1_500, AMOUNT_RP - 1_500]


async def test_an_order_is_cancelled_and_an_unknown_one_is_not(acquirer):
    await acquirer.generate("K-1", AMOUNT_RP, soon())
    await acquirer.cancel("K-1", "pergi")
    assert (await acquirer.inquire("K-1")).status is PaidStatus.CANCELLED
    assert (await acquirer.inquire("K-2")).status is PaidStatus.NOT_FOUND
    for call in (acquirer.cancel("K-2", "pergi"), acquirer.refund("K-2", "R", 1, "rusak")):
        with pytest.raises(AcquirerRefused):
            await call


async def test_a_stranger_is_refused_by_the_sandbox(sandbox):
    stranger = RestAcquirer(sandbox.client, profile("sandbox-rest"), SecretStr("bukan kuncinya"))
    with pytest.raises(AcquirerRefused, match="401"):
        await stranger.generate("K-1", AMOUNT_RP, soon())
    with pytest.raises(AcquirerUnknown):
        await stranger.inquire("K-1")


@pytest.fixture
async def rest_office(settings: Settings, sandbox: Sandbox, voice: Voice) -> AsyncIterator[Office]:
    """The payments slice at work, its acquirer chosen by the settings and reached over REST."""
    application = create_app(settings.model_copy(update={"acquirer": "sandbox-rest"}))
    made = application.state.payments.acquirers.first
    await made.close()
    made._client = sandbox.client
    async with application.router.lifespan_context(application):
        yield Office(application, voice)


async def test_a_webhook_announces_and_the_inquiry_pays(rest_office, sandbox, monkeypatch):
    office = rest_office
    charge_id = await office.request()
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["acquirer"]) == ("issued", "sandbox-rest")
    await sandbox.pay(charge["qris"])
    changed = {"transaction_id": charge["acquirer_reference"], "gross_amount": f"{CAR_RP}.00"}
    told = webhook(charge_id.hex, **changed)
    transport = httpx.ASGITransport(app=office.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as api:
        forged = await api.post(WEBHOOK, json=told | {"gross_amount": "1.00"})
        assert (forged.status_code, forged.json()["status_code"]) == (401, "401")
        with monkeypatch.context() as broken:
            broken.setattr(queries, "lock_charges", AsyncMock(side_effect=ConnectionRefusedError))
            failed = await api.post(WEBHOOK, json=told)
        assert (failed.status_code, failed.json()["status_code"]) == (504, "504")
        for _ in range(2):
            heard = await api.post(WEBHOOK, json=told)
            assert (heard.status_code, heard.json()) == (
                200,
                {"status_code": "200", "status_message": "OK"},
            )
        token = await api.post("/v1.0/access-token/b2b", content=b"{}")
        assert token.status_code == 404
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("issued", None)
    assert charge["next_inquiry_at"] <= datetime.now(UTC)
    outcomes = await office.rows("SELECT outcome, response_code FROM notifications ORDER BY id")
    assert [(row["outcome"], row["response_code"]) for row in outcomes] == [
        ("bad-signature", "401"),
        ("status-settlement", "200"),
        ("status-settlement", "200"),
    ]

    await office.inquire(charge_id)
    assert (await office.charge(charge_id))["money_flag"] == "exact"
    assert await office.count("receipts") == 1


async def test_a_lost_charge_over_rest_is_found_with_its_barcode(rest_office, socket_sandbox):
    """On a real socket, where an answer can be lost."""
    await socket_sandbox.fault("generate_no_answer_after_booking")
    over_socket = RestAcquirer(
        socket_sandbox.client, profile("sandbox-rest"), SecretStr(CLIENT_SECRET)
    )
    charge_id = await rest_office.request(acquirer=over_socket)
    assert (await rest_office.charge(charge_id))["state"] == "issue_unknown"
    await rest_office.inquire(charge_id, acquirer=over_socket)
    charge = await rest_office.charge(charge_id)
    assert charge["state"] == "issued"
    assert charge["qris"].startswith("000201")
