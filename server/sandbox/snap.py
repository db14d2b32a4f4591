"""The acquirer's SNAP BI services: token (73), generate (47), query (51), cancel (77), refund (78).

Every answer, refusals included, has SNAP's form: HTTP status + service + case as responseCode.
"""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.sandbox import payload, signing
from server.sandbox.acquirer import Acquirer, State, money
from server.sandbox.fields import (
    REFERENCE,
    Fields,
    SnapError,
    bad_format,
    missing,
    read_body,
    timestamp,
)
from server.sandbox.tables import Order, Refund
from server.sandbox.truth import milliseconds

log = logging.getLogger("karcis.sandbox.snap")

MAX_BODY_BYTES = 16_384
MAX_AMOUNT_RP = 10_000_000  # the network's limit for one QRIS transaction
_MAX_VALIDITY = timedelta(days=30)
_EXTERNAL_ID = re.compile(r"\d{1,36}", re.ASCII)
_CHANNEL_ID = re.compile(r"[A-Za-z0-9]{1,5}")

_STATUS = {
    State.PAYABLE: ("01", "initiated"),
    State.PENDING: ("03", "pending"),
    State.PAID: ("00", "success"),
    State.DECLINED: ("06", "failed"),
    State.EXPIRED: ("05", "cancelled, expired"),
    State.CANCELLED: ("05", "cancelled"),
}


@dataclass(frozen=True)
class Operation:
    """A SNAP service: its code and the name scripted faults call it by."""

    code: str
    name: str


TOKEN = Operation("73", "token")
GENERATE = Operation("47", "generate")
QUERY = Operation("51", "query")
CANCEL = Operation("77", "cancel")
REFUND = Operation("78", "refund")
OPERATIONS = (TOKEN, GENERATE, QUERY, CANCEL, REFUND)
FAULT_KINDS = ("500", "429", "504", "delay", "no_answer_before_booking", "no_answer_after_booking")

Handler = Callable[[Acquirer, Fields], dict[str, Any]]
Authenticator = Callable[[Acquirer, Request, bytes], None]


class NoAnswer(Response):
    """Starts an answer and stops: the server process then cuts the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 504, "headers": headers})


def answer(operation: Operation, status: int, case: str, message: str, **body: Any) -> Response:
    content = {"responseCode": f"{status}{operation.code}{case}", "responseMessage": message}
    text = json.dumps({**content, **body}, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), status, media_type="application/json")


async def _body(request: Request) -> bytes:
    body = await read_body(request, MAX_BODY_BYTES)
    if body is None:
        raise SnapError(400, "00", "Bad Request. Body too long")
    return body


def _header(request: Request, name: str, pattern: re.Pattern[str] | None = None) -> str:
    value = request.headers.get(name, "")
    if not value:
        raise missing(name)
    if pattern is not None and not pattern.fullmatch(value):
        raise bad_format(name)
    return value


def _fresh_timestamp(acquirer: Acquirer, request: Request) -> str:
    text = _header(request, "X-TIMESTAMP")
    moment = timestamp(text)
    if moment is None:
        raise bad_format("X-TIMESTAMP")
    window = timedelta(seconds=acquirer.settings.timestamp_window_s)
    if abs(acquirer.now() - moment) > window:
        raise SnapError(401, "00", "Unauthorized. [X-TIMESTAMP out of range]")
    return text


def _authenticate(acquirer: Acquirer, request: Request, body: bytes) -> None:
    """Token, then signature over the bytes as sent, then the day's external id."""
    settings = acquirer.settings
    stamp = _fresh_timestamp(acquirer, request)
    scheme, _, token = _header(request, "Authorization").partition(" ")
    if scheme.lower() != "bearer" or not acquirer.truth.token_is_valid(token, acquirer.now_ms()):
        raise SnapError(401, "01", "Invalid Token (B2B)")
    url = request.scope["raw_path"].decode("ascii", "replace")
    if request.url.query:
        url += f"?{request.url.query}"
    text = signing.request_string(request.method, url, body, stamp, token=token)
    secret = settings.client_secret.get_secret_value()
    if not signing.hmac_matches(secret, text, _header(request, "X-SIGNATURE")):
        raise SnapError(401, "00", "Unauthorized. [Signature]")
    if _header(request, "X-PARTNER-ID") != settings.partner:
        raise SnapError(404, "16", "Partner Not Found")
    _header(request, "CHANNEL-ID", _CHANNEL_ID)
    external_id = _header(request, "X-EXTERNAL-ID", _EXTERNAL_ID)
    with acquirer.truth.transaction():
        if not acquirer.truth.claim_external_id(external_id, acquirer.now_ms()):
            raise SnapError(409, "00", "Conflict")


async def _fault_before(acquirer: Acquirer, operation: Operation, reference: str) -> None:
    name, take = operation.name, acquirer.truth.take_fault
    if (delay_s := take(f"{name}_delay", reference)) is not None:
        await asyncio.sleep(delay_s)
    for status, message in ((500, "General Error"), (429, "Too Many Requests"), (504, "Timeout")):
        if take(f"{name}_{status}", reference) is not None:
            raise SnapError(status, "00", message)


def _service(
    operation: Operation, handle: Handler, authenticate: Authenticator = _authenticate
) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a handler with authentication, scripted faults and SNAP's answers."""

    async def endpoint(request: Request) -> Response:
        acquirer: Acquirer = request.app.state.acquirer
        take = acquirer.truth.take_fault
        try:
            body = await _body(request)
            authenticate(acquirer, request, body)
            fields = Fields.parse(body)
            reference = _reference(fields)
            await _fault_before(acquirer, operation, reference)
            if take(f"{operation.name}_no_answer_before_booking", reference) is not None:
                return NoAnswer()
            content = handle(acquirer, fields)
            if take(f"{operation.name}_no_answer_after_booking", reference) is not None:
                return NoAnswer()
        except SnapError as fault:
            log.info("%s refused: %s %s", operation.name, fault.status, fault.message)
            return answer(operation, fault.status, fault.case, fault.message, **fault.body)
        except Exception:
            log.exception("%s failed", operation.name)
            return answer(operation, 500, "00", "General Error")
        return answer(operation, 200, "00", "Successful", **content)

    return endpoint


def _reference(fields: Fields) -> str:
    for name in ("partnerReferenceNo", "originalPartnerReferenceNo"):
        value = fields.values.get(name)
        if isinstance(value, str) and REFERENCE.fullmatch(value):
            return value
    return ""


def _authenticate_key(acquirer: Acquirer, request: Request, _body: bytes) -> None:
    """Service 73 alone is signed with the partner's private key, over no body."""
    stamp = _fresh_timestamp(acquirer, request)
    client_key = _header(request, "X-CLIENT-KEY")
    if not _partner_signed(acquirer, client_key, stamp, _header(request, "X-SIGNATURE")):
        raise SnapError(401, "00", "Unauthorized. [Signature]")


def token(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 73. `expiresIn` is a string: SNAP says so."""
    if fields.required("grantType", 32) != "client_credentials":
        raise bad_format("grantType")
    fields.inner("additionalInfo")
    life_s, now_ms = acquirer.settings.token_life_s, acquirer.now_ms()
    issued = secrets.token_urlsafe(48)
    with acquirer.truth.transaction():
        acquirer.truth.add_token(issued, now_ms=now_ms, expires_ms=now_ms + life_s * 1000)
    return {"accessToken": issued, "tokenType": "Bearer", "expiresIn": str(life_s)}


def _partner_signed(acquirer: Acquirer, client_key: str, stamp: str, signature: str) -> bool:
    settings = acquirer.settings
    if client_key != settings.client_key:
        return False
    try:
        # Read each time: the partner may make its key after this process has started.
        key = signing.public_key(settings.partner_key_file.read_bytes())
    except (OSError, ValueError) as error:
        log.warning("no usable partner key at %s: %s", settings.partner_key_file, error)
        return False
    return signing.rsa_matches(key, signing.token_string(client_key, stamp), signature)


def _check_merchant(acquirer: Acquirer, fields: Fields, *, required: bool) -> str:
    merchant_id = fields.text("merchantId", 64, required=required)
    if merchant_id is not None and merchant_id != acquirer.settings.merchant_id:
        raise SnapError(404, "08", "Invalid Merchant")
    return acquirer.settings.merchant_id


def _check_amount(fields: Fields) -> int:
    amount_rp = fields.amount_rp("amount", required=True)
    assert amount_rp is not None
    if amount_rp == 0:
        raise SnapError(404, "13", "Invalid Amount")
    if amount_rp > MAX_AMOUNT_RP:
        raise SnapError(403, "02", "Exceeds Transaction Amount Limit")
    if fields.amount_rp("feeAmount"):
        # Merchants may not pass the MDR on to the payer.
        raise SnapError(403, "15", "Transaction Not Permitted. feeAmount")
    return amount_rp


def generate(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 47. The same reference with the same body gives the same code again."""
    settings, truth = acquirer.settings, acquirer.truth
    reference = fields.required("partnerReferenceNo", 64, pattern=REFERENCE)
    amount_rp = _check_amount(fields)
    merchant_id = _check_merchant(acquirer, fields, required=True)
    fields.text("subMerchantId", 32)
    store_id = fields.text("storeId", 64) or ""
    terminal_id = fields.text("terminalId", 16, pattern=REFERENCE) or "A01"
    expires = fields.moment("validityPeriod")
    fields.inner("additionalInfo")

    now_ms = acquirer.now_ms()
    order = truth.order(partner_reference_no=reference)
    if order is not None:
        # validityPeriod is left out: a partner that asks again reckons it from its new clock.
        if (order.amount_rp, order.merchant_id, order.store_id, order.terminal_id) != (
            amount_rp, merchant_id, store_id, terminal_id,
        ):  # fmt: skip
            raise SnapError(409, "01", "Duplicate partnerReferenceNo")
        return _generated(acquirer, order)
    expires_ms = now_ms + settings.validity_s * 1000
    if expires is not None:
        if not timedelta() < expires - acquirer.now() <= _MAX_VALIDITY:
            raise bad_format("validityPeriod")
        expires_ms = milliseconds(expires)
    with truth.transaction():
        own_reference = truth.next_reference(now_ms)
        order = truth.add_order(
            reference_no=own_reference,
            partner_reference_no=reference,
            amount_rp=amount_rp,
            merchant_id=merchant_id,
            store_id=store_id,
            terminal_id=terminal_id,
            qr_content=payload.dynamic(settings, amount_rp, own_reference, terminal_id),
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
    return _generated(acquirer, order)


def _generated(acquirer: Acquirer, order: Order) -> dict[str, Any]:
    content = {
        "referenceNo": order.reference_no,
        "partnerReferenceNo": order.partner_reference_no,
        "qrContent": order.qr_content,
        "merchantName": acquirer.settings.merchant_name,
        "storeId": order.store_id,
        "terminalId": order.terminal_id,
        "additionalInfo": {
            "nmid": acquirer.settings.nmid,
            "validityPeriod": acquirer.truth.iso(order.expires_ms),
        },
    }
    return {name: value for name, value in content.items() if value}


def _original(acquirer: Acquirer, fields: Fields, **absent: str) -> Order:
    partner_reference = fields.text("originalPartnerReferenceNo", 64)
    own_reference = fields.text("originalReferenceNo", 64)
    if partner_reference is None and own_reference is None:
        raise missing("originalPartnerReferenceNo")
    _check_merchant(acquirer, fields, required=False)
    order = acquirer.truth.order(partner_reference_no=partner_reference, reference_no=own_reference)
    if order is None:
        raise SnapError(404, "01", "Transaction Not Found", **absent)
    return order


def query(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 51. Of several payments the first one is reported, with their number."""
    if fields.required("serviceCode", 2) != GENERATE.code:
        raise bad_format("serviceCode")
    absent = {"latestTransactionStatus": "07", "transactionStatusDesc": "not found"}
    order = _original(acquirer, fields, **absent)
    status, description = _STATUS[acquirer.state(order)]
    content: dict[str, Any] = {
        "originalReferenceNo": order.reference_no,
        "originalPartnerReferenceNo": order.partner_reference_no,
        "serviceCode": GENERATE.code,
        "latestTransactionStatus": status,
        "transactionStatusDesc": description,
        "amount": money(order.amount_rp),
        "terminalId": order.terminal_id,
        "additionalInfo": {"qrContent": order.qr_content},
    }
    paid = [payment for payment in acquirer.truth.payments_of(order) if payment.state == "paid"]
    if paid:
        details = acquirer.payment_details(order, paid[0])
        content["paidTime"] = details["paidTime"]
        content["additionalInfo"] |= details | {"paymentCount": str(len(paid))}
    return content


def cancel(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 77, for codes not yet paid. Cancelling again answers as the first time."""
    _check_merchant(acquirer, fields, required=True)
    fields.required("reason", 256)
    order = _original(acquirer, fields)
    if acquirer.state(order) in (State.PAID, State.PENDING):
        raise SnapError(404, "14", "Paid Bill")
    with acquirer.truth.transaction():
        acquirer.truth.cancel_order(order, acquirer.now_ms())
    cancelled = acquirer.truth.order(id=order.id)
    assert cancelled is not None
    assert cancelled.cancelled_ms is not None
    return {
        "originalReferenceNo": order.reference_no,
        "originalPartnerReferenceNo": order.partner_reference_no,
        "cancelTime": acquirer.truth.iso(cancelled.cancelled_ms),
    }


def refund(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 78, whole or in part, never more than was paid; idempotent by partnerRefundNo."""
    truth = acquirer.truth
    number = fields.required("partnerRefundNo", 64, pattern=REFERENCE)
    amount_rp = fields.amount_rp("refundAmount")
    reason = fields.text("reason", 256) or ""
    order = _original(acquirer, fields)
    paid_rp = sum(p.amount_rp for p in truth.payments_of(order) if p.state == "paid")
    known = truth.refund(number)
    if known is not None:
        if known.order_id != order.id or amount_rp not in (None, known.amount_rp):
            raise SnapError(404, "18", "Inconsistent Request")
        return _refunded(acquirer, order, known)
    if paid_rp == 0:
        raise SnapError(404, "00", "Invalid Transaction Status")
    left_rp = paid_rp - sum(done.amount_rp for done in truth.refunds_of(order))
    wanted_rp = left_rp if amount_rp is None else amount_rp
    if not 0 < wanted_rp <= left_rp:
        raise SnapError(404, "13", "Invalid Amount")
    with truth.transaction():
        done = truth.add_refund(
            now_ms=acquirer.now_ms(),
            order_id=order.id,
            partner_refund_no=number,
            amount_rp=wanted_rp,
            reason=reason,
        )
    return _refunded(acquirer, order, done)


def _refunded(acquirer: Acquirer, order: Order, done: Refund) -> dict[str, Any]:
    return {
        "originalPartnerReferenceNo": order.partner_reference_no,
        "originalReferenceNo": order.reference_no,
        "refundNo": done.refund_no,
        "partnerRefundNo": done.partner_refund_no,
        "refundAmount": money(done.amount_rp),
        "refundTime": acquirer.truth.iso(done.refunded_ms),
    }


routes = [
    Route("/v1.0/access-token/b2b", _service(TOKEN, token, _authenticate_key), methods=["POST"]),
    Route("/v1.0/qr/qr-mpm-generate", _service(GENERATE, generate), methods=["POST"]),
    Route("/v1.0/qr/qr-mpm-query", _service(QUERY, query), methods=["POST"]),
    Route("/v1.0/qr/qr-mpm-cancel", _service(CANCEL, cancel), methods=["POST"]),
    Route("/v1.0/qr/qr-mpm-refund", _service(REFUND, refund), methods=["POST"]),
]
