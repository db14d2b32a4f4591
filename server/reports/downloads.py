"""Making a report's file, and writing down who took it out.

The file is made outside of any transaction and written down before anybody has it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import checkpoints
from server.database import Transactions, new_id
from server.errors import Problem
from server.identity.service import Right
from server.reconciliation.papers import Proof
from server.reports import sheets
from server.reports.documents import Imprint, as_pdf, proof_of
from server.reports.models import ReportDownload
from server.reports.signing import NoTimeStamp, ReportSigner
from server.reports.table import Asked, Report, Table, build

log = structlog.get_logger()


class Form(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


TYPES = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Form.PDF: "application/pdf",
}
MOST_ROWS = {Form.CSV: 100_000, Form.XLSX: 100_000, Form.PDF: 5_000}


class ReportTooLong(Problem):
    slug = "report-too-long"
    status = 422
    title_id = "Laporan ini terlalu panjang untuk satu berkas; persempit masa atau saringannya"
    title_en = "This report is too long for one file; narrow its period or its filters"


@dataclass(frozen=True)
class File:
    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Reader:
    """Who takes it out, in which language."""

    who: str
    rights: frozenset[Right]
    language: str


async def make(
    transactions: Transactions,
    report: Report,
    asked: Asked,
    form: Form,
    reader: Reader,
    signer: ReportSigner | None,
    *,
    now: datetime,
) -> File:
    """Also writes down that it was taken out; raises ReportTooLong or ReportNotSigned."""
    file, record = await draw(transactions, report, asked, form, reader, signer, now=now)
    async with transactions.begin() as db:
        db.add(record)
    return file


async def draw(
    transactions: Transactions,
    report: Report,
    asked: Asked,
    form: Form,
    reader: Reader,
    signer: ReportSigner | None,
    *,
    now: datetime,
) -> tuple[File, ReportDownload]:
    """The file, and what is to be written down before anybody has it."""
    async with transactions.begin() as db:
        table = await build(db, report, asked, reader.rights)
        checkpoint = await checkpoints.newest(db) if form is Form.PDF else None
    if len(table.rows) > MOST_ROWS[form]:
        raise ReportTooLong(f"{len(table.rows)} > {MOST_ROWS[form]}")
    made = now.astimezone(asked.books.timezone)
    imprint = Imprint(reader.who, made, None if signer is None else signer.name, checkpoint)
    content = await asyncio.to_thread(_written, table, form, reader.language, imprint, signer)
    record = ReportDownload(
        id=new_id(),
        who=reader.who,
        report=report.name,
        form=form.value,
        first_day=asked.period.first,
        last_day=asked.period.last,
        filters=_told(asked),
        row_count=len(table.rows),
        sha256=hashlib.sha256(content).digest(),
        made_at=now,
    )
    days = f"{asked.period.first}-{asked.period.last}"
    return File(f"laporan-{report.name}-{days}.{form}", TYPES[form], content), record


def _told(asked: Asked) -> dict[str, str]:
    told = {name.value: value for name, value in asked.filters.items()}
    return told if asked.comparison is None else told | {"compare": asked.comparison.value}


def _written(
    table: Table, form: Form, language: str, imprint: Imprint, signer: ReportSigner | None
) -> bytes:
    match form:
        case Form.CSV:
            return sheets.as_csv(table, language)
        case Form.XLSX:
            return sheets.as_xlsx(table, language, imprint.made)
        case Form.PDF:
            return signed_pdf(partial(as_pdf, table, language), imprint, signer)


def signed_pdf(
    draw: Callable[[Imprint], bytes], imprint: Imprint, signer: ReportSigner | None
) -> bytes:
    """A PDF says itself what it has: without its time stamp it is drawn anew, and says so.

    Raises ReportNotSigned. Not to be called in an event loop.
    """
    if signer is None:
        return draw(imprint)
    if not signer.stamps_at:
        return signer.sign(draw(imprint))
    try:
        return signer.sign(draw(replace(imprint, stamped=True)), stamped=True)
    except NoTimeStamp as exc:
        log.warning("report_without_time_stamp", error=str(exc))
        return signer.sign(draw(replace(imprint, stamped=False)))


async def signed_paper(
    transactions: Transactions,
    draw: Callable[[Proof], bytes],
    who: str,
    signer: ReportSigner | None,
    *,
    now: datetime,
) -> bytes:
    """One of the office's papers of money, with what stands for it; raises ReportNotSigned."""
    async with transactions.begin() as db:
        checkpoint = await checkpoints.newest(db)
    imprint = Imprint(who, now, None if signer is None else signer.name, checkpoint)
    return await asyncio.to_thread(
        signed_pdf, lambda imprint: draw(proof_of(imprint)), imprint, signer
    )


async def newest(db: AsyncSession, limit: int) -> Sequence[ReportDownload]:
    """The downloads that were written down last."""
    found = select(ReportDownload).order_by(ReportDownload.id.desc()).limit(limit)
    return (await db.scalars(found)).all()
