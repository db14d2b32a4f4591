"""Charges, payments, refunds and cases: their state tables, and what money means for a charge.

A lost answer is a state of its own, left only by asking: ISSUE_UNKNOWN, REFUND_UNKNOWN and a
refund's UNKNOWN accept none of the events of a direct answer, only those of an inquiry (or of a
settlement line).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.money import MoneyError, whole
from domain.states import TransitionRefused, diagram, follow

__all__ = [
    "CASE_TABLE",
    "CHARGE_TABLE",
    "EVENTS_TO_PAID",
    "PAYMENT_TABLE",
    "REFUND_TABLE",
    "REFUND_UNDECIDED",
    "REFUND_VOID",
    "CaseEvent",
    "CaseOutcome",
    "CaseState",
    "ChargeEvent",
    "ChargeKind",
    "ChargeState",
    "MoneyFlag",
    "PaymentEvent",
    "PaymentState",
    "RefundEvent",
    "RefundMethod",
    "RefundReason",
    "RefundState",
    "TransitionRefused",
    "advance_case",
    "advance_charge",
    "advance_payment",
    "advance_refund",
    "diagram",
    "judge_money",
    "network_id",
]


class ChargeKind(StrEnum):
    """Who shows a barcode to whom: the merchant's is scanned, the consumer's is read; or what is
    handed over: cash, or a voucher that was paid for before.
    """

    MPM = "mpm"
    CPM = "cpm"
    CASH = "cash"
    VOUCHER = "voucher"


RRN_LENGTH = 12


def network_id(told: str | None) -> str | None:
    """The network's id of a payment (RRN), the same however a message or a file writes it.

    ISO 8583, field 37: twelve characters. Zeros in front and spaces come and go on the way. An
    acquirer's number of a refund is spelled so too: settlement files put it in the same column.
    """
    written = "".join((told or "").split())
    if not (written.isascii() and written.isdigit()):
        return written or None
    digits = written.lstrip("0")
    return digits.rjust(RRN_LENGTH, "0") if digits else None


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
    """What verified money is to its charge; all but EXACT is posted to suspense with a case.

    RETURNED is not judged by the charge: when we first hear of it the acquirer has given it back,
    and not because we asked.
    """

    EXACT = "exact"
    LATE = "late"
    OVER = "over"
    UNDER = "under"
    DUPLICATE = "duplicate"
    RETURNED = "returned"


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


class RefundMethod(StrEnum):
    """How money goes back: by the acquirer to the payer's own app, or by a bank transfer."""

    ACQUIRER = "acquirer"
    TRANSFER = "transfer"


class RefundReason(StrEnum):
    PAID_TWICE = "paid_twice"
    PAID_LATE = "paid_late"
    OTHER_AMOUNT = "other_amount"
    WRONG_CHARGE = "wrong_charge"
    NOT_PARKED = "not_parked"
    OTHER = "other"


class RefundState(StrEnum):
    REQUESTED = "requested"
    REJECTED = "rejected"
    SENDING = "sending"
    UNKNOWN = "unknown"
    TRANSFER_DUE = "transfer_due"
    REFUSED = "refused"
    DONE = "done"


class RefundEvent(StrEnum):
    """What happened to a refund.

    ACCEPTED, DECLINED and UNANSWERED tell how our call to the acquirer ended. FOUND is what an
    inquiry or a settlement line said after that, also of a refund that was held to be refused.
    NOT_FOUND is decided by people: that an acquirer does not tell of a refund may mean that it is
    slow, and what it makes in the end must not have been given back by another way meanwhile.
    WITHDRAWN: a transfer that was approved will not be made.
    """

    APPROVED = "approved"
    APPROVED_FOR_TRANSFER = "approved_for_transfer"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNANSWERED = "unanswered"
    FOUND = "found"
    NOT_FOUND = "not_found"
    TRANSFERRED = "transferred"
    WITHDRAWN = "withdrawn"


REFUND_TABLE: Mapping[tuple[RefundState, RefundEvent], RefundState] = MappingProxyType(
    {
        (RefundState.REQUESTED, RefundEvent.APPROVED): RefundState.SENDING,
        (RefundState.REQUESTED, RefundEvent.APPROVED_FOR_TRANSFER): RefundState.TRANSFER_DUE,
        (RefundState.REQUESTED, RefundEvent.REJECTED): RefundState.REJECTED,
        (RefundState.SENDING, RefundEvent.ACCEPTED): RefundState.DONE,
        (RefundState.SENDING, RefundEvent.DECLINED): RefundState.REFUSED,
        (RefundState.SENDING, RefundEvent.UNANSWERED): RefundState.UNKNOWN,
        (RefundState.UNKNOWN, RefundEvent.FOUND): RefundState.DONE,
        (RefundState.UNKNOWN, RefundEvent.NOT_FOUND): RefundState.REFUSED,
        (RefundState.REFUSED, RefundEvent.FOUND): RefundState.DONE,
        (RefundState.TRANSFER_DUE, RefundEvent.TRANSFERRED): RefundState.DONE,
        (RefundState.TRANSFER_DUE, RefundEvent.WITHDRAWN): RefundState.REFUSED,
    }
)

REFUND_UNDECIDED = frozenset(
    {RefundState.REQUESTED, RefundState.SENDING, RefundState.UNKNOWN, RefundState.TRANSFER_DUE}
)
"""A refund that may still turn out either way; its money waits for it."""
REFUND_VOID = frozenset({RefundState.REJECTED, RefundState.REFUSED})
"""A refund that gave nothing back, as far as anybody knows; its money may be asked for again."""


def advance_refund(state: RefundState, event: RefundEvent) -> RefundState:
    """The refund's next state; raises TransitionRefused where REFUND_TABLE has no edge."""
    return follow(REFUND_TABLE, state, event)


class CaseOutcome(StrEnum):
    """How a case ended. The first nine are decided by two people, the others by the books.

    RECOGNISED: the money is a zone's earning after all. MATCHED: it is that of a batch or slip
    which the bank did not name. OTHER_INCOME: it is income that is no retribution, as a bank's
    interest. GIVEN_BACK: it is a stranger's and must go back. SENT_BACK: it is the transfer with
    which such money went back. KEPT: a refund that was refused is not tried again. NOT_MADE: the
    acquirer did not make a refund that was in doubt. CLARIFIED: how a proof or a voucher came to be
    taken that was no good is known. TAKEN_BACK: what had been posted for a case that was opened
    again is undone, and the case stays open. REFUNDED: the money went back. EXPLAINED: a later file
    says what it was. CLAIM_PAID: all of it paid what we claimed of a fee, as two people decided
    about the claim.
    """

    RECOGNISED = "recognised"
    MATCHED = "matched"
    OTHER_INCOME = "other_income"
    GIVEN_BACK = "given_back"
    SENT_BACK = "sent_back"
    KEPT = "kept"
    NOT_MADE = "not_made"
    CLARIFIED = "clarified"
    TAKEN_BACK = "taken_back"
    REFUNDED = "refunded"
    EXPLAINED = "explained"
    CLAIM_PAID = "claim_paid"


class CaseState(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"
    CLOSED = "closed"


class CaseEvent(StrEnum):
    """PROPOSED, DECLINED, ACCEPTED and CORRECTED are people's; SETTLED is the books' own.

    CORRECTED: two officers took back what was posted for it, and it is as open as before. SETTLED:
    its money went back, or a later file explains it. REOPENED: an officer asks again, or the books
    know better than people had decided. A proposal about what has changed meanwhile is DECLINED
    by the books.
    """

    PROPOSED = "proposed"
    DECLINED = "declined"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    SETTLED = "settled"
    REOPENED = "reopened"


CASE_TABLE: Mapping[tuple[CaseState, CaseEvent], CaseState] = MappingProxyType(
    {
        (CaseState.OPEN, CaseEvent.PROPOSED): CaseState.PROPOSED,
        (CaseState.PROPOSED, CaseEvent.DECLINED): CaseState.OPEN,
        (CaseState.PROPOSED, CaseEvent.ACCEPTED): CaseState.CLOSED,
        (CaseState.PROPOSED, CaseEvent.CORRECTED): CaseState.OPEN,
        (CaseState.OPEN, CaseEvent.SETTLED): CaseState.CLOSED,
        (CaseState.PROPOSED, CaseEvent.SETTLED): CaseState.CLOSED,
        (CaseState.CLOSED, CaseEvent.REOPENED): CaseState.OPEN,
    }
)


def advance_case(state: CaseState, event: CaseEvent) -> CaseState:
    """The case's next state; raises TransitionRefused where CASE_TABLE has no edge."""
    return follow(CASE_TABLE, state, event)
