"""What a report is: a definition as data, and the table it comes to, whatever it is written as.

A share of one column in another is reckoned here, in its row and in the totals, so that no report
does so by itself, and a spreadsheet can be given the formula instead of the figure.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Rounding, format_rp, multiply_divide
from server.errors import Problem
from server.identity.service import Right
from server.moments import day_text
from server.payments.books import Books

MOST_DAYS = 366


class PeriodUnfit(Problem):
    slug = "report-period-unfit"
    status = 422
    title_id = "Masa laporan harus maju dan paling panjang 366 hari"
    title_en = "A report's period must run forward, and over 366 days at most"


@dataclass(frozen=True)
class Said:
    """A text in both languages."""

    bahasa: str
    english: str

    def in_(self, language: str) -> str:
        return self.english if language == "en" else self.bahasa


Value: TypeAlias = str | int | date | Said | None
Row: TypeAlias = Mapping[str, Value]


class Kind(StrEnum):
    """How a column's values are written. A percentage is whole hundredths of a percent."""

    DAY = "day"
    TEXT = "text"
    COUNT = "count"
    RUPIAH = "rupiah"
    PERCENT = "percent"

    @property
    def is_number(self) -> bool:
        return self in (Kind.COUNT, Kind.RUPIAH, Kind.PERCENT)


@dataclass(frozen=True)
class Column:
    """`total` where the sum stands below; `share` names the columns of which it is the share.

    `needs` is the right without which the column is left out.
    """

    key: str
    title: Said
    kind: Kind = Kind.TEXT
    total: bool = False
    share: tuple[str, str] | None = None
    needs: Right | None = None


class Filter(StrEnum):
    ZONE = "zone"
    SPOT = "spot"
    CLASS = "class"
    ATTENDANT = "attendant"
    ACQUIRER = "acquirer"


FILTERS: Mapping[Filter, Said] = {
    Filter.ZONE: Said("zona", "zone"),
    Filter.SPOT: Said("titik", "spot"),
    Filter.CLASS: Said("kendaraan", "vehicle"),
    Filter.ATTENDANT: Said("juru parkir", "attendant"),
    Filter.ACQUIRER: Said("acquirer", "acquirer"),
}


class Comparison(StrEnum):
    """With what a period is compared: the one before it, or the same a year ago."""

    BEFORE = "before"
    YEAR = "year"


@dataclass(frozen=True)
class Period:
    """Business days, both included; raises PeriodUnfit."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if not 0 < self.days <= MOST_DAYS:
            raise PeriodUnfit

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def is_whole_months(self) -> bool:
        return self.first.day == 1 and (self.last + timedelta(days=1)).day == 1

    def compared(self, comparison: Comparison) -> "Period":
        """A period of whole months is compared with as many whole months."""
        if comparison is Comparison.YEAR:
            return Period(_year_before(self.first), _year_before(self.last))
        last = self.first - timedelta(days=1)
        if not self.is_whole_months:
            return Period(last - timedelta(days=self.days - 1), last)
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month
        year, month = divmod(last.year * 12 + last.month - 1 - months, 12)
        return Period(date(year, month + 1, 1), last)


def _year_before(day: date) -> date:
    if (day.month, day.day) == (2, 29):
        return date(day.year - 1, 2, 28)
    return day.replace(year=day.year - 1)


@dataclass(frozen=True)
class Asked:
    """What a report is asked for, and by whose calendar."""

    period: Period
    books: Books
    today: date
    filters: Mapping[Filter, str] = field(default_factory=dict)
    comparison: Comparison | None = None
    zones: Sequence[str] | None = None
    """The codes of the zones that the reader may see; None for all."""

    def of(self, name: Filter) -> str | None:
        return self.filters.get(name)


@dataclass(frozen=True)
class Report:
    """`question` is what it answers, `notes` how it is reckoned; `needs` who may see it."""

    name: str
    group: Said
    title: Said
    question: Said
    columns: Sequence[Column]
    rows: Callable[[AsyncSession, Asked], Awaitable[Sequence[Row]]]
    notes: Sequence[Said] = ()
    filters: frozenset[Filter] = frozenset()
    comparable: bool = False
    of_year: bool = False
    """Told from the first of January on, whatever the period's first day."""
    needs: Right = Right.SEE_BOOKS
    keeps_to_zones: bool = False
    """Whether its figures are of `Asked.zones` alone; else it is for the whole regency only."""

    def offered(self, rights: frozenset[Right]) -> frozenset[Filter]:
        """What a reader may narrow it by: one attendant's takings are for who sees the books."""
        return self.filters if Right.SEE_BOOKS in rights else self.filters - {Filter.ATTENDANT}


COMPARED = (
    Column("before_rp", Said("Masa pembanding", "Compared period"), Kind.RUPIAH, total=True),
    Column("change_rp", Said("Perubahan", "Change"), Kind.RUPIAH, total=True),
    Column(
        "change", Said("Perubahan %", "Change %"), Kind.PERCENT, share=("change_rp", "before_rp")
    ),
)


@dataclass(frozen=True)
class Table:
    """A report's figures as one reader may see them. `hidden` are columns that were left out."""

    report: Report
    asked: Asked
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    totals: Sequence[Value]
    hidden: Sequence[Column]

    @property
    def has_totals(self) -> bool:
        return any(column.total for column in self.columns)

    def notes(self, language: str) -> list[str]:
        told = [note.in_(language) for note in self.report.notes]
        if self.asked.zones is not None:
            codes = ", ".join(sorted(self.asked.zones)) or "–"
            told.append(Said(f"Hanya zona: {codes}.", f"Only zones: {codes}.").in_(language))
        if self.asked.comparison is not None:
            other = self.asked.period.compared(self.asked.comparison)
            told.append(
                Said(
                    f"Masa pembanding: {span(other, 'id')}.",
                    f"Compared period: {span(other, 'en')}.",
                ).in_(language)
            )
        if self.hidden:
            names = ", ".join(column.title.in_(language) for column in self.hidden)
            told.append(
                Said(
                    f"Tidak ditampilkan untuk peran Anda: {names}.",
                    f"Not shown to your role: {names}.",
                ).in_(language)
            )
        return told


@dataclass(frozen=True)
class Section:
    """One list of a paper that holds several."""

    title: Said
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]

    @property
    def totals(self) -> list[Value]:
        return [_sum(self.rows, at) if c.total else None for at, c in enumerate(self.columns)]

    @property
    def has_totals(self) -> bool:
        return any(column.total for column in self.columns)


async def build(db: AsyncSession, report: Report, asked: Asked, rights: frozenset[Right]) -> Table:
    """The report's table, without the columns that these rights do not show."""
    if report.of_year:
        last = asked.period.last
        asked = replace(asked, period=Period(last.replace(month=1, day=1), last))
    columns = [*report.columns, *(COMPARED if asked.comparison and report.comparable else ())]
    seen = [column for column in columns if _shown(column, columns, rights)]
    rows = [_filled(seen, row) for row in await report.rows(db, asked)]
    totals = _filled(seen, {c.key: _sum(rows, at) for at, c in enumerate(seen) if c.total})
    hidden = [column for column in columns if column not in seen]
    return Table(report, asked, seen, rows, totals, hidden)


def _sum(rows: Iterable[Sequence[Value]], at: int) -> int:
    return sum(value for row in rows if isinstance(value := row[at], int))


def _shown(column: Column, columns: Iterable[Column], rights: frozenset[Right]) -> bool:
    if column.needs is not None and column.needs not in rights:
        return False
    parts = [other for other in columns if column.share and other.key in column.share]
    return all(part.needs is None or part.needs in rights for part in parts)


def _filled(columns: Sequence[Column], row: Row) -> list[Value]:
    return [
        row.get(column.key) if column.share is None else _share(row, *column.share)
        for column in columns
    ]


def _share(row: Row, part: str, whole: str) -> int | None:
    above, below = row.get(part), row.get(whole)
    if not isinstance(above, int) or not isinstance(below, int) or below <= 0:
        return None
    return multiply_divide(above, 10_000, below, Rounding.HALF_UP)


def span(period: Period, language: str) -> str:
    first, last = (day_text(day, language) for day in (period.first, period.last))
    return first if period.days == 1 else f"{first} – {last}"


def shown(value: Value, kind: Kind, language: str) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, Said):
        return value.in_(language)
    if isinstance(value, date):
        return day_text(value, language)
    if isinstance(value, str):
        return value
    if kind is Kind.RUPIAH:
        return format_rp(value)
    if kind is Kind.PERCENT:
        return f"{percent(value, ',' if language == 'id' else '.')}\u00a0%"
    grouped = f"{value:,}"
    return grouped if language == "en" else grouped.replace(",", ".")


def percent(hundredths: int, point: str) -> str:
    whole, rest = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole}{point}{rest:02}"
