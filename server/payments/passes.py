"""Passes paid by QRIS: a driver's order, its payment and its charge, and the pass for its money."""

import hashlib
import time
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import ChargeKind, PaymentState
from domain.plate import PlateError, normalise
from domain.receipt import mask_plate
from server.database import Insertions, Transactions
from server.errors import Problem
from server.parking import pass_orders
from server.parking.covered_models import PassOrder, PassPrice
from server.payments import issuing
from server.payments.books import Books
from server.payments.issuing import Issuer
from server.payments.models import Payment


class PassesNotSold(Problem):
    slug = "passes-not-sold"
    status = 404
    title_id = "Langganan belum dijual lewat halaman ini; tanyakan di kantor"
    title_en = "Passes are not sold on this page yet; ask at the office"


class PlateUnfit(Problem):
    slug = "plate-unfit"
    status = 422
    title_id = "Nomor polisi tidak dapat dibaca; tulis seperti KH 1234 AB"
    title_en = "This is no number plate; write it like KH 1234 AB"


@dataclass(frozen=True)
class Plate:
    """A plate as it is kept."""

    masked: str
    found_by: str = field(repr=False)

    @classmethod
    def of(cls, text: str, books: Books) -> "Plate":
        """Raises PlateUnfit, and PassesNotSold where no plate could be found again."""
        try:
            bare = normalise(text)
        except PlateError:
            raise PlateUnfit from None
        found_by = books.plate_hash(bare)
        if found_by is None or books.seal is None:
            raise PassesNotSold
        return cls(mask_plate(bare), found_by)


@dataclass(frozen=True)
class PassRequest:
    """What a driver asks for; `order_id`, made by the asker, is also its payment's and charge's."""

    order_id: UUID
    price_id: UUID
    plate: Plate
    valid_from: date

    def fingerprint(self) -> bytes:
        parts = ("pass", self.price_id.hex, self.plate.found_by, self.valid_from.isoformat())
        return hashlib.sha256(repr(parts).encode()).digest()


@dataclass(frozen=True)
class OpenPass:
    """A pass' charge that is recorded, and to be issued now."""

    request: PassRequest
    amount_rp: int
    acquirer: str
    opened_at: datetime
    expires_at: datetime
    kind: ChargeKind = ChargeKind.MPM
    consumer_qr: str = ""

    @property
    def id(self) -> UUID:
        return self.request.order_id

    @property
    def reference(self) -> str:
        return self.id.hex

    def fingerprint(self) -> bytes:
        return self.request.fingerprint()


async def issue(
    transactions: Transactions,
    issuer: Issuer,
    wanted: PassRequest,
    *,
    today: date,
    lifetime: timedelta,
    now: datetime,
) -> None:
    """Have a charge issued for a pass; asked again with the same id, it is the same one."""
    began = time.monotonic()
    async with transactions.begin() as db:
        acquirer = await issuer.acquirer_for(db, None, ChargeKind.MPM, now)
        expires_at = now + acquirer.profile.validity(lifetime)
        charge = await _open(db, acquirer.profile.name, wanted, today, expires_at, now)
    if charge is not None:
        await issuer.issue(charge, began)


async def _open(
    db: AsyncSession,
    acquirer: str,
    wanted: PassRequest,
    today: date,
    expires_at: datetime,
    now: datetime,
) -> OpenPass | None:
    """Insert order, payment and charge; None when this id was already asked for."""
    if await _is_known(db, wanted):
        return None
    plan = await pass_orders.plan(
        db, wanted.price_id, wanted.plate.found_by, wanted.valid_from, today
    )
    order = upsert(PassOrder).values(
        id=wanted.order_id,
        price_id=wanted.price_id,
        valid_from=wanted.valid_from,
        plate_masked=wanted.plate.masked,
        plate_hash=wanted.plate.found_by,
        ordered_at=now,
    )
    if await db.scalar(order.on_conflict_do_nothing().returning(PassOrder.id)) is None:
        await _is_known(db, wanted)  # the same request, sent twice at once
        return None
    charge = OpenPass(wanted, plan.price.price_rp, acquirer, now, expires_at)
    insertions = Insertions()
    insertions.add(
        Payment,
        [
            {
                "id": wanted.order_id,
                "pass_order_id": wanted.order_id,
                "amount_rp": charge.amount_rp,
                "quote": [asdict(pass_orders.line(plan.price))],
                "charged_before_rp": 0,
                "state": PaymentState.REQUESTED.value,
                "requested_at": now,
            }
        ],
    )
    issuing.add_charges(insertions, [charge])
    await insertions.write(db)
    return charge


async def _is_known(db: AsyncSession, wanted: PassRequest) -> bool:
    asked = await issuing.asked_before(db, [wanted.order_id])
    return issuing.is_known(wanted.order_id, wanted.fingerprint(), asked)


async def again(db: AsyncSession, lapsed_id: UUID, order_id: UUID, today: date) -> PassRequest:
    """The same as an order whose barcode lapsed, from today where its first day is past."""
    lapsed = await db.get_one(PassOrder, lapsed_id)
    if lapsed.plate_masked is None or lapsed.plate_hash is None:
        raise pass_orders.PassPriceNotFound
    plate = Plate(lapsed.plate_masked, lapsed.plate_hash)
    return PassRequest(order_id, lapsed.price_id, plate, max(lapsed.valid_from, today))


async def can_be_given(db: AsyncSession, order_id: UUID, amount_rp: int) -> bool:
    """Whether money that people recognise pays for an order that is no pass yet."""
    found = await db.execute(
        select(PassOrder.plate_hash, PassPrice.price_rp)
        .join(PassPrice, PassPrice.id == PassOrder.price_id)
        .where(PassOrder.id == order_id)
    )
    plate_hash, price_rp = found.one()
    is_given = await pass_orders.given(db, order_id) is not None
    return plate_hash is not None and not is_given and amount_rp >= price_rp
