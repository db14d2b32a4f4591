"""The statement of the regency's account: STS that arrived, and what was paid straight into it."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from domain.payment import CaseState
from server.casework.models import CaseKind
from server.database import Transactions
from server.errors import FileRefused
from server.identity import service as identity
from server.office import settling
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import close_lists, previews, remittances, statements, transfers
from server.reconciliation.mappings import StatementMapping
from server.reconciliation.models import Remittance, TransferCase
from server.reports import day_close, package_sheets
from server.sample import CHECKER, OFFICER
from server.workdays import Workdays
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_imports import STATEMENTS
from tests.server.reconciliation.test_remittances import AFTER, CAME_RP, approve, broken, make
from tests.server.reconciliation.test_remittances import office as office
from tests.server.reconciliation.test_service import (
    DAY,
    Office,
    booked,
    line,
    settlement,
    statement,
)

RKUD = "100-200-300"
MONDAY = DAY + timedelta(days=2)


@pytest.fixture
async def ready(office: Office) -> Office:
    """The day's money is on the collecting account, and the day closed."""
    office.books = replace(office.books, rkud_account=RKUD)
    await closes.close(office.transactions, DAY, office.books, now=AFTER)
    return office


def at_rkud(day: date, *moved: tuple[int, str], reference: str = "RKUD-1") -> bytes:
    return statement(day, *moved, reference=reference).replace(b":25:0011223344", b":25:100200300")


async def confirmed(office: Office, made: Remittance) -> date | None:
    async with office.transactions.begin() as db:
        return (await db.get_one(Remittance, made.id)).confirmed_on


async def watch(office: Office, now: datetime) -> None:
    async with office.transactions.begin() as db:
        await transfers.open_overdue(db, Workdays({}), 1, office.books, now)


async def cases(office: Office) -> dict[str, tuple[int, CaseState]]:
    """By detail, of several the latest."""
    async with office.transactions.begin() as db:
        rows = (await db.scalars(select(TransferCase).order_by(TransferCase.id))).all()
        return {
            row.detail: (row.amount_rp, await settling.state(db, CaseKind.TRANSFER, row.id))
            for row in rows
        }


@pytest.mark.parametrize("told_first", [True, False])
async def test_the_regencys_statement_confirms_an_sts(ready: Office, told_first: bool) -> None:
    made = await make(ready)
    if not told_first:
        await approve(ready, made)
    spelled = made.number.replace("-", "")
    other = (777_000, "PAJAK HOTEL MELATI")
    content = at_rkud(MONDAY, (CAME_RP, f"SETORAN {spelled}"), other)
    async with ready.transactions.begin() as db:
        seen = await previews.statement(db, "r.sta", content, ready.books, now=AFTER)
    assert (seen.matched, seen.is_rkud) == (1, True)
    assert (await ready.bank(content)).lines == 2
    if told_first:
        assert await confirmed(ready, made) is None
        await approve(ready, made)
    assert await confirmed(ready, made) == MONDAY
    balances = await ready.balances()
    assert (balances["1100"], balances["1110"], balances.get("2190")) == (CAME_RP, CAME_RP, None)
    async with ready.transactions.begin() as db:  # what is not ours is in no case
        assert await db.scalar(select(func.count(Case.id))) == 0
    assert not (await ready.reconcile(MONDAY)).differences
    assert (await ready.bank(content)).lines == 0
    assert await broken(ready) == {}


async def test_a_file_of_the_rkud_and_of_the_collecting_account_is_refused(ready: Office) -> None:
    camt = (STATEMENTS / "clean.xml").read_bytes()
    start, end = camt.index(b"<Stmt>"), camt.index(b"</BkToCstmrStmt>")
    other = camt[start:end].replace(b"STM20261121", b"RKUD-1").replace(b"0011223344", b"100200300")
    with pytest.raises(FileRefused, match="several accounts in one file"):
        await ready.bank(camt[:start] + other + camt[start:])
    table = b"tanggal,rekening,keterangan,jumlah\n"
    told = StatementMapping.model_validate(
        {
            "date_format": "%Y-%m-%d",
            "columns": {
                "value_date": "tanggal",
                "account": "rekening",
                "narrative": "keterangan",
                "amount": "jumlah",
            },
        }
    )
    rows = (b"2026-11-23,100200300,PAJAK,5\n", b"2026-11-23,0011223344,BCH-A1,7\n")
    assert [len(statements.read(table + row, told)) for row in rows] == [1, 1]
    with pytest.raises(FileRefused, match="several accounts in one file"):
        statements.read(table + b"".join(rows), told)


async def test_an_sts_that_does_not_arrive_in_time_is_a_case_until_it_does(ready: Office) -> None:
    await ready.bank(at_rkud(MONDAY, (1, "BUNGA")))
    made = await make(ready)
    await approve(ready, made)
    await watch(ready, AFTER + timedelta(days=1))
    assert await cases(ready) == {}
    for _ in range(2):
        await watch(ready, AFTER + timedelta(days=2))
    open_ = (CAME_RP, CaseState.OPEN)
    assert await cases(ready) == {"sts-not-seen": open_, "sts-unconfirmed": open_}
    await ready.bank(
        at_rkud(MONDAY + timedelta(days=2), (CAME_RP, made.number), reference="RKUD-2")
    )
    assert await cases(ready) == {
        "sts-not-seen": open_,
        "sts-unconfirmed": (CAME_RP, CaseState.CLOSED),
    }


async def test_an_office_without_that_statement_awaits_none(ready: Office) -> None:
    await approve(ready, await make(ready))
    await watch(ready, AFTER + timedelta(days=9))
    assert set(await cases(ready)) == {"sts-not-seen"}


async def transfer_rows(office: Office) -> list[TransferCase]:
    async with office.transactions.begin() as db:
        return list(await db.scalars(select(TransferCase).order_by(TransferCase.id)))


async def not_awaited(office: Office) -> dict[int, str]:
    """The states of the cases of sums that the batches they name do not await."""
    rows = await transfer_rows(office)
    async with office.transactions.begin() as db:
        return {
            row.amount_rp: await settling.state(db, CaseKind.TRANSFER, row.id)
            for row in rows
            if row.detail == transfers.RKUD_NOT_AWAITED
        }


async def explain(office: Office, why: str) -> None:
    """Two officers close the latest case of a transfer."""
    async with office.transactions.begin() as db:
        case_id = await db.scalar(select(TransferCase.id).order_by(TransferCase.id.desc()).limit(1))
        assert case_id is not None
        maker, checker = [await identity.officer_named(db, who) for who in (OFFICER, CHECKER)]
        kind = CaseKind.TRANSFER
        await settling.propose(db, maker, kind, case_id, why, now=AFTER)
        await settling.decide(db, checker, kind, case_id, accept=True, why="", now=AFTER)


async def test_another_sum_is_a_case_until_the_rest_comes_or_two_officers_explain_it(
    ready: Office,
) -> None:
    made = await make(ready)
    await approve(ready, made)
    await ready.bank(at_rkud(MONDAY, (CAME_RP - 2_500, made.number)))
    assert await confirmed(ready, made) is None
    assert await cases(ready) == {"sts-differs": (-2_500, CaseState.OPEN)}
    assert await broken(ready) == {}
    await explain(ready, "biaya RTGS")
    assert await cases(ready) == {"sts-differs": (-2_500, CaseState.CLOSED)}
    await ready.bank(at_rkud(MONDAY, (2_500, f"KEKURANGAN {made.number}"), reference="RKUD-2"))
    assert await confirmed(ready, made) == MONDAY
    assert await broken(ready) == {}


async def test_what_was_explained_of_a_difference_explains_no_other_one(ready: Office) -> None:
    made = await make(ready)
    await approve(ready, made)
    await ready.bank(at_rkud(MONDAY, (1, "BUNGA"), (CAME_RP - 2_500, made.number)))
    await explain(ready, "biaya RTGS")
    await ready.bank(at_rkud(MONDAY, (2_000, f"SUSULAN {made.number}"), reference="RKUD-2"))
    assert await cases(ready) == {"sts-differs": (-500, CaseState.OPEN)}
    await ready.bank(at_rkud(MONDAY, (200, f"SUSULAN {made.number}"), reference="RKUD-3"))
    async with ready.transactions.begin() as db:
        told = (await db.scalars(select(TransferCase).order_by(TransferCase.id))).all()
        mended = [await transfers.is_mended(db, row.id) for row in told]
    assert [row.amount_rp for row in told] == [-2_500, -500, -300]
    assert mended == [True, True, False]
    await watch(ready, AFTER + timedelta(days=9))  # that it is not confirmed, is told already
    assert set(await cases(ready)) == {"sts-differs", "sts-not-seen"}
    assert await broken(ready) == {}


async def test_an_sts_of_another_sum_is_no_longer_one_that_did_not_arrive(ready: Office) -> None:
    await ready.bank(at_rkud(MONDAY, (1, "BUNGA")))
    made = await make(ready)
    await approve(ready, made)
    await watch(ready, AFTER + timedelta(days=2))
    assert (await cases(ready))["sts-unconfirmed"] == (CAME_RP, CaseState.OPEN)
    late = MONDAY + timedelta(days=2)
    await ready.bank(at_rkud(late, (CAME_RP - 2_500, made.number), reference="RKUD-2"))
    now = await cases(ready)
    assert now["sts-unconfirmed"] == (CAME_RP, CaseState.CLOSED)
    assert now["sts-differs"] == (-2_500, CaseState.OPEN)


@pytest.mark.parametrize("bank_first", [True, False])
async def test_what_an_acquirer_pays_straight_into_the_rkud_needs_a_paper_and_no_transfer(
    transactions: Transactions, books: Books, bank_first: bool
) -> None:
    office = Office(transactions, replace(books, rkud_account=RKUD), AFTER)
    paid_at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(1, paid_at)])
    files = [
        lambda: office.bank(at_rkud(DAY, (1_986, "PENCAIRAN BCH-A1"), (5, "LAIN"))),
        lambda: office.settle(settlement(line(1, paid_at, mdr_rp=14))),
    ]
    for take_in in files if bank_first else files[::-1]:
        await take_in()
    assert {d.kind.value for d in (await office.reconcile()).differences} <= {"mdr-differs"}
    balances = await office.balances()
    assert [balances.get(code) for code in ("1100", "1110", "1130")] == [1_986, None, None]
    await closes.close(transactions, DAY, office.books, "uji", now=AFTER)
    with pytest.raises(remittances.NothingToRemit):
        await make(office)
    async with transactions.begin() as db:
        left = await remittances.waiting(db, Workdays({}), 1, office.books, DAY, direct=True)
        maker = await identity.officer_named(db, OFFICER)
        paper = await remittances.prepare(db, maker, office.books, direct=True, now=AFTER)
    assert [(one.day, one.amount_rp) for one in left] == [(DAY, 1_986)]
    await approve(office, paper)
    assert await confirmed(office, paper) == DAY
    assert (await office.balances())["1100"] == 1_986
    async with transactions.begin() as db:
        assert not await remittances.waiting(db, Workdays({}), 1, office.books, DAY, direct=True)
    await watch(office, AFTER + timedelta(days=30))
    assert await cases(office) == {}
    assert await broken(office) == {}


async def test_a_transfer_that_names_a_batch_already_paid_is_no_second_payout(
    transactions: Transactions, books: Books
) -> None:
    """The treasurer writes the batch, not the number of the STS."""
    office = Office(transactions, replace(books, rkud_account=RKUD), AFTER)
    paid_at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(1, paid_at), booked(2, paid_at)])
    lines = (line(1, paid_at, mdr_rp=14), line(2, paid_at, batch="BCH-A2", mdr_rp=14))
    await office.settle(settlement(*lines))
    await office.bank(statement(DAY, (3_972, "PENCAIRAN BCH-A1 BCH-A2")))
    await office.bank(
        at_rkud(DAY, (1_986, "SETORAN BCH-A2"), (3_972, "SETORAN BCH-A1 BCH-A2"), (1, "BCH-A1"))
    )
    balances = await office.balances()
    assert [balances.get(code) for code in ("1100", "1110", "1130")] == [None, 3_972, None]
    assert await not_awaited(office) == {1_986: "open", 3_972: "open", 1: "open"}
    await office.reconcile()
    await closes.close(transactions, DAY, office.books, "uji", now=AFTER)
    async with transactions.begin() as db:
        assert not await remittances.waiting(db, Workdays({}), 1, office.books, DAY, direct=True)
    assert await broken(office) == {}


async def test_a_payout_into_the_rkud_waits_for_all_the_batches_that_it_pays(
    transactions: Transactions, books: Books
) -> None:
    office = Office(transactions, replace(books, rkud_account=RKUD), AFTER)
    paid_at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(1, paid_at), booked(2, paid_at)])
    await office.bank(at_rkud(DAY, (3_972, "PENCAIRAN BCH-A1 BCH-A2")))
    await office.settle(settlement(line(1, paid_at, mdr_rp=14)))
    assert (await office.balances()).get("1100") is None
    assert await not_awaited(office) == {3_972: "open"}
    await office.settle(settlement(line(2, paid_at, batch="BCH-A2", mdr_rp=14)))
    balances = await office.balances()
    assert [balances.get(code) for code in ("1100", "1130")] == [3_972, None]
    assert await not_awaited(office) == {3_972: "closed"}
    debit = at_rkud(DAY, (3_972, "BATAL BCH-A1 BCH-A2"), reference="RKUD-2")
    await office.bank(debit.replace(b"C3972,", b"D3972,").replace(b":62F:C", b":62F:D"))
    assert (await office.balances()).get("1100") is None
    await office.bank(at_rkud(DAY, (3_972, "ULANG BCH-A1 BCH-A2"), reference="RKUD-3"))
    balances = await office.balances()
    assert [balances.get(code) for code in ("1100", "1130")] == [3_972, None]
    assert await broken(office) == {}


@pytest.mark.parametrize("bank_first", [True, False])
async def test_more_than_a_batch_awaits_is_a_case_until_two_officers_explain_it(
    transactions: Transactions, books: Books, bank_first: bool
) -> None:
    office = Office(transactions, replace(books, rkud_account=RKUD), AFTER)
    paid_at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(1, paid_at)])
    files = [
        lambda: office.bank(at_rkud(DAY, (5_000, "PENCAIRAN BCH-A1"), (9_000, "PAJAK HOTEL"))),
        lambda: office.settle(settlement(line(1, paid_at, mdr_rp=14))),
    ]
    for take_in in files if bank_first else files[::-1]:
        await take_in()
    assert await not_awaited(office) == {5_000: "open"}
    (case,) = await transfer_rows(office)
    assert (case.detail, case.owner) == ("rkud-not-awaited", "bendahara penerimaan")
    kinds = {one.kind.value for one in (await office.reconcile()).differences}
    assert "payout-missing" in kinds  # none of it was taken for the batch
    await explain(office, "acquirer salah kirim, ditarik kembali")
    assert await not_awaited(office) == {5_000: "closed"}
    assert await broken(office) == {}


async def test_a_transfer_told_before_the_account_it_left_is_the_batchs_money_once(
    transactions: Transactions, books: Books
) -> None:
    """The regency's statement comes first: it says the batch was paid there, and is undone."""
    office = Office(transactions, replace(books, rkud_account=RKUD), AFTER)
    paid_at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(1, paid_at)])
    await office.settle(settlement(line(1, paid_at, mdr_rp=14)))
    await office.bank(at_rkud(DAY, (1_986, "SETORAN BCH-A1")))
    assert (await office.balances())["1100"] == 1_986
    await office.bank(statement(DAY, (1_986, "PENCAIRAN BCH-A1")))
    kinds = {one.kind.value for one in (await office.reconcile()).differences}
    assert "payout-differs" in kinds  # it came twice, and somebody has to look
    left = statement(DAY, (1_986, "SETORAN BCH-A1"), reference="STM-2")
    await office.bank(left.replace(b"C1986,", b"D1986,").replace(b":62F:C", b":62F:D"))
    kinds = {one.kind.value for one in (await office.reconcile()).differences}
    assert kinds <= {"mdr-differs"}
    balances = await office.balances()
    assert [balances.get(code) for code in ("1100", "1110", "1130")] == [1_986, None, None]
    await closes.close(transactions, DAY, office.books, "uji", now=AFTER)
    with pytest.raises(remittances.NothingToRemit):  # it is there, and is not handed in again
        await make(office)
    async with transactions.begin() as db:
        waits = await remittances.waiting(db, Workdays({}), 1, office.books, DAY, direct=True)
    assert [one.amount_rp for one in waits] == [1_986]
    assert await broken(office) == {}


async def sheet(office: Office, name: str) -> list[dict[str, object]]:
    (wanted,) = [sheet for sheet in package_sheets.SHEETS if sheet.name == name]
    bounds = {"first": DAY, "last": AFTER.date(), "start": AFTER, "until": AFTER}
    asked = {key: value for key, value in bounds.items() if f":{key}" in wanted.sql}
    names = [column for column, _, _ in wanted.columns]
    async with office.transactions.begin() as db:
        rows = await db.execute(text(wanted.sql), asked)
        return [dict(zip(names, row, strict=True)) for row in rows]


async def test_auditors_get_of_the_regencys_account_only_what_is_parkings(ready: Office) -> None:
    made = await make(ready)
    await approve(ready, made)
    other = (777_000, "PAJAK HOTEL MELATI")
    await ready.bank(at_rkud(MONDAY, (CAME_RP, f"SETORAN {made.number}"), other))
    rows = await sheet(ready, "bank_movements")
    at = {code: [row for row in rows if row["account_code"] == code] for code in ("1100", "1110")}
    assert [(row["amount_rp"], row["cleared_as"]) for row in at["1100"]] == [(CAME_RP, made.number)]
    assert at["1110"]
    assert len(rows) == len(at["1100"]) + len(at["1110"])
    (deposited,) = await sheet(ready, "remittances")
    assert (deposited["direct"], deposited["confirmed_on"]) == (False, MONDAY)


async def test_a_close_lists_nothing_of_others_on_the_regencys_account(ready: Office) -> None:
    made = await make(ready)
    await approve(ready, made)
    await ready.bank(at_rkud(MONDAY, (CAME_RP, made.number), (777_000, "PAJAK HOTEL MELATI")))
    await ready.bank(statement(MONDAY, (5, "BUNGA"), reference="STM-MON"))
    async with ready.transactions.begin() as db:
        listed = (await close_lists.lists(db, MONDAY))["movements"]
    moved = [(one["rkud"], one["named"], one["amount_rp"]) for one in listed]
    assert sorted(moved) == [(False, "", 5), (True, made.number, CAME_RP)]
    (section,) = day_close.sections({"lists": {"movements": listed}})
    assert not section.has_totals, "what left one account came to the other"
