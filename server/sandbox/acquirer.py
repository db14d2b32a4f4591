"""What the acquirer decides: which code may be paid, what a payment does, what a notification says.

A payment is committed to the truth ledger together with its notification before anything is sent.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from server.sandbox.settings import Settings
from server.sandbox.tables import Order, Payment
from server.sandbox.truth import Truth, milliseconds

# Invented issuers (name, national numbering) and payers; no NNS of the national list is used.
_ISSUERS = (
    ("Dompet Contoh", "93609901"),
    ("Bank Umpama", "93609902"),
    ("Koperasi Digital Misal", "93609903"),
)
_PAYERS = ("Ani Contoh", "Budi Umpama", "Citra Misal", "Dodo Perumpamaan")


class State(StrEnum):
    """Where an order stands for whoever wants to pay it."""

    PAYABLE = "payable"
    DECLINED = "declined"  # the last try was refused; another may succeed
    PENDING = "pending"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What the payer, or the one who tests, wants to happen."""

    PAY = "pay"
    DECLINE = "decline"
    LATE = "late"
    TWICE = "twice"


class PaymentRefused(Exception):
    """The wallet may not pay this order; `state` says where the order stands."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


@dataclass(frozen=True)
class Acquirer:
    settings: Settings
    truth: Truth
    key: RSAPrivateKey
    now: Callable[[], datetime]
    wake: asyncio.Event
    """Set when the worker should look again for something to do."""

    def now_ms(self) -> int:
        return milliseconds(self.now())

    def state(self, order: Order) -> State:
        payments = [payment.state for payment in self.truth.payments_of(order)]
        if "paid" in payments:
            return State.PAID
        if "scheduled" in payments:
            return State.PENDING
        if order.cancelled_ms is not None:
            return State.CANCELLED
        if self.now_ms() >= order.expires_ms:
            return State.EXPIRED
        return State.DECLINED if payments else State.PAYABLE

    def pay(self, order: Order, outcome: Outcome, *, delay_s: float = 0) -> list[Payment]:
        """Does what the payer chose and returns the payments it made.

        `delay_s` holds the notification back, not the money. Paying late before the code has
        expired schedules the payment for the moment after it does. Raises PaymentRefused.
        """
        now_ms, hold_ms = self.now_ms(), round(delay_s * 1000)
        state = self.state(order)
        with self.truth.transaction():
            if state in _REFUSED[outcome]:
                raise PaymentRefused(state)
            if outcome is Outcome.DECLINE:
                made = [self._add(order, "declined", "normal", now_ms, 0)]
            elif outcome is Outcome.LATE:
                due_ms = max(now_ms, order.expires_ms)
                made = [self._add(order, "scheduled", "late", due_ms, hold_ms)]
            else:
                kinds = ["normal", "second"] if outcome is Outcome.TWICE else ["normal"]
                if state is State.PAID:
                    kinds = ["second"]
                made = [self._add(order, "scheduled", kind, now_ms, hold_ms) for kind in kinds]
            keys = {payment.id for payment in made}
            self._book(now_ms, only=keys)
        self.wake.set()
        return [self.truth.payment(key) for key in sorted(keys)]

    def book_due(self) -> None:
        """Books scheduled payments whose time has come."""
        now_ms = self.now_ms()
        if self.truth.scheduled(now_ms):
            with self.truth.transaction():
                self._book(now_ms)

    def _add(self, order: Order, state: str, kind: str, due_ms: int, hold_ms: int) -> Payment:
        issuer, nns = secrets.choice(_ISSUERS)
        key = self.truth.add_payment(
            order_id=order.id,
            state=state,
            kind=kind,
            amount_rp=order.amount_rp,
            mdr_rp=mdr_rp(order.amount_rp, self.settings.mdr_basis_points),
            issuer_name=issuer,
            issuer_nns=nns,
            payer_name=secrets.choice(_PAYERS),
            due_ms=due_ms,
            hold_ms=hold_ms,
        )
        return self.truth.payment(key)

    def _book(self, now_ms: int, only: set[int] | None = None) -> None:
        for waiting in self.truth.scheduled(now_ms):
            if only is not None and waiting.id not in only:
                continue
            order = self.truth.order(id=waiting.order_id)
            assert order is not None
            payment = self.truth.mark_paid(waiting.id, now_ms)
            amount_rp = payment.amount_rp
            if self.truth.take_fault("notify_wrong_amount", order.partner_reference_no) is not None:
                amount_rp += 1
            body = self.notification(order, payment, amount_rp)
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            next_ms = now_ms + payment.hold_ms
            self.truth.add_notification(payment, text, now_ms=now_ms, next_ms=next_ms)

    def payment_details(self, order: Order, payment: Payment) -> dict[str, str]:
        """What the acquirer tells about a payment, in a notification or an answer to a query."""
        settings = self.settings
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
            "billNumber": order.reference_no,
            "paidTime": self.truth.iso(payment.paid_ms),
            "qrType": "12",
        }

    def notification(self, order: Order, payment: Payment, amount_rp: int) -> dict[str, Any]:
        """The body of service 52. The payer's name and number never leave the acquirer."""
        body: dict[str, Any] = {
            "originalReferenceNo": order.reference_no,
            "originalPartnerReferenceNo": order.partner_reference_no,
            "latestTransactionStatus": "00",
            "transactionStatusDesc": "success",
            "destinationNumber": self.settings.account,
            "destinationAccountName": self.settings.merchant_name,
            "amount": money(amount_rp),
            "bankCode": "999",
        }
        if order.store_id:
            body["externalStoreId"] = order.store_id
        return {**body, "additionalInfo": self.payment_details(order, payment)}


_NOT_OPEN = frozenset({State.PENDING, State.PAID, State.EXPIRED, State.CANCELLED})
_REFUSED: dict[Outcome, frozenset[State]] = {
    Outcome.PAY: _NOT_OPEN,
    Outcome.DECLINE: _NOT_OPEN,
    Outcome.LATE: frozenset({State.PENDING, State.PAID}),
    Outcome.TWICE: frozenset({State.PENDING, State.EXPIRED, State.CANCELLED}),
}


def money(amount_rp: int) -> dict[str, str]:
    return {"value": f"{amount_rp}.00", "currency": "IDR"}


def mdr_rp(gross_rp: int, basis_points: int) -> int:
    """The fee on one payment, rounded half up to a whole rupiah. `gross_rp` is not negative."""
    return (gross_rp * basis_points * 2 + 10_000) // 20_000


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` plus itself pass Luhn (ISO/IEC 7812-1 annex B)."""
    doubled = (
        int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(digits[::-1])
    )
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)
