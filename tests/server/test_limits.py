"""The limit per address: so many a minute, said with the seconds to wait, and bounded itself."""

import httpx
import pytest
from fastapi import FastAPI
from limits.storage import memory
from starlette.requests import Request

from server import limits
from server.app import create_app
from server.errors import TooManyRequests
from server.limits import RateLimit
from server.settings import Settings


class Clock:
    now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    monkeypatch.setattr(memory, "time", clock)
    return clock


def request(address: str | None) -> Request:
    client = None if address is None else (address, 1)
    return Request({"type": "http", "client": client, "headers": []})


def test_the_window_slides(clock: Clock) -> None:
    limit = RateLimit(2)
    limit.check(request("a"))
    clock.now += 20
    limit.check(request("a"))
    with pytest.raises(TooManyRequests) as refusal:
        limit.check(request("a"))
    assert refusal.value.retry_after_s == 41
    limit.check(request("b"))
    limit.check(request(None))
    clock.now += 41
    limit.check(request("a"))
    with pytest.raises(TooManyRequests):
        limit.check(request("a"))


def test_a_refused_request_does_not_prolong_the_wait(clock: Clock) -> None:
    limit = RateLimit(1)
    limit.check(request("a"))
    for _ in range(5):
        clock.now += 10
        with pytest.raises(TooManyRequests):
            limit.check(request("a"))
    clock.now += 11
    limit.check(request("a"))


def test_one_subscriber_is_one_asker_whatever_address_he_takes() -> None:
    limit = RateLimit(1)
    limit.check(request("2001:db8:1:2::1"))
    with pytest.raises(TooManyRequests):
        limit.check(request("2001:db8:1:2:ffff::9"))
    limit.check(request("2001:db8:1:3::1"))
    limit.check(request("192.0.2.1"))
    with pytest.raises(TooManyRequests):
        limit.check(request("::ffff:192.0.2.1"))
    limit.check(request("192.0.2.2"))


async def test_drivers_and_passwords_are_limited(app: FastAPI, api: httpx.AsyncClient) -> None:
    app.state.driver_limit = RateLimit(1)
    for status in (201, 429):
        answer = await api.post("/v1/spots/PSR-001-U/charges", json={"vehicle_class": "car"})
        assert answer.status_code == status
    assert answer.json()["slug"] == "too-many-requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    for number in range(10):
        answer = await api.post("/office/sign-in", data={"login": f"x{number}", "password": "x"})
        assert answer.status_code == 401
    answer = await api.post("/office/sign-in", data={"login": "x", "password": "x"})
    assert answer.status_code == 429


async def test_only_a_trusted_proxy_says_for_whom_it_asks(settings: Settings) -> None:
    """Of others that header is anybody's invention, and would be a way around every limit."""
    app = create_app(settings.model_copy(update={"trusted_proxies": "127.0.0.1"}))
    app.state.receipt_limit = RateLimit(1)

    async def ask(peer: str, told: str) -> int:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answer = await client.get("/v1/receipts/x", headers={"X-Forwarded-For": told})
        return answer.status_code

    assert await ask("127.0.0.1", "192.0.2.1") == 404
    assert await ask("127.0.0.1", "192.0.2.1") == 429
    assert await ask("127.0.0.1", "198.51.100.9, 192.0.2.2") == 404
    assert await ask("192.0.2.2", "192.0.2.3") == 429
    await app.state.engine.dispose()
    await app.state.payments.acquirers.first.close()
