"""Paying attendants and third parties their shares, in runs by the bank's bulk file.

A share stays payable until the bank has said that its line was paid; a line that failed is owed as
before, comes with the next run, and is a case until it is paid.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.states import TransitionRefused
from server.database import new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import Attendant, Officer
from server.identity.service import Right
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.models import Entry, Posting
from server.ledger.reports import cell
from server.paging import Page, page
from server.payments.books import Books
from server.reconciliation import numbers, transfers, turns
from server.reconciliation.payees import agreed as agreed_accounts
from server.reconciliation.payees import waiting as told_accounts
from server.reconciliation.payout_models import PayeeAccount, PayoutLine, PayoutRun
from server.reconciliation.states import (
    LineEvent,
    LineState,
    RunEvent,
    RunState,
    advance_line,
    advance_run,
)
from server.sealing import Seal

PAYABLE = (postings.ATTENDANT_PAYABLE, postings.THIRD_PARTY_PAYABLE)
NUMBER = re.compile("[0-9]{6,20}")


class PayeesNotKept(Problem):
    slug = "payees-not-kept"
    status = 409
    title_id = "Server ini tidak menyimpan nomor rekening; minta admin mengisi kuncinya"
    title_en = "This server keeps no account numbers; ask the admin to set the key"


class NothingToPayOut(Problem):
    slug = "nothing-to-pay-out"
    status = 409
    title_id = "Tidak ada bagi hasil yang dapat dibayarkan sampai hari itu"
    title_en = "There are no shares to pay out until that day"


class PayoutNotFound(NotFound):
    slug = "payout-not-found"
    title_id = "Pembayaran bagi hasil ini tidak ada"
    title_en = "There is no such payout of shares"


class PayoutNotPossible(Problem):
    slug = "payout-not-possible"
    status = 409
    title_id = "Pembayaran bagi hasil ini sudah diputuskan atau belum disetujui"
    title_en = "This payout of shares was decided already, or is not approved yet"


class OwnPayout(Problem):
    slug = "own-payout"
    status = 403
    title_id = "Yang menyiapkan pembayaran tidak boleh menyetujuinya"
    title_en = "Who prepared the payout may not approve it"


@dataclass(frozen=True)
class Payee:
    """What a party is owed; `account` is where it goes, None while no two officers have said so.

    `told` is a newer account that waits for the second officer.
    """

    account_code: str
    party: str
    owed_rp: int
    waiting_rp: int
    account: PayeeAccount | None
    told: PayeeAccount | None = None


async def payees(db: AsyncSession, until: date | None = None) -> list[Payee]:
    """All that are owed shares: until a business day what was earned by then and is owed still."""
    owed_rp = -func.sum(Posting.amount_rp)
    if until is not None:
        # What was paid or taken back since counts, what was earned since does not.
        earned_since = (Posting.amount_rp < 0) & (Entry.business_day > until)
        owed_rp = -func.coalesce(func.sum(Posting.amount_rp).filter(~earned_since), 0)
    rows = await db.execute(
        select(Posting.account_code, func.coalesce(Posting.party, ""), owed_rp)
        .join(Entry, Entry.id == Posting.entry_id)
        .where(Posting.account_code.in_(PAYABLE))
        .group_by(Posting.account_code, Posting.party)
        .having(owed_rp > 0)
        .order_by(Posting.account_code, Posting.party)
    )
    waiting = {
        (line.account_code, line.party): line.amount_rp
        for line in await db.scalars(
            select(PayoutLine).where(PayoutLine.state == LineState.WAITING)
        )
    }
    accounts, told = await agreed_accounts(db), await told_accounts(db)
    return [
        Payee(code, party, int(rp), waiting.get(of, 0), accounts.get(of), told.get(of))
        for code, party, rp in rows
        for of in ((code, party),)
    ]


@dataclass(frozen=True)
class ToldAccount:
    """Where a party wants its shares."""

    account_code: str
    party: str
    bank: str
    holder: str
    number: str


async def record_account(
    db: AsyncSession,
    officer_id: UUID,
    told: ToldAccount,
    key: SecretStr | None,
    *,
    now: datetime,
) -> None:
    """Keep a payee's bank account, its number sealed, until another officer agrees to it.

    Of an attendant also before any share is owed. The one before it is kept too.

    Raises InvalidRequest, PayeesNotKept or RoleNotAllowed.
    """
    maker = await identity.acting(db, officer_id, Right.PAY_SHARES)
    if key is None:
        raise PayeesNotKept
    number = told.number.replace(" ", "").replace("-", "").replace(".", "")
    if NUMBER.fullmatch(number) is None or told.account_code not in PAYABLE:
        raise InvalidRequest("number: 6 to 20 digits")
    if not await _may_be_owed(db, told):
        raise PayoutNotFound
    db.add(
        PayeeAccount(
            account_code=told.account_code,
            party=told.party,
            bank=told.bank.strip(),
            holder=told.holder.strip(),
            sealed=Seal(key).close(number),
            ending=number[-3:],
            recorded_by=maker.id,
            recorded_at=now,
        )
    )
    await db.flush()


async def _may_be_owed(db: AsyncSession, told: ToldAccount) -> bool:
    if any(one.party == told.party for one in await payees(db)):
        return True
    attendant = select(Attendant.id).where(Attendant.code == told.party)
    is_attendant = told.account_code == postings.ATTENDANT_PAYABLE
    return is_attendant and await db.scalar(attendant) is not None


async def told_of(db: AsyncSession, owed: Sequence[Payee]) -> list[Payee]:
    """Whose account waits for the second officer: of these, and who is owed nothing yet."""
    accounts, told = await agreed_accounts(db), await told_accounts(db)
    known = {(one.account_code, one.party) for one in owed}
    others = [
        Payee(*of, 0, 0, accounts.get(of), account)
        for of, account in told.items()
        if of not in known
    ]
    return [*(one for one in owed if one.told is not None), *others]


async def prepare(
    db: AsyncSession, officer_id: UUID, until: date, books: Books, *, now: datetime
) -> PayoutRun:
    """A run over all that is owed until a day to payees with an account, none of them twice.

    Raises NothingToPayOut or RoleNotAllowed.
    """
    maker = await identity.acting(db, officer_id, Right.PAY_SHARES)
    await turns.one_at_a_time(db)
    owed = [
        (one, one.account)
        for one in await payees(db, until)
        if one.account is not None and not one.waiting_rp
    ]
    if not owed:
        raise NothingToPayOut
    series, sequence = await numbers.take(db, numbers.PAYOUT, books.day(now).year)
    run = PayoutRun(
        id=new_id(),
        number=numbers.written(series, sequence),
        series=series,
        sequence=sequence,
        until=until,
        amount_rp=sum(one.owed_rp for one, _ in owed),
        state=RunState.PREPARED.value,
        prepared_by=maker.id,
        prepared_at=now,
        why="",
    )
    db.add(run)
    await db.flush()
    db.add_all(
        PayoutLine(
            id=new_id(),
            run_id=run.id,
            position=position,
            account_code=one.account_code,
            party=one.party,
            payee_account_id=account.id,
            amount_rp=one.owed_rp,
            state=LineState.WAITING.value,
            evidence="",
        )
        for position, (one, account) in enumerate(owed, start=1)
    )
    await db.flush()
    return run


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    run_id: UUID,
    why: str,
    *,
    agree: bool,
    now: datetime,
) -> None:
    """Another officer lets the file go to the bank, or drops the run.

    Raises PayoutNotFound, PayoutNotPossible, OwnPayout or RoleNotAllowed.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_PAYOUT)
    run = await _locked(db, run_id)
    if run.prepared_by == checker.id:
        raise OwnPayout
    event = RunEvent.APPROVED if agree else RunEvent.DECLINED
    try:
        after = advance_run(RunState(run.state), event)
    except TransitionRefused as exc:
        raise PayoutNotPossible from exc
    run.state, run.decided_by, run.decided_at = after.value, checker.id, now
    run.why = "" if agree else why[:200]
    if not agree:
        for line, _ in await lines_of(db, run_id):
            line.state = advance_line(LineState(line.state), LineEvent.DROPPED).value
    await db.flush()


async def tell(
    db: AsyncSession,
    officer_id: UUID,
    run_id: UUID,
    positions: Sequence[int],
    evidence: str,
    books: Books,
    *,
    paid: bool,
    now: datetime,
) -> None:
    """What the bank said of some lines of an approved run; what was paid is owed no longer.

    `evidence` names the bank's reference, or why it failed. Raises as `decide` does.
    """
    teller = await identity.acting(db, officer_id, Right.PAY_SHARES)
    run = await _locked(db, run_id)
    if run.state != RunState.APPROVED or not evidence.strip():
        raise PayoutNotPossible
    found = [line for line, _ in await lines_of(db, run_id) if line.position in positions]
    if len(found) != len(set(positions)) or not found:
        raise PayoutNotFound
    event = LineEvent.PAID if paid else LineEvent.FAILED
    for line in found:
        said = Said(event, evidence.strip(), now, by=teller.id)
        await advance(db, run, line, said, books)
    await db.flush()


@dataclass(frozen=True)
class Said:
    """What the bank said of a line: told by an officer, or by a file of its."""

    event: LineEvent
    evidence: str
    at: datetime
    by: UUID | None = None
    file_id: UUID | None = None


async def advance(
    db: AsyncSession, run: PayoutRun, line: PayoutLine, said: Said, books: Books
) -> None:
    """What became of a line of an approved run; one that failed is a case.

    Raises PayoutNotPossible.
    """
    try:
        after = advance_line(LineState(line.state), said.event)
    except TransitionRefused as exc:
        raise PayoutNotPossible from exc
    paid = said.event is LineEvent.PAID
    entry_id = await _post(db, run, line, books, said.at) if paid else None
    line.state, line.evidence, line.entry_id = after.value, said.evidence[:200], entry_id
    line.told_by, line.told_at, line.result_file_id = said.by, said.at, said.file_id
    await db.flush()
    if not paid:
        await transfers.open_case(
            db, transfers.PAYOUT_FAILED, line.amount_rp, said.at, payout_line_id=line.id
        )


async def _post(
    db: AsyncSession, run: PayoutRun, line: PayoutLine, books: Books, now: datetime
) -> UUID:
    return await ledger.record(
        db,
        postings.for_share_paid(line.amount_rp, line.account_code, line.party),
        source=f"payout:{line.id}",
        description=f"Bagi hasil {line.party}, {run.number}/{line.position}"[:200],
        business_day=books.business_day(now),
        now=now,
    )


async def _locked(db: AsyncSession, run_id: UUID) -> PayoutRun:
    run: PayoutRun | None = await db.scalar(
        select(PayoutRun)
        .where(PayoutRun.id == run_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise PayoutNotFound
    return run


async def lines_of(db: AsyncSession, run_id: UUID) -> Sequence[tuple[PayoutLine, PayeeAccount]]:
    rows = await db.execute(
        select(PayoutLine, PayeeAccount)
        .join(PayeeAccount, PayeeAccount.id == PayoutLine.payee_account_id)
        .where(PayoutLine.run_id == run_id)
        .order_by(PayoutLine.position)
    )
    return [(line, account) for line, account in rows]


async def never_paid_before(db: AsyncSession, run_id: UUID) -> dict[int, str]:
    """The lines of a run whose account was never paid to, and the officer who recorded each.

    Who approves a run must see where an account was changed by one officer alone.
    """
    before = aliased(PayoutLine)
    paid = (
        select(before.id)
        .where(before.payee_account_id == PayoutLine.payee_account_id)
        .where(before.state == LineState.PAID, before.run_id != run_id)
    )
    rows = await db.execute(
        select(PayoutLine.position, Officer.name)
        .join(PayeeAccount, PayeeAccount.id == PayoutLine.payee_account_id)
        .join(Officer, Officer.id == PayeeAccount.recorded_by)
        .where(PayoutLine.run_id == run_id, ~paid.exists())
    )
    return {row.position: row.name for row in rows}


async def latest(db: AsyncSession, before: str | None) -> Page[PayoutRun]:
    return await page(db, select(PayoutRun), (PayoutRun.id,), before, lambda row: row)


@dataclass(frozen=True)
class BulkFile:
    content: bytes
    row_count: int


async def bulk_file(
    db: AsyncSession, run: PayoutRun, columns: str, key: SecretStr | None
) -> BulkFile:
    """The file that the bank pays by, of the lines that wait for it; `columns` says what stands
    where.

    Raises PayeesNotKept or PayoutNotPossible.
    """
    lines = await lines_of(db, run.id)
    waiting = [told for told in lines if told[0].state == LineState.WAITING]
    if run.state != RunState.APPROVED or not waiting:
        raise PayoutNotPossible
    if key is None:
        raise PayeesNotKept
    heads = [column.partition("=") for column in columns.split(",")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([cell(head) for head, _, _ in heads])
    for line, account in waiting:
        told = {
            "account": Seal(key).open(account.sealed),
            "holder": account.holder,
            "bank": account.bank,
            "amount": str(line.amount_rp),
            "reference": f"{run.number}/{line.position}",
        }
        writer.writerow([cell(told[field]) for _, _, field in heads])
    return BulkFile(out.getvalue().encode(), len(waiting))


@dataclass(frozen=True)
class Received:
    """What an attendant was last paid, and what is on its way."""

    last_rp: int
    last_at: datetime | None
    waiting_rp: int


async def received_by(db: AsyncSession, attendant: str) -> Received:
    own = (
        PayoutLine.account_code == postings.ATTENDANT_PAYABLE,
        PayoutLine.party == attendant,
    )
    last = await db.scalar(
        select(PayoutLine)
        .where(*own, PayoutLine.state == LineState.PAID)
        .order_by(PayoutLine.told_at.desc())
        .limit(1)
    )
    waiting_rp = await db.scalar(
        select(func.coalesce(func.sum(PayoutLine.amount_rp), 0))
        .join(PayoutRun, PayoutRun.id == PayoutLine.run_id)
        .where(*own, PayoutLine.state == LineState.WAITING, PayoutRun.state == RunState.APPROVED)
    )
    return Received(
        last.amount_rp if last else 0, last.told_at if last else None, int(waiting_rp or 0)
    )
