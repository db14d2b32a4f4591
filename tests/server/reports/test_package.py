"""An auditor's package, as an auditor opens it: on a machine without Karcis."""

import asyncio
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text

from domain.closure import ClosureReason
from domain.mdr import MerchantCriteria
from server import sample
from server.audit import service as audit
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Role
from server.ledger.models import Entry, Posting
from server.payments import choices
from server.payments.books import Books
from server.reconciliation.discrepancies import Resolution
from server.reports import package, package_sheets
from server.reports.models import ReportDownload
from server.reports.signing import ReportSigner
from server.reports.table import Period
from server.rules import service as rules
from server.spots import closures
from tests.server.booking import book
from tests.server.cluster import PASSWORD
from tests.server.office.test_endpoints import sign_in
from tests.server.reconciliation import paying
from tests.server.reconciliation.test_discrepancies import AT, Desk
from tests.server.reconciliation.test_service import booked as booked_then
from tests.server.reconciliation.test_service import line, settlement
from tests.server.reports.test_files import signer  # noqa: F401 - a fixture, found by its name
from tests.server.rules.test_rules import MATCHING
from tests.server.test_cli import Karcis

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
async def booked(transactions: Transactions, books: Books, now: datetime) -> Period:
    """Payments of some days, one of them by somebody whose number begins a formula."""
    async with transactions.begin() as db:
        for number in range(12):
            await book(
                db,
                books,
                reference=f"uji{number}",
                acquirer_reference="=1+1" if number == 3 else f"A{number}",
                rrn=None,
                amount_rp=2000 + number,
                paid_at=now - timedelta(days=number),
            )
    today = books.business_day(now)
    return Period(today - timedelta(days=5), today)


def read(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    text = archive.read(f"{name}.csv").decode()
    assert "\r\n" in text
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def made(
    app: FastAPI,
    transactions: Transactions,
    books: Books,
    period: Period,
    out: Path,
    signer: ReportSigner | None,  # noqa: F811
) -> package.Package:
    wanted = package.Wanted(period, proofs=True, who="auditor")
    return await package.make(
        transactions,
        out,
        wanted,
        books,
        signer,
        app.state.audit_signer,
        now=datetime.now(UTC),
    )


async def test_a_package_holds_what_the_ledger_holds_and_proves_it(
    app: FastAPI,
    transactions: Transactions,
    books: Books,
    booked: Period,
    signer: ReportSigner,  # noqa: F811
    tmp_path: Path,
) -> None:
    await audit.seal(transactions, now=datetime.now(UTC), all_rows=True)
    out = tmp_path / "paket.zip"
    told = await made(app, transactions, books, booked, out, signer)
    assert told.sha256 == hashlib.sha256(out.read_bytes()).digest()
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "paket")
        postings, opening = read(archive, "ledger_postings"), read(archive, "opening_balances")
        money = read(archive, "money")
        package_json = json.loads(archive.read("datapackage.json"))
        resources = {each["path"]: each["schema"]["fields"] for each in package_json["resources"]}
        for name in archive.namelist():
            if name.endswith(".csv"):
                head = archive.read(name).decode().partition("\r\n")[0].split(",")
                assert head == [field["name"] for field in resources.pop(name)]
    assert resources == {}
    folder = tmp_path / "paket"
    await asyncio.to_thread(_check, folder, signer)
    balance: Counter[str] = Counter()
    for row in (*opening, *postings):
        balance[row["account_code"]] += int(row["amount_rp"])
    async with transactions.begin() as db:
        posted = await db.execute(
            select(Posting.account_code, func.sum(Posting.amount_rp))
            .join(Entry, Entry.id == Posting.entry_id)
            .where(Entry.business_day <= booked.last)
            .group_by(Posting.account_code)
        )
        assert dict(balance) == {code: int(amount) for code, amount in posted}
        record = (await db.scalars(select(ReportDownload))).one()
    assert sum(balance.values()) == 0
    assert opening
    assert len(money) == 6
    assert [row["acquirer_reference"] for row in money if "=" in row["acquirer_reference"]] == [
        "'=1+1"
    ]
    assert (record.report, record.form, record.sha256) == (package.NAME, "zip", told.sha256)


def _check(folder: Path, signer: ReportSigner) -> None:  # noqa: F811
    """As its README says, by programs that are no part of Karcis."""
    sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert sums.returncode == 0, sums.stdout
    days = list((folder / "audit").iterdir())
    assert days
    for day in days:
        checked = subprocess.run(
            [sys.executable, str(day / "periksa.py"), str(day)], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
    _check_signature(folder, signer)


def _check_signature(folder: Path, signer: ReportSigner) -> None:  # noqa: F811
    with signer._open() as key:
        assert key.signing_cert is not None
        (folder / "penerbit.der").write_bytes(key.signing_cert.dump())
    run = {"cwd": folder, "capture_output": True}
    pem = ["openssl", "x509", "-inform", "DER", "-in", "penerbit.der", "-out", "penerbit.pem"]
    subprocess.run(pem, check=True, **run)  # type: ignore[call-overload]
    command = "openssl cms -verify -binary -inform DER -in SHA256SUMS.p7s -content SHA256SUMS"
    more = ["-purpose", "any", "-CAfile", "penerbit.pem", "-out", "-"]
    good = subprocess.run([*command.split(), *more], **run)  # type: ignore[call-overload]
    assert good.returncode == 0, good.stderr
    (folder / "SHA256SUMS").write_bytes((folder / "SHA256SUMS").read_bytes() + b"\n")
    changed = subprocess.run([*command.split(), *more], **run)  # type: ignore[call-overload]
    assert changed.returncode != 0


async def test_what_two_officers_did_is_told_with_who_and_when(
    transactions: Transactions, books: Books, now: datetime, app: FastAPI, tmp_path: Path
) -> None:
    period = Period(books.business_day(now), books.business_day(now))
    claims = Desk(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)
    await claims.book([booked_then(1, AT)])
    await claims.settle(settlement(line(1, AT, mdr_rp=6)))
    await claims.reconcile()
    await claims.resolve(await claims.the("mdr-differs"), Resolution.CLAIMED)
    await paying.record_accounts(transactions, now)
    run = await paying.prepare(transactions, books.day(now), books, now)
    await paying.decide(transactions, run, now)
    await paying.tell(transactions, run, [1], books, now, paid=False)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        checker = await identity.officer_named(db, sample.CHECKER)
        wish, known = choices.Wish("b", "", "=uji KH 1234 AB"), ["a", "b"]
        chosen = await choices.ask(db, maker, wish, known, starts_at=now, now=now)
        await choices.decide(db, checker, chosen, approve=True, why="setuju", now=now)
        day = books.day(now)
        told = rules.parsed(MATCHING | {"valid_from": str(day + timedelta(days=40))})
        proposed = await rules.propose(db, maker, told, "perlu", today=day, now=now)
        await rules.decide(db, checker, proposed, approve=True, why="cocok", today=day, now=now)
        until = {"starts": None, "ends": None, "now": now}
        shut = await closures.close(db, maker, "PSR", ClosureReason.EVENT, note="pawai", **until)
        await closures.end(db, checker, shut, "selesai", now=now + timedelta(minutes=1))
    out = tmp_path / "paket.zip"
    await made(app, transactions, books, period, out, None)
    with zipfile.ZipFile(out) as archive:

        def only(sheet: str, **wanted: str) -> dict[str, str]:
            (row,) = [row for row in read(archive, sheet) if wanted.items() <= row.items()]
            return row

        two = {"decided_by": sample.CHECKER, "decided_at": now.isoformat()}
        only("fee_claims", amount_rp="6", state="open", opened_at=now.isoformat())
        paid = only("payout_runs", number=run.number, prepared_by=sample.OFFICER, **two)
        failed = only("payout_lines", run=run.number, state="failed", told_by=sample.OFFICER)
        assert (failed["account_masked"], failed["holder"]) == (f"...{paying.NUMBER[-3:]}", "'=Uji")
        lines = [row for row in read(archive, "payout_lines") if row["run"] == run.number]
        assert sum(int(row["amount_rp"]) for row in lines) == int(paid["amount_rp"])
        case = only("transfer_cases", detail="payout-failed", mended="False", closed_by="")
        assert case["payout_line_id"] == failed["id"]
        chose = only("acquirer_choices", acquirer="b", zone="", asked_by=sample.OFFICER, **two)
        assert chose["reason"] == "'=uji •••"
        rule = only("rule_proposals", kind="matching", proposed_by=sample.OFFICER, **two)
        assert json.loads(rule["body"])["late_after_days"] == MATCHING["late_after_days"]
        only("closures", zone="PSR", spot="", closed_by=sample.OFFICER, ended_by=sample.CHECKER)
        assert paying.NUMBER not in "".join(
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".csv")
        )
        readme = archive.read("README.txt").decode()
    assert all(f"{sheet.name}.csv" in readme for sheet in package_sheets.SHEETS)


async def test_rows_are_written_as_they_come(
    transactions: Transactions, booked: Period, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "AT_ONCE", 2)
    (money,) = [sheet for sheet in package_sheets.SHEETS if sheet.name == "money"]
    async with transactions.begin() as db:
        bounds = {"first": booked.first, "last": booked.last}
        counts = [rows async for _, rows in package._blocks(db, money, bounds)]
    assert counts == [0, 2, 2, 2]


async def test_no_plate_is_in_what_officers_wrote(transactions: Transactions) -> None:
    masked = package_sheets.MASKED.format("CAST(:words AS text)")
    for words, left in (
        ("mobil KH 1234 AB dua kali", "mobil ••• dua kali"),
        ("KH1234AB, b-1-x", "•••, •••"),
        ("tagihan 2026 dan Rp2000", "tagihan 2026 dan Rp2000"),
    ):
        async with transactions.begin() as db:
            assert await db.scalar(text(f"SELECT {masked}"), {"words": words}) == left


async def test_the_page_gives_it_to_auditors_and_to_nobody_else(
    api: httpx.AsyncClient, transactions: Transactions, booked: Period
) -> None:
    async with transactions.begin() as db:
        for role in (Role.AUDITOR, Role.ADMIN):
            await identity.add_officer(db, login=role.value, name="A", role=role, password=PASSWORD)
    days = {"from": str(booked.first), "to": str(booked.last)}
    await sign_in(api, login="admin")
    refused = await api.get("/office/audit/package.zip", params=days)
    assert (refused.status_code, refused.json()["slug"]) == (403, "role-not-allowed")
    await sign_in(api, login="auditor")
    answer = await api.get("/office/audit/package.zip", params=days)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert len(read(archive, "money")) == 6
        assert "TIDAK ditandatangani" in archive.read("README.txt").decode()
    long = await api.get(
        "/office/audit/package.zip", params=days | {"from": str(booked.first - timedelta(days=400))}
    )
    assert long.json()["slug"] == "report-period-unfit"


async def test_one_package_is_made_at_a_time(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    books: Books,
    booked: Period,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="auditor", name="A", role=Role.AUDITOR, password=PASSWORD
        )
    await sign_in(api, login="auditor")
    days = {"from": str(booked.first), "to": str(booked.last)}
    refused = []
    write_sheets = package._write_sheets

    async def asked_meanwhile(*args: Any) -> None:
        refused.append(await api.get("/office/audit/package.zip", params=days))
        await write_sheets(*args)

    with monkeypatch.context() as patched:
        patched.setattr(package, "_write_sheets", asked_meanwhile)
        await asyncio.wait_for(
            made(app, transactions, books, booked, tmp_path / "paket.zip", None), 120
        )
    (answer,) = refused
    assert (answer.status_code, answer.json()["slug"]) == (409, "package-being-made")
    assert (await api.get("/office/audit/package.zip", params=days)).status_code == 200


async def test_the_command_writes_it_where_it_is_told(
    booked: Period, database_url: str, tmp_path: Path
) -> None:
    karcis, out = Karcis(database_url, tmp_path), tmp_path / "paket.zip"
    days = ("--from", str(booked.first), "--to", str(booked.last))
    done = await karcis("audit", "package", *days, str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(hashlib.sha256(out.read_bytes()).hexdigest())
    assert (await karcis("audit", "package", *days, str(out))).returncode == 1
