"""Every route, asked as nobody and as every role: what docs/roles.md says is what happens."""

import re

import httpx
import pytest
from fastapi import FastAPI

from server import access
from server.access import Rule
from server.database import Transactions, new_id
from server.identity import service as identity
from server.identity.models import Role
from server.limits import RateLimit

PASSWORD = "kata sandi uji peran"
WORDS = dict.fromkeys(("spot", "code", "number", "id_", "name", "account"), "x") | {
    "format_": "json"
}
"""For what is no UUID in a path. There is no such spot: its events would never end."""
STRANGERS = {"not-signed-in", "device-not-active", "device-not-found"}
"""Why one is refused who is no officer; whose device is not known is not let in either."""


def address(rule: Rule) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: WORDS.get(found[1]) or str(new_id()), rule.path)


async def ask(api: httpx.AsyncClient, rule: Rule) -> tuple[int, str]:
    """The status, and why it was refused."""
    async with api.stream(rule.method, address(rule)) as answer:
        told = answer.headers.get("content-type", "")
        slug = (await answer.aread() and answer.json()["slug"]) if "problem" in told else ""
        return answer.status_code, slug


async def test_nobody_gets_what_is_not_everybodys(
    api: httpx.AsyncClient, app: FastAPI, subtests: pytest.Subtests
) -> None:
    for rule in access.rules(app):
        with subtests.test(f"{rule.method} {rule.path}"):
            status, slug = await ask(api, rule)
            if rule.officers:
                assert (status, slug) == (401, "not-signed-in")
            elif "acquirer" in rule.others:
                assert status >= 400  # answered in the acquirer's own form
            elif not rule.public:
                assert slug in STRANGERS
            else:
                assert slug not in {"not-signed-in", "role-not-allowed"}


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
            if rule.lets_in(role):  # as far as being told what is missing
                assert status != 401
                assert slug != "role-not-allowed"
            elif rule.officers:
                assert (status, slug) == (403, "role-not-allowed")
            elif "acquirer" not in rule.others:
                assert slug in STRANGERS


def test_the_table_tells_of_a_route_that_nobody_closed(app: FastAPI) -> None:
    @app.get("/office/lupa")
    async def forgotten() -> None: ...

    rule = next(rule for rule in access.rules(app) if rule.path == "/office/lupa")
    assert rule.public  # which `test_every_route_says_whom_it_lets_in` refuses
