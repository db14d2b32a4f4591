"""The office's first page: what came today, beside the same day of last week, and what waits."""

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Rounding, multiply_divide
from server import pages
from server.database import fetch
from server.figures import service as figures
from server.figures.service import Part, Takings, Wanted
from server.identity import fleet
from server.identity.models import Officer
from server.office import awaited, queries, tariffs
from server.office.awaited import Awaited
from server.payments import choices
from server.payments.books import Books
from server.payments.choices import Doing
from server.reconciliation import payees, ties
from server.reports import targets
from server.spots import closures
from server.spots.units import Scope

TEMPLATES = Path(__file__).parent / "templates"
WEEK = timedelta(days=7)
LOOKED_AT = 200
"""Payments whose seconds are measured: the latest."""
PROMISED_S = 10
SHOWN = 10
HEIGHT, BAR = 160, 20


@dataclass(frozen=True)
class Compared:
    """What one zone, method or hour took today and on the same day of last week."""

    name: str
    today: Takings
    before: Takings


@dataclass(frozen=True)
class Promise:
    """How long the latest payments took, in seconds; None where there were none.

    `shown_s` is from the code on the screen to paid, `told_s` from paid to known here.
    """

    count: int
    shown_s: float | None
    told_s: float | None
    kept_percent: int


@dataclass(frozen=True)
class Waits:
    """What somebody waits for, or should see to."""

    charges: int
    in_doubt: int
    silent: int


async def today_page(
    request: Request, officer: Officer, db: AsyncSession, books: Books, own: Scope
) -> Response:
    """Of the reader's unit only what was taken there: the rest is the whole regency's."""
    now = datetime.now(UTC)
    day, hour = books.business_day(now), now.astimezone(books.timezone).hour
    hours_in = partial(books.business_days.hours_in, day)
    today, before = [await _told(db, of, books, own) for of in (day, day - WEEK)]
    names = dict(await own.zone_names(db))
    waiting = await awaited.by(db, officer, own, now)
    return pages.render(
        request,
        TEMPLATES,
        "today.html",
        books=books,
        now=now,
        day=day,
        week_ago=day - WEEK,
        until_hour=hour,
        total=figures.total(today),
        total_before=figures.total(before),
        so_far_before=figures.total(
            [row for row in before if hours_in(row.hour or 0) < hours_in(hour)]
        ),
        zones=_compared(today, before, lambda row: row.zone or ""),
        zone_names=names,
        methods_told=_compared(today, before, lambda row: row.method or ""),
        hours=_hours(today, before, hours_in),
        height=HEIGHT,
        bar=BAR,
        target_rp=await _target_rp(db, day) if own.is_whole else 0,
        promise=await _promise(db) if own.is_whole else None,
        waits=await _waits(db, now) if own.is_whole else None,
        failing=await _failing(db, now) if own.is_whole else {},
        owed=await ties.owed(db, books, now=now) if own.is_whole else None,
        closed=await closures.count_closed(db, now=now) if own.is_whole else 0,
        outliving=set(await tariffs.outliving(db, day)),
        awaited=waiting,
        called=await _called(db, books, waiting),
        most_awaited=awaited.MOST,
        latest=await queries.newest_money(db, SHOWN, own),
        case_count=sum(await queries.count_open(db)),
    )


async def _called(
    db: AsyncSession, books: Books, waiting: Sequence[Awaited]
) -> Callable[[str, str], str] | None:
    """How parties whose account waits for a decision are called; asked only where there are any."""
    if not any(one.kind == "payee" for one in waiting):
        return None
    return (await payees.parties(db, books.regency)).called


async def _failing(db: AsyncSession, now: datetime) -> dict[str, Doing]:
    """Acquirers that give no barcodes, whether or not there is another to go to."""
    found = await choices.doing(db, now)
    return {name: doing for name, doing in found.items() if doing.fails}


async def _told(db: AsyncSession, day: date, books: Books, own: Scope) -> list[Takings]:
    wanted = Wanted(day, day, zones=own.zone_codes)
    by = (Part.ZONE, Part.METHOD, Part.HOUR)
    return await figures.takings(db, wanted, books.timezone, by)


def _compared(
    today: Sequence[Takings], before: Sequence[Takings], name: Callable[[Takings], str]
) -> list[Compared]:
    def of(rows: Sequence[Takings], wanted: str) -> Takings:
        return figures.total([row for row in rows if name(row) == wanted])

    names = sorted({name(row) for row in (*today, *before)})
    return [Compared(each, of(today, each), of(before, each)) for each in names]


def _hours(
    today: Sequence[Takings], before: Sequence[Takings], hours_in: Callable[[int], int]
) -> list[Compared]:
    """Each hour from the first to the last in which something came on either day."""
    told = {row.name: row for row in _compared(today, before, lambda row: f"{row.hour or 0:02}")}
    if not told:
        return []
    places = {hours_in(int(hour)) for hour in told}
    clock = sorted((f"{hour:02}" for hour in range(24)), key=lambda hour: hours_in(int(hour)))
    every = clock[min(places) : max(places) + 1]
    return [told.get(hour, Compared(hour, Takings(), Takings())) for hour in every]


async def _target_rp(db: AsyncSession, day: date) -> int:
    """The day's even share of its month's target; nothing where none was set."""
    month_rp = (await targets.targets(db, day.year)).of(None)[day.month - 1]
    return multiply_divide(month_rp, 1, monthrange(day.year, day.month)[1], Rounding.DOWN)


async def _promise(db: AsyncSession) -> Promise:
    (row,) = await fetch(
        db,
        """SELECT count(*) AS n,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY shown_s) AS shown_s,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY told_s) AS told_s,
            count(*) FILTER (WHERE told_s <= $2) AS kept
        FROM (
            SELECT greatest(extract(epoch FROM m.paid_at - c.created_at), 0)::float AS shown_s,
                greatest(extract(epoch FROM e.recorded_at - m.paid_at), 0)::float AS told_s
            FROM (
                SELECT * FROM money WHERE flag = 'exact' AND acquirer NOT IN ('cash', 'voucher')
                ORDER BY id DESC LIMIT $1
            ) m JOIN charges c ON c.id = m.charge_id JOIN ledger_entries e ON e.id = m.entry_id
        ) latest""",
        LOOKED_AT,
        PROMISED_S,
    )
    percent = row["kept"] * 100 // row["n"] if row["n"] else 0
    return Promise(row["n"], row["shown_s"], row["told_s"], percent)


async def _waits(db: AsyncSession, now: datetime) -> Waits:
    (row,) = await fetch(
        db,
        """SELECT count(*) FILTER (WHERE c.expires_at > $1 AND p.charge_id IS NULL) AS charges,
            count(*) FILTER (WHERE c.state = 'issue_unknown') AS in_doubt
        FROM charges c LEFT JOIN pooled_charges p ON p.charge_id = c.id AND p.claimed_at IS NULL
        WHERE c.next_inquiry_at IS NOT NULL
            AND c.state IN ('issuing', 'issued', 'issue_unknown')""",
        now,
    )
    return Waits(row["charges"], row["in_doubt"], await fleet.count_silent(db, now))
