"""The acquirer's callback: recorded once, acknowledged after commit.

Whatever is refused leaves an audit row and posts nothing. How a callback is verified and answered
is its listener's business.
"""

from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.announcements import Announcer
from server.database import Transactions, new_id
from server.payments import queries, service
from server.payments.acquirer import PaidStatus
from server.payments.books import Books
from server.payments.callbacks import Answer, Callback, Listener, Notified, Refused
from server.payments.models import Charge, Notification
from server.payments.service import Arrival, ArrivedElsewhere

log = structlog.get_logger()

NOTIFICATIONS = Counter("karcis_notify", "Acquirer notifications by outcome", ["outcome"])


class Doubtful(Refused):
    """Signed, but it does not add up: refused here, and the acquirer is asked at once."""

    def __init__(self, code: str, message: str, outcome: str, charge_id: UUID) -> None:
        super().__init__(code, message, outcome)
        self.charge_id = charge_id


async def receive(
    transactions: Transactions,
    announcer: Announcer,
    listener: Listener,
    books: Books,
    callback: Callback,
    *,
    now: datetime,
) -> Answer:
    """Verify and record one notification. The answer is given only once its rows are committed."""
    try:
        told = listener.read(callback, now)
        charge_id = await _post_once(transactions, listener, books, callback, told, now)
    except Refused as refusal:
        await _audit_refusal(transactions, listener, books, callback, refusal, now)
        NOTIFICATIONS.labels(refusal.outcome).inc()
        return listener.refused(refusal)
    if charge_id is not None:
        announcer.announce(charge_id)
    NOTIFICATIONS.labels("posted" if charge_id else "repeat").inc()
    return listener.accepted()


async def _post_once(
    transactions: Transactions,
    listener: Listener,
    books: Books,
    callback: Callback,
    told: Notified,
    now: datetime,
) -> UUID | None:
    try:
        return await _post(transactions, listener, books, callback, told, now)
    except IntegrityError as exc:
        # The same external id or the same money came for another charge at this very moment.
        raise Refused("40900", "Conflict", "conflict") from exc


async def _post(
    transactions: Transactions,
    listener: Listener,
    books: Books,
    callback: Callback,
    told: Notified,
    now: datetime,
) -> UUID | None:
    """Record a verified notification; the charge's id when it was news, None for a repeat."""
    acquirer = listener.profile.name
    async with transactions.begin() as db:
        charge = await queries.lock_charge(db, acquirer, told.reference)
        used_for = await queries.accepted_notification(
            db, acquirer, books.day(now), told.external_id
        )
        if used_for is not None and used_for != callback.body_hash:
            raise Refused("40900", "Conflict", "external-id-reused")
        charge = _matching(charge, told, listener)
        if told.status is not PaidStatus.PAID:
            # Not a payment. What became of the charge is asked, not believed.
            charge.next_inquiry_at = now
            outcome = f"status-{told.status_text}"[:40]
            _keep(db, listener, books, callback, told, now, outcome, charge.id)
            return None
        notification_id = new_id()
        outcome = "accepted" if used_for is None else "repeat"
        _keep(db, listener, books, callback, told, now, outcome, charge.id, notification_id)
        await db.flush()
        arrival = Arrival(
            acquirer_reference=told.acquirer_reference,
            rrn=told.rrn,
            amount_rp=told.amount_rp,
            paid_at=told.paid_at or now,
            notification_id=notification_id,
        )
        try:
            flag = await service.record_money(db, charge, arrival, books, now=now)
        except ArrivedElsewhere as exc:
            raise Doubtful("40418", "Inconsistent Request", "reference-reused", charge.id) from exc
        return charge.id if flag is not None else None


def _matching(charge: Charge | None, told: Notified, listener: Listener) -> Charge:
    """The charge this notification is about, if what it says agrees with what we asked for."""
    if charge is None:
        raise Refused("40401", "Transaction Not Found", "unknown-reference")
    if told.merchant_id is not None and told.merchant_id != listener.merchant_id:
        raise Refused("40408", "Invalid Merchant", "other-merchant")
    if charge.acquirer_reference not in (None, told.acquirer_reference):
        raise Doubtful("40418", "Inconsistent Request", "other-reference", charge.id)
    if told.amount_rp != charge.amount_rp:
        raise Doubtful("40413", "Invalid Amount", "other-amount", charge.id)
    return charge


def _keep(
    db: AsyncSession,
    listener: Listener,
    books: Books,
    callback: Callback,
    told: Notified,
    now: datetime,
    outcome: str,
    charge_id: UUID | None,
    notification_id: UUID | None = None,
) -> None:
    db.add(
        Notification(
            id=notification_id or new_id(),
            acquirer=listener.profile.name,
            day=books.day(now),
            external_id=told.external_id,
            received_at=now,
            outcome=outcome,
            response_code=listener.accepted().code,
            body_hash=callback.body_hash,
            body=callback.body,
            signature=told.signature,
            charge_id=charge_id,
        )
    )


async def _audit_refusal(
    transactions: Transactions,
    listener: Listener,
    books: Books,
    callback: Callback,
    refusal: Refused,
    now: datetime,
) -> None:
    charge_id = refusal.charge_id if isinstance(refusal, Doubtful) else None
    code = listener.refused(refusal).code
    async with transactions.begin() as db:
        db.add(
            Notification(
                acquirer=listener.profile.name,
                day=books.day(now),
                external_id="".join(c for c in callback.header("x-external-id") if c.isalnum())[
                    :64
                ],
                received_at=now,
                outcome=refusal.outcome,
                response_code=code,
                body_hash=callback.body_hash,
                body=None,
                signature=None,
                charge_id=charge_id,
            )
        )
        if charge_id is not None:
            await service.ask_soon(db, charge_id, now)
    log.warning("notification_refused", outcome=refusal.outcome, code=code)
