"""Cash: taken by an attendant on shift, owed until deposited, receipted like any payment."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from server.database import Transactions, new_id
from server.ledger import reports
from server.payments import cash
from server.payments.issuing import PaymentRequest
from server.reconciliation import service as reconciliation
from tests.server.booking import all_due
from tests.server.handhelds import Handheld
from tests.server.payments.conftest import EXCLUSIVE, FLAT, HOURLY, Office

CAR = {"vehicle_class": "car", "plate": "KH 1234 AB"}


@pytest.fixture
async def handheld(office: Office) -> Handheld:
    return await office.open_shift()


async def take(
    api: httpx.AsyncClient, handheld: Handheld, spot: str = FLAT, **changes: Any
) -> httpx.Response:
    body = {"id": str(new_id()), **CAR, **changes}
    return await api.post(f"/v1/spots/{spot}/cash-charges", json=body, auth=handheld.signed)


async def legs(office: Office, charge_id: UUID) -> dict[str, int]:
    rows = await office.rows(
        "SELECT account_code || coalesce(' ' || party, '') AS account, p.amount_rp"
        " FROM ledger_postings p JOIN money m ON m.entry_id = p.entry_id WHERE m.charge_id = :id",
        id=charge_id,
    )
    return {row["account"]: row["amount_rp"] for row in rows}


async def test_cash_is_paid_at_once_and_owed_by_the_attendant(
    api: httpx.AsyncClient, office: Office, handheld: Handheld, transactions: Transactions
) -> None:
    answer = await take(api, handheld)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    charge_id = UUID(told["id"])
    assert (told["state"], told["money_flag"], told["qris"]) == ("paid", "exact", None)
    assert told["amount_rp"] == 4000
    receipt = told["receipt"]
    assert (receipt["method"], receipt["amount_rp"], receipt["rrn"]) == ("Tunai", 4000, None)
    assert (receipt["attendant_code"], receipt["plate"]) == ("J-001", "KH 1••• AB")
    assert await office.story(charge_id) == [
        ("new", "issuing", "request"),
        ("issuing", "issued", "attendant"),
        ("issued", "paid", "attendant"),
    ]
    assert await legs(office, charge_id) == {
        "1140 J-001": 4000,
        "4110.PSR": -4000,
        "5120": 1600,
        "2120 J-001": -1400,
        "2130 Karang Taruna (sampel)": -200,
    }
    charge = await office.charge(charge_id)
    assert (charge["kind"], charge["acquirer"], charge["next_inquiry_at"]) == ("cash", "cash", None)
    (money,) = await office.rows("SELECT * FROM money")
    (shift,) = await office.rows("SELECT id FROM shifts")
    assert (money["shift_id"], money["inquiry_id"], money["notification_id"]) == (
        shift["id"], None, None
    )  # fmt: skip
    (entry,) = await office.rows("SELECT description FROM ledger_entries")
    assert entry["description"] == "Tunai PSR-001-U Rp4.000 (exact)"
    async with transactions.begin() as db:
        assert await reports.owed_by(db, "J-001") == 4000


async def test_the_same_cash_is_recorded_once(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    charge_id = str(new_id())
    answers = await asyncio.gather(*(take(api, handheld, id=charge_id) for _ in range(4)))
    answers.append(await take(api, handheld, id=charge_id))
    assert {answer.status_code for answer in answers} == {201}
    assert await office.count("money") == await office.count("receipts") == 1
    other = await take(api, handheld, id=charge_id, vehicle_class="truck")
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")
    as_qris = await api.post(
        f"/v1/spots/{FLAT}/charges", json={"id": charge_id, **CAR}, auth=handheld.signed
    )
    assert (as_qris.status_code, as_qris.json()["slug"]) == (409, "idempotency-conflict")


async def test_a_key_in_the_header_names_the_charge_too(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    for _ in range(2):
        answer = await api.post(
            f"/v1/spots/{FLAT}/cash-charges",
            json=CAR,
            headers={"Idempotency-Key": "a"},
            auth=handheld.signed,
        )
        assert answer.status_code == 201
    assert await office.count("charges") == 1


async def test_only_an_attendant_on_shift_takes_cash(
    api: httpx.AsyncClient, office: Office
) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        body = {"id": str(new_id()), **CAR}
        path = f"/v1/spots/{FLAT}/cash-charges"
        answer = await api.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["slug"]) == (401, "not-signed-in")
    for changes in ({"kind": ChargeKind.MPM, "shift_id": new_id()}, {"kind": ChargeKind.CASH}):
        request = PaymentRequest(new_id(), FLAT, VehicleClass.CAR, **changes)
        with pytest.raises(ValueError, match="on shift"):
            await cash.take(
                office.transactions,
                office.wired.announcer,
                office.wired.books,
                request,
                now=datetime.now(UTC),
            )
    assert await office.count("charges") == 0


async def test_what_cannot_be_charged_leaves_nothing(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    assert (await take(api, handheld, EXCLUSIVE, minutes=60)).status_code == 201
    for spot, slug in ((EXCLUSIVE, "spot-occupied"), (HOURLY, "stay-not-priced")):
        minutes = {"minutes": 60} if spot == EXCLUSIVE else {}
        assert (await take(api, handheld, spot, **minutes)).json()["slug"] == slug
    assert await office.count("charges") == await office.count("parking_sessions") == 1


async def test_cash_may_be_priced_by_the_minute(api: httpx.AsyncClient, handheld: Handheld) -> None:
    answer = await take(api, handheld, HOURLY, vehicle_class="motorcycle", minutes=90)
    assert answer.json()["amount_rp"] == answer.json()["receipt"]["amount_rp"] == 3000


async def test_a_shift_proves_nothing_but_cash(
    api: httpx.AsyncClient,
    office: Office,
    handheld: Handheld,
    owner: Transactions,
    subtests: pytest.Subtests,
) -> None:
    await take(api, handheld)
    columns = (
        "id, charge_id, acquirer, acquirer_reference, amount_rp, flag, paid_at, business_day,"
        " shift_id, entry_id"
    )
    for name, constraint, acquirer, shift in (
        ("QRIS on an attendant's word", "ck_money_cash", "'sandbox'", "shift_id"),
        ("cash of nobody", "ck_money_(cash|evidence)", "'cash'", "NULL"),
    ):
        with subtests.test(name), pytest.raises(IntegrityError, match=constraint):
            async with owner.begin() as db:
                await db.execute(
                    text(
                        f"INSERT INTO money ({columns}) SELECT gen_random_uuid(), charge_id,"
                        f" {acquirer}, 'x', amount_rp, 'late', paid_at, business_day, {shift},"
                        " entry_id FROM money"
                    )
                )
    with pytest.raises(IntegrityError, match="ck_charges_cash"):
        async with owner.begin() as db:
            await db.execute(
                text(
                    "INSERT INTO charges (id, payment_id, kind, acquirer, reference, amount_rp,"
                    " state, request_hash, created_at, expires_at) SELECT gen_random_uuid(),"
                    " payment_id, 'cash', 'sandbox', 'x', amount_rp, 'new', request_hash,"
                    " created_at, expires_at FROM charges"
                )
            )


async def test_settled_days_do_not_look_for_cash(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    await take(api, handheld)
    books = office.wired.books
    day = books.day(datetime.now(UTC))
    async with office.transactions.begin() as db:
        report = await reconciliation.reconcile(db, day, books, now=all_due(day))
    assert (report.collected_rp, report.differences) == (0, ())


class Heard(list[UUID]):
    """An announcer that only remembers."""

    announce = list.append


async def test_cash_is_announced_once_and_paid_at_that_moment(
    office: Office, handheld: Handheld
) -> None:
    (shift,) = await office.rows("SELECT id FROM shifts")
    now, heard = datetime.now(UTC), Heard()
    request = PaymentRequest(
        new_id(), FLAT, VehicleClass.CAR, shift_id=shift["id"], kind=ChargeKind.CASH
    )
    for at in (now, now + timedelta(seconds=5)):
        taken = await cash.take(office.transactions, heard, office.wired.books, request, now=at)
        assert taken == request.charge_id
        assert heard == [request.charge_id]
    charge = await office.charge(request.charge_id)
    assert charge["paid_at"] == charge["created_at"] == charge["expires_at"] == now
    (money,) = await office.rows("SELECT * FROM money")
    assert (money["paid_at"], money["acquirer_reference"]) == (now, charge["reference"])
