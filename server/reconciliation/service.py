"""Importing what acquirer and bank say, and comparing it with our books day by day."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import chain, groupby, zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Row,
    TextClause,
    Uuid,
    all_,
    and_,
    any_,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.mdr import MdrRule, mdr, rule_on
from server.database import Insertions, fetch, new_id
from server.errors import Faults, FileRefused
from server.faults import crash_point
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.service import NewEntry
from server.payments import arrivals, cases, pursuit, refund_queries
from server.payments import queries as payments
from server.payments.arrivals import Arrival
from server.payments.books import Books
from server.payments.models import CASH, OWNER, VOUCHER, Case, Charge, Money
from server.payments.pursuit import SettledRefund
from server.reconciliation import (
    accounts,
    discrepancies,
    gaps,
    movements,
    rkud,
    rules,
    settlements,
    statements,
    turns,
)
from server.reconciliation.actions import ACTIONS
from server.reconciliation.files import SettlementRow, StatementRow, line_key
from server.reconciliation.mappings import Mapping as FileMapping
from server.reconciliation.mappings import SettlementMapping, StatementMapping
from server.reconciliation.matching import (
    Batch,
    Booked,
    Difference,
    DifferenceKind,
    Due,
    Expected,
    Matched,
    Nearby,
    Outcome,
    Paid,
    Settled,
    match,
    pair,
)
from server.reconciliation.models import (
    CashDeposit,
    Discrepancy,
    FeeClaim,
    HeldLine,
    ImportedFile,
    Reconciliation,
    SettlementLine,
    StatementLine,
    UnsettledLine,
)
from server.reconciliation.names import Names, booked_under, named, settled_since, texts

# What the sources of entries about one settlement line begin with; its id follows.
UNBOOKED = "unbooked:"
EXPLAINED_SETTLEMENT = "explained:settlement:"

# What a line must say again wherever it is told again.
TOLD = ("batch_id", "gross_rp", "mdr_rp", "vat_rp", "withheld_rp")
AMOUNTS = ("gross_rp", "mdr_rp", "vat_rp", "withheld_rp", "net_rp")
# How far apart two mappings may tell the time of one payment: one of them may know its day only.
TOLD_APART = timedelta(days=1)
OF_LINE = (
    SettlementLine.batch_id,
    SettlementLine.reference,
    SettlementLine.acquirer_reference,
    SettlementLine.rrn,
    SettlementLine.gross_rp,
    SettlementLine.mdr_rp,
    SettlementLine.net_rp,
    SettlementLine.settlement_date,
    SettlementLine.acquirer,
    SettlementLine.paid_at,
)
"""What is compared of a line: a day has many, and each with all that is kept of it is large."""
NAMES = ("batch_id", "paid_at", "reference", "acquirer_reference", "rrn")


@dataclass(frozen=True)
class Imported:
    """What an import did: lines and rupiah that were new, and lines that were known already."""

    lines: int
    total_rp: int
    known: int
    file_id: UUID | None = field(default=None, compare=False)
    """Of a file that was not known by its bytes."""
    unbooked: int = field(default=0, compare=False)
    """How many of the lines settle no money that is booked."""


async def import_settlement(
    db: AsyncSession,
    acquirer: str,
    name: str,
    content: bytes,
    books: Books,
    *,
    now: datetime,
    mapping: SettlementMapping = settlements.SANDBOX,
    merchant: str = "",
    by: UUID | None = None,
    corrects: bool = False,
) -> Imported:
    """Take in a settlement file, all or nothing, and post each batch; raises FileRefused.

    A file sent again, or again with more lines, adds only what is new. A line that says otherwise
    than before is refused, or where two officers agreed that the file `corrects`, takes the place
    of the earlier one. What the acquirer holds back is kept apart, and posted once it settles.
    """
    told = settlements.read(content, mapping, merchant)
    rows = told.rows
    await turns.one_at_a_time(db)
    file_id = await keep_file(db, "settlement", name, content, mapping, now, by)
    if file_id is None:
        await _refuse_of_another(db, acquirer, content)
        return Imported(0, 0, known=len(rows))
    faults = Faults()
    otherwise: dict[UUID, SettlementRow] | None = {} if corrects else None
    new = await _new_lines(db, SettlementLine, acquirer, rows, faults, otherwise)
    # A line on hold is in no entry: told otherwise, it does not keep others from being corrected.
    of_held = Faults() if corrects else faults
    held = await _new_lines(db, HeldLine, acquirer, told.held, of_held)
    corrected = await _corrected(db, otherwise or {}, faults)
    faults.refuse_any()
    # What is told otherwise of a payment that was not settled changes nothing.
    unsettled = await _new_lines(db, UnsettledLine, acquirer, told.unsettled, Faults())
    kept = ((SettlementLine, new), (HeldLine, held), (UnsettledLine, unsettled))
    for table, lines in kept:
        values = [
            {"id": line_id, "file_id": file_id, "acquirer": acquirer, **vars(row)}
            for line_id, row in lines.items()
        ]
        if values:
            await db.execute(insert(table), values)
    for correction in corrected:
        correction.file_id, correction.acquirer = file_id, acquirer
    db.add_all(corrected)
    await db.flush()
    unbooked = 0
    told_now: list[SettlementRow | SettlementLine] = [*new.values(), *corrected]
    if told_now:
        batches = {row.batch_id for row in told_now}
        latest = max(row.settlement_date for row in told_now)
        await movements.explain_batches(db, batches, latest, now)
        await rkud.explain(db, batches, latest, now)
        # Last what locks charges and series of receipts, for which notifications wait.
        twice = await _take_as_evidence(db, acquirer, new, books, now)
        unbooked = await _post(db, acquirer, file_id, new, corrected, twice, books, now)
    crash_point("settlement-not-committed")
    count, total_rp = len(new) + len(otherwise or {}), sum(row.net_rp for row in told_now)
    known = len(rows) - count
    return Imported(count, total_rp, known=known, file_id=file_id, unbooked=unbooked)


WHOSE = """
    SELECT l.acquirer FROM imported_files f
    JOIN LATERAL (
        SELECT acquirer FROM settlement_lines WHERE file_id = f.id
        UNION ALL SELECT acquirer FROM held_lines WHERE file_id = f.id
        UNION ALL SELECT acquirer FROM unsettled_lines WHERE file_id = f.id LIMIT 1
    ) l ON true
    WHERE f.sha256 = $1
"""


async def _refuse_of_another(db: AsyncSession, acquirer: str, content: bytes) -> None:
    """A file known by its bytes is no news of this acquirer's, where it was another's."""
    for row in await fetch(db, WHOSE, hashlib.sha256(content).digest()):
        if row["acquirer"] != acquirer:
            raise FileRefused(
                f"this file was taken in before, as one of {row['acquirer']}",
                f"berkas ini sudah diterima sebagai berkas {row['acquirer']}",
            )


async def _take_as_evidence(
    db: AsyncSession,
    acquirer: str,
    rows: Mapping[UUID, SettlementRow],
    books: Books,
    now: datetime,
) -> set[UUID]:
    """What an acquirer pays out came, and what it takes back went: also where nobody told us.

    The ids of the lines that give money back a second time.
    """
    unpaid = await payments.charges_without_money(
        db, acquirer, [row.reference for row in rows.values()]
    )
    told: dict[str, list[Arrival]] = defaultdict(list)
    for line_id, row in rows.items():
        if row.gross_rp <= 0 or row.reference not in unpaid:
            continue
        given = unpaid[row.reference]
        theirs = row.acquirer_reference or given or row.reference
        if given in (None, theirs):
            arrival = Arrival(
                theirs,
                row.rrn,
                row.gross_rp,
                row.paid_at,
                settlement_line_id=line_id,
            )
            told[row.reference].append(arrival)
    returned = _returned(rows)
    await _lock(db, acquirer, told, returned)
    # What came for one charge is weighed one after the other: the first may pay it.
    for turn in zip_longest(*told.values()):
        arrived = {
            reference: arrival
            for reference, arrival in zip(told, turn, strict=True)
            if arrival is not None
        }
        await arrivals.record_all(db, acquirer, arrived, books, now=now)
    return await pursuit.found_in_settlement(db, acquirer, returned, books, now=now)


async def _lock(
    db: AsyncSession, acquirer: str, paid: Collection[str], returned: Sequence[SettledRefund]
) -> None:
    """Lock every charge that lines may change, in the one order that notifications keep too."""
    theirs = {one.acquirer_reference for one in returned if one.acquirer_reference}
    refunded = await db.scalars(
        select(Charge.reference)
        .join(Money, Money.charge_id == Charge.id)
        .where(Money.acquirer == acquirer, Money.acquirer_reference == any_(texts(theirs)))
    )
    ours = {one.reference for one in returned if one.reference}
    rrns = {one.refund_number for one in returned if one.by_number and one.refund_number}
    by_rrn = await pursuit.charges_refunded(db, acquirer, rrns) if rrns else ()
    await payments.lock_charges(db, acquirer, [*paid, *refunded, *ours, *by_rrn])


def _returned(lines: Mapping[UUID, SettlementRow | SettlementLine]) -> list[SettledRefund]:
    return [
        SettledRefund(
            line_id,
            line.acquirer_reference,
            line.reference,
            line.rrn,
            -line.gross_rp,
            line.paid_at,
        )
        for line_id, line in lines.items()
        if line.gross_rp < 0
    ]


async def _post(
    db: AsyncSession,
    acquirer: str,
    file_id: UUID,
    rows: Mapping[UUID, SettlementRow],
    corrected: Sequence[SettlementLine],
    twice: Collection[UUID],
    books: Books,
    now: datetime,
) -> int:
    """Post what settles money we recorded by batches, and all else by lines, each with a case.

    How many lines settle none. What was `corrected` settles recorded money: of other lines none is.
    """
    settled = {line_id: _settled(row, books, acquirer) for line_id, row in rows.items()}
    booked = await _speak_of_money(db, acquirer, settled, books)
    unbooked = {line_id: row for line_id, row in rows.items() if settled[line_id] not in booked}
    settling = [row for line_id, row in rows.items() if line_id not in unbooked]
    entries = [
        *_batch_entries(acquirer, file_id, [*settling, *corrected]),
        *(_unbooked_entry(line_id, row) for line_id, row in unbooked.items()),
    ]
    insertions = Insertions()
    # Without legs: payments and refunds of one batch that cancel out, or a line of nothing.
    ledger.add_entries(insertions, [entry for entry in entries if entry.legs], now=now)
    await insertions.write(db)
    unknown = unbooked.keys() - twice
    for kind, ids in ((cases.GIVEN_TWICE, twice), (DifferenceKind.NOT_BOOKED, unknown)):
        held = [(line_id, rows[line_id].gross_rp) for line_id in ids]
        await cases.open_cases(db, kind, "settlement_line_id", held, now)
    return len(unbooked)


def _batch_entries(
    acquirer: str, file_id: UUID, rows: Sequence[SettlementRow | SettlementLine]
) -> Iterator[NewEntry]:
    by_batch = sorted(rows, key=lambda row: row.batch_id)
    for batch_id, group in groupby(by_batch, key=lambda row: row.batch_id):
        lines = list(group)
        yield NewEntry(
            postings.for_settlement(
                sum(line.gross_rp for line in lines),
                sum(line.mdr_rp for line in lines),
                sum(line.vat_rp for line in lines),
                sum(line.withheld_rp for line in lines),
            ),
            source=f"settlement:{acquirer}:{batch_id}:{file_id}",
            description=f"Pencairan {batch_id}, {len(lines)} transaksi",
            business_day=lines[0].settlement_date,
        )


def _unbooked_entry(line_id: UUID, row: SettlementRow) -> NewEntry:
    return NewEntry(
        postings.for_unbooked_settlement(row.gross_rp, row.mdr_rp, row.vat_rp, row.withheld_rp),
        source=f"{UNBOOKED}{line_id}",
        description=f"Pencairan {row.batch_id} tidak ada di buku: {named(row)}",
        business_day=row.settlement_date,
    )


def _settled(
    line: SettlementRow | SettlementLine | UnsettledLine | Row[*tuple[Any, ...]],
    books: Books,
    acquirer: str = "",
) -> Settled:
    """`acquirer` is whose file it is, of a row of a file, which does not tell."""
    return Settled(
        line.batch_id,
        line.reference,
        line.acquirer_reference,
        line.rrn,
        line.gross_rp,
        line.mdr_rp,
        line.net_rp,
        settled_on=line.settlement_date,
        acquirer=acquirer if isinstance(line, SettlementRow) else line.acquirer,
        day=books.business_day(line.paid_at),
        paid_at=line.paid_at if line.acquirer_reference is None else None,
    )


async def _speak_of_money(
    db: AsyncSession, acquirer: str, lines: Mapping[UUID, Settled], books: Books
) -> set[Settled]:
    """Those of the lines that settle recorded money or refunds no other line is set against yet."""
    if not lines:
        return set()
    told = await booked_under(db, Names.of((), lines.values()), acquirer)
    set_against = await db.execute(
        select(*OF_LINE).where(
            movements.stands(),
            SettlementLine.acquirer == acquirer,
            SettlementLine.id != all_(literal(list(lines), ARRAY(Uuid))),
            Names.of(told, lines.values()).of_lines(),
            or_(
                not_(movements.posted(UNBOOKED, SettlementLine.id)),
                movements.posted(EXPLAINED_SETTLEMENT, SettlementLine.id),
            ),
        )
    )
    _, free, _ = pair(told, [_settled(line, books) for line in set_against], known=True)
    pairs, _, _ = pair(free, lines.values())
    return {found.settled for found in pairs}


async def _explain_settled(db: AsyncSession, day: date, books: Books, now: datetime) -> None:
    """Lines of money we did not know when they were settled, and have recorded since."""
    lines = await db.execute(
        select(SettlementLine, movements.recognised(Case.settlement_line_id, SettlementLine.id))
        .where(_paid_on(day, books), movements.posted(UNBOOKED, SettlementLine.id))
        .where(not_(movements.posted(EXPLAINED_SETTLEMENT, SettlementLine.id)))
        .where(not_(movements.paid_claims(Case.settlement_line_id, SettlementLine.id)))
        .order_by(SettlementLine.acquirer)
    )
    for acquirer, group in groupby(lines, key=lambda row: row[0].acquirer):
        decided = {row[0]: row[1] for row in group}
        unexplained = list(decided)
        # One that gave back twice does so no longer when the other way was given up meanwhile.
        returned = _returned({line.id: line for line in unexplained})
        await _lock(db, acquirer, (), returned)
        await pursuit.found_in_settlement(db, acquirer, returned, books, now=now)
        lines_of = {
            line.id: replace(_settled(line, books), recognised=decided[line])
            for line in unexplained
        }
        booked = await _speak_of_money(db, acquirer, lines_of, books)
        for line in unexplained:
            if lines_of[line.id] in booked:
                await ledger.record(
                    db,
                    postings.for_explained_settlement(line.gross_rp),
                    source=f"{EXPLAINED_SETTLEMENT}{line.id}",
                    description=f"Pencairan {line.batch_id} dikenali: {named(line)}",
                    business_day=day,
                    now=now,
                )
                await cases.explained(db, Case.settlement_line_id, line.id, named(line), now)


async def _new_lines(
    db: AsyncSession,
    table: type[SettlementLine] | type[HeldLine] | type[UnsettledLine],
    acquirer: str,
    rows: Sequence[SettlementRow],
    faults: Faults,
    otherwise: dict[UUID, SettlementRow] | None = None,
) -> dict[UUID, SettlementRow]:
    """Those of the rows that no earlier file told.

    One that says otherwise than it did is a fault, or goes `otherwise`, by the line it corrects.
    """
    references = [row.acquirer_reference for row in rows if row.acquirer_reference]
    times = [row.paid_at for row in rows if not row.acquirer_reference]
    alike = table.acquirer_reference == any_(texts(references))
    if times:
        of_times = table.paid_at == any_(literal(times, ARRAY(DateTime(timezone=True))))
        alike = or_(alike, and_(table.acquirer_reference.is_(None), of_times))
    names = ("acquirer_reference", "reference", "rrn", "paid_at", *TOLD)
    asked = select(table.id, *(getattr(table, name) for name in names))
    asked = asked.where(table.acquirer == acquirer, alike)
    stored = await db.execute(asked.where(movements.stands()) if table is SettlementLine else asked)
    known = {line_key(line): line for line in stored}
    unknown = [row for row in rows if row.key not in known]
    if table is SettlementLine:
        await _refuse_of_other_mappings(db, acquirer, unknown, faults)
    new = {}
    for row in rows:
        told = known.get(row.key)
        if told is None:
            new[new_id()] = row
        elif all(getattr(told, name) == getattr(row, name) for name in TOLD):
            continue
        elif otherwise is not None:
            otherwise[told.id] = row
        else:
            faults.found += FileRefused.in_line(
                row.line_number,
                "settled otherwise in an earlier file",
                "berbeda dengan berkas yang lebih dahulu",
            ).faults
    return new


async def _refuse_of_other_mappings(
    db: AsyncSession, acquirer: str, rows: Sequence[SettlementRow], faults: Faults
) -> None:
    """What an earlier file told by other names is no second payment: the file is read wrongly.

    A payment is the same where nothing that both tell of it is different.
    """
    if not rows:
        return
    times = [row.paid_at for row in rows]
    line = SettlementLine
    stored = await db.execute(
        select(line.acquirer_reference, line.reference, line.rrn, line.gross_rp, line.paid_at)
        .where(line.acquirer == acquirer, movements.stands())
        .where(line.paid_at.between(min(times) - TOLD_APART, max(times) + TOLD_APART))
        .where(
            or_(
                line.reference == any_(texts({row.reference for row in rows if row.reference})),
                line.rrn == any_(texts({row.rrn for row in rows if row.rrn})),
            )
        )
    )
    by_amount: dict[int, list[Any]] = defaultdict(list)
    for told in stored:
        by_amount[told.gross_rp].append(told)
    for row in rows:
        if any(_told_by_other_names(told, row) for told in by_amount[row.gross_rp]):
            faults.found += FileRefused.in_line(
                row.line_number,
                "an earlier file told this payment by another mapping; read this file by that one",
                "pembayaran ini sudah disebut berkas terdahulu dengan pemetaan lain;"
                " baca berkas ini dengan pemetaan itu",
            ).faults


def _told_by_other_names(told: Any, row: SettlementRow) -> bool:
    names = [(one.acquirer_reference or "", one.reference, one.rrn or "") for one in (told, row)]
    both = [(a, b) for a, b in zip(*names, strict=True) if a and b]
    goes_by = [next(at for at, name in enumerate(of_one) if name) for of_one in names]
    otherwise = goes_by[0] != goes_by[1] or (goes_by[0] and bool(told.rrn) != bool(row.rrn))
    return bool(
        otherwise
        and both
        and all(a == b for a, b in both)
        and abs(told.paid_at - row.paid_at) <= TOLD_APART
    )


async def _corrected(
    db: AsyncSession, otherwise: Mapping[UUID, SettlementRow], faults: Faults
) -> list[SettlementLine]:
    """For each line that is told otherwise: one that takes it back, and one in its place.

    Refused where the earlier one was no settlement of booked money, or paid a claim: officers have
    decided, or are to decide, what its money is.
    """
    unbooked = and_(
        movements.posted(UNBOOKED, SettlementLine.id),
        not_(movements.posted(EXPLAINED_SETTLEMENT, SettlementLine.id)),
    )
    pays_claim = exists().where(FeeClaim.settlement_line_id == SettlementLine.id)
    lines = await db.execute(
        select(SettlementLine, or_(unbooked, pays_claim)).where(
            SettlementLine.id == any_(literal(list(otherwise), ARRAY(Uuid)))
        )
    )
    made = []
    for line, decided in lines:
        row = otherwise[line.id]
        if decided:
            faults.found += FileRefused.in_line(
                row.line_number,
                "its money is in a case; end that first",
                "uangnya ada dalam kasus; selesaikan kasusnya dahulu",
            ).faults
            continue
        back = {name: -getattr(line, name) for name in AMOUNTS}
        same = {name: getattr(line, name) for name in NAMES}
        # Of the day that the corrected file is of: what was settled before stays as it was told.
        same["settlement_date"] = row.settlement_date
        made.append(
            SettlementLine(
                **same,
                **back,
                line_number=row.line_number,
                takes_back_id=line.id,
            )
        )
        made.append(SettlementLine(**vars(row), version=(line.version or 1) + 1))
    return made


async def held_lines(db: AsyncSession, books: Books) -> Sequence[HeldLine]:
    """What acquirers told of and hold back: no line has settled it yet."""
    lines = select(HeldLine).where(_settled_by_none(HeldLine, books))
    order = (HeldLine.settlement_date, HeldLine.file_id, HeldLine.line_number)
    return (await db.scalars(lines.order_by(*order))).all()


async def unsettled_lines(db: AsyncSession, books: Books, most: int) -> Sequence[UnsettledLine]:
    """What the network told nobody the outcome of (response code 68), and no line settled since.

    The newest first: most of these never are settled.
    """
    lines = select(UnsettledLine).where(_settled_by_none(UnsettledLine, books))
    order = (UnsettledLine.settlement_date, UnsettledLine.file_id, UnsettledLine.line_number)
    return (await db.scalars(lines.order_by(*(by.desc() for by in order)).limit(most))).all()


def _settled_by_none(table: type[HeldLine] | type[UnsettledLine], books: Books) -> TextClause:
    return text(f"NOT ({settled_since(table.__tablename__, books.business_days)})")


async def import_statement(
    db: AsyncSession,
    name: str,
    content: bytes,
    books: Books,
    *,
    now: datetime,
    mapping: StatementMapping = statements.BANK,
    by: UUID | None = None,
) -> Imported:
    """Take in a bank statement, all or nothing; raises FileRefused.

    Each movement of the collecting account is posted; of the regency's own (RKUD) what is money of
    ours. A statement of any other account is refused.
    """
    told = statements.read_all(content, mapping)
    rows = [row for statement in told for row in statement.rows]
    await turns.one_at_a_time(db)
    await accounts.check(db, told[0].account, books)
    form = statements.form_of(content)
    read_by = mapping if form == "table" else form
    file_id = await keep_file(db, "statement", name, content, read_by, now, by)
    if file_id is None:
        return Imported(0, 0, known=len(rows))
    if not accounts.is_rkud(told[0].account, books):
        gaps.keep(db, file_id, told)
    new = await _new_movements(db, rows)
    if new and accounts.is_rkud(new[0].account, books):
        await rkud.record(db, file_id, new, books, now)
    elif new:
        await movements.record(db, file_id, new, books, now)
    crash_point("statement-not-committed")
    total_rp = sum(row.amount_rp for row in new)
    return Imported(len(new), total_rp, known=len(rows) - len(new), file_id=file_id)


async def _new_movements(db: AsyncSession, rows: Sequence[StatementRow]) -> list[StatementRow]:
    """Those that no earlier file told.

    The days of an account come in one form of statement: in another all would be new once more.
    """
    stored = await db.scalars(
        select(StatementLine)
        .where(StatementLine.account == any_(texts({row.account for row in rows})))
        .where(
            or_(
                StatementLine.statement_reference
                == any_(texts({row.statement_reference for row in rows})),
                StatementLine.value_date == any_(literal(list({row.value_date for row in rows}))),
            )
        )
    )
    known, forms = {}, {}
    for line in stored:
        known[line.account, line.statement_reference, line.line_number] = line
        forms[line.account, line.value_date] = line.form
    new, faults = [], Faults()
    for row in rows:
        told = known.get((row.account, row.statement_reference, row.line_number))
        if told is None:
            new.append(row)
        elif (told.value_date, told.amount_rp, told.narrative) != (
            row.value_date,
            row.amount_rp,
            row.narrative,
        ):
            faults.found += FileRefused.in_movement(
                row.place,
                "told otherwise in an earlier file",
                "berbeda dengan berkas yang lebih dahulu",
            ).faults
        form = forms.get((row.account, row.value_date), row.form)
        if form != row.form:
            faults.found += FileRefused.in_movement(
                row.place,
                f"this day of the account was taken in from {form}",
                f"hari ini pada rekening itu sudah diambil dari {form}",
            ).faults
    faults.refuse_any()
    return new


async def keep_file(
    db: AsyncSession,
    kind: str,
    name: str,
    content: bytes,
    read_by: FileMapping | str,
    now: datetime,
    by: UUID | None,
) -> UUID | None:
    """Keep a file as it came; None when the same bytes were taken in before.

    `read_by` is a mapping, or the name of a form that needs none.
    """
    file_id: UUID | None = await db.scalar(
        upsert(ImportedFile)
        .values(
            id=new_id(),
            kind=kind,
            name=name,
            sha256=hashlib.sha256(content).digest(),
            imported_at=now,
            content=content,
            imported_by=by,
            mapping=read_by if isinstance(read_by, str) else read_by.name,
            mapping_sha256=None if isinstance(read_by, str) else read_by.version,
        )
        .on_conflict_do_nothing(index_elements=[ImportedFile.sha256])
        .returning(ImportedFile.id)
    )
    return file_id


@dataclass(frozen=True)
class Report:
    """One business day: what was collected, settled and paid out, and what does not agree."""

    day: date
    collected_rp: int
    gross_rp: int
    mdr_rp: int
    net_rp: int
    bank_rp: int
    matched: tuple[Matched, ...]
    differences: tuple[Difference, ...]
    paid: tuple[Paid, ...] = ()
    expected: tuple[Expected, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "date": self.day.isoformat(),
            "collected_rp": self.collected_rp,
            "gross_rp": self.gross_rp,
            "mdr_rp": self.mdr_rp,
            "net_rp": self.net_rp,
            "bank_rp": self.bank_rp,
            "difference_rp": sum(d.difference_rp for d in self.differences),
            "matched": [asdict(m) | {"confidence": m.confidence} for m in self.matched],
            "paid": [asdict(p) | {"confidence": p.confidence} for p in self.paid],
            "expected": [asdict(e) for e in self.expected],
            "differences": [
                asdict(d) | {"action": asdict(ACTIONS[d.kind])} for d in self.differences
            ],
        }


async def reconcile(db: AsyncSession, day: date, books: Books, *, now: datetime) -> Report:
    """Compare one business day, and keep every difference as a discrepancy with an owner.

    What is not due yet by the rule in force on the day is expected, and no difference until then.
    """
    await turns.one_at_a_time(db)
    await _explain_settled(db, day, books, now)
    booked = [
        Booked(
            money.reference,
            money.acquirer_reference,
            money.rrn,
            money.amount_rp,
            acquirer=money.acquirer,
            day=day,
        )
        for money in await payments.money_on(db, day)
        if money.acquirer not in (CASH, VOUCHER)
    ] + [
        Booked(
            charge.reference,
            money.acquirer_reference,
            refund.acquirer_refund_number,
            -refund.amount_rp,
            money.rrn,
            money.acquirer,
            day,
        )
        for refund, charge, money in await refund_queries.made_between(db, day, day)
    ]
    settled = await _settled_on(db, day, books)
    emptied = await _taken_back_on(db, day, books) - {line.batch_id for line in settled}
    batches = {line.batch_id for line in settled} | emptied
    deposited = await _deposited_on(db, day)
    moved, together = await movements.to_compare(db, day, batches | deposited.keys())
    others = await _settled_elsewhere(db, day, books, batches | together)
    paid_elsewhere = {name: batch.net_rp for name, batch in others.items()}
    elsewhere = dict.fromkeys(emptied, 0) | paid_elsewhere | deposited
    tolerances = await rules.tolerances(db, day)
    nearby = await _nearby(db, day, books, booked, settled, tolerances.heard_within_days)
    unsettled = await _unsettled_on(db, day, books)
    told = (*settled, *unsettled, *nearby.settled)
    due = Due(
        day,
        books.business_day(now),
        lambda since: tolerances.until(since, books.workdays.after),
        await _silent(db, day, books, {b.acquirer for b in booked} - {s.acquirer for s in told}),
        {name: batch.settled_on for name, batch in others.items() if batch.settled_on}
        | dict.fromkeys(deposited, day),
    )
    outcome = match(booked, settled, moved, elsewhere, nearby, unsettled, tolerances, due)
    outcome = replace(outcome, differences=(*outcome.differences, *await gaps.on(db, day)))
    await _keep_differences(db, day, outcome, now)
    db.add(
        Reconciliation(
            business_day=day,
            ran_at=now,
            difference_count=len(outcome.differences),
            matched=_ways(outcome),
            expected=summed(outcome.expected),
        )
    )
    await db.flush()
    crash_point("reconciled-not-committed")
    return Report(
        day=day,
        collected_rp=sum(b.amount_rp for b in booked),
        gross_rp=sum(s.gross_rp for s in settled),
        mdr_rp=sum(s.mdr_rp for s in settled),
        net_rp=sum(s.net_rp for s in settled),
        bank_rp=sum(outcome.received_rp.get(name, 0) for name in batches | deposited.keys())
        + sum(m.amount_rp for m in moved if m.pays is None),
        matched=outcome.matched,
        differences=outcome.differences,
        paid=outcome.paid,
        expected=outcome.expected,
    )


def _ways(outcome: Outcome) -> dict[str, Any]:
    """What agreed, as it is kept: lines summed by how they were known, and each payout."""
    counts, sums = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for m in outcome.matched:
        way = m.reason.value, m.confidence.value
        counts[way] += 1
        sums[way] += m.booked.amount_rp
    return {
        "lines": [
            {"reason": way[0], "confidence": way[1], "count": count, "amount_rp": sums[way]}
            for way, count in sorted(counts.items())
        ],
        "paid": [
            {
                "name": paid.name,
                "net_rp": paid.net_rp,
                "how": paid.how.value,
                "known": paid.known.value,
                "confidence": paid.confidence.value,
                "credits": len(paid.movements),
                "days_late": paid.days_late,
            }
            for paid in outcome.paid
        ],
    }


async def matches_of(db: AsyncSession, charge: Charge, books: Books) -> list[Matched]:
    """How a charge's money and refunds agree with settlement lines, of whichever days."""
    came = await db.scalars(select(Money.acquirer_reference).where(Money.charge_id == charge.id))
    none = Names.of((), ())
    own = await booked_under(db, replace(none, theirs=frozenset(came)), charge.acquirer)
    found = await db.scalars(
        select(SettlementLine)
        .where(SettlementLine.acquirer == charge.acquirer, movements.stands())
        .where(Names.of(own, ()).of_lines())
    )
    lines = [_settled(line, books) for line in found]
    if not lines:
        return []
    # Also the others' money: what fits several is nobody's.
    told = await booked_under(db, Names.of(own, lines), charge.acquirer)
    pairs, _, _ = pair(told, lines)
    return [
        Matched(p.booked, p.settled, p.booked.day != p.settled.day, p.reason)
        for p in pairs
        if p.booked.reference == charge.reference and p.booked.amount_rp == p.settled.gross_rp
    ]


def summed(expected: Sequence[Expected]) -> list[dict[str, Any]]:
    """Payments of one acquirer as one sum, each payout by its name."""
    sums: dict[tuple[str, str, str], list[Expected]] = defaultdict(list)
    for e in expected:
        sums[e.kind.value, e.acquirer or e.subject, e.until.isoformat()].append(e)
    return [
        {
            "kind": kind,
            "of": of,
            "until": until,
            "count": sum(e.count for e in of_kind),
            "amount_rp": sum(e.amount_rp for e in of_kind),
        }
        for (kind, of, until), of_kind in sorted(sums.items())
    ]


async def _silent(db: AsyncSession, day: date, books: Books, acquirers: set[str]) -> set[str]:
    """Those that told nothing of a day, but where officers decide on single payments of it."""
    if not acquirers:
        return set()
    by_one = await db.scalars(
        select(Discrepancy.acquirer)
        .distinct()
        .where(
            Discrepancy.business_day == day,
            Discrepancy.kind == DifferenceKind.NOT_SETTLED,
            or_(Discrepancy.state == "proposed", Discrepancy.entry_id.is_not(None)),
        )
    )
    held = await db.scalars(
        select(HeldLine.acquirer).distinct().where(_paid_on(day, books, HeldLine))
    )
    return acquirers - set(by_one) - set(held)


async def _nearby(
    db: AsyncSession,
    day: date,
    books: Books,
    booked: Sequence[Booked],
    settled: Sequence[Settled],
    within_days: int,
) -> Nearby:
    """What may be the other side of what a day leaves over, left over by the days next to it."""
    _, unsettled, unbooked = pair(booked, settled)
    if not (unsettled or unbooked):
        return Nearby()
    under = Names.of(unsettled, unbooked).of_lines()
    days = [day + timedelta(days=n) for n in range(-within_days, within_days + 1) if n]
    told_on: dict[date, list[Settled]] = {}
    for near in days:
        found = await db.execute(
            select(*OF_LINE).where(_paid_on(near, books), under, movements.stands())
        )
        told_on[near] = [_settled(line, books) for line in found]
    names = Names.of((), [*unbooked, *chain.from_iterable(told_on.values())])
    theirs = names.theirs | {b.acquirer_reference for b in unsettled}
    told = await booked_under(db, replace(names, theirs=theirs))
    money: list[Booked] = []
    lines: list[Settled] = []
    for near in days:
        _, without_line, without_money = pair(
            [line for line in told if line.day == near], told_on[near]
        )
        money += without_line
        lines += without_money
    return Nearby(money, lines)


async def _unsettled_on(db: AsyncSession, day: date, books: Books) -> list[Settled]:
    lines = await db.scalars(select(UnsettledLine).where(_paid_on(day, books, UnsettledLine)))
    return [_settled(line, books) for line in lines]


def _paid_on(
    day: date,
    books: Books,
    table: type[SettlementLine] | type[UnsettledLine] | type[HeldLine] = SettlementLine,
) -> ColumnElement[bool]:
    starts, ends = books.business_days.bounds(day)
    return and_(table.paid_at >= starts, table.paid_at < ends)


async def _settled_on(db: AsyncSession, day: date, books: Books) -> list[Settled]:
    """Settlement lines of payments made on a business day."""
    rules_of_fees = await ledger.mdr_rules(db)
    given_back = exists().where(
        FeeClaim.settlement_line_id == SettlementLine.id, FeeClaim.ended_entry_id.is_not(None)
    )
    lines = await db.execute(
        select(
            *OF_LINE,
            movements.recognised(Case.settlement_line_id, SettlementLine.id).label("recognised"),
            given_back.label("paid_claim"),
        ).where(_paid_on(day, books), movements.stands())
    )
    return [
        replace(
            _settled(line, books),
            mdr_due_rp=None if line.paid_claim else _mdr_due(line, rules_of_fees, books),
            recognised=line.recognised,
        )
        for line in lines
    ]


async def _taken_back_on(db: AsyncSession, day: date, books: Books) -> set[str]:
    """Batches that lines of a business day were in before they were corrected."""
    lines = select(SettlementLine.batch_id).where(
        _paid_on(day, books), SettlementLine.takes_back_id.is_not(None)
    )
    return set(await db.scalars(lines.distinct()))


def _mdr_due(line: Any, rules_of_fees: Sequence[MdrRule], books: Books) -> int | None:
    """The fee on a settled payment, by the calendar day of it, whenever business days end.

    What becomes of it on a refund is the acquirer's contract.
    """
    rule = rule_on(rules_of_fees, books.merchant_criteria, books.day(line.paid_at))
    return None if rule is None or line.gross_rp < 0 else mdr(line.gross_rp, rule)


async def _settled_elsewhere(
    db: AsyncSession, day: date, books: Books, batches: Collection[str]
) -> dict[str, Batch]:
    """What the day's batches pay out, net, for payments of other days."""
    rows = await db.execute(
        select(
            SettlementLine.batch_id,
            func.sum(SettlementLine.net_rp),
            func.max(SettlementLine.settlement_date),
        )
        .where(SettlementLine.settlement_date >= day - movements.PAID_OUT_WITHIN)
        .where(SettlementLine.batch_id == any_(texts(batches)), not_(_paid_on(day, books)))
        .group_by(SettlementLine.batch_id)
    )
    return {batch_id: Batch(int(net_rp), settled_on) for batch_id, net_rp, settled_on in rows}


async def _deposited_on(db: AsyncSession, day: date) -> dict[str, int]:
    """What is to come under each slip of a day, for all attendants who paid in with it."""
    of_day = select(CashDeposit.reference).where(CashDeposit.deposited_on == day)
    rows = await db.execute(
        select(CashDeposit.reference, func.sum(CashDeposit.amount_rp))
        .where(CashDeposit.reference.in_(of_day))
        .group_by(CashDeposit.reference)
    )
    return {reference: int(amount_rp) for reference, amount_rp in rows}


async def _keep_differences(db: AsyncSession, day: date, outcome: Outcome, now: datetime) -> None:
    """Open what is new, close what has been explained since; nothing is ever deleted.

    A batch may pay out two days, and money be settled across midnight: whichever of the days sees
    it explained closes what the other had found.
    """
    decided = await discrepancies.meet(db, day, outcome, now)
    statement = upsert(Discrepancy)
    rows = [
        {
            "id": new_id(),
            "kind": difference.kind.value,
            "subject": difference.subject,
            "acquirer": difference.acquirer,
            "business_day": day,
            "difference_rp": difference.difference_rp,
            "details": {"ours_rp": difference.ours_rp, "theirs_rp": difference.theirs_rp},
            "owner": OWNER,
            "opened_at": now,
            "state": "open",
        }
        for difference in outcome.differences
        if discrepancies.named(difference.name) not in decided
    ]
    if rows:
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=[Discrepancy.kind, Discrepancy.subject, Discrepancy.acquirer],
                set_={
                    name: statement.excluded[name] for name in ("state", "difference_rp", "details")
                },
            ),
            rows,
        )
    still = texts([discrepancies.named(each.name) for each in outcome.differences])
    explained = texts([*map(discrepancies.named, outcome.explained)])
    key = discrepancies.NAMED
    await db.execute(
        update(Discrepancy)
        .where(Discrepancy.state == "open", Discrepancy.entry_id.is_(None))
        .where(
            or_(and_(Discrepancy.business_day == day, key != all_(still)), key == any_(explained))
        )
        .values(state="closed")
    )
