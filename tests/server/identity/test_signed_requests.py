"""Requests with a shift's token are let in only as their device signed them, now and once."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import func, select

from domain import signing
from server.app import create_app
from server.database import Transactions
from server.identity import signed_requests
from server.identity.models import UsedNonce
from server.identity.signed_requests import TOLERANCE
from server.settings import Settings
from tests.server.handhelds import Handheld, on_shift

PATH = "/v1/barcodes/resolve?x=1"
BODY = {"text": "PSR-001-U"}


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


def built(api: httpx.AsyncClient, handheld: Handheld, *, now: float | None = None) -> httpx.Request:
    return handheld.signed(api.build_request("POST", PATH, json=BODY), now=now)


def resent(request: httpx.Request, **changes: object) -> httpx.Request:
    """The same headers over another request."""
    told = {"method": request.method, "url": request.url, "content": request.content, **changes}
    headers = {k: v for k, v in request.headers.items() if k not in ("content-length",)}
    return httpx.Request(**told, headers=headers)  # type: ignore[arg-type]


def with_header(request: httpx.Request, name: str, value: str) -> httpx.Request:
    request.headers[name] = value
    return request


def without(request: httpx.Request, name: str) -> httpx.Request:
    del request.headers[name]
    return request


def signed_less(request: httpx.Request, handheld: Handheld, left_out: str) -> httpx.Request:
    """A good signature of all that counts but one component."""
    told = signing.values(
        "POST", "/v1/barcodes/resolve", "x=1", request.content, request.headers["Authorization"]
    )
    names = tuple(name for name in told if name != left_out)
    parameters = signing.parameters(names, int(time.time()), "n" * 20, str(handheld.device_id))
    signature = handheld.key.sign(signing.signature_base(names, told, parameters))
    request.headers.update(signing.headers(parameters, signature, request.content))
    return request


Forge = Callable[[httpx.Request, Handheld], httpx.Request]
FORGED: dict[str, Forge] = {
    "another body": lambda r, _: resent(r, content=b'{"text":"PSR-002-S"}'),
    "another body with its digest": lambda r, _: with_header(
        resent(r, content=b"{}"), "Content-Digest", signing.content_digest(b"{}")
    ),
    "another path": lambda r, _: resent(r, url=r.url.copy_with(path="/v1/sync")),
    "another query": lambda r, _: resent(r, url=r.url.copy_with(query=b"x=2")),
    "another method": lambda r, _: resent(
        r, method="GET", url=r.url.copy_with(path="/v1/masterdata")
    ),
    "no digest": lambda r, _: without(r, "Content-Digest"),
    "no signature": lambda r, _: without(r, "Signature"),
    "no input": lambda r, _: without(r, "Signature-Input"),
    "another device's key": lambda r, h: Handheld(device_id=h.device_id, token=h.token).signed(r),
    "another device's name": lambda r, h: Handheld(key=h.key, token=h.token).signed(r),
    "rubbish": lambda r, _: with_header(r, "Signature", "karcis=:AAAA:"),
    **{
        f"{name} not covered": lambda r, h, name=name: signed_less(r, h, name)  # type: ignore[misc]
        for name in ("@method", "@path", "@query", "content-digest", "authorization")
    },
}


@pytest.mark.parametrize("name", FORGED)
async def test_what_the_device_did_not_sign_is_refused(
    api: httpx.AsyncClient, handheld: Handheld, name: str
) -> None:
    answer = await api.send(FORGED[name](built(api, handheld), handheld))
    assert (answer.status_code, answer.json()["slug"]) == (403, "signature-refused")


async def test_a_signed_request_is_served_once(api: httpx.AsyncClient, handheld: Handheld) -> None:
    request = built(api, handheld)
    assert (await api.send(request)).json()["kind"] == "spot"
    again = await api.send(resent(request))
    assert (again.status_code, again.json()["slug"]) == (403, "signature-refused")


async def test_a_token_of_one_device_is_worth_nothing_on_another(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    other = await on_shift(api, transactions, now)
    other.token = handheld.token
    answer = await api.send(built(api, other))
    assert (answer.status_code, answer.json()["slug"]) == (403, "signature-refused")


@pytest.mark.parametrize("off", [-1, 1])
async def test_a_signature_is_good_for_a_minute_by_the_servers_clock(
    api: httpx.AsyncClient, handheld: Handheld, off: int
) -> None:
    seconds = TOLERANCE.total_seconds()
    near = await api.send(built(api, handheld, now=time.time() + off * (seconds - 10)))
    assert near.status_code == 200
    far = await api.send(built(api, handheld, now=time.time() + off * (seconds + 10)))
    assert (far.status_code, far.json()["slug"]) == (403, "signature-stale")


async def test_a_bearer_token_alone_asks_for_no_charge_either(
    api: httpx.AsyncClient, handheld: Handheld
) -> None:
    path, body = "/v1/spots/PSR-001-U/charges", {"vehicle_class": "car"}
    bearer = {"Authorization": f"Bearer {handheld.token}"}
    answer = await api.post(path, json=body, headers=bearer)
    assert (answer.status_code, answer.json()["slug"]) == (403, "signature-refused")
    assert (await api.post(path, json=body, auth=handheld.signed)).status_code == 201
    assert (await api.post(path, json=body)).status_code == 201  # a driver has no key


async def test_only_the_device_itself_reports(api: httpx.AsyncClient, handheld: Handheld) -> None:
    report = f"/v1/devices/{handheld.device_id}/report"
    assert (await api.post(report, json={})).json()["slug"] == "signature-refused"
    thief = Handheld(device_id=handheld.device_id)
    answer = await api.post(report, json={}, auth=thief.signed)
    assert answer.json()["slug"] == "signature-refused"
    assert (await api.post(report, json={}, auth=handheld.signed)).status_code == 200


async def test_a_request_is_served_once_by_all_processes_together_and_after_a_restart(
    api: httpx.AsyncClient, handheld: Handheld, settings: Settings
) -> None:
    request = built(api, handheld)
    other = create_app(settings)  # the same database, and nothing else in common
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(other), base_url=str(api.base_url)
    ) as elsewhere:
        answers = await asyncio.gather(
            *(client.send(resent(request)) for client in (api, elsewhere) for _ in range(4))
        )
    await other.state.engine.dispose()
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 7


async def test_a_nonce_is_remembered_for_as_long_as_its_signature_could_be_good(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    request = built(api, handheld, now=time.time() + TOLERANCE.total_seconds() - 5)
    assert (await api.send(request)).status_code == 200
    signed = datetime.now(UTC) + TOLERANCE
    await signed_requests.prune(transactions, now=signed + TOLERANCE)
    assert (await api.send(resent(request))).json()["slug"] == "signature-refused"
    await signed_requests.prune(transactions, now=signed + 3 * TOLERANCE)
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(UsedNonce)) == 0
