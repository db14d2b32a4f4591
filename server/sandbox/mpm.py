"""Merchant-presented codes: generate (47) and decode (48)."""

from datetime import datetime, timedelta
from typing import Any

from starlette.routing import Route

import qris
from server.sandbox import payload
from server.sandbox.acquirer import Acquirer
from server.sandbox.fields import REFERENCE, Fields, Refused, bad_format
from server.sandbox.messages import luhn_digit, money
from server.sandbox.snap import Operation, service
from server.sandbox.tables import Order
from server.sandbox.truth import milliseconds

GENERATE = Operation("47", "generate")
DECODE = Operation("48", "decode")
MAX_AMOUNT_RP = 10_000_000  # the network's limit for one QRIS transaction
MAX_VALIDITY = timedelta(days=30)


def check_merchant(acquirer: Acquirer, fields: Fields, *, required: bool) -> str:
    merchant_id = fields.text("merchantId", 64, required=required)
    if merchant_id is not None and merchant_id != acquirer.settings.merchant_id:
        raise Refused(404, "08", "Invalid Merchant")
    return acquirer.settings.merchant_id


def check_amount(fields: Fields) -> int:
    amount_rp = fields.amount_rp("amount", required=True)
    assert amount_rp is not None
    if amount_rp == 0:
        raise Refused(404, "13", "Invalid Amount")
    if amount_rp > MAX_AMOUNT_RP:
        raise Refused(403, "02", "Exceeds Transaction Amount Limit")
    if fields.amount_rp("feeAmount"):
        # Merchants may not pass the MDR on to the payer.
        raise Refused(403, "15", "Transaction Not Permitted. feeAmount")
    return amount_rp


def expiry_ms(acquirer: Acquirer, expires: datetime | None, field: str) -> int:
    """When an order ends; the settings decide where the partner does not."""
    if expires is None:
        return acquirer.now_ms() + acquirer.settings.validity_s * 1000
    if not timedelta() < expires - acquirer.now() <= MAX_VALIDITY:
        raise bad_format(field)
    return milliseconds(expires)


def issue(acquirer: Acquirer, **values: Any) -> Order:
    """A new order with a dynamic code; the order's own reference is in the code."""
    truth, now_ms = acquirer.truth, acquirer.now_ms()
    with truth.transaction():
        own_reference = truth.next_reference(now_ms)
        return truth.add_order(
            reference_no=own_reference,
            qr_content=payload.dynamic(
                acquirer.settings, values["amount_rp"], own_reference, values["terminal_id"]
            ),
            created_ms=now_ms,
            **values,
        )


def generate(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 47. The same reference with the same body gives the same code again."""
    reference = fields.required("partnerReferenceNo", 64, pattern=REFERENCE)
    wanted = {
        "channel": "mpm",
        "amount_rp": check_amount(fields),
        "merchant_id": check_merchant(acquirer, fields, required=True),
        "store_id": fields.text("storeId", 64) or "",
        "terminal_id": fields.text("terminalId", 16, pattern=REFERENCE) or "A01",
    }
    fields.text("subMerchantId", 32)
    expires = fields.moment("validityPeriod")
    fields.inner("additionalInfo")
    order = acquirer.truth.order(partner_reference_no=reference)
    if order is None:
        order = issue(
            acquirer,
            partner_reference_no=reference,
            expires_ms=expiry_ms(acquirer, expires, "validityPeriod"),
            **wanted,
        )
    # validityPeriod is left out: a partner that asks again reckons it from its new clock.
    elif any(getattr(order, name) != value for name, value in wanted.items()):
        raise Refused(409, "01", "Duplicate partnerReferenceNo")
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


def decode(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 48: what a merchant-presented code says, whoever issued it."""
    text = fields.required("qrContent", 512)
    fields.required("scanTime", 25)
    fields.moment("scanTime")
    reference = fields.text("partnerReferenceNo", 64, pattern=REFERENCE)
    try:
        code = qris.parse(text)
    except qris.QrisError:
        raise bad_format("qrContent") from None
    settings = acquirer.settings
    content: dict[str, Any] = {
        "partnerReferenceNo": reference,
        "qrContent": text,
        "merchantName": code.name,
        "merchantCategory": code.mcc,
        "merchantLocation": code.city,
        "merchantInfos": [
            {
                "merchantPAN": _full_pan(account.pan),
                "acquirerName": settings.acquirer_name
                if account.guid == settings.acquirer_domain
                else account.guid,
            }
            for account in code.acquirers
            if account.pan
        ],
        "additionalInfo": {"nmid": code.nmid} if code.nmid else None,
    }
    if code.amount_rp is not None:
        content["transactionAmount"] = money(code.amount_rp)
    return {name: value for name, value in content.items() if value is not None}


def _full_pan(pan: str) -> str:
    """Codes hold the merchant PAN with or without its check digit; the service tells it whole."""
    return pan + luhn_digit(pan) if len(pan) == 18 and pan.isdecimal() else pan


routes = [
    Route("/v1.0/qr/qr-mpm-generate", service(GENERATE, generate), methods=["POST"]),
    Route("/v1.0/qr/qr-mpm-decode", service(DECODE, decode), methods=["POST"]),
]
