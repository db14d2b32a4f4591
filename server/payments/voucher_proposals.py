"""Issuing and voiding vouchers: one officer proposes it, another decides, and it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.states import TransitionRefused
from domain.tariff import VehicleClass
from domain.voucher import parse_serial
from server.database import new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import Officer
from server.identity.service import Right
from server.payments import vouchers
from server.payments.books import Books
from server.payments.voucher_models import VoucherAct, VoucherBatch, VoucherEnd, VoucherProposal
from server.payments.vouchers import Issue, NoSeal
from server.spots.states import ProposalEvent, ProposalState, advance

MOST_RP = 1_000_000
"""What one voucher may be worth: far more than any stay costs."""


class VoucherProposalNotFound(NotFound):
    slug = "voucher-proposal-not-found"
    title_id = "Usulan voucher ini tidak ada"
    title_en = "There is no such proposal about vouchers"


class VoucherProposalDecided(Problem):
    slug = "voucher-proposal-decided"
    status = 409
    title_id = "Usulan voucher ini sudah diputuskan atau ditarik"
    title_en = "This proposal about vouchers was decided or withdrawn already"


class OwnVoucherProposal(Problem):
    slug = "own-voucher-proposal"
    status = 403
    title_id = "Yang mengusulkan voucher tidak boleh memutuskannya"
    title_en = "Who proposed it about vouchers may not decide it"


class NotOwnVoucherProposal(Problem):
    slug = "not-own-voucher-proposal"
    status = 403
    title_id = "Hanya yang mengusulkan voucher boleh menarik usulannya"
    title_en = "Only who proposed it about vouchers may withdraw it"


class VoucherBatchNotFound(NotFound):
    slug = "voucher-batch-not-found"
    title_id = "Batch voucher ini tidak ada"
    title_en = "There is no such batch of vouchers"


class VoucherDayPast(Problem):
    slug = "voucher-day-past"
    status = 409
    title_id = "Hari terakhir voucher sudah lewat"
    title_en = "The last day of the vouchers is over"


class VoucherRangeUnfit(Problem):
    slug = "voucher-range-unfit"
    status = 422
    title_id = "Nomor voucher tidak ada dalam batch ini"
    title_en = "The batch has no vouchers of these numbers"


class VouchersEnded(Problem):
    slug = "vouchers-ended"
    status = 409
    title_id = "Semua voucher itu sudah dipakai, dibatalkan, atau habis masa berlakunya"
    title_en = "All of these vouchers were used or voided, or have expired"


@dataclass(frozen=True)
class Range:
    """Vouchers of a batch, by their numbers in it; both included."""

    batch: int
    first: int
    last: int


@dataclass(frozen=True)
class Proposed:
    """A proposal with its names, as people see it."""

    row: VoucherProposal
    maker: str
    checker: str

    @property
    def state(self) -> ProposalState:
        return ProposalState(self.row.state)

    @property
    def amount_rp(self) -> int:
        """What a batch that is to be issued is worth."""
        return (self.row.count or 0) * (self.row.value_rp or 0)


async def propose_issue(
    db: AsyncSession,
    officer_id: UUID,
    wanted: Issue,
    reason: str,
    books: Books,
    *,
    now: datetime,
) -> UUID:
    """Ask that a batch is issued. Returns the proposal's id.

    Raises RoleNotAllowed, InvalidRequest, NoSeal or VoucherDayPast.
    """
    maker = await identity.acting(db, officer_id, Right.ISSUE_VOUCHERS)
    if not 1 <= wanted.count <= 10_000 or not 1 <= wanted.value_rp <= MOST_RP:
        raise InvalidRequest(f"count 1 … 10000, value 1 … {MOST_RP}")
    if not wanted.seller.strip().isprintable() or not wanted.seller.strip():
        raise InvalidRequest("seller")
    _refuse_unissuable(wanted, books, now)
    return await _add(
        db,
        maker,
        VoucherAct.ISSUE,
        reason,
        now,
        seller=wanted.seller.strip(),
        count=wanted.count,
        value_rp=wanted.value_rp,
        vehicle_class=wanted.vehicle_class and wanted.vehicle_class.value,
        valid_until=wanted.valid_until,
    )


def _refuse_unissuable(wanted: Issue, books: Books, now: datetime) -> None:
    if books.seal is None:
        raise NoSeal
    if wanted.valid_until < books.day(now):
        raise VoucherDayPast(f"{wanted.valid_until:%d-%m-%Y}")


async def propose_void(
    db: AsyncSession, officer_id: UUID, which: Range, reason: str, books: Books, *, now: datetime
) -> UUID:
    """Ask that vouchers are voided. Returns the proposal's id.

    Raises RoleNotAllowed, InvalidRequest, VoucherBatchNotFound, VoucherRangeUnfit, VouchersExpired
    or VouchersEnded.
    """
    maker = await identity.acting(db, officer_id, Right.ISSUE_VOUCHERS)
    vouchers.refuse_expired(await batch_of(db, which.batch), books, now)
    if not await still_out(db, which):
        raise VouchersEnded
    return await _add(
        db,
        maker,
        VoucherAct.VOID,
        reason,
        now,
        batch=which.batch,
        first_number=which.first,
        last_number=which.last,
    )


async def _add(
    db: AsyncSession, maker: Officer, act: VoucherAct, reason: str, now: datetime, **terms: Any
) -> UUID:
    _refuse_blank(reason)
    made = VoucherProposal(
        id=new_id(),
        act=act.value,
        reason=reason.strip(),
        state=ProposalState.REQUESTED.value,
        proposed_by=maker.id,
        proposed_at=now,
        why="",
        **terms,
    )
    db.add(made)
    await db.flush()
    return made.id


def _refuse_blank(reason: str) -> None:
    if not reason.strip():
        raise InvalidRequest("reason")


async def batch_of(db: AsyncSession, number: int) -> VoucherBatch:
    """Raises VoucherBatchNotFound."""
    batch = await db.get(VoucherBatch, number) if 0 < number < 10_000 else None
    if batch is None:
        raise VoucherBatchNotFound(f"{number:04}")
    return batch


async def still_out(db: AsyncSession, which: Range) -> list[int]:
    """The numbers of a range's vouchers that were neither redeemed nor voided.

    Raises VoucherBatchNotFound or VoucherRangeUnfit.
    """
    batch = await batch_of(db, which.batch)
    if not 1 <= which.first <= which.last <= batch.count:
        raise VoucherRangeUnfit(f"1 … {batch.count}")
    ended = await db.scalars(select(VoucherEnd.serial).where(VoucherEnd.batch == which.batch))
    gone = {parse_serial(serial)[1] for serial in ended}
    return [number for number in range(which.first, which.last + 1) if number not in gone]


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    proposal_id: UUID,
    books: Books,
    *,
    approve: bool,
    why: str,
    now: datetime,
) -> None:
    """Do what another officer proposed, or decline it.

    Raises RoleNotAllowed, VoucherProposalNotFound, OwnVoucherProposal, VoucherProposalDecided, and
    what proposing it would.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_VOUCHERS)
    _refuse_blank(why)
    row = await _locked(db, proposal_id)
    if row.proposed_by == checker.id:
        raise OwnVoucherProposal
    after = _after(row, ProposalEvent.APPROVED if approve else ProposalEvent.DECLINED)
    if approve and row.act == VoucherAct.ISSUE:
        _refuse_unissuable(terms_of(row), books, now)
        row.batch = await vouchers.next_number(db)
    row.state, row.decided_by, row.decided_at, row.why = after, checker.id, now, why.strip()
    await db.flush()
    if approve:
        maker = await db.get_one(Officer, row.proposed_by)
        await _carry_out(db, row, books, f"{maker.login}, {checker.login}", now)


async def _carry_out(
    db: AsyncSession, row: VoucherProposal, books: Books, who: str, now: datetime
) -> None:
    if row.act == VoucherAct.ISSUE:
        await vouchers.issue(db, terms_of(row), row.batch or 0, books, who, now=now)
        return
    which = range_of(row)
    if not await vouchers.void(
        db, which.batch, which.first, which.last, row.reason, books, now=now
    ):
        raise VouchersEnded


def terms_of(row: VoucherProposal) -> Issue:
    """What is to be issued, by a proposal of that."""
    if not (row.seller and row.count and row.value_rp and row.valid_until):
        raise ValueError(f"{row.id} issues nothing")
    only = VehicleClass(row.vehicle_class) if row.vehicle_class else None
    return Issue(row.seller, row.count, row.value_rp, only, row.valid_until)


def range_of(row: VoucherProposal) -> Range:
    """What is to be voided, by a proposal of that."""
    if not (row.batch and row.first_number and row.last_number):
        raise ValueError(f"{row.id} voids nothing")
    return Range(row.batch, row.first_number, row.last_number)


async def withdraw(
    db: AsyncSession, officer_id: UUID, proposal_id: UUID, why: str, *, now: datetime
) -> None:
    """Raises RoleNotAllowed, InvalidRequest, VoucherProposalNotFound, NotOwnVoucherProposal or
    VoucherProposalDecided."""
    maker = await identity.acting(db, officer_id, Right.ISSUE_VOUCHERS)
    _refuse_blank(why)
    row = await _locked(db, proposal_id)
    if row.proposed_by != maker.id:
        raise NotOwnVoucherProposal
    row.state = _after(row, ProposalEvent.WITHDRAWN)
    row.decided_by, row.decided_at, row.why = maker.id, now, why.strip()
    await db.flush()


async def found(db: AsyncSession, proposal_id: UUID) -> Proposed:
    """Raises VoucherProposalNotFound."""
    rows = await _told(db, _named().where(VoucherProposal.id == proposal_id))
    if not rows:
        raise VoucherProposalNotFound
    return rows[0]


async def latest(db: AsyncSession, limit: int, *, batch: int | None = None) -> Sequence[Proposed]:
    """Those that wait first, then the newest; of one batch, or all."""
    waits = VoucherProposal.state == ProposalState.REQUESTED
    asked = _named().order_by(waits.desc(), VoucherProposal.id.desc()).limit(limit)
    return await _told(db, asked if batch is None else asked.where(VoucherProposal.batch == batch))


def _named() -> Select[Any]:
    maker = select(Officer.name).where(Officer.id == VoucherProposal.proposed_by)
    checker = select(Officer.name).where(Officer.id == VoucherProposal.decided_by)
    return select(
        VoucherProposal, maker.scalar_subquery(), func.coalesce(checker.scalar_subquery(), "")
    )


async def _told(db: AsyncSession, asked: Select[Any]) -> list[Proposed]:
    return [Proposed(row, maker, checker) for row, maker, checker in await db.execute(asked)]


async def _locked(db: AsyncSession, proposal_id: UUID) -> VoucherProposal:
    row = await db.scalar(
        select(VoucherProposal)
        .where(VoucherProposal.id == proposal_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise VoucherProposalNotFound
    return row


def _after(row: VoucherProposal, event: ProposalEvent) -> str:
    try:
        return advance(ProposalState(row.state), event).value
    except TransitionRefused as exc:
        raise VoucherProposalDecided from exc
