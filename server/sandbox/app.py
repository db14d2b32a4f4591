"""Wires the sandbox acquirer: truth ledger, key, notifier, SNAP services, wallet and controls."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.sandbox import (
    consumer,
    control,
    cpm,
    mpm,
    originals,
    pages,
    rest,
    signing,
    snap,
    switches,
    wallet,
)
from server.sandbox.acquirer import Acquirer
from server.sandbox.notifier import Notifier
from server.sandbox.settings import Settings
from server.sandbox.truth import Truth

_SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        b"connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)


# Copies of a notification may be asked for by the hundred, all at one moment.
_LIMITS = httpx.Limits(max_connections=500, max_keepalive_connections=20)


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SECURITY_HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def _now() -> datetime:
    return datetime.now(UTC)


def create_app(settings: Settings, *, now: Callable[[], datetime] = _now) -> Starlette:
    """The acquirer as one application; `now` is an argument so that tests can turn the clock."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        truth = Truth(settings.data / "truth.sqlite3", settings.zone)
        key = signing.own_key(settings.private_key_file)
        acquirer = Acquirer(settings, truth, key, now, asyncio.Event())
        app.state.acquirer = acquirer
        # No proxy from the environment: the partner is named in full by the settings.
        async with httpx.AsyncClient(
            timeout=settings.notify_timeout_s, trust_env=False, limits=_LIMITS
        ) as client:
            worker = asyncio.create_task(Notifier(acquirer, client).run())
            try:
                yield
            finally:
                worker.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await worker
                truth.close()

    static = StaticFiles(directory=Path(__file__).with_name("static"))
    return Starlette(
        routes=[
            *snap.routes,
            *mpm.routes,
            *cpm.routes,
            *originals.routes,
            *rest.routes,
            *control.routes,
            *switches.routes,
            *wallet.routes,
            *consumer.routes,
            Route("/", _home),
            Mount("/static", static),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={
            control.ControlError: control.refused,
            pages.WalletError: pages.refused,
        },
        lifespan=lifespan,
    )


async def _home(request: Request) -> Response:
    return RedirectResponse("/wallet", 307)


def serve(settings: Settings) -> None:
    """Runs the acquirer until SIGINT or SIGTERM. Talks on stderr."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # uvicorn shuts down in order, then raises the signal again: a wanted end is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
