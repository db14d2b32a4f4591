"""SNAP BI's way in: the token (73), who may call, and the form of every answer.

An answer, refusals included, has HTTP status + service + case as responseCode.
"""

import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.sandbox import signing
from server.sandbox.acquirer import Acquirer
from server.sandbox.calls import under_faults
from server.sandbox.fields import (
    REFERENCE,
    Fields,
    Refused,
    bad_format,
    missing,
    read_body,
    timestamp,
)

log = logging.getLogger("karcis.sandbox.snap")

MAX_BODY_BYTES = 16_384
_EXTERNAL_ID = re.compile(r"\d{1,36}", re.ASCII)
_CHANNEL_ID = re.compile(r"[A-Za-z0-9]{1,5}")


@dataclass(frozen=True)
class Operation:
    """A SNAP service: its code and the name its faults begin with."""

    code: str
    name: str


TOKEN = Operation("73", "token")


class InProgress(Exception):
    """Booked, but not yet decided: answered 202 with this body."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__("in progress")
        self.body = body


Handler = Callable[[Acquirer, Fields], dict[str, Any]]
Authenticator = Callable[[Acquirer, Request, bytes], None]


def answer(operation: Operation, status: int, case: str, message: str, **body: Any) -> Response:
    content = {"responseCode": f"{status}{operation.code}{case}", "responseMessage": message}
    text = json.dumps({**content, **body}, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), status, media_type="application/json")


async def _body(request: Request) -> bytes:
    body = await read_body(request, MAX_BODY_BYTES)
    if body is None:
        raise Refused(400, "00", "Bad Request. Body too long")
    return body


def _header(request: Request, name: str, pattern: re.Pattern[str] | None = None) -> str:
    value = request.headers.get(name, "")
    if not value:
        raise missing(name)
    if pattern is not None and not pattern.fullmatch(value):
        raise bad_format(name)
    return value


def _fresh_timestamp(acquirer: Acquirer, request: Request) -> str:
    text = _header(request, "X-TIMESTAMP")
    moment = timestamp(text)
    if moment is None:
        raise bad_format("X-TIMESTAMP")
    window = timedelta(seconds=acquirer.settings.timestamp_window_s)
    if abs(acquirer.clock() - moment) > window:
        raise Refused(401, "00", "Unauthorized. [X-TIMESTAMP out of range]")
    return text


def _authenticate(acquirer: Acquirer, request: Request, body: bytes) -> None:
    """Token, then signature over the bytes as sent, then the day's external id."""
    settings = acquirer.settings
    stamp = _fresh_timestamp(acquirer, request)
    scheme, _, token = _header(request, "Authorization").partition(" ")
    if scheme.lower() != "bearer" or not acquirer.truth.token_is_valid(token, acquirer.real_ms()):
        raise Refused(401, "01", "Invalid Token (B2B)")
    url = request.scope["raw_path"].decode("ascii", "replace")
    if request.url.query:
        url += f"?{request.url.query}"
    text = signing.request_string(request.method, url, body, stamp, token=token)
    secret = settings.client_secret.get_secret_value()
    if not signing.hmac_matches(secret, text, _header(request, "X-SIGNATURE")):
        raise Refused(401, "00", "Unauthorized. [Signature]")
    if _header(request, "X-PARTNER-ID") != settings.partner:
        raise Refused(404, "16", "Partner Not Found")
    _header(request, "CHANNEL-ID", _CHANNEL_ID)
    external_id = _header(request, "X-EXTERNAL-ID", _EXTERNAL_ID)
    with acquirer.truth.transaction():
        if not acquirer.truth.claim_external_id(external_id, acquirer.real_ms()):
            raise Refused(409, "00", "Conflict")


def service(
    operation: Operation, handle: Handler, authenticate: Authenticator = _authenticate
) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a handler with authentication, the faults loaded for it and SNAP's answers."""

    async def endpoint(request: Request) -> Response:
        acquirer: Acquirer = request.app.state.acquirer
        try:
            body = await _body(request)
            authenticate(acquirer, request, body)
            fields = Fields.parse(body)

            def book() -> Response:
                try:
                    return answer(operation, 200, "00", "Successful", **handle(acquirer, fields))
                except InProgress as begun:
                    return answer(operation, 202, "00", "Request In Progress", **begun.body)
                except Refused as fault:
                    return _refusal(operation, fault)

            return await under_faults(acquirer, operation.name, _reference(fields), book)
        except Refused as fault:
            return _refusal(operation, fault)
        except Exception:
            log.exception("%s failed", operation.name)
            return answer(operation, 500, "00", "General Error")

    return endpoint


def _refusal(operation: Operation, fault: Refused) -> Response:
    log.info("%s refused: %s %s", operation.name, fault.status, fault.message)
    return answer(operation, fault.status, fault.case, fault.message, **fault.body)


def _reference(fields: Fields) -> str:
    for name in ("partnerReferenceNo", "originalPartnerReferenceNo"):
        value = fields.values.get(name)
        if isinstance(value, str) and REFERENCE.fullmatch(value):
            return value
    return ""


def _authenticate_key(acquirer: Acquirer, request: Request, _body: bytes) -> None:
    """Service 73 alone is signed with the partner's private key, over no body."""
    stamp = _fresh_timestamp(acquirer, request)
    client_key = _header(request, "X-CLIENT-KEY")
    if not _partner_signed(acquirer, client_key, stamp, _header(request, "X-SIGNATURE")):
        raise Refused(401, "00", "Unauthorized. [Signature]")


def token(acquirer: Acquirer, fields: Fields) -> dict[str, Any]:
    """Service 73. `expiresIn` is a string: SNAP says so."""
    if fields.required("grantType", 32) != "client_credentials":
        raise bad_format("grantType")
    fields.inner("additionalInfo")
    life_s, now_ms = acquirer.settings.token_life_s, acquirer.real_ms()
    issued = secrets.token_urlsafe(48)
    with acquirer.truth.transaction():
        acquirer.truth.add_token(issued, now_ms=now_ms, expires_ms=now_ms + life_s * 1000)
    return {"accessToken": issued, "tokenType": "Bearer", "expiresIn": str(life_s)}


def _partner_signed(acquirer: Acquirer, client_key: str, stamp: str, signature: str) -> bool:
    settings = acquirer.settings
    if client_key != settings.client_key:
        return False
    try:
        # Read each time: the partner may make its key after this process has started.
        key = signing.public_key(settings.partner_key_file.read_bytes())
    except (OSError, ValueError) as error:
        log.warning("no usable partner key at %s: %s", settings.partner_key_file, error)
        return False
    return signing.rsa_matches(key, signing.token_string(client_key, stamp), signature)


routes = [
    Route("/v1.0/access-token/b2b", service(TOKEN, token, _authenticate_key), methods=["POST"])
]
