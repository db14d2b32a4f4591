"""The payer's side: a wallet that reads a QRIS code and does what the one who tests chooses.

JSON for programs, pages that work without JavaScript for people; both take the same decisions.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import qris
from server.sandbox import pictures
from server.sandbox.acquirer import Acquirer, Outcome, PaymentRefused, State
from server.sandbox.pages import (
    WalletError,
    acquirer_of,
    error,
    form_of,
    json_of,
    language_of,
    page,
)
from server.sandbox.tables import Order, Payment
from server.sandbox.words import word

_MAX_DELAY_S = 86_400


@dataclass(frozen=True)
class Reading:
    """A code as the payer sees it; `order` is set when this sandbox issued it."""

    qris: str
    merchant: str
    amount_rp: int | None
    city: str
    nmid: str | None
    order: str | None
    partner_reference_no: str | None
    expires_at: str | None
    state: str
    warnings: tuple[dict[str, str], ...]


def understand(acquirer: Acquirer, text: str) -> tuple[Reading, Order | None]:
    """What a code says and, when it is exactly one of ours, the order behind it."""
    text = text.strip()
    try:
        code = qris.parse(text)
    except qris.QrisError as problem:
        sentences = qris.ERROR_CODES[problem.code]
        raise WalletError("invalid_qris", sentences["id"], sentences["en"]) from None
    bill = code.additional.bill_number if code.additional else None
    known = acquirer.truth.order(reference_no=bill) if bill else None
    order = known if known is not None and known.qr_content == text else None
    if order is not None:
        state = acquirer.state(order).value
    else:
        # Same bill number, other content: somebody changed the code and repaired its CRC.
        state = "tampered" if known is not None and _is_ours(acquirer, code) else "foreign"
    reading = Reading(
        qris=text,
        merchant=code.name,
        amount_rp=code.amount_rp,
        city=code.city,
        nmid=code.nmid,
        order=order.reference_no if order else None,
        partner_reference_no=order.partner_reference_no if order else None,
        expires_at=acquirer.truth.iso(order.expires_ms) if order else None,
        state=state,
        warnings=tuple(
            {"code": finding.code, **qris.ERROR_CODES[finding.code]} for finding in code.warnings
        ),
    )
    return reading, order


def _is_ours(acquirer: Acquirer, code: qris.QrisPayload) -> bool:
    return acquirer.settings.acquirer_domain in {account.guid for account in code.acquirers}


def _is_qris(text: str) -> bool:
    try:
        qris.parse(text.strip())
    except qris.QrisError:
        return False
    return True


async def _text_of(picture: bytes) -> str:
    text = await run_in_threadpool(pictures.read, picture, _is_qris)
    if text is None:
        raise error("no_barcode")
    return text


async def _posted_code(fields: Mapping[str, object]) -> str:
    """The text posted, or read out of the picture posted."""
    text = fields.get("qris")
    if isinstance(text, str) and text.strip():
        return text
    for value in fields.values():
        if isinstance(value, bytes) and value:
            return await _text_of(value)
    raise error("no_text")


# For programs


async def read(request: Request) -> Response:
    """`{"qris": text}` or a multipart picture; what the code says and whether it may be paid."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    fields = await json_of(request) if is_json else await form_of(request)
    reading, _ = understand(acquirer_of(request), await _posted_code(fields))
    return JSONResponse(asdict(reading))


async def pay(request: Request) -> Response:
    """`{"qris", "outcome"?, "delay_s"?, "at_expiry_ms"?}`; 409 with the state if it may not be."""
    acquirer, body = acquirer_of(request), await json_of(request)
    at_expiry_ms = body.get("at_expiry_ms")
    chosen, delay_s = body.get("outcome", "pay"), body.get("delay_s", 0)
    if chosen not in list(Outcome) or type(delay_s) not in (int, float):
        raise error("bad_outcome")
    if not 0 <= delay_s <= _MAX_DELAY_S:
        raise error("bad_outcome")
    if at_expiry_ms is not None and type(at_expiry_ms) is not int:
        raise error("bad_outcome")
    reading, order = understand(acquirer, await _posted_code({"qris": body.get("qris")}))
    if order is None:
        return _refusal(reading.state)
    try:
        made = acquirer.pay(order, Outcome(chosen), delay_s=delay_s, at_expiry_ms=at_expiry_ms)
    except PaymentRefused as refusal:
        return _refusal(refusal.state)
    paid = [_payment_json(acquirer, payment) for payment in made if payment.rrn]
    answer = {
        "state": acquirer.state(order) if chosen != Outcome.DECLINE else State.DECLINED,
        "rrn": paid[0]["rrn"] if paid else None,
        "merchant": reading.merchant,
        "amount_rp": order.amount_rp,
        "order": order.reference_no,
        "partner_reference_no": order.partner_reference_no,
        "due_at": acquirer.truth.iso(made[-1].due_ms),
        "payments": paid,
    }
    return JSONResponse(answer)


def _refusal(state: str) -> Response:
    body = {
        "error": "refused",
        "state": state,
        "rrn": None,
        "message": word(f"state_{state}", "id"),
        "message_en": word(f"state_{state}", "en"),
    }
    return JSONResponse(body, 409)


def _payment_json(acquirer: Acquirer, payment: Payment) -> dict[str, Any]:
    assert payment.paid_ms is not None
    return {
        "rrn": payment.rrn,
        "amount_rp": payment.amount_rp,
        "paid_at": acquirer.truth.iso(payment.paid_ms),
        "kind": payment.kind,
        "issuer": payment.issuer_name,
    }


# For people


def _code_page(request: Request, reading: Reading, status: int = 200) -> Response:
    here = f"/wallet?{urlencode({'qris': reading.qris})}&"
    return page(request, "code.html", status, here=here, reading=reading)


def _start(request: Request, problem: WalletError | None = None, text: str = "") -> Response:
    sentence = problem.sentence[language_of(request)] if problem else None
    status = problem.status if problem else 200
    return page(request, "start.html", status, error=sentence, text=text)


async def start(request: Request) -> Response:
    """The first page; `?qris=` goes straight to the code."""
    text = request.query_params.get("qris", "")
    return _show(request, text) if text else _start(request)


def _show(request: Request, text: str) -> Response:
    try:
        reading, _ = understand(acquirer_of(request), text)
    except WalletError as problem:
        return _start(request, problem, text)
    return _code_page(request, reading)


async def check(request: Request) -> Response:
    """A posted text or picture, shown to the payer."""
    try:
        text = await _posted_code(await form_of(request))
    except WalletError as problem:
        return _start(request, problem)
    return _show(request, text)


async def confirm(request: Request) -> Response:
    """Does what the payer's button says, then shows the bill, so that a reload pays nothing."""
    acquirer = acquirer_of(request)
    try:
        fields = await form_of(request)
        outcome = fields.get("outcome")
        if outcome not in set(Outcome):
            raise error("bad_outcome")
        text = await _posted_code({"qris": fields.get("qris")})
        reading, order = understand(acquirer, text)
    except WalletError as problem:
        return _start(request, problem)
    if order is None:
        return _code_page(request, reading, 409)
    try:
        acquirer.pay(order, Outcome(str(outcome)))
    except PaymentRefused:
        reading, _ = understand(acquirer, text)
        return _code_page(request, reading, 409)
    return RedirectResponse(f"/wallet/bills/{order.reference_no}", 303)


async def bill(request: Request) -> Response:
    """A bill and the payments made on it."""
    acquirer = acquirer_of(request)
    order = acquirer.truth.order(reference_no=request.path_params["reference_no"])
    if order is None:
        return _start(request, error("not_found", 404))
    payments = [p for p in acquirer.truth.payments_of(order) if p.state == "paid"]
    reading, _ = understand(acquirer, order.qr_content)
    shown = [
        {
            **_payment_json(acquirer, payment),
            "payer": payment.payer_name,
            "told": _told(acquirer, payment),
        }
        for payment in payments
    ]
    total_rp = sum(payment.amount_rp for payment in payments)
    return page(request, "bill.html", reading=reading, payments=shown, total_rp=total_rp)


def _told(acquirer: Acquirer, payment: Payment) -> str:
    states = acquirer.truth.notification_states(payment)
    return states[-1] if states else "pending"


routes = [
    Route("/wallet", start),
    Route("/wallet/read", read, methods=["POST"]),
    Route("/wallet/pay", pay, methods=["POST"]),
    Route("/wallet/check", check, methods=["POST"]),
    Route("/wallet/confirm", confirm, methods=["POST"]),
    Route("/wallet/bills/{reference_no}", bill),
]
