"""The attendant's pages: forms in, HTML out. Every one of them also works without JavaScript,
save the camera. What changes while a page is open is fetched again as a fragment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from attendant_app import (
    covered,
    earnings,
    endpoints,
    messages,
    offline,
    pool,
    prices,
    printing,
    problems,
    refund_wishes,
    service,
    shifts,
    signs,
    speech,
    stays,
)
from attendant_app.endpoints import handheld_of
from attendant_app.prices import Offer
from attendant_app.runtime import Handheld, device_time, new_id
from attendant_app.settings import LANGUAGES
from attendant_app.store import Sync
from domain.closure import ClosureReason
from domain.money import format_rp
from domain.payment import ChargeKind
from domain.tariff import VehicleClass

TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")
TEMPLATES.env.trim_blocks = TEMPLATES.env.lstrip_blocks = True
YEAR_S = 365 * 24 * 3600

NEWS = 12
FRESH = timedelta(seconds=20)
"""How long a charge that a screen has not shown before is still worth a sound."""


@dataclass(frozen=True)
class Look:
    """How a charge is told apart: by its colour (the style sheet's `is-…`), and by these."""

    words: str
    icon: str
    tone: str = ""


# Only `paid` is green, and only the server says `paid`, itself or by a proof that it signed.
LOOKS = {
    "payable": Look("open-charges", "qris"),
    "unsure": Look("not-sure-here", "qris"),
    "waiting": Look("waiting", "clock", "wait"),
    "cash": Look("cash-unsent", "cash", "wait"),
    "held": Look("cash-held", "cash", "wait"),
    "voucher": Look("voucher-unsent", "voucher", "wait"),
    "paid": Look("paid", "tick", "good"),
    "expired": Look("expired", "expired", "bad"),
    "cancelled": Look("cancelled", "cross", "bad"),
    "failed": Look("issue-failed", "cross", "bad"),
    "refused": Look("refused", "cross", "bad"),
    "refund": Look("refund", "refund", "bad"),
}
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
        "sound": request.cookies.get("sound") != "off",
        "tickets": prints_tickets(request),
        "news": lambda: _news(handheld, language),
        "rp": format_rp,
        "exemptions": lambda: covered.exemptions(handheld),
        "printed": lambda kind, record_id: printing.status(handheld, kind, record_id),
        "status": facts,
        "age": lambda seconds: messages.age(seconds, language),
        "oldest_age": messages.age(oldest, language) if oldest is not None else "",
        "time_left": messages.time_left(facts["offline"]["left_s"], language),
        "class_label": lambda name: VehicleClass(name).label(language),
        "reason_label": lambda name: ClosureReason(name).label(language),
        "day_time": lambda told: _day_time(handheld, told),
        **values,
    }
    return TEMPLATES.TemplateResponse(request, name, context, status_code=status)


def _day_time(handheld: Handheld, told: str) -> str:
    local = datetime.fromisoformat(told).astimezone(prices.zone_of(handheld.store.master_data()))
    return local.strftime("%d-%m %H.%M")


def _news(handheld: Handheld, language: str) -> list[dict[str, Any]]:
    """The newest charges, so that any screen can sound when one of them is decided."""
    if handheld.store.shift() is None:
        return []
    tiles = [tile(handheld, charge.id) for charge in handheld.store.charges(NEWS)]
    said = messages.text("training-say", language) if handheld.training else ""
    return [{**facts, "say": said + speech.of_charge(facts, language)} for facts in tiles]


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
    shift = handheld.store.shift()
    if shift is None:
        return _go("/sign-in")
    if handheld.store.is_stopped(shift.attendant):
        return _go("/shift")
    spot = request.cookies.get("spot", "")
    known = prices.spot_in(handheld.store.master_data(), spot)
    return _go(f"/spots/{known['code']}" if known else "/spots")


async def enrol(request: Request) -> Response:
    handheld = handheld_of(request)
    if request.method == "GET":
        return page(request, "enrol.html", camera=handheld.camera)
    try:
        await shifts.enrol(handheld, (await _field(request, "code")).strip())
    except problems.Problem as problem:
        told = {"camera": handheld.camera, "error": words(request, problem)}
        return page(request, "enrol.html", problem.status, **told)
    return _go("/sign-in")


async def sign_in(request: Request) -> Response:
    handheld = handheld_of(request)
    if handheld.store.device() is None:
        return _go("/enrol")
    if request.method == "GET":
        told = request.query_params.get("attendant", "")[:40]
        return page(request, "sign_in.html", attendant=told or _last_attendant(handheld))
    attendant = await _field(request, "attendant")
    try:
        await shifts.sign_in(handheld, attendant, await _field(request, "pin"))
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
    return page(request, "shift.html", **_today(handheld_of(request)))


def _today(handheld: Handheld) -> dict[str, Any]:
    """What this device recorded, and the office's last word on what the attendant earned."""
    own = shifts.signed_in(handheld)
    return {"takings": shifts.takings(handheld), "earned": earnings.last(handheld, own.attendant)}


async def switch_sound(request: Request) -> Response:
    response = _go("/shift")
    other = "on" if request.cookies.get("sound") == "off" else "off"
    response.set_cookie("sound", other, max_age=YEAR_S, samesite="strict", httponly=True)
    return response


def prints_tickets(request: Request) -> bool:
    """Whether a stay that is paid when it ends prints its ticket when it begins, by itself."""
    return request.cookies.get("tickets") == "on"


async def switch_tickets(request: Request) -> Response:
    response = _go("/shift")
    other = "off" if prints_tickets(request) else "on"
    response.set_cookie("tickets", other, max_age=YEAR_S, samesite="strict", httponly=True)
    return response


async def switch_language(request: Request) -> Response:
    response = _go("/")
    other = "en" if language_of(request) == "id" else "id"
    response.set_cookie("language", other, max_age=YEAR_S, samesite="strict", httponly=True)
    return response


# Spots and charges


async def spot_list(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    return page(request, "spots.html", spots=service.spots(handheld))


async def home(request: Request) -> Response:
    handheld, spot = handheld_of(request), _spot(request)
    handheld.signals.spot = spot["code"]
    pool.work_at(handheld, spot["code"])
    later = request.cookies.get("later") == shifts.on_shift(handheld).id
    told = {"invited": not later and signs.invited(handheld), **_home(request), **_tiles(handheld)}
    response = page(request, "home.html", **told)
    response.set_cookie("spot", spot["code"], max_age=YEAR_S, samesite="strict", httponly=True)
    return response


def _home(request: Request) -> dict[str, Any]:
    """The spot worked at, and how many barcodes are kept for each class where nobody is asked."""
    handheld, spot = handheld_of(request), _spot(request)
    kept: dict[str, int] = {}
    if not handheld.link.online:
        window = offline.window(handheld)
        for name, told in spot["offers"].items():
            offer = told and Offer(**told)
            trusted = offer and not window.over and window.has_room_for(offer.amount_rp)
            ready = pool.ready(handheld, spot["code"], VehicleClass(name), offer)
            kept[name] = len(ready) if trusted else 0
    return {"spot": spot, "classes": list(VehicleClass), "kept": kept}


async def classes_fragment(request: Request) -> Response:
    return page(request, "_classes.html", **_home(request))


def _spot(request: Request) -> dict[str, Any]:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    code = request.path_params["spot"]
    spot = next((spot for spot in service.spots(handheld) if spot["code"] == code), None)
    if spot is None:
        raise problems.UnknownSpot
    return spot


async def cash(request: Request) -> Response:
    spot = _open_spot(request)
    return page(request, "cash.html", spot=spot, classes=list(VehicleClass))


def _open_spot(request: Request) -> dict[str, Any]:
    """The spot, where a vehicle may come to it now."""
    handheld, spot = handheld_of(request), _spot(request)
    service.refuse_where_closed(handheld, handheld.store.master_data(), spot["code"])
    return spot


async def confirm_cash(request: Request) -> Response:
    """Asks once more: cash, once recorded, is the attendant's debt."""
    spot, vehicle_class = _open_spot(request), request.path_params["vehicle_class"]
    if vehicle_class not in spot["offers"]:
        raise problems.NotFound
    offer = spot["offers"][vehicle_class]
    if offer is None:
        raise problems.NoPrice
    back = f"/spots/{spot['code']}"
    return cash_question(request, back, offer["amount_rp"], vehicle_class, spot["code"])


def cash_question(
    request: Request, back: str, amount_rp: int, vehicle_class: str, spot: str
) -> Response:
    """Whether the cash is in hand; `back` leads where its form stands under `/cash`."""
    return page(
        request,
        "cash_confirm.html",
        back=back,
        amount_rp=amount_rp,
        vehicle_class=vehicle_class,
        spot=spot,
        # Made here, so that sending this form twice records the cash once.
        charge_id=new_id(),
    )


async def take_cash(request: Request) -> Response:
    async with request.form(max_files=0, max_fields=8) as form:
        vehicle_class, charge_id = str(form.get("vehicle_class", "")), str(form.get("id", ""))
    charge = await service.take_cash(
        handheld_of(request), request.path_params["spot"], vehicle_class, charge_id=charge_id
    )
    return _go(f"/charges/{charge.id}")


def _tiles(handheld: Handheld) -> dict[str, Any]:
    charges = handheld.store.charges(30)
    return {
        "stays": [stays.view(handheld, stay) for stay in stays.listed(handheld)],
        "open": [tile(handheld, charge.id) for charge in charges if charge.is_open],
        "recent": [tile(handheld, charge.id) for charge in charges if not charge.is_open][:8],
    }


def tile(handheld: Handheld, charge_id: str) -> dict[str, Any]:
    """A charge as the screens show it: the facts, and which of the few looks it takes."""
    charge = service.charge_or_problem(handheld, charge_id)
    facts = service.view(handheld, charge)
    if charge.sync is Sync.REFUSED:
        look = "refused"
    elif charge.kind is ChargeKind.CASH and charge.state == "issue_failed" and facts["money_flag"]:
        look = "held"  # the money is in the office's books, for people to look into
    elif charge.state in OUTCOMES:
        look = OUTCOMES[charge.state]
    elif offline.is_proved(handheld, charge.id):
        look = "paid"
    elif charge.kind is ChargeKind.CASH:
        look = "cash"
    elif charge.kind is ChargeKind.VOUCHER:
        look = "voucher"
    elif facts["qris"]:
        look = "payable" if handheld.link.online else "unsure"
    else:
        look = "waiting"
    age = device_time() - datetime.fromisoformat(charge.changed_at)
    return {
        **facts,
        "look": look,
        "how": LOOKS[look],
        "fresh": charge.shift_id is not None and age < FRESH,
        "merchant": service.merchant_of(facts["qris"]),
        "by": shifts.made_by(handheld, charge),
    }


async def new_charge(request: Request) -> Response:
    handheld = handheld_of(request)
    async with request.form(max_files=0, max_fields=8) as form:
        spot, vehicle_class = str(form.get("spot", "")), str(form.get("vehicle_class", ""))
        consumer_qr = str(form.get("consumer_qr", "")) or None
    charge = await service.request_charge(handheld, spot, vehicle_class, consumer_qr=consumer_qr)
    return _go(f"/charges/{charge.id}")


def _charge_context(request: Request) -> dict[str, Any]:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    facts = tile(handheld, request.path_params["charge_id"])
    local = prices.zone_of(handheld.store.master_data())
    paid_at = facts["paid_at"] and datetime.fromisoformat(facts["paid_at"]).astimezone(local)
    stay_id = stays.of_charge(handheld, facts["id"])
    wish = refund_wishes.state(handheld, facts["id"])
    return {"charge": facts, "paid_at": paid_at, "stay_id": stay_id, "wish": wish}


async def charge(request: Request) -> Response:
    return page(request, "charge.html", **_charge_context(request))


async def way_to_proof(request: Request) -> Response:
    """The driver's page as a QR, away from the code to be paid: a phone must not take the wrong."""
    context = _charge_context(request)
    facts = context["charge"]
    if facts["look"] not in ("payable", "unsure") or not facts["page"]:
        return _go(f"/charges/{facts['id']}")
    return page(request, "way_to_proof.html", **context)


# Fragments: the parts of a page that change under it


async def status_fragment(request: Request) -> Response:
    return page(request, "_status.html")


async def tiles_fragment(request: Request) -> Response:
    shifts.on_shift(handheld_of(request))
    return page(request, "_tiles.html", **_tiles(handheld_of(request)))


async def today_fragment(request: Request) -> Response:
    return page(request, "_today.html", **_today(handheld_of(request)))


async def charge_fragment(request: Request) -> Response:
    return page(request, "_charge.html", **_charge_context(request))


async def spots_fragment(request: Request) -> Response:
    shifts.on_shift(handheld_of(request))
    return page(request, "_spots.html", spots=service.spots(handheld_of(request)))


ROUTES = [
    Route("/", start),
    Route("/enrol", enrol, methods=["GET", "POST"]),
    Route("/sign-in", sign_in, methods=["GET", "POST"]),
    Route("/shift", shift),
    Route("/language", switch_language, methods=["POST"]),
    Route("/sound", switch_sound, methods=["POST"]),
    Route("/tickets", switch_tickets, methods=["POST"]),
    Route("/spots", spot_list),
    Route("/spots/{spot}", home),
    Route("/spots/{spot}/cash", cash, methods=["GET"]),
    Route("/spots/{spot}/cash", take_cash, methods=["POST"]),
    Route("/spots/{spot}/cash/{vehicle_class}", confirm_cash),
    Route("/charges", new_charge, methods=["POST"]),
    Route("/charges/{charge_id}", charge),
    Route("/charges/{charge_id}/proof", way_to_proof),
    Route("/fragments/status", status_fragment),
    Route("/fragments/tiles", tiles_fragment),
    Route("/fragments/spots/{spot}/classes", classes_fragment),
    Route("/fragments/spots", spots_fragment),
    Route("/fragments/today", today_fragment),
    Route("/fragments/charges/{charge_id}", charge_fragment),
]
