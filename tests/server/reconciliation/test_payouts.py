"""Shares are paid by two officers and the bank's word: never twice, and a failed one stays owed."""

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from domain.payment import CaseState
from server import verify
from server.casework.models import CaseKind
from server.database import Transactions, new_id
from server.errors import FileRefused
from server.identity import service as identity
from server.identity.service import RoleNotAllowed
from server.office import settling
from server.payments.books import Books
from server.reconciliation import papers, payees, payouts, results, share_slips, transfers
from server.reconciliation.mappings import MappingRefused, PayoutMapping, mapping, parsed, ready
from server.reconciliation.models import TransferCase
from server.reconciliation.papers import Letterhead, Proof, ShareSlip
from server.reconciliation.payees import (
    OwnPayeeAccount,
    PayeeAccountDecided,
    PayeeAccountNotFound,
)
from server.reconciliation.payout_models import PayeeAccount, PayoutLine, PayoutRun
from server.reconciliation.payouts import (
    NothingToPayOut,
    PayeesNotKept,
    PayoutNotPossible,
    ToldAccount,
)
from server.reconciliation.share_slips import Reckoning
from server.reconciliation.states import (
    LINE_TABLE,
    RUN_TABLE,
    LineEvent,
    LineState,
    RunEvent,
    RunState,
)
from server.reports.models import ReportDownload
from server.sample import CHECKER, OFFICER
from server.settings import Settings
from server.workdays import Workdays
from tests.server.cluster import PASSWORD
from tests.server.office.test_endpoints import sign_in
from tests.server.reconciliation import paying
from tests.server.reconciliation.paying import KEY, NUMBER
from tests.server.reconciliation.test_files import FIXTURES
from tests.server.reconciliation.test_remittances import text_of
from tests.server.reconciliation.test_service import DAY, Office, booked, statement

AFTER = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


@pytest.fixture
async def office(transactions: Transactions, books: Books) -> Office:
    """Shares of a Saturday are owed to a zone's pool and to a third party."""
    office = Office(transactions, books, AFTER)
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    return office


async def owed(office: Office, until: date | None = None) -> dict[str, tuple[int, int]]:
    async with office.transactions.begin() as db:
        return {p.party: (p.owed_rp, p.waiting_rp) for p in await payouts.payees(db, until)}


async def run_of(office: Office) -> PayoutRun:
    await paying.record_accounts(office.transactions, AFTER)
    return await paying.prepare(office.transactions, DAY, office.books, AFTER)


async def pay(office: Office, run: PayoutRun, *positions: int, paid: bool = True) -> None:
    await paying.tell(office.transactions, run, [*positions], office.books, AFTER, paid=paid)


async def failed(office: Office, run: PayoutRun) -> tuple[str, int, CaseState]:
    """The case of the line of a run that the bank did not pay."""
    async with office.transactions.begin() as db:
        case = (
            await db.scalars(
                select(TransferCase)
                .join(PayoutLine, PayoutLine.id == TransferCase.payout_line_id)
                .where(PayoutLine.run_id == run.id)
            )
        ).one()
        state = await settling.state(db, CaseKind.TRANSFER, case.id)
    return case.owner, case.amount_rp, state


async def take_in(
    office: Office, content: bytes, name: str = "hasil.csv", how: str = "bank"
) -> results.Told:
    async with office.transactions.begin() as db:
        return await results.take_in(
            db, name, content, office.books, mapping=mapping(PayoutMapping, how), now=AFTER
        )


def result(*lines: str) -> bytes:
    return "\r\n".join(("Berita;Jumlah;Status;Keterangan", *lines, "")).encode()


async def test_the_banks_result_is_taken_in_whole_and_again_changes_nothing(
    office: Office,
) -> None:
    run = await run_of(office)
    content = result(
        f"BAGI HASIL {run.number}/1 DINAS;6.300;BERHASIL;REF 77",
        f"{run.number}/2;900,00;GAGAL;REKENING TUTUP",
    )
    with pytest.raises(FileRefused, match="no approved payout"):
        await take_in(office, content)
    await paying.decide(office.transactions, run, AFTER)
    assert await take_in(office, content) == results.Told(1, 6_300, 1, 900, 0)
    async with office.transactions.begin() as db:
        lines = [line for line, _ in await payouts.lines_of(db, run.id)]
    assert [(line.state, line.evidence) for line in lines] == [
        ("paid", "REF 77"),
        ("failed", "REKENING TUTUP"),
    ]
    assert await failed(office, run) == ("bendahara penerimaan", 900, CaseState.OPEN)
    assert await take_in(office, content) == results.Told(0, 0, 0, 0, 2)
    other = content.replace(b"\r\n", b"\n")  # the same in other bytes
    assert await take_in(office, other) == results.Told(0, 0, 0, 0, 2)
    assert (await office.balances())["1162"] == -6_300
    english = f"reference,amount,status,bank_reference,reason\n{run.number}/1,6300,SUCCESS,A,\n"
    assert (await take_in(office, english.encode(), how="bank-english")).known == 1
    async with office.transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def test_a_result_with_bad_lines_is_refused_and_each_of_them_is_named(
    office: Office,
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1)
    for bad, line in (
        (f"{run.number}/1;6.300;GAGAL;X", "line 2: .*otherwise"),
        (f"{run.number}/2;901;BERHASIL;X", "line 2: .*of 900 rupiah"),
        (f"{run.number}/3;900;BERHASIL;X", "line 2: there is no approved payout"),
        (f"{run.number}/2;900;DITUNDA;X", "line 2: Status says"),
        ("UANG;900;BERHASIL;X", "line 2: Berita names no line"),
        (f"{run.number}/2;900;BERHASIL", "line 2: not as many"),
    ):
        with pytest.raises(FileRefused, match=line):
            await take_in(office, result(bad))
    good = f"{run.number}/2;900;BERHASIL;X"
    with pytest.raises(FileRefused, match="line 3: the same payment stands twice"):
        await take_in(office, result(good, good))
    bad = f"{run.number}/2;900;DITUNDA;X"
    with pytest.raises(FileRefused, match=r"line 2: .*line 3: "):
        await take_in(office, result("UANG;900;BERHASIL;X", bad, good))
    assert await owed(office) == {"Karang Taruna (sampel)": (900, 900)}


def test_a_result_says_of_each_line_that_it_was_paid_or_failed_and_nothing_else() -> None:
    told = ready(PayoutMapping)["bank"]
    (word,) = told["words"]
    held = {**told, "words": [{**word, "values": {**word["values"], "PROSES": "held"}}]}
    with pytest.raises(MappingRefused, match="paid and what is failed, and nothing else"):
        parsed(PayoutMapping, held)
    both = [word, {"column": "Keterangan", "values": {"OK": "paid", "TUTUP": "failed"}}]
    content = result("BGH-2026-000001-X/1;900;BERHASIL;OK", "BGH-2026-000001-X/2;9;BERHASIL;TUTUP")
    with pytest.raises(FileRefused, match=r"^[^;]*line 3: its words say both[^;]*$"):
        results.read(content, parsed(PayoutMapping, {**told, "words": both}))


async def test_shares_are_paid_line_by_line_and_a_failed_one_stays_owed(office: Office) -> None:
    before = await owed(office)
    assert before == {"zone:PSR": (6_300, 0), "Karang Taruna (sampel)": (900, 0)}
    assert await owed(office, DAY - timedelta(days=1)) == {}
    with pytest.raises(NothingToPayOut):
        await paying.prepare(office.transactions, DAY, office.books, AFTER)
    run = await run_of(office)
    assert (run.number[:15], run.amount_rp) == ("BGH-2026-000001", 7_200)
    with pytest.raises(NothingToPayOut):
        await paying.prepare(office.transactions, DAY, office.books, AFTER)
    with pytest.raises(PayoutNotPossible):
        await pay(office, run, 1)
    async with office.transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        with pytest.raises(RoleNotAllowed):
            await payouts.decide(db, maker, run.id, "", agree=True, now=AFTER)
    async with office.transactions.begin() as db:
        recorder = await db.scalar(
            text("SELECT name FROM officers WHERE login = :who"), {"who": OFFICER}
        )
        unknown = await payouts.never_paid_before(db, run.id)
    assert unknown == {1: recorder, 2: recorder}
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1)
    await pay(office, run, 2, paid=False)
    with pytest.raises(PayoutNotPossible):
        await pay(office, run, 1)
    assert await owed(office) == {"Karang Taruna (sampel)": (900, 0)}
    assert (await office.balances())["1162"] == -6_300
    assert await failed(office, run) == ("bendahara penerimaan", 900, CaseState.OPEN)
    again = await paying.prepare(office.transactions, DAY, office.books, AFTER)
    assert again.amount_rp == 900
    async with office.transactions.begin() as db:
        assert await payouts.never_paid_before(db, again.id) == {1: recorder}
    await paying.decide(office.transactions, again, AFTER, agree=False)
    assert await owed(office) == {"Karang Taruna (sampel)": (900, 0)}
    last = await paying.prepare(office.transactions, DAY, office.books, AFTER)
    await paying.decide(office.transactions, last, AFTER)
    later = AFTER + timedelta(days=1)
    await paying.tell(office.transactions, last, [1], office.books, later, paid=True)
    assert await failed(office, run) == ("bendahara penerimaan", 900, CaseState.CLOSED)
    async with office.transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def test_a_failed_share_stays_a_case_while_a_later_run_pays_only_what_was_earned_before(
    office: Office,
) -> None:
    until = DAY + timedelta(days=1)
    await office.book([booked(77, f"{until}T09:00:00+07:00")])
    await paying.record_accounts(office.transactions, AFTER)
    run = await paying.prepare(office.transactions, until, office.books, AFTER)
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1, 2, paid=False)
    later = AFTER + timedelta(days=1)
    for up_to, state in ((DAY, CaseState.OPEN), (until, CaseState.CLOSED)):
        again = await paying.prepare(office.transactions, up_to, office.books, later)
        await paying.decide(office.transactions, again, later)
        await paying.tell(office.transactions, again, [1], office.books, later, paid=True)
        async with office.transactions.begin() as db:
            cases = await transfers.of_lines(db, run.id)
            (first,) = [
                cases[line.id]
                for line, _ in await payouts.lines_of(db, run.id)
                if line.position == 1
            ]
            assert await settling.state(db, CaseKind.TRANSFER, first) is state


def of_account(run: PayoutRun, *moved: tuple[int, str], reference: str = "") -> bytes:
    """A statement of movements that name a run, each with what follows the number."""
    opened_rp, closed_rp = 10_000, 10_000 + sum(rp for rp, _ in moved)
    content = statement(
        DAY, *((rp, f"BAGI HASIL {run.number}{more}") for rp, more in moved), reference=reference
    )
    return (
        content.replace(b"IDR0,00", f"IDR{opened_rp},00".encode(), 1)
        .replace(b"C-", b"D")
        .replace(f"IDR{closed_rp - opened_rp},00".encode(), f"IDR{closed_rp},00".encode())
    )


TAKEN = {
    "whole, and the failed line given back": ((-7_200, ""), (900, "/2 RETUR")),
    "what was paid": ((-6_300, ""),),
    "line by line": ((-6_300, "/1"), (-900, "/2"), (900, "/2")),
}


@pytest.mark.parametrize("told_first", [True, False])
@pytest.mark.parametrize("moved", TAKEN.values(), ids=TAKEN)
async def test_however_the_bank_takes_a_run_of_which_a_line_fails_nothing_stays_open(
    office: Office, moved: tuple[tuple[int, str], ...], told_first: bool
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    if not told_first:
        await office.bank(of_account(run, *moved))
    await pay(office, run, 1)
    await pay(office, run, 2, paid=False)
    if told_first:
        await office.bank(of_account(run, *moved))
    balances = await office.balances()
    assert (balances.get("1162"), balances["1110"], balances.get("2190")) == (None, -6_300, None)
    assert not [d for d in (await office.reconcile()).differences if d.kind == "unknown-movement"]
    async with office.transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def watched(office: Office, days: int) -> dict[str, tuple[int, CaseState]]:
    """What the nightly look makes of the bank's silence, by what is wrong; of several the latest.

    With no hint of it on the account, or in the books, nobody else would ask.
    """
    now = AFTER + timedelta(days=days)
    async with office.transactions.begin() as db:
        await transfers.open_overdue(db, Workdays({}), 1, office.books, now)
    async with office.transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}
        rows = await db.scalars(select(TransferCase).order_by(TransferCase.id))
        return {
            row.detail: (row.amount_rp, await settling.state(db, CaseKind.TRANSFER, row.id))
            for row in rows.all()
        }


async def test_shares_told_paid_that_never_left_the_account_are_a_case_until_they_do(
    office: Office,
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1, 2)
    assert await watched(office, 1) == {}
    assert await watched(office, 60) == {"payout-not-seen": (7_200, CaseState.OPEN)}
    await office.bank(of_account(run, (-6_300, "/1")))
    assert await watched(office, 61) == {"payout-not-seen": (900, CaseState.OPEN)}
    async with office.transactions.begin() as db:
        first, second = await transfers.of_run(db, run.id)
        assert await settling.state(db, CaseKind.TRANSFER, first.id) is CaseState.CLOSED
        maker, checker = [await identity.officer_named(db, who) for who in (OFFICER, CHECKER)]
        await settling.propose(db, maker, CaseKind.TRANSFER, second.id, "uji", now=AFTER)
    async with office.transactions.begin() as db:
        await settling.decide(
            db, checker, CaseKind.TRANSFER, second.id, accept=False, why="belum", now=AFTER
        )
    await office.bank(of_account(run, (-900, "/2"), reference="STN-2"))
    assert await watched(office, 62) == {"payout-not-seen": (900, CaseState.CLOSED)}


async def test_a_run_that_the_bank_took_whole_is_a_case_however_often_a_failed_line_is_paid(
    office: Office,
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await office.bank(of_account(run, (-7_200, "")))
    await pay(office, run, 1)
    await pay(office, run, 2, paid=False)
    again = await paying.prepare(office.transactions, DAY, office.books, AFTER)
    await paying.decide(office.transactions, again, AFTER)
    later = AFTER + timedelta(days=1)
    await paying.tell(office.transactions, again, [1], office.books, later, paid=True)
    await office.bank(of_account(again, (-900, "/1"), reference="STN-2"))
    assert (await office.balances())["1162"] == 900
    open_ = (900, CaseState.OPEN)
    assert await watched(office, 5) == {"payout-failed": open_, "payout-differs": open_}
    await office.bank(of_account(run, (900, "/2 RETUR"), reference="STO-2"))
    closed = (900, CaseState.CLOSED)
    assert await watched(office, 6) == {"payout-failed": closed, "payout-differs": closed}


async def test_a_run_that_nobody_answers_is_a_case_until_each_line_is(
    office: Office, api: httpx.AsyncClient
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    assert await watched(office, 1) == {}
    assert await watched(office, 2) == {"payout-unanswered": (7_200, CaseState.OPEN)}
    with pytest.raises(NothingToPayOut):  # what waits is not paid by another run
        await paying.prepare(office.transactions, DAY, office.books, AFTER)
    async with office.transactions.begin() as db:
        (case,) = await transfers.of_run(db, run.id)
    await sign_in(api)
    for path, told in (
        ("/office/cases?kind=transfer", run.number),
        (f"/office/payouts/{run.id}", "bagi hasil belum dijawab bank"),
        (f"/office/transfers/{case.id}", "Minta hasil pembayaran dari bank"),
    ):
        assert told in (await api.get(path)).text, path
    await pay(office, run, 1)
    assert (await watched(office, 2))["payout-unanswered"] == (900, CaseState.OPEN)
    await pay(office, run, 2, paid=False)
    assert (await watched(office, 2))["payout-unanswered"] == (900, CaseState.CLOSED)


async def test_more_than_a_run_or_a_return_of_what_was_paid_waits_for_a_person(
    office: Office,
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1, 2)
    await office.bank(of_account(run, (-7_200, ""), (-900, "/2"), (200, "/2"), (-1_000, "/1")))
    balances = await office.balances()
    assert (balances.get("1162"), balances["2190"]) == (None, 1_700)


async def test_the_bank_gets_its_columns_and_nobody_else_the_numbers(
    office: Office, settings: Settings
) -> None:
    run = await run_of(office)
    columns = "Amount=amount,To=account,Name=holder,Ref=reference"
    async with office.transactions.begin() as db:
        with pytest.raises(PayoutNotPossible):
            await payouts.bulk_file(db, run, columns, KEY)
    await paying.decide(office.transactions, run, AFTER)
    async with office.transactions.begin() as db:
        run = await db.get_one(PayoutRun, run.id)
        content = (await payouts.bulk_file(db, run, columns, KEY)).content
        default = (await payouts.bulk_file(db, run, settings.payout_columns, KEY)).content
        with pytest.raises(PayeesNotKept):
            await payouts.bulk_file(db, run, columns, None)
        kept = [str(row) for row in (await db.execute(select(PayeeAccount.__table__))).all()]
        changes = list(await db.scalars(text("SELECT state::text FROM audit_changes")))
    rows = list(csv.reader(io.StringIO(content.decode())))
    assert rows[0] == ["Amount", "To", "Name", "Ref"]
    assert rows[1] == ["6300", NUMBER, "'=Uji", f"{run.number}/1"]
    assert default.startswith(b"rekening,nama,bank,jumlah,berita\r\n")
    assert not [row for row in kept + changes if NUMBER in row]


async def test_only_what_waits_goes_to_the_bank_and_who_took_the_file_is_on_record(
    office: Office, api: httpx.AsyncClient
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1)
    await sign_in(api)
    path = f"/office/payouts/{run.id}/bank.csv"
    assert (await api.get(path)).status_code == 405
    assert (await api.post(path)).json()["slug"] == "confirmation-needed"
    answer = await api.post(path, data={"password": PASSWORD})
    _, *rows = csv.reader(io.StringIO(answer.text))
    assert [row[0] for row in rows] == [NUMBER]
    assert rows[0][4] == f"{run.number}/2"
    async with office.transactions.begin() as db:
        (taken,) = await db.scalars(select(ReportDownload))
    assert (taken.who, taken.report, taken.row_count) == (OFFICER, "berkas-bank", 1)
    assert taken.filters == {"run": run.number}
    assert taken.sha256 == hashlib.sha256(answer.content).digest()
    await pay(office, run, 2, paid=False)
    again = await api.post(path, data={"password": PASSWORD})
    assert again.json()["slug"] == "payout-not-possible"


async def test_an_account_is_refused_without_a_key_and_for_who_is_owed_nothing(
    office: Office,
) -> None:
    told = ToldAccount("2130", "Karang Taruna", "Bank Uji", "Uji", NUMBER)
    async with office.transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        with pytest.raises(PayeesNotKept):
            await payouts.record_account(db, maker, told, None, now=AFTER)
        nobody = ToldAccount("2130", "Tidak ada", "Bank Uji", "Uji", NUMBER)
        with pytest.raises(payouts.PayoutNotFound):
            await payouts.record_account(db, maker, nobody, KEY, now=AFTER)


async def test_money_goes_only_to_an_account_that_two_officers_saw(
    office: Office, owner: Transactions
) -> None:
    async def record(number: str) -> UUID:
        told = ToldAccount("2130", "Karang Taruna (sampel)", "Bank Uji", "Uji", number)
        async with office.transactions.begin() as db:
            maker = await identity.officer_named(db, OFFICER)
            await payouts.record_account(db, maker, told, KEY, now=AFTER)
            (waiting,) = (await payees.waiting(db)).values()
            return waiting.id

    async def decide(account: UUID, login: str = CHECKER, *, agree: bool = True) -> None:
        async with office.transactions.begin() as db:
            who = await identity.officer_named(db, login)
            await payees.decide(db, who, account, "buku tabungan", agree=agree, now=AFTER)

    async def pays_to() -> list[str]:
        async with office.transactions.begin() as db:
            return [p.account.ending for p in await payouts.payees(db) if p.account]

    first = await record("111111111")
    with pytest.raises(NothingToPayOut):
        await paying.prepare(office.transactions, DAY, office.books, AFTER)
    with pytest.raises(RoleNotAllowed):
        await decide(first, OFFICER)
    await decide(first)
    declined = await record("222222222")
    await decide(declined, agree=False)
    with pytest.raises(PayeeAccountDecided):
        await decide(declined)
    older, newer = await record("333333333"), await record("444444444")
    with pytest.raises(PayeeAccountDecided):
        await decide(older)
    assert await pays_to() == ["111"]
    with pytest.raises(PayeeAccountNotFound):
        await decide(new_id())
    async with owner.begin() as db:  # whose role changed meanwhile is the same person
        values = {"role": "verifikator", "login": OFFICER}
        await db.execute(text("UPDATE officers SET role = :role WHERE login = :login"), values)
    with pytest.raises(OwnPayeeAccount):
        await decide(newer, OFFICER)
    await decide(newer)
    assert await pays_to() == ["444"]
    with pytest.raises(DBAPIError, match="is decided by who recorded it"):
        async with owner.begin() as db:
            await db.execute(
                text(
                    "INSERT INTO payee_decisions (account_id, agreed, why, decided_by, decided_at)"
                    " SELECT id, true, '', recorded_by, now() FROM payee_accounts WHERE id = :id"
                ),
                {"id": older},
            )
    async with owner.begin() as db:
        await db.execute(text("UPDATE officers SET role = 'bendahara' WHERE login = 'bendahara'"))
    await paying.prepare(office.transactions, DAY, office.books, AFTER)
    with pytest.raises(DBAPIError, match="was seen by one officer"):
        async with owner.begin() as db:
            await db.execute(
                text(
                    "INSERT INTO payout_lines (id, run_id, position, account_code, party,"
                    " payee_account_id, amount_rp, state, evidence) SELECT gen_random_uuid(),"
                    " run_id, 99, account_code, 'lain', :id, 1, 'waiting', '' FROM payout_lines"
                ),
                {"id": older},
            )


async def test_a_zones_pool_reads_as_words_wherever_people_read_it(
    office: Office, api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await sign_in(api)
    pool = f"juru parkir bersama, zona Pasar Contoh (PSR), {office.books.regency}"
    english = f"attendants together, zone Pasar Contoh (PSR), {office.books.regency}"
    days = {"from": str(DAY), "to": str(DAY)}
    for path in ("/office/payouts", f"/office/payouts/{run.id}", "/office/ledger"):
        with subtests.test(path):
            page = (await api.get(path, params={"lang": "id"})).text
            assert pool in page
            assert "Karang Taruna (sampel)" in page
            assert "zone:PSR" not in re.sub('(value|href)="[^"]*"', "", page)
            assert english in (await api.get(path, params={"lang": "en"})).text
    await pay(office, run, 1)
    slip = await api.get(f"/office/payouts/{run.id}/1/slip.pdf")
    assert pool in " ".join(text_of(slip.content).split())
    report = await api.get("/office/reports/bagi-hasil.csv", params=days | {"lang": "id"})
    rows = [row for row in csv.reader(io.StringIO(report.text), delimiter=";") if "PSR" in row]
    assert [row[1] for row in rows] == [pool]
    report = await api.get("/office/reports/bagi-hasil.csv", params=days | {"lang": "en"})
    assert english in report.text


async def test_a_slip_says_who_was_paid_how_much(office: Office) -> None:
    told = ShareSlip(
        "BGH-2026-000001-X/1", "Budi (J-001)", 4_900, DAY,
        Reckoning(DAY, DAY, 1, 14_000, [3_500], 5_000, 100, 0), "Bank Uji, ...890", "REF-1", DAY,
    )  # fmt: skip
    said = text_of(papers.share_slip(Letterhead("Kabupaten Contoh", "Dishub"), told, Proof(())))
    for part in ("Rp14.000", "35 % = Rp5.000", "1 hari", "-Rp100"):
        assert part in said
    for part in ("Budi (J-001)", "Rp4.900", "empat ribu sembilan ratus rupiah", "...890"):
        assert part in said


async def test_an_attendants_account_is_seen_by_two_before_any_share_is_owed(
    office: Office,
) -> None:
    async with office.transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        checker = await identity.officer_named(db, CHECKER)
        told = ToldAccount("2120", "J-001", "Bank Uji", "Ahmad", NUMBER)
        for nobody in (replace(told, party="J-999"), replace(told, account_code="2130")):
            with pytest.raises(payouts.PayoutNotFound):
                await payouts.record_account(db, maker, nobody, KEY, now=AFTER)
        await payouts.record_account(db, maker, told, KEY, now=AFTER)
        (waits,) = await payouts.told_of(db, await payouts.payees(db))
        assert (waits.party, waits.owed_rp, waits.account) == ("J-001", 0, None)
        assert waits.told is not None
        await payees.decide(db, checker, waits.told.id, "buku tabungan", agree=True, now=AFTER)
        assert ("2120", "J-001") in await payees.agreed(db)


async def reckonings(office: Office, run: PayoutRun) -> dict[str, Reckoning]:
    async with office.transactions.begin() as db:
        lines = await payouts.lines_of(db, run.id)
        return {line.party: await share_slips.reckoned(db, run, line) for line, _ in lines}


async def test_a_slip_says_of_which_days_and_takings_a_share_was(office: Office) -> None:
    run = await run_of(office)
    await paying.decide(office.transactions, run, AFTER)
    await pay(office, run, 1, 2)
    first = await reckonings(office, run)
    pool, third = first.values()
    assert (pool.first, pool.last, pool.days, pool.gross_rp) == (DAY, DAY, 1, 18_000)
    async with office.transactions.begin() as db:
        paid = {line.party: line.amount_rp for line, _ in await payouts.lines_of(db, run.id)}
    assert [one.share_rp - one.taken_back_rp for one in (pool, third)] == [*paid.values()]
    assert [one.share_rp * 10_000 // one.gross_rp for one in (pool, third)] == [
        *pool.parts_bp, *third.parts_bp
    ]  # fmt: skip
    # What came later is of the next slip, and changes no slip that was given.
    late = AFTER + timedelta(hours=2)
    await office.book([booked(9, (AFTER + timedelta(hours=1)).isoformat(), 2_000)])
    next_run = await paying.prepare(office.transactions, office.books.day(late), office.books, late)
    assert {one.gross_rp for one in (await reckonings(office, next_run)).values()} == {2_000}
    assert await reckonings(office, run) == first


@pytest.mark.parametrize("state", RunState)
def test_each_event_of_a_run_is_decided_in_each_state(state: RunState) -> None:
    found = {e.value for e in RunEvent if (state, e) in RUN_TABLE}
    assert found == ({"approved", "declined"} if state is RunState.PREPARED else set())


@pytest.mark.parametrize("state", LineState)
def test_each_event_of_a_line_is_decided_in_each_state(state: LineState) -> None:
    found = {e.value for e in LineEvent if (state, e) in LINE_TABLE}
    assert found == ({"paid", "failed", "dropped"} if state is LineState.WAITING else set())
