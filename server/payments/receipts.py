"""Receipts: numbered without gaps within a zone's year, stating all that a paper one must."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.receipt import (
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
from server.payments.queries import LockedCharge


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


async def issue(
    db: Connected,
    insertions: Insertions,
    sold: Sequence[Sold],
    books: Books,
    now: datetime,
) -> list[ReceiptFacts]:
    """Allot each the next number of its zone's year; what the receipts say, in the same order."""
    names = [series(item.charge.zone_code, books.day(item.paid_at).year) for item in sold]
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
        started_at=(sold.paid_at if charge.is_reserved else charge.started_at).astimezone(
            books.timezone
        ),
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
    )


async def find(db: AsyncSession, text: str) -> ReceiptFacts:
    """What the receipt of a typed or scanned number says; raises ReceiptNotFound."""
    try:
        number = receipt_number(*parse_receipt_number(text))
    except ReceiptNumberError as exc:
        raise ReceiptNotFound(str(exc)) from exc
    known = await db.get(Receipt, number)
    if known is None:
        raise ReceiptNotFound
    return ReceiptFacts.from_json(known.facts)
