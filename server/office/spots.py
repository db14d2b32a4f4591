"""The spots of every zone with what hangs there; files of them, and their printed signs."""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction, TransactionsDep, fetch
from server.errors import Fault, FileRefused, Problem
from server.guard import MAX_SPOT_FILE, most_mb
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.inspection import printing
from server.inspection.models import SpotFile
from server.inspection.printing import Kind, Preview
from server.office import taken_out
from server.office.imports import FileNotPreviewed, FileNotTaken, content_of, name_of
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, Within, allowed, confirmed
from server.pages import Before, Blank
from server.payments.wiring import WiringDep
from server.spots import sheets, signs
from server.spots.service import SpotNotFound

router = APIRouter(prefix="/spots")
TEMPLATES = Path(__file__).parent / "templates"
HERE = "/office/spots"
PAGE = 100
MOST_SIGNS = 100
"""At once: each is drawn and read back twice, while somebody waits."""
CHANGES_SHOWN = 500
Manager = Annotated[Officer, confirmed(Right.MANAGE_SPOTS)]

SPOTS = """
    SELECT s.code, s.place, z.name AS zone, s.exclusive, n.state AS sign, n.version,
        (SELECT max(day) FROM sign_scans c WHERE c.spot_id = s.id) AS scanned_on
    FROM spots s JOIN zones z ON z.id = s.zone_id
    LEFT JOIN signs n ON n.spot_id = s.id AND n.state NOT IN ('replaced', 'withdrawn')
    WHERE ($1::text IS NULL OR z.code = $1) AND ($2::text IS NULL OR s.code > $2)
        AND ($4::uuid[] IS NULL OR z.id = ANY($4))
    ORDER BY s.code LIMIT $3
"""
After = Annotated[str | None, Query(max_length=40)]


class TooManySigns(Problem):
    slug = "too-many-signs"
    status = 422
    title_id = "Terlalu banyak tanda sekaligus; cetak paling banyak seratus"
    title_en = "Too many signs at once; print a hundred at most"


class SignUnreadable(Problem):
    slug = "sign-unreadable"
    status = 409
    title_id = "Tanda tidak terbaca pada ukuran ini; pilih ukuran lain"
    title_en = "A sign is not read at this size; choose another"


@router.get("")
async def spots_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    zone: Annotated[str, Query(max_length=10)] = "",
    after: After = None,
) -> Response:
    rows = await fetch(db, SPOTS, zone or None, after, PAGE + 1, own.zones)
    return pages.render(
        request,
        TEMPLATES,
        "spots.html",
        books=wired.books,
        spots=rows[:PAGE],
        zone=zone,
        zones=await own.zone_names(db),
        after=rows[PAGE - 1]["code"] if len(rows) > PAGE else None,
        may_manage=Right.MANAGE_SPOTS in rights_of(officer),
        sizes=sheets.SIZES,
        has_seal=wired.books.seal is not None,
        most_mb=most_mb(MAX_SPOT_FILE),
    )


# Files


@router.get("/files")
async def files_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    kind: Annotated[Kind | None, Blank, Query()] = None,
    before: Before = None,
    taken: Annotated[UUID | None, Blank, Query()] = None,
) -> Response:
    """Every file that was taken in; `taken` is the record of the one that just was."""
    return pages.render(
        request,
        TEMPLATES,
        "spot-files.html",
        books=wired.books,
        files=await printing.taken_in(db, before, kind),
        kind=kind or "",
        taken=await db.get(SpotFile, taken) if taken else None,
    )


@router.get("/files/{kind}/preview")
async def back(kind: Kind, officer: Annotated[Officer, allowed(Right.MANAGE_SPOTS)]) -> Response:
    """Where the page leads whoever asks for it in the other language: its file is not kept."""
    return RedirectResponse(HERE, 303)


@router.post("/files/{kind}/preview")
async def preview(
    kind: Kind,
    file: UploadFile,
    request: Request,
    officer: Annotated[Officer, allowed(Right.MANAGE_SPOTS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    name, content = name_of(file), await content_of(file)
    found: Preview | None = None
    faults: tuple[Fault, ...] = ()
    try:
        found = await printing.preview(db, kind, name, content, now=datetime.now(UTC))
    except FileRefused as exc:
        faults = exc.faults
    return pages.render(
        request,
        TEMPLATES,
        "spot-file.html",
        books=wired.books,
        kind=kind,
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        preview=found,
        faults=faults,
        most=CHANGES_SHOWN,
    )


@router.post("/files/{kind}")
async def take_in(
    kind: Kind,
    file: UploadFile,
    officer: Manager,
    db: Transaction,
    sha256: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Only the file that a preview showed, of which `sha256` is."""
    if not sha256:
        raise FileNotPreviewed
    name, content = name_of(file), await content_of(file, sha256)
    try:
        now = datetime.now(UTC)
        record = await printing.take_in(db, kind, name, content, officer.login, now=now)
    except FileRefused as exc:
        raise FileNotTaken(exc) from exc
    return RedirectResponse(f"{HERE}/files?taken={record.id}", 303)


# Signs


@router.post("/signs")
async def print_signs(
    officer: Manager,
    transactions: TransactionsDep,
    wired: WiringDep,
    why: Reason,
    size: Annotated[str, Form(pattern=f"^({'|'.join(sheets.SIZES)})$")],
    spot: Annotated[list[str] | None, Form(max_length=PAGE)] = None,
    zone: Annotated[str, Form(max_length=10)] = "",
    replace: Annotated[bool, Form()] = False,
) -> Response:
    """Sheets of a zone's spots, or of those that were chosen; new ones are in the registry."""
    if not spot and not zone:
        raise SpotNotFound
    now = datetime.now(UTC)
    merchant = wired.settings.merchant_name
    async with transactions.begin() as db:
        spots = await printing.wanted(db, None if zone else spot, zone or None)
        if len(spots) > MOST_SIGNS:
            raise TooManySigns(str(len(spots)))
        drawing = await printing.plan(db, wired.books, spots, merchant, replace=replace, now=now)
    content = await asyncio.to_thread(_drawn, drawing.sheets, size)
    async with transactions.begin() as db:
        await signs.issue(db, drawing.planned, drawing.key_id, officer.login, why, now=now)
    told = ", ".join(f"{each.spot.code} ({each.version})" for each in drawing.planned)
    filters = {"size": size, "new": str(drawing.new), "signs": told, "why": why}
    filters |= {"zone": zone} if zone else {}
    today = wired.books.day(now)
    what = taken_out.What("tanda", today, today, filters)
    return await taken_out.pdf(
        transactions, officer, what, f"tanda-{size}.pdf", content, len(spots), now=now
    )


def _drawn(drawn: list[sheets.Sheet], size: str) -> bytes:
    try:
        return sheets.draw(drawn, sheets.SIZES[size], lambda: None)
    except sheets.SheetUnreadable as exc:
        raise SignUnreadable(str(exc)) from exc
