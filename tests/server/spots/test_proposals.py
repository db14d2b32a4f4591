"""A tariff is changed by two officers, and quoted from its day on."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select, text
from sqlalchemy.exc import DBAPIError

from attendant_app import prices
from domain.tariff import VehicleClass, in_force, quote, tariff_from_json
from server import sample, verify
from server.database import Transactions, new_id
from server.errors import InvalidRequest
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import RoleNotAllowed
from server.payments.issuing import PaymentRequest
from server.spots import proposals, service
from server.spots.models import Tariff, TariffProposal
from server.spots.proposals import (
    EventOverlaps,
    NotOwnProposal,
    OwnProposal,
    ProposalDecided,
    ProposalNotFound,
    ProposalOpen,
    TariffToCome,
    TariffTooSoon,
)
from server.spots.states import PROPOSAL_TABLE, ProposalEvent, ProposalState
from server.workdays import Workdays
from tests.server.payments.conftest import FLAT, LIFETIME

TODAY = date(2026, 12, 30)
WORKDAYS = Workdays({date(2027, 4, 21): "Hari jadi"})
NOON = datetime(2026, 12, 30, 5, tzinfo=UTC)
FIRST = date(2027, 1, 1)
DRAFT = {
    "regulation": "Perda Uji 3/2026 Pasal 4",
    "rates": {kind: {"kind": "flat", "amount_rp": 7000} for kind in ("motorcycle", "car", "truck")},
}


async def propose(
    transactions: Transactions,
    *,
    zone: str = "PSR",
    first: date = FIRST,
    login: str = sample.OFFICER,
    reason: str = "peraturan baru",
    draft: dict[str, Any] = DRAFT,
) -> UUID:
    async with transactions.begin() as db:
        who = await identity.officer_named(db, login)
        told = (zone, draft, first, reason)
        named = WORKDAYS.holidays(TODAY)
        return await proposals.propose(db, who, *told, today=TODAY, now=NOON, holidays=named)


CLOSED = {"from": "00:00", "until": "24:00", "weekdays": [], "holidays": True}
ON_HOLIDAYS: dict[str, Any] = {
    "regulation": "Perda Uji 3/2026 Pasal 4",
    "rates": {"car": {"kind": "flat", "amount_rp": 4000, "bands": [CLOSED | {"amount_rp": 9000}]}},
}


async def decide(
    transactions: Transactions,
    proposal: UUID,
    *,
    approve: bool = True,
    login: str = sample.CHECKER,
    today: date = TODAY,
) -> None:
    async with transactions.begin() as db:
        who = await identity.officer_named(db, login)
        await proposals.decide(
            db, who, proposal, approve=approve, why="sesuai", today=today, now=NOON
        )


async def withdraw(transactions: Transactions, proposal: UUID, login: str) -> None:
    async with transactions.begin() as db:
        who = await identity.officer_named(db, login)
        await proposals.withdraw(db, who, proposal, "keliru", now=NOON)


async def state_of(transactions: Transactions, proposal: UUID) -> str:
    async with transactions.begin() as db:
        return (await proposals.found(db, proposal)).state.value


async def asked_of_a_car(app: FastAPI, transactions: Transactions, at: datetime) -> int:
    """What the server asks of a car that begins to park then."""
    wired = app.state.payments
    request = PaymentRequest(new_id(), FLAT, VehicleClass.CAR, None, None)
    charge = await wired.issuer.request(request, lifetime=LIFETIME, now=at)
    async with transactions.begin() as db:
        amount: int = await db.scalar(
            text("SELECT amount_rp FROM charges WHERE id = :id"), {"id": charge}
        )
    return amount


@pytest.mark.parametrize("state", ProposalState)
def test_each_event_of_a_proposal_is_decided_in_each_state(state: ProposalState) -> None:
    follows = {event.value: PROPOSAL_TABLE.get((state, event)) for event in ProposalEvent}
    assert {event: after for event, after in follows.items() if after} == (
        {"approved": "approved", "declined": "declined", "withdrawn": "withdrawn"}
        if state is ProposalState.REQUESTED
        else {}
    )


async def test_the_old_price_is_asked_until_the_last_second_and_the_new_one_from_its_day(
    app: FastAPI, transactions: Transactions
) -> None:
    timezone = app.state.payments.books.timezone
    midnight = datetime(2027, 1, 1, tzinfo=timezone)
    asked = await propose(transactions)
    before = await asked_of_a_car(app, transactions, midnight)
    assert before != 7000
    await decide(transactions, asked)
    assert await asked_of_a_car(app, transactions, midnight - timedelta(seconds=1)) == before
    assert await asked_of_a_car(app, transactions, midnight) == 7000
    async with transactions.begin() as db:
        told = [version for zone, version in await service.tariffs_from(db, TODAY) if zone == "PSR"]
        await sample.seed(db, officer_password="x", checker_password="x", attendant_pin="1")
    async with transactions.begin() as db:
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}
    assert [(one["valid_from"], one["valid_until"]) for one in told][-1] == ("2027-01-01", None)
    assert told[0]["valid_until"] == "2026-12-31"
    for one in told:
        assert tariff_from_json(one).valid_from.isoformat() == one["valid_from"]


async def test_a_holiday_has_its_price_at_the_office_and_on_a_handheld_that_is_alone(
    app: FastAPI, transactions: Transactions
) -> None:
    await decide(transactions, await propose(transactions, draft=ON_HOLIDAYS))
    zone = app.state.payments.books.timezone
    asked = {
        datetime(2027, 1, 1, tzinfo=zone): 9000,
        datetime(2027, 1, 1, 23, 59, 59, tzinfo=zone): 9000,
        datetime(2027, 1, 2, tzinfo=zone): 4000,
        datetime(2027, 2, 5, 23, 59, 59, tzinfo=zone): 4000,  # A Friday of joint leave.
        datetime(2027, 2, 6, tzinfo=zone): 9000,
        datetime(2027, 4, 21, 12, tzinfo=zone): 9000,  # The regency's own.
    }
    async with transactions.begin() as db:
        told = await service.tariffs_from(db, TODAY)
    master = {
        "regency": {"timezone": zone.key},
        "spots": [{"code": FLAT, "zone": {"code": "PSR"}}],
        "tariffs": [{"zone": code, "version": version} for code, version in told],
    }
    for at, amount_rp in asked.items():
        assert prices.offer(master, FLAT, VehicleClass.CAR, at) == prices.Offer(amount_rp, None)
    assert {at: await asked_of_a_car(app, transactions, at) for at in asked} == asked


async def test_holidays_stand_only_in_a_tariff_that_needs_them(transactions: Transactions) -> None:
    other = {"2027-01-05": "Libur lain"}
    asked = [
        await propose(transactions, draft=draft, zone=zone)
        for zone, draft in (("PSR", ON_HOLIDAYS | {"holidays": other}), ("RSU", DRAFT))
    ]
    async with transactions.begin() as db:
        own, none = [(await proposals.found(db, one)).version for one in asked]
    assert own.holidays == {date(2027, 1, 5): "Libur lain"}, "what the draft names is kept"
    assert none.holidays == {}


async def test_a_zone_without_a_tariff_gets_its_first_the_same_way(
    app: FastAPI, owner: Transactions, transactions: Transactions
) -> None:
    async with owner.begin() as db:
        zone = await service.zone_id(db, "PSR")
        await db.execute(delete(Tariff).where(Tariff.zone_id == zone))
    asked = await propose(transactions)
    with pytest.raises(service.NoTariff):
        await asked_of_a_car(app, transactions, NOON)
    await decide(transactions, asked)
    assert await asked_of_a_car(app, transactions, NOON + timedelta(days=2)) == 7000


async def test_nobody_decides_what_they_proposed(
    owner: Transactions, transactions: Transactions
) -> None:
    asked = await propose(transactions)
    with pytest.raises(RoleNotAllowed):
        await decide(transactions, asked, login=sample.OFFICER)
    with pytest.raises(RoleNotAllowed):
        await propose(transactions, zone="PLB", login=sample.CHECKER)
    async with transactions.begin() as db:  # whose role changed meanwhile is the same person
        maker = await identity.officer_named(db, sample.OFFICER)
        values = {"role": Role.VERIFIKATOR.value, "id": maker}
        await db.execute(text("UPDATE officers SET role = :role WHERE id = :id"), values)
    with pytest.raises(OwnProposal):
        await decide(transactions, asked, login=sample.OFFICER)
    for change in ("state = 'declined'", "state = 'approved', tariff_id = (SELECT id FROM t)"):
        with pytest.raises(DBAPIError, match="ck_tariff_proposals_maker_checker"):
            async with owner.begin() as db:
                await db.execute(
                    text(
                        "WITH t AS (SELECT id FROM tariffs LIMIT 1) UPDATE tariff_proposals SET"
                        f" decided_by = proposed_by, decided_at = now(), {change}"
                    )
                )
    assert await state_of(transactions, asked) == "requested"


async def test_what_was_declined_or_withdrawn_changes_nothing_and_frees_the_zone(
    transactions: Transactions,
) -> None:
    async with transactions.begin() as db:
        before = (await db.scalars(select(Tariff.version))).all()
    declined = await propose(transactions)
    with pytest.raises(ProposalOpen):
        await propose(transactions, first=date(2027, 2, 1))
    await decide(transactions, declined, approve=False)
    withdrawn = await propose(transactions)
    with pytest.raises(RoleNotAllowed):
        await withdraw(transactions, withdrawn, sample.CHECKER)
    async with transactions.begin() as db:
        told = {"login": "lain", "name": "Lain", "role": Role.BENDAHARA, "password": "uji"}
        await identity.add_officer(db, **told)  # type: ignore[arg-type]
    with pytest.raises(NotOwnProposal):
        await withdraw(transactions, withdrawn, "lain")
    await withdraw(transactions, withdrawn, sample.OFFICER)
    for proposal, state in ((declined, "declined"), (withdrawn, "withdrawn")):
        assert await state_of(transactions, proposal) == state
        with pytest.raises(ProposalDecided):
            await decide(transactions, proposal)
        with pytest.raises(ProposalDecided):
            await withdraw(transactions, proposal, sample.OFFICER)
    with pytest.raises(ProposalNotFound):
        await decide(transactions, new_id())
    async with transactions.begin() as db:
        assert (await db.scalars(select(Tariff.version))).all() == before


MARKET = DRAFT | {
    "event": "Hari pasar Legi",
    "valid_until": "2027-01-03",
    "rates": {kind: {"kind": "flat", "amount_rp": 3000} for kind in ("motorcycle", "car", "truck")},
}


async def test_a_market_days_prices_stand_above_the_ordinary_ones_which_go_on_by_themselves(
    app: FastAPI, transactions: Transactions
) -> None:
    books = app.state.payments.books
    days = [date(2027, 1, day) for day in range(1, 5)]
    noons = [datetime(2027, 1, day.day, 12, tzinfo=books.timezone) for day in days]
    before = await asked_of_a_car(app, transactions, NOON)
    await decide(transactions, await propose(transactions, first=days[1], draft=MARKET))
    asked = [await asked_of_a_car(app, transactions, noon) for noon in noons]
    assert asked == [before, 3000, 3000, before]
    # A new ordinary tariff begins meanwhile; the event stays above it.
    await decide(transactions, await propose(transactions, first=days[2]))
    asked = [await asked_of_a_car(app, transactions, noon) for noon in noons]
    assert asked == [before, 3000, 3000, 7000]
    # The handheld, which has all versions, says the same, and both name the event.
    async with transactions.begin() as db:
        told = [version for zone, version in await service.tariffs_from(db, TODAY) if zone == "PSR"]
        zone = await service.zone_id(db, "PSR")
        ordinary = await service.tariffs_on(db, [zone], days[1], ordinary=True)
        assert not ordinary[zone][1].event
        lines = await db.scalar(text("SELECT quote FROM payments ORDER BY requested_at LIMIT 1"))
        named = await db.scalars(
            text("SELECT quote->0->>'label_id' FROM payments WHERE amount_rp = 3000")
        )
        assert set(named) == {"Tarif Hari pasar Legi: sekali parkir"}
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}
    assert lines[0]["label_id"] == "Sekali parkir"
    versions = [tariff_from_json(version) for version in told]
    quoted = [quote(in_force(versions, n.date()), VehicleClass.CAR, n, None) for n in noons]
    assert [one.amount_rp for one in quoted] == asked
    assert quoted[1].lines[0].label_en == "Prices of Hari pasar Legi: one parking"


async def test_two_events_of_a_zone_never_share_a_day(
    owner: Transactions, transactions: Transactions
) -> None:
    first = await propose(transactions, first=date(2027, 1, 2), draft=MARKET)
    await decide(transactions, first)
    with pytest.raises(EventOverlaps):
        await propose(transactions, first=date(2027, 1, 3), draft=MARKET)
    with pytest.raises(InvalidRequest):
        await propose(transactions, draft=MARKET | {"valid_until": None})
    await propose(
        transactions, first=date(2027, 1, 4), draft=MARKET | {"valid_until": "2027-01-04"}
    )
    async with transactions.begin() as db:
        zone = await service.zone_id(db, "PSR")
    with pytest.raises(DBAPIError, match="ex_tariffs_one_event"):
        async with owner.begin() as db:
            await service.put_in_force(db, zone, MARKET | {"valid_from": "2027-01-03"})


async def test_a_tariff_begins_tomorrow_at_the_earliest_also_when_it_is_approved_late(
    transactions: Transactions,
) -> None:
    with pytest.raises(TariffTooSoon):
        await propose(transactions, first=TODAY)
    asked = await propose(transactions, first=TODAY + timedelta(days=1))
    with pytest.raises(TariffTooSoon):
        await decide(transactions, asked, today=TODAY + timedelta(days=1))
    await decide(transactions, asked)
    with pytest.raises(TariffToCome):
        await propose(transactions, first=TODAY + timedelta(days=1))
    await propose(transactions, first=TODAY + timedelta(days=2))


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"zone": "XXX"}, service.ZoneNotFound),
        ({"reason": " "}, InvalidRequest),
        ({"draft": DRAFT | {"rates": {}}}, InvalidRequest),
        ({"draft": DRAFT | {"regulation": " "}}, InvalidRequest),
        ({"draft": DRAFT | {"valid_until": "2026-12-31"}}, InvalidRequest),
    ],
)
async def test_a_proposal_that_makes_no_sense_is_refused_in_words(
    transactions: Transactions, changed: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await propose(transactions, **changed)
    async with transactions.begin() as db:
        assert (await db.scalars(select(TariffProposal))).all() == []
