"""Stays paid when they end, extended, over their time, and taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.parking import VoidReason
from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from server.database import Transactions, new_id
from server.identity import service as identity
from server.identity.models import ShiftClosing
from server.identity.service import OnShift
from server.parking import service as parking
from server.parking.covered_models import CoveredStay
from server.parking.service import StayOver
from server.payments import parts, stays
from server.payments.acquirer import AcquirerUnknown, InquiryAnswer, PaidStatus
from server.payments.cancelling import CancelUncertain, ChargeOfAnother
from server.payments.issuing import NothingToPay, price
from server.payments.parts import CashInHand, PartRequest, StayChargeOpen
from server.payments.service import IdempotencyConflict
from server.payments.stays import StartRequest
from tests.server.handhelds import Handheld
from tests.server.payments.conftest import EXCLUSIVE, FLAT, HOURLY, LIFETIME, Office

HOUR = timedelta(hours=1)


class Kerb:
    """An attendant on shift, whose requests come at any time we say."""

    def __init__(self, office: Office, handheld: Handheld, shift: OnShift) -> None:
        self.office, self.handheld, self.shift = office, handheld, shift

    async def start(self, at: datetime, spot: str = HOURLY, vehicle: str = "car") -> UUID:
        stay_id = new_id()
        request = StartRequest(stay_id, spot, VehicleClass(vehicle), None, self.shift.shift_id)
        async with self.office.transactions.begin() as db:
            await stays.start(db, self.office.wired.books, request, now=at)
        return stay_id

    async def charge(self, stay_id: UUID, at: datetime, minutes: int | None = None) -> UUID:
        wired, charge_id = self.office.wired, new_id()
        part = PartRequest(stay_id, charge_id, self.shift.shift_id, ChargeKind.MPM, minutes)
        await parts.issue(
            self.office.transactions,
            wired.issuer,
            wired.books,
            part,
            lifetime=LIFETIME,
            now=at,
        )
        return charge_id

    async def cash(self, stay_id: UUID, at: datetime, minutes: int | None = None) -> UUID:
        wired, charge_id = self.office.wired, new_id()
        part = PartRequest(stay_id, charge_id, self.shift.shift_id, ChargeKind.CASH, minutes)
        await parts.take_cash(self.office.transactions, wired.announcer, wired.books, part, now=at)
        return charge_id

    async def leave(
        self,
        stay_id: UUID,
        at: datetime,
        told_at: datetime | None = None,
        cash: CashInHand | None = None,
    ) -> None:
        wired = self.office.wired
        await parts.leave(
            self.office.transactions,
            wired.announcer,
            wired.books,
            stay_id,
            self.shift,
            told_at=told_at,
            cash=cash,
            now=at,
        )

    async def void(self, stay_id: UUID, at: datetime, reason: str = "wrong_vehicle") -> None:
        wired = self.office.wired
        await parts.void(
            self.office.transactions,
            wired.acquirers,
            wired.announcer,
            wired.books,
            stay_id,
            self.shift,
            VoidReason(reason),
            now=at,
        )

    async def account(self, stay_id: UUID) -> stays.Account:
        async with self.office.transactions.begin() as db:
            return await stays.look(db, stay_id, self.office.wired.books)

    async def owed(self, stay_id: UUID, at: datetime) -> int:
        return (await self.account(stay_id)).owed(at).amount_rp


@pytest.fixture
async def kerb(office: Office, transactions: Transactions) -> Kerb:
    handheld = await office.open_shift()
    async with transactions.begin() as db:
        shift = await identity.who_is_on_shift(db, handheld.token, now=datetime.now(UTC))
    return Kerb(office, handheld, shift)


async def test_a_stay_is_started_ended_and_paid_over_http(
    api: httpx.AsyncClient, office: Office, kerb: Kerb
) -> None:
    stay_id, signed = str(new_id()), kerb.handheld.signed
    started_at = datetime.now(UTC) - timedelta(minutes=90)
    body = {
        "id": stay_id,
        "vehicle_class": "car",
        "plate": "DA 1234 AB",
        "told_at": started_at.isoformat(),
    }

    async def post(path: str, **body: Any) -> httpx.Response:
        return await api.post(f"/v1/stays/{stay_id}/{path}", json=body, auth=signed)

    started = [await api.post(f"/v1/spots/{HOURLY}/stays", json=body, auth=signed) for _ in "12"]
    assert [answer.status_code for answer in started] == [201, 201], started[0].text
    told = started[1].json()
    assert (told["state"], told["plate"], told["charges"]) == ("open", "DA 1••• AB", [])
    other = await api.post(
        f"/v1/spots/{HOURLY}/stays", json={**body, "vehicle_class": "truck"}, auth=signed
    )
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")
    running = await post("charges", id=str(new_id()))
    assert (running.status_code, running.json()["slug"]) == (409, "stay-running")

    ended = (await post("end")).json()
    first = (ended["state"], ended["ended_at"], ended["owed_rp"])
    assert first[0] == "ended"
    assert first[2] > 0
    again = (await post("end")).json()
    assert (again["state"], again["ended_at"], again["owed_rp"]) == first
    charge_id = str(new_id())
    charges = [await post("charges", id=charge_id) for _ in "12"]
    assert [answer.status_code for answer in charges] == [201, 201]
    assert charges[0].json()["state"] == "issued"
    assert charges[0].json()["amount_rp"] == first[2]
    second = await post("cash-charges", id=str(new_id()))
    assert (second.status_code, second.json()["slug"]) == (409, "stay-charge-open")
    unpaid = (await api.get(f"/v1/stays/{stay_id}", auth=signed)).json()
    amounts = ("paid_rp", "waiting_rp", "owed_rp")
    assert [unpaid[name] for name in amounts] == [0, first[2], 0]
    await office.tell(UUID(charge_id), first[2])
    answer = await api.get(f"/v1/stays/{stay_id}", auth=signed)
    paid = answer.json()
    assert [paid[name] for name in amounts] == [first[2], 0, 0]
    assert [charge["state"] for charge in paid["charges"]] == ["paid"]
    assert paid["charges"][0]["receipt"]["lines"], "a receipt of its own"
    nothing = await post("charges", id=str(new_id()))
    assert nothing.json()["slug"] == "nothing-to-pay"
    voided = await post("void", reason="wrong_vehicle")
    assert (voided.status_code, voided.json()["slug"]) == (409, "stay-paid")


async def test_free_minutes_end_a_stay_with_nothing_owed(
    kerb: Kerb, now: datetime, meddle: Callable[..., Awaitable[None]]
) -> None:
    await meddle(
        "UPDATE tariffs SET version = jsonb_set(version, '{rates,car,free_minutes}', '10')"
        " WHERE version #>> '{rates,car,kind}' = 'hourly'"
    )
    stay_id = await kerb.start(now)
    assert await kerb.owed(stay_id, now + timedelta(minutes=11)) > 0
    await kerb.leave(stay_id, now + timedelta(minutes=10))
    assert await kerb.owed(stay_id, now + HOUR) == 0
    with pytest.raises(NothingToPay):
        await kerb.charge(stay_id, now + HOUR)


async def test_a_stay_holds_its_space_until_it_ends(kerb: Kerb, now: datetime) -> None:
    first = await kerb.start(now, EXCLUSIVE)
    with pytest.raises(parking.SpotOccupied):
        await kerb.start(now + HOUR, EXCLUSIVE)
    await kerb.leave(first, now + HOUR)
    second = await kerb.start(now + HOUR, EXCLUSIVE)
    await kerb.cash(second, now + HOUR, minutes=60)
    third = await kerb.start(now + 3 * HOUR, EXCLUSIVE)
    with pytest.raises(parking.SpotOccupied):
        await kerb.cash(second, now + 3 * HOUR, minutes=180)
    assert (await kerb.account(third)).row.state == "open"


async def test_an_extension_nobody_paid_gives_its_time_back(
    office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id = await kerb.start(now, EXCLUSIVE)
    await kerb.cash(stay_id, now, minutes=60)
    charge_id = await kerb.charge(stay_id, now, minutes=120)
    assert (await kerb.account(stay_id)).row.ends_at == now + 3 * HOUR
    with pytest.raises(StayChargeOpen):
        await kerb.cash(stay_id, now, minutes=60)
    await office.inquire(charge_id, now=now + LIFETIME + timedelta(minutes=30))
    account = await kerb.account(stay_id)
    assert (account.row.state, account.row.ends_at) == ("open", now + HOUR)
    assert not account.is_over_time(now + HOUR)
    assert account.is_over_time(now + HOUR + timedelta(seconds=1))
    await office.tell(charge_id, (await office.charge(charge_id))["amount_rp"])
    assert (await office.charge(charge_id))["money_flag"] == "late"
    assert await office.count("cases") == 1


async def test_a_first_payment_that_lapses_frees_the_space_as_ever(
    office: Office, kerb: Kerb
) -> None:
    charge_id = await office.request(EXCLUSIVE, minutes=60)
    await office.inquire(charge_id, now=datetime.now(UTC) + LIFETIME + timedelta(minutes=30))
    assert await office.stay(charge_id) == ("voided", "voided")


@given(steps=st.lists(st.integers(1, 600), max_size=6), left_after=st.integers(0, 5000))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_parts_of_any_stay_sum_to_one_quote(
    kerb: Kerb, now: datetime, steps: list[int], left_after: int
) -> None:
    stay_id = await kerb.start(now)
    for minutes in steps:
        try:
            await kerb.cash(stay_id, now, minutes)
        except NothingToPay:
            account = await kerb.account(stay_id)
            assert account.charged_rp == account.whole(now).amount_rp or not account.parts
    left_at = now + timedelta(minutes=left_after)
    await kerb.leave(stay_id, left_at)
    owed_rp = await kerb.owed(stay_id, left_at)
    if owed_rp:
        await kerb.cash(stay_id, left_at)
    account = await kerb.account(stay_id)
    bought = [part.covers_until for part in account.parts if part.covers_until]
    until = max([left_at, *bought])
    whole = price(account.tariff, account.vehicle_class, now.astimezone(account.timezone), until)
    assert account.charged_rp == account.paid_rp == whole.amount_rp
    assert await kerb.owed(stay_id, left_at + 100 * HOUR) == 0


async def test_an_end_and_extensions_at_once_never_charge_twice(kerb: Kerb, now: datetime) -> None:
    stay_id = await kerb.start(now)
    done = await asyncio.gather(
        *(kerb.cash(stay_id, now + HOUR, minutes=180) for _ in range(3)),
        kerb.leave(stay_id, now + HOUR),
        kerb.leave(stay_id, now + 2 * HOUR),
        return_exceptions=True,
    )
    problems = [error for error in done if isinstance(error, BaseException)]
    assert all(isinstance(error, StayOver) for error in problems), problems
    account = await kerb.account(stay_id)
    assert account.row.state == "ended"
    assert account.row.ended_at in (now + HOUR, now + 2 * HOUR)
    assert account.charged_rp <= account.whole(account.row.ended_at).amount_rp


async def test_what_was_recorded_offline_counts_within_its_window(
    kerb: Kerb, now: datetime
) -> None:
    assert stays.believed(None, now) == now
    assert stays.believed(now - HOUR, now) == now - HOUR
    assert stays.believed(now + HOUR, now) == now, "a clock ahead says nothing"
    assert stays.believed(now - 99 * HOUR, now) == now - stays.LONGEST_OFFLINE
    stay_id = await kerb.start(now)
    await kerb.leave(stay_id, now + 9 * HOUR, told_at=now - HOUR)
    assert (await kerb.account(stay_id)).row.ended_at == now, "not before it began"


async def test_cash_taken_offline_is_paid_where_the_tariff_agrees(
    office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id, left_at = await kerb.start(now), now + HOUR
    cash = CashInHand(new_id(), await kerb.owed(stay_id, left_at))
    for _ in range(2):
        await kerb.leave(stay_id, now + 9 * HOUR, told_at=left_at, cash=cash)
    assert (await office.charge(cash.charge_id))["state"] == "paid"
    assert await office.count("money") == 1
    assert await kerb.owed(stay_id, now + 9 * HOUR) == 0


async def test_cash_of_another_amount_is_owed_and_held_with_a_case(
    office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id = await kerb.start(now)
    owed_rp = await kerb.owed(stay_id, now + HOUR)
    cash = CashInHand(new_id(), owed_rp + 500)
    await kerb.leave(stay_id, now + HOUR, cash=cash)
    charge = await office.charge(cash.charge_id)
    assert (charge["state"], charge["money_flag"]) == ("issue_failed", "late")
    legs = await office.rows(
        "SELECT account_code, party, p.amount_rp FROM ledger_postings p"
        " JOIN money m ON m.entry_id = p.entry_id ORDER BY account_code"
    )
    assert [tuple(leg.values()) for leg in legs] == [
        ("1140", "J-001", owed_rp + 500),
        ("2190", None, -owed_rp - 500),
    ]
    (case,) = await office.rows("SELECT amount_rp, owner FROM cases")
    assert case["amount_rp"] == owed_rp + 500
    assert await kerb.owed(stay_id, now + HOUR) == owed_rp


async def test_a_stay_started_by_mistake_is_taken_back_and_counted(
    office: Office, kerb: Kerb, now: datetime, transactions: Transactions
) -> None:
    stay_id = await kerb.start(now, EXCLUSIVE)
    for reason in ("wrong_spot", "other"):
        await kerb.void(stay_id, now, reason)
    account = await kerb.account(stay_id)
    assert account.row.state == "voided"
    assert account.void is not None
    assert (account.void.reason, account.void.forgone_rp) == ("wrong_spot", 0)
    with pytest.raises(StayOver):
        await kerb.leave(stay_id, now)
    await kerb.start(now, EXCLUSIVE)
    left = await kerb.start(now)
    await kerb.leave(left, now + HOUR)
    owed_rp = await kerb.owed(left, now)
    await kerb.void(left, now, "driver_left")
    assert (await kerb.account(left)).row.state == "ended"
    async with transactions.begin() as db:
        counted = await parts.voids_by_attendant(db, now, now + HOUR)
    assert {void.attendant_name for void in counted} == {"Juru Parkir Contoh"}
    assert [(void.attendant_code, void.reason, void.forgone_rp) for void in counted] == [
        ("J-001", "driver_left", owed_rp),
        ("J-001", "wrong_spot", 0),
    ]


async def test_an_unpaid_charge_is_cancelled_at_the_acquirer_before_its_stay_is_taken_back(
    api: httpx.AsyncClient, office: Office, kerb: Kerb, sandbox: Any
) -> None:
    charge_id = str(new_id())
    body = {"id": charge_id, "vehicle_class": "car"}
    made = await api.post(f"/v1/spots/{FLAT}/charges", json=body, auth=kerb.handheld.signed)
    await kerb.void(UUID(charge_id), datetime.now(UTC), "wrong_vehicle")
    assert (await office.charge(UUID(charge_id)))["state"] == "cancelled"
    assert await office.stay(UUID(charge_id)) == ("voided", "voided")
    refused = await sandbox.client.post(
        "/wallet/pay", json={"qris": made.json()["qris"], "outcome": "pay"}
    )
    assert refused.status_code == 409
    await office.tell(UUID(charge_id))
    assert (await office.charge(UUID(charge_id)))["money_flag"] == "late"


async def test_a_cancelling_in_doubt_leaves_the_stay_as_it_is(
    office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id = await kerb.start(now)
    await kerb.leave(stay_id, now + HOUR)
    charge_id = await kerb.charge(stay_id, now + HOUR)
    acquirer = office.wired.acquirers.first
    acquirer.cancel = AsyncMock(side_effect=AcquirerUnknown("lost"))
    acquirer.inquire = AsyncMock(return_value=InquiryAnswer(PaidStatus.UNKNOWN, {}))
    with pytest.raises(CancelUncertain):
        await kerb.void(stay_id, now + HOUR)
    assert (await kerb.account(stay_id)).void is None
    await office.tell(charge_id, (await office.charge(charge_id))["amount_rp"])
    with pytest.raises(parts.StayPaid):
        await kerb.void(stay_id, now + HOUR)


async def test_nobody_takes_back_what_another_attendant_did(
    api: httpx.AsyncClient, office: Office, kerb: Kerb
) -> None:
    of_a_driver = await office.request(FLAT)
    with pytest.raises(ChargeOfAnother):
        await kerb.void(of_a_driver, datetime.now(UTC))
    missing = await api.post(
        f"/v1/stays/{new_id()}/void", json={"reason": "other"}, auth=kerb.handheld.signed
    )
    assert (missing.status_code, missing.json()["slug"]) == (404, "stay-not-found")


async def test_cash_of_a_stay_is_on_no_shift_that_is_closed(
    office: Office, kerb: Kerb, now: datetime, transactions: Transactions
) -> None:
    ended, running = await kerb.start(now), await kerb.start(now)
    await kerb.leave(ended, now + HOUR)
    async with transactions.begin() as db:
        counted = {"expected_rp": 0, "counted_rp": 0, "shown_rp": 0, "event_seq": 1}
        db.add(ShiftClosing(shift_id=kerb.shift.shift_id, closed_at=now, **counted))
    with pytest.raises(identity.NotSignedIn):
        await kerb.cash(ended, now + HOUR)
    cash = CashInHand(new_id(), await kerb.owed(running, now + HOUR))
    with pytest.raises(identity.NotSignedIn):
        await kerb.leave(running, now + HOUR, cash=cash)
    assert await office.count("money") == 0
    assert (await kerb.account(running)).row.state == "open", "its end comes again with the cash"


async def test_cash_beside_a_charge_that_waits_is_held_with_a_case(
    office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id = await kerb.start(now)
    waiting = await kerb.charge(stay_id, now, minutes=60)
    owed_rp = await kerb.owed(stay_id, now + 3 * HOUR)
    cash = CashInHand(new_id(), owed_rp)
    await kerb.leave(stay_id, now + 3 * HOUR, cash=cash)
    await office.inquire(waiting, now=now + LIFETIME + timedelta(minutes=30))
    assert (await office.charge(waiting))["state"] == "expired"
    assert (await office.charge(cash.charge_id))["money_flag"] == "late"
    (case,) = await office.rows("SELECT amount_rp FROM cases")
    assert case["amount_rp"] == owed_rp
    with pytest.raises(IdempotencyConflict):
        await kerb.leave(stay_id, now, cash=CashInHand(cash.charge_id, owed_rp + 1000))


async def test_nobody_pays_for_a_stay_that_is_covered(
    office: Office, kerb: Kerb, now: datetime, transactions: Transactions
) -> None:
    stay_id = await kerb.start(now)
    async with transactions.begin() as db:
        covered = {"id": stay_id, "exemption": "ambulans", "shift_id": kerb.shift.shift_id}
        db.add(CoveredStay(**covered, recorded_at=now))
    refused: list[Awaitable[object]] = [
        kerb.charge(stay_id, now, minutes=60),
        kerb.cash(stay_id, now, minutes=60),
        kerb.leave(stay_id, now + HOUR, cash=CashInHand(new_id(), 4000)),
    ]
    for asked in refused:
        with pytest.raises(NothingToPay):
            await asked
    assert await office.count("payments") == 0
