"""Files that officers take out of the office: each stands on record before it goes."""

import asyncio
import csv
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from server import pages
from server.database import Transactions
from server.identity.models import Officer
from server.reports.models import ReportDownload


@dataclass(frozen=True)
class What:
    """What a file tells, of which days; `filters` as the record of reports keeps them."""

    report: str
    first: date
    last: date
    filters: dict[str, str] = field(default_factory=dict)


async def record(
    transactions: Transactions,
    officer: Officer,
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
                who=officer.login,
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
        await record(transactions, officer, what, "csv", sha256, row_count, now=now)
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
