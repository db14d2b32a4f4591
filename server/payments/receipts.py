"""Receipts: numbered without gaps within a zone's year, stating all that a paper one must."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from enum import StrEnum
from itertools import count
from uuid import UUID

from domain.covered import Pass
from domain.parking import StayState
from domain.receipt import (
    PASS_SERIES,
    ReceiptFacts,
    ReceiptNumberError,
    parse_receipt_number,
    receipt_number,
    series,
)
from domain.tariff import VehicleClass
from server.database import Connected, Insertions, fetch
from server.errors import Problem
from server.payments.books import Books
from server.payments.models import Receipt
from server.payments.queries import ERASED, RECEIPT_FACTS, LockedCharge


class ReceiptNotFound(Problem):
    slug = "receipt-not-found"
    status = 404
    title_id = "Karcis dengan nomor ini tidak ada"
    title_en = "There is no receipt with this number"


@dataclass(frozen=True)
class Sold:
    """A charge that was paid: what its receipt is made of."""

    charge: LockedCharge
    money_id: UUID
    paid_at: datetime
    rrn: str | None
    held: Pass | None = None
    """The pass that was paid for, where one was."""


async def issue(
    db: Connected,
    insertions: Insertions,
    sold: Sequence[Sold],
    books: Books,
    now: datetime,
) -> list[ReceiptFacts]:
    """Allot each the next number of its zone's year; what the receipts say, in the same order."""
    names = [
        series(item.charge.zone_code or PASS_SERIES, books.day(item.paid_at).year) for item in sold
    ]
    sequences = await _allot(db, names)
    issued = [
        _facts(receipt_number(name, sequence), item, books)
        for name, sequence, item in zip(names, sequences, sold, strict=True)
    ]
    rows = [
        {
            "number": facts.number,
            "series": name,
            "sequence": sequence,
            "charge_id": item.charge.id,
            "money_id": item.money_id,
            "issued_at": now,
            "facts": facts.to_json(),
        }
        for name, sequence, item, facts in zip(names, sequences, sold, issued, strict=True)
    ]
    insertions.add(Receipt, rows)
    return issued


ALLOT = """
    INSERT INTO receipt_series (series, last)
    SELECT * FROM unnest($1::text[], $2::bigint[])
    ON CONFLICT (series) DO UPDATE SET last = receipt_series.last + excluded.last
    RETURNING series, last
"""


async def _allot(db: Connected, names: Sequence[str]) -> list[int]:
    """For each series named, its next number.

    A series' row stays locked until commit, so nothing leaves a gap; rows are locked in one order.
    """
    wanted = Counter(names)
    series_names = sorted(wanted)
    rows = await fetch(db, ALLOT, series_names, [wanted[name] for name in series_names])
    following = {name: count(last - wanted[name] + 1) for name, last in rows}
    return [next(following[name]) for name in names]


def _facts(number: str, sold: Sold, books: Books) -> ReceiptFacts:
    charge = sold.charge
    return ReceiptFacts(
        number=number,
        regency=books.regency,
        agency=books.agency,
        regulation=charge.regulation,
        vehicle_class=VehicleClass(charge.vehicle_class),
        spot_code=charge.spot_code,
        place=charge.place,
        zone=charge.zone_name,
        started_at=_began(sold, books),
        paid_at=sold.paid_at.astimezone(books.timezone),
        amount_rp=charge.amount_rp,
        lines=charge.lines,
        method=charge.method,
        reference=charge.reference,
        complaint=books.complaint,
        verify_url=f"{books.base_url}/r/{number}",
        plate=charge.plate_masked,
        attendant_code=charge.attendant_code,
        attendant_name=charge.attendant_name,
        rrn=sold.rrn,
        porporasi=books.porporasi,
        pass_serial=None if sold.held is None else sold.held.serial,
        valid_until=None if sold.held is None else sold.held.valid_until,
    )


def _began(sold: Sold, books: Books) -> datetime:
    if sold.held is not None:
        return datetime.combine(sold.held.valid_from, time.min, books.timezone)
    began = sold.paid_at if sold.charge.is_reserved else sold.charge.started_at
    return began.astimezone(books.timezone)


class Standing(StrEnum):
    """What a genuine receipt is worth now. OVER: its time is up, or the vehicle left."""

    VALID = "valid"
    OVER = "over"
    VOID = "void"
    REFUNDED = "refunded"


@dataclass(frozen=True)
class Verdict:
    """A genuine receipt, as whoever holds it or guessed its number may be told of it.

    `facts` name no plate, no person, and nothing by which its charge is found. `valid_until` is
    empty where one visit was paid for, however long.
    """

    facts: ReceiptFacts
    standing: Standing
    valid_until: datetime | None
    refunded_rp: int


@dataclass(frozen=True)
class Known:
    """A receipt with all it says, for its own driver only, and the verdict for everybody."""

    charge_id: UUID
    facts: ReceiptFacts
    verdict: Verdict
    stay_id: UUID | None
    """Empty where a pass was paid for."""
    runs: bool
    """Whether the stay is not over yet."""
    plate_erased: bool
    """Whether the plate was destroyed because its driver asked: the facts are without it, too."""


LAST_MINUTE = time(23, 59)
"""Until when a pass is good on its last day, as people say it."""

KNOWN = f"""
    SELECT {RECEIPT_FACTS}, r.charge_id, s.id, erased.id IS NOT NULL, s.state,
        coalesce(s.ended_at, s.ends_at, p.covers_until),
        EXISTS (SELECT FROM passes JOIN pass_revocations v ON v.serial = passes.serial
                WHERE passes.order_id = p.pass_order_id),
        (SELECT coalesce(sum(amount_rp), 0) FROM refunds
         WHERE charge_id = r.charge_id AND state = 'done')
    FROM receipts r
    JOIN charges c ON c.id = r.charge_id
    JOIN payments p ON p.id = c.payment_id
    LEFT JOIN parking_sessions s ON s.id = p.parking_session_id
    {ERASED}
    WHERE r.number = $1
"""  # noqa: S608 - of our own texts, never a request's


async def know(db: Connected, text: str, books: Books, *, now: datetime) -> Known:
    """The receipt of a typed or scanned number, and what it is worth; raises ReceiptNotFound."""
    rows = await fetch(db, KNOWN, canonical(text))
    if not rows:
        raise ReceiptNotFound
    ((stored, charge_id, stay_id, erased, stay, until, revoked, refunded),) = rows
    facts = ReceiptFacts.from_json(stored)
    if facts.valid_until is not None:
        until = datetime.combine(facts.valid_until, LAST_MINUTE, books.timezone)
    over, refunded_rp = _is_over(facts, until, books, now), int(refunded)
    if refunded_rp >= facts.amount_rp:
        standing = Standing.REFUNDED
    elif stay == StayState.VOIDED or revoked:
        standing = Standing.VOID
    elif stay == StayState.ENDED or over:
        standing = Standing.OVER
    else:
        standing = Standing.VALID
    verdict = Verdict(without_person(facts), standing, until, refunded_rp)
    runs = stay in (StayState.RESERVED, StayState.OPEN) and not over
    return Known(charge_id, facts, verdict, stay_id, runs, erased)


def _is_over(facts: ReceiptFacts, until: datetime | None, books: Books, now: datetime) -> bool:
    """One visit is taken to end with its day at the latest, else its receipt would serve daily."""
    return books.day(facts.paid_at) < books.day(now) if until is None else until <= now


def without_person(facts: ReceiptFacts) -> ReceiptFacts:
    """Numbers can be counted through, so what one says alone must be of use to nobody."""
    return replace(
        facts, plate=None, attendant_code=None, attendant_name=None, rrn=None, reference=""
    )


def canonical(text: str) -> str:
    """A typed number as receipts state it; raises ReceiptNotFound for one that cannot be right."""
    try:
        return receipt_number(*parse_receipt_number(text))
    except ReceiptNumberError as exc:
        raise ReceiptNotFound(str(exc)) from exc


FACTS = f"""
    SELECT {RECEIPT_FACTS} FROM receipts r
    JOIN charges c ON c.id = r.charge_id
    JOIN payments p ON p.id = c.payment_id
    {ERASED}
    WHERE r.number = $1
"""  # noqa: S608 - of our own texts, never a request's


async def find(db: Connected, text: str) -> ReceiptFacts:
    """All that the receipt of a typed or scanned number says; raises ReceiptNotFound."""
    rows = await fetch(db, FACTS, canonical(text))
    if not rows:
        raise ReceiptNotFound
    return ReceiptFacts.from_json(rows[0][0])
