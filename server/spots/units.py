"""What of the regency an officer of a unit may see, and what belongs to which unit.

Zones and attendants belong to a unit, as officers do. Who is of a unit sees what is of it or of a
unit below; who is of the root, everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    case,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from server.database import new_id
from server.errors import NotFound, Problem
from server.identity import attendants, units
from server.identity import service as identity
from server.identity.models import ROOT, Attendant, Officer, Shift, Unit
from server.identity.service import AttendantNotFound, Right
from server.identity.units import Draft, Placed
from server.spots import service as spots
from server.spots.models import Spot, UnitMove, Zone
from server.spots.service import KnownSpot, SpotNotFound, ZoneNotFound


class MoveNotFound(NotFound):
    slug = "unit-move-not-found"
    title_id = "Permintaan pemindahan ini tidak ada"
    title_en = "There is no such request to move"


class MovedThere(Problem):
    slug = "unit-move-there"
    status = 409
    title_id = "Sudah berada di unit itu"
    title_en = "It is in that unit already"


class MoveOpen(Problem):
    slug = "unit-move-open"
    status = 409
    title_id = "Masih ada permintaan pemindahan yang belum diputuskan untuk ini"
    title_en = "A request to move this still waits for its decision"


class MoveDecided(Problem):
    slug = "unit-move-decided"
    status = 409
    title_id = "Permintaan pemindahan ini sudah diputuskan"
    title_en = "This request to move was decided already"


class OwnMove(Problem):
    slug = "own-unit-move"
    status = 403
    title_id = "Yang meminta pemindahan tidak boleh memutuskannya"
    title_en = "Who asked for a move may not decide it"


# What one sees


@dataclass(frozen=True)
class Scope:
    """What of the regency one sees; None is all of it."""

    zones: Sequence[UUID] | None
    zone_codes: Sequence[str] | None
    units: Sequence[UUID] | None

    @property
    def is_whole(self) -> bool:
        return self.zones is None

    def zone(self, column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Only rows whose zone is seen; one without a zone is seen by the whole regency only."""
        return true() if self.zones is None else column.in_(self.zones)

    def unit(self, column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Only rows of people whose unit is seen."""
        return true() if self.units is None else column.in_(self.units)

    def spot(self, column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        if self.zones is None:
            return true()
        spot = aliased(Spot)
        return column.in_(select(spot.id).where(spot.zone_id.in_(self.zones)))

    def shift(self, column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Only rows of shifts of the unit's attendants."""
        if self.units is None:
            return true()
        shift, attendant = aliased(Shift), aliased(Attendant)
        theirs = select(shift.id).join(attendant, attendant.id == shift.attendant_id)
        return column.in_(theirs.where(attendant.unit_id.in_(self.units)))

    def device(self, column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Only rows of devices whose newest shift was one of the unit's attendants'."""
        if self.units is None:
            return true()
        shift, attendant = aliased(Shift), aliased(Attendant)
        newest = (
            select(shift.device_id, attendant.unit_id)
            .join(attendant, attendant.id == shift.attendant_id)
            .ext(distinct_on(shift.device_id))
            .order_by(shift.device_id, shift.opened_at.desc())
            .subquery()
        )
        return column.in_(select(newest.c.device_id).where(newest.c.unit_id.in_(self.units)))

    async def find_spot(self, db: AsyncSession, code: str) -> KnownSpot:
        """Raises SpotNotFound also of one elsewhere."""
        spot = await spots.find(db, code)
        self.must_see(spot.zone_id, SpotNotFound)
        return spot

    async def zone_names(self, db: AsyncSession) -> list[tuple[str, str]]:
        """Of the zones to choose from."""
        told = await spots.zone_names(db)
        return told if self.zone_codes is None else [z for z in told if z[0] in self.zone_codes]

    def sees(self, zone_id: UUID | None) -> bool:
        return self.zones is None or zone_id in self.zones

    def must_see(self, zone_id: UUID | None, otherwise: type[Problem]) -> None:
        """Raises `otherwise` of what is elsewhere: as if it were not there."""
        if not self.sees(zone_id):
            raise otherwise

    def holds(self, unit_id: UUID | None) -> bool:
        return self.units is None or unit_id in self.units

    def must_hold(self, unit_id: UUID | None, otherwise: type[Problem]) -> None:
        """As `must_see`, of who or what belongs to a unit."""
        if not self.holds(unit_id):
            raise otherwise

    async def must_find(
        self, db: AsyncSession, condition: ColumnElement[bool], otherwise: type[Problem]
    ) -> None:
        """Raises `otherwise` where one of the conditions above does not hold of a value."""
        if not self.is_whole and not await db.scalar(select(condition)):
            raise otherwise


WHOLE = Scope(None, None, None)


async def scope_of(db: AsyncSession, officer: Officer) -> Scope:
    """The one place that says what an officer sees."""
    if officer.unit_id == ROOT:
        return WHOLE
    seen = (await db.scalars(units.below(officer.unit_id))).all()
    rows = await db.execute(select(Zone.id, Zone.code).where(Zone.unit_id.in_(seen)))
    zones = rows.all()
    return Scope([id_ for id_, _ in zones], [code for _, code in zones], seen)


# The tree, and what is in it


@dataclass(frozen=True)
class Shown:
    """A unit, with what is in it itself."""

    placed: Placed
    zones: Sequence[str]
    officers: Sequence[str]
    attendants: int

    @property
    def is_root(self) -> bool:
        return self.placed.unit.id == ROOT


async def shown(db: AsyncSession) -> list[Shown]:
    zones = await _by_unit(db, Zone.unit_id, Zone.code + " " + Zone.name)
    active = Officer.switched_off_at.is_(None)
    officers = await _by_unit(db, Officer.unit_id, Officer.name, active)
    counts = select(Attendant.unit_id, func.count()).group_by(Attendant.unit_id)
    people = {unit: int(count) for unit, count in await db.execute(counts)}
    return [
        Shown(
            placed,
            zones.get(placed.unit.id, ()),
            officers.get(placed.unit.id, ()),
            people.get(placed.unit.id, 0),
        )
        for placed in await units.tree(db)
    ]


async def _by_unit(
    db: AsyncSession, unit: Any, name: Any, which: ColumnElement[bool] | None = None
) -> dict[UUID, Sequence[str]]:
    asked = select(unit, func.array_agg(name).label("names")).group_by(unit)
    rows = await db.execute(asked if which is None else asked.where(which))
    return {unit_id: sorted(names) for unit_id, names in rows}


async def add(db: AsyncSession, by: UUID, parent: UUID, draft: Draft) -> UUID:
    """A new unit, empty: nobody sees more or less by it."""
    await identity.acting(db, by, Right.MANAGE_OFFICERS)
    return await units.add(db, parent, draft)


# Moving something under a unit


class Subject(StrEnum):
    """What comes under a unit; named by its code."""

    UNIT = "unit"
    ZONE = "zone"
    ATTENDANT = "attendant"


@dataclass(frozen=True)
class Kind:
    """Its table, the move's column of it, its own column of the unit above, and what if it is not.

    Who asks for a move of one and who decides it must look after both units.
    """

    table: Any
    moved: InstrumentedAttribute[UUID | None]
    above: Any
    missing: type[Problem]
    asks: Right = Right.MANAGE_OFFICERS
    decides: Right = Right.APPROVE_OFFICER


OF: dict[Subject, Kind] = {
    Subject.UNIT: Kind(Unit, UnitMove.unit_id, Unit.parent_id, units.UnitNotFound),
    Subject.ZONE: Kind(Zone, UnitMove.zone_id, Zone.unit_id, ZoneNotFound),
    Subject.ATTENDANT: Kind(
        Attendant,
        UnitMove.attendant_id,
        Attendant.unit_id,
        AttendantNotFound,
        Right.MANAGE_ATTENDANTS,
        Right.APPROVE_ATTENDANT,
    ),
}


@dataclass(frozen=True)
class Move:
    """A move as people see it."""

    id: UUID
    subject: Subject
    code: str
    name: str
    to_id: UUID
    to: str
    proposed_by: UUID
    maker: str
    proposed_at: datetime
    why: str
    decided_at: datetime | None
    checker: str | None
    approved: bool | None


async def propose(
    db: AsyncSession, by: UUID, subject: Subject, code: str, to: UUID, why: str, *, now: datetime
) -> UUID:
    """Ask that something come under a unit; raises as the problems above say."""
    kind = OF[subject]
    maker = await identity.acting(db, by, kind.asks)
    own = await scope_of(db, maker)
    of = kind.table.code == code.strip().upper()
    found = (await db.execute(select(kind.table.id, kind.above).where(of))).one_or_none()
    if found is None:
        raise kind.missing(code)
    subject_id, above = found
    own.must_hold(above, kind.missing)
    own.must_hold(to, units.UnitNotFound)
    unit = await units.find(db, to)
    if subject_id == ROOT:
        raise units.UnitMisplaced
    if to == above:
        raise MovedThere
    told = {kind.moved.key: subject_id, "to_id": to, "why": why, "proposed_at": now}
    made = await db.scalar(
        upsert(UnitMove)
        .values(id=new_id(), proposed_by=maker.id, **told)
        .on_conflict_do_nothing()
        .returning(UnitMove.id)
    )
    if made is None:
        raise MoveOpen
    if subject is Subject.ATTENDANT:
        await _note(db, subject_id, "move-asked", maker, unit, why, now)
    return UUID(str(made))


async def _note(
    db: AsyncSession,
    attendant_id: UUID,
    act: str,
    officer: Officer,
    to: Unit,
    why: str,
    now: datetime,
) -> None:
    """In the history of who is moved, too."""
    told = f"{to.name}: {why}"
    await attendants.note(db, attendant_id, act, officer.login, told, now=now)


async def decide(
    db: AsyncSession, by: UUID, move_id: UUID, *, approve: bool, now: datetime
) -> None:
    """Do what another officer asked for, or not; raises OwnMove, MoveDecided, UnitMisplaced.

    Raises MoveNotFound also of one from or to a unit elsewhere.
    """
    asked = await db.scalar(select(UnitMove).where(UnitMove.id == move_id).with_for_update())
    if asked is None:
        raise MoveNotFound
    kind = next(kind for kind in OF.values() if getattr(asked, kind.moved.key))
    subject_id = getattr(asked, kind.moved.key)
    checker = await identity.acting(db, by, kind.decides)
    own, of = await scope_of(db, checker), kind.table.id == subject_id
    own.must_hold(await db.scalar(select(kind.above).where(of)), MoveNotFound)
    own.must_hold(asked.to_id, MoveNotFound)
    if asked.decided_at is not None:
        raise MoveDecided
    if asked.proposed_by == checker.id:
        raise OwnMove
    asked.decided_by, asked.decided_at, asked.approved = checker.id, now, approve
    await db.flush()
    if kind.table is Attendant:
        to, act = await units.find(db, asked.to_id), "moved" if approve else "move-declined"
        await _note(db, subject_id, act, checker, to, asked.why, now)
    if not approve:
        return
    try:
        async with db.begin_nested():
            await db.execute(update(kind.table).where(of).values({kind.above.key: asked.to_id}))
    except DBAPIError as exc:
        units.raise_if_no_tree(exc)
        raise


async def open_move(db: AsyncSession, attendant: Attendant) -> Move | None:
    """That an attendant comes under a unit, where it still waits for its decision."""
    of = UnitMove.attendant_id == attendant.id
    found = await db.execute(_named().where(of, UnitMove.decided_at.is_(None)))
    return _move(row) if (row := found.one_or_none()) else None


async def moves(db: AsyncSession, limit: int) -> list[Move]:
    """Those that wait first, then the newest."""
    waits = UnitMove.decided_at.is_(None)
    rows = await db.execute(_named().order_by(waits.desc(), UnitMove.id.desc()).limit(limit))
    return [_move(row) for row in rows]


def _move(row: Any) -> Move:
    return Move(row[0], Subject(row[1]), *row[2:])


def _named() -> Select[Any]:
    of, to, maker, checker = aliased(Unit), aliased(Unit), aliased(Officer), aliased(Officer)
    return (
        select(
            UnitMove.id,
            case(
                (UnitMove.unit_id.is_not(None), Subject.UNIT.value),
                (UnitMove.zone_id.is_not(None), Subject.ZONE.value),
                else_=Subject.ATTENDANT.value,
            ),
            func.coalesce(of.code, Zone.code, Attendant.code),
            func.coalesce(of.name, Zone.name, Attendant.name),
            UnitMove.to_id,
            to.name,
            UnitMove.proposed_by,
            maker.name,
            UnitMove.proposed_at,
            UnitMove.why,
            UnitMove.decided_at,
            checker.name,
            UnitMove.approved,
        )
        .outerjoin(of, of.id == UnitMove.unit_id)
        .outerjoin(Zone, Zone.id == UnitMove.zone_id)
        .outerjoin(Attendant, Attendant.id == UnitMove.attendant_id)
        .join(to, to.id == UnitMove.to_id)
        .join(maker, maker.id == UnitMove.proposed_by)
        .outerjoin(checker, checker.id == UnitMove.decided_by)
    )
