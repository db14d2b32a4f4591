"""Cash that a stopped attendant's handheld still holds, booked by two, and sent after all."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from server import sample
from server.casework.models import CaseKind
from server.database import Transactions, create_engine, create_transactions
from server.identity import attendants
from server.identity import service as identity
from server.identity.models import Role
from server.office import settling
from server.payments.books import Books
from server.settings import Settings
from server.sync.held_cash import HeldCashEnd
from server.sync.models import QuarantineCase, QuarantinedEvent
from server.system import System
from tests.faults.gate import Mode
from tests.system.kerb import behind_a_gate, until
from tests.system.test_stay_ending import HOURLY, Ending


@pytest.fixture
async def transactions(system: System) -> AsyncIterator[Transactions]:
    engine = create_engine(system.database_url)
    yield create_transactions(engine)
    await engine.dispose()


@pytest.fixture
def books(system: System, monkeypatch: pytest.MonkeyPatch) -> Books:
    for name, value in system._server_environment().items():
        monkeypatch.setenv(name, value)
    return Books.of(Settings())


async def held(transactions: Transactions) -> set[str]:
    """The cash that open cases of devices hold."""
    async with transactions.begin() as db:
        events = await db.scalars(
            select(QuarantinedEvent.event)
            .join(QuarantineCase, QuarantineCase.id == QuarantinedEvent.case_id)
            .where(QuarantineCase.closed_at.is_(None))
        )
        return {event["body"]["charge_id"] for event in events if event["kind"] == "cash_taken"}


async def pay_leaving(kerb: Ending, stay_id: str) -> str:
    """The vehicle leaves and pays in cash, which only the handheld can quote."""
    asked = await kerb.http.post(f"/stays/{stay_id}/leave", data={"by": "cash"})
    assert asked.url.path == f"/stays/{stay_id}/cash", asked.url
    fields = dict(re.findall(r'name="(id|amount_rp)" value="([^"]+)"', asked.text))
    taken = await kerb.http.post(asked.url.path, data=fields)
    assert taken.url.path == f"/charges/{fields['id']}", taken.text
    return fields["id"]


async def book_by_two(transactions: Transactions, books: Books) -> None:
    kind, now = CaseKind.QUARANTINE, datetime.now(UTC)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        open_case = select(QuarantineCase.id).where(QuarantineCase.closed_at.is_(None))
        case_id = (await db.scalars(open_case)).one()
        booked = HeldCashEnd.BOOKED
        await settling.propose(db, maker, kind, case_id, "diakui", end=booked, now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, sample.CHECKER)
        await settling.decide(db, checker, kind, case_id, accept=True, why="", books=books, now=now)


async def test_a_handheld_that_is_let_in_again_sends_what_two_officers_booked(
    system: System, transactions: Transactions, books: Books, spot: str
) -> None:
    kerb = Ending(system)

    async def charge(charge_id: str) -> dict[str, Any]:
        return await kerb.get(f"/api/charges/{charge_id}")

    async with behind_a_gate(system) as gate:
        await kerb.sign_in(HOURLY)
        stay = await kerb.start()
        await until(kerb.synced)
        await kerb.cut(gate)
        body = {"id": str(uuid4()), "spot": spot, "vehicle_class": "motorcycle"}
        cash = await kerb.http.post("/api/cash-charges", json={**body, "plate": "DA 1234 AB"})
        cash_id, part_id = cash.json()["id"], await pay_leaving(kerb, stay)
        taken = {cash_id, part_id}
        async with transactions.begin() as db:
            told = {"login": "koord", "name": "Koordinator", "password": "uji"}
            await identity.add_officer(db, role=Role.KOORDINATOR, **told)
            koord = await identity.officer_named(db, "koord")
            who = await attendants.named(db, sample.ATTENDANT)
            await attendants.stop(db, koord, who, "uji", now=datetime.now(UTC))
        gate.mode = Mode.OPEN

        async def all_held() -> bool:
            return await held(transactions) >= taken

        await until(all_held)
        await book_by_two(transactions, books)
        assert {(await charge(one))["sync"] for one in taken} == {"waiting"}
        async with transactions.begin() as db:
            await attendants.propose(db, koord, who, "lagi", now=datetime.now(UTC))
            checker = await identity.officer_named(db, sample.CHECKER)
            await attendants.decide(db, checker, who, "ya", approve=True, now=datetime.now(UTC))

        async def sent() -> bool:
            told = [await charge(one) for one in taken]
            assert all(one.get("sync") != "refused" for one in told), told
            return all(one.get("sync") == "sent" for one in told)

        await until(sent)
        await until(kerb.synced)
        assert (await charge(cash_id))["state"] == "paid"
        assert (await charge(part_id))["money_flag"] == "late"  # held, for people to decide
    await kerb.http.aclose()
