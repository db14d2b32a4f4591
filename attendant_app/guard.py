"""What stands between the local port and the world: Host and Origin checks, body limits, headers.

The page runs on the device itself, so a request for another host name is DNS rebinding, and a
write from another origin is some other page in the same browser.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attendant_app import problems
from attendant_app.scanner import MAX_PICTURE_BYTES

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY = 64 * 1024
# A picture comes inside a multipart envelope.
MAX_SCAN_BODY = MAX_PICTURE_BYTES + 64 * 1024
PICTURE_PATHS = (
    "/api/scan",
    "/api/frames",
    "/scan",
    "/checks/signs/",
    "/sign-in/card",
    "/notices/",
)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    # Not no-referrer: with it a browser sends `Origin: null` from our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware; refuses before any route sees the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = _with_headers(send, cacheable=scope["path"].startswith("/static/"))
        limit = MAX_SCAN_BODY if scope["path"].startswith(PICTURE_PATHS) else MAX_BODY
        problem = _objection(scope["method"], headers, limit)
        if problem is not None:
            await _answer(problem, scope, receive, send)
            return
        body = _Limited(receive, limit)
        await self.app(scope, body.receive, send)


def _objection(method: str, headers: Headers, limit: int) -> problems.Problem | None:
    host = headers.get("host", "")
    if _name_of(host) not in LOCAL_NAMES:
        return problems.ForeignRequest("host")
    if method not in SAFE_METHODS:
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return problems.ForeignRequest("origin")
        # Without an Origin a browser still says where a request comes from; programs do not.
        if origin is None and headers.get("sec-fetch-site", "same-origin") not in (
            "same-origin",
            "none",
        ):
            return problems.ForeignRequest("site")
    declared = headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared) > limit:
        return problems.TooLarge()
    return None


def _name_of(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts.hostname if parts.username is None else None


async def _answer(problem: problems.Problem, scope: Scope, receive: Receive, send: Send) -> None:
    response = JSONResponse(problem.body(), problem.status, media_type="application/problem+json")
    await response(scope, receive, send)


class _Limited:
    """Counts what really arrives: a chunked body declares nothing."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise problems.TooLarge
        return message


def _with_headers(send: Send, *, cacheable: bool) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers["Cache-Control"] = "no-cache" if cacheable else "no-store"
        await send(message)

    return wrapped
