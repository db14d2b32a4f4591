"""Every route, asked as nobody and as every role: what docs/roles.md says is what happens."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from server import access
from server.database import Transactions
from server.identity import service as identity
from server.identity import units
from server.identity.models import ROOT, Officer, Role
from server.identity.units import Draft
from server.limits import RateLimit
from tests.server.asking import as_told, as_told_of_unit, ask

PASSWORD = "kata sandi uji peran"


async def test_nobody_gets_what_is_not_everybodys(
    api: httpx.AsyncClient, app: FastAPI, subtests: pytest.Subtests
) -> None:
    for rule in access.rules(app):
        with subtests.test(f"{rule.method} {rule.path}"):
            status, slug = await ask(api, rule)
            assert as_told(rule, None, status, slug), (status, slug)


@pytest.mark.parametrize("role", Role)
async def test_a_role_gets_what_its_rights_say_and_nothing_else(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    role: Role,
    subtests: pytest.Subtests,
) -> None:
    async with transactions.begin() as db:
        await identity.add_officer(db, login="uji", name="Uji", role=role, password=PASSWORD)
    app.state.office_limit = RateLimit(10_000)
    signed_in = await api.post("/office/sign-in", data={"login": "uji", "password": PASSWORD})
    assert signed_in.status_code == 303
    for rule in access.rules(app):
        if rule.public:  # asks nobody who they are: see above
            continue
        with subtests.test(f"{rule.method} {rule.path}"):
            status, slug = await ask(api, rule)
            assert as_told(rule, role, status, slug), (status, slug)


@pytest.mark.parametrize("role", Role)
async def test_an_officer_of_a_unit_gets_only_what_keeps_to_units(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    role: Role,
    subtests: pytest.Subtests,
) -> None:
    async with transactions.begin() as db:
        unit = await units.add(db, ROOT, Draft("UJI", "Unit uji"))
        await identity.add_officer(db, login="uji", name="Uji", role=role, password=PASSWORD)
        await db.execute(update(Officer).where(Officer.login == "uji").values(unit_id=unit))
    app.state.office_limit = RateLimit(10_000)
    signed_in = await api.post("/office/sign-in", data={"login": "uji", "password": PASSWORD})
    assert signed_in.status_code == 303
    for rule in access.rules(app):
        if not rule.officers:
            continue
        with subtests.test(f"{rule.method} {rule.path}"):
            status, slug = await ask(api, rule)
            assert as_told_of_unit(rule, role, status, slug), (status, slug)


def test_the_table_tells_of_a_route_that_nobody_closed(app: FastAPI) -> None:
    @app.get("/office/lupa")
    async def forgotten() -> None: ...

    rule = next(rule for rule in access.rules(app) if rule.path == "/office/lupa")
    assert rule.public  # which `test_every_route_says_whom_it_lets_in` refuses
