"""The pages of a stay: its tile and page, leaving, paying, extending, and taking back."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import prices, printing, problems, shifts, stays
from attendant_app.endpoints import handheld_of
from attendant_app.pages import cash_question, page, prints_tickets
from attendant_app.runtime import Handheld
from domain.parking import VoidReason
from domain.payment import ChargeKind


def _go(path: str) -> Response:
    return RedirectResponse(path, 303)


async def _field(request: Request, name: str) -> str:
    async with request.form(max_files=0, max_fields=4) as form:
        return str(form.get(name, ""))


def _context(request: Request) -> dict[str, Any]:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    stay = stays.get(handheld, request.path_params["stay_id"])
    local = prices.zone_of(handheld.store.master_data())
    facts = stays.view(handheld, stay)
    for name in ("started_at", "ends_at"):
        moment = facts[name] and datetime.fromisoformat(facts[name]).astimezone(local)
        facts[f"{name}_local"] = moment and moment.strftime("%H:%M")
    more = None
    if facts["look"] in ("running", "over") and facts["sent"] and not facts["code"]:
        more = stays.owed_rp(handheld, stay, stays.EXTENSION_MINUTES)
    # What a hardware scanner types while a stay is open is meant for it.
    return {"stay": facts, "more_rp": more, "scanned_at": f"/stays/{stay.id}/scan"}


async def start(request: Request) -> Response:
    """One tap: the vehicle's picture, by the hour."""
    async with request.form(max_files=0, max_fields=4) as form:
        spot, vehicle_class = str(form.get("spot", "")), str(form.get("vehicle_class", ""))
    handheld = handheld_of(request)
    stay = stays.start(handheld, spot, vehicle_class)
    if prints_tickets(request) and not handheld.training:
        printing.ticket(handheld, stay.id)
    return _go(f"/spots/{stay.spot}")


async def stay(request: Request) -> Response:
    return page(request, "stay.html", **_context(request))


async def stay_fragment(request: Request) -> Response:
    return page(request, "_stay.html", **_context(request))


async def ways_fragment(request: Request) -> Response:
    return page(request, "_stay_ways.html", **_context(request))


async def leave(request: Request) -> Response:
    """The second tap: the vehicle leaves and pays, by QRIS, in cash, or by what is scanned."""
    handheld, stay_id = handheld_of(request), request.path_params["stay_id"]
    by = await _field(request, "by")
    way = f"/stays/{stay_id}/{by}" if by in ("cash", "scan") else ""
    if way and stays.code_of(handheld, stays.get(handheld, stay_id)):
        return _go(f"/stays/{stay_id}")
    if way and not handheld.link.online and _owes(handheld, stay_id):
        # Ended together with what pays it, once that is in hand: only this device can quote.
        return _go(way)
    left = await stays.leave(handheld, stay_id)
    known = left.known or {}
    asked = known.get("waiting_rp") or stays.code_of(handheld, left)
    if known.get("state") != "ended" or asked or not known["owed_rp"]:
        return _go(f"/stays/{stay_id}")
    if way:
        return _go(way)
    charge = await stays.collect(handheld, stay_id, ChargeKind.MPM)
    return _go(f"/charges/{charge.id}")


def _owes(handheld: Handheld, stay_id: str) -> bool:
    return stays.owed_rp(handheld, stays.get(handheld, stay_id)) != 0


async def confirm_cash(request: Request) -> Response:
    """Asks once more: cash, once recorded, is the attendant's debt."""
    stay = _context(request)["stay"]
    back = f"/stays/{stay['id']}"
    if stay["code"] or not stay["owed_rp"]:
        return _go(back)
    return cash_question(request, back, stay["owed_rp"], stay["vehicle_class"], stay["spot"])


async def take_cash(request: Request) -> Response:
    handheld, stay_id = handheld_of(request), request.path_params["stay_id"]
    async with request.form(max_files=0, max_fields=4) as form:
        charge_id, asked = str(form.get("id", "")), str(form.get("amount_rp", ""))
    if handheld.store.charge(charge_id) is None:
        stays.check_id(charge_id)
        found = stays.get(handheld, stay_id)
        if asked != str(stays.owed_rp(handheld, found)):
            # An hour began since the question: what is recorded is what was asked for and given.
            return _go(f"/stays/{stay_id}/cash")
        if (found.known or {}).get("state") == "ended":
            await stays.collect(handheld, stay_id, ChargeKind.CASH, charge_id=charge_id)
        else:
            await stays.leave(handheld, stay_id, cash_charge=charge_id)
    return _go(f"/charges/{charge_id}")


async def extend(request: Request) -> Response:
    handheld, stay_id = handheld_of(request), request.path_params["stay_id"]
    charge = await stays.collect(handheld, stay_id, ChargeKind.MPM, minutes=stays.EXTENSION_MINUTES)
    return _go(f"/charges/{charge.id}")


async def ask_void(request: Request) -> Response:
    """Why, in four pictures. The stay of a charge is found by the charge."""
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    stay_id = request.path_params["stay_id"]
    if handheld.store.charge(stay_id) is None:
        stays.get(handheld, stay_id)
    return page(request, "void.html", stay_id=stay_id, reasons=list(VoidReason))


async def ask_void_of_charge(request: Request) -> Response:
    charge_id = request.path_params["charge_id"]
    handheld = handheld_of(request)
    if handheld.store.charge(charge_id) is None:
        raise problems.NotFound
    return _go(f"/stays/{stays.of_charge(handheld, charge_id)}/void")


async def cancel_code(request: Request) -> Response:
    stay_id = await stays.cancel_code(handheld_of(request), request.path_params["charge_id"])
    return _go(f"/stays/{stay_id}")


async def void(request: Request) -> Response:
    stay_id = request.path_params["stay_id"]
    stays.void(handheld_of(request), stay_id, await _field(request, "reason"))
    return _go(f"/stays/{stay_id}")


ROUTES = [
    Route("/stays", start, methods=["POST"]),
    Route("/stays/{stay_id}", stay),
    Route("/stays/{stay_id}/leave", leave, methods=["POST"]),
    Route("/stays/{stay_id}/cash", confirm_cash, methods=["GET"]),
    Route("/stays/{stay_id}/cash", take_cash, methods=["POST"]),
    Route("/stays/{stay_id}/extend", extend, methods=["POST"]),
    Route("/stays/{stay_id}/void", ask_void, methods=["GET"]),
    Route("/stays/{stay_id}/void", void, methods=["POST"]),
    Route("/charges/{charge_id}/void", ask_void_of_charge),
    Route("/charges/{charge_id}/cancel", cancel_code, methods=["POST"]),
    Route("/fragments/stays/{stay_id}", stay_fragment),
    Route("/fragments/stays/{stay_id}/ways", ways_fragment),
]
