"""A closed street asks for no money; what comes all the same is booked, and somebody sees it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.closure import ClosureReason
from server import sample, verify
from server.database import new_id
from server.identity import service as identity
from server.identity.service import RoleNotAllowed
from server.spots import closures
from server.spots.closures import ClosureOver, ClosurePeriod, When
from server.sync import closed_streets
from tests.server.handhelds import Handheld
from tests.server.payments.conftest import CAR_RP, FLAT, HOURLY, Office

HOUR = timedelta(hours=1)
CASES = "SELECT charge_id, amount_rp, state FROM cases WHERE kind = 'paid-while-closed'"


@pytest.fixture
async def handheld(office: Office) -> Handheld:
    return await office.open_shift()


async def close(
    office: Office,
    *,
    place: str = "PSR",
    starts: datetime | None = None,
    ends: datetime | None = None,
    login: str = sample.OFFICER,
    now: datetime | None = None,
) -> UUID:
    async with office.transactions.begin() as db:
        who = await identity.officer_named(db, login)
        return await closures.close(
            db, who, place, ClosureReason.EVENT,
            starts=starts, ends=ends, note="pawai", now=now or datetime.now(UTC),
        )  # fmt: skip


async def end(office: Office, closure: UUID, login: str = sample.CHECKER) -> None:
    async with office.transactions.begin() as db:
        who = await identity.officer_named(db, login)
        await closures.end(db, who, closure, "pawai selesai", now=datetime.now(UTC))


async def look(office: Office, at: datetime | None = None) -> list[UUID]:
    """The charges that have a case once the job has looked, and looked again."""
    for _ in range(2):
        async with office.transactions.begin() as db:
            await closed_streets.look(db, now=at or datetime.now(UTC))
    return [row["charge_id"] for row in await office.rows(CASES)]


async def ask(
    api: httpx.AsyncClient, path: str, auth: Any = None, spot: str = FLAT, **more: Any
) -> httpx.Response:
    body = {"id": str(new_id()), "vehicle_class": "car", **more}
    return await api.post(f"/v1/spots/{spot}/{path}", json=body, auth=auth)


async def test_a_closed_zone_asks_for_no_money_until_an_officer_ends_it(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    until = datetime.now(UTC) + 2 * HOUR
    closure = await close(office, ends=until)
    for path, auth in (
        ("charges", None), ("charges", handheld.signed), ("pooled-charges", handheld.signed),
        ("stays", handheld.signed),
    ):  # fmt: skip
        answer = await ask(api, path, auth)
        assert (answer.status_code, answer.json()["slug"]) == (409, "spot-closed"), path
        assert answer.json()["detail"] == f"event until {until.isoformat()}"
    told = (await api.get("/v1/closures", auth=handheld.signed)).json()["closures"]
    assert [(one["zone"], one["spot"], one["reason"]) for one in told] == [("PSR", "", "event")]
    # Elsewhere nothing changes.
    assert (await ask(api, "charges", spot=HOURLY, minutes=60)).status_code == 201

    page = await api.get(f"/p/{FLAT}?lang=en")
    assert page.status_code == 200
    assert "an event" in page.text
    assert "<form" not in page.text.split("<main")[1]
    near = [line for line in page.text.split('href="/p/')[1:] if not line.startswith(FLAT)]
    assert len(near) == closures.NEAR
    assert not any(line.startswith("PSR") for line in near)
    asked = {"id": str(new_id()), "vehicle_class": "car"}
    assert (await api.post(f"/p/{FLAT}", data=asked)).status_code == 409

    await end(office, closure)
    with pytest.raises(ClosureOver):
        await end(office, closure)
    assert (await ask(api, "charges")).status_code == 201
    assert "<form" in (await api.get(f"/p/{FLAT}")).text
    assert (await api.get("/v1/closures", auth=handheld.signed)).json() == {"closures": []}
    async with office.transactions.begin() as db:
        [one] = await closures.listed(db, "PSR", When.PAST, 0, 10, now=datetime.now(UTC))
        assert (one.why, one.when(datetime.now(UTC))) == ("pawai selesai", When.PAST)
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}


async def test_one_spot_is_closed_for_the_hours_it_was_said_to_be(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    now = datetime.now(UTC)
    begins, ends = now + HOUR, now + 2 * HOUR
    coming = await close(office, place=FLAT, starts=begins, ends=ends)
    async with office.transactions.begin() as db:
        [told] = await closures.standing(db, now)
        for at, shut in ((now, False), (begins, True), (ends, False)):
            assert told.covers(FLAT, at) is shut
        assert not told.covers("PSR-002-S", begins)
        counted = await closures.count_closed(db, now=begins)
        assert (counted.closures, counted.spots) == (1, 1)
        [listed] = await closures.listed(db, "", When.COMING, 0, 10, now=now)
        assert (listed.id, listed.spot, listed.when(now)) == (coming, FLAT, When.COMING)
    assert (await ask(api, "charges", handheld.signed)).status_code == 201  # handhelds know ahead
    master = (await api.get("/v1/masterdata", auth=handheld.signed)).json()
    assert datetime.fromisoformat(master["closures"][0]["starts"]) == begins
    await end(office, coming)  # called off before it began
    async with office.transactions.begin() as db:
        assert await closures.standing(db, now) == []
        assert [c.id for c in await closures.listed(db, "", When.PAST, 0, 10, now=now)] == [coming]


async def test_money_that_comes_all_the_same_is_booked_and_has_a_case(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    before = await office.request()  # a barcode that a driver has on his screen
    pooled = UUID((await ask(api, "pooled-charges", handheld.signed)).json()["id"])
    stay = str(new_id())
    start = {"id": stay, "vehicle_class": "car", "told_at": datetime.now(UTC).isoformat()}
    assert (await api.post(
        f"/v1/spots/{HOURLY}/stays", json=start, auth=handheld.signed
    )).status_code == 201  # fmt: skip
    await close(office)
    await close(office, place="RSU")
    assert await look(office) == []

    cash = await ask(api, "cash-charges", handheld.signed)  # a handheld that had not heard
    assert (cash.status_code, cash.json()["state"]) == (201, "paid"), cash.text
    for charge in (before, pooled):
        await office.tell(charge, rrn=None)
        assert (await office.charge(charge))["money_flag"] == "exact"
    # Whoever stood there already ends and pays, which is nobody's case.
    left = await api.post(f"/v1/stays/{stay}/end", json={}, auth=handheld.signed)
    assert left.status_code == 200, left.text
    paid = await api.post(
        f"/v1/stays/{stay}/cash-charges", json={"id": str(new_id())}, auth=handheld.signed
    )
    assert paid.json()["state"] == "paid", paid.text

    found = await look(office)
    assert sorted(found) == sorted([before, pooled, UUID(cash.json()["id"])])
    async with office.transactions.begin() as db:
        listed = await closures.listed(db, "PSR", When.NOW, 0, 10, now=datetime.now(UTC))
        told = await closed_streets.of_closures(db, [listed[0].id])
        assert told[listed[0].id] == closed_streets.Collected(3, 3 * CAR_RP)
        assert {name: rows for name, rows in (await verify.broken(db)).items() if rows} == {}
    [case, *_] = await office.rows("SELECT id FROM cases WHERE kind = 'paid-while-closed'")
    await office.clarify(case["id"], "perangkat tanpa sinyal")


async def test_cash_taken_without_a_connection_is_found_when_the_handheld_comes_back(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    closure = await close(office)
    during = datetime.now(UTC)
    await end(office, closure)
    cash = (await ask(api, "cash-charges", handheld.signed)).json()["id"]
    other = (await ask(api, "cash-charges", handheld.signed)).json()["id"]
    assert await look(office) == []
    told = {"spot": FLAT, "vehicle_class": "car"}
    events = [
        handheld.event("cash_taken", body={"charge_id": cash, **told}, at=during.isoformat()),
        handheld.event("cash_taken", body={"charge_id": other, **told}, at="kapan-kapan"),
        handheld.event("cash_taken", body={"charge_id": "?", **told}, at=during.isoformat()),
    ]
    pushed = await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    assert [one["outcome"] for one in pushed.json()["results"]] == ["accepted"] * 3
    # The job may have stood still meanwhile.
    late = datetime.now(UTC) + closed_streets.LOOKED_BACK
    assert await look(office, late) == []
    assert await look(office, late - HOUR) == [UUID(cash)]


async def test_a_stay_of_before_that_is_told_late_is_taken(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    await close(office, place="RSU")
    late = (datetime.now(UTC) - HOUR).isoformat()
    answer = await ask(api, "stays", handheld.signed, HOURLY, told_at=late)
    assert answer.status_code == 201, answer.text


async def test_only_some_officers_close_and_nothing_is_changed_afterwards(
    office: Office, meddle: Callable[..., Awaitable[None]]
) -> None:
    now = datetime.now(UTC)
    await meddle("UPDATE officers SET role = 'auditor' WHERE login = :login", login=sample.CHECKER)
    with pytest.raises(RoleNotAllowed):
        await close(office, login=sample.CHECKER)
    with pytest.raises(ClosurePeriod):
        await close(office, ends=now - HOUR)
    with pytest.raises(ClosurePeriod):
        await close(office, starts=now + 2 * HOUR, ends=now + HOUR)
    closure = await close(office, starts=now - HOUR)  # never for hours that were open
    [row] = await office.rows("SELECT starts_at, closed_at FROM closures")
    assert row["starts_at"] == row["closed_at"]
    for sql in ("UPDATE closures SET ends_at = now()", "DELETE FROM closures"):
        with pytest.raises(DBAPIError):
            async with office.transactions.begin() as db:
                await db.execute(text(sql))
    await end(office, closure, sample.OFFICER)
