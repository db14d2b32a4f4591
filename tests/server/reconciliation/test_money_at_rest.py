"""Accounts of what is on its way: damaged on purpose, each is noticed by its own invariant."""

from dataclasses import replace

from server import verify
from server.database import Transactions
from tests.server.reconciliation import closes, paying
from tests.server.reconciliation.test_remittances import AFTER, CAME_RP, approve, make
from tests.server.reconciliation.test_remittances import office as office
from tests.server.reconciliation.test_rkud import MONDAY, RKUD, at_rkud
from tests.server.reconciliation.test_service import DAY, Office

MOVED = "UPDATE ledger_postings SET account_code = '{}' WHERE account_code = '{}'"
DAMAGES = {
    "an STS on its way that nobody approved": ("I7-remitted-in-transit", MOVED.format(1160, 1161)),
    "money on the account that never came": ("I7-collected-as-handed-in", MOVED.format(1130, 1110)),
    "a share on its way that nobody paid": ("I7-shares-in-transit", MOVED.format(1160, 1162)),
    "an STS that arrived and is not confirmed": (
        "I7-confirmed-as-told",
        "UPDATE remittances SET confirmed_on = NULL",
    ),
    "an STS of another sum without a case": (
        "I7-differing-sts-have-a-case",
        "UPDATE statement_lines SET amount_rp = amount_rp - 1 WHERE ledger_account = '1100'",
    ),
    "a failed share without a case": (
        "I7-failed-shares-have-a-case",
        "DELETE FROM transfer_cases",
    ),
}


async def test_what_is_on_its_way_is_what_its_papers_say(
    office: Office, owner: Transactions
) -> None:
    office.books = replace(office.books, rkud_account=RKUD)
    await closes.close(office.transactions, DAY, office.books, now=AFTER)
    made = await make(office)
    await approve(office, made)
    await office.bank(at_rkud(MONDAY, (CAME_RP, made.number)))
    run = await paying.pay_shares(office.transactions, office.books, AFTER)
    await paying.tell(office.transactions, run, [2], office.books, AFTER, paid=False)
    unnoticed = []
    for name, (invariant, damage) in DAMAGES.items():
        async with owner() as db:
            connection = await db.connection()
            assert (await verify.broken(db)).get(invariant) == []
            await db.rollback()
            connection = await db.connection()
            await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            done = await connection.exec_driver_sql(damage)
            assert done.rowcount, name
            if not (await verify.broken(db))[invariant]:
                unnoticed.append(name)
            await db.rollback()
    assert unnoticed == []
