"""Settlement files as evidence of payments, while notifications of the same payments come in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import event

from server.database import Insertions
from server.payments import arrivals, queries
from server.payments.arrivals import Arrival, ChargeMoved
from server.reconciliation import service
from server.reconciliation.service import Imported, Report
from tests.server.booking import all_due
from tests.server.payments.conftest import CAR_RP, LIFETIME, Office, answers

HEADER = (
    "batch_id,settlement_date,transaction_time,partner_reference_no,reference_no,rrn,"
    "gross,mdr,net,currency\n"
)


async def settlement(office: Office, charges: list[UUID], times: int = 1) -> bytes:
    """A file that settles charges, the newest first, each so many times under RRNs of its own."""
    at = datetime.now(UTC)
    lines = []
    for charge_id in reversed(charges):
        await office.learn(charge_id)
        given = office.voice.references[charge_id.hex]
        lines += [
            f"BCH-000001,{at.date()},{at.isoformat()},{charge_id.hex},{given},"
            f"{charge_id.int % 10**11}{time},{CAR_RP},0,{CAR_RP},IDR\n"
            for time in range(times)
        ]
    return (HEADER + "".join(lines)).encode()


async def settle(
    office: Office, content: bytes, acquirer: str = "sandbox", now: datetime | None = None
) -> Imported:
    async with office.transactions.begin() as db:
        now, books = now or datetime.now(UTC), office.wired.books
        return await service.import_settlement(db, acquirer, "s.csv", content, books, now=now)


async def reconcile(office: Office) -> Report:
    async with office.transactions.begin() as db:
        books = office.wired.books
        day = books.day(datetime.now(UTC))
        return await service.reconcile(db, day, books, now=all_due(day))


@contextmanager
def counted(office: Office) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def count(connection, cursor, statement, *rest) -> None:
        sent.append(statement)

    engine = office.transactions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", count)
    yield sent
    event.remove(engine, "before_cursor_execute", count)


async def test_notifications_come_in_while_their_payments_are_settled(office):
    charges = [await office.request() for _ in range(16)]
    content = await settlement(office, charges)
    importing = asyncio.create_task(settle(office, content))

    async def tell(charge_id: UUID, after_s: float) -> str:
        await asyncio.sleep(after_s)
        return (await office.tell(charge_id, rrn=f"{charge_id.int % 10**11}0")).code

    told = await asyncio.gather(*(tell(charge, n / 200) for n, charge in enumerate(charges)))
    assert set(told) == {"2005200"}
    assert (await importing).lines == len(charges)
    assert await office.count("money") == await office.count("receipts") == len(charges)
    assert await office.count("cases") == 0


async def test_a_charge_settled_twice_is_paid_by_the_first_line(office):
    charge_id = await office.request()
    await settle(office, await settlement(office, [charge_id], times=3))
    flags = await office.rows("SELECT flag FROM money ORDER BY flag")
    assert [row["flag"] for row in flags] == ["duplicate", "duplicate", "exact"]
    assert await office.count("receipts") == 1


async def test_each_charge_of_a_file_goes_its_own_way_to_paid(office, scripted):
    """One waits for its payment, of another the barcode never reached us."""
    silent = scripted(answers({"responseCode": "5004700"}, 500))
    issued, unknown = await office.request(), await office.request(acquirer=silent)
    office.voice.references[unknown.hex] = "77"
    now = datetime.now(UTC)
    await settle(office, await settlement(office, [unknown, issued]), now=now)
    to_paid = ("issued", "paid", "acquirer")
    assert (await office.story(issued))[2:] == [to_paid]
    assert (await office.story(unknown))[2:] == [("issue_unknown", "issued", "acquirer"), to_paid]
    why = "SELECT DISTINCT why, changed_at FROM charge_changes WHERE why <> 'requested'"
    paid = await office.rows(why + " AND changed_at = :now", now=now)
    assert paid == [{"why": "money", "changed_at": now}]
    assert await office.count("receipts") == 2


async def test_no_money_is_posted_on_a_charge_that_moved_since_it_was_locked(office):
    """Were the lock ever not to hold: better no record, and told again, than two truths."""
    charge_id, now, books = await office.request(), datetime.now(UTC), office.wired.books
    async with office.transactions.begin() as db:
        stale = await queries.lock_charges(db, "sandbox", [charge_id.hex])
        told = [(stale[charge_id.hex], Arrival("77", "A1", CAR_RP, now))]
        weighed = arrivals.weigh(told, [], books, now=now)
    await office.inquire(charge_id, now=now + LIFETIME)
    async with office.transactions.begin() as db:
        with pytest.raises(ChargeMoved):
            await arrivals.record(db, weighed, books, now=now, insertions=Insertions())
    assert (await office.charge(charge_id))["state"] == "expired"
    assert await office.count("money") == await office.count("ledger_entries") == 0


async def test_what_another_acquirer_settles_pays_no_charge_of_this_one(office):
    """Whatever its lines name: it is held for a person until somebody knows whose it is."""
    charge_id = await office.request()
    await settle(office, await settlement(office, [charge_id]), "another")
    assert (await office.charge(charge_id))["state"] == "issued"
    assert await office.count("money") == 0
    assert await office.rows("SELECT kind, amount_rp FROM cases") == [
        {"kind": "not-booked", "amount_rp": CAR_RP}
    ]


async def test_more_lines_take_no_more_statements(office):
    sent = []
    for number in (2, 12):
        charges = [await office.request() for _ in range(number)]
        ours = await settlement(office, charges)
        nobodys = "".join(
            f"BCH-000002,2026-11-21,2026-11-21T08:00:00+07:00,X,X-{number}-{n},{n},9,0,9,IDR\n"
            for n in range(number)
        )
        with counted(office) as statements:
            await settle(office, ours + nobodys.encode())
            await reconcile(office)
        sent.append(len(statements))
    assert sent[0] == sent[1] < 60
