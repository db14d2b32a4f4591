"""Cash that attendants still hold: how much, since when, and of which zones.

What is paid in pays for what was taken first. So what is owed is the newest cash, and its age is
that of the days it was taken on.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Rounding, multiply_divide
from server.figures import service as figures
from server.figures.service import Method, Owed, Part, Wanted
from server.identity.models import Attendant, Shift, ShiftDifference
from server.ledger import postings
from server.reconciliation.models import CashDeposit
from server.reports import takings
from server.reports.people import ATTENDANT, GROUP, NAME
from server.reports.table import Asked, Column, Filter, Kind, Report, Row, Said

BANDS = (("fresh_rp", 1), ("week_rp", 7), ("month_rp", 30), ("old_rp", None))
"""How many days old cash of a column is at most."""
NOWHERE = "–"
Cell = dict[str, Any]


async def _arrears(db: AsyncSession, asked: Asked) -> Sequence[Row]:
    last = asked.period.last
    owed = await figures.owed_since(db, postings.CASH_HELD, last, asked.books.timezone)
    if (attendant := asked.of(Filter.ATTENDANT)) is not None:
        owed = [one for one in owed if one.party == attendant]
    if not owed:
        return []
    names, came = await takings.attendants(db), await _by_zone(db, asked, owed)
    held: dict[tuple[str, str], Cell] = {}
    for one in owed:
        for zone, amount_rp in _split(one.owed_rp, came.get((one.business_day, one.party), {})):
            cell = held.setdefault((one.party, zone), {"since": one.business_day, "owed_rp": 0})
            cell["since"] = min(cell["since"], one.business_day)
            cell["owed_rp"] += amount_rp
            band = _band((last - one.business_day).days)
            cell[band] = cell.get(band, 0) + amount_rp
    deposits, short = await _last_deposits(db, asked), await _short(db, asked)
    rows: list[Row] = []
    told: set[str] = set()
    for (code, zone), cell in sorted(held.items()):
        if asked.of(Filter.ZONE) not in (None, zone):
            continue
        # What is the attendant's and no zone's stands once, so that totals hold.
        shifts, short_rp = short.get(code, (0, 0)) if code not in told else (0, 0)
        told.add(code)
        rows.append(
            {
                "attendant": code,
                "attendant_name": names.get(code, ""),
                "zone": zone,
                "since": cell["since"],
                "days": (last - cell["since"]).days,
                "owed_rp": cell["owed_rp"],
                **{band: cell.get(band, 0) for band, _ in BANDS},
                "last_deposit": deposits.get(code),
                "short_shifts": shifts,
                "short_rp": short_rp,
            }
        )
    return rows


def _band(days: int) -> str:
    return next(name for name, most in BANDS if most is None or days <= most)


def _split(owed_rp: int, zones: Mapping[str, int]) -> list[tuple[str, int]]:
    """A day's cash by its zones, as they came in that day; what division leaves is the last's."""
    total = sum(zones.values())
    if total <= 0:
        return [(NOWHERE, owed_rp)]
    parts, left = [], owed_rp
    for zone, amount_rp in sorted(zones.items())[:-1]:
        part = multiply_divide(owed_rp, amount_rp, total, Rounding.DOWN)
        parts.append((zone, part))
        left -= part
    return [(zone, part) for zone, part in [*parts, (max(zones), left)] if part]


async def _by_zone(
    db: AsyncSession, asked: Asked, owed: Sequence[Owed]
) -> Mapping[tuple[date, str], dict[str, int]]:
    """The cash of each day of each attendant, by zone."""
    first = min(one.business_day for one in owed)
    told = await figures.takings(
        db,
        Wanted(first, asked.period.last, method=Method.CASH, attendant=asked.of(Filter.ATTENDANT)),
        asked.books.timezone,
        (Part.DAY, Part.ATTENDANT, Part.ZONE),
    )
    found: dict[tuple[date, str], dict[str, int]] = defaultdict(dict)
    for one in told:
        if one.business_day is not None and one.attendant and one.gross_rp > 0:
            found[one.business_day, one.attendant][one.zone or NOWHERE] = one.gross_rp
    return found


async def _last_deposits(db: AsyncSession, asked: Asked) -> dict[str, date]:
    rows = await db.execute(
        select(Attendant.code, func.max(CashDeposit.deposited_on))
        .join(CashDeposit, CashDeposit.attendant_id == Attendant.id)
        .where(CashDeposit.deposited_on <= asked.period.last)
        .group_by(Attendant.code)
    )
    return {row[0]: row[1] for row in rows}


async def _short(db: AsyncSession, asked: Asked) -> dict[str, tuple[int, int]]:
    """Shifts in which less was counted than taken, and that nobody had explained by then."""
    until = asked.books.business_days.bounds(asked.period.last)[1]
    rows = await db.execute(
        select(Attendant.code, func.count(), func.sum(ShiftDifference.difference_rp))
        .select_from(ShiftDifference)
        .join(Shift, Shift.id == ShiftDifference.shift_id)
        .join(Attendant, Attendant.id == Shift.attendant_id)
        .where(ShiftDifference.difference_rp < 0, ShiftDifference.opened_at < until)
        .where(or_(ShiftDifference.explained_at.is_(None), ShiftDifference.explained_at >= until))
        .group_by(Attendant.code)
    )
    return {code: (count, int(amount_rp)) for code, count, amount_rp in rows}


REPORTS = (
    Report(
        "tunggakan",
        GROUP,
        Said("Tunggakan tunai juru parkir menurut umur", "Arrears of attendants by age"),
        Said(
            "Siapa memegang uang tunai, dari zona mana, dan sejak kapan?",
            "Who holds cash, of which zone, and since when?",
        ),
        (
            ATTENDANT,
            NAME,
            Column("zone", Said("Zona", "Zone")),
            Column("since", Said("Sejak", "Since"), Kind.DAY),
            Column("days", Said("Umur (hari)", "Age (days)"), Kind.COUNT),
            Column("owed_rp", Said("Tunggakan", "Owed"), Kind.RUPIAH, total=True),
            Column("fresh_rp", Said("0-1 hari", "0-1 days"), Kind.RUPIAH, total=True),
            Column("week_rp", Said("2-7 hari", "2-7 days"), Kind.RUPIAH, total=True),
            Column("month_rp", Said("8-30 hari", "8-30 days"), Kind.RUPIAH, total=True),
            Column("old_rp", Said("Lebih lama", "Longer"), Kind.RUPIAH, total=True),
            Column("last_deposit", Said("Setoran terakhir", "Last deposit"), Kind.DAY),
            Column("short_shifts", Said("Giliran kurang", "Short shifts"), Kind.COUNT, total=True),
            Column("short_rp", Said("Kurang hitung", "Counted short"), Kind.RUPIAH, total=True),
        ),
        _arrears,
        notes=(
            Said(
                "Keadaan pada akhir hari terakhir masa. Dari akun 1140: setoran melunasi uang yang"
                " paling lama, jadi yang tertunggak adalah penerimaan terbaru, dan umurnya dihitung"
                " dari hari penerimaan itu. Uang satu hari dibagi ke zona menurut penerimaan tunai"
                " hari itu.",
                "As it stood at the end of the period's last day. From account 1140: what is paid"
                " in settles the oldest cash, so what is owed is the newest, and its age is that of"
                " the days it was taken on. A day's cash is shared out to zones as it came in.",
            ),
            Said(
                "Giliran kurang: hitungan tunai di bawah catatan, dan belum dijelaskan; berdiri"
                " pada baris pertama juru parkir itu.",
                "Short shifts: counted less than recorded, and not explained yet; stands on the"
                " attendant's first row.",
            ),
        ),
        filters=frozenset({Filter.ATTENDANT, Filter.ZONE}),
    ),
)
