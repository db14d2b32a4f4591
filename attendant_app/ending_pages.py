"""The camera at the end of a stay: the driver's wallet, or a voucher, for what the stay owes."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import ending, problems, scan_pages, stays, vouchers
from attendant_app.endpoints import handheld_of
from attendant_app.pages import page, words
from attendant_app.runtime import new_id
from attendant_app.store import Charge

PAYABLE = ("running", "over", "leaving", "owed", "refused")
"""The looks of a stay that something more may be asked for."""


def _stay(request: Request) -> dict[str, Any]:
    handheld, stay_id = handheld_of(request), request.path_params["stay_id"]
    return stays.view(handheld, stays.get(handheld, stay_id))


def _page(request: Request, status: int = 200, **values: Any) -> Response:
    stay = _stay(request)
    if stay["look"] not in PAYABLE or stay["code"] or not stay["owed_rp"]:
        return RedirectResponse(f"/stays/{stay['id']}", 303)
    camera = handheld_of(request).camera
    context = {"camera": camera, **_around(stay), **values}
    return page(request, "stay_scan.html", status, **context)


def _around(stay: dict[str, Any]) -> dict[str, Any]:
    """The stay, where what its camera finds is asked, and the id that makes a form count once."""
    ask, typed = f"/fragments/stays/{stay['id']}/found", f"/stays/{stay['id']}/scan"
    return {"stay": stay, "ask": ask, "typed": typed, "charge_id": new_id()}


async def scan(request: Request) -> Response:
    return _page(request)


async def scanned(request: Request) -> Response:
    try:
        context = await _found(request)
    except problems.Problem as problem:
        return _page(request, problem.status, error=words(request, problem))
    if context["go"]:
        return RedirectResponse(context["go"], 303)
    return _page(request, **context)


async def found_fragment(request: Request) -> Response:
    return page(request, "_found.html", **await _found(request))


async def _found(request: Request) -> dict[str, Any]:
    """What any scan shows; of a voucher also why it does not pay this stay, if it does not."""
    stay = _stay(request)
    context = await scan_pages.found(request, stay["spot"])
    if context["found"]["kind"] == "voucher":
        context["short"] = _short(context["found"], stay)
    return context | _around(stay)


def _short(found: dict[str, Any], stay: dict[str, Any]) -> str:
    """Why a voucher that is good does not pay this stay, as the end of a message's key."""
    voucher = found.get("voucher")
    if found["verdict"] != vouchers.Verdict.GOOD or voucher is None:
        return ""
    if voucher["vehicle_class"] not in (None, stay["vehicle_class"]):
        return "other-class"
    return "too-small" if voucher["value_rp"] < (stay["owed_rp"] or 0) else ""


async def charge_wallet(request: Request) -> Response:
    stay_id = request.path_params["stay_id"]
    told = await _fields(request, "consumer_qr", "id", "amount_rp")
    return _go(stay_id, await ending.charge_wallet(handheld_of(request), stay_id, *told))


async def take_voucher(request: Request) -> Response:
    stay_id = request.path_params["stay_id"]
    told = await _fields(request, "voucher", "id", "amount_rp")
    return _go(stay_id, await ending.take_voucher(handheld_of(request), stay_id, *told))


async def _fields(request: Request, *names: str) -> list[str]:
    async with request.form(max_files=0, max_fields=4) as form:
        return [str(form.get(name, "")) for name in names]


def _go(stay_id: str, charge: Charge | None) -> Response:
    where = f"/stays/{stay_id}" if charge is None else f"/charges/{charge.id}"
    return RedirectResponse(where, 303)


ROUTES = [
    Route("/stays/{stay_id}/scan", scan, methods=["GET"]),
    Route("/stays/{stay_id}/scan", scanned, methods=["POST"]),
    Route("/stays/{stay_id}/wallet", charge_wallet, methods=["POST"]),
    Route("/stays/{stay_id}/voucher", take_voucher, methods=["POST"]),
    Route("/fragments/stays/{stay_id}/found", found_fragment, methods=["POST"]),
]
