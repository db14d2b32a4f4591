"""Cancelling a charge nobody has paid: first at the acquirer, so that nobody can pay it any more.

Where the acquirer's answer is lost or a refusal, an inquiry decides. A crash between its answer and
our record leaves the charge issued until it expires, or until it is cancelled once more.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeEvent, ChargeKind, ChargeState
from server.announcements import Announcer
from server.database import Transactions
from server.errors import Problem
from server.faults import crash_point
from server.identity import service as identity
from server.identity.models import Shift
from server.identity.service import OnShift, Right
from server.payments import inquiries, service
from server.payments.acquirer import (
    Acquirer,
    AcquirerRefused,
    Acquirers,
    AcquirerUnknown,
    PaidStatus,
)
from server.payments.books import Books
from server.payments.models import Charge, Payment
from server.payments.service import ChargeNotFound


class ChargeAlreadyPaid(Problem):
    slug = "charge-already-paid"
    status = 409
    title_id = "Tagihan ini sudah dibayar; uangnya hanya dapat dikembalikan"
    title_en = "This charge has been paid; its money can only be refunded"


class ChargeNotOpen(Problem):
    slug = "charge-not-open"
    status = 409
    title_id = "Tagihan ini sedang dibuat atau sudah berakhir; tidak dapat dibatalkan"
    title_en = "This charge is being made or is over; it cannot be cancelled"


class ChargeOfAnother(Problem):
    slug = "charge-of-another"
    status = 403
    title_id = "Tagihan ini bukan dari giliran Anda"
    title_en = "This charge is not of your shift"


class CancelUncertain(Problem):
    slug = "cancel-uncertain"
    status = 503
    title_id = "Acquirer belum memastikan pembatalan; coba lagi sebentar"
    title_en = "The acquirer has not confirmed the cancelling; try again shortly"


async def cancel(
    transactions: Transactions,
    acquirers: Acquirers,
    announcer: Announcer,
    books: Books,
    charge_id: UUID,
    by: OnShift | UUID,
    reason: str,
    *,
    now: datetime,
) -> None:
    """Cancel an unpaid charge for an attendant on shift or an officer; again is harmless."""
    async with transactions.begin() as db:
        charge = await _lock(db, charge_id)
        who = await _who_may(db, charge, by)
    if charge.state == ChargeState.CANCELLED:
        return
    acquirer = acquirers[charge.acquirer]
    gone = await _cancel_there(acquirer, charge, reason)
    crash_point("cancelled-not-recorded")
    if not gone:
        status = await inquiries.inquire(
            transactions, acquirer, announcer, books, charge.reference, now
        )
        unpaid_suffices = status is PaidStatus.UNPAID and not acquirer.profile.cancels
        gone = unpaid_suffices or status in (PaidStatus.CANCELLED, PaidStatus.NOT_FOUND)
    async with transactions.begin() as db:
        charge = await _lock(db, charge_id)
        if charge.state == ChargeState.ISSUED:
            if not gone:
                raise CancelUncertain(retry_after_s=5)
            await service.advance(db, charge, ChargeEvent.CANCELLED, who=who, why=reason, now=now)
            await service.release_stay(db, charge)
    announcer.announce(charge_id)


async def _lock(db: AsyncSession, charge_id: UUID) -> Charge:
    """The charge, if it can still be cancelled or is so already."""
    charge = await db.get(Charge, charge_id, with_for_update=True)
    if charge is None:
        raise ChargeNotFound
    if charge.money_flag is not None:
        raise ChargeAlreadyPaid
    if charge.state not in (ChargeState.ISSUED, ChargeState.CANCELLED):
        raise ChargeNotOpen(charge.state)
    return charge


async def _who_may(db: AsyncSession, charge: Charge, by: OnShift | UUID) -> str:
    if isinstance(by, UUID):
        return (await identity.acting(db, by, Right.CANCEL_CHARGE)).login
    payment = await db.get_one(Payment, charge.payment_id)
    if payment.shift_id != by.shift_id:
        # Signed in again, an attendant still answers for what was asked for before.
        shift = await db.get(Shift, payment.shift_id) if payment.shift_id else None
        if shift is None or shift.attendant_id != by.attendant_id:
            raise ChargeOfAnother
    return by.attendant_code


async def _cancel_there(acquirer: Acquirer, charge: Charge, reason: str) -> bool:
    """Whether the acquirer said that nobody can pay any more."""
    if not acquirer.profile.cancels:
        return False
    try:
        await acquirer.cancel(charge.reference, reason, ChargeKind(charge.kind))
    except (AcquirerRefused, AcquirerUnknown):
        return False
    return True
