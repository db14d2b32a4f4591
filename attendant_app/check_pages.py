"""The pages of checks: a spot's sign, a vehicle's right to stand there, and a count of them."""

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import inspector, messages, prices, problems, shifts, signs
from attendant_app.endpoints import codes_in, handheld_of
from attendant_app.pages import language_of, page, words
from attendant_app.scanner import MOST_CODES
from domain.tariff import VehicleClass


async def menu(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    due = sum(standing.is_due for standing in signs.standings(handheld))
    return page(request, "checks.html", due=due)


async def sign_list(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    local = prices.zone_of(handheld.store.master_data())
    return page(request, "check_signs.html", standings=signs.standings(handheld), local=local)


async def sign(request: Request) -> Response:
    return _sign_page(request)


def _sign_page(request: Request, status: int = 200, **values: object) -> Response:
    handheld, code = handheld_of(request), request.path_params["spot"]
    shifts.on_shift(handheld)
    spot = prices.spot_in(handheld.store.master_data(), code)
    if spot is None:
        raise problems.UnknownSpot
    return page(
        request,
        "check_sign.html",
        status,
        spot=spot,
        camera=handheld.camera,
        ask=f"/fragments/checks/signs/{code}",
        typed=f"/checks/signs/{code}",
        **values,
    )


async def check_sign(request: Request) -> Response:
    try:
        found = await _checked(request)
    except problems.PictureRefused as problem:
        return _sign_page(request, problem.status, error=words(request, problem))
    return _sign_page(request, found=found, again=True)


async def sign_fragment(request: Request) -> Response:
    spot = {"code": request.path_params["spot"]}
    return page(request, "_sign.html", spot=spot, found=await _checked(request))


async def _checked(request: Request) -> dict[str, Any] | None:
    """What the form's codes or picture show the sign to be; None where nothing could be read."""
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    async with request.form(max_files=1, max_fields=MOST_CODES + 1) as form:
        texts = [text for text in await codes_in(handheld, form) if text.strip()]
        missing = "missing" in form
    if not texts and not missing:
        return None
    finding = signs.check(handheld, request.path_params["spot"], texts)
    words = "genuine" if finding.fault is None else finding.fault.value
    names = {"name": "–", "nmid": "–", "host": "–"}
    told = {name: value or "–" for name, value in finding.seen.items()}
    return {"verdict": words, "seen": names | told}


async def later(request: Request) -> Response:
    """No sign is looked at now: this shift is asked no more."""
    response = RedirectResponse("/", 303)
    shift = shifts.on_shift(handheld_of(request))
    response.set_cookie("later", shift.id, samesite="strict", httponly=True)
    return response


# Vehicles


async def vehicle(request: Request) -> Response:
    await inspector.refresh(handheld_of(request))
    return _vehicle_page(request)


def _vehicle_page(request: Request, status: int = 200, **values: Any) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    age_s = inspector.list_age_s(handheld)
    return page(
        request,
        "check_vehicle.html",
        status,
        spot=inspector.workplace(handheld),
        camera=handheld.camera,
        ask="/fragments/checks/vehicles",
        typed="/checks/vehicles",
        age=None if age_s is None else messages.age(age_s, language_of(request)),
        **_clock(request),
        **values,
    )


def _clock(request: Request) -> dict[str, Any]:
    local = prices.zone_of(handheld_of(request).store.master_data())
    return {"local": local, "moment": datetime.fromisoformat}


async def check_vehicle(request: Request) -> Response:
    try:
        found = await _inspected(request)
    except problems.PictureRefused as problem:
        return _vehicle_page(request, problem.status, error=words(request, problem))
    return _vehicle_page(request, found=found)


async def vehicle_fragment(request: Request) -> Response:
    return page(request, "_inspected.html", found=await _inspected(request), **_clock(request))


async def _inspected(request: Request) -> dict[str, Any] | None:
    """What the form's text or picture is in the street's list; nothing at all asks for the spot."""
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    async with request.form(max_files=1, max_fields=MOST_CODES + 1) as form:
        texts = await codes_in(handheld, form)
        if not texts and "image" in form:
            return {"result": "unread"}
    if len(set(texts)) > 1:
        return {"result": "several"}
    await inspector.refresh(handheld)
    try:
        answer = inspector.inspect(handheld, "".join(texts[:1]))
    except inspector.NotInspectable:
        return {"result": "wrong"}
    if answer is None:
        return None
    noticeable = answer.may_have_notice and not handheld.training
    told = {"check": answer.check, "plate": answer.plate} if noticeable else {}
    return {"result": answer.result, "stays": answer.stays, "notice": answer.notice, **told}


# Counting


async def count(request: Request) -> Response:
    handheld = handheld_of(request)
    known = inspector.begin_count(handheld)
    if known is None:
        return _vehicle_page(request)
    ends_at = handheld.office_time() + timedelta(seconds=known.left_s)
    return page(
        request,
        "heads.html",
        count=known,
        ends_at=ends_at.isoformat(),
        classes=list(VehicleClass),
    )


async def tap(request: Request) -> Response:
    handheld = handheld_of(request)
    async with request.form(max_files=0, max_fields=2) as form:
        told = {name: str(form.get(name, "")) for name in ("vehicle_class", "done")}
    if told["done"]:
        counted = inspector.end_count(handheld)
        return page(request, "heads.html", counted=counted)
    inspector.tap(handheld, told["vehicle_class"])
    return RedirectResponse("/checks/count", 303)


ROUTES = [
    Route("/checks/vehicles", vehicle, methods=["GET"]),
    Route("/checks/vehicles", check_vehicle, methods=["POST"]),
    Route("/fragments/checks/vehicles", vehicle_fragment, methods=["POST"]),
    Route("/checks/count", count, methods=["GET"]),
    Route("/checks/count", tap, methods=["POST"]),
    Route("/checks", menu),
    Route("/checks/later", later, methods=["POST"]),
    Route("/checks/signs", sign_list),
    Route("/checks/signs/{spot}", sign, methods=["GET"]),
    Route("/checks/signs/{spot}", check_sign, methods=["POST"]),
    Route("/fragments/checks/signs/{spot}", sign_fragment, methods=["POST"]),
]
