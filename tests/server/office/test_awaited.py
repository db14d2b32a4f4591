"""Each officer sees on one list what others proposed and waits for his decision, never his own."""

from datetime import datetime

from sqlalchemy import text

from domain.payment import CaseOutcome
from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import ROOT, Officer, Role
from server.office import awaited
from server.payments import proposals
from server.payments.books import Books
from server.reconciliation import payouts
from server.reconciliation.payouts import ToldAccount
from server.spots import units
from tests.server.handhelds import pending
from tests.server.office.test_units import add_officer
from tests.server.reconciliation.paying import KEY
from tests.server.reconciliation.test_payouts import office
from tests.server.reconciliation.test_service import DAY, Office, statement
from tests.server.rules import test_rules as rules
from tests.server.spots import test_proposals as tariffs

__all__ = ["office"]


async def waits_for(transactions: Transactions, login: str) -> list[tuple[str, str]]:
    async with transactions.begin() as db:
        who = await db.get_one(Officer, await identity.officer_named(db, login))
        return [(one.kind, one.subject) for one in await awaited.by(db, who)]


async def test_what_others_proposed_waits_and_what_one_proposed_oneself_does_not(
    office: Office, transactions: Transactions, books: Books, now: datetime
) -> None:
    await add_officer(transactions, "adm", Role.ADMIN)
    await tariffs.propose(transactions)
    await rules.propose(transactions, rules.PAYOUT)
    await pending(transactions, now)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        for ending in (1, 2):
            told = ToldAccount("2130", "Karang Taruna (sampel)", "Bank", "Uji", f"00000{ending}")
            await payouts.record_account(db, maker, told, KEY, now=now)
        admin = await identity.officer_named(db, "adm")
        await units.propose(db, admin, units.Subject.ZONE, "PSR", ROOT, "SK uji", now=now)
    await office.bank(statement(DAY, (700, "BUNGA")))
    async with transactions.begin() as db:
        case = await db.scalar(text("SELECT id FROM cases"))
        await proposals.propose(db, maker, case, CaseOutcome.RECOGNISED, "PSR", "uji", now=now)
    waiting = await waits_for(transactions, sample.CHECKER)
    assert sorted(kind for kind, _ in waiting) == [
        "case", "device", "move", "payee", "rule", "tariff",
    ]  # fmt: skip
    assert ("rule", "payout") in waiting
    assert ("payee", "Karang Taruna (sampel)") in waiting
    assert await waits_for(transactions, sample.OFFICER) == []
    async with transactions.begin() as db:  # whoever changes roles has proposed it all the same
        await db.execute(text("UPDATE officers SET role = 'verifikator' WHERE login = 'bendahara'"))
    assert await waits_for(transactions, sample.OFFICER) == [("move", "")]  # of the admin
