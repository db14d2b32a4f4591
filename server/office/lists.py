"""What the filters of several lists have in common: days, as the page's address says them."""

from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, and_, true
from sqlalchemy.orm import InstrumentedAttribute

from server.pages import DayOrNone
from server.payments.books import Books


class Days(BaseModel):
    """From a day to a day, both included; either may be left out."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    first: Annotated[DayOrNone, Field(alias="from")] = None
    last: Annotated[DayOrNone, Field(alias="to")] = None

    def has(self, moment: InstrumentedAttribute[datetime], books: Books) -> ColumnElement[bool]:
        def starts(day: date) -> datetime:
            return datetime.combine(day, time(), books.timezone)

        asked: list[ColumnElement[bool]] = [true()]
        if self.first:
            asked.append(moment >= starts(self.first))
        if self.last:
            asked.append(moment < starts(self.last + timedelta(days=1)))
        return and_(*asked)


def _days(told: Annotated[Days, Query()]) -> Days:
    return told


DaysDep = Annotated[Days, Depends(_days)]
