"""Structured logs and request metrics. Only listed fields are ever logged: no plate, no person."""

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGED = {
    "event", "level", "timestamp", "request_id", "charge_id", "device_id", "state", "status",
    "flag", "amount_rp", "outcome", "code", "path", "error", "route", "duration_ms", "count",
    "exception", "reason", "refund", "day",
}  # fmt: skip

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

REQUESTS = Histogram(
    "http_server_request_duration_seconds",
    "Time to answer a request",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def _keep_listed(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in LOGGED}


def configure_logging() -> None:
    """JSON lines on stderr, in UTC; stdout belongs to the command's own answer."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _keep_listed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class Measure:
    """Times every request under its route's template, never its path. Plain ASGI: cheap.

    `whole` has the templates of nested routers' routes, which alone know only their own part.
    """

    def __init__(self, app: ASGIApp, whole: Mapping[int, str]) -> None:
        self.app = app
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500  # what an exception that nobody expected is answered with, further out

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            found = scope.get("route")
            route = self.whole.get(id(found)) or getattr(found, "path", "unmatched")
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(method, route, str(status)).observe(time.perf_counter() - started)
