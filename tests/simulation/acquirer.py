"""The acquirer of the simulation: what was truly booked and paid, and how it lies about it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from server.sandbox import payload
from server.sandbox.settings import Settings


@dataclass
class Order:
    reference: str
    amount_rp: int
    expires_at: datetime
    qris: str
    paid: list[tuple[str, int]] = field(default_factory=list)
    """RRN and rupiah of each payment, the first one first."""


@dataclass(frozen=True)
class Outcome:
    """How our own call ended: answered, refused, lost, lost-booked, died or died-booked."""

    mood: str
    qris: str | None


SETTINGS = Settings()
WRONG = ("refused", "lost", "lost-booked", "died", "died-booked")


class Acquirer:
    def __init__(self, rng: Random, wrong: float, silent: float) -> None:
        """`wrong` and `silent` are how often a call for a barcode, or an inquiry, goes amiss."""
        self.rng = rng
        self.wrong, self.silent = wrong, silent
        self.orders: dict[str, Order] = {}
        self.fired: Counter[str] = Counter()

    def generate(self, reference: str, amount_rp: int, expires_at: datetime) -> Outcome:
        mood = "answered"
        if self.rng.random() < self.wrong:
            mood = self.rng.choice(WRONG)
            self.fired[f"barcode {mood}"] += 1
        if mood not in ("answered", "lost-booked", "died-booked"):
            return Outcome(mood, None)
        qris = payload.dynamic(SETTINGS, amount_rp, reference[:20], "A01")
        self.orders[reference] = Order(reference, amount_rp, expires_at, qris)
        return Outcome(mood, qris)

    def inquire(self, reference: str) -> tuple[Order | None, bool]:
        """The order, if it tells of one, and whether it was silent."""
        if self.rng.random() < self.silent:
            self.fired["inquiry unanswered"] += 1
            return None, True
        return self.orders.get(reference), False

    def pay(self, reference: str, amount_rp: int) -> str:
        """Take money; its RRN."""
        rrn = f"{self.rng.randrange(10**11, 10**12)}"
        self.orders[reference].paid.append((rrn, amount_rp))
        return rrn
