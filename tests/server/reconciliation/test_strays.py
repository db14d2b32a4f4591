"""Money on the account that is no retribution: other income, and a stranger's mistake."""

from datetime import date, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from domain.payment import CaseOutcome
from server import sample, verify
from server.casework.models import CaseKind
from server.casework.service import OutcomeUnfit
from server.database import Transactions
from server.ledger import postings
from server.office import case_list
from server.office.case_list import State, Wanted
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import remittances, sources, ties
from server.reconciliation.ties import Stray
from server.spots.units import WHOLE
from server.workdays import Workdays
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_remittances import AFTER, make
from tests.server.reconciliation.test_service import DAY, booked, line, settlement, statement
from tests.server.reconciliation.test_ties import Ties

INTEREST, STRANGER, RETURNED = "JASA GIRO NOVEMBER", "TRF SDR BUDI", "TRF KEMBALI SDR BUDI"


@pytest.fixture
def office(transactions: Transactions, books: Books) -> Ties:
    return Ties(transactions, books, AFTER)


def returned(amount_rp: int, reference: str) -> bytes:
    """A statement of one debit."""
    told = statement(DAY, (-amount_rp, RETURNED), reference=reference).decode()
    return told.replace("C-", "D").replace(":62F:C", ":62F:D").replace("IDR-", "IDR").encode()


async def waits(office: Ties) -> list[tuple[date, int]]:
    async with office.transactions.begin() as db:
        left = await remittances.waiting(db, Workdays({}), 1, office.books, AFTER.date())
    return [(one.day, one.amount_rp) for one in left]


async def strays(office: Ties, case: Case) -> list[Stray]:
    async with office.transactions.begin() as db:
        return await ties.strays(db, await db.get_one(Case, case.id))


async def test_interest_is_other_income_and_handed_in_on_a_line_of_its_own(office: Ties) -> None:
    await office.bank(statement(DAY, (1500, INTEREST)))
    case = await office.held()
    await office.end(case.id, CaseOutcome.OTHER_INCOME)
    assert await office.balances() == {postings.BANK: 1500, postings.OTHER_INCOME: -1500}
    await office.ask_again(case.id)
    await office.end(case.id, CaseOutcome.TAKEN_BACK)
    assert await office.balances() == {postings.BANK: 1500, postings.SUSPENSE: -1500}
    await office.end(case.id, CaseOutcome.OTHER_INCOME)
    await office.reconcile()
    assert not await office.open()
    await closes.close(office.transactions, DAY, office.books, now=AFTER)
    made = await make(office)
    async with office.transactions.begin() as db:
        lines = await sources.of_remittance(db, made, "4.1.02.01.01")
    assert [(one.words, one.code, one.amount_rp) for one in lines] == [
        ("Pendapatan lain: jasa giro dan bunga", "", 1500)
    ]
    await office.sound()


async def test_a_strangers_money_goes_back_and_is_never_handed_in(
    office: Ties, owner: Transactions
) -> None:
    await office.bank(statement(DAY, (250_000, STRANGER)))
    came = await office.held()
    assert await waits(office) == [(DAY, 250_000)]
    with pytest.raises(OutcomeUnfit):
        await office.ask(came.id, CaseOutcome.SENT_BACK, str(came.id))
    await office.end(came.id, CaseOutcome.GIVEN_BACK)
    assert await office.balances() == {postings.BANK: 250_000, postings.TO_GIVE_BACK: -250_000}
    assert await waits(office) == []
    await office.sound()

    # It may be taken back as long as it was not sent.
    await office.ask_again(came.id)
    await office.end(came.id, CaseOutcome.TAKEN_BACK)
    assert await waits(office) == [(DAY, 250_000)]
    await office.end(came.id, CaseOutcome.GIVEN_BACK)

    await office.bank(returned(250_000, "STM-2"))
    sent = await office.held()
    assert await strays(office, sent) == [Stray(came.id, DAY, f"NONREF {STRANGER}")]
    for other in (None, "BCH-A1", str(sent.id)):
        with pytest.raises(OutcomeUnfit):
            await office.ask(sent.id, CaseOutcome.SENT_BACK, other)
    with pytest.raises(OutcomeUnfit):
        await office.ask(sent.id, CaseOutcome.GIVEN_BACK)
    await office.end(sent.id, CaseOutcome.SENT_BACK, str(came.id))
    assert await office.balances() == {}
    assert {(await office.case(one.id)).state for one in (came, sent)} == {"closed"}
    assert await waits(office) == []
    await office.reconcile()
    assert not await office.open()
    await office.sound()

    # What went back is not sent twice, nor any more ours while it stands that it went.
    await office.bank(returned(250_000, "STM-3"))
    twice = await office.held()
    assert await strays(office, twice) == []
    await office.ask_again(came.id)
    with pytest.raises(OutcomeUnfit, match="sent back"):
        await office.ask(came.id, CaseOutcome.TAKEN_BACK)
    await office.end(came.id, CaseOutcome.GIVEN_BACK)
    await office.ask_again(sent.id)
    await office.end(sent.id, CaseOutcome.TAKEN_BACK)
    assert (await office.balances())[postings.TO_GIVE_BACK] == -250_000
    await office.end(twice.id, CaseOutcome.SENT_BACK, str(came.id))
    await office.sound()
    async with owner() as db:
        connection = await db.connection()
        await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        await connection.exec_driver_sql(
            "UPDATE ledger_postings SET account_code = '2150' WHERE account_code = '2190'"
        )
        assert (await verify.broken(db))["I7-strays-as-decided"]
        await db.rollback()


async def test_what_an_sts_listed_before_lowers_the_next_one(office: Ties) -> None:
    await office.bank(statement(DAY, (250_000, STRANGER), (1500, INTEREST)))
    async with office.transactions.begin() as db:
        held = {
            one.amount_rp: one.id for one in await db.scalars(select(Case).order_by(Case.amount_rp))
        }
    await office.reconcile()
    await closes.close(office.transactions, DAY, office.books, "titipan", now=AFTER)
    made = await make(office)
    assert made.amount_rp == 251_500
    await office.end(held[250_000], CaseOutcome.GIVEN_BACK)
    assert await waits(office) == [(DAY, -250_000)]
    await office.bank(returned(250_000, "STM-2"))
    sent = next(one for one in await _open(office) if one.amount_rp == -250_000)
    await office.end(sent.id, CaseOutcome.SENT_BACK, str(held[250_000]))
    assert await waits(office) == [(DAY, -250_000)]
    await office.sound()


async def test_a_batch_named_later_undoes_what_was_a_strangers_unless_it_went_back(
    office: Ties,
) -> None:
    name = "PENCAIRAN BCH-B7"
    await office.bank(statement(DAY, (3000, name)))
    await office.bank(statement(DAY, (3000, name), reference="STM-2"))
    first, second = await _open(office)
    for case in (first, second):
        await office.end(case.id, CaseOutcome.GIVEN_BACK)
    await office.bank(returned(3000, "STM-3"))
    (sent,) = await _open(office)
    await office.end(sent.id, CaseOutcome.SENT_BACK, str(first.id))
    at = f"{DAY}T09:00:00+07:00"
    await office.book([booked(7, at, 3000)])
    await office.settle(settlement(line(7, at, batch="BCH-B7", gross_rp=3000)))
    told = [(await office.case(one.id)).outcome for one in (first, second)]
    assert told == ["given_back", "explained"]
    assert postings.TO_GIVE_BACK not in await office.balances()
    await office.sound()


async def _open(office: Ties) -> list[Case]:
    async with office.transactions.begin() as db:
        rows = await db.scalars(select(Case).where(Case.state != "closed").order_by(Case.id))
        return list(rows)


async def test_what_is_owed_back_is_told_with_its_age_until_it_is_sent(
    office: Ties, books: Books
) -> None:
    async def told(now: datetime) -> list[object]:
        await ties.watch(office.transactions, books, now=now)
        names = ("karcis_to_give_back_rupiah", "karcis_to_give_back_oldest_working_days")
        async with office.transactions.begin() as db:
            maker = await office.by(sample.OFFICER)
            wanted = Wanted([CaseKind.SUSPENSE], maker, WHOLE, state=State.OWED)
            listed = (await case_list.page(db, books, wanted, now=now)).cases
        return [*map(REGISTRY.get_sample_value, names), [one.id for one in listed]]

    await office.bank(statement(DAY, (250_000, STRANGER)))
    first = await office.held()
    await office.end(first.id, CaseOutcome.GIVEN_BACK)  # on Monday
    await office.bank(statement(DAY, (40_000, STRANGER), reference="STM-2"))
    (second,) = await _open(office)
    assert await told(AFTER) == [250_000, 0, [first.id]]
    office.now = AFTER + timedelta(days=3)
    await office.end(second.id, CaseOutcome.GIVEN_BACK)
    assert await told(AFTER + timedelta(days=7)) == [290_000, 5, [first.id, second.id]]
    await office.bank(returned(250_000, "STM-3"))
    (sent,) = await _open(office)
    await office.end(sent.id, CaseOutcome.SENT_BACK, str(first.id))
    assert await told(AFTER + timedelta(days=7)) == [40_000, 2, [second.id]]
    await office.ask_again(sent.id)
    await office.end(sent.id, CaseOutcome.TAKEN_BACK)
    await office.ask_again(second.id)
    await office.end(second.id, CaseOutcome.TAKEN_BACK)
    assert await told(AFTER + timedelta(days=7)) == [250_000, 5, [first.id]]
