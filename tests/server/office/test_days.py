"""Days at either end of the calendar, asked of each of the office's pages and forms."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from server import sample
from server.database import new_id
from server.limits import RateLimit
from server.office import endpoints
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.office.test_rights import sign_in

A_DAY = re.compile(r"datetime\.date\b")
ENDS = ("0001-01-01", "9999-12-31")
REST = {
    "account": "1140",
    "form": "csv",
    "name": "harian",
    "month": "2026-11",
    "id": str(new_id()),
    "attendant": "J-001",
    "amount_rp": "1",
    "reference": "SLIP-000123",
    "number": "1",
    "reason": "uji",
}


def routes(of: APIRouter, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for route in of.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner, prefix + of.prefix)
        elif hasattr(route, "dependant"):
            yield prefix + str(getattr(route, "path", "")), route


def days_of(fields: Any) -> set[str]:
    """The names under which a day is sent, of a page's or form's own fields or of a set of them."""
    told = set()
    for field in fields:
        inside = getattr(field.field_info.annotation, "model_fields", {})
        if A_DAY.search(repr(field.field_info.annotation)):
            told.add(field.alias)
        told |= {f.alias or n for n, f in inside.items() if A_DAY.search(repr(f.annotation))}
    return told


def dependants(of: Any) -> Iterator[Any]:
    yield of
    for inner in of.dependencies:
        yield from dependants(inner)


def asked() -> Iterator[tuple[str, str, set[str], set[str]]]:
    """Each method and path that takes days: those of its address, and those of its form."""
    for path, route in routes(endpoints.router):
        parts = [*dependants(route.dependant)]
        in_path, in_query, in_form = (
            days_of(field for part in parts for field in getattr(part, f"{kind}_params"))
            for kind in ("path", "query", "body")
        )
        if in_path | in_query | in_form:
            for method in route.methods:
                yield method, path, in_query, in_form


@pytest.mark.parametrize("day", ENDS)
async def test_a_day_at_the_end_of_the_calendar_is_refused_and_breaks_nothing(
    api: httpx.AsyncClient, app: FastAPI, day: str, subtests: pytest.Subtests
) -> None:
    app.state.office_limit = RateLimit(10_000)
    paths = set()
    for login, password in ((sample.OFFICER, PASSWORD), (sample.CHECKER, CHECKER_PASSWORD)):
        await sign_in(api, login, password)
        for method, path, in_query, in_form in asked():
            paths.add(path)
            filled = path.replace("{day}", day)
            for name, value in REST.items():
                filled = filled.replace(f"{{{name}}}", value)
            filled = re.sub(r"{\w+}", str(new_id()), filled)
            form = REST | {"password": password} | dict.fromkeys(in_form, day)
            with subtests.test(f"{method} {path} {login}"):
                answer = await api.request(
                    method,
                    filled,
                    params=dict.fromkeys(in_query, day),
                    data=form if method == "POST" else None,
                )
                assert answer.status_code in {403, 422}, answer.text[:500]
    assert {"/office/days/{day}", "/office/reconciliation", "/office/transactions"} <= paths
    assert {"/office/reconcile", "/office/close", "/office/ledger/deposits"} <= paths
