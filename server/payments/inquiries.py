"""When a silent charge is asked about again, and what the answers do to it.

The notification is usually first; an inquiry finds the payment when it was lost. A charge is asked
about until well after its expiry, because a QRIS stays payable in some wallets.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeEvent, ChargeKind, ChargeState
from server.announcements import Announcer
from server.database import Transactions
from server.faults import crash_point
from server.payments import queries, service
from server.payments.acquirer import Acquirer, AcquirerUnknown, InquiryAnswer, PaidStatus
from server.payments.arrivals import PAID, Arrival, NotRecorded, record_one
from server.payments.books import Books
from server.payments.models import Charge, Inquiry, PooledCharge
from server.payments.wire import DEADLINE_S
from server.webhooks import service as webhooks
from server.webhooks.facts import ChargeExpired

log = structlog.get_logger()

STEPS_S = (2, 4, 8, 15, 30, 60)
"""Seconds between inquiries from the moment a charge was made; the last one repeats."""
PAST_EXPIRY = timedelta(minutes=5)
LONG_PAST_EXPIRY = tuple(timedelta(minutes=minutes) for minutes in (15, 60, 6 * 60, 24 * 60))
"""When a charge that ended unpaid is asked about again; then only a settlement line can tell."""
EXPIRY_GRACE = timedelta(minutes=1)
"""How long an unanswered inquiry may hold up an expiry, so that money paid in time is found."""
UNCLAIMED = timedelta(hours=1)
"""How often a barcode that was issued ahead is asked about before its handheld tells of it."""
BOOKED = {PaidStatus.UNPAID, PaidStatus.PAID, PaidStatus.REFUNDED}
"""What an acquirer says only of a charge that it knows, whatever money came for it."""
OWN_CALL = timedelta(seconds=DEADLINE_S + 5)
"""How long after a request our own call for its barcode may still be under way."""


def next_inquiry(created_at: datetime, expires_at: datetime, now: datetime) -> datetime | None:
    """The next moment to ask about a charge, or None when asking is over."""
    moment, step = created_at, 0
    while moment <= now:
        moment += timedelta(seconds=STEPS_S[min(step, len(STEPS_S) - 1)])
        step += 1
    for due in (expires_at, expires_at + EXPIRY_GRACE):
        if now < due < moment:
            return due
    if moment <= expires_at + PAST_EXPIRY:
        return moment
    return next((expires_at + wait for wait in LONG_PAST_EXPIRY if expires_at + wait > now), None)


async def inquire(
    transactions: Transactions,
    acquirer: Acquirer,
    announcer: Announcer,
    books: Books,
    reference: str,
    now: datetime,
) -> PaidStatus:
    """Ask the acquirer about one charge, record what its answer proves, and tell what it said."""
    async with transactions.begin() as db:
        kind = await queries.kind_of(db, acquirer.profile.name, reference)
    try:
        answer = await acquirer.inquire(reference, kind)
    except AcquirerUnknown as exc:
        answer = InquiryAnswer(PaidStatus.UNKNOWN, {"error": str(exc)})
    crash_point("inquired-not-recorded")
    async with transactions.begin() as db:
        charge = await queries.lock_charge(db, acquirer.profile.name, reference)
        if charge is None:
            return answer.status
        before, paid_before = charge.state, charge.paid_at
        pooled = await db.get(PooledCharge, charge.id)
        await _apply(db, charge, pooled, answer, books, now)
        charge.next_inquiry_at = (
            _next_inquiry(charge, pooled, now) if charge.paid_at is None else None
        )
        crash_point("inquiry-not-committed")
    if charge.paid_at is not None and paid_before is None:
        PAID.labels(acquirer.profile.name, "inquiry").inc()
    crash_point("inquiry-not-announced")
    if charge.state != before or charge.money_flag is not None:
        announcer.announce(charge.id)
    log.info("inquired", charge_id=str(charge.id), status=answer.status, state=charge.state)
    return answer.status


def _next_inquiry(charge: Charge, pooled: PooledCharge | None, now: datetime) -> datetime | None:
    """As `next_inquiry`; of a barcode that was issued ahead, from when it was shown to a driver."""
    if pooled is None or charge.state != ChargeState.ISSUED:
        return next_inquiry(charge.created_at, charge.expires_at, now)
    if pooled.claimed_at is None:
        # Who shows it may be offline: should its notification be lost, this is how it is found.
        return min(now + UNCLAIMED, max(charge.expires_at, now + EXPIRY_GRACE))
    return next_inquiry(pooled.claimed_at, charge.expires_at, now)


async def _apply(
    db: AsyncSession,
    charge: Charge,
    pooled: PooledCharge | None,
    answer: InquiryAnswer,
    books: Books,
    now: datetime,
) -> None:
    inquiry = Inquiry(
        charge_id=charge.id, asked_at=now, status=answer.status.value, answer=_kept(charge, answer)
    )
    db.add(inquiry)
    await db.flush()
    if (
        answer.qris is not None
        and charge.qris is None
        and not service.unfit_barcode(answer.qris, charge.amount_rp)
    ):
        charge.qris, charge.acquirer_reference = answer.qris, answer.acquirer_reference
    returned = answer.status is PaidStatus.REFUNDED
    if (answer.status is PaidStatus.PAID or returned) and answer.amount_rp is not None:
        arrival = Arrival(
            acquirer_reference=(
                answer.acquirer_reference or charge.acquirer_reference or charge.reference
            ),
            rrn=answer.rrn,
            amount_rp=answer.amount_rp,
            paid_at=answer.paid_at or now,
            inquiry_id=inquiry.id,
            returned=returned,
        )
        recorded = await record_one(db, charge.acquirer, charge.reference, arrival, books, now=now)
        if recorded is NotRecorded.ELSEWHERE:
            log.error("money_told_twice", charge_id=str(charge.id))
        await db.refresh(charge)
    if charge.state in (ChargeState.ISSUING, ChargeState.ISSUE_UNKNOWN):
        await _settle_issue(db, charge, answer, now)
    if await _expire_when_due(db, charge, answer, now) and not (
        pooled is not None and pooled.claimed_at is None  # nobody was ever asked to pay it
    ):
        expired = ChargeExpired(charge_id=charge.id, amount_rp=charge.amount_rp, expired_at=now)
        await webhooks.publish(db, [expired])


def _kept(charge: Charge, answer: InquiryAnswer) -> dict[str, Any]:
    """The answer as evidence, without the driver's own barcode: that is what pays."""
    extra = answer.answer.get("additionalInfo")
    if charge.kind != ChargeKind.CPM or not isinstance(extra, dict):
        return answer.answer
    without = {name: value for name, value in extra.items() if name != "qrContent"}
    return answer.answer | {"additionalInfo": without}


async def _settle_issue(
    db: AsyncSession, charge: Charge, answer: InquiryAnswer, now: datetime
) -> None:
    """Decide a generate whose answer was lost: there is a barcode, or there never was one."""
    lost = [ChargeEvent.ISSUE_UNANSWERED] if charge.state == ChargeState.ISSUING else []
    if lost and charge.qris is None and now < charge.created_at + OWN_CALL:
        return  # the acquirer may not have got to it yet, so not finding it proves nothing
    shown = charge.qris is not None or charge.kind == ChargeKind.CPM
    booked = answer.status in BOOKED
    found = booked and shown
    # Booked there but never to be shown here: nobody can pay what nobody saw.
    unseen = booked and now >= charge.expires_at
    if found:
        events = [*lost, ChargeEvent.ISSUE_FOUND]
    elif unseen or answer.status in (PaidStatus.NOT_FOUND, PaidStatus.CANCELLED):
        events = [*lost, ChargeEvent.ISSUE_NOT_FOUND]
    else:
        events = lost
    if events:
        await service.advance(db, charge, *events, who="inquiry", why=answer.status, now=now)
    if charge.state == ChargeState.ISSUE_FAILED:
        await service.release_stay(db, charge)


async def _expire_when_due(
    db: AsyncSession, charge: Charge, answer: InquiryAnswer, now: datetime
) -> bool:
    """Whether it expired by this."""
    if charge.state != ChargeState.ISSUED or now < charge.expires_at:
        return False
    if answer.status is PaidStatus.UNKNOWN and now < charge.expires_at + EXPIRY_GRACE:
        return False
    await service.advance(
        db, charge, ChargeEvent.EXPIRED, who="clock", why="unpaid at expiry", now=now
    )
    await service.release_stay(db, charge)
    return True
