"""The payer's side: a wallet that reads a QRIS code and does what the one who tests chooses.

JSON for programs, pages that work without JavaScript for people; both take the same decisions.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import qris
from server.sandbox import pictures
from server.sandbox.acquirer import Acquirer, Outcome, PaymentRefused, State
from server.sandbox.fields import read_body
from server.sandbox.tables import Order, Payment
from server.sandbox.words import WORDS, Language, rupiah, when, word

MAX_UPLOAD_BYTES = 10_000_000
_MAX_JSON_BYTES = 8_192
_MAX_DELAY_S = 86_400

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class WalletError(Exception):
    """A request the wallet cannot follow, with a sentence in each language."""

    def __init__(self, code: str, indonesian: str, english: str, status: int = 422) -> None:
        super().__init__(code)
        self.code = code
        self.sentence: dict[Language, str] = {"id": indonesian, "en": english}
        self.status = status


def _error(name: str, status: int = 422) -> WalletError:
    return WalletError(name, *WORDS[f"error_{name}"], status)


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
    except qris.QrisError as error:
        sentences = qris.ERROR_CODES[error.code]
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
        raise _error("no_barcode")
    return text


async def _form(request: Request) -> dict[str, str | bytes]:
    """The fields of a posted form, files as bytes, within the upload limit."""
    try:
        length = int(request.headers.get("content-length", ""))
    except ValueError:
        raise _error("bad_request", 411) from None
    if length > MAX_UPLOAD_BYTES:
        raise _error("too_large", 413)
    try:
        async with request.form(max_files=2, max_fields=8, max_part_size=_MAX_JSON_BYTES) as form:
            found: dict[str, str | bytes] = {}
            for name, value in form.items():
                found[name] = await value.read() if isinstance(value, UploadFile) else value
            return found
    except HTTPException:
        raise _error("bad_request", 400) from None


async def _json(request: Request) -> dict[str, Any]:
    text = await read_body(request, _MAX_JSON_BYTES)
    if text is None:
        raise _error("too_large", 413)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _error("bad_request", 400)
    return body


async def _posted_code(fields: Mapping[str, object]) -> str:
    """The text posted, or read out of the picture posted."""
    text = fields.get("qris")
    if isinstance(text, str) and text.strip():
        return text
    for value in fields.values():
        if isinstance(value, bytes) and value:
            return await _text_of(value)
    raise _error("no_text")


def _acquirer(request: Request) -> Acquirer:
    acquirer: Acquirer = request.app.state.acquirer
    return acquirer


# For programs


async def read(request: Request) -> Response:
    """`{"qris": text}` or a multipart picture; what the code says and whether it may be paid."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    fields = await _json(request) if is_json else await _form(request)
    reading, _ = understand(_acquirer(request), await _posted_code(fields))
    return JSONResponse(asdict(reading))


async def pay(request: Request) -> Response:
    """`{"qris", "outcome"?, "delay_s"?}`; 409 with the state when the code may not be paid so."""
    acquirer, body = _acquirer(request), await _json(request)
    chosen, delay_s = body.get("outcome", "pay"), body.get("delay_s", 0)
    if chosen not in list(Outcome) or type(delay_s) not in (int, float):
        raise _error("bad_outcome")
    if not 0 <= delay_s <= _MAX_DELAY_S:
        raise _error("bad_outcome")
    reading, order = understand(acquirer, await _posted_code({"qris": body.get("qris")}))
    if order is None:
        return _refusal(reading.state)
    try:
        made = acquirer.pay(order, Outcome(chosen), delay_s=delay_s)
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


def _language(request: Request) -> Language:
    chosen = request.query_params.get("lang") or request.cookies.get("lang")
    return "en" if chosen == "en" else "id"


def _page(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    language = _language(request)
    zone = _acquirer(request).settings.zone

    def readable_time(text: str) -> str:
        return when(datetime.fromisoformat(text).astimezone(zone), language)

    html = _templates.get_template(name).render(
        language=language,
        other="id" if language == "en" else "en",
        here=_address(request, context),
        t=lambda key: word(key, language),
        rupiah=rupiah,
        when=readable_time,
        **context,
    )
    response = HTMLResponse(html, status)
    if request.query_params.get("lang") in ("id", "en"):
        response.set_cookie("lang", language, max_age=31_536_000, samesite="lax", httponly=True)
    return response


def _address(request: Request, context: Mapping[str, Any]) -> str:
    """Where the page shown can be fetched again, ready for one more query parameter."""
    if (reading := context.get("reading")) and not request.url.path.startswith("/wallet/bills/"):
        return f"/wallet?{urlencode({'qris': reading.qris})}&"
    return f"{request.url.path if request.method == 'GET' else '/wallet'}?"


def _start(request: Request, error: WalletError | None = None, text: str = "") -> Response:
    sentence = error.sentence[_language(request)] if error else None
    return _page(request, "start.html", error.status if error else 200, error=sentence, text=text)


async def start(request: Request) -> Response:
    """The first page; `?qris=` goes straight to the code."""
    text = request.query_params.get("qris", "")
    return _show(request, text) if text else _start(request)


def _show(request: Request, text: str) -> Response:
    try:
        reading, _ = understand(_acquirer(request), text)
    except WalletError as error:
        return _start(request, error, text)
    return _page(request, "code.html", reading=reading)


async def check(request: Request) -> Response:
    """A posted text or picture, shown to the payer."""
    try:
        text = await _posted_code(await _form(request))
    except WalletError as error:
        return _start(request, error)
    return _show(request, text)


async def confirm(request: Request) -> Response:
    """Does what the payer's button says, then shows the bill, so that a reload pays nothing."""
    acquirer = _acquirer(request)
    try:
        fields = await _form(request)
        outcome = fields.get("outcome")
        if outcome not in set(Outcome):
            raise _error("bad_outcome")
        text = await _posted_code({"qris": fields.get("qris")})
        reading, order = understand(acquirer, text)
    except WalletError as error:
        return _start(request, error)
    if order is None:
        return _page(request, "code.html", 409, reading=reading)
    try:
        acquirer.pay(order, Outcome(str(outcome)))
    except PaymentRefused:
        reading, _ = understand(acquirer, text)
        return _page(request, "code.html", 409, reading=reading)
    return RedirectResponse(f"/wallet/bills/{order.reference_no}", 303)


async def bill(request: Request) -> Response:
    """A bill and the payments made on it."""
    acquirer = _acquirer(request)
    order = acquirer.truth.order(reference_no=request.path_params["reference_no"])
    if order is None:
        return _start(request, _error("not_found", 404))
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
    return _page(request, "bill.html", reading=reading, payments=shown, total_rp=total_rp)


def _told(acquirer: Acquirer, payment: Payment) -> str:
    states = acquirer.truth.notification_states(payment)
    return states[-1] if states else "pending"


def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, WalletError)
    body = {
        "error": error.code,
        "message": error.sentence["id"],
        "message_en": error.sentence["en"],
    }
    return JSONResponse(body, error.status)


routes = [
    Route("/wallet", start),
    Route("/wallet/read", read, methods=["POST"]),
    Route("/wallet/pay", pay, methods=["POST"]),
    Route("/wallet/check", check, methods=["POST"]),
    Route("/wallet/confirm", confirm, methods=["POST"]),
    Route("/wallet/bills/{reference_no}", bill),
]
