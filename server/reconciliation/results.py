"""What the bank tells of a run of shares, line by line, in a file that is taken in whole.

A file with a bad line is refused, and each of them is named; the same file again changes nothing.
"""

import re
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import Faults, FileRefused
from server.payments.books import Books
from server.reconciliation import payouts, service, sheets, turns
from server.reconciliation.mappings import PayoutMapping, mapping
from server.reconciliation.payout_models import PayoutLine, PayoutRun
from server.reconciliation.payouts import Said
from server.reconciliation.sheets import Line
from server.reconciliation.states import LineEvent, LineState, RunState

BANK = mapping(PayoutMapping, "bank")
REFERENCE = re.compile(r"(?<![A-Za-z0-9])(BGH-[0-9]{4}-[0-9]{6,}-[0-9A-Z])/([0-9]{1,6})(?![0-9])")
"""A line as the bulk file calls it, wherever the bank's words stand around it."""


@dataclass(frozen=True)
class ResultRow:
    """What became of one line of a run."""

    line_number: int
    run: str
    position: int
    amount_rp: int
    paid: bool
    evidence: str


@dataclass(frozen=True)
class Told:
    """What a file told that was new, and how many of its lines were known already."""

    paid: int
    paid_rp: int
    failed: int
    failed_rp: int
    known: int


def read(content: bytes, told: PayoutMapping = BANK) -> list[ResultRow]:
    """Every line of a bank's result; raises FileRefused with everything that is wrong."""
    faults, rows = Faults(), []
    columns = told.columns
    named = (columns.reference, columns.amount, *columns.evidence)
    sheet = sheets.read(content, told, named, faults)
    for line in sheet.lines:
        with faults.gathered():
            rows.append(_row(line, told))
    seen = set[tuple[str, int]]()
    for row in rows:
        if (row.run, row.position) in seen:
            faults.found += FileRefused.in_line(
                row.line_number,
                "the same payment stands twice",
                "pembayaran yang sama tertulis dua kali",
            ).faults
        seen.add((row.run, row.position))
    if not rows and not faults.found:
        raise FileRefused("the file holds no lines", "berkas tidak berisi baris")
    faults.refuse_any()
    return rows


def _row(line: Line, told: PayoutMapping) -> ResultRow:
    sheets.check_width(line)
    columns = told.columns
    found = REFERENCE.search(line.name(columns.reference))
    if found is None:
        raise line.refused(
            f"{columns.reference} names no line of a payout",
            f"{columns.reference} tidak menyebut baris pembayaran bagi hasil",
        )
    says = line.says()
    if len(says) != 1:
        raise line.refused(
            "its words say both paid and failed", "isinya menyebut berhasil dan juga gagal"
        )
    words = " ".join(filter(None, (line.name(column) for column in columns.evidence)))
    return ResultRow(
        line_number=line.number,
        run=found[1],
        position=int(found[2]),
        amount_rp=line.rupiah(columns.amount),
        paid="paid" in says,
        evidence=words or "-",
    )


async def take_in(
    db: AsyncSession,
    name: str,
    content: bytes,
    books: Books,
    *,
    mapping: PayoutMapping = BANK,
    by: UUID | None = None,
    now: datetime,
) -> Told:
    """Take in a bank's result, all or nothing; raises FileRefused."""
    rows = read(content, mapping)
    await turns.one_at_a_time(db)
    file_id = await service.keep_file(db, "payout", name, content, mapping, now, by)
    if file_id is None:
        return Told(0, 0, 0, 0, len(rows))
    lines = await _lines(db, {row.run for row in rows})
    faults, new = Faults(), list[tuple[ResultRow, PayoutRun, PayoutLine]]()
    for row in rows:
        with faults.gathered():
            run, line = _found(row, lines)
            if line.state == LineState.WAITING:
                new.append((row, run, line))
    faults.refuse_any()
    for row, run, line in new:
        event = LineEvent.PAID if row.paid else LineEvent.FAILED
        said = Said(event, row.evidence, now, by=by, file_id=file_id)
        await payouts.advance(db, run, line, said, books)
    await db.flush()
    paid = [row.amount_rp for row, *_ in new if row.paid]
    failed = [row.amount_rp for row, *_ in new if not row.paid]
    return Told(len(paid), sum(paid), len(failed), sum(failed), len(rows) - len(new))


Lines = Dict[tuple[str, int], tuple[PayoutRun, PayoutLine]]


async def _lines(db: AsyncSession, numbers: set[str]) -> Lines:
    """Every line of some runs, by number and position, which nobody else changes until commit."""
    rows = await db.execute(
        select(PayoutRun, PayoutLine)
        .join(PayoutLine, PayoutLine.run_id == PayoutRun.id)
        .where(PayoutRun.number.in_(numbers))
        .order_by(PayoutRun.id, PayoutLine.position)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {(run.number, line.position): (run, line) for run, line in rows}


def _found(row: ResultRow, lines: Lines) -> tuple[PayoutRun, PayoutLine]:
    """The line a row speaks of; raises FileRefused where it cannot be what the bank was told."""
    found = lines.get((row.run, row.position))
    if found is None or found[0].state != RunState.APPROVED:
        raise FileRefused.in_line(
            row.line_number,
            f"there is no approved payout {row.run}/{row.position}",
            f"tidak ada pembayaran {row.run}/{row.position} yang disetujui",
        )
    run, line = found
    if line.amount_rp != row.amount_rp:
        raise FileRefused.in_line(
            row.line_number,
            f"{row.run}/{row.position} is of {line.amount_rp} rupiah",
            f"{row.run}/{row.position} sejumlah {line.amount_rp} rupiah",
        )
    told = LineState.PAID if row.paid else LineState.FAILED
    if line.state not in (LineState.WAITING, told):
        raise FileRefused.in_line(
            row.line_number,
            f"{row.run}/{row.position} was told otherwise before",
            f"{row.run}/{row.position} sudah tercatat lain",
        )
    return run, line
