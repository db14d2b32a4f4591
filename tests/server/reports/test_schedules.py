"""Reports that are made by themselves: once each, as their officer may see them, told by mail."""

import asyncio
import hashlib
import mailbox
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage, Message
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from pyhanko.sign.signers import Signer
from sqlalchemy import select, update

from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Officer, Role
from server.payments.books import Books
from server.reports import catalogue, downloads, mailing, schedules
from server.reports.downloads import Form, ReportTooLong
from server.reports.mailing import Mailer, MailUnfit
from server.reports.models import ReportDownload, ReportSchedule, ScheduledFile, ScheduledMail
from server.reports.schedules import Every, Made, Wish
from server.reports.signing import ReportKeyUnfit, ReportSigner
from server.settings import Settings
from server.system import free_ports
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.office.test_endpoints import sign_in
from tests.server.test_cli import Karcis

AT = time(6)
MADE = datetime(2026, 11, 23, 3, tzinfo=UTC)
"""A Monday, ten in the morning in Jakarta."""


async def officer_named(transactions: Transactions, login: str) -> Officer:
    async with transactions.begin() as db:
        return (await db.scalars(select(Officer).where(Officer.login == login))).one()


async def planned(
    transactions: Transactions,
    books: Books,
    officer: Officer,
    *,
    report: str = "harian",
    every: Every = Every.DAY,
    form: Form = Form.CSV,
    mail_to: str = "",
) -> None:
    wish = Wish(catalogue.REPORTS[report], {}, None, every, AT, form, "id", mail_to)
    async with transactions.begin() as db:
        await schedules.plan(db, officer, wish, books, mails=True, now=MADE)


async def made_files(transactions: Transactions) -> list[Made]:
    async with transactions.begin() as db:
        return list(reversed(await schedules.files(db, None, 100)))


@pytest.fixture
async def maker(transactions: Transactions) -> Officer:
    return await officer_named(transactions, sample.OFFICER)


def test_periods_are_days_weeks_from_monday_and_months() -> None:
    for every, around, first, last in (
        (Every.DAY, date(2027, 1, 1), date(2027, 1, 1), date(2027, 1, 1)),
        (Every.WEEK, date(2027, 1, 3), date(2026, 12, 28), date(2027, 1, 3)),
        (Every.WEEK, date(2026, 12, 28), date(2026, 12, 28), date(2027, 1, 3)),
        (Every.MONTH, date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        (Every.MONTH, date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
    ):
        period = every.around(around)
        assert (period.first, period.last) == (first, last)


async def test_each_period_has_its_file_once_even_after_days_away_and_by_two_at_once(
    transactions: Transactions, books: Books, maker: Officer
) -> None:
    await planned(transactions, books, maker)
    await planned(transactions, books, maker, every=Every.WEEK)
    await planned(transactions, books, maker, every=Every.MONTH)
    early = datetime(2026, 11, 23, 22, 59, tzinfo=UTC)  # 05.59 of the next day in Jakarta
    assert await schedules.write_due(transactions, books, None, now=early) == 0
    back = early + timedelta(days=8)  # 05.59 of the 2nd of December, a Wednesday
    for _ in range(2):
        await asyncio.gather(
            *(schedules.write_due(transactions, books, None, now=back) for _ in range(3))
        )
    files = await made_files(transactions)
    told = sorted((f.schedule.every, f.file.first_day, f.file.last_day) for f in files)
    days = [date(2026, 11, 23) + timedelta(days=n) for n in range(8)]
    assert told == [
        *(("day", day, day) for day in days),
        ("month", date(2026, 11, 1), date(2026, 11, 30)),
        ("week", date(2026, 11, 23), date(2026, 11, 29)),
    ]
    async with transactions.begin() as db:
        written = (await db.scalars(select(ReportDownload))).all()
        for file in await db.execute(select(ScheduledFile.content, ScheduledFile.download_id)):
            record = await db.get_one(ReportDownload, file.download_id)
            assert record.sha256 == hashlib.sha256(file.content).digest()
    assert len(written) == len(files) == 10
    assert {(record.who, record.report) for record in written} == {(sample.OFFICER, "harian")}


@pytest.mark.parametrize(("change", "why"), [("off", "off"), ("role", "right")])
async def test_a_schedule_ends_with_its_officers_right(
    transactions: Transactions, books: Books, maker: Officer, change: str, why: str
) -> None:
    await planned(transactions, books, maker)
    async with transactions.begin() as db:
        values = {"switched_off_at": MADE} if change == "off" else {"role": Role.PENGAWAS.value}
        await db.execute(update(Officer).where(Officer.id == maker.id).values(values))
    later = MADE + timedelta(days=3)
    assert await schedules.write_due(transactions, books, None, now=later) == 0
    async with transactions.begin() as db:
        schedule = (await db.scalars(select(ReportSchedule))).one()
    assert (schedule.ended_why, schedule.ended_at) == (why, later)
    assert await made_files(transactions) == []


def key_away() -> AbstractContextManager[Signer]:
    raise ReportKeyUnfit("the token does not open")


async def test_a_file_that_fails_is_told_and_made_later(
    transactions: Transactions, books: Books, maker: Officer
) -> None:
    await planned(transactions, books, maker, form=Form.PDF)
    await planned(transactions, books, maker, report="zona", form=Form.XLSX)
    later = MADE + timedelta(days=1)
    unusable = ReportSigner("Kunci di token", key_away)
    assert await schedules.write_due(transactions, books, unusable, now=later) == 1
    async with transactions.begin() as db:
        failing = (
            await db.scalars(select(ReportSchedule).where(ReportSchedule.failed_at.is_not(None)))
        ).one()
    assert (failing.report, failing.failure) == ("harian", "report-not-signed")
    soon = later + schedules.AGAIN
    assert await schedules.write_due(transactions, books, None, now=soon) == 1
    async with transactions.begin() as db:
        mended = await db.get_one(ReportSchedule, failing.id)
    assert mended.failure is None


async def test_a_period_too_long_for_a_file_is_told_and_holds_up_no_later_one(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    maker: Officer,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await planned(transactions, books, maker, every=Every.MONTH)
    december = datetime(2026, 12, 2, 3, tzinfo=UTC)
    assert await schedules.write_due(transactions, books, None, now=december) == 1
    async with transactions.begin() as db:
        await db.execute(update(ReportSchedule).values(failed_at=december, failure="internal"))
    february = datetime(2027, 2, 2, 3, tzinfo=UTC)
    with monkeypatch.context() as patched:
        patched.setitem(downloads.MOST_ROWS, Form.CSV, -1)
        assert await schedules.write_due(transactions, books, None, now=february) == 0
    async with transactions.begin() as db:
        told = (await db.scalars(select(ReportSchedule))).one()
    assert (told.too_long_until, told.failure) == (date(2027, 1, 31), None)
    await sign_in(api)
    page = (await api.get("/office/reports/scheduled")).text
    assert f"1 Jan 2027 – 31 Jan 2027. {ReportTooLong.title_id}" in page
    assert "perlu dilihat" in await on_health(api, "terlalu panjang untuk satu berkas")
    listed = (await Karcis(database_url, tmp_path)("report", "scheduled")).stdout
    assert f"not made 2027-01-01 2027-01-31: {ReportTooLong.title_id}" in listed
    march = datetime(2027, 3, 2, 3, tzinfo=UTC)
    for count in (1, 0):
        assert await schedules.write_due(transactions, books, None, now=march) == count
    files = await made_files(transactions)
    assert [made.file.first_day for made in files] == [date(2026, 11, 1), date(2027, 2, 1)]
    assert "perlu dilihat" not in await on_health(api, "terlalu panjang untuk satu berkas")
    await sign_in(api)
    english = (await api.get("/office/reports/scheduled?lang=en")).text
    assert f"1 Jan 2027 – 31 Jan 2027. {ReportTooLong.title_en}" in english


async def on_health(api: httpx.AsyncClient, name: str) -> str:
    """The row of the page of health, as the second officer sees it."""
    await sign_in(api, login=sample.CHECKER, password=CHECKER_PASSWORD)
    page = (await api.get("/office/health")).text
    row = page[page.index(name) :]
    return row[: row.index("</tr>")]


async def plan_by_page(api: httpx.AsyncClient, report: str, **more: str) -> httpx.Response:
    form = {"every": "day", "at": "06:00", "form": "csv"} | more
    return await api.post(f"/office/reports/{report}/schedules", data=form)


async def test_what_is_made_is_masked_and_for_its_officer_alone(
    api: httpx.AsyncClient, transactions: Transactions, books: Books
) -> None:
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="koordinator", name="K", role=Role.KOORDINATOR, password=PASSWORD
        )
    await sign_in(api, login="koordinator")
    assert (await plan_by_page(api, "setoran")).json()["slug"] == "role-not-allowed"
    assert (await plan_by_page(api, "juru-parkir", at="25:00")).status_code == 422
    assert (await plan_by_page(api, "juru-parkir", mail_to="a@b.example")).status_code == 409
    assert (await plan_by_page(api, "juru-parkir")).status_code == 303
    await sign_in(api)
    assert (await plan_by_page(api, "juru-parkir")).status_code == 303
    later = datetime.now(UTC) + timedelta(days=2)
    assert await schedules.write_due(transactions, books, None, now=later) >= 2
    files = {made.download.who: made.file.id for made in await made_files(transactions)}
    own = await api.get(f"/office/reports/scheduled/{files[sample.OFFICER]}")
    assert "Jumlah" in own.text
    refused = await api.get(f"/office/reports/scheduled/{files['koordinator']}")
    assert refused.json()["slug"] == "scheduled-report-not-found"
    await sign_in(api, login="koordinator")
    masked = await api.get(f"/office/reports/scheduled/{files['koordinator']}")
    assert masked.status_code == 200
    assert "Jumlah" not in masked.text
    async with transactions.begin() as db:
        fetched = await db.scalars(
            select(ReportDownload.who).where(ReportDownload.filters.has_key("fetched"))
        )
        assert sorted(fetched) == sorted(["koordinator", sample.OFFICER])
        # Who sees less now than when it was made fetches it no more.
        demoted = update(Officer).where(Officer.login == sample.OFFICER)
        await db.execute(demoted.values(role=Role.KOORDINATOR.value))
    await sign_in(api)
    gone = await api.get(f"/office/reports/scheduled/{files[sample.OFFICER]}")
    assert gone.json()["slug"] == "role-not-allowed"


async def test_a_schedule_is_ended_by_its_officer_and_there_are_not_too_many(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await sign_in(api)
    for _ in range(schedules.MOST):
        assert (await plan_by_page(api, "zona")).status_code == 303
    assert (await plan_by_page(api, "zona")).json()["slug"] == "too-many-report-schedules"
    async with transactions.begin() as db:
        some = await db.scalar(select(ReportSchedule.id).limit(1))
        await identity.add_officer(
            db, login="lain", name="L", role=Role.BENDAHARA, password=PASSWORD
        )
    await sign_in(api, login="lain")
    ended = await api.post(f"/office/reports/schedules/{some}/end")
    assert ended.json()["slug"] == "report-schedule-not-found"
    await sign_in(api)
    assert (await api.post(f"/office/reports/schedules/{some}/end")).status_code == 303
    assert (await plan_by_page(api, "zona")).status_code == 303


@asynccontextmanager
async def mail_server(folder: Path, port: int) -> AsyncIterator[None]:
    """A mail server as a process of its own, that keeps what it takes in a folder."""
    command = ["-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "aiosmtpd.handlers.Mailbox", str(folder)
    )
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield
    finally:
        process.terminate()
        await process.wait()


def taken(folder: Path) -> list[Message]:
    return [*mailbox.Maildir(folder)]


async def test_a_mail_tells_of_the_file_once_a_server_takes_it(
    transactions: Transactions, books: Books, settings: Settings, maker: Officer, tmp_path: Path
) -> None:
    port, folder = free_ports(), tmp_path / "mail"
    mailer = Mailer.of(
        settings.model_copy(
            update={
                "smtp_url": SecretStr(f"smtp://127.0.0.1:{port}"),
                "mail_from": "karcis@kabupaten.example",
            }
        )
    )
    assert mailer is not None
    await planned(transactions, books, maker, mail_to="bendahara@kabupaten.example")
    later = MADE + timedelta(days=1)
    assert await schedules.write_due(transactions, books, None, now=later) == 1
    assert await mailing.send_due(transactions, mailer, books, now=later) == 0
    (made,) = await made_files(transactions)
    assert made.mail is not None
    assert (made.mail.tries, made.mail.sent_at) == (1, None)
    assert made.mail.failure == "ConnectionRefusedError"
    async with mail_server(folder, port):
        assert await mailing.send_due(transactions, mailer, books, now=later) == 0
        again = later + timedelta(minutes=1)
        assert await mailing.send_due(transactions, mailer, books, now=again) == 1
        assert await mailing.send_due(transactions, mailer, books, now=again) == 0
    (mail,) = taken(folder)
    text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert mail["To"] == "bendahara@kabupaten.example"
    assert f"{books.base_url}/office/reports/scheduled/{made.file.id}" in text
    assert "Rp" not in text


async def test_a_mail_tells_once_of_each_period_that_has_no_file(
    transactions: Transactions,
    books: Books,
    maker: Officer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, folder = free_ports(), tmp_path / "mail"
    mailer = Mailer("127.0.0.1", port, sealed=False, sender="karcis@kabupaten.example")
    await planned(transactions, books, maker, mail_to="bendahara@kabupaten.example")
    await planned(transactions, books, maker)  # who wants no mail gets none
    later = MADE + timedelta(days=2)
    monkeypatch.setitem(downloads.MOST_ROWS, Form.CSV, -1)
    for _ in range(2):
        assert await schedules.write_due(transactions, books, None, now=later) == 0
    assert await mailing.send_due(transactions, mailer, books, now=later) == 0
    async with mail_server(folder, port):
        later += timedelta(minutes=1)
        assert await mailing.send_due(transactions, mailer, books, now=later) == 2
        assert await mailing.send_due(transactions, mailer, books, now=later) == 0
    texts = [mail.get_payload(decode=True).decode() for mail in taken(folder)]  # type: ignore[union-attr]
    for day in ("23 Nov 2026", "24 Nov 2026"):
        (told,) = [text for text in texts if day in text]
        assert ReportTooLong.title_id in told
        assert f"{books.base_url}/office/reports/scheduled\n" in told
        assert "Rp" not in told


async def test_a_mail_that_cannot_be_written_holds_up_no_other(
    transactions: Transactions, books: Books, maker: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        await planned(transactions, books, maker, mail_to=f"{name}@kabupaten.example")
    now = MADE + timedelta(days=1)
    assert await schedules.write_due(transactions, books, None, now=now) == 2
    tried: list[EmailMessage] = []

    def send(_mailer: Mailer, message: EmailMessage) -> None:
        tried.append(message)
        if len(tried) == 1:
            raise UnicodeError("label empty or too long")

    monkeypatch.setattr(Mailer, "send", send)
    mailer = Mailer("127.0.0.1", 25, sealed=False, sender="karcis@kabupaten.example")
    assert await mailing.send_due(transactions, mailer, books, now=now) == 1
    mails = [made.mail for made in await made_files(transactions) if made.mail is not None]
    assert {(mail.failure, mail.sent_at) for mail in mails} == {("UnicodeError", None), (None, now)}


async def test_a_mail_that_nobody_takes_is_given_up_and_the_file_stays(
    transactions: Transactions, books: Books, maker: Officer
) -> None:
    mailer = Mailer("127.0.0.1", free_ports(), sealed=False, sender="karcis@kabupaten.example")
    await planned(transactions, books, maker, mail_to="bendahara@kabupaten.example")
    now = MADE + timedelta(days=1)
    await schedules.write_due(transactions, books, None, now=now)
    for _ in range(mailing.TRIES + 5):
        now += timedelta(hours=1)
        await mailing.send_due(transactions, mailer, books, now=now)
    async with transactions.begin() as db:
        mail = (await db.scalars(select(ScheduledMail))).one()
        assert await db.scalar(select(ScheduledFile.content)) is not None
    assert (mail.tries, mail.next_try_at, mail.sent_at) == (mailing.TRIES, None, None)


async def test_what_fails_is_seen_on_the_page_of_health(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, books: Books, maker: Officer
) -> None:
    await planned(transactions, books, maker, mail_to="bendahara@kabupaten.example")
    await schedules.write_due(transactions, books, None, now=MADE + timedelta(days=1))
    mailer = Mailer("127.0.0.1", free_ports(), sealed=False, sender="karcis@kabupaten.example")
    await mailing.send_due(transactions, mailer, books, now=MADE + timedelta(days=1))
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="auditor", name="A", role=Role.AUDITOR, password=PASSWORD
        )
    await sign_in(api, login="auditor")
    assert "perlu dilihat" in await on_health(api, "Surel laporan yang belum terkirim")


@pytest.mark.parametrize(
    ("url", "sender"),
    [("http://x", "a@b"), ("smtp://", "a@b"), ("smtp://x", ""), ("smtp://x:y", "a@b")],
)
def test_a_mail_server_that_cannot_be_used_is_said_at_the_start(
    settings: Settings, url: str, sender: str
) -> None:
    with pytest.raises(MailUnfit):
        Mailer.of(settings.model_copy(update={"smtp_url": SecretStr(url), "mail_from": sender}))


async def test_the_command_lists_schedules_and_their_files(
    transactions: Transactions, books: Books, maker: Officer, database_url: str, tmp_path: Path
) -> None:
    await planned(transactions, books, maker)
    await schedules.write_due(transactions, books, None, now=MADE + timedelta(days=1))
    told = (await Karcis(database_url, tmp_path)("report", "scheduled")).stdout
    (made,) = await made_files(transactions)
    assert "harian csv every day at 06:00" in told
    assert f"{made.file.name}" in told
    assert made.download.sha256.hex() in told
