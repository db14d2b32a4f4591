"""Each officer sees on one list what others proposed and waits for his decision, never his own."""

from datetime import datetime

from sqlalchemy import text

from server import sample
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Officer
from server.office import awaited
from server.payments.books import Books
from server.reconciliation import payouts
from server.reconciliation.payouts import ToldAccount
from tests.server.handhelds import pending
from tests.server.reconciliation.paying import KEY
from tests.server.reconciliation.test_payouts import office
from tests.server.reconciliation.test_service import Office
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
    await tariffs.propose(transactions)
    await rules.propose(transactions, rules.PAYOUT)
    await pending(transactions, now)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        for ending in (1, 2):
            told = ToldAccount("2130", "Karang Taruna (sampel)", "Bank", "Uji", f"00000{ending}")
            await payouts.record_account(db, maker, told, KEY, now=now)
    waiting = await waits_for(transactions, sample.CHECKER)
    assert sorted(kind for kind, _ in waiting) == ["device", "payee", "rule", "tariff"]
    assert ("rule", "payout") in waiting
    assert ("payee", "Karang Taruna (sampel)") in waiting
    assert await waits_for(transactions, sample.OFFICER) == []
    async with transactions.begin() as db:  # whoever changes roles has proposed it all the same
        await db.execute(text("UPDATE officers SET role = 'verifikator' WHERE login = 'bendahara'"))
    assert await waits_for(transactions, sample.OFFICER) == []
