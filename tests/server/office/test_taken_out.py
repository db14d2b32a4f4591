"""Whatever an officer takes out of the office's books as a file stands on record, as it was."""

import hashlib
from datetime import datetime

import httpx
import pytest
from sqlalchemy import select

from server import sample
from server.database import Transactions, new_id
from server.identity import service as identity
from server.payments.books import Books
from server.reconciliation import deposits
from server.reconciliation.deposits import Deposit
from server.reports.models import ReportDownload
from tests.server.cluster import CHECKER_PASSWORD
from tests.server.handhelds import on_shift
from tests.server.office.test_endpoints import sign_in


async def test_files_of_the_books_are_on_record_before_they_go(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    now: datetime,
    subtests: pytest.Subtests,
) -> None:
    handheld = await on_shift(api, transactions, now)
    body = {"id": str(new_id()), "vehicle_class": "car"}
    answer = await api.post("/v1/spots/PSR-001-U/cash-charges", json=body, auth=handheld.signed)
    assert answer.status_code == 201, answer.text
    slip = Deposit(new_id(), "J-001", 1000, "SLIP-000123", books.day(now))
    async with transactions.begin() as db:
        officer_id = await identity.officer_named(db, sample.OFFICER)
        await deposits.record(db, slip, books, officer_id, now=now)
    await sign_in(api)
    day = books.business_day(now)
    span = f"from={day}&to={day}"
    told: dict[str, tuple[str, str, dict[str, str]]] = {
        f"ledger/trial-balance.csv?date={day}": ("neraca-saldo", "csv", {}),
        f"ledger/journal.csv?{span}": ("jurnal", "csv", {}),
        f"ledger/accounts/1140.csv?{span}&party=J-001": (
            "buku-besar", "csv", {"account": "1140", "party": "J-001"},
        ),
        f"rules/changes.csv?{span}": (
            "perubahan-aturan", "csv", {"from": f"{day}", "to": f"{day}"},
        ),
        f"deposits/receipts/{slip.id}/tbp.pdf": ("tbp", "pdf", {}),
    }  # fmt: skip
    for path, (report, form, filters) in told.items():
        with subtests.test(path):
            answer = await api.get(f"/office/{path}")
            assert answer.status_code == 200, answer.text
            async with transactions.begin() as db:
                row = (
                    await db.scalars(select(ReportDownload).where(ReportDownload.report == report))
                ).one()
            assert (row.who, row.form) == (sample.OFFICER, form)
            assert row.sha256 == hashlib.sha256(answer.content).digest()
            assert filters.items() <= row.filters.items()
            if form == "csv":
                assert row.row_count == len(answer.text.splitlines()) - 1
    backwards = await api.get("/office/ledger/journal.csv?from=2026-11-30&to=2026-11-01")
    assert (backwards.status_code, backwards.json()["slug"]) == (422, "invalid-request")
    await sign_in(api, login=sample.CHECKER, password=CHECKER_PASSWORD)
    page = (await api.get("/office/reports")).text
    assert all(f"{name}.{form}" in page for name, form, _ in told.values())
