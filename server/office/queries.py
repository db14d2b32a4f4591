"""What the office's pages show."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, and_, case, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import REFUND_UNDECIDED, REFUND_VOID
from domain.receipt import ReceiptNumberError, parse_receipt_number, receipt_number
from server.identity.models import DeviceChange, Officer
from server.paging import PAGE, Page, page
from server.parking.models import ParkingSession
from server.payments.books import Books
from server.payments.models import (
    Case,
    CaseChange,
    Charge,
    Money,
    Payment,
    Receipt,
    Refund,
    RefundChange,
)
from server.reconciliation import movements
from server.reconciliation.matching import DifferenceKind
from server.reconciliation.models import (
    DayCloseChange,
    Discrepancy,
    ImportedFile,
    SettlementLine,
    StatementLine,
)
from server.spots.models import Spot, Zone
from server.spots.units import Scope

Row = TypeVar("Row")
# What a difference about a line without the acquirer's reference ends with.
TOLD_AT = re.compile(r"/\d{4}-\d\d-\d\dT[\d:.]+Z$")


@dataclass(frozen=True)
class ZoneTotal:
    code: str
    name: str
    count: int
    amount_rp: int


async def collected_by_zone(db: AsyncSession, day: date) -> list[ZoneTotal]:
    """Exactly paid charges of a business day, by zone, zones without any included.

    Passes, which belong to no zone, stand last, where any were paid.
    """
    paid = (
        select(Spot.zone_id, func.count().label("count"), func.sum(Money.amount_rp).label("rp"))
        .select_from(Money)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .join(Spot, Spot.id == ParkingSession.spot_id)
        .where(Money.business_day == day, Money.flag == "exact")
        .group_by(Spot.zone_id)
        .subquery()
    )
    rows = await db.execute(
        select(Zone.code, Zone.name, paid.c.count, paid.c.rp)
        .outerjoin(paid, paid.c.zone_id == Zone.id)
        .order_by(Zone.code)
    )
    totals = [ZoneTotal(code, name, count or 0, int(rp or 0)) for code, name, count, rp in rows]
    passes = await _collected_for_passes(db, day)
    return [*totals, passes] if passes.count else totals


async def _collected_for_passes(db: AsyncSession, day: date) -> ZoneTotal:
    row = await db.execute(
        select(func.count(), func.coalesce(func.sum(Money.amount_rp), 0))
        .select_from(Money)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .where(Money.business_day == day, Money.flag == "exact")
        .where(Payment.pass_order_id.is_not(None))
    )
    count, rp = row.one()
    return ZoneTotal("", "Langganan", count, int(rp))


@dataclass(frozen=True)
class HeldTotal:
    count: int
    amount_rp: int


async def held_on(db: AsyncSession, day: date) -> HeldTotal:
    """Money of a business day that did not fit its charge and is held in suspense."""
    row = await db.execute(
        select(func.count(), func.coalesce(func.sum(Money.amount_rp), 0)).where(
            Money.business_day == day, Money.flag != "exact"
        )
    )
    count, amount_rp = row.one()
    return HeldTotal(count, int(amount_rp))


@dataclass(frozen=True)
class SettledTotal:
    count: int
    gross_rp: int
    mdr_rp: int
    net_rp: int


async def settled_on(db: AsyncSession, day: date, books: Books) -> SettledTotal:
    """What the acquirer says it settled for payments made on a business day."""
    starts, ends = books.business_days.bounds(day)
    row = (
        await db.execute(
            select(
                func.count().filter(movements.stands()),
                func.coalesce(func.sum(SettlementLine.gross_rp), 0),
                func.coalesce(func.sum(SettlementLine.mdr_rp), 0),
                func.coalesce(func.sum(SettlementLine.net_rp), 0),
            ).where(
                SettlementLine.paid_at >= starts,
                SettlementLine.paid_at < ends,
            )
        )
    ).one()
    return SettledTotal(*(int(value) for value in row))


async def latest_money(
    db: AsyncSession, day: date
) -> Sequence[tuple[Money, str | None, Receipt | None]]:
    """With the spot's code; what was paid for a pass has none."""
    rows = await db.execute(
        select(Money, Spot.code, Receipt)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .outerjoin(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .outerjoin(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Receipt, Receipt.money_id == Money.id)
        .where(Money.business_day == day)
        .order_by(Money.paid_at.desc())
        .limit(PAGE)
    )
    return [(money, spot, receipt) for money, spot, receipt in rows]


async def newest_money(
    db: AsyncSession, most: int, own: Scope
) -> Sequence[tuple[Money, str | None, Receipt | None]]:
    """What was recorded last, of any day, as `latest_money` tells it; found along the keys."""
    newest = select(Money.id).order_by(Money.id.desc()).limit(most)
    if not own.is_whole:
        newest = (
            newest.join(Charge, Charge.id == Money.charge_id)
            .join(Payment, Payment.id == Charge.payment_id)
            .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
            .where(own.spot(ParkingSession.spot_id))
        )
    rows = await db.execute(
        select(Money, Spot.code, Receipt)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .outerjoin(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .outerjoin(Spot, Spot.id == ParkingSession.spot_id)
        .outerjoin(Receipt, Receipt.money_id == Money.id)
        .where(Money.id.in_(newest))
        .order_by(Money.id.desc())
    )
    return [(money, spot, receipt) for money, spot, receipt in rows]


async def count_open(db: AsyncSession) -> tuple[int, int]:
    """How many differences and how many cases are open, also where the page lists only some."""
    counts = [
        await db.scalar(select(func.count()).select_from(table).where(table.state != "closed"))
        for table in (Discrepancy, Case)
    ]
    return counts[0] or 0, counts[1] or 0


@dataclass(frozen=True)
class OpenOf(Generic[Row]):
    """What is open of one day: the oldest of it, and how many there are."""

    shown: Sequence[Row]
    count: int


async def open_differences(db: AsyncSession, day: date) -> OpenOf[Discrepancy]:
    asked = (
        select(Discrepancy, func.count().over())
        .where(Discrepancy.state != "closed", Discrepancy.business_day == day)
        .order_by(Discrepancy.opened_at, Discrepancy.id)
        .limit(PAGE)
    )
    rows = (await db.execute(asked)).all()
    return OpenOf([row[0] for row in rows], rows[0][1] if rows else 0)


async def case_of_difference(db: AsyncSession, row: Discrepancy) -> UUID | None:
    """The case of the money that a difference is about, where it is in suspense."""
    if row.kind == DifferenceKind.UNKNOWN_MOVEMENT:
        account, _, line = row.subject.partition("/")
        reference, _, number = line.rpartition("/")
        about = select(Case.id).join(StatementLine, StatementLine.id == Case.statement_line_id)
        return await db.scalar(
            about.where(StatementLine.account == account)
            .where(StatementLine.statement_reference == reference)
            .where(cast(StatementLine.line_number, Text) == number)
        )
    if row.kind in (DifferenceKind.NOT_BOOKED, DifferenceKind.SEVERAL_FIT):
        about = select(Case.id).join(SettlementLine, SettlementLine.id == Case.settlement_line_id)
        return await db.scalar(
            about.where(_called(row.subject))
            .where(SettlementLine.acquirer == row.acquirer)
            .where(SettlementLine.gross_rp == row.details["theirs_rp"])
            .limit(1)
        )
    return None


def _called(subject: str) -> ColumnElement[bool]:
    """Whether a line is what the subject of a difference names, as `matching` names it."""
    line, told = SettlementLine, subject.removesuffix("/pengembalian")
    at = func.to_char(func.timezone("UTC", line.paid_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ours, rrn = func.nullif(line.reference, ""), func.coalesce(line.rrn, "-")
    without = func.concat_ws("/", func.coalesce(ours, "-"), rrn, at)
    if TOLD_AT.search(told):
        return and_(line.acquirer_reference.is_(None), without == told)
    return line.acquirer_reference == told.split("/")[0]


async def open_cases(db: AsyncSession, day: date, books: Books) -> OpenOf[Case]:
    """About money of a day, or of no arrival's and opened on it."""
    starts, ends = books.business_days.bounds(day)
    opened = (Case.opened_at >= starts) & (Case.opened_at < ends)
    of_day = case((Case.money_id.is_(None), opened), else_=Money.business_day == day)
    asked = (
        select(Case, func.count().over())
        .outerjoin(Money, Money.id == Case.money_id)
        .where(Case.state != "closed", of_day)
        .order_by(Case.opened_at, Case.id)
        .limit(PAGE)
    )
    rows = (await db.execute(asked)).all()
    return OpenOf([row[0] for row in rows], rows[0][1] if rows else 0)


async def find_charge(db: AsyncSession, text: str) -> UUID | None:
    """The charge that a receipt's number, its own id or our reference of it names."""
    with suppress(ReceiptNumberError):
        number = receipt_number(*parse_receipt_number(text))
        found = await db.scalar(select(Receipt.charge_id).where(Receipt.number == number))
        return found or await db.scalar(select(Refund.charge_id).where(Refund.number == number))
    with suppress(ValueError):
        return await db.scalar(select(Charge.id).where(Charge.id == UUID(text.strip())))
    return None


async def zone_of_charge(db: AsyncSession, charge_id: UUID) -> UUID | None:
    """Where the stay was that it is for; one for a pass has no zone."""
    found: UUID | None = await db.scalar(
        select(Spot.zone_id)
        .join(ParkingSession, ParkingSession.spot_id == Spot.id)
        .join(Payment, Payment.parking_session_id == ParkingSession.id)
        .join(Charge, Charge.payment_id == Payment.id)
        .where(Charge.id == charge_id)
    )
    return found


async def refunds_of(db: AsyncSession, charge_id: UUID) -> Sequence[Refund]:
    rows = await db.scalars(
        select(Refund).where(Refund.charge_id == charge_id).order_by(Refund.sequence)
    )
    return rows.all()


async def money_of(db: AsyncSession, charge_id: UUID) -> list[tuple[Money, int]]:
    """Each arrival of a charge, and how much of it can still be given back."""
    rows = await db.execute(
        select(Money, Money.amount_rp - func.coalesce(func.sum(Refund.amount_rp), 0))
        .outerjoin(Refund, and_(Refund.money_id == Money.id, Refund.state.not_in(REFUND_VOID)))
        .where(Money.charge_id == charge_id)
        .group_by(Money.id)
        .order_by(Money.paid_at, Money.id)
    )
    return [(money, int(left_rp)) for money, left_rp in rows]


async def latest_refunds(
    db: AsyncSession, which: ColumnElement[bool], before: str | None
) -> Page[Refund]:
    """Those that wait for somebody first, the oldest of them on top; then what was done lately."""
    waits = Refund.state.in_(REFUND_UNDECIDED)
    asked_at = cast(func.extract("epoch", Refund.requested_at) * 1_000_000, BigInteger)
    order = (case((waits, 1), else_=0), case((waits, -asked_at), else_=asked_at), Refund.id)
    return await page(db, select(Refund).where(which), order, before, lambda row: row)


async def cases_of_refund(db: AsyncSession, refund_id: UUID) -> Sequence[Case]:
    rows = await db.scalars(
        select(Case).where(Case.refund_id == refund_id).order_by(Case.opened_at, Case.id)
    )
    return rows.all()


@dataclass(frozen=True)
class Step:
    """One change of a refund, a case or a device."""

    at: datetime
    state: str
    who: str
    why: str


async def steps_of_refund(db: AsyncSession, refund_id: UUID) -> list[Step]:
    rows = await db.scalars(
        select(RefundChange).where(RefundChange.refund_id == refund_id).order_by(RefundChange.id)
    )
    return [Step(row.changed_at, row.state_after, row.who, row.why) for row in rows]


async def steps_of_case(db: AsyncSession, case_id: UUID) -> list[Step]:
    rows = await db.scalars(
        select(CaseChange).where(CaseChange.case_id == case_id).order_by(CaseChange.id)
    )
    return [Step(row.changed_at, row.state_after, row.who, row.why) for row in rows]


async def steps_of_close(db: AsyncSession, close_id: UUID) -> list[Step]:
    rows = await db.scalars(
        select(DayCloseChange)
        .where(DayCloseChange.close_id == close_id)
        .order_by(DayCloseChange.id)
    )
    return [Step(row.changed_at, row.state_after, row.who, row.why) for row in rows]


async def steps_of_device(db: AsyncSession, device_id: UUID) -> list[Step]:
    rows = await db.scalars(
        select(DeviceChange).where(DeviceChange.device_id == device_id).order_by(DeviceChange.id)
    )
    return [Step(row.changed_at, row.state_after, row.who, row.why) for row in rows]


async def officer_name(db: AsyncSession, officer_id: UUID | None) -> str:
    return await db.scalar(select(Officer.name).where(Officer.id == officer_id)) or ""


@dataclass(frozen=True)
class TakenIn:
    """A file that was taken in, and what its own lines add up to.

    `who` is nobody of a command; `mapping` is None of one that was taken in before it was kept.
    """

    id: UUID
    kind: str
    name: str
    sha256: bytes
    imported_at: datetime
    who: str | None
    mapping: str | None
    mapping_sha256: bytes | None
    lines: int
    total_rp: int


async def imported_files(db: AsyncSession, before: str | None) -> Page[TakenIn]:
    """Newest first."""
    settled, moved = (
        select(lines.label("lines"), func.sum(amount).label("total_rp"))
        .where(file_id == ImportedFile.id)
        .lateral()
        for file_id, lines, amount in (
            (
                SettlementLine.file_id,
                func.count().filter(SettlementLine.takes_back_id.is_(None)),
                SettlementLine.net_rp,
            ),
            (StatementLine.file_id, func.count(), StatementLine.amount_rp),
        )
    )
    files = (
        select(
            ImportedFile.id,
            ImportedFile.kind,
            ImportedFile.name,
            ImportedFile.sha256,
            ImportedFile.imported_at,
            Officer.name,
            ImportedFile.mapping,
            ImportedFile.mapping_sha256,
            settled.c.lines + moved.c.lines,
            cast(func.coalesce(settled.c.total_rp, moved.c.total_rp, 0), BigInteger),
        )
        .outerjoin(Officer, Officer.id == ImportedFile.imported_by)
        .join(settled, true())
        .join(moved, true())
    )
    return await page(db, files, (ImportedFile.id,), before, TakenIn)


async def lines_of_file(db: AsyncSession, file_id: UUID) -> int:
    """How many lines were taken in from a file."""
    counted = (
        select(func.count()).where(*of_file).scalar_subquery()
        for of_file in (
            (SettlementLine.file_id == file_id, SettlementLine.takes_back_id.is_(None)),
            (StatementLine.file_id == file_id,),
        )
    )
    settled, moved = counted
    return int(await db.scalar(select(settled + moved)) or 0)
