"""Charges, notifications, inquiries and refunds in any order, against a model in plain Python.

The service functions, the inbox and the database are the real ones. Only the acquirer is played
here, because it must lie, fall silent and die on demand; its own wire is tested elsewhere.
"""

import asyncio
import itertools
import os
import secrets
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from starlette.datastructures import Headers

from domain.payment import RefundMethod, RefundReason
from domain.tariff import VehicleClass
from server import sample, verify
from server.app import create_app
from server.database import APP_ROLE, as_role
from server.errors import Problem
from server.ledger import postings
from server.payments import cancelling, inquiries, pursuit, refunds
from server.payments.acquirer import (
    AcquirerRefused,
    Acquirers,
    AcquirerUnknown,
    InquiryAnswer,
    IssuedBarcode,
    PaidStatus,
    RefundAnswer,
    ToldRefund,
    profile,
)
from server.payments.callbacks import Answer, Callback
from server.payments.issuing import Issuer, PaymentRequest
from server.payments.refunds import RefundLimits, RefundRequest
from server.payments.service import IdempotencyConflict
from server.sandbox import payload
from server.sandbox.settings import Settings as SandboxSettings
from server.settings import Settings
from tests.faults.stage import flat_spots
from tests.server.cluster import TEMPLATE, database_named, execute
from tests.server.payments.voice import Voice, compact
from tests.simulation.model import Expected, Refund

SEED = int(os.environ.get("SEED", "20261121"))
EXAMPLES = int(os.environ.get("EXAMPLES", "20"))
SECRET = "rahasia mesin"
DATABASE = "karcis_simulation"
STARTS = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)
PRICES_RP = {VehicleClass.MOTORCYCLE: 2_000, VehicleClass.CAR: 4_000}
SPOTS = flat_spots()[:3]
BOOKS = """
    SELECT c.id, c.state, coalesce(array_agg(ARRAY[m.flag, m.amount_rp::text])
                                   FILTER (WHERE m.id IS NOT NULL), '{}') AS money
    FROM charges c LEFT JOIN money m ON m.charge_id = c.id
    WHERE c.id = ANY(CAST(:ids AS uuid[])) GROUP BY c.id
"""
MONEY = "SELECT id FROM money WHERE charge_id = :id AND flag = 'exact'"
REFUNDS = """
    SELECT reference, state, amount_rp FROM refunds
    WHERE charge_id = ANY(CAST(:ids AS uuid[])) AND state NOT IN ('requested', 'rejected')
"""
OUTCOMES = ("answered", "refused", "lost", "lost-booked", "died", "died-booked")


STATES_AFTER = {
    "answered": "issued",
    "refused": "issue_failed",
    "lost": "issue_unknown",
    "lost-booked": "issue_unknown",
}
REFUNDS_AFTER = {
    "answered": "done",
    "refused": "refused",
    "lost": "unknown",
    "lost-booked": "unknown",
}
NUMBERS = itertools.count(secrets.randbits(90) << 20)
"""Ids, also of earlier runs, never meet: one database serves all examples."""
Paid = tuple[UUID, str, int]


class Died(Exception):
    """Our process ended in the middle of the acquirer's call."""


class PlayedAcquirer:
    """Books what it is asked for, and answers as `mood` says. `known` holds all it booked."""

    profile = profile("sandbox")

    def __init__(self) -> None:
        self.known: dict[str, tuple[Expected, str]] = {}
        self.mood = "answered"
        self.asked_for: Expected | None = None

    async def generate(self, reference: str, amount_rp: int, _ends: datetime) -> IssuedBarcode:
        if self.mood == "refused":
            raise AcquirerRefused("4004701", "no")
        barcode = payload.dynamic(SandboxSettings(), amount_rp, reference[:20], "A01")
        if self.mood in ("answered", "lost-booked", "died-booked"):
            assert self.asked_for is not None
            assert reference not in self.known, "one reference is generated once"
            self.asked_for.truth.booked = True
            self.known[reference] = self.asked_for, barcode
        if self.mood.startswith("lost"):
            raise AcquirerUnknown("no answer")
        if self.mood.startswith("died"):
            raise Died
        return IssuedBarcode(barcode, f"R{reference}")

    async def cancel(self, reference: str, *_: object) -> None:
        charge, _ = self.known[reference]
        if charge.truth.paid:
            raise AcquirerRefused("4047714", "paid")
        if self.mood != "answered":
            raise AcquirerUnknown("no answer")

    async def refund(self, reference: str, number: str, amount_rp: int, *_: object) -> RefundAnswer:
        charge, _ = self.known[reference]
        if self.mood == "refused":
            raise AcquirerRefused("4037801", "no")
        if self.mood in ("answered", "lost-booked", "died-booked"):
            assert number not in charge.truth.refunded, "one refund is made once"
            charge.truth.refunded[number] = amount_rp
        if self.mood.startswith("lost"):
            raise AcquirerUnknown("no answer")
        if self.mood.startswith("died"):
            raise Died
        return RefundAnswer(f"F{number}", None)

    async def inquire(self, reference: str, *_: object) -> InquiryAnswer:
        if self.mood == "silent":
            raise AcquirerUnknown("no answer")
        if reference not in self.known:
            return InquiryAnswer(PaidStatus.NOT_FOUND, {})
        charge, barcode = self.known[reference]
        rrn, rupiah = (charge.truth.paid or [(None, None)])[0]
        return InquiryAnswer(
            PaidStatus.PAID if rrn else PaidStatus.UNPAID,
            {"amount": {"value": f"{rupiah}.00"}} if rrn else {},
            acquirer_reference=f"R{reference}",
            qris=barcode,
            rrn=rrn,
            amount_rp=rupiah,
            refunds=tuple(ToldRefund(*told, None) for told in charge.truth.refunded.items()),
        )


@dataclass
class Ground:
    """The server's parts on a database of their own, in one event loop."""

    settings: Settings
    voice: Voice
    runner: asyncio.Runner

    def __post_init__(self) -> None:
        self.broken: set[tuple[str, str]] = set()
        self.app = create_app(self.settings)
        self.wired = self.app.state.payments
        self.transactions = self.app.state.transactions
        officers = {row.login: row.id for row in self.run(self.rows("SELECT * FROM officers"))}
        self.maker, self.checker = officers[sample.OFFICER], officers[sample.CHECKER]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.transactions.begin() as db:
            return list((await db.execute(text(sql), values)).all())


@pytest.fixture(scope="module")
def ground(cluster: str, keys: Path) -> Iterator[Ground]:
    with asyncio.Runner() as runner:
        runner.run(execute(cluster, f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}"))
        configured = Settings(
            database_url=as_role(database_named(cluster, DATABASE), APP_ROLE),
            acquirer_client_secret=SECRET,
            notify_client_secret=SECRET,
            acquirer_public_key=keys / "acquirer.pub.pem",
            private_key=keys / "karcis.pem",
        )
        key = load_pem_private_key((keys / "acquirer.pem").read_bytes(), None)
        voice = Voice(key, SECRET, configured.acquirer_merchant_id)
        ground = Ground(configured, voice, runner)
        yield ground
        runner.run(ground.app.state.engine.dispose())
        runner.run(execute(cluster, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


class MoneyMachine(RuleBasedStateMachine):
    """Drivers, an acquirer and a clock, in any order. `ground` is set by the test."""

    ground: Ground
    charges = Bundle("charges")
    payments = Bundle("payments")
    sold = Bundle("sold")
    given_back = Bundle("given_back")

    @initialize()
    def open_books(self) -> None:
        self.now_s = 0
        self.acquirer = PlayedAcquirer()
        self.expected: dict[UUID, Expected] = {}
        self.requests: dict[UUID, PaymentRequest] = {}
        self.opening = self._balances()

    @property
    def now(self) -> datetime:
        return STARTS + timedelta(seconds=self.now_s)

    def _balances(self) -> Counter[str]:
        sql = "SELECT account_code, sum(amount_rp)::bigint FROM ledger_postings GROUP BY 1"
        return Counter(dict(map(tuple, self.ground.run(self.ground.rows(sql)))))

    @rule(seconds=st.sampled_from([1, 20, 45, 300, 900]))
    def time_passes(self, seconds: int) -> None:
        self.now_s += seconds

    async def _request(self, request: PaymentRequest) -> UUID:
        ground = self.ground
        wired = ground.wired
        issuer = Issuer(ground.transactions, Acquirers(self.acquirer), wired.announcer, wired.books)
        asked: UUID = await issuer.request(request, lifetime=LIFETIME, now=self.now)
        return asked

    @rule(
        target=charges,
        spot=st.sampled_from(SPOTS),
        vehicle=st.sampled_from(list(PRICES_RP)),
        mood=st.sampled_from(("answered",) * 6 + OUTCOMES),
    )
    def ask(self, spot: str, vehicle: VehicleClass, mood: str) -> UUID:
        charge_id = UUID(int=next(NUMBERS), version=4)
        ends_s = self.now_s + int(LIFETIME.total_seconds())
        charge = Expected(PRICES_RP[vehicle], self.now_s, ends_s)
        self.requests[charge_id] = PaymentRequest(charge_id, spot, vehicle)
        self.expected[charge_id] = self.acquirer.asked_for = charge
        self.acquirer.mood = mood
        try:
            assert self.ground.run(self._request(self.requests[charge_id])) == charge_id
        except Died:
            assert mood.startswith("died")
        charge.has_barcode = mood == "answered"
        charge.state = STATES_AFTER.get(mood, "issuing")
        return charge_id

    @rule(targets=(charges, sold), spot=st.sampled_from(SPOTS))
    def sell(self, spot: str) -> UUID:
        """What mostly happens, so that what comes after a payment is tried as often."""
        charge_id: UUID = self.ask(spot, VehicleClass.MOTORCYCLE, "answered")
        self._hear([self.pay(charge_id, 0)])
        assert self.expected[charge_id].state == "paid"
        return charge_id

    @rule(charge_id=charges, other=st.booleans())
    def ask_again(self, charge_id: UUID, other: bool) -> None:
        request = self.requests[charge_id]
        if not other:
            assert self.ground.run(self._request(request)) == charge_id
            return
        changed = PaymentRequest(charge_id, request.spot_code, request.vehicle_class, minutes=60)
        with pytest.raises(IdempotencyConflict):
            self.ground.run(self._request(changed))

    @rule(target=payments, charge_id=charges, off_rp=st.sampled_from([0, 0, 0, 1, -1]))
    def pay(self, charge_id: UUID, off_rp: int) -> Any:
        """Some wallets pay a code also after its end, or twice, or by another sum."""
        charge = self.expected[charge_id]
        if not charge.truth.booked:
            return multiple()  # there is no code that anybody could pay
        paid = f"{next(NUMBERS) % 10**12:012d}", charge.amount_rp + off_rp
        charge.truth.paid.append(paid)
        return charge_id, *paid

    @rule(payment=payments, times=st.integers(1, 3), wrong=st.booleans())
    def hear(self, payment: Paid, times: int, wrong: bool) -> None:
        self._hear([payment] * times, off_rp=7 if wrong else 0)

    @rule(heard=st.lists(payments, min_size=2, max_size=6))
    def hear_together(self, heard: list[Paid]) -> None:
        self._hear(heard)

    @rule(charge_id=charges, silent=st.booleans())
    def inquire(self, charge_id: UUID, silent: bool) -> None:
        self.acquirer.mood = "silent" if silent else "answered"
        self.ground.run(self._inquire(charge_id))
        self.expected[charge_id].inquired(self.now_s, silent=silent)

    @rule(payment=payments)
    def hear_while_inquiring(self, payment: Paid) -> None:
        """Which of two payments the books see first is not ours to say; each way is right."""
        charge_id, rrn, rupiah = payment
        charge = self.expected[charge_id]
        before = replace(charge, recorded=dict(charge.recorded))
        self.acquirer.mood = "answered"
        self._hear([payment], self._inquire(charge_id))
        charge.inquired(self.now_s, silent=False)
        if self._books([charge_id])[charge_id] != (charge.state, charge.flags()):
            before.inquired(self.now_s, silent=False)
            if rupiah == charge.amount_rp:
                before.record(rrn, rupiah)
            self.expected[charge_id] = before

    @rule(charge_id=charges, mood=st.sampled_from(["answered", "lost"]))
    def cancel(self, charge_id: UUID, mood: str) -> None:
        wired = self.ground.wired
        self.acquirer.mood = mood
        with suppress(Problem):
            work = cancelling.cancel(
                self.ground.transactions,
                Acquirers(self.acquirer),
                wired.announcer,
                wired.books,
                charge_id,
                self.ground.maker,
                "salah spot",
                now=self.now,
            )
            self.ground.run(work)
        self.expected[charge_id].cancelled(self.now_s, answered=mood == "answered")

    @rule(
        target=given_back,
        charge_id=sold,
        part_rp=st.sampled_from([None, 500, 1_500]),
        mood=st.sampled_from(OUTCOMES),
    )
    def refund(self, charge_id: UUID, part_rp: int | None, mood: str) -> Any:
        charge = self.expected[charge_id]
        exact = [rupiah for flag, rupiah in charge.recorded.values() if flag == "exact"]
        if not exact:
            return multiple()
        rupiah = part_rp or exact[0]
        refund_id = UUID(int=next(NUMBERS), version=4)
        self.acquirer.mood = mood
        allowed = charge.may_refund(rupiah)
        try:
            self.ground.run(self._refund(charge_id, refund_id, rupiah))
            assert allowed
        except Died:
            assert allowed
        except Problem:
            assert not allowed
            return multiple()
        charge.refunds[refund_id.hex] = Refund(rupiah, self.now_s)
        charge.refund_is(refund_id.hex, "sending")
        if not mood.startswith("died"):
            charge.refund_is(refund_id.hex, REFUNDS_AFTER[mood])
        return charge_id, refund_id

    async def _refund(self, charge_id: UUID, refund_id: UUID, rupiah: int) -> None:
        ground, wired = self.ground, self.ground.wired
        (money,) = await ground.rows(MONEY, id=charge_id)
        wanted = RefundRequest(
            refund_id, money.id, rupiah, RefundReason.OTHER, "uji", RefundMethod.ACQUIRER
        )
        acquirers, limits = Acquirers(self.acquirer), RefundLimits(500_000, 90)
        async with ground.transactions.begin() as db:
            await refunds.request(
                db, ground.maker, wanted, acquirers, limits, wired.books, now=self.now
            )
        await refunds.approve(
            ground.transactions,
            Acquirers(self.acquirer),
            wired.announcer,
            wired.books,
            ground.checker,
            refund_id,
            now=self.now,
        )

    @rule(given=given_back, silent=st.booleans())
    def pursue(self, given: tuple[UUID, UUID], silent: bool) -> None:
        charge_id, refund_id = given
        ground, wired = self.ground, self.ground.wired
        self.acquirer.mood = "silent" if silent else "answered"
        work = pursuit.pursue(
            ground.transactions,
            Acquirers(self.acquirer),
            wired.announcer,
            wired.books,
            refund_id,
            self.now,
        )
        ground.run(work)
        self.expected[charge_id].pursued(refund_id.hex, self.now_s, silent=silent)

    async def _inquire(self, charge_id: UUID) -> None:
        ground, wired = self.ground, self.ground.wired
        await inquiries.inquire(
            ground.transactions,
            self.acquirer,
            wired.announcer,
            wired.books,
            charge_id.hex,
            self.now,
        )

    def _hear(
        self, payments: list[Paid], *others: Coroutine[Any, Any, None], off_rp: int = 0
    ) -> None:
        """Notifications all at once; those that add up are recorded once, and acknowledged."""

        async def at_once() -> list[Any]:
            told = (self._tell(payment, off_rp) for payment in payments)
            return await asyncio.gather(*told, *others)

        answers = self.ground.run(at_once())
        for (charge_id, rrn, rupiah), answer in zip(payments, answers, strict=False):
            charge = self.expected[charge_id]
            adds_up = rupiah + off_rp == charge.amount_rp
            _, known_rp = charge.recorded.get(rrn, (None, None))
            acknowledged = adds_up or rupiah + off_rp == known_rp
            # An inquiry under way may find money of another amount first, or may not.
            assert (answer.status == 200) == acknowledged or (others and not adds_up)
            if adds_up:
                charge.record(rrn, rupiah)

    def _tell(self, payment: Paid, off_rp: int) -> Coroutine[Any, Any, Answer]:
        charge_id, rrn, rupiah = payment
        voice, inbox = self.ground.voice, self.ground.wired.inbox
        voice.references[charge_id.hex] = f"R{charge_id.hex}"
        content = compact(voice.body(charge_id, rupiah + off_rp, rrn))
        callback = Callback(Headers(voice.headers(content, at=self.now)), content)
        return inbox.receive(callback, now=self.now)

    def _books(self, ids: list[UUID]) -> dict[UUID, tuple[str, Counter[tuple[str, int]]]]:
        rows = self.ground.run(self.ground.rows(BOOKS, ids=ids))
        return {
            row.id: (row.state, Counter((flag, int(rupiah)) for flag, rupiah in row.money))
            for row in rows
        }

    @invariant()
    def books_are_as_expected(self) -> None:
        seen = self._books(list(self.expected))
        assert seen == {key: (c.state, c.flags()) for key, c in self.expected.items()}
        rows = self.ground.run(self.ground.rows(REFUNDS, ids=list(self.expected)))
        known = {key: r for c in self.expected.values() for key, r in c.refunds.items()}
        assert {row.reference: (row.state, row.amount_rp) for row in rows} == {
            key: (r.state, r.amount_rp) for key, r in known.items()
        }

    def teardown(self) -> None:
        """The ledger holds what arrived, to the rupiah, and no invariant is broken."""
        arrived = [money for c in self.expected.values() for money in c.recorded.values()]
        moved = self._balances()
        moved.subtract(self.opening)
        given = [refund for c in self.expected.values() for refund in c.refunds.values()]
        returned_rp = sum(refund.amount_rp for refund in given if refund.state == "done")
        due_rp = sum(refund.amount_rp for refund in given if refund.state in ("sending", "unknown"))
        came_rp = sum(rupiah for _, rupiah in arrived)
        assert moved[postings.RECEIVABLE] == came_rp - returned_rp
        assert moved[postings.REFUNDS_PAYABLE] == -due_rp
        held_rp = sum(rupiah for flag, rupiah in arrived if flag != "exact")
        assert moved[postings.SUSPENSE] == -held_rp
        assert sum(moved.values()) == 0

        # What an earlier example broke, on the same database, is not this one's fault.
        broken = self.ground.run(self._broken())
        fresh = broken - self.ground.broken
        self.ground.broken |= broken
        assert fresh == set()

    async def _broken(self) -> set[tuple[str, str]]:
        async with self.ground.transactions.begin() as db:
            found = await verify.broken(db)
        return {(name, row) for name, rows in found.items() for row in rows}


@pytest.mark.timeout(1200)  # it may share its processors with others
def test_books_agree_with_the_model_whatever_happens(ground: Ground) -> None:
    machine = seed(SEED)(type("Machine", (MoneyMachine,), {"ground": ground}))
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=bounds)
    except BaseException as exc:
        exc.add_note(f"again with SEED={SEED} EXAMPLES={EXAMPLES}")
        raise
