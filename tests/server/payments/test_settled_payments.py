"""Settlement files as evidence of payments, while notifications of the same payments come in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import event

from server.reconciliation import service
from server.reconciliation.service import Imported, Report
from tests.server.payments.conftest import CAR_RP, Office

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


async def settle(office: Office, content: bytes) -> Imported:
    async with office.transactions.begin() as db:
        now, books = datetime.now(UTC), office.wired.books
        return await service.import_settlement(db, "sandbox", "s.csv", content, books, now=now)


async def reconcile(office: Office) -> Report:
    async with office.transactions.begin() as db:
        now, books = datetime.now(UTC), office.wired.books
        return await service.reconcile(db, books.day(now), books, now=now)


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
