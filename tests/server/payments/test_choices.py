"""Who issues new charges is chosen by two officers, or by one for a day; and how each does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.payment import ChargeKind
from server import sample
from server.database import Transactions, new_id
from server.errors import InvalidRequest
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import RoleNotAllowed
from server.payments import choices
from server.payments.acquirer import Acquirers, profile
from server.payments.choices import InForce, Wish
from tests.server.payments.conftest import Office

KNOWN = ["a", "b"]
NOON = datetime(2026, 12, 31, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
WISH = Wish("b", "", "uji")


class Desk:
    """What officers do about acquirers, each step in a transaction of its own."""

    def __init__(self, transactions: Transactions) -> None:
        self.transactions = transactions

    async def do(self, act: Callable[..., Any], login: str, *told: Any, **named: Any) -> Any:
        async with self.transactions.begin() as db:
            return await act(db, await identity.officer_named(db, login), *told, **named)

    async def ask(self, starts_at: datetime = NOON, now: datetime = NOON) -> UUID:
        told = {"starts_at": starts_at, "now": now}
        made: UUID = await self.do(choices.ask, sample.OFFICER, WISH, KNOWN, **told)
        return made

    async def switch(self, wish: Wish = WISH, now: datetime = NOON) -> UUID:
        made: UUID = await self.do(choices.switch, sample.OFFICER, wish, KNOWN, now=now)
        return made

    async def decide(self, choice: UUID, *, approve: bool = True, now: datetime = NOON) -> None:
        told = {"approve": approve, "why": "uji", "now": now}
        await self.do(choices.decide, sample.CHECKER, choice, **told)

    async def in_force(self, now: datetime) -> list[str]:
        """Who was chosen for all zones, and since when."""
        async with self.transactions.begin() as db:
            found = choices.covering(await choices.in_force(db, now), None)
        return [] if found is None else [found.acquirer, f"{found.since:%d %H:%M}"]


@pytest.fixture
def desk(transactions: Transactions) -> Desk:
    return Desk(transactions)


async def test_what_one_officer_asks_is_in_force_once_another_agreed(desk: Desk) -> None:
    choice = await desk.ask(starts_at=NOON + HOUR)
    assert await desk.in_force(NOON + 2 * HOUR) == []
    await desk.decide(choice, now=NOON + HOUR / 2)
    assert await desk.in_force(NOON + HOUR / 2) == []
    assert await desk.in_force(NOON + HOUR) == ["b", "31 06:00"]
    with pytest.raises(choices.ChoiceDecided):
        await desk.decide(choice, approve=False)
    late = await desk.ask()
    await desk.decide(late, now=NOON + 3 * HOUR)
    assert await desk.in_force(NOON + 4 * HOUR) == ["b", "31 08:00"], "never before the decision"


async def test_a_switch_at_once_lasts_a_day_unless_another_agrees(desk: Desk) -> None:
    day = choices.UNCONFIRMED
    lapsed = await desk.switch()
    assert await desk.in_force(NOON) == ["b", "31 05:00"]
    assert await desk.in_force(NOON + day - HOUR) == ["b", "31 05:00"]
    assert await desk.in_force(NOON + day) == []
    with pytest.raises(choices.ChoiceLapsed):
        await desk.decide(lapsed, now=NOON + day)
    kept = await desk.switch(Wish("a", "", "uji"))
    await desk.decide(kept, now=NOON + HOUR)
    assert await desk.in_force(NOON + 9 * day) == ["a", "31 05:00"]
    ended = await desk.switch(now=NOON + HOUR)
    assert await desk.in_force(NOON + HOUR) == ["b", "31 06:00"]
    await desk.decide(ended, approve=False, now=NOON + HOUR)
    assert await desk.in_force(NOON + HOUR) == ["a", "31 05:00"], "as it was before"


@pytest.mark.parametrize("ended", ["lapses", "declined", "withdrawn", "waits"])
async def test_a_switch_is_not_repeated_until_two_officers_chose(desk: Desk, ended: str) -> None:
    first = await desk.switch()
    later = NOON + HOUR
    if ended == "lapses":
        later = NOON + choices.UNCONFIRMED
    elif ended == "declined":
        await desk.decide(first, approve=False, now=NOON)
    elif ended == "withdrawn":
        await desk.do(choices.withdraw, sample.OFFICER, first, "pulih", now=NOON)
    for zone in ("", "PSR"):
        with pytest.raises(choices.SwitchRepeated):
            await desk.switch(Wish("b", zone, "uji"), now=later)
    for _ in range(2):
        await desk.switch(Wish("a", "", "kembali"), now=later)
    assert await desk.in_force(later) == ["a", f"{later:%d %H:%M}"]
    later += HOUR
    await desk.decide(await desk.ask(later, later), now=later)
    for _ in range(2):  # what two officers agreed on
        await desk.switch(now=later)
    await desk.switch(Wish("a", "", "uji"), now=later)


async def test_a_switch_of_all_zones_is_no_way_around_what_was_agreed_for_one(desk: Desk) -> None:
    told = {"starts_at": NOON, "now": NOON}
    for_one = await desk.do(choices.ask, sample.OFFICER, Wish("b", "PSR", "uji"), KNOWN, **told)
    await desk.decide(for_one)
    back = Wish("a", "", "uji")
    await desk.switch(back, now=NOON + HOUR)
    with pytest.raises(choices.SwitchRepeated):
        await desk.switch(back, now=NOON + 2 * choices.UNCONFIRMED)
    with pytest.raises(choices.SwitchRepeated):
        await desk.switch(Wish("a", "PSR", "uji"), now=NOON + 2 * choices.UNCONFIRMED)


async def test_what_is_not_fit_is_refused(desk: Desk, transactions: Transactions) -> None:
    for wish, refusal in (
        (Wish("lain", "", "uji"), choices.AcquirerNotSet),
        (Wish("b", "", " "), InvalidRequest),
    ):
        with pytest.raises(refusal):
            await desk.switch(wish)
    choice = await desk.switch()
    decision = {"approve": True, "why": "uji", "now": NOON}
    with pytest.raises(RoleNotAllowed):
        await desk.do(choices.decide, sample.OFFICER, choice, **decision)
    with pytest.raises(RoleNotAllowed):
        await desk.do(choices.switch, sample.CHECKER, WISH, KNOWN, now=NOON)
    with pytest.raises(choices.ChoiceNotFound):
        await desk.decide(new_id())
    async with transactions.begin() as db:
        for role in (Role.KOORDINATOR, Role.ADMIN):
            await identity.add_officer(db, login=role, name="Uji", role=role, password="uji")
    for role in (Role.KOORDINATOR, Role.ADMIN):
        with pytest.raises(choices.SwitchRepeated):
            await desk.do(choices.switch, role, WISH, KNOWN, now=NOON)
        await desk.do(choices.switch, role, Wish("a", "", "uji"), KNOWN, now=NOON)
        with pytest.raises(RoleNotAllowed):
            await desk.do(choices.ask, role, WISH, KNOWN, starts_at=NOON, now=NOON)
        with pytest.raises(choices.NotOwnChoice):
            await desk.do(choices.withdraw, role, choice, "uji", now=NOON)


async def test_the_database_refuses_that_who_chose_decides(desk: Desk) -> None:
    choice = await desk.switch()
    async with desk.transactions.begin() as db:
        with pytest.raises(DBAPIError, match="ck_acquirer_choices_maker_checker"):
            await db.execute(
                text(
                    "UPDATE acquirer_choices SET state = 'approved', decided_by = asked_by,"
                    " decided_at = now() WHERE id = :id"
                ),
                {"id": choice},
            )
        await db.rollback()


def test_a_drivers_barcode_goes_to_one_that_takes_such() -> None:
    def named(name: str, consumers: bool) -> Any:
        spoken = replace(profile("sandbox", of=name), consumers=consumers)
        return SimpleNamespace(profile=spoken)

    a, b = named("a", consumers=True), named("b", consumers=False)
    chosen = [InForce(new_id(), None, "b", NOON)]
    acquirers = Acquirers(a, b)
    assert choices.issuing_at(acquirers, chosen, None, ChargeKind.MPM) is b
    assert choices.issuing_at(acquirers, chosen, None, ChargeKind.CPM) is a
    gone = [InForce(new_id(), None, "dahulu", NOON), *chosen]
    assert choices.issuing_at(acquirers, gone, None, ChargeKind.MPM) is a, "the settings' first"


async def test_how_an_acquirer_does_is_told_from_its_latest_charges(
    office: Office, sandbox: Any
) -> None:
    await sandbox.fault("generate_504", times=3)
    for _ in range(5):
        await office.request()
    now = datetime.now(UTC)
    async with office.transactions.begin() as db:
        found = (await choices.doing(db, now))["sandbox"]
        later = await choices.doing(db, now + choices.LOOKED_AT)
    assert (found.issued, found.refused, found.unknown) == (2, 0, 3)
    assert (found.unknown_percent, found.fails) == (60, True)
    assert found.answered_at is not None
    assert not later["sandbox"].fails
