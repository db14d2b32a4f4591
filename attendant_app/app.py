"""create_app(settings): the only place where the handheld is wired together."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from attendant_app import (
    card_pages,
    check_pages,
    closing_pages,
    covered_pages,
    device_key,
    ending_pages,
    endpoints,
    notice_pages,
    pages,
    printing,
    problems,
    refund_wish_pages,
    scan_pages,
    server_api,
    signing,
    slip_pages,
    stay_pages,
    sync,
    training,
    training_pages,
    voucher_pages,
)
from attendant_app.camera import Camera
from attendant_app.guard import Guard
from attendant_app.runtime import Handheld, device_time
from attendant_app.settings import Settings
from attendant_app.store import Store

log = logging.getLogger(__name__)


def create_app(settings: Settings, store: Store | None = None) -> Starlette:
    """The handheld as an ASGI application. A store passed in stays the caller's to close."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        own = store or Store(settings.data)
        own.print_queue.recover(device_time())
        own.print_queue.prune(device_time() - printing.KEPT_FOR)
        async with server_api.new_client(settings.server_url, settings.language) as http:
            handheld = Handheld(settings, own, device_key.load_or_make(settings.data), http)
            if settings.camera:
                handheld.camera = Camera(settings.camera)
            http.auth = signing.RequestSigner(handheld)
            app.state.handheld, app.state.training = handheld, None
            training.settle_interrupted(handheld)
            work = [
                asyncio.create_task(sync.run(handheld)),
                asyncio.create_task(printing.run(handheld)),
            ]
            try:
                yield
            finally:
                handheld.bell.close()
                if app.state.training is not None:
                    await app.state.training.stop()
                for task in work:
                    task.cancel()
                for task in work:
                    with suppress(asyncio.CancelledError):
                        await task
        if store is None:
            own.close()

    return Starlette(
        routes=[
            *endpoints.ROUTES,
            *pages.ROUTES,
            *scan_pages.ROUTES,
            *closing_pages.ROUTES,
            *check_pages.ROUTES,
            *notice_pages.ROUTES,
            *voucher_pages.ROUTES,
            *card_pages.ROUTES,
            *training_pages.ROUTES,
            *covered_pages.ROUTES,
            *stay_pages.ROUTES,
            *slip_pages.ROUTES,
            *refund_wish_pages.ROUTES,
            *ending_pages.ROUTES,
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={
            problems.Problem: _on_problem,
            HTTPException: _on_http_exception,
            sqlite3.Error: _on_storage_error,
            Exception: _on_fault,
        },
        lifespan=lifespan,
    )


def _answer(request: Request, problem: problems.Problem) -> Response:
    path = request.url.path
    if path.startswith(("/api/", "/static/", "/fragments/")):
        return JSONResponse(problem.body(), problem.status, media_type="application/problem+json")
    if isinstance(problem, (problems.NotSignedIn, problems.NotEnrolled, problems.AttendantStopped)):
        return RedirectResponse("/", 303)
    return pages.problem_page(request, problem)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, problems.Problem)
    return _answer(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: problems.NotFound, 405: problems.MethodNotAllowed, 413: problems.TooLarge}
    return _answer(request, known.get(error.status_code, problems.InvalidRequest)())


async def _on_storage_error(request: Request, error: Exception) -> Response:
    log.error("storage: %s", error)
    return _answer(request, problems.StorageFailed())


async def _on_fault(request: Request, error: Exception) -> Response:
    # Starlette logs the traceback; the screen gets a sentence.
    return JSONResponse(problems.InternalError().body(), 500, media_type="application/problem+json")
