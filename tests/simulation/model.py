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


@dataclass
class Truth:
    """A charge at the acquirer: whether it was booked, and what was paid, as (RRN, rupiah)."""

    booked: bool = False
    paid: list[tuple[str, int]] = field(default_factory=list)


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

    def record(self, rrn: str, rupiah: int) -> None:
        if rrn in self.recorded:
            return
        if self.state == "paid":
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
        elif self.state in ("issuing", "issue_unknown"):
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

    def flags(self) -> Counter[tuple[str, int]]:
        return Counter(self.recorded.values())
