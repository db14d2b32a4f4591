"""Refusals: one shape for programs, one page for people, and nothing in them that was not said."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from server.app import create_app
from server.database import Transactions
from server.settings import Settings

UNKNOWN = "/v1/spots/PSR-001-V/charges"
FIELDS = {"type", "slug", "title", "title_id", "title_en", "status", "detail"}


@pytest.fixture
async def breaking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The server with routes that fail in ways no request of its own can bring about."""
    failures = {
        "bug": lambda: RuntimeError("RAHASIA di dalam"),
        "timeout": lambda: TimeoutError("RAHASIA"),
        "refused": lambda: ConnectionRefusedError("RAHASIA"),
        "goodbye": lambda: asyncpg.InternalClientError("RAHASIA"),
    }

    @app.get("/break/{how}")
    async def break_(how: str) -> None:
        raise failures[how]()

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


async def test_a_problem_has_the_shape_of_rfc_9457(api: httpx.AsyncClient) -> None:
    answer = await api.post(UNKNOWN, json={"vehicle_class": "car"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == FIELDS
    assert (body["slug"], body["status"]) == ("spot-code-mistyped", 404)
    assert body["type"] == "urn:karcis:problem:spot-code-mistyped"
    assert body["title"] == body["title_id"] != body["title_en"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/webhooks", "GET, POST"), ("/v1/zones", ""), ("/readyz", "GET")],
)
async def test_a_refused_method_tells_all_that_a_path_has(
    api: httpx.AsyncClient, path: str, allowed: str
) -> None:
    answer = await api.request("OPTIONS", path)
    assert answer.status_code == (405 if allowed else 404)
    assert answer.headers.get("allow", "") == allowed


LANGUAGES = [
    # query, cookie, header, language
    ("", "", "", "id"),
    ("", "", "en-GB,en;q=0.9,id;q=0.1", "en"),
    ("", "", "id,en;q=0.9", "id"),
    ("", "", "de", "id"),
    ("", "en", "id", "en"),
    ("?lang=id", "en", "en", "id"),
    ("?lang=en", "id", "id", "en"),
    ("?lang=xx", "en", "en", "id"),
]


async def test_the_language_is_the_query_s_then_the_cookie_s_then_the_header_s(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for query, cookie, header, language in LANGUAGES:
        headers = {"Accept-Language": header} | ({"Cookie": f"lang={cookie}"} if cookie else {})
        with subtests.test(f"{query} {cookie} {header}"):
            answer = await api.post(UNKNOWN + query, json={"vehicle_class": "car"}, headers=headers)
            body = answer.json()
            assert body["title"] == body[f"title_{language}"]
            assert answer.headers["content-language"] == language


async def test_what_is_wrong_is_pointed_at_and_never_repeated(api: httpx.AsyncClient) -> None:
    canary = "KH 7731 XX"
    body = {"vehicle_class": canary, "plate": canary + "<>", "minutes": canary, "id": canary}
    answer = await api.post("/v1/spots/PSR-001-U/charges", json=body)
    assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request")
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/body/vehicle_class", "/body/plate", "/body/minutes", "/body/id"}
    assert all(error["detail"] for error in answer.json()["errors"])
    assert canary not in answer.text


async def test_a_body_that_is_no_json_is_refused(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b"\xff", b'"x"', b"[" * 100_000):
        with subtests.test(repr(content[:9])):
            answer = await api.post("/v1/spots/PSR-001-U/charges", content=content, headers=headers)
            assert answer.status_code in (400, 422)
            assert set(answer.json()) >= FIELDS


async def test_people_get_a_page_and_programs_a_body(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for method, path, status in (
        ("GET", "/nope", 404),
        ("GET", "/v1/nope", 404),
        ("DELETE", "/v1/sync", 405),
    ):
        with subtests.test(path):
            answer = await api.request(method, path, headers={"Accept": "text/html,*/*;q=0.1"})
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
            assert "<main" in answer.text
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            answer = await api.request(method, path, headers={"Accept": "application/json"})
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code == status
            assert answer.headers.get("allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_a_bug_answers_500_and_tells_nothing(
    breaking: httpx.AsyncClient, accept: str
) -> None:
    answer = await breaking.get("/break/bug", headers={"Accept": accept})
    assert answer.status_code == 500
    assert "internal-fault" in answer.text
    assert "RAHASIA" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("how", ["timeout", "refused", "goodbye"])
async def test_a_database_that_is_away_is_said_to_be(breaking: httpx.AsyncClient, how: str) -> None:
    answer = await breaking.get(f"/break/{how}")
    assert (answer.status_code, answer.json()["slug"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    assert "RAHASIA" not in answer.text


async def test_a_database_that_is_not_there_yet_is_unavailable(settings: Settings) -> None:
    address = (settings.database_url or "").replace("karcis_test", "karcis_absent")
    app = create_app(settings.model_copy(update={"database_url": address}))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/p/PSR-001-U")
    assert (answer.status_code, answer.json()["slug"]) == (503, "unavailable")
    await app.state.engine.dispose()


async def test_a_connection_cut_under_a_request_is_made_anew_for_the_next(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    await api.get("/p/PSR-001-U")
    async with transactions.begin() as db:
        await db.execute(
            text(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await asyncio.sleep(0.2)  # until the driver has heard of it
    assert (await api.get("/p/PSR-001-U")).status_code == 200


async def test_a_lock_that_is_not_got_in_time_is_unavailable_not_a_fault(
    api: httpx.AsyncClient, owner: Transactions, app: FastAPI
) -> None:
    async with app.state.engine.connect() as connection:
        await connection.execute(text("SET lock_timeout = 50"))  # of the pool's connection
        await connection.commit()
    async with owner.begin() as db:
        await db.execute(text("LOCK TABLE spots IN ACCESS EXCLUSIVE MODE"))
        answer = await api.get("/p/PSR-001-U", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["slug"]) == (503, "unavailable")
