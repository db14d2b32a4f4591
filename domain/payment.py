"""Charges and payments: their state tables, and what money that arrives means for a charge.

A lost answer is a state of its own, left only by asking: ISSUE_UNKNOWN and REFUND_UNKNOWN accept
none of the events of a direct answer, only those of an inquiry (or of a settlement line).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.money import MoneyError, whole
from domain.states import TransitionRefused, diagram, follow

__all__ = [
    "CHARGE_TABLE",
    "EVENTS_TO_PAID",
    "PAYMENT_TABLE",
    "ChargeEvent",
    "ChargeKind",
    "ChargeState",
    "MoneyFlag",
    "PaymentEvent",
    "PaymentState",
    "TransitionRefused",
    "advance_charge",
    "advance_payment",
    "diagram",
    "judge_money",
]


class ChargeKind(StrEnum):
    """Who shows a barcode to whom: the merchant's is scanned, the consumer's is read; or cash."""

    MPM = "mpm"
    CPM = "cpm"
    CASH = "cash"


class ChargeState(StrEnum):
    NEW = "new"
    ISSUING = "issuing"
    ISSUED = "issued"
    ISSUE_UNKNOWN = "issue_unknown"
    ISSUE_FAILED = "issue_failed"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    REFUND_UNKNOWN = "refund_unknown"
    REFUND_REFUSED = "refund_refused"


class ChargeEvent(StrEnum):
    """What happened to a charge.

    ACCEPTED, REJECTED and UNANSWERED tell how our own call ended. FOUND and NOT_FOUND are what an
    inquiry, or a settlement line, said after an UNANSWERED call.
    """

    ISSUE_REQUESTED = "issue_requested"
    ISSUE_ACCEPTED = "issue_accepted"
    ISSUE_REJECTED = "issue_rejected"
    ISSUE_UNANSWERED = "issue_unanswered"
    ISSUE_FOUND = "issue_found"
    ISSUE_NOT_FOUND = "issue_not_found"
    MONEY_CONFIRMED = "money_confirmed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUND_REQUESTED = "refund_requested"
    REFUND_ACCEPTED = "refund_accepted"
    REFUND_REJECTED = "refund_rejected"
    REFUND_UNANSWERED = "refund_unanswered"
    REFUND_FOUND = "refund_found"
    REFUND_NOT_FOUND = "refund_not_found"


_S, _E = ChargeState, ChargeEvent

CHARGE_TABLE: Mapping[tuple[ChargeState, ChargeEvent], ChargeState] = MappingProxyType(
    {
        (_S.NEW, _E.ISSUE_REQUESTED): _S.ISSUING,
        (_S.ISSUING, _E.ISSUE_ACCEPTED): _S.ISSUED,
        (_S.ISSUING, _E.ISSUE_REJECTED): _S.ISSUE_FAILED,
        (_S.ISSUING, _E.ISSUE_UNANSWERED): _S.ISSUE_UNKNOWN,
        (_S.ISSUE_UNKNOWN, _E.ISSUE_FOUND): _S.ISSUED,
        (_S.ISSUE_UNKNOWN, _E.ISSUE_NOT_FOUND): _S.ISSUE_FAILED,
        (_S.ISSUED, _E.MONEY_CONFIRMED): _S.PAID,
        (_S.ISSUED, _E.EXPIRED): _S.EXPIRED,
        (_S.ISSUED, _E.CANCELLED): _S.CANCELLED,
        (_S.PAID, _E.REFUND_REQUESTED): _S.REFUND_PENDING,
        (_S.REFUND_PENDING, _E.REFUND_ACCEPTED): _S.REFUNDED,
        (_S.REFUND_PENDING, _E.REFUND_REJECTED): _S.REFUND_REFUSED,
        (_S.REFUND_PENDING, _E.REFUND_UNANSWERED): _S.REFUND_UNKNOWN,
        (_S.REFUND_UNKNOWN, _E.REFUND_FOUND): _S.REFUNDED,
        (_S.REFUND_UNKNOWN, _E.REFUND_NOT_FOUND): _S.REFUND_REFUSED,
    }
)

EVENTS_TO_PAID: Mapping[ChargeState, tuple[ChargeEvent, ...]] = MappingProxyType(
    {
        _S.ISSUED: (_E.MONEY_CONFIRMED,),
        _S.ISSUING: (_E.ISSUE_ACCEPTED, _E.MONEY_CONFIRMED),
        _S.ISSUE_UNKNOWN: (_E.ISSUE_FOUND, _E.MONEY_CONFIRMED),
    }
)
"""The payable states, and the events exact money means in each.

Money can arrive before our own call has ended; it proves that the charge was issued.
"""


def advance_charge(state: ChargeState, event: ChargeEvent) -> ChargeState:
    """The charge's next state; raises TransitionRefused where CHARGE_TABLE has no edge."""
    return follow(CHARGE_TABLE, state, event)


class MoneyFlag(StrEnum):
    """What verified money is to its charge; all but EXACT is posted to suspense with a case."""

    EXACT = "exact"
    LATE = "late"
    OVER = "over"
    UNDER = "under"
    DUPLICATE = "duplicate"


_ALREADY_PAID = frozenset(
    {_S.PAID, _S.REFUND_PENDING, _S.REFUNDED, _S.REFUND_UNKNOWN, _S.REFUND_REFUSED}
)


def judge_money(state: ChargeState, expected_rp: int, received_rp: int) -> MoneyFlag:
    """What verified money of ``received_rp`` is, on a charge of ``expected_rp`` in ``state``.

    The first that holds: DUPLICATE once the charge was paid, whatever became of it since; LATE
    when it cannot be paid any more (expired, cancelled, issue_failed) or was never offered (new,
    as after a restore); OVER or UNDER by amount; EXACT, and only then do EVENTS_TO_PAID apply.
    Both amounts are whole rupiah above zero, else MoneyError.
    """
    if whole(expected_rp, "expected_rp") <= 0 or whole(received_rp, "received_rp") <= 0:
        raise MoneyError(f"amounts must be above zero: {expected_rp}, {received_rp}")
    if state in _ALREADY_PAID:
        return MoneyFlag.DUPLICATE
    if state not in EVENTS_TO_PAID:
        return MoneyFlag.LATE
    if received_rp != expected_rp:
        return MoneyFlag.OVER if received_rp > expected_rp else MoneyFlag.UNDER
    return MoneyFlag.EXACT


class PaymentState(StrEnum):
    REQUESTED = "requested"
    PAID = "paid"
    VOIDED = "voided"


class PaymentEvent(StrEnum):
    """CONFIRMED: one of its charges was paid in full. VOIDED: given up before that."""

    CONFIRMED = "confirmed"
    VOIDED = "voided"


PAYMENT_TABLE: Mapping[tuple[PaymentState, PaymentEvent], PaymentState] = MappingProxyType(
    {
        (PaymentState.REQUESTED, PaymentEvent.CONFIRMED): PaymentState.PAID,
        (PaymentState.REQUESTED, PaymentEvent.VOIDED): PaymentState.VOIDED,
    }
)


def advance_payment(state: PaymentState, event: PaymentEvent) -> PaymentState:
    """The payment's next state; raises TransitionRefused: money back is a refund of its charge."""
    return follow(PAYMENT_TABLE, state, event)
