"""What the acquirer writes of a payment: the facts it tells, and the body of each notification."""

import hashlib
from typing import Any

from server.sandbox.settings import Settings
from server.sandbox.tables import Order, Payment
from server.sandbox.truth import Truth


def notification(
    settings: Settings, truth: Truth, order: Order, payment: Payment
) -> dict[str, Any]:
    """The body for the order's channel. The payer's name and number never leave the acquirer."""
    if order.channel == "rest":
        return _of_rest(settings, truth, order, payment)
    return _of_snap(settings, truth, order, payment)


def _of_snap(settings: Settings, truth: Truth, order: Order, payment: Payment) -> dict[str, Any]:
    """Services 52 and 79."""
    body: dict[str, Any] = {
        "originalReferenceNo": payment.reference_no or order.reference_no,
        "originalPartnerReferenceNo": order.partner_reference_no,
        "latestTransactionStatus": "00",
        "transactionStatusDesc": "success",
        "destinationNumber": settings.account,
        "destinationAccountName": settings.merchant_name,
        "amount": money(payment.amount_rp),
        "bankCode": "999",
    }
    if order.store_id:
        body["externalStoreId"] = order.store_id
    return {**body, "additionalInfo": payment_details(settings, truth, order, payment)}


def payment_details(
    settings: Settings, truth: Truth, order: Order, payment: Payment
) -> dict[str, str]:
    """What the acquirer tells about a payment, in a notification or an answer to a query."""
    assert payment.paid_ms is not None
    assert payment.rrn is not None
    return {
        "rrn": payment.rrn,
        "issuerName": payment.issuer_name,
        "issuerId": payment.issuer_nns,
        "acquirerName": settings.acquirer_name,
        "mpan": settings.mpan + luhn_digit(settings.mpan),
        "nmid": settings.nmid,
        "merchantId": order.merchant_id,
        "terminalId": order.terminal_id,
        "billNumber": payment.reference_no or order.reference_no,
        "paidTime": truth.iso(payment.paid_ms),
        "qrType": "12",
    }


def _of_rest(settings: Settings, truth: Truth, order: Order, payment: Payment) -> dict[str, Any]:
    assert payment.paid_ms is not None
    gross = f"{payment.amount_rp}.00"
    return {
        "status_code": "200",
        "status_message": "sandbox payment notification",
        "transaction_id": payment.reference_no or order.reference_no,
        "order_id": order.partner_reference_no,
        "merchant_id": order.merchant_id,
        "gross_amount": gross,
        "currency": "IDR",
        "payment_type": "qris",
        "transaction_time": rest_time(truth, order.created_ms),
        "transaction_status": "settlement",
        "settlement_time": rest_time(truth, payment.paid_ms),
        "fraud_status": "accept",
        "issuer": payment.issuer_name,
        "acquirer": settings.acquirer_name,
        "reference_id": payment.rrn,
        "signature_key": rest_signature(settings, order.partner_reference_no, "200", gross),
    }


def rest_signature(settings: Settings, order_id: str, status_code: str, gross: str) -> str:
    """SHA-512 over the fields and the server key, written one after the other."""
    server_key = settings.client_secret.get_secret_value()
    return hashlib.sha512(f"{order_id}{status_code}{gross}{server_key}".encode()).hexdigest()


def rest_time(truth: Truth, ms: int) -> str:
    """`2026-11-21 10:00:00`, in the acquirer's zone and without naming it, as Midtrans does."""
    return truth.iso(ms)[:19].replace("T", " ")


def money(amount_rp: int) -> dict[str, str]:
    return {"value": f"{amount_rp}.00", "currency": "IDR"}


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` plus itself pass Luhn (ISO/IEC 7812-1 annex B)."""
    doubled = (
        int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(digits[::-1])
    )
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)
