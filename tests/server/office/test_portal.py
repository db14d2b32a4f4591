"""Signing in by the city's portal: a real provider in a process of its own, and one that lies.

Between us and the provider stands a relay, which passes on what is said; where a test wants a lie
it answers with tokens and keys of its own.
"""

import base64
import hmac
import html
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy import text, update
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server import sample
from server.database import Transactions
from server.identity import second_factor
from server.identity.models import Officer
from server.identity.single_sign_on import DESCRIBED_FOR_S
from server.limits import RateLimit
from server.settings import Settings
from tests.server.conftest import SIGN_IN_KEY
from tests.server.office.portal import CLAIMS, SITI, provider  # noqa: F401 - a fixture, by name
from tests.server.payments.conftest import on_a_socket


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(of_token: dict[str, Any]) -> str:
    return _base64(json.dumps(of_token).encode())


@dataclass
class Relay:
    """Passes on to the provider under its own name; `lie` alters what a token says."""

    provider: str
    lie: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "relay"}))
    signs_with: RSAKey | None = None
    seal: Callable[[dict[str, Any]], str] = field(init=False)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seal = self._signed

    async def pass_on(self, request: Request) -> Response:
        if self.down:
            return Response("<h1>maintenance</h1>", 502)
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name in {"host", "authorization", "content-type", "accept"}
            }
            body = await request.body()
            self.asked.append(f"{request.url.path} {request.url.query} {body.decode()}")
            answer = await client.request(
                request.method,
                f"{self.provider}{request.url.path}?{request.url.query}",
                content=body,
                headers=headers,
            )
        told = answer.content
        if self.lie is not None and request.url.path.endswith("token"):
            told = self._lied(answer.json())
        if self.lie is not None and "jwks" in request.url.path:
            told = json.dumps({"keys": [self.key.as_dict(private=False)]}).encode()
        passed = {"content-type": answer.headers["content-type"]}
        if "location" in answer.headers:
            passed["location"] = answer.headers["location"]
        return Response(told, answer.status_code, passed)

    def _lied(self, told: dict[str, Any]) -> bytes:
        assert self.lie is not None
        middle = told["id_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        told["id_token"] = self.seal(self.lie(claims))
        return json.dumps(told).encode()

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "relay"}, claims, self.signs_with or self.key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        return f"{_part({'alg': 'none', 'kid': 'relay'})}.{_part(claims)}."

    def signed_by_what_all_know(self, claims: dict[str, Any]) -> str:
        """With the public key as if it were a secret shared with us."""
        signed = f"{_part({'alg': 'HS256', 'kid': 'relay'})}.{_part(claims)}"
        secret = self.key.as_pem(private=False)
        return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"


@pytest.fixture
async def relay(provider: str) -> AsyncIterator[Relay]:  # noqa: F811 - the fixture
    relay = Relay(provider)
    methods = ["GET", "POST"]
    app = Starlette(routes=[Route("/{path:path}", relay.pass_on, methods=methods)])
    async with on_a_socket(app) as address:
        relay.address = address  # type: ignore[attr-defined]
        yield relay


@pytest.fixture
def settings(settings: Settings, relay: Relay) -> Settings:
    return settings.model_copy(
        update={
            "oidc_issuer": relay.address,  # type: ignore[attr-defined]
            "oidc_client_id": "karcis",
            "oidc_client_secret": SecretStr("rahasia portal"),
            "oidc_claim": "email",
        }
    )


@pytest.fixture(autouse=True)
async def siti(app: FastAPI, transactions: Transactions) -> None:
    """The treasurer has an account at the portal; the other officers have none."""
    app.state.office_limit = RateLimit(1000)
    async with transactions.begin() as db:
        await db.execute(
            update(Officer).where(Officer.login == sample.OFFICER).values(portal_account=SITI)
        )


async def at_portal(location: str, sub: str = "s-1") -> str:
    """The address that the portal sends a browser back to, once its person has signed in."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.post(location, data={"sub": sub})
    assert answer.status_code in {302, 303}, answer.text
    address = urlsplit(answer.headers["location"])
    return f"{address.path}?{address.query}"


async def go(api: httpx.AsyncClient, path: str = "/office/portal") -> str:
    away = await api.get(path)
    assert away.status_code == 303, away.text
    return str(away.headers["location"])


async def slug(api: httpx.AsyncClient, path: str) -> str:
    answer = await api.get(path)
    assert "karcis_office" not in answer.cookies
    return str(answer.json()["slug"])


async def test_an_officer_comes_in_by_the_portal_once(api: httpx.AsyncClient, relay: Relay) -> None:
    location = await go(api)
    asked = parse_qs(urlsplit(location).query)
    assert asked["code_challenge_method"] == ["S256"]
    back = await at_portal(location)
    browser = dict(api.cookies)
    answer = await api.get(back)
    assert answer.status_code == 200
    assert "/office" in answer.text
    assert (await api.get("/office")).status_code == 200
    token_call = next(call for call in relay.asked if "code_verifier=" in call)
    assert "rahasia" not in token_call  # it travels in a header
    api.cookies.clear()
    api.cookies.update(browser)
    assert await slug(api, back) == "portal-refused"  # the way back was used up …
    later = await go(api)
    state = parse_qs(urlsplit(later).query)["state"][0]
    code = parse_qs(urlsplit(back).query)["code"][0]
    # … and so was the code.
    assert await slug(api, f"/office/portal/return?state={state}&code={code}") == "portal-refused"


async def test_a_way_back_is_good_in_the_browser_that_began_it(api: httpx.AsyncClient) -> None:
    back = await at_portal(await go(api))
    api.cookies.clear()
    assert await slug(api, back) == "portal-refused"
    await go(api)
    assert await slug(api, back) == "portal-refused"
    assert await slug(api, "/office/portal/return?error=access_denied") == "portal-refused"


async def test_nobody_becomes_an_officer_at_the_portal(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    back = await at_portal(await go(api), sub="orang-lain")
    assert await slug(api, back) in {"portal-officer-unknown", "portal-refused"}
    async with transactions.begin() as db:
        await db.execute(
            text(
                "UPDATE officers SET portal_account = 'lain@pemda.example'"
                " WHERE login = 'bendahara'"
            )
        )
        count = await db.scalar(text("SELECT count(*) FROM officers"))
    assert await slug(api, await at_portal(await go(api))) == "portal-officer-unknown"
    async with transactions.begin() as db:
        assert await db.scalar(text("SELECT count(*) FROM officers")) == count
        await db.execute(
            update(Officer)
            .where(Officer.login == sample.OFFICER)
            .values(portal_account=SITI, switched_off_at=text("now()"))
        )
    assert await slug(api, await at_portal(await go(api))) == "portal-officer-unknown"


LIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another's nonce": lambda told: told | {"nonce": "lain"},
    "no nonce": lambda told: {name: told[name] for name in told if name != "nonce"},
    "another audience": lambda told: told | {"aud": "toko"},
    "another issuer": lambda told: told | {"iss": "http://portal.example"},
    "long ago": lambda told: told | {"exp": told["iat"] - 3600},
    "an address that is not verified": lambda told: told | {"email_verified": False},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_token_that_does_not_fit_opens_nothing(
    api: httpx.AsyncClient, relay: Relay, lie: str
) -> None:
    relay.lie = LIES[lie]
    assert await slug(api, await at_portal(await go(api))) == "portal-refused"


async def test_a_signature_of_another_key_opens_nothing(
    api: httpx.AsyncClient, relay: Relay
) -> None:
    relay.lie = lambda told: told | CLAIMS
    relay.signs_with = RSAKey.generate_key(2048, {"kid": "relay"})
    assert await slug(api, await at_portal(await go(api))) == "portal-refused"
    relay.signs_with = None  # the same, signed as it should be, does
    assert (await api.get(await at_portal(await go(api)))).status_code == 200


async def test_no_other_way_of_signing_opens_anything(api: httpx.AsyncClient, relay: Relay) -> None:
    relay.lie = lambda told: told | CLAIMS
    for seal in (relay.unsigned, relay.signed_by_what_all_know):
        relay.seal = seal
        assert await slug(api, await at_portal(await go(api))) == "portal-refused"


async def test_a_portal_that_is_away_is_told_in_words(api: httpx.AsyncClient, relay: Relay) -> None:
    relay.down = True
    answer = await api.get("/office/portal", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "Portal kota tidak dapat dihubungi" in answer.text
    relay.down = False
    back = await at_portal(await go(api))
    relay.down = True
    assert await slug(api, back) == "portal-unavailable"


async def test_a_portal_that_moved_is_asked_anew_where_it_is(
    api: httpx.AsyncClient, app: FastAPI, relay: Relay
) -> None:
    def times_asked() -> int:
        return sum("openid-configuration" in call for call in relay.asked)

    back = await at_portal(await go(api))
    await go(api)
    assert times_asked() == 1
    assert await slug(api, back) == "portal-refused"  # of another attempt: nothing was asked
    assert times_asked() == 1
    back = await at_portal(await go(api))
    relay.down = True
    assert await slug(api, back) == "portal-unavailable"
    relay.down = False
    await go(api)
    assert times_asked() == 2
    app.state.portal._described_at -= DESCRIBED_FOR_S + 1
    await go(api)
    assert times_asked() == 3


async def test_who_has_an_app_shows_it_after_the_portal(
    api: httpx.AsyncClient, relay: Relay, transactions: Transactions, now: Any
) -> None:
    key = SecretStr(SIGN_IN_KEY)
    async with transactions.begin() as db:
        officer = (
            await db.execute(
                text("SELECT id FROM officers WHERE login = :login"), {"login": sample.OFFICER}
            )
        ).scalar_one()
        found = await db.get(Officer, officer)
        assert found is not None
        await second_factor.begin(db, found, key, now=now)
        secret, _ = await second_factor.begun(db, found, key, "uji")
        await second_factor.finish(db, found, key, pyotp.TOTP(secret).at(now), now=now)
    await api.get(await at_portal(await go(api)))
    assert (await api.get("/office")).headers["location"] == "/office/account"
    relay.lie = lambda told: told | CLAIMS | {"amr": ["pwd", "mfa"]}
    api.cookies.clear()
    await api.get(await at_portal(await go(api)))
    assert (await api.get("/office")).status_code == 200


async def test_money_is_confirmed_by_signing_in_at_the_portal_anew(
    api: httpx.AsyncClient, relay: Relay
) -> None:
    await api.get(await at_portal(await go(api)))
    refused = await api.post("/office/devices/codes")
    assert refused.json()["slug"] == "confirmation-needed"
    location = await go(api, "/office/portal/confirm")
    asked = parse_qs(urlsplit(location).query)
    assert (asked["max_age"], asked["prompt"]) == (["0"], ["login"])
    for signed_in_at in (None, -3600):  # before that: does not say, or long ago
        relay.lie = lambda told, at=signed_in_at: (  # type: ignore[misc]
            told | CLAIMS | {"auth_time": at and told["iat"] + at}
        )
        back = await at_portal(await go(api, "/office/portal/confirm"))
        assert await slug(api, back) == "portal-refused"
    relay.lie = lambda told: told | CLAIMS | {"auth_time": told["iat"]}
    form = "/office/ledger/accounts/1-110?from=2026-11-01&party=JP-01"
    back = await at_portal(await go(api, f"/office/portal/confirm?{urlencode({'back': form})}"))
    returned = await api.get(back)
    assert returned.status_code == 200
    assert f"0;url={html.escape(form)}" in returned.text
    assert (await api.post("/office/devices/codes")).status_code == 200


@pytest.mark.parametrize("back", ["https://jahat.example/", "//jahat.example", "/p/SMP-A-001"])
async def test_nobody_is_led_out_of_the_office(
    api: httpx.AsyncClient, relay: Relay, back: str
) -> None:
    await api.get(await at_portal(await go(api)))
    relay.lie = lambda told: told | CLAIMS | {"auth_time": told["iat"]}
    there = await go(api, f"/office/portal/confirm?{urlencode({'back': back})}")
    assert '0;url=/office"' in (await api.get(await at_portal(there))).text
