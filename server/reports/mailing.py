"""Telling by mail that a scheduled report is there, or is not: a link to sign in, and no figure.

A mail server that is away loses nothing: the file is kept already, and the mail is tried again.
"""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TypeAlias
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.orm import InstrumentedAttribute

from server.database import Transactions, fetch
from server.payments.books import Books
from server.reports import catalogue
from server.reports.downloads import ReportTooLong
from server.reports.models import LeftOutMail, ReportSchedule, ScheduledFile, ScheduledMail
from server.reports.table import Period, Said, span
from server.settings import Settings

log = structlog.get_logger()

AT_ONCE = 20
TIMEOUT_S = 20.0
TRIES = 60
"""Then nobody is told by mail any more: some two and a half days."""
LONGEST_MINUTES = 60
LOOPBACK = ("localhost", "127.0.0.1", "::1")


Key: TypeAlias = InstrumentedAttribute[UUID]
"""What tells the mails of one kind apart: of files, or of periods that have none."""


class MailUnfit(Exception):
    """The settings of mail cannot be used; the message says why."""


@dataclass(frozen=True)
class Mailer:
    """A mail server and from whom its mails are. `sealed` speaks TLS from the first byte on."""

    host: str
    port: int
    sealed: bool
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Mailer | None":
        """Raises MailUnfit."""
        if settings.smtp_url is None:
            return None
        try:
            url = urlsplit(settings.smtp_url.get_secret_value())
            port = url.port
        except ValueError:
            raise MailUnfit("KARCIS_SMTP_URL is no address") from None
        if url.scheme not in ("smtp", "smtps") or not url.hostname:
            raise MailUnfit("KARCIS_SMTP_URL is smtp://… or smtps://…")
        if not settings.mail_from:
            raise MailUnfit("KARCIS_MAIL_FROM is not set")
        sealed = url.scheme == "smtps"
        usual = 465 if sealed else 587
        user, password = unquote(url.username or ""), unquote(url.password or "")
        return cls(url.hostname, port or usual, sealed, settings.mail_from, user, password)

    def send(self, message: EmailMessage) -> None:
        """Hand one over; raises OSError or SMTPException. Not to be called in an event loop."""
        trust = ssl.create_default_context()
        if self.sealed:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT_S, context=trust
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        with server:
            server.ehlo()
            if not self.sealed and server.has_extn("starttls"):
                server.starttls(context=trust)
                server.ehlo()
            elif not self.sealed and self.user and self.host not in LOOPBACK:
                raise smtplib.SMTPNotSupportedError("no TLS to send the password under")
            if self.user:
                server.login(self.user, self.password)
            server.send_message(message)


async def send_due(
    transactions: Transactions, mailer: Mailer, books: Books, *, now: datetime
) -> int:
    """Send what is due; how many went. What fails is due again, later and later."""
    sent = 0
    for key in (ScheduledMail.file_id, LeftOutMail.id):
        for about in await _claim(transactions, key, now):
            try:
                message = await _message(transactions, mailer, books, key, about, now)
                await asyncio.to_thread(mailer.send, message)
            except Exception as exc:
                await _note(transactions, key, about, sent_at=None, failure=_why(exc))
                log.warning("report_not_mailed", error=_why(exc))
            else:
                await _note(transactions, key, about, sent_at=now, failure=None)
                sent += 1
    return sent


async def _claim(transactions: Transactions, key: Key, now: datetime) -> Sequence[UUID]:
    """Take up what is due, and say when it is again should nothing come of it."""
    table, name = key.class_.__tablename__, key.key
    async with transactions.begin() as db:
        rows = await fetch(
            db,
            f"""
            UPDATE {table} SET tries = tries + 1, next_try_at =
                CASE WHEN tries + 1 < {TRIES} THEN $1::timestamptz + interval '1 minute'
                    * least(power(2, least(tries, 10)), {LONGEST_MINUTES}) END
            WHERE {name} IN (
                SELECT {name} FROM {table} WHERE sent_at IS NULL AND next_try_at <= $1
                ORDER BY next_try_at LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED
            ) RETURNING {name} AS about
            """,  # noqa: S608 - names and numbers of our own
            now,
        )
    return [row["about"] for row in rows]


async def _note(
    transactions: Transactions,
    key: Key,
    about: UUID,
    *,
    sent_at: datetime | None,
    failure: str | None,
) -> None:
    async with transactions.begin() as db:
        await db.execute(
            update(key.class_).where(key == about).values(sent_at=sent_at, failure=failure)
        )


def _why(exc: Exception) -> str:
    """What kind of failure; a mail server's own words may name the person written to."""
    code = getattr(exc, "smtp_code", None)
    return type(exc).__name__ if code is None else f"{type(exc).__name__} {code}"


async def _message(
    transactions: Transactions, mailer: Mailer, books: Books, key: Key, about: UUID, now: datetime
) -> EmailMessage:
    told = ScheduledFile if key is ScheduledMail.file_id else LeftOutMail
    async with transactions.begin() as db:
        period: ScheduledFile | LeftOutMail = await db.get_one(told, about)
        schedule = await db.get_one(ReportSchedule, period.schedule_id)
    report, language = catalogue.REPORTS.get(schedule.report), schedule.language
    title = schedule.report if report is None else report.title.in_(language)
    days = span(Period(period.first_day, period.last_day), language)
    link = f"{books.base_url}/office/reports/scheduled"
    made = Said(
        f"Laporan terjadwal sudah tersedia:\n\n{title}, {days}\n\n"
        f"Ambil di sini (perlu masuk):\n{link}/{about}\n\n"
        "Surel ini dikirim otomatis. Jadwalnya dapat dihentikan di halaman Laporan.\n",
        f"A scheduled report is there:\n\n{title}, {days}\n\n"
        f"Fetch it here (you will be asked to sign in):\n{link}/{about}\n\n"
        "This mail was sent automatically. The schedule can be ended on the page of reports.\n",
    )
    missing = Said(
        f"Laporan terjadwal tidak dibuat:\n\n{title}, {days}\n\n{ReportTooLong.title_id}.\n"
        f"Lihat di sini (perlu masuk):\n{link}\n\n"
        "Surel ini dikirim otomatis. Periode sesudahnya tetap dibuat.\n",
        f"A scheduled report was not made:\n\n{title}, {days}\n\n{ReportTooLong.title_en}.\n"
        f"Look here (you will be asked to sign in):\n{link}\n\n"
        "This mail was sent automatically. Later periods are made all the same.\n",
    )
    words = made if told is ScheduledFile else missing
    message = EmailMessage()
    message["From"] = mailer.sender
    message["To"] = schedule.mail_to or ""
    message["Subject"] = f"{title}, {days} – {books.agency} {books.regency}"
    message["Date"] = format_datetime(now)
    # The same for every try, so that one that arrived twice is seen to be one.
    message["Message-ID"] = f"<{about}@{urlsplit(books.base_url).hostname or 'karcis'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(words.in_(language))
    return message
