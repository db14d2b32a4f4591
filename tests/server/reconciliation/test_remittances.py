"""What came to the collecting account is handed in to the regency once, by two officers."""

import asyncio
import io
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import verify
from server.database import Transactions
from server.identity import service as identity
from server.identity.service import RoleNotAllowed
from server.ledger import postings
from server.payments.books import Books
from server.reconciliation import deposits, numbers, papers, remittances, sources
from server.reconciliation.models import Remittance
from server.reconciliation.papers import DepositSlip, Letterhead, Proof
from server.reconciliation.remittances import NothingToRemit, RemittanceNotPossible
from server.reconciliation.sources import Movement
from server.reconciliation.states import REMITTANCE_TABLE, RemittanceEvent, RemittanceState
from server.sample import CHECKER, OFFICER
from server.workdays import Workdays
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_files import FIXTURES
from tests.server.reconciliation.test_service import (
    CSV,
    DAY,
    STATEMENT,
    Office,
    statement,
)

AFTER = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
CAME_RP = 17_874


@pytest.fixture
async def office(transactions: Transactions, books: Books) -> Office:
    """A Saturday's money is on the account, and the day reconciled."""
    office = Office(transactions, books, AFTER)
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    await office.settle(CSV)
    await office.bank(STATEMENT)
    await office.reconcile()
    return office


async def make(office: Office) -> Remittance:
    async with office.transactions.begin() as db:
        maker = await identity.officer_named(db, OFFICER)
        return await remittances.prepare(db, maker, office.books, now=AFTER)


async def approve(office: Office, made: Remittance, login: str = CHECKER) -> None:
    async with office.transactions.begin() as db:
        who = await identity.officer_named(db, login)
        await remittances.approve(db, who, made.id, office.books, now=AFTER)


async def close(office: Office) -> None:
    await closes.close(office.transactions, DAY, office.books, now=AFTER)


async def waits(office: Office, today: date) -> list[tuple[date, int, bool, int]]:
    async with office.transactions.begin() as db:
        left = await remittances.waiting(db, Workdays({}), 1, office.books, today)
    return [(one.day, one.amount_rp, one.is_closed, one.late) for one in left]


async def state_of(office: Office, remittance_id: UUID) -> str:
    async with office.transactions.begin() as db:
        return (await db.get_one(Remittance, remittance_id)).state


async def broken(office: Office) -> dict[str, list[str]]:
    async with office.transactions.begin() as db:
        return {name: rows for name, rows in (await verify.broken(db)).items() if rows}


async def test_money_of_closed_days_is_handed_in_and_found_on_the_statement(
    office: Office,
) -> None:
    with pytest.raises(NothingToRemit):
        await make(office)
    assert await waits(office, DAY + timedelta(days=2)) == [(DAY, CAME_RP, False, 0)]
    assert await waits(office, DAY + timedelta(days=4)) == [(DAY, CAME_RP, False, 2)]
    await close(office)
    made = await make(office)
    assert (made.number[:15], made.amount_rp) == ("STS-2026-000001", CAME_RP)
    with pytest.raises(NothingToRemit):
        await make(office)
    with pytest.raises(RoleNotAllowed):
        await approve(office, made, OFFICER)
    await approve(office, made)
    with pytest.raises(RemittanceNotPossible):
        await approve(office, made)
    balances = await office.balances()
    assert (balances["1100"], balances["1161"], balances["1110"]) == (CAME_RP, -CAME_RP, CAME_RP)
    narrative = f"SETORAN RKUD {made.number}".encode()
    debit = statement(DAY + timedelta(days=2), (CAME_RP, "X"), reference="STM-OUT")
    await office.bank(_out(debit).replace(b":86:X", b":86:" + narrative))
    balances = await office.balances()
    assert (balances["1100"], balances.get("1161"), balances.get("1110")) == (CAME_RP, None, None)
    assert await state_of(office, made.id) == "seen"
    assert (await office.reconcile(DAY + timedelta(days=2))).differences == ()
    assert await waits(office, DAY + timedelta(days=9)) == []
    assert await broken(office) == {}


def _out(content: bytes) -> bytes:
    """A statement of one credit, of one debit instead; the account had the money before."""
    return (
        content.replace(b"IDR0,00", f"IDR{1_000_000 + CAME_RP},00".encode(), 1)
        .replace(f"C{CAME_RP},00NTRF".encode(), f"D{CAME_RP},00NTRF".encode())
        .replace(f":62F:C261123IDR{CAME_RP},00".encode(), b":62F:C261123IDR1000000,00")
    )


async def test_a_transfer_that_was_seen_first_is_explained_by_the_approval(
    office: Office,
) -> None:
    await close(office)
    made = await make(office)
    debit = statement(DAY + timedelta(days=2), (CAME_RP, made.number), reference="STM-OUT")
    await office.bank(_out(debit))
    assert (await office.balances())["2190"] == CAME_RP
    assert (
        await waits(office, DAY + timedelta(days=9)) == []
    )  # and no day is owed less than nothing
    await approve(office, made)
    assert await state_of(office, made.id) == "seen"
    balances = await office.balances()
    assert [balances.get(code) for code in ("2190", "1161", "1110")] == [None] * 3
    assert await waits(office, DAY + timedelta(days=9)) == []
    assert await broken(office) == {}


async def test_what_comes_late_to_a_day_goes_with_the_next_and_a_declined_one_waits_again(
    office: Office,
) -> None:
    await close(office)
    declined = await make(office)
    async with office.transactions.begin() as db:
        checker = await identity.officer_named(db, CHECKER)
        await remittances.decline(db, checker, declined.id, "jumlah lain", now=AFTER)
    await approve(office, await make(office))
    await office.bank(statement(DAY, (700, "BUNGA"), reference="STM-LATE"))
    late = await make(office)
    async with office.transactions.begin() as db:
        days = await remittances.days_of(db, late.id)
    assert (late.number[:15], [(d.day, d.amount_rp) for d in days]) == (
        "STS-2026-000003",
        [(DAY, 700)],
    )
    assert await broken(office) == {}


DAYS = st.sampled_from([DAY, DAY + timedelta(days=1)])
PARTS = st.dictionaries(
    st.sampled_from(["4110.PSR", "4120", "fees", "refunds"]), st.integers(-9_000, 9_000)
)
NAMES = st.sampled_from(["BCH-1", "BCH-2", None])
SOURCES = st.sampled_from([sources.BATCH, sources.SLIP, sources.HELD, sources.SHARES])


@st.composite
def moving(draw: st.DrawFn) -> tuple[list[Movement], dict[str, dict[str, int]]]:
    """Movements, of which some bring just what their batch is made of."""
    parts = {name: draw(PARTS) for name in ("BCH-1", "BCH-2")}
    found = []
    for _ in range(draw(st.integers(0, 6))):
        name = draw(NAMES)
        whole_rp = sum(parts.get(name or "", {}).values())
        amount_rp = draw(st.one_of(st.just(whole_rp), st.integers(-9_000, 9_000)))
        found.append(Movement(draw(DAYS), amount_rp, draw(SOURCES), name))
    return found, parts


@given(moving(), moving())
def test_the_lines_of_an_sts_sum_to_its_amount_whatever_was_listed_before(
    first: tuple[list[Movement], dict[str, dict[str, int]]],
    then: tuple[list[Movement], dict[str, dict[str, int]]],
) -> None:
    def by_day(found: list[Movement]) -> list[tuple[date, int]]:
        days = {one.day for one in found}
        return [(day, sum(m.amount_rp for m in found if m.day == day)) for day in sorted(days)]

    moved = sources.split(*first)
    days = by_day(first[0])
    lines = sources.left(moved, Counter(), days)
    listed = sources.read(lines)
    assert sum(one["amount_rp"] for one in lines) == sum(rp for _, rp in days)
    assert not [one for one in lines if one["source"] == sources.OTHER], "nothing is unexplained"
    # What is listed next is what came since, even where a batch came to be known otherwise.
    again = sources.split([*first[0], *then[0]], then[1])
    later = sources.left(again, listed, by_day(then[0]))
    assert sum(one["amount_rp"] for one in later) == sum(one.amount_rp for one in then[0])


async def lines_of(office: Office, made: Remittance) -> list[tuple[str, int]]:
    async with office.transactions.begin() as db:
        lines = await sources.of_remittance(db, made, "4.1.02")
    return [(line.words, line.amount_rp) for line in lines]


async def test_an_sts_says_where_its_money_came_from(office: Office) -> None:
    await close(office)
    made = await make(office)
    found = await lines_of(office, made)
    assert found == [
        ("Retribusi parkir Pasar Contoh", 18_000),
        ("Dikurangi: MDR dan pajaknya, dipotong acquirer", CAME_RP - 18_000),
    ]
    await approve(office, made)
    await office.bank(statement(DAY, (700, "BUNGA"), reference="STM-LATE"))
    assert await lines_of(office, await make(office)) == [("Titipan yang belum dikenali", 700)]


async def test_an_office_that_upgrades_hands_in_from_a_day_on(office: Office) -> None:
    await close(office)
    office.books = replace(office.books, deposits_from=DAY + timedelta(days=1))
    assert await waits(office, DAY + timedelta(days=9)) == []
    with pytest.raises(NothingToRemit):
        await make(office)
    office.books = replace(office.books, deposits_from=DAY)
    assert (await make(office)).amount_rp == CAME_RP


async def test_numbers_have_no_gap_however_many_are_taken_at_once(
    transactions: Transactions,
) -> None:
    async def take(number: int) -> int | None:
        try:
            async with transactions.begin() as db:
                _, taken = await numbers.take(db, numbers.REMITTANCE, 2026)
                await asyncio.sleep(0)
                return taken // min(number % 3, 1)  # a third of them fails, and is undone
        except ZeroDivisionError:
            return None

    taken = [one for one in await asyncio.gather(*map(take, range(12))) if one is not None]
    assert sorted(taken) == list(range(1, 9))
    async with transactions.begin() as db:
        assert await numbers.take(db, numbers.REMITTANCE, 2027) == ("sts-2027", 1)


@pytest.mark.parametrize("state", RemittanceState)
def test_each_event_of_an_sts_is_decided_in_each_state(state: RemittanceState) -> None:
    follows = {event: REMITTANCE_TABLE.get((state, event)) for event in RemittanceEvent}
    assert {event.value: after.value for event, after in follows.items() if after} == {
        "prepared": {"approved": "approved", "declined": "declined"},
        "approved": {"seen": "seen"},
        "declined": {},
        "seen": {},
    }[state]


@given(st.dates(date(2024, 1, 1), date(2027, 12, 1)), st.integers(1, 9), st.integers(0, 40))
def test_working_days_late_count_as_working_days_after_do(
    day: date, within: int, past: int
) -> None:
    workdays = Workdays({})
    due_on = workdays.after(day, within)
    later = workdays.after(due_on, past)
    assert workdays.late(due_on, later) == past
    assert workdays.late(due_on, day) == 0


def test_an_sts_says_its_number_its_sum_in_words_and_every_day() -> None:
    days = [(DAY + timedelta(days=n), 1_000 + n) for n in range(60)]
    total_rp = sum(rp for _, rp in days)
    came_from = [("4.1.02", "Retribusi parkir Pasar", total_rp + 7), ("", "Dikurangi: MDR", -7)]
    told = DepositSlip("STS-2026-000001-X", DAY, "", came_from, days, total_rp, "Ani", "")
    head, proof = Letterhead("Kabupaten Contoh", "Dishub"), Proof(("TIDAK DITANDATANGANI",))
    text = text_of(papers.deposit_slip(head, told, proof))
    words = "enam puluh satu ribu tujuh ratus tujuh puluh rupiah"
    for said in (
        "STS-2026-000001-X",
        words,
        "19 Januari 2027",
        "Rp1.059",
        "BELUM DISETUJUI",
        "-Rp7",
        *proof.lines,
    ):
        assert said in text


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(io.BytesIO(pdf))
    return "\n".join(page.get_textpage().get_text_range() for page in document)


async def test_each_deposit_of_cash_has_a_receipt_with_the_next_number_of_its_year(
    office: Office,
) -> None:
    async with office.transactions.begin() as db:
        officer = await identity.officer_named(db, OFFICER)
        for n, day in ((1, DAY), (2, DAY), (3, date(2025, 12, 31))):
            legs = postings.for_voucher_payment(5_000, "Toko Uji")
            paid = deposits.PaidIn("Toko Uji", legs, 5_000, f"SLIP-00012{n}", day)
            await deposits.record_paid_in(db, paid, office.books, officer, now=AFTER)
        given = (await deposits.receipted(db, None)).rows
    assert {(d.series, d.sequence) for d, _ in given} == {
        ("tbp-2026", 1), ("tbp-2026", 2), ("tbp-2025", 1),
    }  # fmt: skip
    assert {who for _, who in given} == {"Toko Uji"}
