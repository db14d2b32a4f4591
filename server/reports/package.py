"""An auditor's package: the books of a period as CSV in one ZIP, with sums, proofs and signature.

Everything but the audit log's proofs is of one snapshot of the database, and streams: rows are
written as they come, so a long period takes time and disk, and no more memory than a short one.
"""

import asyncio
import csv
import errno
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import checkpoints
from server.audit import export as audit
from server.audit.notes import Signer
from server.database import Transactions, new_id
from server.errors import Problem
from server.ledger.reports import harmless
from server.payments.books import Books
from server.reports.models import ReportDownload
from server.reports.package_sheets import SHEETS, Sheet
from server.reports.signing import ReportSigner
from server.reports.table import Period

NAME = "paket-pemeriksaan"
AT_ONCE = 2_000
BLOCK = 1 << 20
ONE_AT_A_TIME = 0x7061636B
"""The key of the advisory lock: packages hold connections for long, and payments need them."""
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.p7s"
OPENING = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL statement_timeout = '30min';
SET LOCAL idle_in_transaction_session_timeout = '30min'
"""


class PackageBeingMade(Problem):
    slug = "package-being-made"
    status = 409
    title_id = "Sebuah paket sedang dibuat; coba lagi sesudah selesai"
    title_en = "One package is being made; try again when it is done"


class PackagePlaceUnfit(Problem):
    slug = "package-not-written"
    status = 507
    title_id = "Paket tidak dapat ditulis: ruang di server tidak cukup"
    title_en = "The package cannot be written: the server has too little room"


@dataclass(frozen=True)
class Wanted:
    """Of which days, whether with the audit log's proofs, and for whom."""

    period: Period
    proofs: bool
    who: str


@dataclass(frozen=True)
class Package:
    """What was written: rows by file, and the SHA-256 of the whole."""

    rows: dict[str, int]
    sha256: bytes


async def make(
    transactions: Transactions,
    out: Path,
    wanted: Wanted,
    books: Books,
    report_signer: ReportSigner | None,
    audit_signer: Signer | None,
    *,
    now: datetime,
) -> Package:
    """Write the package and that it was taken out, while no other one is made.

    Raises PackageBeingMade, ReportNotSigned or PackagePlaceUnfit.
    """
    async with transactions.begin() as db:
        if not await db.scalar(select(func.pg_try_advisory_xact_lock(ONE_AT_A_TIME))):
            raise PackageBeingMade
        await db.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        return await _make(transactions, out, wanted, books, report_signer, audit_signer, now)


async def _make(
    transactions: Transactions,
    out: Path,
    wanted: Wanted,
    books: Books,
    report_signer: ReportSigner | None,
    audit_signer: Signer | None,
    now: datetime,
) -> Package:
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            written = _Written(archive)
            await _write_sheets(transactions, written, wanted.period, books, now)
            days: list[date] = []
            if wanted.proofs and audit_signer is not None:
                days = await _write_proofs(
                    transactions, written, wanted.period, books, audit_signer, now
                )
            written.put("README.txt", _readme(wanted, books, days, report_signer, now))
            written.put("datapackage.json", _datapackage(wanted.period, books))
            sums = written.sums()
            written.put(SUMS, sums)
            if report_signer is not None:
                written.put(SIGNATURE, await asyncio.to_thread(report_signer.detached, sums))
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        raise PackagePlaceUnfit from exc
    digest = await asyncio.to_thread(_digest, out)
    async with transactions.begin() as db:
        db.add(
            ReportDownload(
                id=new_id(),
                who=wanted.who,
                report=NAME,
                form="zip",
                first_day=wanted.period.first,
                last_day=wanted.period.last,
                filters={} if days else {"audit": "none"},
                row_count=sum(written.rows.values()),
                sha256=digest,
                made_at=now,
            )
        )
    return Package(written.rows, digest)


class _Written:
    """What an archive holds so far, and the SHA-256 of each of its files."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._digests: dict[str, str] = {}
        self.rows: dict[str, int] = {}

    def put(self, name: str, content: bytes) -> None:
        self._archive.writestr(name, content)
        self._digests[name] = sha256(content).hexdigest()

    def put_folder(self, name: str, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            self._put_file(f"{name}/{path.name}", path)

    def _put_file(self, name: str, path: Path) -> None:
        with path.open("rb") as source, self._archive.open(name, "w", force_zip64=True) as target:
            digest = sha256()
            while block := source.read(BLOCK):
                target.write(block)
                digest.update(block)
        self._digests[name] = digest.hexdigest()

    async def put_rows(self, name: str, blocks: AsyncIterator[tuple[bytes, int]]) -> None:
        """Blocks of lines as they come, each with how many rows it is."""
        digest, count = sha256(), 0
        with self._archive.open(name, "w", force_zip64=True) as target:

            def write(block: bytes) -> None:
                target.write(block)
                digest.update(block)

            async for block, rows in blocks:
                await asyncio.to_thread(write, block)
                count += rows
        self._digests[name], self.rows[name] = digest.hexdigest(), count

    def sums(self) -> bytes:
        """As `sha256sum -c` reads them."""
        return "".join(f"{told}  {name}\n" for name, told in self._digests.items()).encode()


async def _write_sheets(
    transactions: Transactions, written: _Written, period: Period, books: Books, now: datetime
) -> None:
    bounds = {
        "first": period.first,
        "last": period.last,
        "start": books.business_days.bounds(period.first)[0],
        "until": books.business_days.bounds(period.last)[1],
        "over": min(period.last + timedelta(days=1), books.day(now)),
    }
    async with transactions.begin() as db:
        for statement in OPENING.split(";"):
            await db.execute(text(statement))
        for sheet in SHEETS:
            await written.put_rows(f"{sheet.name}.csv", _blocks(db, sheet, bounds))


async def _blocks(
    db: AsyncSession, sheet: Sheet, bounds: dict[str, Any]
) -> AsyncIterator[tuple[bytes, int]]:
    """RFC 4180: commas, CRLF, quotes where they are needed; a head of names."""
    yield _lines([[name for name, _, _ in sheet.columns]]), 0
    asked = {name: value for name, value in bounds.items() if f":{name}" in sheet.sql}
    rows = await db.stream(text(sheet.sql), asked, execution_options={"yield_per": AT_ONCE})
    async for part in rows.partitions(AT_ONCE):
        yield (
            await asyncio.to_thread(_lines, [[_cell(value) for value in row] for row in part]),
            (len(part)),
        )


def _lines(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """A number keeps its minus; a text that a spreadsheet would run gets a quote before it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return str(int(value))
    return str(value)


async def _write_proofs(
    transactions: Transactions,
    written: _Written,
    period: Period,
    books: Books,
    signer: Signer,
    now: datetime,
) -> list[date]:
    """The audit log of each day on which rows were sealed, with the program that checks it."""
    async with transactions.begin() as db:
        try:
            await checkpoints.make(db, signer, now=now)
        except checkpoints.NoCheckpoint:
            return []
    days = []
    for number in range(period.days):
        day = period.first + timedelta(days=number)
        with TemporaryDirectory() as name:
            async with transactions.begin() as db:
                for statement in OPENING.split(";"):
                    await db.execute(text(statement))
                rows = await audit.export(db, day, Path(name), signer, books.timezone)
            if rows:
                days.append(day)
                await asyncio.to_thread(written.put_folder, f"audit/{day}", Path(name))
    return days


def _readme(
    wanted: Wanted, books: Books, days: list[date], signer: ReportSigner | None, now: datetime
) -> bytes:
    made = now.astimezone(books.timezone)
    told = [
        f"PAKET PEMERIKSAAN {wanted.period.first} s.d. {wanted.period.last} (hari usaha)",
        f"{books.agency} {books.regency}",
        f"Dibuat {made:%Y-%m-%d %H.%M %Z} oleh {wanted.who}",
        "",
        "Berkas CSV menurut RFC 4180: UTF-8, koma, CRLF. Jumlah dalam rupiah bulat tanpa pemisah;",
        "waktu dalam UTC. Teks yang tampak seperti rumus lembar kerja diawali tanda petik (').",
        "Nomor polisi hanya tersamar. Semua CSV berasal dari satu saat yang sama.",
        "",
        f"Periksa keutuhan: sha256sum -c {SUMS}",
    ]
    if signer is None:
        told.append("Paket ini TIDAK ditandatangani: server belum punya kunci laporan.")
    else:
        told += [
            f"Ditandatangani (CMS terpisah) oleh: {signer.name}. Periksa dengan:",
            f"openssl cms -verify -binary -inform DER -in {SIGNATURE} -content {SUMS} \\",
            "    -purpose any -CAfile penerbit.pem -out -",
        ]
    if days:
        told += [
            "",
            "Catatan audit per hari penyegelan, dengan bukti setiap baris; periksa dengan:",
            *(f"python3 audit/{day}/periksa.py audit/{day}" for day in days),
        ]
    else:
        told += ["", "Tanpa bukti catatan audit."]
    told += [
        "",
        "Neraca saldo: jumlahkan amount_rp per account_code dari opening_balances.csv (saldo awal)",
        "dan ledger_postings.csv (mutasi). Jumlah seluruh posting selalu nol.",
    ]
    for sheet in SHEETS:
        told += ["", f"{sheet.name}.csv - {sheet.title}"]
        told += [f"  {name} ({kind}): {meaning}" for name, kind, meaning in sheet.columns]
    return ("\n".join(told) + "\n").encode()


def _datapackage(period: Period, books: Books) -> bytes:
    """The same for programs: Frictionless Data Package."""
    told = {
        "profile": "tabular-data-package",
        "name": f"{NAME}-{period.first}-{period.last}",
        "title": f"Paket pemeriksaan {books.agency} {books.regency}",
        "resources": [
            {
                "profile": "tabular-data-resource",
                "name": sheet.name.replace("_", "-"),
                "path": f"{sheet.name}.csv",
                "title": sheet.title,
                "encoding": "utf-8",
                "dialect": {"delimiter": ",", "lineTerminator": "\r\n", "doubleQuote": True},
                "schema": {
                    "fields": [
                        {"name": name, "type": kind, "description": meaning}
                        for name, kind, meaning in sheet.columns
                    ],
                    "missingValues": [""],
                },
            }
            for sheet in SHEETS
        ],
    }
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()
