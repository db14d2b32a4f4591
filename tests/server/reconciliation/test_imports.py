"""Every fixture of acquirer and bank: what the books make of it, or each line that is wrong."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from domain.mdr import MerchantCriteria
from server import verify
from server.announcements import Announcer
from server.database import Transactions, new_id
from server.errors import FileRefused
from server.identity import service as identity
from server.ledger import postings
from server.payments.books import Books
from server.reconciliation import (
    deposits,
    mappings,
    movements,
    numbers,
    previews,
    remittances,
    rules,
    service,
    settlements,
    statements,
)
from server.reconciliation.accounts import StatementOfOtherAccount
from server.reconciliation.deposits import Deposit
from server.reconciliation.files import StatementRow
from server.reconciliation.mappings import MappingRefused, SettlementMapping, StatementMapping
from server.reconciliation.matching import Tolerances
from server.reconciliation.models import (
    HeldLine,
    Remittance,
    RemittedDay,
    SettlementLine,
    StatementLine,
)
from server.reconciliation.service import Imported
from server.sample import CHECKER, OFFICER
from tests.server.booking import take_cash
from tests.server.reconciliation.test_service import DAY, Office, count

SETTLEMENTS = Path(__file__).parents[3] / "fixtures" / "settlements"
AFTER = datetime(2026, 11, 21, 15, tzinfo=UTC)
STATEMENTS = SETTLEMENTS.parent / "statements"
EXPECTED = json.loads((SETTLEMENTS / "expected.json").read_text())


def of(kind: str, *, refused: bool) -> list[str]:
    return [name for name, says in EXPECTED[kind].items() if ("refused" in says) is refused]


def settlement_mapping(name: str) -> SettlementMapping:
    told = EXPECTED["settlements"][name]["mapping"]
    path = str(SETTLEMENTS / told) if told.endswith(".toml") else told
    return mappings.mapping(SettlementMapping, path)


def statement_mapping(name: str) -> StatementMapping:
    return mappings.mapping(StatementMapping, EXPECTED["statements"][name]["mapping"])


def subject(line: StatementRow | StatementLine) -> str:
    return f"{line.account}/{line.statement_reference}/{line.line_number}"


class Desk(Office):
    """An office that takes in the fixtures, each by its mapping, and looks at them before."""

    async def take_in(self, name: str) -> Imported:
        content, how = (SETTLEMENTS / name).read_bytes(), settlement_mapping(name)
        async with self.transactions.begin() as db:
            return await service.import_settlement(
                db,
                "sandbox",
                name,
                content,
                self.books,
                now=self.now,
                mapping=how,
                merchant="MID-1",
            )

    async def look_at(self, name: str) -> previews.SettlementPreview:
        content, how = (SETTLEMENTS / name).read_bytes(), settlement_mapping(name)
        async with self.transactions.begin() as db:
            return await previews.settlement(
                db,
                "sandbox",
                name,
                content,
                self.books,
                now=self.now,
                mapping=how,
                merchant="MID-1",
            )

    async def bank_told(self, name: str) -> Imported:
        async with self.transactions.begin() as db:
            return await service.import_statement(
                db,
                name,
                (STATEMENTS / name).read_bytes(),
                self.books,
                now=self.now,
                mapping=statement_mapping(name),
            )

    async def rule(self, fee_rounding_rp: int) -> None:
        rule = Tolerances(fee_rounding_rp=fee_rounding_rp)
        async with self.transactions.begin() as db:
            await rules.add(db, rule, valid_from=date(2026, 1, 1), regulation="uji")

    async def pay_in(self, reference: str, amount_rp: int) -> None:
        """Cash of an attendant, by a slip of the day."""
        await take_cash(self.transactions, Announcer(""), self.books, "J-001", AFTER)
        slip = Deposit(new_id(), "J-001", amount_rp, reference, DAY)
        async with self.transactions.begin() as db:
            officer = await identity.officer_named(db, OFFICER)
            await deposits.record(db, slip, self.books, officer, now=AFTER)

    async def hand_in(self, number: str, amount_rp: int) -> None:
        """An STS that two officers made and approved."""
        async with self.transactions.begin() as db:
            maker = await identity.officer_named(db, OFFICER)
            checker = await identity.officer_named(db, CHECKER)
            series, sequence = await numbers.take(db, "STS", 2026)
            assert numbers.written(series, sequence) == number
            made = Remittance(
                number=number,
                series=series,
                sequence=sequence,
                amount_rp=amount_rp,
                state="prepared",
                prepared_by=maker,
                prepared_at=AFTER,
            )
            db.add(made)
            await db.flush()
            db.add(RemittedDay(remittance_id=made.id, day=DAY, amount_rp=amount_rp))
            await remittances.approve(db, checker, made.id, self.books, now=AFTER)

    async def pays(self, name: str, names: set[str]) -> list[list[str] | None]:
        """What each movement of a statement is the money of, by the books."""
        rows = statements.read((STATEMENTS / name).read_bytes(), statement_mapping(name))
        async with self.transactions.begin() as db:
            moved, _ = await movements.to_compare(db, DAY, names)
            paid = {m.subject: sorted({m.pays, *m.also}) for m in moved if m.pays}
            handed_in = await db.execute(
                select(StatementLine, Remittance.number).join(
                    Remittance, Remittance.statement_line_id == StatementLine.id
                )
            )
            paid |= {subject(line): [number] for line, number in handed_in}
        return [paid.get(subject(row)) for row in rows]

    async def stored(self) -> list[int]:
        async with self.transactions.begin() as db:
            return await count(db)

    async def sound(self) -> None:
        async with self.transactions.begin() as db:
            assert not any((await verify.broken(db)).values())


@pytest.fixture
async def desk(transactions: Transactions, books: Books, now: datetime) -> Desk:
    """The six payments of the fixtures are booked, for a merchant that pays 0.7 %."""
    desk = Desk(transactions, replace(books, merchant_criteria=MerchantCriteria.UKE), now)
    await desk.book(EXPECTED["booked"])
    return desk


@pytest.mark.parametrize("name", of("settlements", refused=False))
async def test_a_settlement_file_matches_as_expected(desk: Desk, name: str) -> None:
    says = EXPECTED["settlements"][name]
    await desk.rule(says.get("fee_rounding_rp", 0))
    if "after" in says:
        await desk.take_in(says["after"])
    before = await desk.stored()
    preview = await desk.look_at(name)
    assert await desk.stored() == before, "a preview writes nothing"

    assert await desk.take_in(name) == preview.imported
    assert list(preview.passed_over) == says.get("passed_over", [])
    assert (await desk.take_in(name)).lines == 0, "a file taken in twice changes nothing"
    report = await desk.reconcile()
    assert sorted(m.booked.acquirer_reference for m in report.matched) == says["matched"]
    by = {(m.reason.value, m.confidence.value) for m in report.matched}
    assert by == {tuple(says.get("by", ("same-rrn", "certain")))}
    found = [f"{d.kind} {d.subject}" for d in report.differences if "payout" not in d.kind]
    assert sorted(found) == sorted(says["differences"])
    unknown = says.get("unknown") or len(
        [d for d in says["differences"] if d.startswith(("not-booked", "several-fit"))]
    )
    assert preview.matched == preview.imported.lines - unknown
    async with desk.transactions.begin() as db:
        held = [line.acquirer_reference for line in await service.held_lines(db, desk.books)]
    assert held == says.get("held", [])
    await desk.sound()


@pytest.mark.parametrize("name", of("settlements", refused=True))
def test_a_bad_settlement_file_is_refused_for_each_of_its_lines(name: str) -> None:
    content = (SETTLEMENTS / name).read_bytes()
    with pytest.raises(FileRefused) as refusal:
        settlements.read(content, settlement_mapping(name), "MID-1")
    told = [fault.english for fault in refusal.value.faults]
    assert told == EXPECTED["settlements"][name]["refused"]
    assert len({fault.indonesian for fault in refusal.value.faults}) == len(told)


@pytest.mark.parametrize("name", of("statements", refused=False))
async def test_a_statement_matches_as_expected(desk: Desk, name: str) -> None:
    says = EXPECTED["statements"][name]
    await desk.rule(says.get("fee_rounding_rp", 0))
    await desk.take_in(says.get("after", "two-batches.csv"))
    if "slip" in says:
        await desk.pay_in(**says["slip"])
    if "sts" in says:
        await desk.hand_in(**says["sts"])
    before = await desk.stored()
    async with desk.transactions.begin() as db:
        content = (STATEMENTS / name).read_bytes()
        how = statement_mapping(name)
        preview = await previews.statement(db, name, content, desk.books, now=desk.now, mapping=how)
    assert await desk.stored() == before, "a preview writes nothing"

    imported = await desk.bank_told(name)
    assert imported == preview.imported
    assert imported.total_rp == preview.credit_rp + preview.debit_rp
    assert (await desk.bank_told(name)).lines == 0
    report = await desk.reconcile()
    found = [f"{d.kind} {d.subject}" for d in report.differences]
    expected = says["differences"]
    assert len(found) == len(expected)
    assert all(told.startswith(says) for told, says in zip(found, expected, strict=True))
    assert preview.matched == imported.lines - sum("unknown" in kind for kind in expected)
    named = {batch for names in says["pays"] for batch in names or ()}
    assert await desk.pays(name, named) == says["pays"]
    assert {p.name: p.how.value for p in report.paid} == says["paid"]
    assert {p.days_late for p in report.paid} <= {says.get("days_late", 0)}
    await desk.sound()


@pytest.mark.parametrize("name", of("statements", refused=True))
def test_a_bad_statement_is_refused_for_each_of_its_lines(name: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        statements.read((STATEMENTS / name).read_bytes(), statement_mapping(name))
    told = [fault.english for fault in refusal.value.faults]
    assert told == EXPECTED["statements"][name]["refused"]


async def test_overlapping_files_take_in_each_line_once(desk: Desk) -> None:
    assert (await desk.take_in("half-a-day.csv")).lines == 3
    assert await desk.take_in("shuffled.csv") == Imported(3, 13_902, known=3)
    assert await desk.take_in("bom-crlf.csv") == Imported(0, 0, known=6)


async def test_taxes_on_the_fee_have_accounts_of_their_own(desk: Desk) -> None:
    await desk.take_in("dana-withheld.csv")
    balances = await desk.balances()
    assert balances.pop("4110.PSR") == -22_000
    assert balances == {
        postings.IN_TRANSIT: 22_000 - 154 - 19 - 1,
        postings.MDR_EXPENSE: 154,
        postings.MDR_VAT: 19,
        postings.WITHHELD_TAX: 1,
    }


async def test_what_is_held_is_owed_by_the_acquirer_until_it_is_released(desk: Desk) -> None:
    await desk.take_in("nicepay-held.csv")
    assert (await desk.balances())[postings.RECEIVABLE] == 6000
    # Also when the release was taken in before: the file comes again with what was held then.
    await desk.take_in("nicepay-released.csv")
    assert postings.RECEIVABLE not in await desk.balances()
    async with desk.transactions.begin() as db:
        assert len((await db.scalars(select(HeldLine))).all()) == 2
        assert len((await db.scalars(select(SettlementLine))).all()) == 6


async def test_a_line_that_says_otherwise_than_before_names_itself_and_all_others(
    desk: Desk,
) -> None:
    await desk.take_in("zero-mdr.csv")
    before = await desk.stored()
    with pytest.raises(FileRefused) as refusal:
        await desk.take_in("two-batches.csv")
    told = [fault.english for fault in refusal.value.faults]
    assert told == [f"line {n}: settled otherwise in an earlier file" for n in range(2, 8)]
    assert await desk.stored() == before


async def test_a_day_of_the_account_is_taken_in_from_one_form_of_statement(desk: Desk) -> None:
    """Each form names a movement in its own way: the same credit would come twice."""
    await desk.bank_told("clean.sta")
    before = await desk.stored()
    for other in ("clean.xml", "newest-first.csv"):
        with pytest.raises(FileRefused, match="this day of the account was taken in from mt940"):
            await desk.bank_told(other)
    assert await desk.stored() == before


BAD_MAPPINGS: dict[str, tuple[str, str]] = {
    "no TOML": ("columns = [", "not TOML"),
    "no columns": ("delimiter = ';'", "columns: is missing"),
    "a field nobody knows": ("colour = 'red'", "colour: is no field of a mapping"),
    "no such zone": ("timezone = 'Asia/Semarang'", "timezone: no time zone 'Asia/Semarang'"),
    "no such encoding": ("encoding = 'ebcdic'", "encoding: Input should be 'utf-8'"),
    "no batch": ("[columns]\ngross = 'G'", "columns.net: is missing"),
    "nothing that tells whose money a line is": (
        "batch = 'STL%Y%m%d'\n[columns]\n"
        "settlement_date='A'\npaid_at='B'\ngross='C'\nmdr='D'\nnet='E'",
        "columns: one of acquirer_reference, reference and rrn is needed",
    ),
    "a word of no meaning": (
        "words = [{ column = 'T', values = { X = 'perhaps' } }]",
        "words.0.values.X",
    ),
}


@pytest.mark.parametrize(("told", "says"), BAD_MAPPINGS.values(), ids=BAD_MAPPINGS)
def test_a_bad_mapping_says_which_field_in_both_languages(
    tmp_path: Path, told: str, says: str
) -> None:
    (path := tmp_path / "own.toml").write_text(told)
    with pytest.raises(MappingRefused) as refusal:
        mappings.mapping(SettlementMapping, str(path))
    assert says in refusal.value.english
    assert refusal.value.indonesian != refusal.value.english


def test_a_mapping_that_says_something_else_is_another_version(tmp_path: Path) -> None:
    own, told = tmp_path / "own.toml", (SETTLEMENTS / "own-latin-1.toml").read_text()

    def version(text: str) -> tuple[str, bytes]:
        own.write_text(text)
        found = mappings.mapping(SettlementMapping, str(own))
        return found.name, found.version

    name, first = version(told)
    assert name == "own.toml"
    assert version(f"# what a comment says is not how a file is read\n{told}")[1] == first
    assert version(told.replace("latin-1", "cp1252"))[1] != first


def test_every_ready_mapping_can_be_used() -> None:
    kinds: tuple[Any, ...] = (SettlementMapping, StatementMapping)
    assert all(mappings.mapping(kind, name) for kind in kinds for name in mappings.ready(kind))
    with pytest.raises(MappingRefused, match="there are: by-our-reference, by-rrn, dana-like"):
        mappings.mapping(SettlementMapping, "dana")


async def test_a_statement_of_another_account_is_refused_and_nothing_of_it_posted(
    desk: Desk,
) -> None:
    """By the setting; without it, the account of the first statement is the one."""
    content = (STATEMENTS / "clean.sta").read_bytes()
    other = content.replace(b"0011223344", b"9988776655")
    unmoved = other.partition(b":61:")[0] + b":62F:C261120IDR1000000,00\r\n-"
    for told in (replace(desk.books, collecting_account="00112-23344"), desk.books):
        desk.books = told
        for moved in (other, unmoved):
            for take_in in (service.import_statement, previews.statement):
                with pytest.raises(StatementOfOtherAccount) as refused:
                    async with desk.transactions.begin() as db:
                        await take_in(db, "s.sta", moved, desk.books, now=desk.now)
                assert refused.value.english.startswith("this statement is of account 9988776655")
                assert "0011" in refused.value.indonesian
        assert (await desk.balances()).get("1110", 0) in (0, 21_846)
        await desk.bank(content)
    assert (await desk.balances())["1110"] == 21_846
    desk.books = replace(desk.books, collecting_account="0011223344, 9988776655")
    await desk.bank(other)
    assert (await desk.balances())["1110"] == 2 * 21_846


async def test_several_statements_of_one_file_are_each_taken_in(desk: Desk) -> None:
    assert (await desk.bank_told("two-statements.sta")).lines == 3
    assert (await desk.bank_told("clean.sta")) == Imported(0, 0, known=2)
    async with desk.transactions.begin() as db:
        lines = await db.scalars(select(StatementLine).order_by(StatementLine.id))
        told = [(line.statement_reference, line.line_number, line.amount_rp) for line in lines]
    assert sorted(told) == [
        ("STM20261121/325/1/2026-11-20", 1, 7944),
        ("STM20261121/325/1/2026-11-20", 2, 13_902),
        ("STM20261122/326/1/2026-11-21", 1, -2500),
    ]
