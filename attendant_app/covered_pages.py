"""The screens of stays that cost nothing: a scanned pass, and a vehicle that is exempt."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import covered, prices, problems, service, shifts
from attendant_app.endpoints import handheld_of
from attendant_app.pages import page
from attendant_app.runtime import new_id
from domain.events import EventKind
from domain.tariff import VehicleClass

LOOKS = {
    "good": "green",
    "revoked": "red",
    "forged": "red",
}


def facts(request: Request, text: str, chosen: str) -> dict[str, Any]:
    """What `_pass.html` shows: where its zone matters, of the spot that is worked at."""
    handheld = handheld_of(request)
    spots = service.spots(handheld)
    spot = next((spot for spot in spots if spot["code"] == chosen), None)
    reading = covered.judge(handheld, text, spot)
    return {
        "look": LOOKS.get(reading.verdict, "amber"),
        "verdict": reading.verdict,
        "held": reading.held,
        "text": text,
        "spots": spots,
        "spot": spot,
        # Made here, so that sending the form twice records the stay once.
        "stay_id": new_id(),
    }


async def take_pass(request: Request) -> Response:
    told = await _fields(request, "spot", "vehicle_class", "pass", "id")
    stay_id = covered.take_pass(handheld_of(request), *told)
    return RedirectResponse(f"/stays/free/{stay_id}", 303)


async def free(request: Request) -> Response:
    """The kinds of vehicles that park free, as pictures."""
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    spot = prices.spot_in(handheld.store.master_data(), request.path_params["spot"])
    if spot is None:
        raise problems.UnknownSpot
    return page(request, "free.html", spot=spot, stay_id=new_id())


async def exempt(request: Request) -> Response:
    code, stay_id = await _fields(request, "exemption", "id")
    covered.exempt(handheld_of(request), request.path_params["spot"], code, stay_id)
    return RedirectResponse(f"/stays/free/{stay_id}", 303)


async def stay(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    found = covered.stay(handheld, request.path_params["stay_id"])
    local = prices.zone_of(handheld.store.master_data())
    code = found["body"].get("exemption")
    kinds = (handheld.store.master_data() or {}).get("exemptions") or ()
    return page(
        request,
        "free_stay.html",
        stay=found["body"],
        by_pass=found["kind"] == EventKind.STAY_COVERED,
        kind=next((kind for kind in kinds if kind["code"] == code), None),
        at=datetime.fromisoformat(found["at"]).astimezone(local),
        vehicle=VehicleClass(found["body"]["vehicle_class"]),
    )


async def _fields(request: Request, *names: str) -> list[str]:
    async with request.form(max_files=0, max_fields=8) as form:
        return [str(form.get(name, "")) for name in names]


ROUTES = [
    Route("/passes", take_pass, methods=["POST"]),
    Route("/spots/{spot}/free", free, methods=["GET"]),
    Route("/spots/{spot}/free", exempt, methods=["POST"]),
    Route("/stays/free/{stay_id}", stay),
]
