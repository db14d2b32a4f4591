"""Settlement files that an acquirer sends again with lines corrected.

A line is evidence, so no file changes one by itself: one officer asks that the new file counts, and
another agrees. Then the earlier line is taken back by one of the same amounts with the other sign,
and told again: in the books as in the lines nothing that was written is changed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.states import TransitionRefused
from server.database import new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import Officer
from server.identity.service import Right
from server.payments.books import Books
from server.reconciliation import previews, service
from server.reconciliation.mappings import SettlementMapping
from server.reconciliation.models import ImportedFile, SettlementCorrection, SettlementLine
from server.reconciliation.service import AMOUNTS, Imported
from server.spots.states import ProposalEvent, ProposalState, advance


class CorrectionNotFound(NotFound):
    slug = "correction-not-found"
    title_id = "Koreksi berkas ini tidak ada"
    title_en = "There is no such correction of a file"


class NothingToCorrect(Problem):
    slug = "nothing-to-correct"
    status = 422
    title_id = "Berkas ini tidak mengubah baris mana pun; masukkan seperti biasa"
    title_en = "This file changes no line; take it in as any other"


class CorrectionWaits(Problem):
    slug = "correction-waits"
    status = 409
    title_id = "Koreksi dengan berkas ini sudah diusulkan dan menunggu keputusan"
    title_en = "A correction by this file was asked for already, and waits to be decided"


class CorrectionDecided(Problem):
    slug = "correction-decided"
    status = 409
    title_id = "Koreksi ini sudah diputuskan atau ditarik"
    title_en = "This correction was decided or withdrawn already"


class CorrectionStale(Problem):
    slug = "correction-stale"
    status = 409
    title_id = "Baris yang dikoreksi sudah berubah sejak diusulkan; tolak dan usulkan lagi"
    title_en = "The lines it corrects have changed since; decline it, and ask for it again"


class OwnCorrection(Problem):
    slug = "own-correction"
    status = 403
    title_id = "Yang mengusulkan koreksi tidak boleh memutuskannya"
    title_en = "Who asked for a correction may not decide on it"


class NotOwnCorrection(Problem):
    slug = "not-own-correction"
    status = 403
    title_id = "Hanya yang mengusulkan koreksi boleh menariknya"
    title_en = "Only who asked for a correction may withdraw it"


@dataclass(frozen=True)
class CorrectedFile:
    """A file as it came, whose it is, and how it is read; `mapping_name` as an officer chose it."""

    acquirer: str
    name: str
    content: bytes
    mapping: SettlementMapping
    mapping_name: str = ""
    merchant: str = ""


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    file: CorrectedFile,
    reason: str,
    books: Books,
    now: datetime,
) -> UUID:
    """Ask that a file corrects lines of earlier ones; nothing is taken in yet.

    Raises FileRefused, NothingToCorrect, CorrectionWaits, InvalidRequest or RoleNotAllowed.
    """
    maker = await identity.acting(db, officer_id, Right.TAKE_IN_FILES)
    if not reason.strip():
        raise InvalidRequest("reason")
    async with previews.undone(db):
        _, lines = await _take_in(db, file, None, books, now)
    if not lines:
        raise NothingToCorrect
    made = SettlementCorrection(
        id=new_id(),
        acquirer=file.acquirer,
        mapping=file.mapping_name,
        name=file.name,
        sha256=hashlib.sha256(file.content).digest(),
        content=file.content,
        lines=lines,
        reason=reason.strip(),
        state=ProposalState.REQUESTED.value,
        asked_by=maker.id,
        asked_at=now,
        why="",
    )
    try:
        async with db.begin_nested():
            db.add(made)
    except IntegrityError as exc:
        raise CorrectionWaits from exc
    return made.id


async def _take_in(
    db: AsyncSession, file: CorrectedFile, by: UUID | None, books: Books, now: datetime
) -> tuple[Imported, list[dict[str, Any]]]:
    imported = await service.import_settlement(
        db,
        file.acquirer,
        file.name,
        file.content,
        books,
        now=now,
        mapping=file.mapping,
        merchant=file.merchant,
        by=by,
        corrects=True,
    )
    if imported.file_id is None:
        return imported, []
    return imported, await _changed(db, hashlib.sha256(file.content).digest())


async def _changed(db: AsyncSession, sha256: bytes) -> list[dict[str, Any]]:
    """The lines that a file took back, and what it tells in their place."""
    back, now_told = aliased(SettlementLine), aliased(SettlementLine)
    rows = await db.execute(
        select(SettlementLine, now_told)
        .join(back, back.takes_back_id == SettlementLine.id)
        .join(ImportedFile, ImportedFile.id == back.file_id)
        .join(
            now_told,
            (now_told.file_id == back.file_id)
            & (now_told.line_number == back.line_number)
            & now_told.takes_back_id.is_(None),
        )
        .where(ImportedFile.sha256 == sha256)
        .order_by(back.line_number)
    )
    return [
        {
            "line_number": after.line_number,
            "acquirer_reference": after.acquirer_reference,
            "reference": after.reference,
            "rrn": after.rrn,
            "before": _told(before),
            "after": _told(after),
        }
        for before, after in rows
    ]


def _told(line: SettlementLine) -> dict[str, Any]:
    return {name: getattr(line, name) for name in ("batch_id", *AMOUNTS)}


async def approve(
    db: AsyncSession,
    officer_id: UUID,
    correction_id: UUID,
    books: Books,
    *,
    mapping: SettlementMapping,
    merchant: str = "",
    why: str,
    now: datetime,
) -> Imported:
    """Take the file in with its corrections.

    Raises RoleNotAllowed, CorrectionNotFound, OwnCorrection, CorrectionDecided, CorrectionStale or
    FileRefused.
    """
    checker, row = await _to_decide(db, officer_id, correction_id)
    after = _after(row, ProposalEvent.APPROVED)
    file = CorrectedFile(row.acquirer, row.name, row.content, mapping, merchant=merchant)
    imported, lines = await _take_in(db, file, row.asked_by, books, now)
    if lines != row.lines:
        raise CorrectionStale
    row.state, row.decided_by, row.decided_at, row.why = after, checker.id, now, why.strip()
    await db.flush()
    return imported


async def decline(
    db: AsyncSession, officer_id: UUID, correction_id: UUID, why: str, *, now: datetime
) -> None:
    """Raises RoleNotAllowed, CorrectionNotFound, OwnCorrection or CorrectionDecided."""
    checker, row = await _to_decide(db, officer_id, correction_id)
    row.state = _after(row, ProposalEvent.DECLINED)
    row.decided_by, row.decided_at, row.why = checker.id, now, why.strip()
    await db.flush()


async def _to_decide(
    db: AsyncSession, officer_id: UUID, correction_id: UUID
) -> tuple[Officer, SettlementCorrection]:
    checker = await identity.acting(db, officer_id, Right.DECIDE_CASE)
    row = await _locked(db, correction_id)
    if row.asked_by == checker.id:
        raise OwnCorrection
    return checker, row


async def withdraw(
    db: AsyncSession, officer_id: UUID, correction_id: UUID, why: str, *, now: datetime
) -> None:
    """Take back one's own; raises CorrectionNotFound, NotOwnCorrection or CorrectionDecided."""
    maker = await identity.acting(db, officer_id, Right.TAKE_IN_FILES)
    row = await _locked(db, correction_id)
    if row.asked_by != maker.id:
        raise NotOwnCorrection
    row.state = _after(row, ProposalEvent.WITHDRAWN)
    row.decided_by, row.decided_at, row.why = maker.id, now, why.strip()
    await db.flush()


async def _locked(db: AsyncSession, correction_id: UUID) -> SettlementCorrection:
    row = await db.scalar(
        select(SettlementCorrection)
        .where(SettlementCorrection.id == correction_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise CorrectionNotFound
    return row


def _after(row: SettlementCorrection, event: ProposalEvent) -> str:
    try:
        return advance(ProposalState(row.state), event).value
    except TransitionRefused as exc:
        raise CorrectionDecided from exc


@dataclass(frozen=True)
class Correction:
    """A correction with the names of who asked and who decided."""

    row: SettlementCorrection
    maker: str
    checker: str


async def found(db: AsyncSession, correction_id: UUID) -> Correction:
    """Raises CorrectionNotFound."""
    told = await _named(db, SettlementCorrection.id == correction_id)
    if not told:
        raise CorrectionNotFound
    return told[0]


async def waiting(db: AsyncSession) -> Sequence[Correction]:
    return await _named(db, SettlementCorrection.state == ProposalState.REQUESTED)


async def _named(db: AsyncSession, which: Any) -> list[Correction]:
    maker, checker = aliased(Officer), aliased(Officer)
    rows = await db.execute(
        select(SettlementCorrection, maker.name, checker.name)
        .join(maker, maker.id == SettlementCorrection.asked_by)
        .outerjoin(checker, checker.id == SettlementCorrection.decided_by)
        .where(which)
        .order_by(SettlementCorrection.asked_at)
    )
    return [Correction(row, asked, decided or "") for row, asked, decided in rows]
