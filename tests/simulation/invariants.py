"""What must hold of the simulated whole: after every step, on every screen, and once all is healed.

Said here a second time: of the office it looks at what it kept, never at how it decided.
"""

import json
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from attendant_app.journal import as_event
from attendant_app.store import Store
from domain.events import verify_chain
from domain.payment import MoneyFlag
from tests.simulation.acquirer import Acquirer
from tests.simulation.model import PAID
from tests.simulation.office import Charge, Office

EDGES = frozenset(
    ("new>issuing", "issuing>issued", "issuing>issue_failed", "issuing>issue_unknown",
     "issue_unknown>issued", "issue_unknown>issue_failed", "issued>paid", "issued>expired",
     "issued>cancelled")
)  # fmt: skip
CASH = "cash"


class Watch:
    def __init__(self, office: Office, acquirer: Acquirer) -> None:
        self._office, self._acquirer = office, acquirer
        self.violations: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self._looked_at = 0
        self._greens: dict[str, set[int]] = {}
        self._known: set[tuple[str, str]] = set()

    def violate(self, what: str, example: object = "") -> None:
        """Each thing once, however often it is looked at."""
        if (what, str(example)) not in self._known:
            self._known.add((what, str(example)))
            self.violations[what] += 1
            self.examples.setdefault(what, []).append(str(example))

    # After every step

    def step(self) -> None:
        office = self._office
        if sum(office.balances.values()):
            self.violate("I1 the accounts do not sum to zero")
        for _, _, told in office.trace[self._looked_at :]:
            if "charge" in told:
                self._look_at(told["charge"])
        self._looked_at = len(office.trace)

    def _look_at(self, charge: Charge) -> None:
        office = self._office
        exact = [rrn for rrn, (flag, _) in charge.money.items() if flag is MoneyFlag.EXACT]
        if len(exact) > 1:
            self.violate("I2 a charge was paid more than once", charge.id)
        if (charge.receipt is not None) != (charge.state.value in PAID):
            self.violate("I3 paid without its receipt, or a receipt of nothing", charge.id)
        order = self._acquirer.orders.get(charge.reference)
        true = dict(order.paid) if order else {}
        for rrn, (flag, amount_rp) in charge.money.items():
            if charge.kind != CASH and true.get(rrn.partition("#")[0]) != amount_rp:
                self.violate("I5 money without evidence", charge.id)
            if flag is not MoneyFlag.EXACT and office.cases[flag.value, f"{charge.id}:{rrn}"] != 1:
                self.violate("I6 money in suspense without its one case", charge.id)
        states = ["new", *(after.value for _, after in charge.steps)]
        edges = {f"{a}>{b}" for a, b in pairwise(states)}
        if not edges <= EDGES or states[-1] != charge.state.value:
            self.violate("I6 no such edge", charge.id)

    # What people see

    def green(self, charge_id: str, device: int) -> None:
        """A screen showed a proof as paid."""
        charge = self._office.charges.get(charge_id)
        if charge is None or charge.state.value not in PAID:
            self.violate("I11 a proof was green that nobody paid", charge_id)
        self._greens.setdefault(charge_id, set()).add(device)

    def honest(self, charge_ids: list[str], device: int) -> None:
        for charge_id in charge_ids:
            charge = self._office.charges.get(charge_id)
            if charge is None or charge.state.value not in PAID:
                self.violate("I11 a screen shows paid what is not", (device, charge_id))

    # At the end, whatever happened

    def at_the_end(self) -> None:
        office = self._office
        for charge in office.charges.values():
            self._look_at(charge)
        booked = sum(rp for c in office.charges.values() for _, rp in c.money.values())
        if office.booked_rp() != booked:
            self.violate("I1 the ledger holds another sum than came")
        for what in office.wrong:
            self.violate("the office found itself wrong", what)
        numbers = [charge.receipt for charge in office.charges.values() if charge.receipt]
        if len(set(numbers)) != len(numbers) or len(numbers) != sum(office.receipts.values()):
            self.violate("I3 a receipt number given twice, or missing")
        asked = Counter(charge.request for charge in office.charges.values())
        if any(count > 1 for count in asked.values()):
            self.violate("I2 one request became several charges", max(asked.values()))

    # Once everything has healed

    def converged(self, now: datetime) -> None:
        office = self._office
        for charge in office.charges.values():
            open_ = charge.state.value in ("new", "issuing", "issue_unknown")
            if open_ or (charge.state.value == "issued" and now > _due(charge)):
                self.violate("I9 a charge was never settled", f"{charge.id} {charge.state}")
        true = {
            (order.reference, rrn): rp
            for order in self._acquirer.orders.values()
            for rrn, rp in order.paid
        }
        booked = Counter(
            (charge.reference, rrn.partition("#")[0])
            for charge in office.charges.values()
            for rrn in charge.money
            if charge.kind != CASH
        )
        for key in true:
            if not booked[key]:
                self.violate("I7 money the acquirer took is in no book", key)
        for charge_id, devices in self._greens.items():
            cases = office.cases["proof-taken-twice", charge_id]
            if (len(devices) > 1) != (cases == 1) or cases > 1:
                self.violate("I8 a proof green twice without its one case", charge_id)

    def synced(
        self, device: int, store: Store, witnessed: list[str], chain: list[dict[str, Any]]
    ) -> None:
        if store.unsynced()[0] or store.quarantined():
            left = store.unsynced(), store.quarantined()
            self.violate("I9 a handheld's queue is not empty", f"{device}: {left}")
        if verify_chain(as_event(event) for event in store.events()) is not None:
            self.violate("I8 a device's chain is broken", device)
        held = [event["hash"] for event in chain]
        if held[: len(witnessed)] != witnessed:
            self.violate("I4 an event the screen had told is not at the office", device)
        asked = {json.loads(charge.request)["id"] for charge in self._office.charges.values()}
        for row in store.db.execute("SELECT id FROM charges WHERE sync <> 'refused'"):
            if row[0] not in asked:
                self.violate("I4 a request of a handheld is not at the office", row[0])


def _due(charge: Charge) -> datetime:
    return charge.expires_at + timedelta(seconds=61)
