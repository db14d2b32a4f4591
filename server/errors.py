"""Problems: every way a request can be refused, as an RFC 9457 body in Bahasa and English.

A problem is named as a fact (`SpotOccupied`) beside the service that raises it. Its `slug` is
listed in docs/problems.md, and a test holds the two together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.routing import Match

log = structlog.get_logger()

# How PostgreSQL's error codes (its Appendix A) begin that pass by themselves. For everybody: a lost
# connection, a database that takes no writes, one that is not there, no resources, an operator who
# stops it. For one transaction: kept idle too long, a deadlock, a lock not got in time.
GONE = ("08", "25006", "3D", "53", "57")
IN_THE_WAY = ("25P03", "40", "55")
NOT_STORABLE = "22"
"""The class of values a column cannot hold, such as text with a NUL in it."""
MOST_TOLD = 20
"""How many faults of a file stand in one sentence; `faults` holds them all."""
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

ProblemPage = Callable[[Request, dict[str, Any], dict[str, str]], Response]
"""How a person's browser is told of a problem; set on `app.state.problem_page`."""


class Problem(Exception):
    """A refusal a person can act on. Subclasses set the slug, the status and both titles."""

    slug: ClassVar[str]
    status: ClassVar[int]
    title_id: ClassVar[str]
    title_en: ClassVar[str]

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(detail or self.title_en)
        self.detail = detail
        self.retry_after_s = retry_after_s

    def body(self, language: str) -> dict[str, Any]:
        return problem_body(
            self.slug, self.status, self.title_id, self.title_en, self.detail, language
        )


class NotFound(Problem):
    slug = "not-found"
    status = 404
    title_id = "Tidak ditemukan"
    title_en = "Not found"


class InvalidRequest(Problem):
    slug = "invalid-request"
    status = 422
    title_id = "Permintaan tidak sah"
    title_en = "The request is not valid"


class TooManyRequests(Problem):
    slug = "too-many-requests"
    status = 429
    title_id = "Terlalu banyak permintaan, coba lagi sebentar"
    title_en = "Too many requests, try again shortly"


class Unavailable(Problem):
    slug = "unavailable"
    status = 503
    title_id = "Layanan sedang tidak tersedia, coba lagi sebentar"
    title_en = "The service is unavailable, try again shortly"


class InternalFault(Problem):
    slug = "internal-fault"
    status = 500
    title_id = "Terjadi gangguan di server; kejadian ini tercatat"
    title_en = "Something broke on the server; it has been recorded"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a file, with its line, in both languages."""

    english: str
    indonesian: str


class FileRefused(ValueError):
    """The file cannot be taken in: where and why, in both languages. Nothing of it was stored."""

    def __init__(self, english: str, indonesian: str) -> None:
        self.faults: tuple[Fault, ...] = (Fault(english, indonesian),)

    @classmethod
    def for_all(cls, faults: tuple[Fault, ...]) -> "FileRefused":
        refused = cls("", "")
        refused.faults = faults
        return refused

    @classmethod
    def in_line(cls, line: int, english: str, indonesian: str) -> "FileRefused":
        return cls(f"line {line}: {english}", f"baris {line}: {indonesian}")

    @classmethod
    def in_movement(cls, number: int, english: str, indonesian: str) -> "FileRefused":
        return cls(f"movement {number}: {english}", f"mutasi {number}: {indonesian}")

    @property
    def english(self) -> str:
        return self._told([fault.english for fault in self.faults], "and {} more")

    @property
    def indonesian(self) -> str:
        return self._told([fault.indonesian for fault in self.faults], "dan {} lagi")

    @staticmethod
    def _told(faults: list[str], more: str) -> str:
        left = len(faults) - MOST_TOLD
        return "; ".join(faults[:MOST_TOLD] + ([more.format(left)] if left > 0 else []))

    def __str__(self) -> str:
        return f"{self.indonesian} / {self.english}"


class Faults:
    """Gathers what is wrong with a file, line after line, and refuses it for all of it."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    @contextmanager
    def gathered(self, english: str = "", indonesian: str = "") -> Iterator[None]:
        """The words say where: they stand before what is wrong there."""
        try:
            yield
        except FileRefused as refused:
            self.found += [
                Fault(english + fault.english, indonesian + fault.indonesian)
                for fault in refused.faults
            ]

    def refuse_any(self) -> None:
        if self.found:
            raise FileRefused.for_all(tuple(self.found))


def problem_body(
    slug: str, status: int, title_id: str, title_en: str, detail: str, language: str
) -> dict[str, Any]:
    return {
        "type": f"urn:karcis:problem:{slug}",
        "slug": slug,
        "title": title_en if language == "en" else title_id,
        "title_id": title_id,
        "title_en": title_en,
        "status": status,
        "detail": detail,
    }


def language_of(request: Request) -> str:
    """`en` where the reader asked for English, by `?lang=`, cookie or header; else Bahasa."""
    wanted = request.query_params.get("lang") or request.cookies.get("lang")
    if wanted is None:
        wanted = request.headers.get("accept-language", "")[:2]
    return "en" if wanted == "en" else "id"


def respond(request: Request, problem: Problem, **extra: Any) -> Response:
    headers = {"Content-Language": language_of(request)}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    return _answer(request, problem.body(language_of(request)) | extra, headers)


def _answer(request: Request, body: dict[str, Any], headers: dict[str, str]) -> Response:
    """As a page where a person's browser asks, else as JSON."""
    page: ProblemPage | None = getattr(request.app.state, "problem_page", None)
    if page is not None and "text/html" in request.headers.get("accept", ""):
        return page(request, body, headers)
    return JSONResponse(
        body, body["status"], headers=headers, media_type="application/problem+json"
    )


def _headers(request: Request, exc: HTTPException) -> dict[str, str]:
    """The framework's, whose `Allow` names the methods of a path's first route only."""
    headers = dict(exc.headers or {})
    if "Allow" in headers:
        allowed = (
            method
            for method in METHODS
            if any(
                route.matches({**request.scope, "method": method})[0] is Match.FULL
                for route in request.app.routes
            )
        )
        headers["Allow"] = ", ".join(allowed)
    return headers


def database_gone(exc: Exception) -> bool:
    """Whether the database itself is out of reach, whatever was asked of it."""
    if isinstance(exc, DBAPIError):
        return exc.connection_invalidated or _sql_state(exc).startswith(GONE)
    # The driver's client error: the database said goodbye, and the connection is not closed yet.
    return isinstance(exc, OSError | NoConnectionFree | asyncpg.InternalClientError)


def in_the_way(exc: Exception) -> bool:
    """Whether another transaction held what this one needed: a deadlock, or a lock not got."""
    return isinstance(exc, DBAPIError) and _sql_state(exc).startswith(IN_THE_WAY)


def _sql_state(exc: DBAPIError) -> str:
    return str(getattr(exc.orig, "sqlstate", None) or "")


def install(app: FastAPI) -> None:
    """Answer every failure of `app` as a problem; a bug answers 500 without its stack trace."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, problem: Problem) -> Response:
        return respond(request, problem)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, exc: RequestValidationError) -> Response:
        # The rejected input is left out: it may hold a plate or a PIN.
        errors = [
            {"pointer": "/" + "/".join(str(part) for part in item["loc"]), "detail": item["msg"]}
            for item in exc.errors()
        ]
        return respond(request, InvalidRequest(), errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, exc: HTTPException) -> Response:
        if exc.status_code == 404:
            return respond(request, NotFound())
        body = problem_body(
            f"http-{exc.status_code}",
            exc.status_code,
            "Permintaan ini tidak dapat dilayani",
            str(exc.detail),
            "",
            language_of(request),
        )
        return _answer(request, body, _headers(request, exc))

    @app.exception_handler(OSError)
    @app.exception_handler(NoConnectionFree)
    @app.exception_handler(asyncpg.InternalClientError)
    async def _unreachable(request: Request, exc: Exception) -> Response:
        log.error("unreachable", error=type(exc).__name__, path=request.url.path)
        return respond(request, Unavailable(retry_after_s=2))

    @app.exception_handler(DBAPIError)
    async def _database_refused(request: Request, exc: DBAPIError) -> Response:
        if database_gone(exc) or in_the_way(exc):
            return await _unreachable(request, exc)
        if _sql_state(exc).startswith(NOT_STORABLE):
            return respond(request, InvalidRequest())
        raise exc

    @app.exception_handler(Exception)
    async def _fault(request: Request, exc: Exception) -> Response:
        return respond(request, InternalFault())


async def answered(request: Request, exc: Exception) -> Response:
    """A failure as `install` has it answered, for what goes past the framework; a bug is raised."""
    handlers = request.app.exception_handlers
    for kind in type(exc).__mro__:
        if kind in handlers and kind is not Exception:
            response: Response = await handlers[kind](request, exc)
            return response
    raise exc
