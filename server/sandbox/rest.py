"""The same acquirer over plain REST, shaped like Midtrans' Core API.

HTTP Basic with the server key (the client secret). What happened is in the body's `status_code`.
Orders made here are told by a webhook; wallet, settlement and faults are those of SNAP's orders.
"""

import base64
import binascii
import hmac
import json
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.sandbox import mpm
from server.sandbox.acquirer import Acquirer, State
from server.sandbox.calls import under_faults
from server.sandbox.fields import REFERENCE, Fields, Refused, read_body
from server.sandbox.messages import rest_time
from server.sandbox.originals import cancelled_ms, hidden
from server.sandbox.tables import Order, Refund

log = logging.getLogger("karcis.sandbox.rest")

_MAX_BODY_BYTES = 16_384
_UNITS_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}

# transaction_status and the status_code that goes with it.
_STATUS = {
    State.PAYABLE: ("pending", "201"),
    State.DECLINED: ("pending", "201"),
    State.PENDING: ("pending", "201"),
    State.PAID: ("settlement", "200"),
    State.REFUNDED: ("refund", "200"),
    State.EXPIRED: ("expire", "407"),
    State.CANCELLED: ("cancel", "200"),
}
_NOT_FOUND = (404, "01", "Transaction doesn't exist.")
_UNTOUCHABLE = (412, "00", "Merchant cannot modify the status of the transaction")
_DUPLICATE_ORDER = (
    406,
    "00",
    "Duplicate order ID. order_id has already been utilized previously",
)
_DUPLICATE_REFUND = (406, "00", "Duplicate refund key")
_BAD_REFUND_AMOUNT = (414, "00", "Refund request is rejected due to invalid amount")
# The words the acquirer refuses with when it speaks SNAP, said in REST.
_TRANSLATED = {
    (404, "00"): _UNTOUCHABLE,
    (404, "13"): _BAD_REFUND_AMOUNT,
    (404, "14"): _UNTOUCHABLE,
    (404, "18"): _DUPLICATE_REFUND,
    (409, "01"): _DUPLICATE_ORDER,
}

Handler = Callable[[Acquirer, Fields, str], dict[str, Any]]


def _answer(body: dict[str, Any]) -> Response:
    """407 says that the order has expired, not that the request failed."""
    status = int(body["status_code"])
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), 200 if status == 407 else status, media_type="application/json")


def _refusal(fault: Refused) -> Response:
    said = _TRANSLATED.get((fault.status, fault.case))
    status, _, message = said or (fault.status, fault.case, fault.message)
    log.info("refused: %s %s", status, message)
    body = {
        "status_code": str(status),
        "status_message": message,
        "id": str(uuid.uuid4()),
    }
    return _answer(body)


def _authenticate(acquirer: Acquirer, request: Request) -> None:
    scheme, _, word = request.headers.get("Authorization", "").partition(" ")
    try:
        user = base64.b64decode(word, validate=True)
    except binascii.Error:
        user = b""
    expected = f"{acquirer.settings.client_secret.get_secret_value()}:".encode()
    if scheme.lower() != "basic" or not hmac.compare_digest(user, expected):
        raise Refused(
            401, "00", "Transaction cannot be authorized with the current client/server key."
        )


def _call(name: str, handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a handler with authentication and the faults loaded for the call `name`."""

    async def endpoint(request: Request) -> Response:
        acquirer: Acquirer = request.app.state.acquirer
        try:
            _authenticate(acquirer, request)
            fields = await _fields(request)
            reference = request.path_params.get("order_id") or _order_id(fields)

            def book() -> Response:
                try:
                    return _answer(handle(acquirer, fields, reference))
                except Refused as fault:
                    return _refusal(fault)

            return await under_faults(acquirer, name, reference, book)
        except Refused as fault:
            return _refusal(fault)
        except Exception:
            log.exception("%s failed", name)
            return _refusal(Refused(500, "00", "Internal Server Error"))

    return endpoint


async def _fields(request: Request) -> Fields:
    body = await read_body(request, _MAX_BODY_BYTES)
    if body is None:
        raise Refused(413, "00", "The request is too large.")
    return Fields.parse(body) if body else Fields({})


def _order_id(fields: Fields) -> str:
    details = fields.inner("transaction_details", required=True)
    assert details is not None
    return details.required("order_id", 50, pattern=REFERENCE)


def charge(acquirer: Acquirer, fields: Fields, reference: str) -> dict[str, Any]:
    if fields.required("payment_type", 32) != "qris":
        raise Refused(402, "00", "Payment channel is not activated.")
    amount_rp = _amount_rp(fields)
    lasts = _lasts(acquirer, fields.inner("custom_expiry"))
    if acquirer.truth.order(partner_reference_no=reference) is not None:
        raise Refused(*_DUPLICATE_ORDER)
    order = mpm.issue(
        acquirer,
        partner_reference_no=reference,
        amount_rp=amount_rp,
        merchant_id=acquirer.settings.merchant_id,
        store_id="",
        terminal_id="A01",
        expires_ms=acquirer.now_ms() + round(lasts.total_seconds() * 1000),
        channel="rest",
    )
    return _told(acquirer, order, "QRIS transaction is created")


def _amount_rp(fields: Fields) -> int:
    details = fields.inner("transaction_details", required=True)
    amount_rp = details.values.get("gross_amount") if details else None
    if type(amount_rp) is not int or not 0 < amount_rp <= mpm.MAX_AMOUNT_RP:
        raise Refused(400, "00", "transaction_details.gross_amount is not valid")
    return amount_rp


def _lasts(acquirer: Acquirer, expiry: Fields | None) -> timedelta:
    if expiry is None:
        return timedelta(seconds=acquirer.settings.validity_s)
    duration, unit = expiry.values.get("expiry_duration"), expiry.values.get("unit", "minute")
    if type(duration) is not int or unit not in _UNITS_S:
        raise Refused(400, "00", "custom_expiry is not valid")
    lasts = timedelta(seconds=max(min(duration, 10**6), 0) * _UNITS_S[unit])
    if not timedelta() < lasts <= mpm.MAX_VALIDITY:
        raise Refused(400, "00", "custom_expiry.expiry_duration is not valid")
    return lasts


def _original(acquirer: Acquirer, reference: str) -> Order:
    """By the partner's order_id or by our transaction_id."""
    truth = acquirer.truth
    order = truth.order(partner_reference_no=reference) or truth.order(reference_no=reference)
    if order is None or order.channel != "rest":
        raise Refused(*_NOT_FOUND)
    return order


def status(acquirer: Acquirer, _fields: Fields, reference: str) -> dict[str, Any]:
    order = _original(acquirer, reference)
    if hidden(acquirer, order):
        raise Refused(*_NOT_FOUND)
    return _told(acquirer, order, "Success, transaction is found")


def cancel(acquirer: Acquirer, _fields: Fields, reference: str) -> dict[str, Any]:
    order = _original(acquirer, reference)
    if acquirer.state(order) in (State.CANCELLED, State.EXPIRED):
        raise Refused(*_UNTOUCHABLE)
    cancelled_ms(acquirer, order)
    told = _told(acquirer, order, "Success, transaction is canceled")
    return told | {"status_code": "200", "transaction_status": "cancel"}


def refund(acquirer: Acquirer, fields: Fields, reference: str) -> dict[str, Any]:
    """Unlike SNAP's, a refund asked for again is refused: the status tells what was refunded."""
    order = _original(acquirer, reference)
    number = fields.text("refund_key", 64, pattern=REFERENCE) or secrets.token_hex(16)
    amount_rp = fields.values.get("amount")
    if amount_rp is not None and type(amount_rp) is not int:
        raise Refused(*_BAD_REFUND_AMOUNT)
    if acquirer.truth.refund(number) is not None:
        raise Refused(*_DUPLICATE_REFUND)
    done = acquirer.refund(order, number, amount_rp, fields.text("reason", 255) or "")
    told = _told(acquirer, order, "Success, refund request is approved")
    return told | {"status_code": "200"} | _refund(acquirer, done)


def _refund(acquirer: Acquirer, done: Refund) -> dict[str, Any]:
    return {
        "refund_chargeback_id": done.id,
        "refund_amount": f"{done.amount_rp}.00",
        "refund_key": done.partner_refund_no,
        "reason": done.reason,
        "created_at": rest_time(acquirer.truth, done.refunded_ms),
    }


def _told(acquirer: Acquirer, order: Order, message: str) -> dict[str, Any]:
    """The transaction as every answer tells it."""
    truth, paid = acquirer.truth, acquirer.paid(order)
    refunds = truth.refunds_of(order)
    word, code = _STATUS[acquirer.state(order)]
    body: dict[str, Any] = {
        "status_code": code,
        "status_message": message,
        "transaction_id": order.reference_no,
        "order_id": order.partner_reference_no,
        "merchant_id": order.merchant_id,
        "gross_amount": f"{paid[0].amount_rp if paid else order.amount_rp}.00",
        "currency": "IDR",
        "payment_type": "qris",
        "transaction_time": rest_time(truth, order.created_ms),
        "transaction_status": "partial_refund" if refunds and word == "settlement" else word,
        "fraud_status": "accept",
        "acquirer": acquirer.settings.acquirer_name,
        "qr_string": order.qr_content,
        "expiry_time": rest_time(truth, order.expires_ms),
    }
    if paid:
        assert paid[0].paid_ms is not None
        body["settlement_time"] = rest_time(truth, paid[0].paid_ms)
        body["issuer"], body["reference_id"] = paid[0].issuer_name, paid[0].rrn
    if refunds:
        body["refund_amount"] = f"{sum(done.amount_rp for done in refunds)}.00"
        body["refunds"] = [_refund(acquirer, done) for done in refunds]
    return body


_refund_endpoint = _call("refund", refund)
routes = [
    Route("/v2/charge", _call("generate", charge), methods=["POST"]),
    Route("/v2/{order_id}/status", _call("query", status), methods=["GET"]),
    Route("/v2/{order_id}/cancel", _call("cancel", cancel), methods=["POST"]),
    Route("/v2/{order_id}/refund", _refund_endpoint, methods=["POST"]),
    Route("/v2/{order_id}/refund/online/direct", _refund_endpoint, methods=["POST"]),
]
