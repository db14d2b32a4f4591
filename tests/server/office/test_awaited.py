"""Each officer sees on one list what others proposed and waits for his decision, never his own."""

import re
from datetime import date, datetime, timedelta

from sqlalchemy import text

from domain.payment import CaseOutcome, CaseState
from domain.tariff import VehicleClass
from server import sample
from server.casework import service as casework
from server.casework.models import CaseKind
from server.complaints import service as complaints
from server.complaints.service import Told
from server.complaints.states import ComplaintKind, ComplaintOutcome
from server.database import Insertions, Transactions, new_id
from server.identity import service as identity
from server.identity.models import Officer, Role
from server.office import awaited
from server.parking import service as parking
from server.parking.models import UnendedStay
from server.parking.service import Stay
from server.payments import choices, proposals
from server.payments.books import Books
from server.payments.choices import UNCONFIRMED, Wish
from server.payments.vouchers import Issue
from server.reconciliation import payouts
from server.reconciliation.payouts import ToldAccount
from server.spots import service as spots
from server.spots import units
from tests.server.deciding import TWO_OFFICERS
from tests.server.handhelds import pending
from tests.server.office.test_units import ELSEWHERE, add_officer, add_unit
from tests.server.payments.voucher_officers import propose_issue
from tests.server.reconciliation.paying import KEY
from tests.server.reconciliation.test_payouts import office
from tests.server.reconciliation.test_service import DAY, Office, statement
from tests.server.rules import test_rules as rules
from tests.server.spots import test_proposals as tariffs

__all__ = ["office"]


async def waits_for(transactions: Transactions, login: str, now: datetime) -> list[tuple[str, str]]:
    async with transactions.begin() as db:
        who = await db.get_one(Officer, await identity.officer_named(db, login))
        own = await units.scope_of(db, who)
        return [(one.kind, one.subject) for one in await awaited.by(db, who, own, now)]


async def test_what_others_proposed_waits_and_what_one_proposed_oneself_does_not(
    office: Office, transactions: Transactions, books: Books, now: datetime
) -> None:
    await add_officer(transactions, "adm", Role.ADMIN)
    await tariffs.propose(transactions)
    await rules.propose(transactions, rules.PAYOUT)
    wanted = Issue("Koperasi Pasar", 1, 5_000, None, date(2098, 1, 1))
    await propose_issue(transactions, books, wanted, now)
    await pending(transactions, now)
    unit = await add_unit(transactions, "UPT")
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        for ending in (1, 2):
            told = ToldAccount("2130", "Karang Taruna (sampel)", "Bank", "Uji", f"00000{ending}")
            await payouts.record_account(db, maker, told, KEY, now=now)
        admin = await identity.officer_named(db, "adm")
        await units.propose(db, admin, units.Subject.ZONE, "PSR", unit, "SK uji", now=now)
    await office.bank(statement(DAY, (700, "BUNGA")))
    async with transactions.begin() as db:
        case = await db.scalar(text("SELECT id FROM cases"))
        await proposals.propose(db, maker, case, CaseOutcome.RECOGNISED, "PSR", "uji", now=now)
    waiting = await waits_for(transactions, sample.CHECKER, now)
    assert sorted(kind for kind, _ in waiting) == [
        "case", "device", "move", "payee", "rule", "tariff", "voucher",
    ]  # fmt: skip
    assert ("rule", "payout") in waiting
    assert ("payee", "Karang Taruna (sampel)") in waiting
    assert await waits_for(transactions, sample.OFFICER, now) == []
    async with transactions.begin() as db:  # whoever changes roles has proposed it all the same
        await db.execute(text("UPDATE officers SET role = 'verifikator' WHERE login = 'bendahara'"))
    assert await waits_for(transactions, sample.OFFICER, now) == [("move", "")]  # of the admin


async def test_a_case_that_the_books_closed_waits_for_nobody(
    office: Office, transactions: Transactions, now: datetime
) -> None:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        spot = await spots.find(db, "PSR-001-U")
        start = Stay(new_id(), spot, VehicleClass.MOTORCYCLE, None, None)
        await parking.start(db, Insertions(), [start], now=now)
        paid = await db.scalar(
            text("SELECT parking_session_id FROM payments WHERE state = 'paid' LIMIT 1")
        )
        for stay in (start.id, paid):
            told = {"owed_rp": 2000, "owner": "uji", "opened_at": now}
            db.add(UnendedStay(parking_session_id=stay, **told))
            await db.flush()
            which = (CaseKind.UNENDED, stay, CaseState.OPEN)
            await casework.propose(db, maker, *which, "pergi", now=now)
    assert await waits_for(transactions, sample.CHECKER, now) == [("case", "1")]


async def test_an_acquirer_that_was_chosen_waits_until_the_switch_lapses(
    transactions: Transactions, now: datetime
) -> None:
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await choices.switch(db, maker, Wish("b", "", "uji"), ["a", "b"], now=now)
        later = {"starts_at": now, "now": now + timedelta(seconds=1)}
        await choices.ask(db, maker, Wish("a", "PSR", "uji"), ["a", "b"], **later)
    asked = [("choice", "b"), ("choice", "a")]
    assert await waits_for(transactions, sample.CHECKER, now) == asked
    assert await waits_for(transactions, sample.OFFICER, now) == []
    lapsed = now + UNCONFIRMED
    assert await waits_for(transactions, sample.CHECKER, lapsed) == asked[1:]


async def test_a_complaint_waits_for_whoever_may_end_it(
    transactions: Transactions, now: datetime
) -> None:
    """Officers of units too, where it is of a place of theirs."""
    unit = await add_unit(transactions, "UPT-A")
    other = await add_unit(transactions, "UPT-B")
    await add_officer(transactions, "sari", Role.KOORDINATOR, unit)
    await add_officer(transactions, "tono", Role.KOORDINATOR, other)
    await add_officer(transactions, "adm", Role.ADMIN)
    due_on = date(2026, 1, 1)
    async with transactions.begin() as db:
        for code, to in (("PSR", unit), (ELSEWHERE, other)):
            await db.execute(
                text("UPDATE zones SET unit_id = :to WHERE code = :code"), {"to": to, "code": code}
            )
        spot = await spots.find(db, "PSR-001-U")
        maker = await identity.officer_named(db, sample.OFFICER)
        checker = await identity.officer_named(db, sample.CHECKER)
        overcharged = Told(ComplaintKind.OVERCHARGED, spot_id=spot.id)
        told = await complaints.take(db, overcharged, due_on=due_on, now=now)
        await complaints.take(db, Told(ComplaintKind.OVERCHARGED), due_on=due_on, now=now)
        await complaints.answer(db, maker, told.id, "Kami periksa.", None, now=now)
    waits = [("complaint", told.number)]
    for login, expected in (
        (sample.CHECKER, waits), ("sari", waits), ("tono", []), ("adm", []), (sample.OFFICER, []),
    ):  # fmt: skip
        assert await waits_for(transactions, login, now) == expected, login
    async with transactions.begin() as db:
        ended = (told.id, "Benar.", ComplaintOutcome.UPHELD)
        await complaints.answer(db, checker, *ended, now=now)
        await complaints.reopen(db, checker, told.id, "ada bukti baru", now=now)
    # Neither who answered it nor who ended it on that answer may end it now.
    for login, expected in ((sample.CHECKER, []), (sample.OFFICER, []), ("sari", waits)):
        assert await waits_for(transactions, login, now) == expected, login


async def test_whatever_the_database_wants_two_officers_for_is_on_the_list(
    transactions: Transactions,
) -> None:
    async with transactions.begin() as db:
        guarded = set(await db.scalars(text(TWO_OFFICERS)))
    decided_in = {"payee_decisions": "payee_accounts"}
    told = set(re.findall(r"\w+", awaited.PROPOSED))
    assert len(guarded) >= 15
    assert {decided_in.get(table, table) for table in guarded} - told == set()
