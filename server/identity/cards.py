"""Attendants' cards: issued with a last day, and taken back when they are lost."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.card import Card
from server.database import new_id
from server.identity import units
from server.identity.models import Attendant, AttendantCard
from server.identity.service import AttendantNotFound
from server.identity.states import AttendantState

_GOOD = AttendantCard.revoked_at.is_(None) & (Attendant.state == AttendantState.ACTIVE)


async def issue(db: AsyncSession, attendant: str, valid_until: date, *, now: datetime) -> Card:
    """A new card of an attendant; those of before stay valid until they are revoked."""
    row = await db.scalar(select(Attendant).where(Attendant.code == attendant))
    if row is None:
        raise AttendantNotFound(attendant)
    card = AttendantCard(id=new_id(), attendant_id=row.id, issued_at=now, valid_until=valid_until)
    db.add(card)
    await db.flush()
    return Card(card.id, row.code, row.name, valid_until)


async def everybody(db: AsyncSession, unit_id: UUID) -> Sequence[str]:
    """The codes of all attendants of a unit, and of those below it, who may work."""
    active = Attendant.state == AttendantState.ACTIVE
    of_unit = Attendant.unit_id.in_(units.below(unit_id))
    told = select(Attendant.code).where(active, of_unit).order_by(Attendant.code)
    return (await db.scalars(told)).all()


async def revoke(db: AsyncSession, attendant: str, why: str, *, now: datetime) -> int:
    """Take back every card an attendant has; how many that were."""
    owner = select(Attendant.id).where(Attendant.code == attendant)
    if await db.scalar(owner) is None:
        raise AttendantNotFound(attendant)
    rows = await db.scalars(
        update(AttendantCard)
        .where(AttendantCard.attendant_id == owner.scalar_subquery())
        .where(AttendantCard.revoked_at.is_(None))
        .values(revoked_at=now, why=why)
        .returning(AttendantCard.id)
    )
    return len(rows.all())


async def current(db: AsyncSession, attendant_id: UUID) -> Card | None:
    """The newest card of an attendant that was not taken back."""
    found = await db.execute(
        select(AttendantCard.id, Attendant.code, Attendant.name, AttendantCard.valid_until)
        .join(Attendant, Attendant.id == AttendantCard.attendant_id)
        .where(AttendantCard.attendant_id == attendant_id, AttendantCard.revoked_at.is_(None))
        .order_by(AttendantCard.id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else Card(*row)


async def revoked(db: AsyncSession, day: date) -> Sequence[UUID]:
    """The cards that are good no more before their last day, as handhelds need to know them."""
    rows = await db.scalars(
        select(AttendantCard.id)
        .join(Attendant, Attendant.id == AttendantCard.attendant_id)
        .where(~_GOOD, AttendantCard.valid_until >= day)
        .order_by(AttendantCard.id)
    )
    return rows.all()


async def is_good(db: AsyncSession, card_id: UUID) -> bool:
    """Whether the office has issued a card, not taken it back, and lets its owner work."""
    found = await db.scalar(
        select(AttendantCard.id)
        .join(Attendant, Attendant.id == AttendantCard.attendant_id)
        .where(_GOOD, AttendantCard.id == card_id)
    )
    return found is not None
