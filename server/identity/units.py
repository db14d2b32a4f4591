"""The units of the regency's office: one tree, whose root is the whole regency."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.errors import NotFound, Problem
from server.identity.models import ROOT, Unit

NO_TREE = "KA040"
"""What the database says of units that would be no tree any more, or too deep a one."""


class UnitNotFound(NotFound):
    slug = "unit-not-found"
    title_id = "Unit ini tidak ada"
    title_en = "There is no such unit"


class UnitCodeTaken(Problem):
    slug = "unit-code-taken"
    status = 409
    title_id = "Kode ini sudah dipakai unit lain"
    title_en = "Another unit has this code"


class UnitMisplaced(Problem):
    slug = "unit-misplaced"
    status = 409
    title_id = "Unit tidak dapat ditempatkan di bawah dirinya sendiri atau lebih dari lima tingkat"
    title_en = "A unit cannot be placed below itself, nor deeper than five levels"


@dataclass(frozen=True)
class Draft:
    """A unit to be; an `operator` who runs it does so by a `contract`."""

    code: str
    name: str
    operator: str | None = None
    contract: str | None = None


async def find(db: AsyncSession, unit_id: UUID) -> Unit:
    found = await db.get(Unit, unit_id)
    if found is None:
        raise UnitNotFound
    return found


async def coded(db: AsyncSession, code: str) -> Unit:
    found = await db.scalar(select(Unit).where(Unit.code == code.strip().upper()))
    if found is None:
        raise UnitNotFound(code)
    return found


async def add(db: AsyncSession, parent: UUID, draft: Draft) -> UUID:
    """A unit with nothing in it; raises UnitNotFound, UnitCodeTaken, UnitMisplaced."""
    await find(db, parent)
    operator, contract = draft.operator or None, draft.contract or None
    values = {"code": draft.code, "name": draft.name, "operator": operator, "contract": contract}
    try:
        async with db.begin_nested():
            added = await db.scalar(
                upsert(Unit)
                .values(id=new_id(), parent_id=parent, **values)
                .on_conflict_do_nothing(index_elements=[Unit.code])
                .returning(Unit.id)
            )
    except DBAPIError as exc:
        raise_if_no_tree(exc)
        raise
    if added is None:
        raise UnitCodeTaken(draft.code)
    return UUID(str(added))


def raise_if_no_tree(exc: DBAPIError) -> None:
    """As UnitMisplaced, what the database refused for the tree's sake."""
    if getattr(exc.orig, "sqlstate", None) == NO_TREE:
        raise UnitMisplaced from exc


def below(unit_id: UUID) -> Select[UUID]:
    """The ids of a unit and of all that are below it."""
    tree = select(Unit.id).where(Unit.id == unit_id).cte("below", recursive=True)
    tree = tree.union(select(Unit.id).join(tree, Unit.parent_id == tree.c.id))
    return select(tree.c.id)


async def covers(db: AsyncSession, unit_id: UUID, other: UUID) -> bool:
    """Whether an officer of a unit looks after what is of another: of the same, or of one below."""
    if unit_id in (ROOT, other):
        return True
    return bool(await db.scalar(select(literal(other).in_(below(unit_id)))))


@dataclass(frozen=True)
class Placed:
    unit: Unit
    depth: int


async def tree(db: AsyncSession, top: UUID = ROOT) -> list[Placed]:
    """A unit and every one below it, each after the one it is under, by their names."""
    of: dict[UUID | None, list[Unit]] = {}
    for unit in await db.scalars(select(Unit).order_by(Unit.name, Unit.id)):
        of.setdefault(unit.parent_id, []).append(unit)

    def under(parent: UUID, depth: int) -> list[Placed]:
        found = []
        for unit in of.get(parent, []):
            found += [Placed(unit, depth), *under(unit.id, depth + 1)]
        return found

    return [Placed(await find(db, top), 0), *under(top, 1)]
