"""The server's wiring: the only place that builds and mounts its parts."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import server.tables  # noqa: F401
from domain.payment import ChargeKind
from server import errors, health, jobs, observability, openapi, pages
from server.announcements import Announcer
from server.audit import endpoints as audit
from server.audit.checkpoints import Keeper
from server.audit.notes import AuditKeyUnfit, Signer
from server.database import create_engine, create_transactions, plain_url
from server.displays import endpoints as displays
from server.driver import endpoints as driver
from server.driver import reminders
from server.driver import stay_endpoints as driver_stays
from server.driver.spot_pages import SpotPages
from server.faults import CRASH_AT
from server.guard import Guard
from server.identity import endpoints as identity
from server.identity.single_sign_on import Portal
from server.integrators import endpoints as integrators
from server.limits import RateLimit
from server.office import endpoints as office
from server.open_data import apds_endpoints as apds
from server.open_data import cds_endpoints as cds
from server.open_data import endpoints as open_data
from server.open_data import map_pages
from server.open_data.editions import Editions
from server.payments import endpoints as payments
from server.payments import stay_endpoints as stays
from server.payments.acquirer import Acquirer, AcquirerProfile, Acquirers, profile
from server.payments.books import Books
from server.payments.callbacks import Listener, SnapListener
from server.payments.charge_events import Listeners
from server.payments.issuing import Issuer
from server.payments.notifications import Inbox
from server.payments.open_charges import OpenCharges
from server.payments.rest import RestAcquirer, RestListener
from server.payments.seals import ProofKeyUnfit
from server.payments.snap import Credentials, SnapAcquirer
from server.payments.wire import new_client
from server.payments.wiring import Wiring
from server.reports.mailing import Mailer, MailUnfit
from server.reports.signing import ReportKeyUnfit, ReportSigner, signer_of
from server.settings import AcquirersUnfit, AcquirerTerms, Settings
from server.shortcuts import Shortcuts
from server.spots.scans import Scans
from server.sync import endpoints as sync
from server.webhooks import endpoints as webhooks
from server.webhooks.delivery import Sender
from server.webhooks.sealing import Seal
from server.workdays import HolidaysUnfit

OFFICE_TRIES_PER_MINUTE = 10
PORTAL_TIMEOUT_S = 5.0
RAW = (payments.acquirer_router, payments.raw_router, driver.raw_router)


class NotConfigured(Exception):
    """A setting without which the server cannot work is missing or wrong."""


def create_interface() -> FastAPI:
    """Every route, without what they work on: enough to describe them."""
    app = FastAPI(
        title="Karcis",
        version="0.1.0",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        routes=list(_routes()),
    )
    openapi.install(app)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Once in a process: FastAPI reads anew for each app what its endpoints ask for."""
    router = APIRouter(generate_unique_id_function=lambda route: route.name)
    for raw in RAW:
        router.include_router(raw)
    router.include_router(driver_stays.router)
    for slice_ in (
        health,
        audit,
        identity,
        payments,
        stays,
        sync,
        integrators,
        webhooks,
        driver,
        displays,
        office,
    ):
        router.include_router(slice_.router)
    for feed in (open_data, cds, apds, map_pages):
        router.include_router(feed.router)
    return tuple(router.routes)


def create_app(settings: Settings) -> FastAPI:
    """A server on `settings.database_url`, which must be migrated already.

    Raises NotConfigured, in words a person can act on.
    """
    if not settings.database_url:
        raise NotConfigured("DATABASE_URL is not set (`karcis run` starts a database of its own)")
    _refuse_unsafe(settings)
    app = create_interface()
    engine = create_engine(settings.database_url)
    transactions = create_transactions(engine)
    books = _books(settings)
    announcer = Announcer(plain_url(settings.database_url))

    app.state.settings = settings
    app.state.engine = engine
    app.state.transactions = transactions
    app.state.driver_limit = RateLimit(settings.driver_charges_per_minute)
    app.state.spot_limit = RateLimit(settings.spot_charges_per_minute)
    app.state.open_charges = OpenCharges(
        settings.open_charges_per_address, settings.open_charges_per_spot
    )
    app.state.receipt_limit = RateLimit(settings.receipt_lookups_per_minute)
    app.state.report_limit = RateLimit(settings.reports_per_minute)
    app.state.picture_limit = RateLimit(settings.picture_checks_per_minute)
    app.state.key_limit = RateLimit(settings.key_requests_per_minute)
    app.state.open_data_limit = RateLimit(settings.open_data_requests_per_minute)
    app.state.display_limit = RateLimit(settings.display_requests_per_minute)
    app.state.open_data = Editions()
    app.state.scans = Scans()
    app.state.office_limit = RateLimit(OFFICE_TRIES_PER_MINUTE)
    acquirers = create_acquirers(settings)
    app.state.payments = Wiring(
        acquirers=acquirers,
        issuer=Issuer(transactions, acquirers, announcer, books),
        inboxes={
            (terms.name, kind): Inbox(
                transactions, announcer, create_listener(settings, terms, kind), books
            )
            for terms in settings.acquirer_terms
            for kind in (ChargeKind.MPM, ChargeKind.CPM)
        },
        announcer=announcer,
        books=books,
        settings=settings,
    )
    app.state.listeners = Listeners(transactions, announcer, books)
    app.state.spot_pages = SpotPages(transactions, books, settings, app.state.scans)
    app.state.push = _push(settings)
    app.state.portal = _portal(settings)
    app.state.workdays = books.workdays
    app.state.audit_signer = _audit_signer(settings)
    app.state.report_signer = _report_signer(settings)
    app.state.mailer = _mailer(settings)
    errors.install(app)
    app.add_middleware(Shortcuts, routers=RAW)
    app.add_middleware(
        observability.Measure,
        whole={id(each.original_route): str(each.path) for each in iter_route_contexts(app.routes)},
    )
    app.add_middleware(Guard)
    if settings.trusted_proxies:
        # Only these may say for whom they ask; anybody else's word for it is ignored.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies.split())
    app.mount("/static/displays", displays.static_files)
    app.mount("/static/driver", driver.static_files)
    app.mount("/static", StaticFiles(directory=pages.HERE / "static"))
    app.state.problem_page = _problem_page(books)
    return app


def _push(settings: Settings) -> reminders.Push | None:
    if settings.push_key is None:
        return None
    try:
        key = reminders.PushKey.read(settings.push_key, settings.base_url)
    except reminders.PushKeyUnfit as exc:
        raise NotConfigured(f"the key of reminders: {exc}") from exc
    client = httpx.AsyncClient(timeout=reminders.TIMEOUT_S, follow_redirects=False, trust_env=False)
    return reminders.Push(key, settings.push_hosts.split(), client)


def _audit_signer(settings: Settings) -> Signer | None:
    try:
        return Signer.of(settings)
    except AuditKeyUnfit as exc:
        raise NotConfigured(f"the key of the audit log: {exc}") from exc


def _report_signer(settings: Settings) -> ReportSigner | None:
    try:
        return signer_of(settings)
    except ReportKeyUnfit as exc:
        raise NotConfigured(f"the key of reports: {exc}") from exc


def _mailer(settings: Settings) -> Mailer | None:
    try:
        return Mailer.of(settings)
    except MailUnfit as exc:
        raise NotConfigured(f"the mail server: {exc}") from exc


def _portal(settings: Settings) -> Portal | None:
    """The city's own sign-in, where there is one."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise NotConfigured("KARCIS_OIDC_CLIENT_ID is not set")
    return Portal(
        settings.oidc_issuer,
        settings.oidc_client_id,
        _secret(settings.oidc_client_secret, "KARCIS_OIDC_CLIENT_SECRET"),
        settings.oidc_claim,
        f"{settings.base_url}/office/portal/return",
        httpx.AsyncClient(timeout=PORTAL_TIMEOUT_S, follow_redirects=False, trust_env=False),
    )


def _problem_page(books: Books) -> errors.ProblemPage:
    def page(request: Request, problem: dict[str, Any], headers: dict[str, str]) -> Response:
        return pages.render(
            request,
            pages.HERE / "templates",
            "problem.html",
            books=books,
            status=problem["status"],
            headers=headers,
            problem=problem,
            wait_s=int(headers.get("Retry-After", 0)) if problem["status"] == 429 else 0,
        )

    return page


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    wired: Wiring = app.state.payments
    async with AsyncExitStack() as stack:
        stack.push_async_callback(app.state.engine.dispose)
        stack.push_async_callback(wired.acquirers.close)
        if app.state.push is not None:
            stack.push_async_callback(app.state.push.close)
        if app.state.portal is not None:
            stack.push_async_callback(app.state.portal.client.aclose)
        await _background(stack, wired.announcer.run())
        await _background(stack, app.state.listeners.run())
        stack.push_async_callback(app.state.scans.write, app.state.transactions)
        await _background(stack, app.state.scans.run(app.state.transactions))
        if settings.jobs:
            work = jobs.run(
                settings.database_url or "",
                app.state.transactions,
                wired.acquirers,
                wired.announcer,
                wired.books,
                _webhook_sender(stack, app),
                app.state.push,
                keeper=Keeper(
                    app.state.transactions,
                    app.state.audit_signer,
                    settings.audit_directory,
                    settings.timezone,
                ),
                plates_kept=timedelta(days=settings.plate_days),
                told_kept=timedelta(days=settings.contact_days),
                silent_days=settings.sign_silent_days,
                workdays=app.state.workdays,
                deposit_working_days=settings.deposit_working_days,
                evidence_kept=timedelta(days=settings.evidence_days),
                report_signer=app.state.report_signer,
                mailer=app.state.mailer,
            )
            await _background(stack, work)
        yield


def _webhook_sender(stack: AsyncExitStack, app: FastAPI) -> Sender | None:
    settings: Settings = app.state.settings
    if settings.webhook_key is None:
        return None
    sender = Sender(
        app.state.transactions,
        Seal(settings.webhook_key),
        production=settings.mode == "production",
        clock=lambda: datetime.now(UTC),
    )
    stack.push_async_callback(sender.close)
    return sender


async def _background(stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


def _refuse_unsafe(settings: Settings) -> None:
    if settings.mode == "production" and os.environ.get(CRASH_AT):
        raise NotConfigured(f"{CRASH_AT} is for tests and must not be set in production")
    if not __debug__:
        raise NotConfigured("python -O strips the checks that guard money; run without it")


def create_acquirers(settings: Settings) -> Acquirers:
    """Raises NotConfigured."""
    try:
        first, *further = settings.acquirer_terms
    except AcquirersUnfit as exc:
        raise NotConfigured(f"KARCIS_ACQUIRERS: {exc}") from exc
    return Acquirers(*(create_acquirer(settings, terms) for terms in (first, *further)))


def create_acquirer(settings: Settings, terms: AcquirerTerms) -> Acquirer:
    spoken = profile(terms.profile, of=terms.name)
    client = new_client(terms.url, settings.acquirer_timeout_s)
    secret = _secret(terms.client_secret, terms.called("client_secret"))
    if spoken.transport == "rest":
        return RestAcquirer(client, spoken, secret)
    return SnapAcquirer(
        client,
        spoken,
        Credentials(
            client_key=terms.client_key,
            client_secret=secret,
            private_key=_private_key(terms.private_key, terms.called("private_key")),
            merchant_id=terms.merchant_id,
            terminal_id=terms.terminal_id,
        ),
    )


def create_listener(
    settings: Settings, terms: AcquirerTerms, kind: ChargeKind = ChargeKind.MPM
) -> Listener:
    spoken = _as_called(profile(terms.profile, of=terms.name), terms)
    if spoken.transport == "rest":
        key = _secret(terms.client_secret, terms.called("client_secret"))
        return RestListener(spoken, terms.merchant_id, key)
    return SnapListener(
        profile=spoken,
        public_key=_public_key(terms.public_key, terms.called("public_key")),
        merchant_id=terms.merchant_id,
        client_key=terms.notify_client_key,
        client_secret=_secret(terms.notify_client_secret, terms.called("notify_client_secret")),
        clock_tolerance=timedelta(seconds=settings.notification_clock_tolerance_s),
        kind=kind,
    )


def _as_called(spoken: AcquirerProfile, terms: AcquirerTerms) -> AcquirerProfile:
    """With the paths that this acquirer signs: below its own prefix, unless agreed otherwise."""
    before = "" if terms.first else f"/v1/acquirers/{terms.name}"
    return replace(
        spoken,
        notify_path=terms.notify_path or before + spoken.notify_path,
        notify_consumer_path=terms.notify_consumer_path or before + spoken.notify_consumer_path,
    )


def _secret(value: SecretStr | None, name: str) -> SecretStr:
    if value is None or not value.get_secret_value():
        raise NotConfigured(f"{name} is not set")
    return value


def _books(settings: Settings) -> Books:
    try:
        return Books.of(settings)
    except ProofKeyUnfit as exc:
        raise NotConfigured(f"the key of proofs: {exc}") from exc
    except HolidaysUnfit as exc:
        raise NotConfigured(f"the regency's holidays: {exc}") from exc


def _private_key(path: Path | None, name: str) -> RSAPrivateKey:
    key = load_pem_private_key(_read(path, name), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise NotConfigured(f"{name} is not an RSA key")
    return key


def _public_key(path: Path | None, name: str) -> RSAPublicKey:
    key = load_pem_public_key(_read(path, name))
    if not isinstance(key, RSAPublicKey):
        raise NotConfigured(f"{name} is not an RSA key")
    return key


def _read(path: Path | None, name: str) -> bytes:
    if path is None:
        raise NotConfigured(f"{name} is not set")
    try:
        return path.read_bytes()
    except OSError as exc:
        raise NotConfigured(f"{name}: cannot read {path} ({exc.strerror})") from exc
