"""Attendants of a unit: its own officers manage them, two at a time, and nobody else's officers."""

import importlib
from datetime import datetime, time
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select, text, update

from domain.parking import spot_code
from server import sample
from server.database import Transactions, new_id
from server.identity import attendants
from server.identity.attendants import Particulars
from server.identity.models import ROOT, Attendant, Role
from server.identity.service import AttendantNotFound
from server.identity.units import UnitNotFound
from server.limits import RateLimit
from server.payments.books import Books
from server.spots import assignments, rosters, units
from server.spots.assignments import Hours
from server.spots.models import Zone
from server.spots.rosters import COLUMNS
from server.spots.service import SpotNotFound
from server.spots.units import MoveNotFound, Subject
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.conftest import PERSON_KEY
from tests.server.office.test_units import add_officer, add_unit, rows_of, sign_in
from tests.server.payments.test_upgrades import again

KEY = SecretStr(PERSON_KEY)
NIK = "6202011204800003"
HERE, THERE = spot_code("PSR", 1), spot_code("PLB", 1)
"""A spot of UTARA's zone, and one of SELATAN's."""
DAILY = Hours(frozenset(range(1, 8)), time(7), time(17), datetime(2026, 1, 1).date())  # noqa: DTZ001
TRACES = (
    "SELECT (SELECT count(*) FROM attendant_changes), (SELECT count(*) FROM attendant_requests),"
    " (SELECT count(*) FROM spot_assignments), (SELECT count(*) FROM attendant_cards),"
    " (SELECT count(*) FROM unit_moves), (SELECT max(pin_hash) FROM attendants)"
)


@pytest.fixture
async def town(transactions: Transactions) -> dict[str, UUID]:
    """Two units with a zone each, one of them with a unit below it; and officers of all."""
    utara = await add_unit(transactions, "UTARA")
    of = {"utara": utara, "selatan": await add_unit(transactions, "SELATAN"), "pusat": ROOT}
    of["pasar"] = await add_unit(transactions, "PASAR", utara)
    async with transactions.begin() as db:
        for code, unit in (("PSR", "utara"), ("PLB", "selatan")):
            await db.execute(update(Zone).where(Zone.code == code).values(unit_id=of[unit]))
    for name, unit_id in list(of.items()):
        for login, role in (("koord", Role.KOORDINATOR), ("verif", Role.VERIFIKATOR)):
            of[f"{login}-{name}"] = await add_officer(
                transactions, f"{login}-{name}", role, unit_id
            )
    return of


async def let_in(
    transactions: Transactions, town: dict[str, UUID], unit: str, code: str, now: datetime
) -> UUID:
    """An attendant whom two officers of a unit let in."""
    told = Particulars(f"Uji {code}", nik=NIK if code == "J-101" else "")
    async with transactions.begin() as db:
        added = await attendants.add(db, town[f"koord-{unit}"], code, told, "baru", KEY, now=now)
        await attendants.decide(db, town[f"verif-{unit}"], added, "ya", approve=True, now=now)
    return added


async def test_a_units_officers_run_their_attendants_from_first_day_to_stop(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, town: dict[str, UUID]
) -> None:
    app.state.office_limit = RateLimit(10_000)

    async def post(path: str, **form: object) -> httpx.Response:
        data = {"password": PASSWORD, "why": "uji", **form}
        return await api.post(f"/office/attendants{path}", data=data)

    await sign_in(api, "koord-utara")
    assert "UTARA" in (await api.get("/office/attendants")).text
    answer = await post("", code="j-101", name="Ani Contoh")
    assert answer.status_code == 303
    here = answer.headers["location"].removeprefix("/office/attendants")
    decided = await post("/decisions", attendant=here[1:], decision="approve")
    assert decided.json()["slug"] == "role-not-allowed"
    await sign_in(api, "verif-utara")
    assert "Ani Contoh" in (await api.get("/office")).text  # waits for this decision
    assert (await post("/decisions", attendant=here[1:], decision="approve")).status_code == 303
    await sign_in(api, "koord-utara")
    work: dict[str, object] = {"day": [1, 2], "starts": "07:00", "ends": "17:00"}
    refused = await post(f"{here}/assignments", spot=f"{HERE} {THERE}", **work)
    assert (refused.status_code, refused.json()["slug"]) == (404, "spot-not-found")
    assert HERE not in refused.json()["detail"]
    assert (await post(f"{here}/assignments", spot=HERE, **work)).status_code == 303
    assert "PIN" in (await post(f"{here}/pin")).text
    assert (await post(f"{here}/cards")).status_code == 303
    assert (await api.get(f"/office/attendants{here}/card.pdf")).content[:4] == b"%PDF"
    assert (await post(f"{here}/particulars", name="Ani Lain")).status_code == 303
    [(assignment,)] = await rows_of(transactions, "SELECT id FROM spot_assignments")
    assert (await post(f"{here}/assignments/{assignment}/end")).status_code == 303
    assert (await post(f"{here}/stop")).status_code == 303
    [(unit,)] = await rows_of(transactions, "SELECT unit_id FROM attendants WHERE code = 'J-101'")
    assert unit == town["utara"]


@pytest.mark.parametrize("unit", ["selatan", "pasar"])
async def test_an_attendant_elsewhere_is_not_there(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    town: dict[str, UUID],
    now: datetime,
    unit: str,
    subtests: pytest.Subtests,
) -> None:
    """Neither beside nor above one's own unit; and nothing of it is written."""
    app.state.office_limit = RateLimit(10_000)
    who = await let_in(transactions, town, "utara", "J-101", now)
    maker, checker = town[f"koord-{unit}"], town[f"verif-{unit}"]
    async with transactions.begin() as db:
        told = Particulars("Lain")
        await attendants.change(db, town["koord-utara"], who, told, "uji", KEY, now=now)
        await assignments.assign(db, town["koord-utara"], who, [HERE], DAILY, now=now)
        [placed] = await assignments.of_attendant(db, who, now.date())
    before = await rows_of(transactions, TRACES)
    person = Particulars("Siapa")
    for act in (
        lambda db: attendants.change(db, maker, who, person, "uji", KEY, now=now),
        lambda db: attendants.stop(db, maker, who, "uji", now=now),
        lambda db: attendants.propose(db, maker, who, "uji", now=now),
        lambda db: attendants.decide(db, checker, who, "uji", approve=True, now=now),
        lambda db: attendants.new_pin(db, maker, who, now=now),
        lambda db: assignments.assign(db, maker, who, [HERE], DAILY, now=now),
        lambda db: assignments.end(db, maker, who, placed.id, now.date(), now=now),
        lambda db: units.propose(db, maker, Subject.ATTENDANT, "J-101", ROOT, "uji", now=now),
    ):
        with pytest.raises(AttendantNotFound):
            async with transactions.begin() as db:
                await act(db)
    gets = ("", "/card.pdf")
    posts = {
        "koord": (
            "/particulars", "/stop", "/requests", "/pin", "/cards", "/assignments",
            f"/assignments/{placed.id}/end", "/moves",
        ),
        "verif": (f"/moves/{new_id()}/decision",),
    }  # fmt: skip
    form = {
        "password": PASSWORD, "why": "uji", "name": "Siapa", "to": str(town[unit]), "spot": HERE,
        "day": "1", "starts": "07:00", "ends": "17:00", "decision": "approve",
        "attendant": str(who),
    }  # fmt: skip
    for login, paths in posts.items():
        await sign_in(api, f"{login}-{unit}")
        for path in gets if login == "koord" else gets[:1]:
            with subtests.test(f"{login} GET {path}"):
                answer = await api.get(f"/office/attendants/{who}{path}")
                assert (answer.status_code, answer.json()["slug"]) == (404, "attendant-not-found")
        for path in paths:
            with subtests.test(f"{login} POST {path}"):
                answer = await api.post(f"/office/attendants/{who}{path}", data=form)
                assert (answer.status_code, answer.json()["slug"]) == (404, "attendant-not-found")
        assert "J-101" not in (await api.get("/office/attendants")).text
    answer = await api.post("/office/attendants/decisions", data=form)
    assert (answer.status_code, answer.json()["slug"]) == (404, "attendant-not-found")
    await sign_in(api, f"koord-{unit}")
    assert await rows_of(transactions, TRACES) == before
    own = await let_in(transactions, town, unit, "J-102", now)
    before = await rows_of(transactions, TRACES)
    cards = {"password": PASSWORD, "why": "uji", "paper": "a4", "attendant": [str(who), str(own)]}
    answer = await api.post("/office/attendants/cards", data=cards)
    assert (answer.status_code, answer.json()["slug"]) == (404, "attendant-not-found")
    assert "Uji J-101" not in (await api.get("/office")).text  # nothing of it waits for this one
    assert await rows_of(transactions, TRACES) == before


async def test_of_a_nik_elsewhere_one_learns_only_that_it_is_registered(
    api: httpx.AsyncClient, transactions: Transactions, town: dict[str, UUID], now: datetime
) -> None:
    await let_in(transactions, town, "utara", "J-101", now)
    form = {"code": "J-900", "name": "Siapa", "nik": NIK, "why": "uji", "password": PASSWORD}
    for login, is_told in (("koord-selatan", False), ("koord-utara", True), ("koord-pusat", True)):
        await sign_in(api, login)
        answer = await api.post("/office/attendants", data=form)
        assert (answer.status_code, answer.json()["slug"]) == (409, "attendant-known")
        assert ("J-101" in answer.text) is is_told
        assert "Uji" not in answer.text
        assert "UTARA" not in answer.text


async def test_an_attendant_is_added_to_ones_own_unit_or_one_below_and_decided_above(
    transactions: Transactions, town: dict[str, UUID], now: datetime, books: Books
) -> None:
    person, told = Particulars("Uji"), ("baru", None)
    async with transactions.begin() as db:
        for unit in (town["selatan"], ROOT, new_id()):
            with pytest.raises(UnitNotFound):
                await attendants.add(
                    db, town["koord-utara"], "J-102", person, *told, unit_id=unit, now=now
                )
        below = await attendants.add(
            db, town["koord-utara"], "J-103", person, *told, unit_id=town["pasar"], now=now
        )
        with pytest.raises(AttendantNotFound):
            await attendants.decide(db, town["verif-selatan"], below, "ya", approve=True, now=now)
        await attendants.decide(db, town["verif-utara"], below, "ya", approve=True, now=now)
        with pytest.raises(SpotNotFound):  # the lower unit has no zone of its own
            await assignments.assign(db, town["koord-pasar"], below, [HERE], DAILY, now=now)
        await assignments.assign(db, town["koord-pusat"], below, [HERE, THERE], DAILY, now=now)
        file = "\n".join(
            [",".join(COLUMNS), "J-104,Ani,,,,,,,,", f"J-105,Budi,,,,,{HERE},1,07:00,09:00"]
        )
        when = {"today": books.day(now), "now": now}
        maker, pasar = town["koord-utara"], town["pasar"]
        assert await rosters.take_in(db, maker, file, *told, unit_id=pasar, **when) == 2
        for unit, codes in (("pasar", 3), ("utara", 3), ("selatan", 0)):
            assert len(await attendants.everybody(db, town[unit])) == codes


async def test_two_officers_who_look_after_both_units_move_an_attendant(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    town: dict[str, UUID],
    now: datetime,
) -> None:
    app.state.office_limit = RateLimit(10_000)
    who = await let_in(transactions, town, "utara", "J-101", now)
    here = f"/office/attendants/{who}"
    asked = {"to": str(town["pasar"]), "why": "dekat rumahnya", "password": PASSWORD}
    await sign_in(api, "koord-utara")
    page = (await api.get(here)).text
    assert str(town["pasar"]) in page
    assert str(town["selatan"]) not in page
    refused = await api.post(f"{here}/moves", data=asked | {"to": str(town["selatan"])})
    assert (refused.status_code, refused.json()["slug"]) == (404, "unit-not-found")
    own = f'<option class="written" value="{town["utara"]}"'
    assert own not in page.split(f"{here}/moves")[1].split("</form>")[0]
    there = await api.post(f"{here}/moves", data=asked | {"to": str(town["utara"])})
    assert (there.status_code, there.json()["slug"]) == (409, "unit-move-there")
    assert (await api.post(f"{here}/moves", data=asked)).status_code == 303
    async with transactions.begin() as db:
        attendant = await attendants.find(db, who)
        move = await units.open_move(db, attendant)
        assert move is not None
        for login in ("verif-pasar", "verif-selatan"):
            with pytest.raises(MoveNotFound):
                await units.decide(db, town[login], move.id, approve=True, now=now)
    decision = {"decision": "approve", "password": PASSWORD}
    await sign_in(api, "verif-utara")
    assert here in (await api.get("/office")).text
    other = await api.post(f"{here}/moves/{new_id()}/decision", data=decision)
    assert other.json()["slug"] == "unit-move-not-found"
    assert (await api.post(f"{here}/moves/{move.id}/decision", data=decision)).status_code == 303
    assert (await api.get(here)).text.count("dekat rumahnya") == 2  # in its history, by both
    await sign_in(api, "koord-pasar")
    assert (await api.get(here)).status_code == 200
    async with transactions.begin() as db:  # up again: only who looks after the upper unit
        with pytest.raises(UnitNotFound):
            await units.propose(
                db, town["koord-pasar"], Subject.ATTENDANT, "J-101", town["utara"], "uji", now=now
            )
        moved = await units.propose(
            db, town["koord-pusat"], Subject.ATTENDANT, "J-101", town["selatan"], "uji", now=now
        )
    await sign_in(api, "verif-utara")
    assert (await api.get(here)).status_code == 200
    refused = await api.post(f"{here}/moves/{moved}/decision", data=decision)
    assert refused.json()["slug"] == "unit-move-not-found"
    assert here not in (await api.get("/office")).text
    await sign_in(api, sample.CHECKER, CHECKER_PASSWORD)
    approved = {"decision": "approve", "password": CHECKER_PASSWORD}
    assert (await api.post(f"/office/units/moves/{moved}/decision", data=approved)).is_redirect
    await sign_in(api, "verif-utara")
    assert (await api.get(here)).status_code == 404


async def test_present_assignments_say_the_unit_of_who_had_none(
    transactions: Transactions, town: dict[str, UUID], now: datetime, owner_url: str
) -> None:
    """Where they say one; two units, a past one or a move that somebody decided say nothing."""
    by = town["koord-pusat"]
    ended = Hours(DAILY.days, DAILY.starts, DAILY.ends, DAILY.first, DAILY.first)
    told = {
        "J-201": [([HERE], DAILY)], "J-202": [([HERE, THERE], DAILY)], "J-203": [([HERE], ended)],
        "J-204": [([HERE], ended), ([THERE], DAILY)], "J-205": [], "J-206": [([HERE], DAILY)],
    }  # fmt: skip
    async with transactions.begin() as db:
        for code, placed in told.items():
            who = await attendants.add(db, by, code, Particulars("Uji"), "baru", None, now=now)
            for spots, hours in placed:
                await assignments.assign(db, by, who, spots, hours, now=now)
        for to in (town["utara"], ROOT):
            move = await units.propose(db, by, Subject.ATTENDANT, "J-206", to, "uji", now=now)
            await units.decide(db, town["verif-pusat"], move, approve=True, now=now)
    migration = importlib.import_module("server.migrations.versions.0098_attendants_units")
    await again(owner_url, "0098", migration.down_revision)
    await again(owner_url, "head", "head")
    async with transactions.begin() as db:
        rows = await db.execute(
            select(Attendant.code, Attendant.unit_id).where(Attendant.code.like("J-2%"))
        )
        assert {code: unit_id for code, unit_id in rows} == {  # noqa: C416 - rows are no pairs
            "J-201": town["utara"], "J-202": ROOT, "J-203": ROOT, "J-204": town["selatan"],
            "J-205": ROOT, "J-206": ROOT,
        }  # fmt: skip
        noted = "SELECT count(*) FROM attendant_changes WHERE act = 'moved' AND who = 'karcis'"
        assert (await db.execute(text(noted))).scalar_one() == 2
