"""How open data is answered: to anybody, a number of times a minute, and once for what is the same.

Endpoints get at places, use and editions through `Asked`, which has counted the request.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from server.database import Transactions, TransactionsDep, autocommit
from server.etags import etag_of, is_held
from server.open_data import service
from server.open_data.dcat import Publisher
from server.open_data.editions import Editions
from server.open_data.service import AlikeStays, HourOfUse, Occupancy, Period, Zone
from server.payments.books import Books
from server.payments.wiring import WiringDep

STATIC = timedelta(minutes=10)
"""How long what the office seldom changes may be kept by others."""

From = Annotated[date | None, Query(alias="from")]
Until = Annotated[date | None, Query()]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=1_000)]


@dataclass(frozen=True)
class Asked:
    """A request for open data, counted, at one moment."""

    request: Request
    transactions: Transactions
    books: Books
    publisher: Publisher
    editions: Editions
    now: datetime

    async def zones(self) -> list[Zone]:
        async with autocommit(self.transactions) as db:
            return await service.zones(db)

    async def occupancy(self) -> tuple[datetime, list[Occupancy]]:
        at = service.occupancy_at(self.now)

        async def make() -> list[Occupancy]:
            async with autocommit(self.transactions) as db:
                return await service.occupancy(db, at)

        return at, await self.editions.get("occupancy", at, make)

    async def hours(self, asked: Period) -> list[HourOfUse]:
        async def make() -> list[HourOfUse]:
            async with autocommit(self.transactions) as db:
                return await service.hourly_use(db, asked.since, asked.until)

        return await self.editions.get(("hours", asked), self.this_hour, make)

    async def stays(self, asked: Period) -> list[AlikeStays]:
        async def make() -> list[AlikeStays]:
            async with autocommit(self.transactions) as db:
                return await service.alike_stays(db, asked.since, asked.until)

        return await self.editions.get(("stays", asked), self.this_hour, make)

    def period(self, first: date | None, last: date | None, *, whole_days: bool = False) -> Period:
        zone = self.books.timezone
        return service.period(first, last, now=self.now, zone=zone, whole_days=whole_days)

    @property
    def this_hour(self) -> datetime:
        return self.now.replace(minute=0, second=0, microsecond=0)

    def until_next(self, each: timedelta) -> timedelta:
        """How long until the next edition of what changes at each full hour, or quarter."""
        return each - timedelta(seconds=self.now.timestamp() % each.total_seconds())

    def answer(
        self,
        body: bytes,
        media_type: str,
        *,
        kept: timedelta = STATIC,
        modified: datetime | None = None,
    ) -> Response:
        """The body with its ETag, or 304 where the asker has it; any site's scripts may read it."""
        etag = etag_of(body)
        headers = {
            "ETag": etag,
            "Cache-Control": f"public, max-age={max(1, int(kept.total_seconds()))}",
            "Access-Control-Allow-Origin": "*",
            "Link": f'<{self.publisher.license_url}>; rel="license"',
        }
        if modified is not None:
            headers["Last-Modified"] = format_datetime(modified.astimezone(UTC), usegmt=True)
        if is_held(self.request, etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers={**headers, "Content-Type": media_type})


async def asked(request: Request, transactions: TransactionsDep, wired: WiringDep) -> Asked:
    request.app.state.open_data_limit.check(request)
    settings, books = wired.settings, wired.books
    publisher = Publisher(
        name=settings.open_data_publisher or f"{books.agency} {books.regency}",
        regency=books.regency,
        license_url=settings.open_data_license,
        contact=books.complaint,
        base_url=books.base_url,
    )
    editions: Editions = request.app.state.open_data
    now = datetime.now(UTC)
    return Asked(request, transactions, books, publisher, editions, now)


AskedDep = Annotated[Asked, Depends(asked)]
