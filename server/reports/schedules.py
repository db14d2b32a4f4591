"""Reports that are made by themselves: which, of which periods, and each file exactly once.

Nothing remembers what is still to be made: a period is due when it is over and its schedule has no
file of it, nor left it out as too long for one. So a server that was away for a week makes up for
it, and two that are awake at once write the same file once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum, auto
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.identity.models import ROOT, Officer, Role
from server.identity.service import MAY, Right, RoleNotAllowed
from server.payments.books import Books
from server.reports import catalogue, downloads
from server.reports.downloads import File, Form, Reader, ReportTooLong
from server.reports.models import (
    LeftOutMail,
    ReportDownload,
    ReportSchedule,
    ScheduledFile,
    ScheduledMail,
)
from server.reports.signing import ReportSigner
from server.reports.table import Asked, Comparison, Filter, Period, Report

log = structlog.get_logger()

MOST = 20
"""Schedules of one officer that run at a time."""
AGAIN = timedelta(hours=1)
"""After which a file that could not be made is tried again."""
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
COMPARE = "compare"


class ScheduleNotFound(NotFound):
    slug = "report-schedule-not-found"
    title_id = "Jadwal laporan ini tidak ada, atau bukan milik Anda"
    title_en = "There is no such schedule of reports, or it is not yours"


class ScheduledFileNotFound(NotFound):
    slug = "scheduled-report-not-found"
    title_id = "Berkas laporan ini tidak ada, atau bukan milik Anda"
    title_en = "There is no such report file, or it is not yours"


class TooManySchedules(Problem):
    slug = "too-many-report-schedules"
    status = 409
    title_id = f"Paling banyak {MOST} jadwal laporan; hentikan salah satunya dahulu"
    title_en = f"At most {MOST} schedules of reports; end one of them first"


class MailAddressUnfit(Problem):
    slug = "mail-address-unfit"
    status = 422
    title_id = "Alamat surel ini tidak dapat dipakai"
    title_en = "This mail address cannot be used"


class MailNotSetUp(Problem):
    slug = "mail-not-set-up"
    status = 409
    title_id = "Server ini tidak mengirim surel; kosongkan alamatnya"
    title_en = "This server sends no mail; leave the address empty"


class Every(StrEnum):
    """Of which periods a schedule makes files: each day, week (from Monday on) or month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def around(self, day: date) -> Period:
        """The period that a day is in."""
        if self is Every.DAY:
            return Period(day, day)
        if self is Every.WEEK:
            monday = day - timedelta(days=day.weekday())
            return Period(monday, monday + timedelta(days=6))
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
        return Period(first, after - timedelta(days=1))


class Step(Enum):
    """What came of the period that is next of a schedule."""

    MADE = auto()
    LEFT_OUT = auto()
    NONE = auto()
    """It is not due, or another process made it."""


@dataclass(frozen=True)
class Wish:
    """What an officer wants made: of which periods, when on the day after, and told to whom."""

    report: Report
    filters: Mapping[Filter, str]
    comparison: Comparison | None
    every: Every
    at: time
    form: Form
    language: str
    mail_to: str


async def plan(
    db: AsyncSession, officer: Officer, wish: Wish, books: Books, *, mails: bool, now: datetime
) -> UUID:
    """From the period that is running now on. Raises RoleNotAllowed and this module's problems."""
    if not _allowed(wish.report, wish.filters, MAY[Role(officer.role)]):
        raise RoleNotAllowed
    if wish.mail_to and not mails:
        raise MailNotSetUp
    if wish.mail_to and not ADDRESS.fullmatch(wish.mail_to):
        raise MailAddressUnfit
    # One at a time of an officer: the limit holds.
    await db.execute(select(Officer.id).where(Officer.id == officer.id).with_for_update())
    running = select(func.count()).select_from(ReportSchedule)
    of_officer = running.where(
        ReportSchedule.officer_id == officer.id, ReportSchedule.ended_at.is_(None)
    )
    if (await db.scalar(of_officer) or 0) >= MOST:
        raise TooManySchedules
    compared = {} if wish.comparison is None else {COMPARE: wish.comparison.value}
    schedule = ReportSchedule(
        id=new_id(),
        officer_id=officer.id,
        report=wish.report.name,
        filters={name.value: value for name, value in wish.filters.items()} | compared,
        every=wish.every.value,
        at=wish.at,
        form=wish.form.value,
        language=wish.language,
        mail_to=wish.mail_to or None,
        first_day=wish.every.around(books.business_day(now)).first,
        made_at=now,
    )
    db.add(schedule)
    return schedule.id


async def end(db: AsyncSession, officer_id: UUID, schedule_id: UUID, *, now: datetime) -> None:
    """The officer wants no more of it; what was made stays. Raises ScheduleNotFound."""
    schedule = await db.get(ReportSchedule, schedule_id)
    if schedule is None or schedule.officer_id != officer_id:
        raise ScheduleNotFound
    await _end(db, schedule_id, "officer", now)


async def _end(db: AsyncSession, schedule_id: UUID, why: str, now: datetime) -> None:
    await db.execute(
        update(ReportSchedule)
        .where(ReportSchedule.id == schedule_id, ReportSchedule.ended_at.is_(None))
        .values(ended_at=now, ended_why=why)
    )


def _allowed(report: Report, filters: Mapping[Filter, str], rights: frozenset[Right]) -> bool:
    return report.needs in rights and set(filters) <= report.offered(rights)


def _shows(report: Report, filters: Mapping[str, str], rights: frozenset[Right]) -> set[Right]:
    """The rights that a reader needs for what was made for somebody with `rights`."""
    shown = {column.needs for column in report.columns if column.needs in rights}
    by_attendant = {Right.SEE_BOOKS} if Filter.ATTENDANT in filters else set()
    return {report.needs} | by_attendant | {right for right in shown if right is not None}


async def write_due(
    transactions: Transactions, books: Books, signer: ReportSigner | None, *, now: datetime
) -> int:
    """Make every file that is due; how many. What fails holds up no other schedule."""
    async with transactions.begin() as db:
        found = await db.scalars(
            select(ReportSchedule.id)
            .where(ReportSchedule.ended_at.is_(None))
            .order_by(ReportSchedule.id)
        )
        live = found.all()
    made = 0
    for schedule_id in live:
        try:
            step = Step.LEFT_OUT
            while step is not Step.NONE:
                step = await _write_next(transactions, books, signer, schedule_id, now)
                made += step is Step.MADE
        except Problem as exc:
            log.warning("scheduled_report_failed", reason=exc.slug)
            await _note_failure(transactions, schedule_id, exc.slug, now)
        except Exception:
            log.exception("scheduled_report_failed")
            await _note_failure(transactions, schedule_id, "internal", now)
    return made


async def _note_failure(
    transactions: Transactions, schedule_id: UUID, slug: str | None, now: datetime
) -> None:
    async with transactions.begin() as db:
        await db.execute(
            update(ReportSchedule)
            .where(ReportSchedule.id == schedule_id)
            .values(failed_at=None if slug is None else now, failure=slug)
        )


async def _write_next(
    transactions: Transactions,
    books: Books,
    signer: ReportSigner | None,
    schedule_id: UUID,
    now: datetime,
) -> Step:
    """Make the file that is due next, if one is."""
    async with transactions.begin() as db:
        schedule = await db.get_one(ReportSchedule, schedule_id)
        officer = await db.get_one(Officer, schedule.officer_id)
        report, asked = await _next(db, schedule, books, now)
        rights = MAY[Role(officer.role)]
        if officer.switched_off_at is not None:
            await _end(db, schedule_id, "off", now)
            return Step.NONE
        is_whole = officer.unit_id == ROOT
        if report is None or not is_whole or not _allowed(report, asked.filters, rights):
            await _end(db, schedule_id, "right", now)
            return Step.NONE
    failed_lately = schedule.failed_at is not None and now - schedule.failed_at < AGAIN
    if failed_lately or not _is_over(asked.period, schedule.at, books, now):
        return Step.NONE
    reader = Reader(officer.login, rights, schedule.language)
    try:
        file, record = await downloads.draw(
            transactions, report, asked, Form(schedule.form), reader, signer, now=now
        )
    except ReportTooLong as exc:
        log.warning("scheduled_report_failed", reason=exc.slug)
        await _leave_out(transactions, schedule, asked.period, now)
        return Step.LEFT_OUT
    kept = await _keep(transactions, schedule, officer.role, asked.period, file, record)
    if schedule.failure is not None:
        await _note_failure(transactions, schedule_id, None, now)
    return Step.MADE if kept else Step.NONE


async def _leave_out(
    transactions: Transactions, schedule: ReportSchedule, period: Period, now: datetime
) -> None:
    """What is over grows no shorter: to try it again would hold up the periods after it."""
    async with transactions.begin() as db:
        # Never back: another process may be further by now.
        until = func.greatest(ReportSchedule.too_long_until, period.last)
        await db.execute(
            update(ReportSchedule)
            .where(ReportSchedule.id == schedule.id)
            .values(too_long_until=until, failed_at=None, failure=None)
        )
        if schedule.mail_to is not None:
            told = insert(LeftOutMail).values(
                id=new_id(),
                schedule_id=schedule.id,
                first_day=period.first,
                last_day=period.last,
                tries=0,
                next_try_at=now,
            )
            await db.execute(told.on_conflict_do_nothing())


async def _next(
    db: AsyncSession, schedule: ReportSchedule, books: Books, now: datetime
) -> tuple[Report | None, Asked]:
    """The report of a schedule, where it still is one, and what is to be asked of it next."""
    last = await db.scalar(
        select(func.max(ScheduledFile.last_day)).where(ScheduledFile.schedule_id == schedule.id)
    )
    done = max(filter(None, (last, schedule.too_long_until)), default=None)
    first = schedule.first_day if done is None else done + timedelta(days=1)
    filters = {Filter(name): text for name, text in schedule.filters.items() if name != COMPARE}
    compared = schedule.filters.get(COMPARE)
    return catalogue.REPORTS.get(schedule.report), Asked(
        Every(schedule.every).around(first),
        books,
        books.business_day(now),
        filters,
        None if compared is None else Comparison(compared),
    )


def _is_over(period: Period, at: time, books: Books, now: datetime) -> bool:
    """Whether a period's last day has ended, and the hour of the day after has come."""
    due_at = datetime.combine(period.last + timedelta(days=1), at, books.timezone)
    return now >= due_at and books.business_day(now) > period.last


async def _keep(
    transactions: Transactions,
    schedule: ReportSchedule,
    role: str,
    period: Period,
    file: File,
    record: ReportDownload,
) -> bool:
    """Write the file down with its download and its mail: all of them, once, or none."""
    async with transactions.begin() as db:
        # Of two processes that made it one comes first; what the other made was never there.
        live = await db.scalar(
            select(ReportSchedule.ended_at.is_(None))
            .where(ReportSchedule.id == schedule.id)
            .with_for_update()
        )
        there = await db.scalar(
            select(ScheduledFile.id).where(
                ScheduledFile.schedule_id == schedule.id, ScheduledFile.first_day == period.first
            )
        )
        if not live or there is not None:
            return False
        record.filters = record.filters | {"schedule": schedule.every}
        kept = ScheduledFile(
            id=new_id(),
            schedule_id=schedule.id,
            first_day=period.first,
            last_day=period.last,
            role=role,
            download_id=record.id,
            name=file.name,
            content=file.content,
            made_at=record.made_at,
        )
        db.add(record)
        await db.flush()
        db.add(kept)
        await db.flush()
        if schedule.mail_to is not None:
            db.add(ScheduledMail(file_id=kept.id, tries=0, next_try_at=record.made_at))
    return True


@dataclass(frozen=True)
class Shown:
    """A schedule with the name of its officer."""

    schedule: ReportSchedule
    login: str

    @property
    def left_out(self) -> Period | None:
        """The newest period that is too long for a file."""
        until = self.schedule.too_long_until
        return None if until is None else Every(self.schedule.every).around(until)


@dataclass(frozen=True)
class Made:
    """A file that a schedule made, as lists show it."""

    file: ScheduledFile
    schedule: ReportSchedule
    download: ReportDownload
    mail: ScheduledMail | None


async def schedules(db: AsyncSession, officer_id: UUID | None, limit: int) -> Sequence[Shown]:
    """Those of one officer, or of all: running ones first, then the newest."""
    found = (
        select(ReportSchedule, Officer.login)
        .join(Officer, Officer.id == ReportSchedule.officer_id)
        .order_by(ReportSchedule.ended_at.is_not(None), ReportSchedule.id.desc())
        .limit(limit)
    )
    if officer_id is not None:
        found = found.where(ReportSchedule.officer_id == officer_id)
    return [Shown(*row) for row in await db.execute(found)]


async def files(
    db: AsyncSession, officer_id: UUID | None, limit: int, offset: int = 0
) -> Sequence[Made]:
    """What was made for one officer, or for all, the newest first."""
    found = (
        select(ScheduledFile, ReportSchedule, ReportDownload, ScheduledMail)
        .join(ReportSchedule, ReportSchedule.id == ScheduledFile.schedule_id)
        .join(ReportDownload, ReportDownload.id == ScheduledFile.download_id)
        .outerjoin(ScheduledMail, ScheduledMail.file_id == ScheduledFile.id)
        .order_by(ScheduledFile.id.desc())
        .limit(limit)
        .offset(offset)
    )
    if officer_id is not None:
        found = found.where(ReportSchedule.officer_id == officer_id)
    return [Made(*row) for row in await db.execute(found)]


async def fetch(db: AsyncSession, officer: Officer, file_id: UUID, *, now: datetime) -> File:
    """A file for the officer it was made for, written down as any other that is taken out.

    Raises ScheduledFileNotFound, or RoleNotAllowed where the file tells more than the officer's
    present role may see.
    """
    file = await db.get(ScheduledFile, file_id)
    schedule = None if file is None else await db.get_one(ReportSchedule, file.schedule_id)
    if file is None or schedule is None or schedule.officer_id != officer.id:
        raise ScheduledFileNotFound
    report = catalogue.REPORTS.get(schedule.report)
    needed = (
        {Right.SEE_BOOKS}
        if report is None
        else _shows(report, schedule.filters, MAY[Role(file.role)])
    )
    if not needed <= MAY[Role(officer.role)]:
        raise RoleNotAllowed
    made = await db.get_one(ReportDownload, file.download_id)
    db.add(
        ReportDownload(
            who=officer.login,
            report=made.report,
            form=made.form,
            first_day=made.first_day,
            last_day=made.last_day,
            filters=made.filters | {"fetched": str(file.id)},
            row_count=made.row_count,
            sha256=made.sha256,
            made_at=now,
        )
    )
    content = await db.scalar(select(ScheduledFile.content).where(ScheduledFile.id == file_id))
    return File(file.name, downloads.TYPES[Form(made.form)], content or b"")
