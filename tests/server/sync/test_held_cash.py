"""Cash of an attendant who was stopped, booked by two officers without letting him work again."""

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select, text

from domain.tariff import VehicleClass
from server.casework.models import CaseKind
from server.casework.service import OutcomeUnfit
from server.database import Insertions, Transactions, new_id
from server.identity import attendants
from server.identity import service as identity
from server.identity.models import Role, Shift
from server.identity.service import RoleNotAllowed
from server.ledger import reports
from server.office import settling
from server.parking import service as parking
from server.parking.service import Stay
from server.payments.books import Books
from server.payments.issuing import BOOKED_AS_TOLD
from server.payments.models import Case, Charge, Money, ToldPart
from server.sample import CHECKER, OFFICER
from server.spots.service import find_all
from server.sync import held_cash
from server.sync.held_cash import HeldCashEnd
from tests.server.deciding import held_back
from tests.server.handhelds import Handheld, on_shift
from tests.server.identity.test_attendants import let_in, officers, sign_in, stop
from tests.server.payments.test_invariants import as_superuser
from tests.server.payments.test_upgrades import again
from tests.server.sync.test_closing import close, count, invariants, shift_of, spots, take_cash
from tests.server.sync.test_push import push

__all__ = ["officers"]
WHO = "J-002"


@pytest.fixture
async def handheld(
    api: httpx.AsyncClient,
    transactions: Transactions,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> Handheld:
    _, pin = await let_in(transactions, officers, WHO, now)
    handheld = await on_shift(api, transactions, now)
    assert await sign_in(api, handheld, WHO, pin) == "ok"
    return handheld


async def taken(
    transactions: Transactions, handheld: Handheld, spot: str, amount_rp: object, **body: Any
) -> dict[str, Any]:
    """What the handheld tells of cash that it took and could not send."""
    facts = {
        "attendant": WHO,
        "charge_id": str(new_id()),
        "shift_id": await shift_of(transactions, handheld),
        "spot": spot,
        "vehicle_class": "motorcycle",
        "quoted_rp": amount_rp,
        "minutes": None,
        **body,
    }
    return handheld.event("cash_taken", body=facts)


async def by_two(transactions: Transactions, books: Books, end: HeldCashEnd) -> None:
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        ((case, _),) = await held_back(db)
        maker = await identity.officer_named(db, OFFICER)
        kind = CaseKind.QUARANTINE
        await settling.propose(db, maker, kind, case.id, "uangnya diakui", end=end, now=now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, CHECKER)
        await settling.decide(db, checker, kind, case.id, accept=True, why="", books=books, now=now)


async def begin(transactions: Transactions, spot: str, now: datetime) -> UUID:
    """A stay that has no payment."""
    async with transactions.begin() as db:
        (place,) = (await find_all(db, [spot])).values()
        stay = Stay(new_id(), place, VehicleClass.MOTORCYCLE, None, None, reserved=True)
        await parking.start(db, Insertions(), [stay], now=now)
        return stay.id


async def owed(transactions: Transactions) -> int:
    async with transactions.begin() as db:
        return await reports.owed_by(db, WHO)


async def open_cases(transactions: Transactions) -> int:
    async with transactions.begin() as db:
        return len(await held_back(db))


async def test_what_was_held_is_booked_on_the_open_shift_and_once(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    spot, other, *_ = await spots(api, handheld)
    price_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    who = await stop(transactions, officers, WHO, now)
    right = await taken(transactions, handheld, spot, price_rp)
    # Where one vehicle stands at a time, and at a price of its own: people decide what that was.
    wrong = await taken(transactions, handheld, other, price_rp + 700)
    stay = handheld.event(
        "stay_started", body={"attendant": WHO, "stay_id": "S1", "vehicle_class": "motorcycle"}
    )
    part = await taken(transactions, handheld, spot, 300, stay_id="S1", vehicle_class=None)
    held = "attendant-stopped"
    assert await push(api, handheld, right, wrong, stay, part) == [held] * 4
    assert await owed(transactions) == price_rp
    async with transactions.begin() as db:
        ((case, _),) = await held_back(db)
        waiting = await held_cash.of_case(db, case.id)
        assert [(one.told_rp, one.is_booked) for one in waiting] == [
            (price_rp, False), (price_rp + 700, False), (300, False),
        ]  # fmt: skip
    async with transactions.begin() as db:  # who keeps the registry has no say about money
        await identity.add_officer(db, login="a", name="A", role=Role.ADMIN, password="uji")
        admin = await identity.officer_named(db, "a")
        with pytest.raises(RoleNotAllowed):
            await held_cash.refuse_unfit(db, admin, case.id, HeldCashEnd.BOOKED)
    await by_two(transactions, books, HeldCashEnd.BOOKED)
    total_rp = price_rp * 3 + 700 + 300
    assert await owed(transactions) == total_rp
    assert await open_cases(transactions) == 0
    async with transactions.begin() as db:
        assert all(one.is_booked for one in await held_cash.of_case(db, case.id))
        assert await db.scalar(select(func.count(Case.id))) == 2  # in suspense
        assert (await attendants.find(db, who)).state == "stopped"
        maker = await identity.officer_named(db, OFFICER)
        with pytest.raises(OutcomeUnfit):
            await held_cash.refuse_unfit(db, maker, case.id, HeldCashEnd.BOOKED)
    assert (await api.get("/v1/masterdata", auth=handheld.signed)).status_code == 403
    shift = await shift_of(transactions, handheld)
    counted = await count(api, handheld, shift, total_rp, total_rp)
    assert (await close(api, handheld, shift, counted)).json()["difference_rp"] == 0
    assert await invariants(transactions) == []


async def test_it_is_booked_once_also_where_he_is_let_in_again_and_the_handheld_sends_it(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    spot, *_ = await spots(api, handheld)
    price_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    who = await stop(transactions, officers, WHO, now)
    event = await taken(transactions, handheld, spot, price_rp)
    await push(api, handheld, event)
    await by_two(transactions, books, HeldCashEnd.BOOKED)
    maker, checker = officers
    async with transactions.begin() as db:
        await attendants.propose(db, maker, who, "lagi", now=now)
        await attendants.decide(db, checker, who, "ya", approve=True, now=now)
    charge_id = event["body"]["charge_id"]
    body = {"id": charge_id, "vehicle_class": "motorcycle", "plate": "DA 1234 AB"}
    again = await api.post(f"/v1/spots/{spot}/cash-charges", json=body, auth=handheld.signed)
    assert (again.status_code, again.json().get("state")) == (201, "paid")
    # Only for cash does it stand: a barcode under its id is another request.
    other = await api.post(f"/v1/spots/{spot}/charges", json=body, auth=handheld.signed)
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")
    # Taken for a stay, with its end or before.
    stay = str(new_id())
    started = {"id": stay, "vehicle_class": "motorcycle"}
    path = f"/v1/spots/{spot}/stays"
    assert (await api.post(path, json=started, auth=handheld.signed)).status_code == 201
    part = {"id": charge_id, "minutes": 60}
    again = await api.post(f"/v1/stays/{stay}/cash-charges", json=part, auth=handheld.signed)
    assert (again.status_code, again.json().get("state")) == (201, "paid")
    left = {"told_at": now.isoformat(), "cash": {"id": charge_id, "amount_rp": price_rp}}
    ended = await api.post(f"/v1/stays/{stay}/end", json=left, auth=handheld.signed)
    assert (ended.status_code, ended.json().get("state")) == (200, "ended")
    assert [(one["id"], one["state"]) for one in ended.json()["charges"]] == [(charge_id, "paid")]
    assert await owed(transactions) == price_rp * 2
    assert await invariants(transactions) == []


async def test_a_stay_whose_cash_officers_booked_is_not_asked_for_again(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    """The one stay was known before, the other is told of only when its handheld is let in."""
    spot, other, third, *_ = await spots(api, handheld)
    price_rp = (await take_cash(api, handheld, third)).json()["amount_rp"]
    ended, extended = str(new_id()), str(new_id())
    began = {"vehicle_class": "motorcycle"}
    path = f"/v1/spots/{spot}/stays"
    known = await api.post(path, json={"id": ended, **began}, auth=handheld.signed)
    assert (known.status_code, known.json()["owed_rp"]) == (201, price_rp)
    who = await stop(transactions, officers, WHO, now)
    last = await taken(transactions, handheld, spot, price_rp, stay_id=ended)
    more = await taken(transactions, handheld, other, price_rp, stay_id=extended, minutes=60)
    await push(api, handheld, last, more)
    await by_two(transactions, books, HeldCashEnd.BOOKED)
    maker, checker = officers
    async with transactions.begin() as db:
        await attendants.propose(db, maker, who, "lagi", now=now)
        await attendants.decide(db, checker, who, "ya", approve=True, now=now)
    # Before its end is told, a driver who looks owes nothing more.
    told = (await api.get(f"/v1/stays/{ended}", auth=handheld.signed)).json()
    assert (told["owed_rp"], told["paid_rp"]) == (0, price_rp)
    cash = {"id": last["body"]["charge_id"], "amount_rp": price_rp}
    left = {"told_at": datetime.now(UTC).isoformat(), "cash": cash}
    for _ in range(2):
        answer = await api.post(f"/v1/stays/{ended}/end", json=left, auth=handheld.signed)
        told = answer.json()
        assert (answer.status_code, told["state"]) == (200, "ended")
        assert (told["owed_rp"], told["paid_rp"]) == (0, price_rp)
        assert [one["id"] for one in told["charges"]] == [cash["id"]]
    asked = await api.post(
        f"/v1/stays/{ended}/charges", json={"id": str(new_id())}, auth=handheld.signed
    )
    assert (asked.status_code, asked.json()["slug"]) == (409, "nothing-to-pay")
    reason = {"reason": "wrong_spot"}
    void = await api.post(f"/v1/stays/{ended}/void", json=reason, auth=handheld.signed)
    assert (void.status_code, void.json()["slug"]) == (409, "stay-paid")

    path = f"/v1/spots/{other}/stays"
    began = {"id": extended, "vehicle_class": "car"}
    await api.post(path, json=began, auth=handheld.signed)

    async def lengthen(charge_id: str, minutes: int, by: str = "cash-charges") -> httpx.Response:
        body = {"id": charge_id, "minutes": minutes}
        return await api.post(f"/v1/stays/{extended}/{by}", json=body, auth=handheld.signed)

    async def bought() -> timedelta:
        told = (await api.get(f"/v1/stays/{extended}", auth=handheld.signed)).json()
        started, ends = (datetime.fromisoformat(told[at]) for at in ("started_at", "ends_at"))
        return ends - started

    for _ in range(2):
        again = await lengthen(more["body"]["charge_id"], 60)
        assert (again.status_code, again.json()["money_flag"]) == (201, "late")
        assert await bought() == timedelta(minutes=60)
    # A further one carries on from there, and given up it takes back its own time only.
    further = await lengthen(str(new_id()), 24 * 60, "charges")
    assert further.status_code == 201, further.text
    path = f"/v1/charges/{further.json()['id']}/cancel"
    await api.post(path, json={"reason": "batal"}, auth=handheld.signed)
    assert await bought() == timedelta(minutes=60)
    further = await lengthen(str(new_id()), 24 * 60)
    assert (further.status_code, further.json().get("state")) == (201, "paid")
    await lengthen(more["body"]["charge_id"], 60)
    assert await bought() == timedelta(minutes=25 * 60)
    more_rp = further.json()["amount_rp"]
    assert await owed(transactions) == price_rp * 3 + more_rp
    assert await invariants(transactions) == []


async def test_after_the_count_it_is_booked_on_a_shift_of_its_own(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    spot, *_ = await spots(api, handheld)
    price_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    shift = await shift_of(transactions, handheld)
    await stop(transactions, officers, WHO, now)
    await push(api, handheld, await taken(transactions, handheld, spot, price_rp))
    counted = await count(api, handheld, shift, price_rp * 2, price_rp * 2)
    assert (await close(api, handheld, shift, counted)).json()["difference_rp"] == price_rp
    await by_two(transactions, books, HeldCashEnd.BOOKED)
    assert await owed(transactions) == price_rp * 2
    async with transactions.begin() as db:
        on = set(await db.scalars(select(Money.shift_id)))
        assert len(on) == 2
        assert await db.scalar(select(func.count(Shift.id)).where(Shift.id.in_(on))) == 2
    assert await invariants(transactions) == []


async def test_what_cannot_be_booked_stays_a_case_and_what_is_left_alone_is_one_that_ends(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    spot, *_ = await spots(api, handheld)
    begun = str(await begin(transactions, spot, now))
    await stop(transactions, officers, WHO, now)
    theirs = {"shift_id": str(new_id())}
    events = [
        await taken(transactions, handheld, spot, 1_000),
        await taken(transactions, handheld, "PSR-999-X", 400),
        await taken(transactions, handheld, spot, "banyak"),
        await taken(transactions, handheld, spot, 500, **theirs),
    ]
    # Told of twice; begun already, by whatever else; and of a length that no stay has.
    events += [
        await taken(transactions, handheld, spot, 700, charge_id=known)
        for known in (events[0]["body"]["charge_id"], begun)
    ]
    events += [
        await taken(transactions, handheld, spot, 600, minutes=minutes)
        for minutes in (0, -5, True, 10**12)
    ]
    assert set(await push(api, handheld, *events)) == {"attendant-stopped"}
    await by_two(transactions, books, HeldCashEnd.BOOKED)
    assert await owed(transactions) == 1_000
    assert await open_cases(transactions) == 1
    await by_two(transactions, books, HeldCashEnd.LEFT)
    assert await open_cases(transactions) == 0
    assert await owed(transactions) == 1_000
    assert await invariants(transactions) == []


BEFORE_TOLD_PARTS = """
    DROP TABLE told_parts;
    ALTER TABLE charges DISABLE TRIGGER USER;
    UPDATE charges SET request_hash = 'a' WHERE kind = 'cash';
    ALTER TABLE charges ENABLE TRIGGER USER;
"""


async def test_cash_that_officers_booked_before_is_known_and_of_its_stay(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    officers: tuple[UUID, UUID],
    owner_url: str,
    now: datetime,
) -> None:
    spot, *_ = await spots(api, handheld)
    await take_cash(api, handheld, spot)
    await stop(transactions, officers, WHO, now)
    stay = str(new_id())
    event = await taken(transactions, handheld, spot, 700, stay_id=stay, minutes=60)
    await push(api, handheld, event)
    await by_two(transactions, books, HeldCashEnd.BOOKED)
    await as_superuser(owner_url, BEFORE_TOLD_PARTS)
    migration = importlib.import_module("server.migrations.versions.0110_told_parts")
    await again(owner_url, "0110", migration.down_revision)
    charge_id = UUID(event["body"]["charge_id"])
    async with transactions.begin() as db:
        (part,) = await db.scalars(select(ToldPart))
        assert (part.charge_id, str(part.stay_id), part.minutes) == (charge_id, stay, 60)
        told = await db.scalars(select(Charge.id).where(Charge.request_hash == BOOKED_AS_TOLD))
        assert told.all() == [charge_id]
        guards_off = text("SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'")
        assert await db.scalar(guards_off) == 0
    assert await invariants(transactions) == []
