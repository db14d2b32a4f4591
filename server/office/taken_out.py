"""Files that officers take out of the office: each stands on record before it goes."""

import asyncio
import csv
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import Response
from fastapi.responses import FileResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask

from server import pages
from server.database import Transactions
from server.identity.models import Officer
from server.payments.books import Books
from server.payments.voucher_models import VoucherBatch
from server.payments.voucher_proposals import Range
from server.reports.models import ReportDownload

SHEETS = "lembar-voucher"


@dataclass(frozen=True)
class What:
    """What a file tells, of which days; `filters` as the record of reports keeps them."""

    report: str
    first: date
    last: date
    filters: dict[str, str] = field(default_factory=dict)


def vouchers(batch: VoucherBatch, which: Range, books: Books) -> What:
    """Sheets of vouchers, which park whoever has them."""
    told = {"batch": f"{which.batch:04}", "numbers": f"{which.first}-{which.last}"}
    return What(SHEETS, books.day(batch.issued_at), batch.valid_until, told)


async def record(
    transactions: Transactions,
    who: str,
    what: What,
    form: str,
    sha256: bytes,
    row_count: int,
    *,
    now: datetime,
) -> None:
    async with transactions.begin() as db:
        db.add(
            ReportDownload(
                who=who,
                report=what.report,
                form=form,
                first_day=what.first,
                last_day=what.last,
                filters=what.filters,
                row_count=row_count,
                sha256=sha256,
                made_at=now,
            )
        )


async def latest(
    db: AsyncSession, report: str, filters: dict[str, str], limit: int
) -> Sequence[ReportDownload]:
    """Who took files of a kind out, of what those tell; the newest first."""
    found = select(ReportDownload).where(
        ReportDownload.report == report, ReportDownload.filters.contains(filters)
    )
    rows = await db.scalars(found.order_by(ReportDownload.id.desc()).limit(limit))
    return rows.all()


async def csv_file(
    transactions: Transactions,
    officer: Officer,
    what: What,
    name: str,
    lines: AsyncIterator[str],
    *,
    now: datetime,
) -> Response:
    """Written to a file first, so that a year of lines needs no memory; it is gone once sent."""
    folder = TemporaryDirectory(ignore_cleanup_errors=True)
    try:
        out = Path(folder.name) / "file.csv"
        with out.open("w", encoding="utf-8", newline="") as file:
            async for line in lines:
                file.write(line)
        sha256, row_count = await asyncio.to_thread(_told, out)
        await record(transactions, officer.login, what, "csv", sha256, row_count, now=now)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        out,
        media_type="text/csv; charset=utf-8",
        filename=name,
        headers=pages.SECURITY_HEADERS | {"Cache-Control": "no-store"},
        background=BackgroundTask(folder.cleanup),
    )


def _told(out: Path) -> tuple[bytes, int]:
    """The SHA-256 of a file, and how many rows stand below its head."""
    with out.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").digest()
    with out.open(encoding="utf-8", newline="") as text:
        return sha256, sum(1 for _ in csv.reader(text)) - 1


async def pdf(
    transactions: Transactions,
    officer: Officer,
    what: What,
    name: str,
    content: bytes,
    row_count: int,
    *,
    now: datetime,
) -> Response:
    sha256 = hashlib.sha256(content).digest()
    await record(transactions, officer.login, what, "pdf", sha256, row_count, now=now)
    return Response(
        content,
        media_type="application/pdf",
        headers=pages.SECURITY_HEADERS
        | {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
