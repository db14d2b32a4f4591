"""A sandbox in this process, a partner that signs by itself, and a receiver on a real socket."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.sandbox.app import create_app
from server.sandbox.settings import Settings
from tests.server.sandbox.receiver import Receiver

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # 10.00 WIB, a Saturday
SECRET = "rahasia-uji"


class Clock:
    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture(scope="session")
def partner_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Partner:
    """Speaks SNAP to the sandbox, with signatures built here from the standard's words."""

    def __init__(
        self, client: httpx.AsyncClient, key: rsa.RSAPrivateKey, settings: Settings, clock: Clock
    ) -> None:
        self.client = client
        self.key = key
        self.settings = settings
        self.clock = clock
        self.app: Any = None
        self.token = ""
        self._used = 0

    @property
    def acquirer(self) -> Any:
        return self.app.state.acquirer

    def advance(self, **by: float) -> None:
        self.clock.moment += timedelta(**by)
        self.acquirer.wake.set()

    def stamp(self) -> str:
        return self.clock().isoformat(timespec="seconds")

    async def fetch_token(self, **headers: str) -> httpx.Response:
        stamp = headers.get("X-TIMESTAMP", self.stamp())
        text = f"{self.settings.client_key}|{stamp}".encode()
        signature = self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        sent = {
            "X-TIMESTAMP": stamp,
            "X-CLIENT-KEY": self.settings.client_key,
            "X-SIGNATURE": base64.b64encode(signature).decode(),
        } | headers
        response = await self.client.post(
            "/v1.0/access-token/b2b",
            json={"grantType": "client_credentials", "additionalInfo": {}},
            headers={name: value for name, value in sent.items() if value},
        )
        self.token = response.json().get("accessToken", self.token)
        return response

    def headers(self, path: str, content: bytes, **changed: str) -> dict[str, str]:
        """Signed headers; `changed` replaces some after signing, an empty value removes one."""
        self._used += 1
        stamp = changed.get("X-TIMESTAMP", self.stamp())
        digest = hashlib.sha256(content).hexdigest()
        text = f"POST:{path}:{self.token}:{digest}:{stamp}"
        signature = hmac.new(SECRET.encode(), text.encode(), "sha512").digest()
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.token}",
            "X-TIMESTAMP": stamp,
            "X-SIGNATURE": base64.b64encode(signature).decode(),
            "X-PARTNER-ID": self.settings.client_key,
            "X-EXTERNAL-ID": f"{self._used:010d}",
            "CHANNEL-ID": "95221",
        } | changed
        return {name: value for name, value in headers.items() if value}

    async def post(self, path: str, content: bytes, **changed: str) -> httpx.Response:
        if not self.token:
            await self.fetch_token()
        return await self.client.post(
            path, content=content, headers=self.headers(path, content, **changed)
        )

    async def call(
        self, name: str, body: dict[str, Any], channel: str = "mpm", **changed: str
    ) -> httpx.Response:
        content = json.dumps(body, separators=(",", ":")).encode()
        return await self.post(f"/v1.0/qr/qr-{channel}-{name}", content, **changed)

    async def order(self, reference: str, amount_rp: int = 5_000, **more: Any) -> dict[str, Any]:
        response = await self.call("generate", order_body(reference, amount_rp, **more))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def query(self, reference: str) -> dict[str, Any]:
        body = {"originalPartnerReferenceNo": reference, "serviceCode": "47"}
        answer: dict[str, Any] = (await self.call("query", body)).json()
        return answer

    async def pay(self, qris: str, outcome: str = "pay", **more: Any) -> httpx.Response:
        body = {"qris": qris, "outcome": outcome, **more}
        return await self.client.post("/wallet/pay", json=body)

    async def fault(self, name: str, **more: Any) -> None:
        response = await self.client.post("/sandbox/faults", json={"fault": name, **more})
        assert response.status_code == 201, response.text

    async def truth(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.client.get("/sandbox/truth")).json()
        return answer


def order_body(reference: str, amount_rp: int = 5_000, **more: Any) -> dict[str, Any]:
    return {
        "partnerReferenceNo": reference,
        "amount": {"value": f"{amount_rp}.00", "currency": "IDR"},
        "merchantId": "KARCIS000000001",
        **more,
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, partner_key: rsa.RSAPrivateKey, receiver: Receiver) -> Settings:
    (tmp_path / "karcis.pub.pem").write_bytes(
        partner_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return Settings(
        data=tmp_path,
        client_secret=SECRET,
        notify_url=receiver.url,
        notify_timeout_s=5,
    )


@pytest.fixture
async def partner(settings: Settings, partner_key: rsa.RSAPrivateKey) -> AsyncIterator[Partner]:
    clock = Clock()
    app = create_app(settings, now=clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            made = Partner(client, partner_key, settings, clock)
            made.app = app
            yield made
