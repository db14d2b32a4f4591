"""What is asked of an order that exists: query (51, 61), cancel (77, 62), refund (78, 80).

The merchant- and the consumer-presented form of a service differ in code and path only.
"""

from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from server.sandbox.acquirer import Acquirer, State
from server.sandbox.fields import REFERENCE, Fields, Refused, bad_format, missing
from server.sandbox.messages import money, payment_details
from server.sandbox.mpm import check_merchant
from server.sandbox.snap import Handler, Operation, service
from server.sandbox.tables import Order, Refund

_STATUS = {
    State.PAYABLE: ("01", "initiated"),
    State.PENDING: ("03", "pending"),
    State.PAID: ("00", "success"),
    State.REFUNDED: ("04", "refunded"),
    State.DECLINED: ("06", "failed"),
    State.EXPIRED: ("05", "cancelled, expired"),
    State.CANCELLED: ("05", "cancelled"),
}
_ORIGINAL_SERVICE = {"mpm": "47", "cpm": "60"}


def _original(acquirer: Acquirer, fields: Fields, channel: str, **absent: str) -> Order:
    partner_reference = fields.text("originalPartnerReferenceNo", 64)
    own_reference = fields.text("originalReferenceNo", 64)
    if partner_reference is None and own_reference is None:
        raise missing("originalPartnerReferenceNo")
    check_merchant(acquirer, fields, required=False)
    order = acquirer.truth.order(partner_reference_no=partner_reference, reference_no=own_reference)
    if order is None or order.channel != channel:
        raise Refused(404, "01", "Transaction Not Found", **absent)
    return order


def hidden(acquirer: Acquirer, order: Order) -> bool:
    """Whether a fault hides this order from a query now."""
    truth, reference = acquirer.truth, order.partner_reference_no
    if truth.take_fault("query_not_found", reference) is not None:
        return True
    if not truth.fault_is_armed("query_flapping", reference):
        return False
    if truth.count_status_answer(order) % 2:
        return False
    return truth.take_fault("query_flapping", reference) is not None


def query(channel: str) -> Handler:
    """Of several payments the first one is reported, with their number."""

    def handle(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
        if fields.required("serviceCode", 2) != _ORIGINAL_SERVICE[channel]:
            raise bad_format("serviceCode")
        absent = {"latestTransactionStatus": "07", "transactionStatusDesc": "not found"}
        order = _original(acquirer, fields, channel, **absent)
        if hidden(acquirer, order):
            raise Refused(404, "01", "Transaction Not Found", **absent)
        return _told(acquirer, order)

    return handle


def _told(acquirer: Acquirer, order: Order) -> dict[str, Any]:
    status, description = _STATUS[acquirer.state(order)]
    content: dict[str, Any] = {
        "originalReferenceNo": order.reference_no,
        "originalPartnerReferenceNo": order.partner_reference_no,
        "serviceCode": _ORIGINAL_SERVICE[order.channel],
        "latestTransactionStatus": status,
        "transactionStatusDesc": description,
        "amount": money(order.amount_rp),
        "terminalId": order.terminal_id,
        "additionalInfo": {"qrContent": order.qr_content},
    }
    if paid := acquirer.paid(order):
        details = payment_details(acquirer.settings, acquirer.truth, order, paid[0])
        content["amount"] = money(paid[0].amount_rp)
        content["paidTime"] = details["paidTime"]
        content["additionalInfo"] |= details | {
            "paymentCount": str(len(paid)),
            "refundHistory": [_refund(acquirer, done) for done in acquirer.truth.refunds_of(order)],
        }
    return content


def cancel(channel: str) -> Handler:
    """For what is not yet paid. Cancelling again answers as the first time."""

    def handle(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
        check_merchant(acquirer, fields, required=True)
        fields.required("reason", 256)
        order = _original(acquirer, fields, channel)
        return {
            "originalReferenceNo": order.reference_no,
            "originalPartnerReferenceNo": order.partner_reference_no,
            "cancelTime": acquirer.truth.iso(cancelled_ms(acquirer, order)),
        }

    return handle


def cancelled_ms(acquirer: Acquirer, order: Order) -> int:
    """Cancels and returns since when. A payer's pending payment (CPM) is taken back with it."""
    state = acquirer.state(order)
    pending = state is State.PENDING and order.channel != "cpm"
    if state in (State.PAID, State.REFUNDED) or pending:
        raise Refused(404, "14", "Paid Bill")
    if order.cancelled_ms is not None:
        return order.cancelled_ms
    now_ms = acquirer.now_ms()
    if acquirer.truth.take_fault("cancel_lost", order.partner_reference_no) is None:
        with acquirer.truth.transaction():
            acquirer.truth.decline_scheduled(order)
            acquirer.truth.cancel_order(order, now_ms)
    return now_ms


def refund(channel: str) -> Handler:
    """Whole or in part, never more than was paid; idempotent by partnerRefundNo."""

    def handle(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
        number = fields.required("partnerRefundNo", 64, pattern=REFERENCE)
        amount_rp = fields.amount_rp("refundAmount")
        reason = fields.text("reason", 256) or ""
        order = _original(acquirer, fields, channel)
        return {
            "originalPartnerReferenceNo": order.partner_reference_no,
            "originalReferenceNo": order.reference_no,
            **_refund(acquirer, acquirer.refund(order, number, amount_rp, reason)),
        }

    return handle


def _refund(acquirer: Acquirer, done: Refund) -> dict[str, Any]:
    return {
        "refundNo": done.refund_no,
        "partnerRefundNo": done.partner_refund_no,
        "refundAmount": money(done.amount_rp),
        "refundTime": acquirer.truth.iso(done.refunded_ms),
    }


def _route(channel: str, code: str, name: str, handler: Callable[[str], Handler]) -> Route:
    endpoint = service(Operation(code, name), handler(channel))
    return Route(f"/v1.0/qr/qr-{channel}-{name}", endpoint, methods=["POST"])


routes = [
    _route("mpm", "51", "query", query),
    _route("cpm", "61", "query", query),
    _route("mpm", "77", "cancel", cancel),
    _route("cpm", "62", "cancel", cancel),
    _route("mpm", "78", "refund", refund),
    _route("cpm", "80", "refund", refund),
]
