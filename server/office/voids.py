"""The office's page of stays that attendants took back: who, how often, why, and for how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from domain.parking import VoidReason
from server import pages
from server.database import Transaction
from server.identity.models import Attendant
from server.office.signed_in import OfficerDep, Within
from server.pages import DayOrNone
from server.payments import parts
from server.payments.parts import Voided
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"

LOOKED_BACK = timedelta(days=30)


@dataclass(frozen=True)
class OfAttendant:
    """What one attendant took back, for each reason at most one of `voids`."""

    voids: Sequence[Voided]

    @property
    def who(self) -> str:
        return f"{self.voids[0].attendant_code} {self.voids[0].attendant_name}"

    @property
    def count(self) -> int:
        return sum(void.count for void in self.voids)

    @property
    def forgone_rp(self) -> int:
        return sum(void.forgone_rp for void in self.voids)

    def of(self, reason: VoidReason) -> int:
        return sum(void.count for void in self.voids if void.reason is reason)


def by_attendant(voids: Sequence[Voided]) -> list[OfAttendant]:
    """Who took back the most first."""
    codes = {void.attendant_code for void in voids}
    found = [OfAttendant([v for v in voids if v.attendant_code == code]) for code in codes]
    return sorted(found, key=lambda of: (-of.count, of.who))


@router.get("/voids")
async def voids_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    first: Annotated[DayOrNone, Query(alias="from")] = None,
    last: Annotated[DayOrNone, Query(alias="to")] = None,
) -> Response:
    """Business days from the first to the last; the last 30 unless the address says otherwise."""
    zone = wired.books.timezone
    until = last or wired.books.day(datetime.now(UTC))
    since = first or until - LOOKED_BACK
    voids = await parts.voids_by_attendant(
        db,
        datetime.combine(since, time(), zone),
        datetime.combine(until + timedelta(days=1), time(), zone),
        own.unit(Attendant.unit_id),
    )
    return pages.render(
        request,
        TEMPLATES,
        "voids.html",
        books=wired.books,
        first=since,
        last=until,
        attendants=by_attendant(voids),
        reasons=list(VoidReason),
    )
