"""One page of a long list, and the place after which the next one goes on."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.errors import InvalidRequest

PAGE = 50
Row = TypeVar("Row")
Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: Sequence[Row]
    after: str | None
    """The place of the last row, for the address of the next page; None on the last page."""
    is_first: bool


async def page(
    db: AsyncSession,
    asked: Select[*tuple[Any, ...]],
    order: Sequence[Column],
    before: str | None,
    made: Callable[..., Row],
) -> Page[Row]:
    """The rows that follow the place `before`, each `made` of what was selected.

    The highest `order` comes first; no row may have the same order as another, nor none.
    The place tells values, not a row: a list goes on where it was, also when that row has moved.
    """
    if before:
        place = _read(before, order)
        asked = asked.where(tuple_(*order) < tuple_(*place))
    descending = [column.desc() for column in order]
    found = await db.execute(asked.add_columns(*order).order_by(*descending).limit(PAGE + 1))
    rows = [tuple(row) for row in found]
    shown, width = rows[:PAGE], len(order)
    after = "_".join(_written(value) for value in shown[-1][-width:]) if len(rows) > PAGE else None
    return Page([made(*row[:-width]) for row in shown], after, not before)


def _written(value: datetime | date | UUID | int) -> str:
    return str(value) if isinstance(value, (int, UUID)) else value.isoformat()


def _read(text: str, order: Sequence[Column]) -> list[ColumnElement[Any]]:
    parts = text.split("_")
    if len(parts) != len(order):
        raise InvalidRequest("before: not a place in this list")
    try:
        return [_value(part, column) for part, column in zip(parts, order, strict=True)]
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest("before: not a place in this list") from exc


def _value(part: str, column: Column) -> ColumnElement[Any]:
    kind = column.type.python_type
    if kind is int:
        if not re.fullmatch(r"-?[0-9]{1,18}", part):
            raise ValueError(part)
        return literal(int(part), BigInteger())
    if kind is datetime:
        return literal(datetime.fromisoformat(part).astimezone(UTC), column.type)
    return literal(UUID(part) if kind is UUID else date.fromisoformat(part), column.type)
