"""Whatever an officer takes out of the office's books as a file stands on record, as it was."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from server import sample
from server.database import Transactions, new_id
from server.identity import attendants
from server.identity import service as identity
from server.identity.attendants import Particulars
from server.identity.models import Attendant, AttendantChange, Role
from server.payments.books import Books
from server.reconciliation import deposits
from server.reconciliation.deposits import Deposit
from server.reports.models import ReportDownload
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.handhelds import on_shift
from tests.server.office.test_endpoints import sign_in
from tests.server.office.test_units import add_officer


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


async def test_of_printed_cards_and_signs_the_record_says_which_and_why_also_of_reprints(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, books: Books, now: datetime
) -> None:
    wired = app.state.payments
    named = wired.settings.model_copy(update={"merchant_name": "PARKIR CONTOH"})
    app.state.payments = replace(wired, settings=named)
    officer_id = await add_officer(transactions, "koord", Role.KOORDINATOR)
    await sign_in(api, login="koord")
    async with transactions.begin() as db:
        checker_id = await identity.officer_named(db, sample.CHECKER)
        people = []
        for code in ("J-301", "J-302", "J-303"):
            told = Particulars(f"Uji {code}")
            added = await attendants.add(db, officer_id, code, told, "baru", None, now=now)
            await attendants.decide(db, checker_id, added, "ya", approve=True, now=now)
            people.append(str(added))
    reasons = ("pertama", "kertas macet")
    for why in reasons:
        for path, form in (
            ("attendants/cards", {"attendant": people[:2], "paper": "a4"}),
            ("spots/signs", {"spot": ["PSR-001-U"], "size": "sticker"}),
        ):
            data = {"password": PASSWORD, "why": why, **form}
            answer = await api.post(f"/office/{path}", data=data)
            assert answer.status_code == 200, answer.text
    async with transactions.begin() as db:
        rows = await db.execute(
            select(ReportDownload.report, ReportDownload.filters).order_by(ReportDownload.id)
        )
        told_of = [
            (report, filters["why"], filters.get("attendants") or filters["signs"])
            for report, filters in rows
        ]
        acts = await db.execute(
            select(AttendantChange.act, AttendantChange.why)
            .where(AttendantChange.attendant_id == UUID(people[0]))
            .order_by(AttendantChange.id)
        )
        assert [(act, why) for act, why in acts][-2:] == [
            ("card-made", reasons[0]),
            ("card-printed", reasons[1]),
        ]
        ended = books.day(now) - timedelta(days=1)
        await db.execute(update(Attendant).where(Attendant.code == "J-303").values(sk_until=ended))
    assert told_of == [
        each
        for why in reasons
        for each in (("kta", why, "J-301, J-302"), ("tanda", why, "PSR-001-U (1)"))
    ]
    assert "kartu dicetak lagi" in (await api.get(f"/office/attendants/{people[0]}")).text
    data = {"password": PASSWORD, "why": "uji", "attendant": people, "paper": "a4"}
    answer = await api.post("/office/attendants/cards", data=data)
    assert answer.status_code == 422
    assert "J-303" in answer.json()["detail"]
