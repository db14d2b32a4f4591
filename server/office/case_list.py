"""Every case of every kind in one list: what it is about, how old, whose, and where it stands."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from prometheus_client import Gauge
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.casework import service as casework
from server.casework.models import CaseKind
from server.casework.service import CaseNotFound
from server.database import Transactions
from server.errors import InvalidRequest
from server.identity.models import Officer, Role
from server.payments.books import Books
from server.payments.models import OWNER
from server.reconciliation.ties import STILL_OWED
from server.reconciliation.transfers import MENDED
from server.spots.units import Scope, scope_of

PAGE = 50
MOST_RP = 2**62
"""More than any amount; larger numbers have no place in the database."""
OLDEST = Gauge("karcis_case_oldest_age_seconds", "How long the oldest open case waits", ["kind"])
OPEN = Gauge("karcis_cases_open", "Cases that nobody has decided", ["kind"])

PROPOSED = """(SELECT s.event FROM case_steps s WHERE s.kind = '{kind}' AND s.case_id = {key}
    ORDER BY s.number DESC LIMIT 1) IS NOT DISTINCT FROM 'proposed'"""


def _state(kind: str, key: str, closed: str) -> str:
    proposed = PROPOSED.format(kind=kind, key=key)
    return f"CASE WHEN {closed} THEN 'closed' WHEN {proposed} THEN 'proposed' ELSE 'open' END"


GIVEN_UP_OR_PAID = """u.closed_at IS NOT NULL OR EXISTS (SELECT FROM payments y
    WHERE y.state = 'paid' AND y.parking_session_id = u.parking_session_id)"""
CASES = f"""
    SELECT 'discrepancy' AS kind, d.id, d.kind AS detail, d.subject, d.difference_rp AS amount_rp,
        d.owner, d.opened_at, d.state, NULL::date AS due_on,
        NULL::uuid AS zone_id, NULL::uuid AS unit_id
    FROM discrepancies d
    UNION ALL
    SELECT 'suspense', c.id, c.kind, coalesce(m.acquirer_reference, l.acquirer_reference,
        nullif(l.reference, ''), l.rrn, b.statement_reference, r.number, g.reference, v.serial),
        c.amount_rp, c.owner, c.opened_at, c.state, NULL, NULL, NULL
    FROM cases c LEFT JOIN money m ON m.id = c.money_id
    LEFT JOIN settlement_lines l ON l.id = c.settlement_line_id
    LEFT JOIN statement_lines b ON b.id = c.statement_line_id
    LEFT JOIN refunds r ON r.id = c.refund_id
    LEFT JOIN charges g ON g.id = c.charge_id
    LEFT JOIN voucher_refusals v ON v.id = c.voucher_refusal_id
    UNION ALL
    SELECT 'refund', r.id, r.reason, r.number, r.amount_rp, '{OWNER}', r.requested_at,
        CASE WHEN r.state = 'requested' THEN 'proposed'
             WHEN r.state IN ('sending', 'unknown', 'transfer_due') THEN 'open'
             ELSE 'closed' END, NULL, NULL, NULL
    FROM refunds r
    UNION ALL
    SELECT 'unended', u.parking_session_id, '', p.code, u.owed_rp, u.owner, u.opened_at,
        {_state("unended", "u.parking_session_id", GIVEN_UP_OR_PAID)}, NULL, p.zone_id, NULL
    FROM unended_stays u JOIN parking_sessions t ON t.id = u.parking_session_id
    JOIN spots p ON p.id = t.spot_id
    UNION ALL
    SELECT 'count', f.shift_id, '', a.code || ' ' || a.name, f.difference_rp, f.owner, f.opened_at,
        {_state("count", "f.shift_id", "f.explained_at IS NOT NULL")}, NULL,
        NULL, a.unit_id
    FROM shift_differences f JOIN shifts h ON h.id = f.shift_id
    JOIN attendants a ON a.id = h.attendant_id
    UNION ALL
    SELECT 'quarantine', q.id, '', e.name, NULL, q.owner, q.opened_at,
        {_state("quarantine", "q.id", "q.closed_at IS NOT NULL")}, NULL,
        NULL, (SELECT a.unit_id FROM shifts h JOIN attendants a ON a.id = h.attendant_id
            WHERE h.device_id = e.id ORDER BY h.opened_at DESC LIMIT 1)
    FROM quarantine_cases q JOIN devices e ON e.id = q.device_id
    UNION ALL
    SELECT 'complaint', k.id, k.kind, k.number, k.amount_rp, k.owner, k.opened_at,
        CASE WHEN k.state = 'closed' THEN 'closed' ELSE 'open' END, k.due_on,
        (SELECT p.zone_id FROM spots p WHERE p.id = k.spot_id), NULL
    FROM complaints k
    UNION ALL
    SELECT 'sign', n.id, n.fault, p.code, NULL, n.owner, n.opened_at,
        {_state("sign", "n.id", "n.closed_at IS NOT NULL")}, NULL, p.zone_id, NULL
    FROM sign_cases n JOIN spots p ON p.id = n.spot_id
    UNION ALL
    SELECT 'claim', f.id, '', d.subject, f.amount_rp, f.owner, f.opened_at, f.state,
        NULL, NULL, NULL
    FROM fee_claims f JOIN discrepancies d ON d.id = f.discrepancy_id
    UNION ALL
    SELECT 'transfer', t.id, t.detail,
        coalesce(s.number, r.number || coalesce('/' || l.position, ''), f.number,
            b.statement_reference),
        t.amount_rp, t.owner, t.opened_at,
        {_state("transfer", "t.id", f"t.closed_at IS NOT NULL OR {MENDED}")}, NULL, NULL, NULL
    FROM transfer_cases t LEFT JOIN remittances s ON s.id = t.remittance_id
    LEFT JOIN payout_lines l ON l.id = t.payout_line_id
    LEFT JOIN payout_runs r ON r.id = coalesce(l.run_id, t.payout_run_id)
    LEFT JOIN refunds f ON f.id = t.refund_id
    LEFT JOIN statement_lines b ON b.id = t.statement_line_id
"""


OF_UNITS = frozenset(
    {CaseKind.UNENDED, CaseKind.COUNT, CaseKind.QUARANTINE, CaseKind.COMPLAINT, CaseKind.SIGN}
)
"""The kinds that have a place, or are about an attendant. Money is the whole regency's."""
OWN = "(t.zone_id = ANY(:own_zones) OR t.unit_id = ANY(:own_units))"


def kinds_of(officer: Officer, own: Scope) -> list[CaseKind]:
    """The kinds that the role sees, and of those a unit what has a place."""
    kinds = casework.seen_by(Role(officer.role))
    return [kind for kind in kinds if own.is_whole or kind in OF_UNITS]


def _own(own: Scope) -> tuple[str, dict[str, object]]:
    """The condition that a case is one that a reader sees, and its values."""
    if own.is_whole:
        return "true", {}
    return OWN, {"own_zones": own.zones, "own_units": own.units}


async def must_see(db: AsyncSession, own: Scope, kind: CaseKind, case_id: UUID) -> None:
    """Raises CaseNotFound of a case elsewhere, as of one that is not there."""
    if own.is_whole:
        return
    condition, values = _own(own)
    asked = f"SELECT 1 FROM ({CASES}) t WHERE t.kind = :kind AND t.id = :id AND {condition}"
    values |= {"kind": kind.value, "id": case_id}
    if kind not in OF_UNITS or await db.scalar(text(asked), values) is None:
        raise CaseNotFound


async def assignable(db: AsyncSession, kind: CaseKind, case_id: UUID) -> list[Officer]:
    """Whom a case can be given: who has a part in such and sees this one."""
    found = await casework.assignable(db, kind)
    seen: set[UUID] = set()
    for unit_id, one in {one.unit_id: one for one in found}.items():
        with suppress(CaseNotFound):
            await must_see(db, await scope_of(db, one), kind, case_id)
            seen.add(unit_id)
    return [one for one in found if one.unit_id in seen]


class State(StrEnum):
    """WAITING: open or proposed, whatever is not closed. OWED: decided, and still to be sent."""

    WAITING = "waiting"
    OPEN = "open"
    PROPOSED = "proposed"
    CLOSED = "closed"
    OWED = "owed"


class Order(StrEnum):
    AGE = "age"
    AMOUNT = "amount"


class Whose(StrEnum):
    ALL = ""
    MINE = "mine"
    NOBODY = "nobody"


class Band(StrEnum):
    """Days since a case was opened, by the regency's calendar."""

    NEW = "0-1"
    YOUNG = "2-3"
    WEEK = "4-7"
    OLD = "8-"

    @property
    def days(self) -> tuple[int, int | None]:
        first, _, last = self.value.partition("-")
        return int(first), int(last) if last else None


OF_STATE = {
    State.WAITING: "t.state <> 'closed'",
    State.OPEN: "t.state = 'open'",
    State.PROPOSED: "t.state = 'proposed'",
    State.CLOSED: "t.state = 'closed'",
    State.OWED: f"t.id IN (SELECT id FROM ({STILL_OWED}) o)",
}
OF_WHOM = {
    Whose.ALL: "true",
    Whose.MINE: "g.officer_id = :me",
    Whose.NOBODY: "g.officer_id IS NULL",
}
SORTED = {
    Order.AGE: ("t.opened_at", "ASC", ">"),
    Order.AMOUNT: ("abs(coalesce(t.amount_rp, 0))", "DESC", "<"),
}


@dataclass(frozen=True)
class Wanted:
    """What a reader asked for; `kinds` are those that the role sees, or the one that was chosen."""

    kinds: Sequence[CaseKind]
    me: UUID
    own: Scope
    whose: Whose = Whose.ALL
    band: Band | None = None
    state: State = State.WAITING
    text: str = ""
    order: Order = Order.AGE
    after: str = ""


@dataclass(frozen=True)
class Listed:
    kind: CaseKind
    id: UUID
    detail: str
    subject: str
    amount_rp: int | None
    owner: str
    opened_at: datetime
    state: str
    due_on: date | None
    assigned: str | None
    age_days: int
    late: bool
    """Older than a week, or past its deadline, and not closed."""


@dataclass(frozen=True)
class Page:
    cases: Sequence[Listed]
    after: str
    """Where the next page begins; empty on the last one."""


def _starts(books: Books, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=books.timezone)


async def page(
    db: AsyncSession, books: Books, wanted: Wanted, *, now: datetime, size: int = PAGE
) -> Page:
    today = books.day(now)
    column, direction, beyond = SORTED[wanted.order]
    conditions = ["t.kind = ANY(:kinds)", OF_STATE[wanted.state], OF_WHOM[wanted.whose]]
    condition, values = _own(wanted.own)
    conditions.append(condition)
    values["kinds"] = [kind.value for kind in wanted.kinds]
    if wanted.whose is Whose.MINE:
        values["me"] = wanted.me
    if wanted.band is not None:
        first, last = wanted.band.days
        conditions.append("t.opened_at < :until")
        values["until"] = _starts(books, today - timedelta(days=first - 1))
        if last is not None:
            conditions.append("t.opened_at >= :since")
            values["since"] = _starts(books, today - timedelta(days=last))
    if wanted.text:
        conditions.append("strpos(lower(t.subject), lower(:text)) > 0")
        values["text"] = wanted.text
    if wanted.after:
        conditions.append(f"({column}, t.id) {beyond} (:value, :id)")
        values |= _cursor(wanted)
    rows = (
        await db.execute(
            text(f"""
                SELECT t.*, o.name AS assigned FROM ({CASES}) t
                LEFT JOIN LATERAL (
                    SELECT officer_id FROM case_assignments a
                    WHERE a.kind = t.kind AND a.case_id = t.id ORDER BY a.id DESC LIMIT 1
                ) g ON true LEFT JOIN officers o ON o.id = g.officer_id
                WHERE {" AND ".join(conditions)}
                ORDER BY {column} {direction}, t.id {direction} LIMIT {size + 1}"""),
            values,
        )
    ).all()
    listed = [_listed(row, books, today) for row in rows[:size]]
    more = len(rows) > size
    return Page(listed, _after(listed[-1], wanted.order) if more else "")


def _listed(row: Row[Any], books: Books, today: date) -> Listed:
    told = row._asdict()
    del told["zone_id"], told["unit_id"]
    age_days = max(0, (today - books.day(row.opened_at)).days)
    overdue = row.due_on is not None and row.due_on < today
    late = row.state != "closed" and (overdue or age_days >= Band.OLD.days[0])
    return Listed(**told | {"kind": CaseKind(row.kind)}, age_days=age_days, late=late)


def _after(last: Listed, order: Order) -> str:
    value = str(abs(last.amount_rp or 0)) if order is Order.AMOUNT else last.opened_at.isoformat()
    return f"{value}~{last.id}"


def _cursor(wanted: Wanted) -> dict[str, object]:
    value, _, case_id = wanted.after.partition("~")
    try:
        if wanted.order is Order.AMOUNT:
            return {"value": min(int(value), MOST_RP), "id": UUID(case_id)}
        opened_at = datetime.fromisoformat(value).astimezone(UTC)
        return {"value": opened_at, "id": UUID(case_id)}
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest("after") from exc


async def counts(
    db: AsyncSession, books: Books, kinds: Collection[CaseKind], own: Scope, *, now: datetime
) -> dict[CaseKind, dict[Band, int]]:
    """How many wait, by kind and by how many days."""
    today = books.day(now)
    starts = {
        f"d{band.days[0]}": _starts(books, today - timedelta(days=band.days[0] - 1))
        for band in list(Band)[1:]
    }
    condition, values = _own(own)
    rows = await db.execute(
        text(f"""
            SELECT t.kind, CASE WHEN t.opened_at < :d8 THEN '8-' WHEN t.opened_at < :d4 THEN '4-7'
                WHEN t.opened_at < :d2 THEN '2-3' ELSE '0-1' END AS band, count(*)
            FROM ({CASES}) t WHERE t.state <> 'closed' AND t.kind = ANY(:kinds)
                AND {condition} GROUP BY 1, 2"""),
        {"kinds": [kind.value for kind in kinds], **starts, **values},
    )
    found = {(kind, band): count for kind, band, count in rows}
    return {kind: {band: found.get((kind, band), 0) for band in Band} for kind in kinds}


async def watch(transactions: Transactions, *, now: datetime) -> None:
    """Set the metrics: how many cases of each kind wait, and how long the oldest has."""
    async with transactions.begin() as db:
        rows = await db.execute(
            text(f"""SELECT t.kind, count(*), min(t.opened_at) FROM ({CASES}) t
                     WHERE t.state <> 'closed' GROUP BY 1""")
        )
        found = {kind: (count, opened_at) for kind, count, opened_at in rows}
    for kind in CaseKind:
        count, opened_at = found.get(kind.value, (0, now))
        OPEN.labels(kind.value).set(count)
        OLDEST.labels(kind.value).set(max(0.0, (now - opened_at).total_seconds()))
