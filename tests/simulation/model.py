"""What must become of charges and their money, said once more and as plainly as can be.

It shares no line with the server: two equal mistakes must not agree. Times are seconds.
"""

from collections import Counter
from dataclasses import dataclass, field

OWN_CALL_S = 25
"""For so long our own call may still be under way, and not finding it proves nothing."""
GRACE_S = 60
"""For so long a silent acquirer may hold up an expiry."""
PAYABLE = ("issuing", "issue_unknown", "issued")
PAID = ("paid", "refund_pending", "refund_unknown", "refund_refused", "refunded")


@dataclass
class Truth:
    """A charge at the acquirer: whether it was booked, what was paid, as (RRN, rupiah), and what
    was given back, in rupiah by our number of the refund.
    """

    booked: bool = False
    paid: list[tuple[str, int]] = field(default_factory=list)
    refunded: dict[str, int] = field(default_factory=dict)


@dataclass
class Refund:
    amount_rp: int
    decided_s: int
    state: str = "sending"


@dataclass
class Expected:
    """A charge in our books."""

    amount_rp: int
    asked_s: int
    expires_s: int
    state: str = "issuing"
    has_barcode: bool = False
    truth: Truth = field(default_factory=Truth)
    recorded: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Flag and rupiah of each arrival, by RRN."""
    refunds: dict[str, Refund] = field(default_factory=dict)

    def record(self, rrn: str, rupiah: int) -> None:
        if rrn in self.recorded:
            return
        if self.state in PAID:
            flag = "duplicate"
        elif self.state not in PAYABLE:
            flag = "late"
        elif rupiah != self.amount_rp:
            flag = "over" if rupiah > self.amount_rp else "under"
        else:
            flag, self.state = "exact", "paid"
        self.recorded[rrn] = flag, rupiah

    def inquired(self, now_s: int, *, silent: bool) -> None:
        known = self.truth.booked and not silent
        self.has_barcode |= known
        if known and self.truth.paid:
            self.record(*self.truth.paid[0])
        if self.state in ("issuing", "issue_unknown"):
            self._settle_issue(now_s, silent=silent)
        if self.state == "issued" and now_s >= self.expires_s + (GRACE_S if silent else 0):
            self.state = "expired"

    def _settle_issue(self, now_s: int, *, silent: bool) -> None:
        if self.state == "issuing" and not self.has_barcode and now_s < self.asked_s + OWN_CALL_S:
            return
        if silent:
            self.state = "issue_unknown"
        else:
            self.state = "issued" if self.truth.booked else "issue_failed"

    def cancelled(self, now_s: int, *, answered: bool) -> None:
        if self.recorded or self.state != "issued":
            return
        if answered and not self.truth.paid:
            self.state = "cancelled"
        else:
            self.inquired(now_s, silent=False)

    def may_refund(self, rupiah: int) -> bool:
        """Only what is left of the money that paid it, and one refund after the other."""
        given_rp = sum(r.amount_rp for r in self.refunds.values() if r.state != "refused")
        undecided = any(r.state in ("sending", "unknown") for r in self.refunds.values())
        return self.state in PAID and not undecided and given_rp + rupiah <= self.amount_rp

    def refund_is(self, number: str, state: str) -> None:
        """A refund has got so far; the first one takes its charge along."""
        self.refunds[number].state = state
        if self.state in ("paid", "refund_pending", "refund_unknown"):
            self.state = {
                "sending": "refund_pending",
                "unknown": "refund_unknown",
                "refused": "refund_refused",
                "done": "refunded",
            }[state]

    def pursued(self, number: str, now_s: int, *, silent: bool) -> None:
        refund = self.refunds[number]
        if refund.state not in ("sending", "unknown"):
            return
        if number in self.truth.refunded and not silent:
            self.refund_is(number, "done")
        elif now_s >= refund.decided_s + OWN_CALL_S:
            self.refund_is(number, "unknown")

    def flags(self) -> Counter[tuple[str, int]]:
        return Counter(self.recorded.values())
