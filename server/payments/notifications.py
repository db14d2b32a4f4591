"""The acquirer's callback: recorded once, acknowledged after commit.

Notifications that arrive together share a transaction. Whatever is refused leaves an audit row and
posts nothing. How a callback is verified and answered is its listener's business.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import IntegrityError

from server.announcements import Announcer
from server.database import Connected, Insertions, Transactions, new_id, quick
from server.errors import database_gone, in_the_way
from server.faults import crash_point
from server.group_commit import GroupCommit
from server.payments import arrivals, queries, service
from server.payments.acquirer import PaidStatus
from server.payments.arrivals import PAID, Arrival, NotRecorded, Weighed
from server.payments.books import Books
from server.payments.callbacks import Answer, Callback, Listener, Notified, Refused
from server.payments.models import Notification
from server.payments.queries import KnownMoney, LockedCharge

log = structlog.get_logger()

ACCEPTED = "accepted"
UNIQUE_VIOLATION = "23505"

NOTIFICATIONS = Counter(
    "karcis_notify", "Notifications by acquirer and outcome", ["acquirer", "outcome"]
)


@dataclass(frozen=True)
class Heard:
    """A callback as it arrived: what it says, or why it is refused."""

    id: UUID
    callback: Callback
    told: Notified | Refused
    at: datetime


@dataclass(frozen=True)
class Verdict:
    """What became of a callback; `charge_id` names the charge it is about, where there is one.

    `posted` is its money, if it was news. `ask` means that its charge is to be asked about at once.
    """

    outcome: str
    charge_id: UUID | None = None
    refusal: Refused | None = None
    posted: Weighed | None = None
    ask: bool = False
    brings_money: bool = False


class Inbox:
    """Where one process receives an acquirer's notifications."""

    def __init__(
        self, transactions: Transactions, announcer: Announcer, listener: Listener, books: Books
    ) -> None:
        self._transactions = transactions
        self._announcer = announcer
        self.listener = listener
        self._accepted = listener.accepted()
        self._books = books
        self._groups = GroupCommit(self._record, self._keys)

    async def receive(self, callback: Callback, *, now: datetime) -> Answer:
        """Verify and record one notification. The answer is given once its rows are committed.

        A failure of ours is answered in the acquirer's own form too, so that it tries again.
        """
        try:
            return await self._receive(callback, now)
        except Exception as exc:
            if database_gone(exc) or in_the_way(exc):
                log.warning("unreachable", error=type(exc).__name__)
                failure = Refused("50400", "Timeout", "unreachable")
            else:
                log.exception("notification_failed")
                failure = Refused("50000", "General Error", "failed")
        self._count(failure.outcome)
        return self.listener.refused(failure)

    async def _receive(self, callback: Callback, now: datetime) -> Answer:
        try:
            told: Notified | Refused = self.listener.read(callback, now)
        except Refused as refusal:
            told = refusal
        heard = Heard(new_id(), callback, told, now)
        try:
            verdict = await self._groups.do(heard)
        except IntegrityError as exc:
            if getattr(exc.orig, "sqlstate", None) != UNIQUE_VIOLATION:
                raise
            # The same external id or the same money came for another charge at this very moment.
            conflict = Refused("40900", "Conflict", "conflict")
            verdict = await self._groups.do(replace(heard, id=new_id(), told=conflict))
        self._count(_counted_as(verdict))
        if verdict.refusal is not None:
            log.warning("notification_refused", outcome=verdict.outcome, code=verdict.refusal.code)
            return self.listener.refused(verdict.refusal)
        if verdict.posted is not None:
            PAID.labels(self.listener.profile.name, "notification").inc()
            self._announcer.announce(verdict.posted.charge.id)
        return self._accepted

    def _count(self, outcome: str) -> None:
        NOTIFICATIONS.labels(self.listener.profile.name, outcome).inc()

    def _keys(self, heard: Heard) -> Sequence[Hashable]:
        """Two notifications of one charge, or under one external id, are judged one by one."""
        if isinstance(heard.told, Refused):
            return ()
        return (("charge", heard.told.reference), ("id", heard.told.external_id))

    async def _record(self, group: Sequence[Heard]) -> list[Verdict]:
        async with quick(self._transactions) as db:
            now = max(heard.at for heard in group)
            verdicts = await self._judge(db, group, now)
            rows = [
                self._row(heard, verdict) for heard, verdict in zip(group, verdicts, strict=True)
            ]
            insertions = Insertions()
            insertions.add(Notification, rows)
            news = [verdict.posted for verdict in verdicts if verdict.posted is not None]
            await arrivals.record(db, news, self._books, now=now, insertions=insertions)
            doubtful = [verdict.charge_id for verdict in verdicts if verdict.ask]
            await service.ask_soon(db, doubtful, now)
            crash_point("posted-not-committed")
        return verdicts

    async def _judge(self, db: Connected, group: Sequence[Heard], now: datetime) -> list[Verdict]:
        acquirer = self.listener.profile.name
        told = [heard.told for heard in group if isinstance(heard.told, Notified)]
        charges = await queries.lock_charges(db, acquirer, [item.reference for item in told])
        used, known = await queries.heard_before(
            db,
            acquirer,
            [charge.id for charge in charges.values()],
            [item.acquirer_reference for item in told],
            {self._books.day(heard.at) for heard in group},
            [item.external_id for item in told],
        )
        verdicts = [self._verdict(heard, charges, used, known) for heard in group]
        bringing = {
            place: (charges[heard.told.reference], _arrival(heard, heard.told))
            for place, (heard, verdict) in enumerate(zip(group, verdicts, strict=True))
            if isinstance(heard.told, Notified) and verdict.brings_money
        }
        weighed = arrivals.weigh(list(bringing.values()), known, self._books, now=now)
        for place, arrival in zip(bringing, weighed, strict=True):
            if isinstance(arrival, Weighed):
                verdicts[place] = replace(verdicts[place], posted=arrival)
            elif arrival is NotRecorded.ELSEWHERE:
                verdicts[place] = _refuse(
                    Refused("40418", "Inconsistent Request", "reference-reused"),
                    asking=verdicts[place].charge_id,
                )
        return verdicts

    def _verdict(
        self,
        heard: Heard,
        charges: Mapping[str, LockedCharge],
        used: Mapping[tuple[date, str], bytes],
        known: Sequence[KnownMoney],
    ) -> Verdict:
        """What a callback is worth before its money is weighed."""
        told = heard.told
        if isinstance(told, Refused):
            return _refuse(told)
        used_for = used.get((self._books.day(heard.at), told.external_id))
        if used_for is not None and used_for != heard.callback.body_hash:
            return _refuse(Refused("40900", "Conflict", "external-id-reused"))
        charge = charges.get(told.reference)
        if charge is None:
            return _refuse(Refused("40401", "Transaction Not Found", "unknown-reference"))
        if told.merchant_id is not None and told.merchant_id != self.listener.merchant_id:
            return _refuse(Refused("40408", "Invalid Merchant", "other-merchant"))
        # Signed, but it does not add up: refused here, and the acquirer is asked at once.
        if charge.acquirer_reference not in (None, told.acquirer_reference):
            return _refuse(
                Refused("40418", "Inconsistent Request", "other-reference"), asking=charge.id
            )
        if told.amount_rp != charge.amount_rp and not _recorded(heard, told, charge, known):
            return _refuse(Refused("40413", "Invalid Amount", "other-amount"), asking=charge.id)
        if told.status is not PaidStatus.PAID:
            # Not a payment. What became of the charge is asked, not believed.
            return Verdict(f"status-{told.status_text}"[:40], charge.id, ask=True)
        return Verdict(ACCEPTED if used_for is None else "repeat", charge.id, brings_money=True)

    def _row(self, heard: Heard, verdict: Verdict) -> dict[str, Any]:
        """What is kept: a refusal without the body, which may hold anything."""
        told, callback = heard.told, heard.callback
        genuine = isinstance(told, Notified) and verdict.refusal is None
        answer = (
            self.listener.refused(verdict.refusal)
            if verdict.refusal is not None
            else self._accepted
        )
        claimed = callback.header("x-external-id")
        return {
            "id": heard.id,
            "acquirer": self.listener.profile.name,
            "day": self._books.day(heard.at),
            "external_id": (
                told.external_id
                if isinstance(told, Notified)
                else "".join(character for character in claimed if character.isalnum())[:64]
            ),
            "received_at": heard.at,
            "outcome": verdict.outcome,
            "response_code": answer.code,
            "body_hash": callback.body_hash,
            "body": callback.body if genuine else None,
            "signature": told.signature if genuine and isinstance(told, Notified) else None,
            "charge_id": verdict.charge_id,
        }


def _counted_as(verdict: Verdict) -> str:
    if verdict.outcome != ACCEPTED:
        return verdict.outcome
    return "posted" if verdict.posted is not None else "repeat"


def _refuse(refusal: Refused, *, asking: UUID | None = None) -> Verdict:
    return Verdict(refusal.outcome, asking, refusal, ask=asking is not None)


def _recorded(
    heard: Heard, told: Notified, charge: LockedCharge, known: Sequence[KnownMoney]
) -> bool:
    """Whether an inquiry has found this very money before: then it is told again, not amiss."""
    return any(
        money.charge_id == charge.id
        and money.amount_rp == told.amount_rp
        and arrivals.same(money, _arrival(heard, told), charge)
        for money in known
    )


def _arrival(heard: Heard, told: Notified) -> Arrival:
    return Arrival(
        acquirer_reference=told.acquirer_reference,
        rrn=told.rrn,
        amount_rp=told.amount_rp,
        paid_at=told.paid_at or heard.at,
        notification_id=heard.id,
    )
