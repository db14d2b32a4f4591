"""Questions the payments slice asks of its tables."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, any_, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayState
from domain.payment import ChargeKind
from domain.tariff import QuoteLine
from server.database import Connected, fetch
from server.payments.models import CASH, VOUCHER, Charge, Money

CLAIM = timedelta(seconds=30)
"""How long a charge taken up for inquiry is left alone by the other workers."""


async def lock_charge(db: AsyncSession, acquirer: str, reference: str) -> Charge | None:
    """The charge of our reference, locked until the transaction ends."""
    charge: Charge | None = await db.scalar(
        select(Charge)
        .where(Charge.reference == reference, Charge.acquirer == acquirer)
        .with_for_update()
    )
    return charge


async def kind_of(db: AsyncSession, acquirer: str, reference: str) -> ChargeKind:
    """Of what kind the charge of our reference is; MPM for one that is not ours."""
    kind = await db.scalar(
        select(Charge.kind).where(Charge.reference == reference, Charge.acquirer == acquirer)
    )
    return ChargeKind(kind or ChargeKind.MPM)


async def due_references(db: AsyncSession, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
    """Acquirers and references to ask them about now, each claimed by one worker."""
    due = (
        select(Charge.id)
        .where(Charge.next_inquiry_at <= now)
        .order_by(Charge.next_inquiry_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = await db.execute(
        update(Charge)
        .where(Charge.id.in_(due.scalar_subquery()))
        .values(next_inquiry_at=now + CLAIM)
        .returning(Charge.acquirer, Charge.reference)
    )
    return [(row.acquirer, row.reference) for row in rows]


class ChargeView(NamedTuple):
    """A charge with all that a screen shows of it, but what was given back."""

    id: UUID
    state: str
    amount_rp: int
    quote: list[dict[str, Any]]
    qris: str | None
    money_flag: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    vehicle_class: str
    spot_code: str
    """Empty, as the place is, where a pass is paid for; its zones are then all named, or none."""
    place: str
    zone_name: str
    receipt_number: str | None
    receipt_facts: dict[str, Any] | None
    receipt_money_id: UUID | None
    pass_order_id: UUID | None


COVERED_ZONES = """
    CASE WHEN pp.id IS NOT NULL THEN coalesce(
        (SELECT string_agg(name, ', ' ORDER BY name) FROM zones WHERE code = ANY(pp.zones)), '') END
"""
RECEIPT_FACTS = """
    CASE WHEN erased.id IS NULL THEN r.facts ELSE jsonb_set(r.facts, '{plate}', 'null') END
"""
"""What a receipt says, without a plate whose driver had it destroyed."""
ERASED = "LEFT JOIN plates_destroyed erased ON erased.parking_session_id = p.parking_session_id"
VIEW = f"""
    SELECT c.id, c.state, c.amount_rp, p.quote, c.qris, c.money_flag, c.created_at, c.expires_at,
        c.paid_at, coalesce(s.vehicle_class, pp.vehicle_class), coalesce(spots.code, ''),
        coalesce(spots.place, ''), coalesce(z.name, {COVERED_ZONES}), r.number, {RECEIPT_FACTS},
        r.money_id, o.id
    FROM charges c
    JOIN payments p ON p.id = c.payment_id
    LEFT JOIN parking_sessions s ON s.id = p.parking_session_id
    LEFT JOIN spots ON spots.id = s.spot_id
    LEFT JOIN zones z ON z.id = spots.zone_id
    LEFT JOIN pass_orders o ON o.id = p.pass_order_id
    LEFT JOIN pass_prices pp ON pp.id = o.price_id
    LEFT JOIN receipts r ON r.charge_id = c.id
    {ERASED}
"""  # noqa: S608 - of our own texts, never a request's


async def charge_view(db: Connected, charge_id: UUID) -> ChargeView | None:
    rows = await fetch(db, VIEW + "WHERE c.id = $1", charge_id)
    return ChargeView._make(rows[0]) if rows else None


async def charge_views(db: Connected, charge_ids: Collection[UUID]) -> list[ChargeView]:
    """Those of these charges that there are."""
    rows = await fetch(db, VIEW + "WHERE c.id = ANY($1::uuid[])", charge_ids)
    return [ChargeView._make(row) for row in rows]


async def charge_of_barcode(db: AsyncSession, qris: str) -> UUID | None:
    return await db.scalar(
        select(Charge.id).where(func.md5(Charge.qris) == func.md5(qris), Charge.qris == qris)
    )


async def newest_barcode(db: Connected) -> str | None:
    """The last barcode that the acquirer made for us, or nearly: ids are ordered by their time."""
    rows = await fetch(
        db,
        "SELECT qris FROM charges WHERE qris IS NOT NULL AND kind = 'mpm' ORDER BY id DESC LIMIT 1",
    )
    return rows[0]["qris"] if rows else None


class LockedCharge(NamedTuple):
    """A charge whose row is locked, with all that recording money for it needs.

    That of a pass has neither stay, spot nor zone: what names them is empty.
    """

    id: UUID
    payment_id: UUID
    acquirer: str
    reference: str
    acquirer_reference: str | None
    amount_rp: int
    state: str
    created_at: datetime
    payment_state: str
    quote: list[dict[str, Any]]
    stay_id: UUID | None
    stay_state: str | None
    started_at: datetime
    vehicle_class: str
    plate_masked: str | None
    spot_code: str
    place: str
    zone_id: UUID | None
    zone_code: str
    zone_name: str
    regulation: str
    attendant_code: str | None
    attendant_name: str | None
    pass_order_id: UUID | None

    @property
    def lines(self) -> tuple[QuoteLine, ...]:
        return tuple(QuoteLine(**line) for line in self.quote)

    @property
    def is_reserved(self) -> bool:
        """Whether its barcode was issued ahead, and nobody has told of a vehicle yet."""
        return self.stay_state == StayState.RESERVED

    @property
    def method(self) -> str:
        """How it is paid, as receipts say it."""
        return {CASH: "Tunai", VOUCHER: "Voucher"}.get(self.acquirer, "QRIS")


LOCK = f"""
    SELECT c.id, c.payment_id, c.acquirer, c.reference, c.acquirer_reference, c.amount_rp, c.state,
        c.created_at, p.state, p.quote, s.id, s.state, coalesce(s.started_at, o.ordered_at),
        coalesce(s.vehicle_class, pp.vehicle_class), coalesce(s.plate_masked, o.plate_masked),
        coalesce(spots.code, ''), coalesce(spots.place, ''), z.id, coalesce(z.code, ''),
        coalesce(z.name, {COVERED_ZONES}), coalesce(t.regulation, pp.regulation), a.code, a.name,
        o.id
    FROM charges c
    JOIN payments p ON p.id = c.payment_id
    LEFT JOIN parking_sessions s ON s.id = p.parking_session_id
    LEFT JOIN spots ON spots.id = s.spot_id
    LEFT JOIN zones z ON z.id = spots.zone_id
    LEFT JOIN tariffs t ON t.id = p.tariff_id
    LEFT JOIN pass_orders o ON o.id = p.pass_order_id
    LEFT JOIN pass_prices pp ON pp.id = o.price_id
    LEFT JOIN shifts ON shifts.id = p.shift_id
    LEFT JOIN attendants a ON a.id = shifts.attendant_id
    WHERE c.reference = ANY($1::text[]) AND c.acquirer = $2
    ORDER BY c.id FOR UPDATE OF c, p
"""  # noqa: S608 - of our own texts, never a request's


async def lock_charges(
    db: Connected, acquirer: str, references: Sequence[str]
) -> dict[str, LockedCharge]:
    """The charges of our references, locked in one order until the transaction ends."""
    rows = await fetch(db, LOCK, references, acquirer)
    return {charge.reference: charge for charge in map(LockedCharge._make, rows)}


class KnownMoney(NamedTuple):
    """What identifies money recorded before, of one acquirer."""

    charge_id: UUID
    acquirer_reference: str
    rrn: str | None
    amount_rp: int


KNOWN_MONEY = """
    SELECT charge_id, acquirer_reference, rrn, amount_rp FROM money
    WHERE charge_id = ANY($2::uuid[]) OR acquirer = $1 AND acquirer_reference = ANY($3::text[])
"""


async def known_money(
    db: Connected,
    acquirer: str,
    charge_ids: Collection[UUID],
    acquirer_references: Collection[str],
) -> list[KnownMoney]:
    """An acquirer's money recorded so far for these charges, or under these of its references."""
    rows = await fetch(db, KNOWN_MONEY, acquirer, charge_ids, acquirer_references)
    return [KnownMoney._make(row) for row in rows]


# One statement: each time that the database is asked costs more than what it is asked here.
HEARD_BEFORE = f"""
    SELECT day, external_id, body_hash, NULL, NULL, NULL, NULL FROM notifications
    WHERE acquirer = $1 AND day = ANY($4::date[]) AND external_id = ANY($5::text[])
      AND outcome = 'accepted'
    UNION ALL SELECT NULL, NULL, NULL, known.* FROM ({KNOWN_MONEY}) AS known
"""  # noqa: S608 - of our own texts, never a request's


async def heard_before(
    db: Connected,
    acquirer: str,
    charge_ids: Collection[UUID],
    acquirer_references: Collection[str],
    days: Collection[date],
    external_ids: Collection[str],
) -> tuple[dict[tuple[date, str], bytes], list[KnownMoney]]:
    """The body hashes of the notifications that used these external ids on these days; and the
    money that `known_money` finds.
    """
    rows = await fetch(
        db, HEARD_BEFORE, acquirer, charge_ids, acquirer_references, days, external_ids
    )
    used = {(day, external_id): body_hash for day, external_id, body_hash, *_ in rows if day}
    return used, [KnownMoney._make(known) for day, _, _, *known in rows if day is None]


class MoneyOfDay(NamedTuple):
    """What identifies money, with our reference of its charge."""

    reference: str
    acquirer_reference: str
    rrn: str | None
    amount_rp: int
    acquirer: str


MONEY_ON = """
    SELECT c.reference, m.acquirer_reference, m.rrn, m.amount_rp, m.acquirer
    FROM money m JOIN charges c ON c.id = m.charge_id WHERE m.business_day = $1
"""


async def money_on(db: Connected, day: date) -> list[MoneyOfDay]:
    """All money of a business day."""
    return [MoneyOfDay._make(row) for row in await fetch(db, MONEY_ON, day)]


async def charges_without_money(
    db: AsyncSession, acquirer: str, references: Sequence[str]
) -> dict[str, str | None]:
    """Those of our references whose charge no money came for, with the acquirer's own."""
    rows = await db.execute(
        select(Charge.reference, Charge.acquirer_reference)
        .where(Charge.acquirer == acquirer)
        .where(Charge.reference == any_(literal(list(references), ARRAY(Text))))
        .where(~exists().where(Money.charge_id == Charge.id))
    )
    return {row.reference: row.acquirer_reference for row in rows}
