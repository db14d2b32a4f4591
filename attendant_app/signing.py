"""Every request to the office is signed by this device (RFC 9421), by the office's own clock."""

import secrets
from collections.abc import Generator

import httpx

from attendant_app import server_api
from attendant_app.runtime import Handheld
from domain import signing

WRONG_CLOCK_S = 30


class RequestSigner(httpx.Auth):
    """Signs what goes to `/v1/` once this device is enrolled."""

    requires_request_body = True

    def __init__(self, handheld: Handheld) -> None:
        self._handheld = handheld

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        device = self._handheld.store.device()
        if device is None or not request.url.path.startswith("/v1/"):
            yield request
            return
        created = self._sign(request, device.device_id)
        response = yield request
        told = server_api.server_time(response) if response.status_code == 403 else None
        if told and abs(told - created) > WRONG_CLOCK_S:
            # Refused as too old or too new: once more, by the clock of who judges it.
            self._handheld.link.learn_time(told)
            self._sign(request, device.device_id)
            yield request

    def _sign(self, request: httpx.Request, device_id: str) -> int:
        values = signing.values(
            request.method,
            request.url.raw_path.partition(b"?")[0].decode(),
            request.url.query.decode(),
            request.content,
            request.headers.get("Authorization"),
        )
        created = int(self._handheld.office_time().timestamp())
        told = signing.parameters(tuple(values), created, secrets.token_urlsafe(16), device_id)
        base = signing.signature_base(tuple(values), values, told)
        signature = self._handheld.key.sign_raw(base)
        request.headers.update(signing.headers(told, signature, request.content))
        return created
