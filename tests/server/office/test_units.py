"""Units of the office: a tree that two officers change, and whose officers see nothing else."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from io import BytesIO
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from domain import notice as notices
from domain.closure import ClosureReason
from domain.notice import Finding, NoticeState
from server import access, sample
from server.casework.models import CaseKind
from server.complaints.models import Complaint
from server.complaints.states import ComplaintKind, ComplaintState
from server.database import Transactions, new_id
from server.identity import service as identity
from server.identity import units as tree
from server.identity.models import (
    ROOT,
    Attendant,
    Officer,
    Role,
    ShiftClosing,
    ShiftDifference,
    SpotLink,
    Unit,
)
from server.identity.units import Draft
from server.inspection.models import Notice, SignCase, StayCheck
from server.limits import RateLimit
from server.office import boards, case_list
from server.parking.models import UnendedStay
from server.payments.books import Books
from server.spots import closures, units
from server.spots import service as spots
from server.spots.models import Zone
from server.spots.units import Subject
from tests.server.asking import ELSEWHERE as OUTSIDERS
from tests.server.asking import FORM, OF_A_UNIT, about, asker, at
from tests.server.booking import SPOT, book
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.handhelds import Handheld, on_shift

ELSEWHERE = "PLB"
"""A zone of the sample town in which nothing happens here."""


def _photo() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue()


PHOTO = _photo()


async def sign_in(api: httpx.AsyncClient, login: str, password: str = PASSWORD) -> None:
    data = {"login": login, "password": password}
    assert (await api.post("/office/sign-in", data=data)).status_code == 303


async def add_officer(
    transactions: Transactions, login: str, role: Role, unit: UUID = ROOT
) -> UUID:
    async with transactions.begin() as db:
        await identity.add_officer(db, login=login, name=login, role=role, password=PASSWORD)
        await db.execute(update(Officer).where(Officer.login == login).values(unit_id=unit))
        return await identity.officer_named(db, login)


async def add_unit(transactions: Transactions, code: str, parent: UUID = ROOT) -> UUID:
    async with transactions.begin() as db:
        return await tree.add(db, parent, Draft(code, f"Unit {code}"))


async def test_the_database_keeps_units_one_tree_of_five_levels(
    transactions: Transactions,
) -> None:
    chain = [ROOT]
    for level in range(2, 6):
        chain.append(await add_unit(transactions, f"U{level}", chain[-1]))
    with pytest.raises(tree.UnitMisplaced):
        await add_unit(transactions, "U6", chain[-1])
    side = await add_unit(transactions, "SISI")
    for moved, to in ((chain[1], chain[3]), (chain[1], side), (ROOT, side)):
        with pytest.raises(DBAPIError):
            async with transactions.begin() as db:
                await db.execute(update(Unit).where(Unit.id == moved).values(parent_id=to))
    with pytest.raises(tree.UnitCodeTaken):
        await add_unit(transactions, "SISI")
    async with transactions.begin() as db:
        assert [(p.unit.code, p.depth) for p in await tree.tree(db)] == [
            ("PUSAT", 0), ("SISI", 1), ("U2", 1), ("U3", 2), ("U4", 3), ("U5", 4)
        ]  # fmt: skip
        below = set(await db.scalars(tree.below(chain[2])))
        assert below == set(chain[2:])


async def test_what_changes_who_sees_what_takes_two_officers(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    unit = await add_unit(transactions, "UPT-A")
    await add_officer(transactions, "adm", Role.ADMIN)
    await add_officer(transactions, "budi", Role.KOORDINATOR)
    await sign_in(api, "adm")
    asked = {"subject": "zone", "code": "psr", "to": str(unit), "why": "SK", "password": PASSWORD}
    assert (await api.post("/office/units/moves", data=asked)).status_code == 303
    again = await api.post("/office/units/moves", data=asked)
    assert again.json()["slug"] == "unit-move-open"
    root = {**asked, "subject": "unit", "code": "PUSAT"}
    assert (await api.post("/office/units/moves", data=root)).json()["slug"] == "unit-misplaced"
    async with transactions.begin() as db:
        (move,) = await units.moves(db, 9)
        budi = await identity.officer_named(db, "budi")
        await db.execute(
            update(Officer).where(Officer.login == "adm").values(role=Role.VERIFIKATOR)
        )
    approve = {"decision": "approve", "password": PASSWORD}
    decision = f"/office/units/moves/{move.id}/decision"
    assert (await api.post(decision, data=approve)).json()["slug"] == "own-unit-move"
    async with transactions.begin() as db:
        assert await db.scalar(text("SELECT unit_id FROM zones WHERE code = 'PSR'")) == ROOT
        await db.execute(update(Officer).where(Officer.login == "adm").values(role=Role.ADMIN))
    # An officer's own unit comes by the request that gives the role, and stays without one.
    wanted = {"role": "koordinator", "why": "SK", "unit": str(unit), "password": PASSWORD}
    answer = await api.post(f"/office/officers/{budi}/requests", data=wanted)
    assert answer.status_code == 303
    await sign_in(api, sample.CHECKER, CHECKER_PASSWORD)
    approve["password"] = CHECKER_PASSWORD
    assert (await api.post(decision, data=approve)).status_code == 303
    assert (await api.post(decision, data=approve)).json()["slug"] == "unit-move-decided"
    async with transactions.begin() as db:
        request = await db.scalar(text("SELECT id FROM officer_requests"))
        officer = await db.get_one(Officer, budi)
        assert (await units.scope_of(db, officer)).is_whole
    let = {"decision": "approve", "why": "SK", "password": CHECKER_PASSWORD}
    where = f"/office/officers/{budi}/requests/{request}/decision"
    assert (await api.post(where, data=let)).status_code == 303
    async with transactions.begin() as db:
        scope = await units.scope_of(db, await db.get_one(Officer, budi))
        assert scope.zone_codes == ["PSR"]
        kept = await db.scalars(
            text("SELECT act FROM audit_changes WHERE table_name = 'unit_moves'")
        )
        assert list(kept) == ["insert", "update"]


async def test_a_command_asks_for_the_whole_regency_too(
    transactions: Transactions, now: datetime
) -> None:
    unit = await add_unit(transactions, "UPT-A")
    admin = await add_officer(transactions, "adm", Role.ADMIN, unit)
    told = (admin, Subject.ZONE, "PSR", unit, "diam-diam")
    async with transactions.begin() as db:
        with pytest.raises(identity.UnitNotAllowed):
            await units.propose(db, *told, now=now)


@dataclass
class Things:
    """One of everything that a unit may have, in PSR and by the sample's attendant."""

    unit: UUID
    handheld: Handheld


@pytest.fixture
async def things(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> Things:
    unit = await add_unit(transactions, "UPT-B")
    handheld = await on_shift(api, transactions, now)
    events = [handheld.forge(seq=5)]  # which is refused, as the four before are not there
    await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    events = [handheld.event() for _ in range(2)]
    await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    async with transactions.begin() as db:
        told = {"reference": str(new_id()), "acquirer_reference": "A-1", "rrn": "000000000001"}
        await book(db, books, **told, amount_rp=3_000, paid_at=now)
        spot = await spots.find(db, SPOT)
        (stay,) = await db.scalars(text("SELECT id FROM parking_sessions"))
        (shift,) = await db.scalars(text("SELECT id FROM shifts"))
        (attendant,) = await db.scalars(text("SELECT attendant_id FROM shifts"))
        db.add(SpotLink(spot_code=SPOT, day=now.date(), pulses=9, lost=0, answer_ms=9))
        (closer,) = await db.scalars(select(Officer.id).where(Officer.login == sample.OFFICER))
        asked = {"starts": None, "ends": None, "note": "", "now": now}
        for place in ("PSR", SPOT):
            await closures.close(db, closer, place, ClosureReason.WORKS, **asked)
        db.add(UnendedStay(parking_session_id=stay, owed_rp=1, owner="uji", opened_at=now))
        db.add(SignCase(spot_id=spot.id, fault="missing", owner="uji", opened_at=now))
        db.add(
            Complaint(
                number="P-UJI", kind=ComplaintKind.OVERCHARGED, spot_id=spot.id, owner="uji",
                opened_at=now, due_on=now.date(), state=ComplaintState.OPEN, story="uji keluhan",
            )
        )  # fmt: skip
        db.add(
            ShiftClosing(
                shift_id=shift, closed_at=now, expected_rp=0, counted_rp=1, shown_rp=0, event_seq=1
            )
        )  # fmt: skip
        await db.flush()
        db.add(ShiftDifference(shift_id=shift, difference_rp=1, owner="uji", opened_at=now))
        of_event = {"device_id": handheld.device_id, "spot_id": spot.id, "attendant_id": attendant}
        db.add(
            StayCheck(
                **of_event, seq=1, asked_by="plate", result="none", told_at=now, received_at=now
            )
        )  # fmt: skip
        await db.flush()
        number = notices.number(notices.series(str(handheld.device_id)), 1)
        db.add(
            Notice(
                id=new_id(), **of_event, number=number, seq=2, check_seq=1, vehicle_class="car",
                finding=Finding.NONE, issued_at=now, object_until=now.date() + timedelta(days=7),
                received_at=now, state=NoticeState.ISSUED,
            )
        )  # fmt: skip
        await db.execute(update(Zone).where(Zone.code == "PSR").values(unit_id=unit))
        of_unit = update(Attendant).where(Attendant.code == sample.ATTENDANT)
        await db.execute(of_unit.values(unit_id=unit))
    return Things(unit, handheld)


@pytest.fixture
async def outsider(transactions: Transactions, things: Things) -> str:
    """A treasurer, whose role sees the most, of a unit beside the one with the things."""
    unit = await add_unit(transactions, "UPT-A")
    await add_officer(transactions, "luar", Role.BENDAHARA, unit)
    async with transactions.begin() as db:
        await db.execute(update(Zone).where(Zone.code == ELSEWHERE).values(unit_id=unit))
    return "luar"


async def rows_of(transactions: Transactions, sql: str) -> list[tuple[object, ...]]:
    async with transactions.begin() as db:
        return [tuple(row) for row in await db.execute(text(sql))]


async def test_what_is_of_another_unit_is_not_there(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    outsider: str,
    subtests: pytest.Subtests,
) -> None:
    app.state.office_limit = RateLimit(10_000)
    [(unit,)] = await rows_of(transactions, "SELECT id FROM units WHERE code = 'UPT-A'")
    for role in OUTSIDERS:
        await add_officer(transactions, f"luar-{role}", role, UUID(str(unit)))
    found = {path: await rows_of(transactions, sql) for path, sql in OF_A_UNIT.items()}
    assert all(found.values()), found
    traces = (
        "SELECT (SELECT count(*) FROM case_comments), (SELECT count(*) FROM case_assignments),"
        " (SELECT count(*) FROM case_steps), (SELECT count(*) FROM complaint_changes),"
        " (SELECT count(*) FROM notice_changes), (SELECT count(*) FROM sign_changes),"
        " (SELECT count(*) FROM closure_ends), (SELECT count(*) FROM attendant_changes),"
        " (SELECT count(*) FROM unit_moves)"
    )
    before = await rows_of(transactions, traces)
    about_things = [rule for rule in access.rules(app) if about(rule)]
    for rule in sorted(about_things, key=asker):
        path = about(rule) or ""
        await sign_in(api, f"luar-{asker(rule)}")
        for values in found[path]:
            where = at(rule, path, values)
            data = FORM | {"password": PASSWORD}
            form = {"data": data, "files": {"photo": PHOTO} if where.endswith("/photo") else None}
            with subtests.test(f"{rule.method} {where}"):
                answer = await api.request(
                    rule.method, where, **(form if rule.method == "POST" else {})
                )
                assert answer.status_code == 404, (answer.status_code, answer.text[:300])
    assert await rows_of(transactions, traces) == before


async def test_an_officer_of_a_unit_closes_and_opens_its_own_streets_alone(
    api: httpx.AsyncClient, transactions: Transactions, outsider: str, things: Things
) -> None:
    await add_officer(transactions, "koord", Role.KOORDINATOR, things.unit)
    asked = {"reason": "works", "note": "galian", "password": PASSWORD}
    count = "SELECT count(*) FROM closures"
    [before] = await rows_of(transactions, count)
    await sign_in(api, outsider)
    for place, slug in (
        ({"zone": "PSR"}, "zone-not-found"),
        ({"zone": ELSEWHERE, "spot": SPOT}, "spot-not-found"),
    ):
        answer = await api.post("/office/closures", data=asked | place)
        assert (answer.status_code, answer.json()["slug"]) == (404, slug)
    assert await rows_of(transactions, count) == [before]
    page = (await api.get("/office/closures?zone=PSR")).text
    assert SPOT not in page
    assert f'value="{ELSEWHERE}"' in page
    await sign_in(api, "koord")
    page = (await api.get("/office/closures")).text
    assert f'value="{ELSEWHERE}"' not in page
    ends = re.findall(r'action="(/office/closures/[^"]+/end)"', page)
    assert len(ends) == 2
    for end in ends:
        opened = {"why": "selesai", "password": PASSWORD}
        assert (await api.post(end, data=opened)).status_code == 303
    for place in ({"zone": "PSR"}, {"zone": "PSR", "spot": SPOT}):
        assert (await api.post("/office/closures", data=asked | place)).status_code == 303
    assert "galian" in (await api.get("/office/closures")).text


def lists(app: FastAPI) -> list[str]:
    """Every page of the office that tells an officer of a unit of many things."""
    paths = [
        rule.path
        for rule in access.rules(app)
        if rule.method == "GET"
        and rule.officers
        and rule.lets_in_of_unit(Role.BENDAHARA)
        and "{" not in rule.path
        and not rule.path.startswith(("/office/account", "/office/confirm", "/office/portal"))
    ]
    return ["/office", *paths, "/office/reports/titik", "/office/reports/zona.csv"]


async def test_lists_tell_of_ones_own_unit_alone(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    outsider: str,
    things: Things,
    subtests: pytest.Subtests,
) -> None:
    """Asked by both units: what one is told of, and what the other is not."""
    await add_officer(transactions, "dalam", Role.BENDAHARA, things.unit)
    found = {path: await rows_of(transactions, sql) for path, sql in OF_A_UNIT.items()}
    told: dict[str, list[str]] = {}
    for login in ("dalam", outsider):
        await sign_in(api, login)
        for page in lists(app):
            answer = await api.get(page)
            with subtests.test(f"{login} {page}"):
                assert answer.status_code == 200, answer.text[:300]
            told.setdefault(page, []).append(answer.text)
    traces = ["PSR", "Jl. Melati", sample.ATTENDANT, "HP 1", "P-UJI", "Rp3.000"]
    traces += [str(value) for rows in found.values() for row in rows for value in row[-1:]]
    silent = set()
    for page, (inside, outside) in told.items():
        with subtests.test(page):
            assert [trace for trace in traces if trace in outside] == []
        if not any(trace in inside for trace in traces):
            silent.add(page)
    assert silent == {"/office/reports", "/office/voids"}  # which tell of nothing here
    await sign_in(api, "dalam")
    pages = {rule.path for rule in access.rules(app) if rule.method == "GET"}
    for path, rows in found.items():
        if path not in pages:
            continue
        page = path[: path.index("{")] + str(rows[0][0])
        with subtests.test(page):
            assert (await api.get(page)).status_code == 200


async def test_a_case_is_given_only_to_who_can_open_it(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    outsider: str,
    things: Things,
    subtests: pytest.Subtests,
) -> None:
    """And whoever can, and has a part in it, is offered on its page."""
    app.state.office_limit = RateLimit(10_000)
    logins = [outsider, "jauh", "koord", "dalam", sample.CHECKER]
    await add_officer(transactions, "jauh", Role.KOORDINATOR, await add_unit(transactions, "UPT-C"))
    await add_officer(transactions, "koord", Role.KOORDINATOR, things.unit)
    await add_officer(transactions, "dalam", Role.BENDAHARA, things.unit)
    told = f"SELECT kind, id, zone_id FROM ({case_list.CASES}) t WHERE state <> 'closed'"
    cases = await rows_of(transactions, told)
    given: dict[str, set[str]] = {login: set() for login in logins}
    for kind, case_id, _ in cases:
        await sign_in(api, sample.OFFICER)
        page = (await api.get(boards.place(CaseKind(kind), UUID(str(case_id))))).text
        for login in logins:
            with subtests.test(f"{kind} {login}"):
                path = f"/office/casework/{kind}/{case_id}/assignment"
                answer = await api.post(path, data={"assignee": login})
                offered = f'<option value="{login}"' in page
                assert answer.status_code == (303 if offered else 409), answer.text
                if offered:
                    given[login].add(str(kind))
                elif (kind, login) == ("sign", "jauh"):
                    assert answer.json()["slug"] == "officer-elsewhere"
    assert given[outsider] == given["jauh"] == set()
    assert given["koord"] == {"sign", "complaint"}
    assert given["dalam"] >= {"sign", "complaint", "count"}
    for login in ("koord", "dalam"):
        await sign_in(api, login)
        for kind, case_id, _ in cases:
            if kind in given[login]:
                shown = await api.get(boards.place(CaseKind(kind), UUID(str(case_id))))
                assert shown.status_code == 200, (login, kind)


async def test_the_menu_of_a_unit_leads_only_where_one_may_go(
    api: httpx.AsyncClient, transactions: Transactions, things: Things, subtests: pytest.Subtests
) -> None:
    for role in Role:
        await add_officer(transactions, f"uji-{role}", role, things.unit)
        await sign_in(api, f"uji-{role}")
        page = (await api.get("/office", follow_redirects=True)).text
        assert "Unit UPT-B" in page
        menu = page[page.index('<nav class="places"') : page.index("</nav>")]
        for where in re.findall(r'href="(/office[^"]*)"', menu):
            with subtests.test(f"{role} {where}"):
                assert (await api.get(where, follow_redirects=True)).status_code == 200


async def test_no_link_leads_an_officer_of_a_unit_to_a_refusal(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    things: Things,
) -> None:
    """Money came while the street was closed here; its cases are the whole regency's."""
    found = {path: await rows_of(transactions, sql) for path, sql in OF_A_UNIT.items()}
    rules = {rule.path: rule for rule in access.rules(app) if rule.method == "GET"}
    refused = []
    for role in OUTSIDERS:
        await add_officer(transactions, f"uji-{role}", role, things.unit)
        await sign_in(api, f"uji-{role}")
        pages = [path for path in lists(app) if path == "/office" or "reports/" in path]
        for path, rule in rules.items():
            if rule.officers and rule.lets_in_of_unit(role) and "{" not in path:
                pages.append(path)
            elif path in found and rule.lets_in_of_unit(role):
                pages.append(at(rule, path, found[path][0]))
        seen: dict[str, str] = {}
        for page in pages:
            html = (await api.get(page, follow_redirects=True)).text
            if page == "/office/closures" and role == Role.BENDAHARA:
                assert "Rp3.000" in html
            for link in re.findall(r'href="(/office[^"#]*)', html):
                seen.setdefault(unescape(link), page)
        for link, page in seen.items():
            answer = await api.get(link, follow_redirects=True)
            if answer.status_code != 200:
                refused.append((role, page, link, answer.status_code))
    assert refused == []
