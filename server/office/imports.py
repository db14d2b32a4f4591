"""The files of acquirers and banks: what was taken in, a look at one more, and taking it in."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from server import pages
from server.database import Transaction, Transactions, TransactionsDep
from server.errors import FileRefused, Problem
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office import queries
from server.office.signed_in import allowed, confirmed
from server.pages import Before
from server.payments.choices import AcquirerNotSet
from server.payments.wiring import Wiring, WiringDep
from server.reconciliation import corrections, daily, previews
from server.reconciliation import service as reconciliation
from server.reconciliation.accounts import StatementOfOtherAccount
from server.reconciliation.files import MAX_BYTES
from server.reconciliation.mappings import (
    MappingRefused,
    SettlementMapping,
    StatementMapping,
    choices,
    chosen,
)
from server.reconciliation.models import ImportedFile
from server.reconciliation.service import Imported
from server.reports.models import ReportDownload
from server.settings import AcquirerTerms

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
Day = Annotated[pages.Day, Form(alias="date")]
Chosen = Annotated[str, Form(alias="mapping", max_length=255)]
Whose = Annotated[str, Form(alias="acquirer", max_length=30)]
ORIGINAL = "berkas-asli"
Previewed = Annotated[str, Form(alias="sha256", max_length=64)]
"""The SHA-256 of the file that a preview showed; empty of one that was not looked at first."""
MOST_SHOWN = 500
LINES_SHOWN = 100


class FileNotTaken(Problem):
    slug = "file-not-taken"
    status = 422
    title_id = "Berkas tidak dapat diterima"
    title_en = "The file could not be taken in"

    def __init__(self, refused: FileRefused) -> None:
        super().__init__(refused.english)
        self.refused = refused

    def body(self, language: str) -> dict[str, Any]:
        told = self.refused.english if language == "en" else self.refused.indonesian
        return super().body(language) | {"detail": told}


class StatementNotOurs(FileNotTaken):
    slug = "statement-of-other-account"
    title_id = "Rekening koran ini bukan dari rekening penerimaan"
    title_en = "This statement is not of the collecting account"


class FileNotPreviewed(Problem):
    slug = "file-not-previewed"
    status = 422
    title_id = "Ini bukan berkas yang tadi dipratinjau; lihat pratinjaunya dahulu"
    title_en = "This is not the file that was previewed; preview it first"


class FileOfNobody(Problem):
    slug = "file-of-nobody"
    status = 422
    title_id = "Pilih dahulu acquirer yang mengirim berkas ini"
    title_en = "Choose first which acquirer sent this file"


class FileNotFound(Problem):
    slug = "file-not-found"
    status = 404
    title_id = "Berkas ini tidak ada"
    title_en = "There is no such file"


# What was taken in


@router.get("/imports")
async def imports_page(
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
    before: Before = None,
) -> Response:
    """The files, newest first, and the lines of them that no money came for."""
    held = await reconciliation.held_lines(db, wired.books)
    unsettled = await reconciliation.unsettled_lines(db, wired.books, LINES_SHOWN + 1)
    return pages.render(
        request,
        TEMPLATES,
        "imports.html",
        books=wired.books,
        files=await queries.imported_files(db, before),
        waiting=(("held", held), ("unsettled", unsettled)),
        corrections=await corrections.waiting(db),
        most=LINES_SHOWN,
        today=wired.books.day(datetime.now(UTC)),
        day_of=wired.books.day,
        may_get=Right.GET_FILES in MAY[Role(officer.role)],
    )


@router.get("/imports/{file_id}/original")
async def original(
    file_id: UUID,
    officer: Annotated[Officer, allowed(Right.GET_FILES)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    """A file as it came, byte for byte; who took it out is on record."""
    file = await db.get(ImportedFile, file_id)
    if file is None:
        raise FileNotFound
    came_on = wired.books.day(file.imported_at)
    db.add(
        ReportDownload(
            who=officer.login,
            report=ORIGINAL,
            form="original",
            first_day=came_on,
            last_day=came_on,
            filters={"file": file.name, "kind": file.kind},
            row_count=await queries.lines_of_file(db, file.id),
            sha256=file.sha256,
            made_at=datetime.now(UTC),
        )
    )
    named = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(
        file.content,
        media_type="application/octet-stream",
        headers=pages.SECURITY_HEADERS
        | {"Cache-Control": "no-store", "Content-Disposition": named},
    )


# Taking in


@router.post("/settlement")
async def take_in_settlement(
    day: Day,
    file: UploadFile,
    officer: Annotated[Officer, confirmed(Right.TAKE_IN_FILES)],
    transactions: TransactionsDep,
    wired: WiringDep,
    mapping: Chosen = "",
    acquirer: Whose = "",
    previewed: Previewed = "",
) -> Response:
    terms = terms_of(wired, acquirer)

    async def work(db: AsyncSession, name: str, content: bytes) -> Imported:
        return await reconciliation.import_settlement(
            db,
            terms.name,
            name,
            content,
            wired.books,
            now=datetime.now(UTC),
            mapping=chosen(SettlementMapping, mapping, terms.settlement_mapping),
            merchant=terms.merchant_id,
            by=officer.id,
        )

    return await _take_in(transactions, wired, day, file, previewed, work)


def terms_of(wired: Wiring, acquirer: str) -> AcquirerTerms:
    """Of the acquirer whose file it is; where there are more than one, somebody must say."""
    if not acquirer and len(wired.acquirers) > 1:
        raise FileOfNobody
    terms = wired.settings.terms_of(acquirer or wired.settings.acquirer)
    if terms is None:
        raise AcquirerNotSet(acquirer)
    return terms


@router.post("/statement")
async def take_in_statement(
    day: Day,
    file: UploadFile,
    officer: Annotated[Officer, confirmed(Right.TAKE_IN_FILES)],
    transactions: TransactionsDep,
    wired: WiringDep,
    mapping: Chosen = "",
    previewed: Previewed = "",
) -> Response:
    async def work(db: AsyncSession, name: str, content: bytes) -> Imported:
        how = chosen(StatementMapping, mapping, wired.settings.statement_mapping)
        return await reconciliation.import_statement(
            db, name, content, wired.books, now=datetime.now(UTC), mapping=how, by=officer.id
        )

    return await _take_in(transactions, wired, day, file, previewed, work)


async def _take_in(
    transactions: Transactions,
    wired: Wiring,
    day: date,
    file: UploadFile,
    previewed: str,
    work: Callable[[AsyncSession, str, bytes], Awaitable[Imported]],
) -> Response:
    """Take a file in, and then compare the days it tells of."""
    content = await content_of(file, previewed)
    try:
        async with transactions.begin() as db:
            imported = await work(db, name_of(file), content)
    except StatementOfOtherAccount as exc:
        raise StatementNotOurs(exc) from exc
    except FileRefused as exc:
        raise FileNotTaken(exc) from exc
    except MappingRefused as exc:
        raise FileNotTaken(FileRefused(exc.english, exc.indonesian)) from exc
    await daily.after_import(transactions, imported, wired.books, now=datetime.now(UTC))
    did = {"lines": imported.lines, "total_rp": imported.total_rp, "known": imported.known}
    told = urlencode({"date": day, **did})
    return RedirectResponse(f"/office/reconciliation?{told}", 303)


def name_of(file: UploadFile) -> str:
    return (file.filename or "berkas").replace("\0", "")[:200]


async def content_of(file: UploadFile, previewed: str = "") -> bytes:
    """Raises FileNotPreviewed of another file than a preview showed."""
    content = await file.read(MAX_BYTES + 1)
    if previewed and hashlib.sha256(content).hexdigest() != previewed:
        raise FileNotPreviewed
    return content


# Looking at a file first


@router.get("/settlement/preview")
@router.get("/statement/preview")
async def back_to_the_day(
    request: Request, officer: Annotated[Officer, allowed(Right.TAKE_IN_FILES)]
) -> Response:
    """Where the page leads whoever asks for it in the other language: its file is not kept."""
    return RedirectResponse(f"/office/reconciliation?{request.url.query}", 303)


@router.post("/settlement/preview")
async def preview_settlement(
    day: Day,
    file: UploadFile,
    request: Request,
    officer: Annotated[Officer, allowed(Right.TAKE_IN_FILES)],
    db: Transaction,
    wired: WiringDep,
    mapping: Chosen = "",
    acquirer: Whose = "",
) -> Response:
    terms = terms_of(wired, acquirer)

    async def look(name: str, content: bytes) -> previews.SettlementPreview:
        return await previews.settlement(
            db,
            terms.name,
            name,
            content,
            wired.books,
            now=datetime.now(UTC),
            mapping=chosen(SettlementMapping, mapping, terms.settlement_mapping),
            merchant=terms.merchant_id,
        )

    names = choices(SettlementMapping, terms.settlement_mapping)
    told = (mapping, names)
    return await _preview(request, wired, "settlement", day, file, look, told, terms.name)


@router.post("/statement/preview")
async def preview_statement(
    day: Day,
    file: UploadFile,
    request: Request,
    officer: Annotated[Officer, allowed(Right.TAKE_IN_FILES)],
    db: Transaction,
    wired: WiringDep,
    mapping: Chosen = "",
) -> Response:
    configured = wired.settings.statement_mapping

    async def look(name: str, content: bytes) -> previews.StatementPreview:
        how = chosen(StatementMapping, mapping, configured)
        return await previews.statement(
            db, name, content, wired.books, now=datetime.now(UTC), mapping=how
        )

    names = choices(StatementMapping, configured)
    return await _preview(request, wired, "statement", day, file, look, (mapping, names))


async def _preview(
    request: Request,
    wired: Wiring,
    kind: str,
    day: date,
    file: UploadFile,
    look: Callable[[str, bytes], Awaitable[Any]],
    mapping: tuple[str, list[str]],
    acquirer: str = "",
) -> Response:
    """`mapping` is the one that was chosen, and those that there are."""
    name = name_of(file)
    content = await content_of(file)
    shown: dict[str, Any] = {"preview": None, "faults": ()}
    try:
        shown["preview"] = await look(name, content)
    except FileRefused as exc:
        shown["faults"] = exc.faults
    except MappingRefused as exc:
        shown["faults"] = (exc,)
    return pages.render(
        request,
        TEMPLATES,
        "import.html",
        books=wired.books,
        status=422 if shown["faults"] else 200,
        kind=kind,
        day=day,
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        most=MOST_SHOWN,
        chosen=mapping[0],
        mappings=mapping[1],
        acquirer=acquirer,
        acquirers=wired.acquirers.names,
        **shown,
    )
