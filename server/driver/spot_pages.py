"""The page of a spot, which is drawn once for all visitors who are to see the same.

What it tells is read for every visitor, after he asked, so that nobody is shown a price, a sign or
a name of before; whoever asks at the same time shares the statements. Only what was written of the
same facts before is not written again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from starlette.datastructures import QueryParams

import qris
from domain.closure import Closure, closed
from domain.sign_link import PARAMETER, Newest, SignVerdict
from domain.tariff import HourlyRate, TariffVersion, VehicleClass
from server import pages
from server.database import Transactions, autocommit
from server.driver import prices
from server.errors import Problem
from server.group_commit import GroupCommit
from server.payments import queries
from server.payments.books import Books
from server.settings import Settings
from server.spots import closures, signs
from server.spots import service as spots
from server.spots.scans import Scans
from server.spots.service import KnownSpot, NoTariff, SpotNotFound

TEMPLATES = Path(__file__).parent / "templates"
MOST_DRAWN = 1024
NOBODY = UUID(int=0)
"""Stands where a visitor's own id comes into a page that was drawn for all."""


@dataclass(frozen=True)
class Choice:
    """What a driver has chosen so far; `minutes` is 0 for paying when he leaves."""

    id: UUID
    vehicle_class: VehicleClass | None
    minutes: int
    plate: str = ""


class Visit(NamedTuple):
    """At which address a page is read, in which language, and when by the regency's clock."""

    path: str
    query: str
    language: str
    at: datetime


class Asked(NamedTuple):
    """A spot on a day, and whether a sign's link is to be judged; readers of the same are one."""

    code: str
    day: date
    signed: bool


@dataclass(frozen=True, eq=False)
class Facts:
    """All that the page of a spot tells, as it stands; the same facts are the same object."""

    spot: KnownSpot
    tariff: TariffVersion
    sign: Newest | None
    merchant: str | None
    closed: Closure | None = None
    near: tuple[KnownSpot, ...] = ()
    """Where a driver may park instead, where it is closed."""


class SpotPages:
    def __init__(
        self, transactions: Transactions, books: Books, settings: Settings, scans: Scans
    ) -> None:
        self._transactions = transactions
        self._books = books
        self._merchant_name = settings.merchant_name
        self._plate_days = settings.plate_days
        self._readings = GroupCommit[tuple[Asked, datetime], Facts | Problem](self._read, lanes=1)
        self._scans = scans
        self._judged = lru_cache(MOST_DRAWN)(self._judge)
        self._facts = lru_cache(MOST_DRAWN)(Facts)
        self._drawn = lru_cache(MOST_DRAWN)(self._draw_for_all)

    async def show(self, code: str, visit: Visit, choice: Choice, *, seen: bool = True) -> bytes:
        """The page; raises SpotCodeMistyped, SpotNotFound or NoTariff."""
        signed = bool(visit.query) and _token(visit) is not None
        asked = Asked(spots.canonical(code), visit.at.date(), signed)
        facts = await self._readings.do((asked, visit.at))
        if isinstance(facts, Problem):
            raise facts
        if signed and self._verdict(visit, facts) is SignVerdict.GENUINE:
            self._scans.count(facts.spot.id, visit.at.date())
        if choice.plate or not seen:
            return self._draw(visit, facts, choice, seen=seen).encode()
        # A tariff's bands begin and end at whole minutes, so that within one all prices stand.
        minute = visit._replace(at=visit.at.replace(second=0, microsecond=0))
        before, after = self._drawn(minute, facts, choice.vehicle_class, choice.minutes)
        return before if after is None else b"%s%s%s" % (before, str(choice.id).encode(), after)

    async def _read(self, readers: Sequence[tuple[Asked, datetime]]) -> list[Facts | Problem]:
        asked = [each for each, _ in readers]
        now = max(at for _, at in readers)
        async with autocommit(self._transactions) as db:
            found = await spots.find_all(db, {each.code for each in asked})
            zones = {spot.zone_id for spot in found.values()}
            days = {each.day for each in asked}
            tariffs = {day: await spots.tariffs_on(db, zones, day) for day in days}
            signed = {each.code for each in asked if each.signed}
            newest = await signs.newest(db, signed) if signed else {}
            merchant = self._merchant_name or _merchant(await queries.newest_barcode(db))
            standing = await closures.standing(db, now)
            shut = {code: closed(standing, code, now) for code in found}
            near = {
                code: await closures.open_near(db, found[code], standing, now)
                for code, closure in shut.items()
                if closure is not None
            }

        def of(each: Asked) -> Facts | Problem:
            spot, sign = found.get(each.code), newest.get(each.code)
            if spot is None:
                return SpotNotFound()
            if spot.zone_id not in tariffs[each.day]:
                return NoTariff()
            tariff = _same(tariffs[each.day][spot.zone_id][1])
            newest_sign = sign.newest if each.signed and sign else None
            told = shut[each.code], near.get(each.code, ())
            return self._facts(spot, tariff, newest_sign, merchant, *told)

        facts = {each: of(each) for each in set(asked)}
        return [facts[each] for each in asked]

    def _draw_for_all(
        self, visit: Visit, facts: Facts, vehicle_class: VehicleClass | None, minutes: int
    ) -> tuple[bytes, bytes | None]:
        """The page before and after its visitor's own id; whole where it has none."""
        choice = Choice(NOBODY, vehicle_class, minutes)
        page = self._draw(visit, facts, choice, seen=True)
        before, found, after = page.partition(f'value="{NOBODY}"')
        if not found:  # a closed spot asks for nothing
            return page.encode(), None
        return f'{before}value="'.encode(), f'"{after}'.encode()

    def _verdict(self, visit: Visit, facts: Facts) -> SignVerdict | None:
        token = _token(visit)
        return None if token is None else self._judged(facts.spot.code, token, facts.sign)

    def _judge(self, code: str, token: str, newest: Newest | None) -> SignVerdict:
        return signs.judge(self._books.base_url, self._books.proof_keys, code, token, newest)

    def _draw(self, visit: Visit, facts: Facts, choice: Choice, *, seen: bool) -> str:
        spot, tariff, books = facts.spot, facts.tariff, self._books
        if facts.closed is not None:
            return pages.text(
                TEMPLATES,
                "spot-closed.html",
                books=books,
                language=visit.language,
                path=visit.path,
                query=visit.query,
                spot=spot,
                sign=self._verdict(visit, facts),
                closed=facts.closed,
                near=facts.near,
            )
        offers = prices.offers(tariff, visit.at, visit.language)
        chosen = choice.vehicle_class if choice.vehicle_class in tariff.rates else None
        chosen = chosen or offers[0].vehicle_class
        by_time = isinstance(tariff.rates[chosen], HourlyRate)
        return pages.text(
            TEMPLATES,
            "spot.html",
            books=books,
            language=visit.language,
            path=visit.path,
            query=visit.query,
            spot=spot,
            tariff=tariff,
            sign=self._verdict(visit, facts),
            offers=offers,
            asks_minutes=prices.is_by_time(tariff),
            holidays=prices.holidays(tariff, chosen, visit.at.date()),
            pays_later=not spot.exclusive,
            hours=prices.HOURS,
            plate_days=self._plate_days,
            choice=choice,
            chosen=chosen,
            quote=(
                prices.quoted(tariff, chosen, visit.at, choice.minutes)
                if by_time and choice.minutes
                else None
            ),
            by_time=by_time,
            merchant=facts.merchant,
            seen=seen,
        )


def _token(visit: Visit) -> str | None:
    """What the link of a scanned sign carries; None where the address was typed."""
    return QueryParams(visit.query).get(PARAMETER) if visit.query else None


@lru_cache(MOST_DRAWN)
def _same(tariff: TariffVersion) -> TariffVersion:
    """One object for equal versions, which are then equal without a look at every price."""
    return tariff


@lru_cache(1)
def _merchant(barcode: str | None) -> str | None:
    with suppress(qris.QrisError):
        return qris.parse(barcode or "").name
    return None
