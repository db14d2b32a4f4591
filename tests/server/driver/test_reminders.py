"""Reminders by web push: one before each end, for one browser's eyes, destroyed after the stay."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import http_ece
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.driver import reminders
from server.driver.models import Reminder
from tests.server.driver.conftest import Driver

HOST = "https://fcm.googleapis.com"


def urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Browser:
    """One that subscribed, with the push service between it and the server."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    secret: bytes = b"sixteen bytes in"
    status: int = 201
    got: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    @property
    def subscription(self) -> dict[str, Any]:
        public = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        keys = {"p256dh": urlsafe(public), "auth": urlsafe(self.secret)}
        return {"endpoint": f"{HOST}/wp/abc", "expirationTime": None, "keys": keys}

    async def receive(self, request: Request) -> Response:
        message = http_ece.decrypt(
            await request.body(), private_key=self.key, auth_secret=self.secret
        )
        self.got.append((dict(request.headers), json.loads(message)))
        return Response(status_code=self.status)


@pytest.fixture
async def browser(driver: Driver) -> Browser:
    browser = Browser()
    service = Starlette(routes=[Route("/wp/abc", browser.receive, methods=["POST"])])
    push: reminders.Push = driver.app.state.push
    await push._client.aclose()
    push._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=service))
    return browser


async def paid_stay(driver: Driver) -> UUID:
    stay = await driver.asks(minutes=60, told_rp=4000)
    await driver.pays(stay)
    return stay


async def subscribe(driver: Driver, stay: UUID, browser: Browser, language: str = "id") -> int:
    answer = await driver.api.post(f"/s/{stay}/reminder?lang={language}", json=browser.subscription)
    return answer.status_code


async def tick(driver: Driver, later: timedelta = timedelta()) -> int:
    state = driver.app.state
    return await reminders.tick(
        state.transactions, state.push, state.settings.timezone, now=datetime.now(UTC) + later
    )


async def kept(driver: Driver) -> list[UUID]:
    async with driver.app.state.transactions.begin() as db:
        return list(await db.scalars(select(Reminder.parking_session_id)))


async def test_a_driver_is_reminded_once_before_each_end(driver: Driver, browser: Browser) -> None:
    stay = await paid_stay(driver)
    assert await subscribe(driver, stay, browser, "en") == 204
    assert await tick(driver) == 0
    assert await tick(driver, timedelta(minutes=51)) == 1
    assert await tick(driver, timedelta(minutes=52)) == 0
    [(headers, message)] = browser.got
    assert message["title"] == "Your parking time is running out"
    assert message["url"] == f"/s/{stay}"
    scheme, _, rest = headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(","))
    assert scheme == "vapid"
    assert parts["k"] == driver.app.state.push.public
    point = base64.urlsafe_b64decode(parts["k"] + "==")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert jwt.decode(parts["t"], key, algorithms=["ES256"], audience=HOST)["sub"].startswith(
        "https://"
    )
    # Extended, it has another end to be reminded of.
    more = await driver.send(f"/s/{stay}/extend", minutes=60)
    await driver.pays(UUID(more.headers["location"].rsplit("/", 1)[-1]))
    assert await tick(driver, timedelta(minutes=52)) == 0
    assert await tick(driver, timedelta(minutes=111)) == 1


async def test_what_a_browser_gave_is_destroyed_when_the_stay_is_over(
    driver: Driver, browser: Browser
) -> None:
    stay = await paid_stay(driver)
    await subscribe(driver, stay, browser)
    assert await kept(driver) == [stay]
    await tick(driver, timedelta(minutes=61))
    assert await kept(driver) == []
    assert browser.got == []


async def test_a_permission_taken_back_is_believed_and_a_failure_is_not_the_end(
    driver: Driver, browser: Browser
) -> None:
    stay = await paid_stay(driver)
    await subscribe(driver, stay, browser)
    browser.status = 500
    assert await tick(driver, timedelta(minutes=51)) == 1
    assert await kept(driver) == [stay]
    more = await driver.send(f"/s/{stay}/extend", minutes=60)
    await driver.pays(UUID(more.headers["location"].rsplit("/", 1)[-1]))
    browser.status = 410
    assert await tick(driver, timedelta(minutes=111)) == 1
    assert await kept(driver) == []


STRANGE = [
    {"endpoint": "https://192.0.2.1/wp/abc"},
    {"endpoint": "http://fcm.googleapis.com/wp/abc"},
    {"endpoint": "https://fcm.googleapis.com.evil.example/"},
    {"endpoint": "https://evil.example/fcm.googleapis.com"},
    {"endpoint": "https://fcm.googleapis.com@evil.example/"},
    {"endpoint": "https://fcm.googleapis.com:22/"},
    {"endpoint": "https://[::1"},
    {"endpoint": "x" * 1001},
    {"keys": {"p256dh": "x", "auth": "y"}},
    {"keys": {"p256dh": "", "auth": ""}},
    {"keys": {}},
]


async def test_the_server_calls_no_address_of_somebodys_choice(
    driver: Driver, browser: Browser, subtests: pytest.Subtests
) -> None:
    stay = await paid_stay(driver)
    for strange in STRANGE:
        with subtests.test(str(strange)):
            body = browser.subscription | strange
            answer = await driver.api.post(f"/s/{stay}/reminder", json=body)
            assert answer.status_code == 422
            assert "wp/abc" not in answer.text
    assert await kept(driver) == []


async def test_only_time_that_is_bought_runs_out(driver: Driver, browser: Browser) -> None:
    stay = await driver.asks(minutes=0)
    answer = await driver.api.post(f"/s/{stay}/reminder", json=browser.subscription)
    assert (answer.status_code, answer.json()["slug"]) == (409, "stay-over")
