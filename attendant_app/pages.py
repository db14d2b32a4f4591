"""The attendant's pages: forms in, HTML out. Every one of them also works without JavaScript,
save the camera. What changes while a page is open is fetched again as a fragment.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from attendant_app import endpoints, messages, prices, printing, problems, service
from attendant_app.endpoints import handheld_of
from attendant_app.runtime import Handheld
from attendant_app.settings import LANGUAGES
from attendant_app.store import Sync
from domain.money import format_rp
from domain.tariff import VehicleClass

TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")
TEMPLATES.env.trim_blocks = TEMPLATES.env.lstrip_blocks = True
YEAR_S = 365 * 24 * 3600

# What a charge's screen looks like. Only `paid` is green, and only the server says `paid`.
OUTCOMES = {
    "paid": "paid",
    "expired": "expired",
    "cancelled": "cancelled",
    "issue_failed": "failed",
    "refund_pending": "refund",
    "refunded": "refund",
    "refund_unknown": "refund",
    "refund_refused": "refund",
}


def language_of(request: Request) -> str:
    chosen = request.cookies.get("language", "")
    return chosen if chosen in LANGUAGES else handheld_of(request).settings.language


def page(request: Request, name: str, status: int = 200, **values: object) -> Response:
    handheld, language = handheld_of(request), language_of(request)
    facts = endpoints.full_status(handheld)
    oldest = facts["oldest_unsynced_s"]
    context = {
        "t": messages.translator(language),
        "language": language,
        "rp": format_rp,
        "status": facts,
        "oldest_age": messages.age(oldest, language) if oldest is not None else "",
        "class_label": lambda name: VehicleClass(name).label(language),
        **values,
    }
    return TEMPLATES.TemplateResponse(request, name, context, status_code=status)


def problem_page(request: Request, problem: problems.Problem) -> Response:
    return page(
        request, "problem.html", problem.status, problem=problem, words=words(request, problem)
    )


def words(request: Request, problem: problems.Problem) -> str:
    """A problem as a person reads it; the office's own words follow ours."""
    language = language_of(request)
    title = problem.title_en if language == "en" else problem.title_id
    if isinstance(problem, problems.PictureRefused) and problem.detail in messages.MESSAGES:
        return f"{title}. {messages.text(problem.detail, language)}"
    if isinstance(problem, problems.RefusedByServer) and problem.detail:
        return f"{title}: {problem.detail}"
    return title


async def _field(request: Request, name: str) -> str:
    async with request.form(max_files=0, max_fields=8) as form:
        value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _go(path: str) -> Response:
    return RedirectResponse(path, 303)


# Who is here


async def start(request: Request) -> Response:
    handheld = handheld_of(request)
    if handheld.store.device() is None:
        return _go("/enrol")
    if handheld.store.shift() is None:
        return _go("/sign-in")
    spot = request.cookies.get("spot", "")
    known = prices.spot_in(handheld.store.master_data(), spot)
    return _go(f"/spots/{known['code']}" if known else "/spots")


async def enrol(request: Request) -> Response:
    handheld = handheld_of(request)
    if handheld.store.device() is not None:
        return _go("/")
    if request.method == "GET":
        return page(request, "enrol.html")
    try:
        await service.enrol(handheld, (await _field(request, "code")).strip())
    except problems.Problem as problem:
        return page(request, "enrol.html", problem.status, error=words(request, problem))
    return _go("/sign-in")


async def sign_in(request: Request) -> Response:
    handheld = handheld_of(request)
    if handheld.store.device() is None:
        return _go("/enrol")
    if request.method == "GET":
        return page(request, "sign_in.html", attendant=_last_attendant(handheld))
    attendant = await _field(request, "attendant")
    try:
        await service.sign_in(handheld, attendant, await _field(request, "pin"))
    except problems.Problem as problem:
        return page(
            request,
            "sign_in.html",
            problem.status,
            attendant=attendant,
            error=words(request, problem),
        )
    return _go("/")


def _last_attendant(handheld: Handheld) -> str:
    shift = handheld.store.shift()
    return shift.attendant if shift else ""


async def shift(request: Request) -> Response:
    service.on_shift(handheld_of(request))
    return page(request, "shift.html")


async def sign_out(request: Request) -> Response:
    try:
        service.sign_out(handheld_of(request))
    except problems.UnsyncedRecords as problem:
        return page(request, "shift.html", problem.status, error=words(request, problem))
    return _go("/")


async def switch_language(request: Request) -> Response:
    response = _go("/")
    other = "en" if language_of(request) == "id" else "id"
    response.set_cookie("language", other, max_age=YEAR_S, samesite="strict", httponly=True)
    return response


# Spots and charges


async def spot_list(request: Request) -> Response:
    handheld = handheld_of(request)
    service.on_shift(handheld)
    return page(request, "spots.html", spots=service.spots(handheld))


async def home(request: Request) -> Response:
    handheld = handheld_of(request)
    service.on_shift(handheld)
    code = request.path_params["spot"]
    spot = next((spot for spot in service.spots(handheld) if spot["code"] == code), None)
    if spot is None:
        raise problems.UnknownSpot
    response = page(request, "home.html", spot=spot, classes=list(VehicleClass), **_tiles(handheld))
    response.set_cookie("spot", code, max_age=YEAR_S, samesite="strict", httponly=True)
    return response


def _tiles(handheld: Handheld) -> dict[str, Any]:
    charges = handheld.store.charges(30)
    return {
        "open": [tile(handheld, charge.id) for charge in charges if charge.is_open],
        "recent": [tile(handheld, charge.id) for charge in charges if not charge.is_open][:8],
    }


def tile(handheld: Handheld, charge_id: str) -> dict[str, Any]:
    """A charge as the screens show it: the facts, and which of the few looks it takes."""
    charge = service.charge_or_problem(handheld, charge_id)
    facts = service.view(handheld, charge)
    if charge.sync is Sync.REFUSED:
        look = "refused"
    elif charge.state in OUTCOMES:
        look = OUTCOMES[charge.state]
    elif facts["qris"]:
        look = "payable"
    else:
        look = "waiting"
    return {**facts, "look": look, "merchant": service.merchant_of(facts["qris"])}


async def new_charge(request: Request) -> Response:
    handheld = handheld_of(request)
    async with request.form(max_files=0, max_fields=8) as form:
        spot, vehicle_class = str(form.get("spot", "")), str(form.get("vehicle_class", ""))
    charge = await service.request_charge(handheld, spot, vehicle_class)
    return _go(f"/charges/{charge.id}")


def _charge_context(request: Request) -> dict[str, Any]:
    handheld = handheld_of(request)
    service.on_shift(handheld)
    facts = tile(handheld, request.path_params["charge_id"])
    printed = printing.print_status(handheld, facts["id"])
    local = prices.zone_of(handheld.store.master_data())
    paid_at = facts["paid_at"] and datetime.fromisoformat(facts["paid_at"]).astimezone(local)
    return {"charge": facts, "print": printed, "paid_at": paid_at}


async def charge(request: Request) -> Response:
    return page(request, "charge.html", **_charge_context(request))


async def reprint(request: Request) -> Response:
    printing.reprint(handheld_of(request), _charge_context(request)["charge"]["id"])
    return _go(f"/charges/{request.path_params['charge_id']}")


async def print_confirm(request: Request) -> Response:
    printing.confirm(handheld_of(request), _charge_context(request)["charge"]["id"])
    return _go(f"/charges/{request.path_params['charge_id']}")


async def scan(request: Request) -> Response:
    service.on_shift(handheld_of(request))
    return page(request, "scan.html")


# Fragments: the parts of a page that change under it


async def status_fragment(request: Request) -> Response:
    return page(request, "_status.html")


async def tiles_fragment(request: Request) -> Response:
    service.on_shift(handheld_of(request))
    return page(request, "_tiles.html", **_tiles(handheld_of(request)))


async def charge_fragment(request: Request) -> Response:
    return page(request, "_charge.html", **_charge_context(request))


async def spots_fragment(request: Request) -> Response:
    service.on_shift(handheld_of(request))
    return page(request, "_spots.html", spots=service.spots(handheld_of(request)))


ROUTES = [
    Route("/", start),
    Route("/enrol", enrol, methods=["GET", "POST"]),
    Route("/sign-in", sign_in, methods=["GET", "POST"]),
    Route("/shift", shift),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/language", switch_language, methods=["POST"]),
    Route("/spots", spot_list),
    Route("/spots/{spot}", home),
    Route("/charges", new_charge, methods=["POST"]),
    Route("/charges/{charge_id}", charge),
    Route("/charges/{charge_id}/reprint", reprint, methods=["POST"]),
    Route("/charges/{charge_id}/print-confirm", print_confirm, methods=["POST"]),
    Route("/scan", scan),
    Route("/fragments/status", status_fragment),
    Route("/fragments/tiles", tiles_fragment),
    Route("/fragments/spots", spots_fragment),
    Route("/fragments/charges/{charge_id}", charge_fragment),
]
