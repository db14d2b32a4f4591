"""Settlement files and bank statements decide what nobody told us, and every rupiah has a case."""

import asyncio
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.payment import CaseOutcome, RefundMethod
from server.casework.service import AlreadyDecided, OutcomeUnfit, SamePerson
from server.payments import refund_queries
from server.payments.acquirer import AcquirerRefused, ToldRefund
from server.payments.refunds import RefundGivenTwice
from server.reconciliation import service as reconciliation
from server.reconciliation.closing import DayHasDifferences
from server.reconciliation.settlements import SANDBOX
from tests.server.booking import all_due
from tests.server.payments.conftest import CAR_RP
from tests.server.payments.refunding import Desk, outcomes
from tests.server.payments.test_invariants import as_superuser
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_volume import WITHOUT

TRANSFER = RefundMethod.TRANSFER
BY_OURS, ONLY_OURS, BY_RRN = WITHOUT.values()


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


class Bank(Desk):
    """The desk with what acquirer and bank send it."""

    now: datetime
    mapping = SANDBOX

    async def files(self) -> tuple[date, bytes, bytes]:
        """The day's settlement file and bank statement, as the acquirer and the bank send them."""
        day = (await self.sandbox.truth())["payments"][0]["business_date"]
        ended = await self.sandbox.client.post("/sandbox/day-end", json={"date": day})
        told = ended.json()
        return date.fromisoformat(day), _read(told["settlement"]), _read(told["statement"])

    async def settle(self, content: bytes | None = None) -> date:
        day, settlement, _ = await self.files()
        async with self.office.transactions.begin() as db:
            await reconciliation.import_settlement(
                db,
                "sandbox",
                "s.csv",
                content or settlement,
                self.office.wired.books,
                now=self.now,
                mapping=self.mapping,
            )
        return day

    async def bank(self, content: bytes | None = None) -> None:
        _, _, statement = await self.files()
        async with self.office.transactions.begin() as db:
            banked = content or statement
            books = self.office.wired.books
            await reconciliation.import_statement(db, "s.sta", banked, books, now=self.now)

    async def reconcile(self, day: date) -> list[tuple[str, int]]:
        async with self.office.transactions.begin() as db:
            books = self.office.wired.books
            report = await reconciliation.reconcile(db, day, books, now=all_due(day))
        return [(d.kind.value, d.difference_rp) for d in report.differences]

    async def say_not_made(self) -> None:
        case = await self.case("refund-unknown")
        await self.propose(case["id"], CaseOutcome.NOT_MADE)
        await self.decide(case["id"])

    async def close(self, day: date) -> None:
        after = self.now + timedelta(days=1)
        await closes.close(self.office.transactions, day, self.office.wired.books, now=after)


@pytest.fixture
async def desk(office, sandbox, owner_url, now) -> Bank:
    desk = await Bank.at(office, sandbox, owner_url)
    desk.now = now
    return desk


@pytest.mark.parametrize("how", [SANDBOX, BY_OURS, BY_RRN])
async def test_a_day_with_a_refund_reconciles_to_zero(desk, how):
    desk.mapping = how
    await desk.paid()
    (money,) = await desk.money(await desk.paid())
    await desk.approve(await desk.ask(money["id"], 1_500))
    day = await desk.settle()
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert (await desk.balances()).get("1120") is None, "nothing is left that the acquirer owes"
    assert (await desk.balances()).get("2190") is None


async def test_a_day_is_not_closed_over_a_refund_that_waits_for_people(desk, office):
    """By the day it was decided on, whose books it is in."""
    (money,) = await desk.money(await desk.paid())
    desk.line.refuses = AcquirerRefused("4037801", "Feature Not Allowed")
    await desk.approve(await desk.ask(money["id"], CAR_RP))
    day = await desk.settle()
    await desk.bank()
    assert await desk.reconcile(day) == []
    with pytest.raises(DayHasDifferences):
        await desk.close(day)
    case = await desk.case("refund-refused")
    await desk.propose(case["id"], CaseOutcome.KEPT)
    await desk.decide(case["id"])
    await desk.close(day)
    assert await office.count("day_closes") == 1


@pytest.mark.parametrize("answered", [True, False])
async def test_a_refund_is_settled_though_generate_was_never_answered(desk, office, answered):
    """Such a charge does not know the acquirer's reference; its money does."""
    charge_id = await desk.paid()
    forget = "UPDATE charges SET acquirer_reference = NULL WHERE id = :id RETURNING id"
    await office.rows(forget, id=charge_id)
    (money,) = await desk.money(charge_id)
    desk.line.loses, desk.line.tells = not answered, answered
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    day = await desk.settle()
    assert await desk.state(refund_id) == "done"
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert (await desk.balances()).get("1120") is None


@pytest.mark.parametrize("how", [SANDBOX, BY_OURS, ONLY_OURS])
async def test_the_settlement_file_decides_a_refund_nobody_answered(desk, office, how):
    desk.mapping = how
    charge_id = await desk.paid()
    (money,) = await desk.money(charge_id)
    desk.line.loses, desk.line.tells = True, False
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    assert await desk.state(refund_id) == "unknown"
    day = await desk.settle()
    refund = await desk.refund(refund_id)
    assert refund["state"] == "done"
    assert refund["settlement_line_id"] is not None
    assert (await desk.story(refund_id))[-1] == "done by settlement"
    assert (await office.charge(charge_id))["state"] == "refunded"
    await desk.bank()
    assert await desk.reconcile(day) == []


async def under_its_payment(desk: Bank, *refunds: UUID) -> bytes:
    """The day's file, each refund under the RRN of its payment, and a second after the other."""
    (money,) = await desk.office.rows("SELECT rrn FROM money")
    told = {one["partner_refund_no"]: one for one in (await desk.sandbox.truth())["refunds"]}
    _, settlement, _ = await desk.files()
    lines = settlement.decode().splitlines(keepends=True)
    for after, refund_id in enumerate(refunds):
        number = told[(await desk.refund(refund_id))["reference"]]["refund_no"]
        (at,) = (n for n, line in enumerate(lines) if number in line)
        cells = lines[at].replace(number, money["rrn"]).split(",")
        cells[2] = (datetime.fromisoformat(cells[2]) + timedelta(seconds=after)).isoformat()
        lines[at] = ",".join(cells)
    return "".join(lines).encode()


@pytest.mark.parametrize("answered", [True, False])
async def test_two_equal_parts_are_settled_by_two_lines_of_the_payments_rrn(desk, answered):
    desk.mapping = BY_RRN
    (money,) = await desk.money(await desk.paid())
    parts = []
    for loses in (False, not answered):
        desk.line.loses = loses
        parts.append(await desk.ask(money["id"], 1_500))
        await desk.approve(parts[-1])
    assert await desk.state(parts[1]) == ("done" if answered else "unknown")
    day = await desk.settle(await under_its_payment(desk, *parts))
    settled = [await desk.refund(part) for part in parts]
    assert [refund["state"] for refund in settled] == ["done", "done"]
    assert len({refund["settlement_line_id"] for refund in settled} - {None}) == 2
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert (await desk.balances()).get("2190") is None


@pytest.mark.parametrize(
    ("what", "ends"),
    [("one", "done"), ("two", "unknown"), ("too old", "unknown"), ("refused", "done")],
)
async def test_a_number_alone_proves_a_refund_in_doubt_where_it_is_the_only_one(desk, what, ends):
    desk.mapping = BY_RRN
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.in_doubt(money["id"]) if what == "refused" else None
    if refund_id is not None:
        await desk.say_not_made()
        await desk.make_after_all(refund_id)
    else:
        if what == "two":
            await desk.approve(await desk.ask(money["id"], 1_500))
        desk.line.loses = True
        refund_id = await desk.ask(money["id"], 1_500)
        await desk.approve(refund_id)
    if what == "too old":
        back = "UPDATE refunds SET requested_at = requested_at - interval '32 days'"
        await as_superuser(desk.owner_url, f"SET session_replication_role = replica; {back}")
    before = (await desk.refund(refund_id))["state"]
    assert before == ("refused" if what == "refused" else "unknown")
    content = await under_its_payment(desk, refund_id)
    if what == "two":  # the first one's line is still to come
        lines = content.decode().splitlines(keepends=True)
        (money,) = await desk.money(money["charge_id"])
        content = "".join(
            line for line in lines if "-1500" not in line or money["rrn"] in line
        ).encode()
    await desk.settle(content)
    assert await desk.state(refund_id) == ends
    assert ((await desk.refund(refund_id))["settlement_line_id"] is None) is (ends == "unknown")
    held = (await desk.balances()).get("2190")
    assert held == (1_500 if what == "too old" else None), "what fits nothing waits for people"


@pytest.mark.parametrize("numbered", ["by the acquirer", "as its payment", "not at all"])
async def test_a_line_of_one_refund_does_not_prove_another(desk, numbered):
    """Two parts of one payment alike: the first was made, the second never reached the acquirer."""
    (money,) = await desk.money(await desk.paid())
    first = await desk.ask(money["id"], 1_500)
    await desk.approve(first)
    desk.line.mute = True
    second = await desk.ask(money["id"], 1_500)
    await desk.approve(second)
    _, settlement, _ = await desk.files()
    number = (await desk.refund(first))["acquirer_refund_number"]
    written = {"as its payment": money["rrn"], "not at all": ""}.get(numbered, number)
    day = await desk.settle(settlement.replace(number.encode(), written.encode()))
    assert (await desk.refund(first))["settlement_line_id"] is not None
    assert await desk.state(second) == "unknown"
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert (await desk.balances())["2110"] == -1_500, "the second part is still owed"


async def test_a_refund_held_to_be_refused_is_made_after_all(desk, office):
    """Two people said it was not made. Their word is undone, the driver gets proof."""
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.in_doubt(money["id"])
    await desk.say_not_made()
    await desk.make_after_all(refund_id)
    day = await desk.settle()
    assert (await desk.story(refund_id))[-2:] == ["refused by verifikator", "done by settlement"]
    owed = "SELECT source FROM ledger_entries JOIN refunds r ON r.due_entry_id = ledger_entries.id"
    assert await office.rows(owed) == [{"source": f"refund-due-again:{refund_id}"}]
    assert (await desk.case("refund-refused"))["outcome"] == "refunded"
    assert await office.count("refund_receipts") == 1
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert {*(await desk.balances())} == {"1110", "5110"}, "nothing but the fee is left of it"


async def test_money_given_back_twice_has_a_case_and_is_right_in_the_books(desk, office):
    """By transfer once two people had said the acquirer had not, then by the acquirer too."""
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.in_doubt(money["id"])
    await desk.say_not_made()
    instead = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.approve(instead)
    await desk.transfer(instead)
    await desk.make_after_all(refund_id)
    await desk.settle()
    assert await desk.state(refund_id) == "refused"
    case = await desk.case("given-twice")
    assert (case["amount_rp"], case["owner"]) == (-CAR_RP, "bendahara penerimaan")
    assert (await desk.balances())["2190"] == CAR_RP
    await desk.propose(case["id"], CaseOutcome.RECOGNISED)
    await desk.decide(case["id"])
    balances = await desk.balances()
    assert (balances.get("2190"), balances["5190"]) == (None, CAR_RP)


async def test_what_the_settlement_says_was_given_back_is_not_given_again(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.in_doubt(money["id"])
    await desk.say_not_made()
    instead = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.make_after_all(refund_id)
    day = await desk.settle()
    with pytest.raises(RefundGivenTwice):
        await desk.approve(instead)
    await desk.reject(instead)
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert await desk.state(refund_id) == "done"
    assert await office.rows("SELECT id FROM cases WHERE state <> 'closed'") == []


async def test_a_refund_made_leaves_the_case_of_another_in_doubt(desk, office):
    (money,) = await desk.money(await desk.paid())
    desk.line.mute = True
    refused, doubted = None, None
    for amount_rp in (1_500, 1_000):
        refused, doubted = doubted, await desk.ask(money["id"], amount_rp)
        await desk.approve(doubted)
        await desk.pursue(doubted, timedelta(days=1))
        if refused is None:
            await desk.say_not_made()
    await desk.make_after_all(refused)
    await desk.settle()
    assert (await desk.state(refused), await desk.state(doubted)) == ("done", "unknown")
    left = await office.rows("SELECT refund_id FROM cases WHERE state <> 'closed'")
    assert [row["refund_id"] for row in left] == [doubted]
    await desk.pursue(doubted, timedelta(days=3))


async def test_of_two_lines_the_books_take_the_one_the_refund_was_set_against(desk, office):
    """A refund found by asking has no number until its line tells it; the other was made twice."""
    (money,) = await desk.money(await desk.paid())
    refused = await desk.in_doubt(money["id"])
    await desk.say_not_made()
    desk.line.mute = True
    made = await desk.ask(money["id"], CAR_RP)
    await desk.approve(made)
    desk.line.invents = (ToldRefund(made.hex, CAR_RP, None),)
    await desk.pursue(made, timedelta(days=1))
    await desk.make_after_all(refused)
    _, settlement, _ = await desk.files()
    lines = settlement.decode().splitlines(keepends=True)
    (at,) = (n for n, line in enumerate(lines) if f"-{CAR_RP}" in line)
    number = (await desk.sandbox.truth())["refunds"][0]["refund_no"]
    lines.insert(at, lines[at].replace(number, "Z" + number[1:]))
    await desk.settle("".join(lines).encode())
    assert (await desk.refund(made))["acquirer_refund_number"] == "Z" + number[1:]
    assert (await desk.case("given-twice"))["amount_rp"] == -CAR_RP
    assert (await desk.balances())["2190"] == CAR_RP


async def test_a_refund_that_is_not_ours_hides_none_behind_it(desk, office):
    (money,) = await desk.money(await desk.paid())
    desk.line.loses, desk.line.tells = True, False
    refund_id = await desk.ask(money["id"], CAR_RP)
    await desk.approve(refund_id)
    _, settlement, _ = await desk.files()
    lines = settlement.decode().splitlines(keepends=True)
    (at,) = (n for n, line in enumerate(lines) if f"-{CAR_RP}" in line)
    strange, (charge,) = (
        lines[at],
        await office.rows("SELECT reference, acquirer_reference FROM charges"),
    )
    number = (await desk.sandbox.truth())["refunds"][0]["refund_no"]
    for known in (*charge.values(), number):
        strange = strange.replace(known, "Z" + known[1:])
    await desk.settle("".join([*lines[:at], strange, *lines[at:]]).encode())
    assert await desk.state(refund_id) == "done"


async def test_a_transfer_is_withdrawn_when_the_acquirer_was_quicker(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.in_doubt(money["id"])
    await desk.say_not_made()
    instead = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.approve(instead)
    await desk.make_after_all(refund_id)
    day = await desk.settle()
    assert (await desk.case("given-twice"))["state"] == "open"
    with pytest.raises(RefundGivenTwice):
        await desk.transfer(instead)
    await desk.withdraw(instead)
    await desk.bank()
    assert await desk.reconcile(day) == []
    assert await desk.state(refund_id) == "done"
    assert (await desk.case("given-twice"))["outcome"] == "explained"
    assert await office.rows("SELECT id FROM cases WHERE state <> 'closed'") == []
    assert {*(await desk.balances())} == {"1110", "5110"}


@pytest.mark.parametrize("how", [SANDBOX, BY_OURS, ONLY_OURS])
async def test_a_settled_charge_nobody_notified_becomes_paid_and_gets_its_receipt(
    desk, office, sandbox, how
):
    desk.mapping = how
    charge_id = await office.request()
    await sandbox.pay((await office.charge(charge_id))["qris"])
    day = await desk.settle()
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"]) == ("paid", "exact")
    (money,) = await desk.money(charge_id)
    assert money["settlement_line_id"] is not None
    assert await office.count("receipts") == 1
    assert await office.count("cases") == 0
    await desk.bank()
    assert await desk.reconcile(day) == []


async def test_what_fits_nothing_has_a_case_until_two_people_close_it(desk, office):
    """A settlement line of a charge that is not ours: recognised in a zone by two people."""
    await desk.paid()
    _, settlement, _ = await desk.files()
    lines = settlement.decode()
    charge = await office.rows("SELECT reference, acquirer_reference FROM charges")
    for known in charge[0].values():
        lines = lines.replace(known, "X" + known[1:])
    await desk.settle(lines.encode())
    case = await desk.case("not-booked")
    assert (case["amount_rp"], case["owner"]) == (CAR_RP, "bendahara penerimaan")
    assert (await desk.balances())["2190"] == -CAR_RP
    with pytest.raises(OutcomeUnfit):
        await desk.propose(case["id"], CaseOutcome.RECOGNISED)
    await desk.propose(case["id"], CaseOutcome.RECOGNISED, "PSR")
    with pytest.raises(AlreadyDecided):
        await desk.propose(case["id"], CaseOutcome.RECOGNISED, "PSR")
    await desk.decide(case["id"], accept=False)
    assert (await desk.case("not-booked"))["state"] == "open"
    await desk.propose(case["id"], CaseOutcome.RECOGNISED, "PSR")
    await desk.as_owner("UPDATE officers SET role = 'verifikator'")
    with pytest.raises(SamePerson):
        await desk.decide(case["id"], by=desk.maker)
    ended = await outcomes(*(desk.decide(case["id"]) for _ in range(3)))
    assert ended == ["already-decided", "already-decided", "done"]
    assert (await desk.case("not-booked"))["outcome"] == "recognised"
    assert (await desk.balances()).get("2190") is None
    story = await office.rows("SELECT state_after FROM case_changes ORDER BY id")
    assert [row["state_after"] for row in story] == ["proposed", "open", "proposed", "closed"]


async def test_a_movement_recognised_by_people_is_taken_back_when_a_file_explains_it(desk):
    """The statement came first; its case was closed before the settlement told what it was."""
    await desk.paid()
    await desk.bank()
    case = await desk.case("unknown-movement")
    await desk.propose(case["id"], CaseOutcome.RECOGNISED, "PSR")
    await desk.decide(case["id"])
    assert (await desk.balances()).get("2190") is None
    day = await desk.settle()
    case = await desk.case("unknown-movement")
    assert (case["state"], case["outcome"], case["entry_id"]) == ("closed", "explained", None)
    assert await desk.reconcile(day) == []
    balances = await desk.balances()
    assert (balances.get("2190"), balances["4110.PSR"]) == (None, -CAR_RP)


async def test_a_debit_that_names_a_refund_is_its_transfer(desk, office):
    await desk.paid()
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.approve(refund_id)
    await desk.transfer(refund_id)
    day = await desk.settle()
    number = (await desk.refund(refund_id))["number"]
    _, _, statement = await desk.files()
    await desk.bank(with_debit(statement.decode(), number, CAR_RP))
    assert (await desk.refund(refund_id))["statement_line_id"] is not None
    assert await office.count("cases") == 0
    assert await desk.reconcile(day) == []
    assert (await desk.balances()).get("1160") is None


async def test_a_transfer_is_not_withdrawn_while_its_debit_is_taken_in(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    await desk.approve(refund_id)
    await desk.settle()
    number = (await desk.refund(refund_id))["number"]
    _, _, statement = await desk.files()
    content = with_debit(statement.decode(), number, CAR_RP)
    async with office.transactions.begin() as db:
        assert number in await refund_queries.awaited_at_bank(db)
        withdrawing = asyncio.create_task(desk.withdraw(refund_id))
        await asyncio.sleep(0.2)
        assert not withdrawing.done()
        books = office.wired.books
        await reconciliation.import_statement(db, "s.sta", content, books, now=desk.now)
    assert await outcomes(withdrawing) == ["already-decided"]
    assert await desk.state(refund_id) == "transfer_due"


@pytest.mark.parametrize("amount_rp", [CAR_RP, CAR_RP - 1])
async def test_a_debit_nobody_knows_is_held_and_found_to_be_a_cost(desk, office, amount_rp):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP, method=TRANSFER)
    number = (await desk.refund(refund_id))["number"]
    if amount_rp != CAR_RP:  # approved, but the debit is of another amount
        await desk.approve(refund_id)
    await desk.settle()
    _, _, statement = await desk.files()
    await desk.bank(with_debit(statement.decode(), number, amount_rp))
    case = await desk.case("unknown-movement")
    assert case["amount_rp"] == -amount_rp
    assert (await desk.balances())["2190"] == amount_rp
    await desk.propose(case["id"], CaseOutcome.RECOGNISED)
    await desk.decide(case["id"])
    balances = await desk.balances()
    assert (balances.get("2190"), balances["5190"]) == (None, amount_rp)


def with_debit(statement: str, number: str, amount_rp: int) -> bytes:
    """The statement with one more movement, out of the account, that names a refund."""
    head, mark, tail = statement.partition(":62F:")
    balance = tail[: tail.index("\n")].strip()
    left = int(balance[10:].rstrip(",").replace(",00", "")) - amount_rp
    sign = "C" if left >= 0 else "D"
    day = balance[1:7]
    bare = number.replace("-", "")
    line = f":61:{day}{day[2:]}D{amount_rp},00NTRFNONREF\r\n:86:TRANSFER {bare}\r\n"
    rest = tail[tail.index("\n") :]
    return f"{head}{line}{mark}{sign}{day}IDR{abs(left)},00\r{rest}".encode()
