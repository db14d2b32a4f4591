"""What reports say, against the ledger; who sees what of them; and what is written down."""

import csv
import hashlib
import io
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from sqlalchemy import func, select

from server import sample
from server.database import Transactions, new_id
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import MAY
from server.ledger.models import Entry, Posting
from server.payments.books import Books
from server.reports import catalogue, table
from server.reports.models import ReportDownload
from server.reports.table import Asked, Comparison, Filter, Period, PeriodUnfit, Table
from tests.server.booking import book
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.handhelds import on_shift
from tests.server.office.test_endpoints import sign_in

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
OCTOBER = Period(FIRST, LAST)
SPAN = f"from={FIRST}&to={LAST}"
ALL = MAY[Role.AUDITOR]


async def told(
    transactions: Transactions, books: Books, name: str, period: Period = OCTOBER, **more: object
) -> Table:
    asked = Asked(period, books, LAST, **more)  # type: ignore[arg-type]
    async with transactions.begin() as db:
        return await table.build(db, catalogue.REPORTS[name], asked, ALL)


def column(made: Table, key: str) -> list[object]:
    (at,) = [at for at, c in enumerate(made.columns) if c.key == key]
    return [row[at] for row in made.rows]


def total(made: Table, key: str) -> object:
    (at,) = [at for at, c in enumerate(made.columns) if c.key == key]
    return made.totals[at]


@pytest.fixture
async def paid(transactions: Transactions, books: Books) -> int:
    """Payments by QRIS of a whole year, at many hours; what October came to."""
    came = 0
    async with transactions.begin() as db:
        for number in range(40):
            at = datetime(2025, 10, 3, 1, tzinfo=UTC) + timedelta(days=10 * number, hours=number)
            amount_rp = 1000 + 137 * number
            await book(
                db,
                books,
                reference=new_id().hex,
                acquirer_reference=f"A{number}",
                rrn=None,
                amount_rp=amount_rp,
                paid_at=at,
            )
            came += amount_rp if FIRST <= books.day(at) <= LAST else 0
    return came


async def test_every_way_of_grouping_comes_to_what_the_ledger_posted(
    transactions: Transactions, books: Books, paid: int
) -> None:
    async with transactions.begin() as db:
        posted = await db.scalar(
            select(-func.sum(Posting.amount_rp))
            .join(Entry, Entry.id == Posting.entry_id)
            .where(Posting.account_code.like("4110.%"))
            .where(Entry.business_day.between(FIRST, LAST))
        )
    assert posted == paid > 0
    for name in ("harian", "zona", "titik", "kendaraan", "jam", "kanal", "juru-parkir", "giliran"):
        made = await told(transactions, books, name)
        assert (total(made, "amount_rp"), total(made, "digital_rp")) == (paid, paid), name
        assert total(made, "net_rp") == posted
    days = await told(transactions, books, "harian")
    assert all(isinstance(day, date) and FIRST <= day <= LAST for day in column(days, "day"))


async def test_a_period_is_compared_with_the_one_before_and_a_year_ago(
    transactions: Transactions, books: Books, paid: int
) -> None:
    for comparison, other in (
        (Comparison.BEFORE, Period(date(2026, 9, 1), date(2026, 9, 30))),
        (Comparison.YEAR, Period(date(2025, 10, 1), date(2025, 10, 31))),
    ):
        then = await told(transactions, books, "harian", other)
        for name in ("harian", "zona"):
            made = await told(transactions, books, name, comparison=comparison)
            assert total(made, "before_rp") == total(then, "amount_rp") != 0
            change = paid - int(str(total(then, "amount_rp")))
            assert total(made, "change_rp") == change, name


def test_periods_of_whole_months_are_compared_with_whole_months() -> None:
    quarter = Period(date(2026, 1, 1), date(2026, 3, 31))
    assert quarter.compared(Comparison.BEFORE) == Period(date(2025, 10, 1), date(2025, 12, 31))
    week = Period(date(2026, 3, 2), date(2026, 3, 8))
    assert week.compared(Comparison.BEFORE) == Period(date(2026, 2, 23), date(2026, 3, 1))
    leap = Period(date(2028, 2, 1), date(2028, 2, 29))
    assert leap.compared(Comparison.YEAR) == Period(date(2027, 2, 1), date(2027, 2, 28))
    for first, last in ((LAST, FIRST), (FIRST, FIRST + timedelta(days=366))):
        with pytest.raises(PeriodUnfit):
            Period(first, last)


async def test_filters_narrow_and_what_is_not_there_is_nothing(
    transactions: Transactions, books: Books, paid: int
) -> None:
    for filters, wanted in (
        ({Filter.ZONE: "PSR"}, paid),
        ({Filter.SPOT: "PSR-001-U", Filter.CLASS: "car", Filter.ACQUIRER: "sandbox"}, paid),
        ({Filter.ZONE: "' OR 1=1 --"}, 0),
        ({Filter.ATTENDANT: "J-001"}, 0),
    ):
        made = await told(transactions, books, "harian", filters=filters)
        assert total(made, "amount_rp") == wanted, filters


async def test_what_an_attendant_took_is_told_and_masked_for_a_coordinator(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await on_shift(api, transactions, now)
    body = {"id": str(new_id()), "vehicle_class": "car"}
    answer = await api.post("/v1/spots/PSR-001-U/cash-charges", json=body, auth=handheld.signed)
    assert answer.status_code == 201, answer.text
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="koordinator", name="K", role=Role.KOORDINATOR, password=PASSWORD
        )
    await sign_in(api)
    seen = (await api.get("/office/reports/juru-parkir.csv")).text
    assert "J-001" in seen
    assert "4000" in seen
    await sign_in(api, login="koordinator")
    masked = await api.get("/office/reports/juru-parkir.csv")
    head, line = csv.reader(io.StringIO(masked.text.removeprefix("\ufeff")), delimiter=";")
    assert (line[0], line[2]) == ("J-001", "1")
    assert "4000" not in masked.text
    assert "Jumlah" not in head
    for name in ("harian", "zona", "jam"):
        everybody = (await api.get(f"/office/reports/{name}.csv")).text
        nobody = await api.get(f"/office/reports/{name}.csv?attendant=J-999")
        assert nobody.text == everybody
    assert 'name="attendant"' not in (await api.get("/office/reports/harian")).text
    page = (await api.get("/office/reports/giliran")).text
    assert "Rp4.000" not in page
    assert "Tidak ditampilkan untuk peran Anda" in page


async def test_each_download_is_written_down_with_what_it_was(
    api: httpx.AsyncClient, transactions: Transactions, paid: int
) -> None:
    await sign_in(api)
    for form in ("csv", "xlsx", "pdf"):
        path = f"/office/reports/zona.{form}?{SPAN}&zone=PSR&compare=year&shift=x"
        answer = await api.get(path)
        assert answer.status_code == 200
        assert f'"laporan-zona-{FIRST}-{LAST}.{form}"' in answer.headers["content-disposition"]
        async with transactions.begin() as db:
            newest = select(ReportDownload).order_by(ReportDownload.id.desc()).limit(1)
            (kept,) = await db.scalars(newest)
        assert (kept.who, kept.report, kept.form) == ("bendahara", "zona", form)
        assert (kept.first_day, kept.last_day, kept.row_count) == (FIRST, LAST, 1)
        assert kept.filters == {"zone": "PSR", "compare": "year"}
        assert kept.sha256 == hashlib.sha256(answer.content).digest()
    assert "Unduhan terakhir" not in (await api.get("/office/reports")).text
    await sign_in(api, login=sample.CHECKER, password=CHECKER_PASSWORD)
    page = (await api.get("/office/reports")).text
    assert kept.sha256.hex()[:16] in page
    assert page.count("bendahara") == 3


async def test_what_cannot_be_is_a_problem(api: httpx.AsyncClient) -> None:
    assert (await api.get("/office/reports/zona.csv")).status_code == 401
    await sign_in(api)
    for path, status, slug in (
        ("lain", 404, "report-not-found"),
        ("lain.pdf", 404, "report-not-found"),
        ("zona.docx", 422, "invalid-request"),
        ("zona?from=2026-11-02&to=2026-11-01", 422, "report-period-unfit"),
        ("zona?from=2020-01-01&to=2026-11-01", 422, "report-period-unfit"),
        ("zona?from=kemarin", 422, "invalid-request"),
        ("zona?to=0001-01-01", 422, "invalid-request"),
        ("zona?compare=besok", 422, "invalid-request"),
        (f"zona?zone={'x' * 81}", 422, "invalid-request"),
    ):
        answer = await api.get(f"/office/reports/{path}")
        assert (answer.status_code, answer.json()["slug"]) == (status, slug), path
    for path in ("zona?zone=%00", "zona?page=99999", "zona?zone=&compare="):
        assert (await api.get(f"/office/reports/{path}")).status_code in (200, 422), path
