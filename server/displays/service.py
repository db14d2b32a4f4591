"""What the display at a spot shows now: free, scan to pay, paid until, time is up, closed.

It says nothing of who pays or which vehicle stands there: it hangs in the street.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain import sign_link
from domain.closure import closed
from server.database import Connected
from server.inspection.stays import FLAT_STAY
from server.payments.at_spot import Paid, at_spot
from server.payments.books import Books
from server.spots import closures, signs
from server.spots import service as spots
from server.spots.service import KnownSpot

SHARED_SHOWN = timedelta(minutes=1)
"""How long a payment shows where others park too and want to see the barcode."""
LOOK_AGAIN = timedelta(seconds=30)
"""The longest that a picture may be kept: somebody may pay at any time."""


class Shows(StrEnum):
    FREE = "free"
    PAY = "pay"
    PAID = "paid"
    EXPIRED = "expired"
    CLOSED = "closed"


@dataclass(frozen=True)
class Display:
    """What is shown until `changes_at`, if nothing happens before.

    `qr` is the barcode of a charge that waits, else the sign's link; a paid stay has none. `page`
    is the spot's bare link, for a panel too small for either. `until` is until when a barcode or
    a stay lasts, or a closure; where a stay has no end, `paid_at` is told instead. A closed spot
    shows no barcode: nobody shall pay there.
    """

    shows: Shows
    spot: KnownSpot
    page: str
    qr: str | None
    charge_id: UUID | None = None
    amount_rp: int | None = None
    until: datetime | None = None
    paid_at: datetime | None = None
    changes_at: datetime | None = None

    @property
    def version(self) -> str:
        """The same as long as the same is shown."""
        told = (self.shows, self.spot.code, self.qr, self.amount_rp, self.until, self.paid_at)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def kept(self, now: datetime) -> timedelta:
        """How long what is shown may be kept without asking again."""
        ends = now + LOOK_AGAIN if self.changes_at is None else self.changes_at
        return min(max(ends - now, timedelta(seconds=1)), LOOK_AGAIN)


async def shown(
    db: Connected, books: Books, code: str, grace: timedelta, *, now: datetime
) -> Display:
    """Raises SpotCodeMistyped or SpotNotFound."""
    spot = await spots.find(db, code)
    page = f"{books.base_url}/p/{spot.code}"
    shut = closed(await closures.standing(db, now), spot.code, now)
    if shut is not None:
        return Display(
            Shows.CLOSED,
            spot,
            page,
            None,
            until=shut.ends,
            changes_at=shut.ends,
        )
    waiting, paid = await at_spot(db, spot.id, now)
    if waiting is not None:
        return Display(
            Shows.PAY,
            spot,
            page,
            waiting.qris,
            waiting.charge_id,
            waiting.amount_rp,
            waiting.expires_at,
            changes_at=waiting.expires_at,
        )
    last = None if paid is None else _of_paid(spot, page, paid, grace, now)
    if last is not None and last.shows is Shows.PAID:
        return last
    link = await _link(db, books, spot, page)
    if last is None:
        return Display(Shows.FREE, spot, page, link)
    return replace(last, qr=link)


def _of_paid(
    spot: KnownSpot, page: str, paid: Paid, grace: timedelta, now: datetime
) -> Display | None:
    """That a stay is paid, or that its time is up; None once neither is shown any more."""
    if paid.ended_at is not None and paid.ended_at <= now:
        return None
    over = paid.ends_at or paid.paid_at + FLAT_STAY
    hidden = over if spot.exclusive else min(over, paid.paid_at + SHARED_SHOWN)
    if now < hidden:
        return Display(
            Shows.PAID,
            spot,
            page,
            None,
            until=paid.ends_at,
            paid_at=None if paid.ends_at else paid.paid_at,
            changes_at=hidden,
        )
    # Where several park, the one whose time is up is not the one who reads it.
    if paid.ends_at is None or not spot.exclusive or now >= paid.ends_at + grace:
        return None
    return Display(
        Shows.EXPIRED, spot, page, None, until=paid.ends_at, changes_at=paid.ends_at + grace
    )


async def _link(db: Connected, books: Books, spot: KnownSpot, page: str) -> str:
    """The link of the spot's sign, as far as one is in force under the seal; else its bare page."""
    sign = (await signs.newest(db, [spot.code])).get(spot.code)
    seal = books.seal
    if sign is None or seal is None or not sign.newest.in_force or sign.key_id != seal.key_id:
        return page
    return sign_link.make(seal, books.base_url, spot.code, sign.version)
