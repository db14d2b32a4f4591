"""The registry of attendants: asked for by one, allowed by another, stopped at once by one."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, time, timedelta
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import card as kta
from domain.parking import spot_code
from server import sample
from server.database import Transactions
from server.errors import FileRefused, InvalidRequest
from server.identity import attendants, cards
from server.identity import service as identity
from server.identity.attendants import (
    AttendantChanged,
    AttendantCodeTaken,
    AttendantKnown,
    AttendantRequestOpen,
    NikNotKept,
    OwnAttendantRequest,
    Particulars,
)
from server.identity.models import Attendant, Role
from server.identity.service import RoleNotAllowed
from server.payments.books import Books
from server.spots import assignments, rosters
from server.spots import service as spots
from server.spots.assignments import AssignmentNotFound, Hours
from server.spots.rosters import COLUMNS
from server.spots.service import SpotNotFound
from server.sync.models import QuarantinedEvent
from tests.server.conftest import PERSON_KEY
from tests.server.handhelds import Handheld, nonce_for, on_shift
from tests.server.sync.test_closing import spots as spots_of
from tests.server.sync.test_closing import take_cash
from tests.server.sync.test_push import push

KEY = SecretStr(PERSON_KEY)
NIK = "6202011204800003"


@pytest.fixture
async def officers(transactions: Transactions) -> tuple[UUID, UUID]:
    """A coordinator, who asks, and the checker."""
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="koord", name="Koordinator", role=Role.KOORDINATOR, password="uji"
        )
        return (
            await identity.officer_named(db, "koord"),
            await identity.officer_named(db, sample.CHECKER),
        )


async def let_in(
    transactions: Transactions, officers: tuple[UUID, UUID], code: str, now: datetime
) -> tuple[UUID, str]:
    """An attendant whom one asked for and another approved, and the first PIN."""
    maker, checker = officers
    async with transactions.begin() as db:
        added = await attendants.add(
            db, maker, code, Particulars(f"Uji {code}"), "baru", KEY, now=now
        )
        await attendants.decide(db, checker, added, "ya", approve=True, now=now)
        return added, await attendants.new_pin(db, maker, added, now=now)


async def stop(
    transactions: Transactions, officers: tuple[UUID, UUID], code: str, now: datetime
) -> UUID:
    async with transactions.begin() as db:
        who = await attendants.named(db, code)
        await attendants.stop(db, officers[0], who, "uang kurang", now=now)
        return who


async def sign_in(api: httpx.AsyncClient, handheld: Handheld, code: str, pin: str) -> str:
    """What comes of it; the handheld has the token where it is one."""
    body = handheld.shift_request(await nonce_for(api, handheld), attendant=code, pin=pin)
    answer = await api.post("/v1/shifts", json=body)
    handheld.token = answer.json().get("token", handheld.token)
    return "ok" if answer.status_code == 201 else f"{answer.status_code} {answer.json()['slug']}"


async def test_nobody_works_before_another_officer_has_approved(
    api: httpx.AsyncClient,
    transactions: Transactions,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    maker, checker = officers
    handheld = await on_shift(api, transactions, now)
    async with transactions.begin() as db:
        with pytest.raises(RoleNotAllowed):  # no money role keeps the registry
            await attendants.add(db, checker, "J-002", Particulars("X"), "baru", None, now=now)
        added = await attendants.add(
            db, maker, "J-002", Particulars("Budi Contoh", sk_number="SK 1", sk_from=now.date()),
            "baru", None, now=now,
        )  # fmt: skip
        with pytest.raises(AttendantChanged):
            await attendants.new_pin(db, maker, added, now=now)
        with pytest.raises(AttendantCodeTaken):
            await attendants.add(db, maker, "J-002", Particulars("Y"), "baru", None, now=now)
        with pytest.raises(RoleNotAllowed):
            await attendants.decide(db, maker, added, "ya", approve=True, now=now)
    assert await sign_in(api, handheld, "J-002", "000000") == "401 sign-in-refused"
    async with transactions.begin() as db:
        await attendants.decide(db, checker, added, "SK ada", approve=True, now=now)
        pin = await attendants.new_pin(db, maker, added, now=now)
        told = [change.act for change in await attendants.history(db, added)]
    assert told == ["pin-made", "approved", "requested"]
    assert await sign_in(api, handheld, "J-002", pin) == "ok"


async def test_who_asked_does_not_decide_even_with_both_roles(
    transactions: Transactions, officers: tuple[UUID, UUID], now: datetime
) -> None:
    maker, _ = officers
    async with transactions.begin() as db:
        added = await attendants.add(db, maker, "J-002", Particulars("X"), "baru", None, now=now)
        await db.execute(text("UPDATE officers SET role = 'verifikator' WHERE login = 'koord'"))
    async with transactions.begin() as db:
        with pytest.raises(OwnAttendantRequest):
            await attendants.decide(db, maker, added, "ya", approve=True, now=now)


async def test_of_a_nik_only_what_finds_a_person_twice_is_kept(
    transactions: Transactions, officers: tuple[UUID, UUID], now: datetime
) -> None:
    maker, _ = officers
    sk = Particulars("Budi", NIK, "SK 1", now.date())
    async with transactions.begin() as db:
        with pytest.raises(NikNotKept):
            await attendants.add(db, maker, "J-009", sk, "baru", None, now=now)
        await db.rollback()
    async with transactions.begin() as db:
        await attendants.add(db, maker, "J-002", sk, "baru", KEY, now=now)
    async with transactions.begin() as db:
        with pytest.raises(AttendantKnown, match="J-002"):
            await attendants.add(db, maker, "J-003", sk, "baru", KEY, now=now)
        await db.rollback()
    async with transactions.begin() as db:
        unfit = Particulars("Budi", NIK[:-1])
        with pytest.raises(InvalidRequest) as refused:
            await attendants.add(db, maker, "J-003", unfit, "baru", KEY, now=now)
        assert NIK[:8] not in str(refused.value)
    async with transactions.begin() as db:
        held = [
            str(await db.scalar(text(f"SELECT string_agg(t::text, ' ') FROM {table} t")))
            for table in ("attendants", "attendant_changes", "audit_changes")
        ]
        ending = await db.scalar(select(Attendant.nik_ending).where(Attendant.code == "J-002"))
    assert ending == NIK[-4:]
    assert not any(NIK in told or NIK[:12] in told for told in held)


async def test_who_works_is_not_made_another_person_by_one_officer(
    transactions: Transactions, officers: tuple[UUID, UUID], now: datetime
) -> None:
    maker, checker = officers
    who, _ = await let_in(transactions, officers, "J-002", now)
    other = Particulars("Orang Lain", NIK, "SK 2", now.date())

    async def shown() -> tuple[str, str | None, str | None, str]:
        async with transactions.begin() as db:
            one = await attendants.find(db, who)
            return one.name, one.nik_ending, one.sk_number, one.state

    for approve, name, ending in ((False, "Uji J-002", None), (True, "Orang Lain", NIK[-4:])):
        async with transactions.begin() as db:
            await attendants.change(db, maker, who, other, "salah tulis", KEY, now=now)
            with pytest.raises(AttendantRequestOpen):
                await attendants.change(db, maker, who, other, "lagi", KEY, now=now)
        assert await shown() == ("Uji J-002", None, "SK 2", "active")
        async with transactions.begin() as db:
            await attendants.decide(db, checker, who, "KTP dilihat", approve=approve, now=now)
        assert await shown() == (name, ending, "SK 2", "active")
    async with transactions.begin() as db:
        # Neither does what waits for its first decision become another person meanwhile.
        new = await attendants.add(db, maker, "J-003", Particulars("Budi"), "baru", KEY, now=now)
        with pytest.raises(AttendantRequestOpen):
            await attendants.change(db, maker, new, Particulars("Beni"), "lain", KEY, now=now)
        nik = Particulars("Budi", NIK[::-1])
        await attendants.change(db, maker, new, nik, "NIK menyusul", KEY, now=now)


async def test_the_same_nik_told_twice_at_once_is_refused_in_words(
    transactions: Transactions, officers: tuple[UUID, UUID], now: datetime
) -> None:
    async def add(db: AsyncSession, code: str) -> None:
        await attendants.add(db, officers[0], code, told, "baru", KEY, now=now)

    async def late() -> None:
        async with transactions.begin() as db:
            await add(db, "J-003")

    async def waits() -> bool:
        async with transactions.begin() as db:
            return bool(await db.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    told = Particulars("Budi", NIK)
    async with asyncio.TaskGroup() as group:
        async with transactions.begin() as db:
            await add(db, "J-002")
            second = group.create_task(refused_as(AttendantKnown, late()))
            async with asyncio.timeout(60):
                while not await waits():  # noqa: ASYNC110 - the database tells no event
                    await asyncio.sleep(0.05)
        assert await second


async def refused_as(problem: type[Exception], work: Awaitable[None]) -> bool:
    try:
        await work
    except problem:
        return True
    return False


async def test_a_stopped_attendant_is_refused_at_once_and_by_the_token(
    api: httpx.AsyncClient,
    transactions: Transactions,
    officers: tuple[UUID, UUID],
    books: Books,
    now: datetime,
) -> None:
    _, pin = await let_in(transactions, officers, "J-002", now)
    other, other_pin = await let_in(transactions, officers, "J-003", now)
    handheld = await on_shift(api, transactions, now)
    assert await sign_in(api, handheld, "J-002", pin) == "ok"
    spot, *_ = await spots_of(api, handheld)
    async with transactions.begin() as db:
        card = await cards.issue(db, "J-002", books.day(now) + timedelta(days=9), now=now)
    who = await stop(transactions, officers, "J-002", now)
    for path in ("/v1/masterdata", "/v1/shifts/current/earnings"):
        answer = await api.get(path, auth=handheld.signed)
        assert (answer.status_code, answer.json()["slug"]) == (403, "attendant-stopped")
    assert (await take_cash(api, handheld, spot)).json()["slug"] == "attendant-stopped"
    report = f"/v1/devices/{handheld.device_id}/report"
    assert (await api.post(report, json={}, auth=handheld.signed)).json()["stopped"] == "J-002"
    assert await sign_in(api, handheld, "J-002", "000000") == "401 sign-in-refused"
    assert await sign_in(api, handheld, "J-002", pin) == "403 attendant-stopped"

    relief = await on_shift(api, transactions, now)
    assert await sign_in(api, relief, "J-003", other_pin) == "ok"
    master = (await api.get("/v1/masterdata", auth=relief.signed)).json()
    assert master["attendants"] == {"stopped": ["J-002"]}
    assert master["cards"]["revoked"] == [str(card.id)]
    assert books.seal is not None
    body = {"text": kta.sign(books.seal, card)}
    shown = (await api.post("/v1/barcodes/resolve", json=body, auth=relief.signed)).json()
    assert shown["card"]["verdict"] == "revoked"

    maker, checker = officers
    async with transactions.begin() as db:
        with pytest.raises(AttendantChanged):
            await attendants.stop(db, maker, who, "lagi", now=now)
        with pytest.raises(AttendantChanged):  # who works needs nobody's leave
            await attendants.propose(db, maker, other, "lagi", now=now)
        await attendants.propose(db, maker, who, "sudah disetor", now=now)
        with pytest.raises(AttendantRequestOpen):
            await attendants.propose(db, maker, who, "sudah disetor", now=now)
    assert await sign_in(api, handheld, "J-002", pin) == "403 attendant-stopped"
    async with transactions.begin() as db:
        await attendants.decide(db, checker, who, "ya", approve=True, now=now)
    assert (await api.get("/v1/masterdata", auth=handheld.signed)).status_code == 200
    shown = (await api.post("/v1/barcodes/resolve", json=body, auth=relief.signed)).json()
    assert shown["card"]["verdict"] == "valid"


async def test_what_a_stopped_attendant_had_not_sent_is_held_in_a_case_and_the_chain_goes_on(
    api: httpx.AsyncClient,
    transactions: Transactions,
    officers: tuple[UUID, UUID],
    now: datetime,
) -> None:
    _, pin = await let_in(transactions, officers, "J-002", now)
    _, relief_pin = await let_in(transactions, officers, "J-003", now)
    handheld = await on_shift(api, transactions, now)
    assert await sign_in(api, handheld, "J-002", pin) == "ok"
    mine = {"attendant": "J-002"}
    assert await push(api, handheld, handheld.event("cash_taken", body=mine)) == ["accepted"]
    await stop(transactions, officers, "J-002", now)
    late = [
        handheld.event("cash_taken", body=mine | {"spot": "x"}),
        # Its clock was set back to before the stop.
        handheld.event("cash_taken", at="2020-01-01T00:00:00+07:00", body=mine),
        handheld.event("shift_closed", body=mine),
        handheld.event("charge_requested", body={"attendant": ["no", "text"]}),
    ]
    assert await push(api, handheld, *late) == [
        "attendant-stopped", "attendant-stopped", "accepted", "accepted",
    ]  # fmt: skip
    assert await push(api, handheld, *late) == ["duplicate"] * 4
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(QuarantinedEvent)) == 2
        open_cases = text("SELECT count(*) FROM quarantine_cases WHERE closed_at IS NULL")
        assert await db.scalar(open_cases) == 1
    assert await sign_in(api, handheld, "J-003", relief_pin) == "ok"
    theirs = handheld.event("cash_taken", body={"attendant": "J-003"})
    assert await push(api, handheld, theirs) == ["accepted"]


async def test_assignments_are_dated_and_end(
    transactions: Transactions, officers: tuple[UUID, UUID], books: Books, now: datetime
) -> None:
    who, _ = await let_in(transactions, officers, "J-002", now)
    maker, today = officers[0], books.day(now)
    hours = Hours(frozenset({1, 7}), time(22), time(5), today)
    async with transactions.begin() as db:
        first, second, *_ = [spot.code for spot in await spots.all_spots(db)]
        await assignments.assign(db, maker, who, [first, second, first], hours, now=now)
        later = Hours(frozenset({2}), time(8), time(9), today + timedelta(days=3))
        await assignments.assign(db, maker, who, [first], later, now=now)
        with pytest.raises(SpotNotFound):
            await assignments.assign(db, maker, who, [spot_code("ZZZ", 1)], hours, now=now)
        for unfit in (
            Hours(frozenset({8}), time(7), time(8), today),
            Hours(frozenset({1}), time(7), time(7), today),
            Hours(frozenset({1}), time(7), time(8), today, today - timedelta(days=1)),
        ):
            with pytest.raises(InvalidRequest):
                await assignments.assign(db, maker, who, [first], unfit, now=now)
        placed = await assignments.of_attendant(db, who, today)
        assert [(one.spot, sorted(one.hours.days)) for one in placed] == [
            (first, [1, 7]), (first, [2]), (second, [1, 7]),
        ]  # fmt: skip
        for one in placed[:2]:
            await assignments.end(db, maker, who, one.id, today, now=now)
            with pytest.raises(AssignmentNotFound):
                await assignments.end(db, maker, who, one.id, today, now=now)
        left = await assignments.of_attendant(db, who, today)
        assert [(one.spot, one.hours.last) for one in left] == [(first, today), (second, None)]
        tomorrow = await assignments.of_attendant(db, who, today + timedelta(days=1))
        assert [one.spot for one in tomorrow] == [second]


async def test_a_roster_is_taken_in_whole_or_every_bad_line_is_named(
    transactions: Transactions, officers: tuple[UUID, UUID], books: Books, now: datetime
) -> None:
    maker, today = officers[0], books.day(now)
    good = [
        f"j-011,Ani Contoh,{NIK},SK 1,2026-01-02,2030-12-31,PSR-001-U,12345,07:00,15:00",
        "J-012,Beni Contoh,,,,,,,,",
    ]
    bad = [
        f"J-013,Ani Lagi,{NIK},,,,,,,",
        "J-014,,,,,,,,,",
        "J-015,Cici,,SK 2,kemarin,,,,,",
        "J-016,Dodi,,,,,PSR-999-X,1,07:00,08:00",
        "J-017,Edi",
        "J-018,Fa\0ni,,,,,,,,",
    ]

    async def take_in(*lines: str) -> int:
        file = "\n".join([",".join(COLUMNS), *lines])
        async with transactions.begin() as db:
            return await rosters.take_in(db, maker, file, "impor", KEY, today=today, now=now)

    with pytest.raises(FileRefused) as refused:
        await take_in(*good, *bad)
    faults = refused.value.faults
    assert {tuple(w.partition(":")[0] for w in (f.english, f.indonesian)) for f in faults} == {
        (f"line {number}", f"baris {number}") for number in range(4, 10)
    }
    assert "baris 6: sk_from bukan tanggal seperti 2026-11-22" in {f.indonesian for f in faults}
    assert NIK not in str(faults)
    with pytest.raises(FileRefused, match="baris 1"):
        async with transactions.begin() as db:
            await rosters.take_in(db, maker, '"code"x', "impor", KEY, today=today, now=now)
    assert await take_in(*good) == 2
    async with transactions.begin() as db:
        states = {one.code: one.state for one in await attendants.everybody(db)}
        assert states == {
            sample.ATTENDANT: "active", "J-011": "requested", "J-012": "requested",
        }  # fmt: skip
        placed = await assignments.of_attendant(db, await attendants.named(db, "J-011"), today)
        assert [one.spot for one in placed] == ["PSR-001-U"]
