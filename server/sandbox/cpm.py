"""Consumer-presented codes: the payer's wallet shows one, the merchant charges it (60).

A code serves once and for a short time; what its payer will do was chosen when it was made.
"""

import secrets
from typing import Any

from starlette.routing import Route

import qris
from qris import consumer
from server.sandbox.acquirer import Acquirer, Payer, State
from server.sandbox.fields import REFERENCE, Fields, Refused, bad_format
from server.sandbox.messages import luhn_digit, payment_details
from server.sandbox.mpm import check_amount, check_merchant, expiry_ms
from server.sandbox.snap import InProgress, Operation, service
from server.sandbox.tables import ConsumerCode, Order
from server.sandbox.truth import Truth

PAYMENT = Operation("60", "cpm_payment")
OUTCOMES = ("pay", "insufficient", "pending", "refuse")
VALIDITY_S = 60
PENDING_S = 5

_REFUSALS = {
    "insufficient": (403, "14", "Insufficient Funds"),
    "refuse": (403, "05", "Do Not Honor"),
}


def show(acquirer: Acquirer, outcome: str, *, delay_s: float, validity_s: float) -> ConsumerCode:
    """A payer opens the wallet: a fresh code. `delay_s` is how long `pending` takes to pay."""
    payer, now_ms = Payer.anyone(), acquirer.now_ms()
    token = secrets.token_bytes(16)
    with acquirer.truth.transaction():
        return acquirer.truth.add_consumer_code(
            id=secrets.token_hex(8),
            qr_content=consumer.encode(_payload(payer, token)),
            outcome=outcome,
            delay_ms=round(delay_s * 1000),
            issuer_name=payer.issuer,
            issuer_nns=payer.nns,
            payer_name=payer.name,
            created_ms=now_ms,
            expires_ms=now_ms + round(validity_s * 1000),
        )


def _payload(payer: Payer, token: bytes) -> consumer.ConsumerPayload:
    """The account number is a random one of the issuer's range; the token makes the code unique."""
    digits = payer.nns + f"{secrets.randbelow(10**10):010d}"
    card = consumer.CardData(
        aid=consumer.QRIS_AID,
        label="QRISCPM",
        pan=digits + luhn_digit(digits),
        languages="id",
        transparent=(("9F74", token),),
    )
    return consumer.ConsumerPayload(applications=(card,))


def pay(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 60. Asked again with the same reference and code it answers as the first time."""
    truth = acquirer.truth
    reference = fields.required("partnerReferenceNo", 64, pattern=REFERENCE)
    text = fields.required("qrContent", 512)
    wanted = {
        "channel": "cpm",
        "amount_rp": check_amount(fields),
        "merchant_id": check_merchant(acquirer, fields, required=True),
        "store_id": fields.text("externalStoreId", 64) or "",
        "terminal_id": fields.text("terminalId", 32, pattern=REFERENCE) or "A01",
        "qr_content": text,
    }
    fields.text("title", 256)
    expires = fields.moment("expiryTime")
    order = truth.order(partner_reference_no=reference)
    if order is None:
        order = _charge(
            acquirer,
            partner_reference_no=reference,
            expires_ms=expiry_ms(acquirer, expires, "expiryTime"),
            **wanted,
        )
    elif any(getattr(order, name) != value for name, value in wanted.items()):
        raise Refused(409, "01", "Duplicate partnerReferenceNo")
    return _charged(acquirer, order)


def _charge(acquirer: Acquirer, **values: Any) -> Order:
    truth, now_ms = acquirer.truth, acquirer.now_ms()
    code = _presented(truth, values["qr_content"])
    if now_ms >= code.expires_ms:
        raise Refused(403, "00", "Transaction Expired")
    if code.order_id is not None:
        raise Refused(403, "15", "Transaction Not Permitted. The code was used before")
    with truth.transaction():
        order = truth.add_order(
            reference_no=truth.next_reference(now_ms), created_ms=now_ms, **values
        )
        truth.use_consumer_code(code, order)
        acquirer.charge(order, code)
    return order


def _presented(truth: Truth, text: str) -> ConsumerCode:
    code = truth.consumer_code(qr_content=text)
    if code is not None:
        return code
    try:
        consumer.parse(text)
    except qris.QrisError:
        raise bad_format("qrContent") from None
    raise Refused(404, "01", "Transaction Not Found. No wallet of this sandbox shows this code")


def _charged(acquirer: Acquirer, order: Order) -> dict[str, Any]:
    code = acquirer.truth.consumer_code(order_id=order.id)
    assert code is not None
    if code.outcome in _REFUSALS:
        raise Refused(*_REFUSALS[code.outcome])
    state = acquirer.state(order)
    if state is State.CANCELLED:
        raise Refused(404, "00", "Invalid Transaction Status")
    body: dict[str, Any] = {
        "referenceNo": order.reference_no,
        "partnerReferenceNo": order.partner_reference_no,
        "transactionDate": acquirer.truth.iso(order.created_ms),
    }
    if state is State.PENDING:
        raise InProgress(body)
    if paid := acquirer.paid(order):
        details = payment_details(acquirer.settings, acquirer.truth, order, paid[0])
        body["additionalInfo"] = details
    return body


routes = [Route("/v1.0/qr/qr-cpm-payment", service(PAYMENT, pay), methods=["POST"])]
