"""The limit per address: so many a minute, said with the seconds to wait, and bounded itself."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from server import limits
from server.errors import TooManyRequests
from server.limits import RateLimit


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
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
    clock.now += 40
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
    clock.now += 10
    limit.check(request("a"))


def test_addresses_that_are_gone_are_forgotten(clock: Clock) -> None:
    limit = RateLimit(1)
    for number in range(10_001):
        limit.check(request(str(number)))
    clock.now += 61
    limit.check(request("new"))
    assert len(limit._seen) == 1


async def test_drivers_and_passwords_are_limited(app: FastAPI, api: httpx.AsyncClient) -> None:
    app.state.driver_limit = RateLimit(1)
    for status in (201, 429):
        answer = await api.post("/v1/spots/PSR-001-U/charges", json={"vehicle_class": "car"})
        assert answer.status_code == status
    assert answer.json()["slug"] == "too-many-requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    for _ in range(10):
        answer = await api.post("/office/sign-in", data={"login": "x", "password": "x"})
        assert answer.status_code == 401
    answer = await api.post("/office/sign-in", data={"login": "x", "password": "x"})
    assert answer.status_code == 429
