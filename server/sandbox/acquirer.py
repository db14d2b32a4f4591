"""What the acquirer decides: which code may be paid, what a payment does, what is paid back.

A payment is committed to the truth ledger together with its notification before anything is sent.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from server.sandbox import messages
from server.sandbox.fields import Refused
from server.sandbox.settings import Settings
from server.sandbox.tables import ConsumerCode, Order, Payment, Refund
from server.sandbox.truth import Truth, milliseconds

# Invented issuers (name, national numbering) and payers; no NNS of the national list is used.
ISSUERS = (
    ("Dompet Contoh", "93609901"),
    ("Bank Umpama", "93609902"),
    ("Koperasi Digital Misal", "93609903"),
)
PAYERS = ("Ani Contoh", "Budi Umpama", "Citra Misal", "Dodo Perumpamaan")


class State(StrEnum):
    """Where an order stands for whoever wants to pay it."""

    PAYABLE = "payable"
    DECLINED = "declined"  # the last try was refused; another may succeed
    PENDING = "pending"
    PAID = "paid"
    REFUNDED = "refunded"  # every rupiah paid was given back
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
class Payer:
    """Who pays, as the acquirer knows it; invented."""

    name: str
    issuer: str
    nns: str

    @classmethod
    def anyone(cls) -> "Payer":
        issuer, nns = secrets.choice(ISSUERS)
        return cls(secrets.choice(PAYERS), issuer, nns)


@dataclass(frozen=True)
class Acquirer:
    settings: Settings
    truth: Truth
    key: RSAPrivateKey
    clock: Callable[[], datetime]
    """The real time: for tokens, signatures and timestamps, which the partner checks with its."""
    wake: asyncio.Event
    """Set when the worker should look again for something to do."""

    def now(self) -> datetime:
        """The time money lives by: real time moved by the offset set by hand."""
        return self.clock() + timedelta(milliseconds=self.truth.clock_offset_ms)

    def now_ms(self) -> int:
        return milliseconds(self.now())

    def real_ms(self) -> int:
        return milliseconds(self.clock())

    def state(self, order: Order) -> State:
        payments = self.truth.payments_of(order)
        states = [payment.state for payment in payments]
        if "paid" in states:
            return State.REFUNDED if self.left_rp(order) == 0 else State.PAID
        if "scheduled" in states:
            return State.PENDING
        if order.cancelled_ms is not None:
            return State.CANCELLED
        if self.now_ms() >= order.expires_ms:
            return State.EXPIRED
        return State.DECLINED if payments else State.PAYABLE

    def paid(self, order: Order) -> list[Payment]:
        return [payment for payment in self.truth.payments_of(order) if payment.state == "paid"]

    def left_rp(self, order: Order) -> int:
        """What was paid and not given back."""
        paid_rp = sum(payment.amount_rp for payment in self.paid(order))
        return paid_rp - sum(done.amount_rp for done in self.truth.refunds_of(order))

    def pay(
        self, order: Order, outcome: Outcome, *, delay_s: float = 0, at_expiry_ms: int | None = None
    ) -> list[Payment]:
        """Does what the payer chose and returns the payments it made.

        `delay_s` holds the notification back, not the money. Paying late before the code has
        expired schedules the payment for the moment after it does. `at_expiry_ms` books the
        money at that distance from the code's end, whatever the clock says. Raises PaymentRefused.
        """
        now_ms, hold_ms = self.now_ms(), round(delay_s * 1000)
        state = self.state(order)
        at_ms = None if at_expiry_ms is None else order.expires_ms + at_expiry_ms
        if at_ms is not None and state is State.EXPIRED:
            state = State.PAYABLE
        with self.truth.transaction():
            if state in _REFUSED[outcome]:
                raise PaymentRefused(state)
            if outcome is Outcome.DECLINE:
                return [self._add(order, "declined", "normal", now_ms)]
            if at_ms is None:
                planned = self._planned(order, outcome, state, hold_ms)
            else:
                kind = "normal" if at_ms < order.expires_ms else "late"
                planned = [self._add(order, "scheduled", kind, at_ms, hold_ms)]
            until_ms = self.now_ms() if at_ms is None else at_ms  # the clock ticks meanwhile
            made = [self._book(p, p.due_ms) if p.due_ms <= until_ms else p for p in planned]
        self.wake.set()
        return made

    def _planned(self, order: Order, outcome: Outcome, state: State, hold_ms: int) -> list[Payment]:
        """The payments of one choice of the payer, scheduled, with the faults loaded for it."""
        reference = order.partner_reference_no
        now_ms = self.now_ms()
        if outcome is Outcome.PAY and self._fires("pay_late", reference):
            outcome = Outcome.LATE
        if outcome is Outcome.LATE:
            due_ms = max(now_ms, order.expires_ms)
            return [self._add(order, "scheduled", "late", due_ms, hold_ms)]
        if state in (State.PAID, State.REFUNDED):
            return [self._add(order, "scheduled", "second", now_ms, hold_ms)]
        made = [self._add(order, "scheduled", "normal", now_ms, hold_ms)]
        elsewhere = outcome is Outcome.PAY and self._fires("pay_twice_two_references", reference)
        if elsewhere or outcome is Outcome.TWICE or self._fires("pay_twice", reference):
            other = f"{order.reference_no}-2" if elsewhere else None
            second = self._add(order, "scheduled", "second", now_ms, hold_ms, reference_no=other)
            made.append(second)
        return made

    def charge(self, order: Order, code: ConsumerCode) -> None:
        """Collects `order` from the payer who showed `code`, as that payer chose."""
        payer = Payer(code.payer_name, code.issuer_name, code.issuer_nns)
        now_ms = self.now_ms()
        if code.outcome in ("insufficient", "refuse"):
            self._add(order, "declined", "normal", now_ms, payer=payer)
            return
        due_ms = now_ms + (code.delay_ms if code.outcome == "pending" else 0)
        payment = self._add(order, "scheduled", "normal", due_ms, payer=payer)
        if code.outcome == "pay":
            self._book(payment, now_ms)
        self.wake.set()

    def book_due(self) -> None:
        """Books scheduled payments whose time has come."""
        now_ms = self.now_ms()
        if due := self.truth.scheduled(now_ms):
            with self.truth.transaction():
                for payment in due:
                    self._book(payment, now_ms)

    def refund(self, order: Order, number: str, amount_rp: int | None, reason: str) -> Refund:
        """Gives money back, whole or in part; idempotent by the partner's number. Raises Refused.

        A refund that is to be lost is answered like any other, and is in no book.
        """
        known = self.truth.refund(number)
        if known is not None:
            if known.order_id != order.id or amount_rp not in (None, known.amount_rp):
                raise Refused(404, "18", "Inconsistent Request")
            return known
        if not self.paid(order):
            raise Refused(404, "00", "Invalid Transaction Status")
        left_rp = self.left_rp(order)
        wanted_rp = left_rp if amount_rp is None else amount_rp
        if not 0 < wanted_rp <= left_rp:
            raise Refused(404, "13", "Invalid Amount")
        now_ms = self.now_ms()
        done = self.truth.new_refund(
            now_ms=now_ms,
            order_id=order.id,
            partner_refund_no=number,
            amount_rp=wanted_rp,
            reason=reason,
        )
        if not self._fires("refund_lost", order.partner_reference_no):
            with self.truth.transaction():
                self.truth.add_refund(done)
                self.truth.release_held_by_refund(order, now_ms)
            self.wake.set()
        return done

    def _fires(self, fault: str, reference: str) -> bool:
        return self.truth.take_fault(fault, reference) is not None

    def _add(
        self,
        order: Order,
        state: str,
        kind: str,
        due_ms: int,
        hold_ms: int = 0,
        *,
        payer: Payer | None = None,
        reference_no: str | None = None,
    ) -> Payment:
        payer = payer or Payer.anyone()
        amount_rp = order.amount_rp
        if state == "scheduled" and self._fires("pay_one_more", order.partner_reference_no):
            amount_rp += 1
        elif state == "scheduled" and self._fires("pay_one_less", order.partner_reference_no):
            amount_rp = max(amount_rp - 1, 1)
        key = self.truth.add_payment(
            order_id=order.id,
            state=state,
            kind=kind,
            amount_rp=amount_rp,
            mdr_rp=mdr_rp(amount_rp, self.settings.mdr_basis_points),
            issuer_name=payer.issuer,
            issuer_nns=payer.nns,
            payer_name=payer.name,
            due_ms=due_ms,
            hold_ms=hold_ms,
            reference_no=reference_no,
        )
        return self.truth.payment(key)

    def _book(self, waiting: Payment, paid_ms: int) -> Payment:
        """Money has moved: the payment, and what the partner is to be told of it."""
        order = self.truth.order(id=waiting.order_id)
        assert order is not None
        payment = self.truth.mark_paid(waiting.id, paid_ms)
        body = messages.notification(self.settings, self.truth, order, payment)
        now_ms, held = self.now_ms(), ""
        next_ms = now_ms + payment.hold_ms
        reference = order.partner_reference_no
        if (late_s := self.truth.take_fault("late_notifications", reference)) is not None:
            next_ms += round(late_s * 1000)
        if (most_s := self.truth.take_fault("reorder_notifications", reference)) is not None:
            held, next_ms = "next", now_ms + round(most_s * 1000)
        if self._fires("notify_after_refund", reference):
            held, next_ms = "refund", now_ms + self.settings.notify_give_up_s * 1000
        self.truth.add_notification(
            payment,
            json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            now_ms=now_ms,
            next_ms=next_ms,
            held=held,
            schedule="doku" if self._fires("doku_schedule", reference) else "",
        )
        return payment


_PAID = frozenset({State.PAID, State.REFUNDED})
_NOT_OPEN = _PAID | {State.PENDING, State.EXPIRED, State.CANCELLED}
_REFUSED: dict[Outcome, frozenset[State]] = {
    Outcome.PAY: _NOT_OPEN,
    Outcome.DECLINE: _NOT_OPEN,
    Outcome.LATE: _PAID | {State.PENDING},
    Outcome.TWICE: frozenset({State.PENDING, State.EXPIRED, State.CANCELLED}),
}


def mdr_rp(gross_rp: int, basis_points: int) -> int:
    """The fee on one payment, rounded half up to a whole rupiah. `gross_rp` is not negative."""
    return (gross_rp * basis_points * 2 + 10_000) // 20_000
