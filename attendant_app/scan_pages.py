"""The page of the camera, and what it shows of a code: one picture, one line, one thing to do.

A typed code, a photograph and a scanner that types come here as forms and need no script.
"""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import (
    covered_pages,
    inspector,
    offline,
    prices,
    problems,
    recognise,
    service,
    shifts,
    voucher_pages,
)
from attendant_app.endpoints import codes_in, handheld_of
from attendant_app.pages import page, tile, words
from attendant_app.scanner import MOST_CODES
from domain.tariff import VehicleClass

# Red: money or trust would go astray. Amber: not known to be right. The rest is plain, and green
# is only what the office says is paid.
LOOKS = {
    "foreign-qris": "red",
    "imposter": "red",
    "no-receipt": "red",
    "unverified": "amber",
    "unknown-spot": "amber",
    "mistyped": "amber",
    "unknown": "amber",
    "none": "amber",
}


PROOF_LOOKS = {
    "paid": "green",
    "taken": "amber",
    "old": "amber",
    "elsewhere": "amber",
    "unknown-key": "amber",
    "alone": "amber",
    "void": "red",
    "forged": "red",
}


CARD_LOOKS = {"valid": "plain", "unknown-key": "amber"}


async def scan(request: Request) -> Response:
    shifts.on_shift(handheld_of(request))
    return page(request, "scan.html", camera=handheld_of(request).camera)


async def scanned(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    try:
        context = await found(request)
    except problems.Problem as problem:
        error = words(request, problem)
        return page(request, "scan.html", problem.status, camera=handheld.camera, error=error)
    if context["go"]:
        return RedirectResponse(context["go"], 303)
    return page(request, "scan.html", camera=handheld.camera, **context)


async def found_fragment(request: Request) -> Response:
    return page(request, "_found.html", **await found(request))


async def found(request: Request, spot: str | None = None) -> dict[str, Any]:
    """What the form's codes or picture are; `go` is where one leads that has a page of its own.

    `spot` is where it is scanned, unless the attendant chooses.
    """
    handheld = handheld_of(request)
    async with request.form(max_files=1, max_fields=MOST_CODES + 1) as form:
        texts = await codes_in(handheld, form)
        chosen = spot or str(form.get("spot", request.cookies.get("spot", "")))
    texts = list(dict.fromkeys(texts))[:MOST_CODES]
    if not any(map(str.strip, texts)):
        result: dict[str, Any] = {"kind": "none"}
    elif len(texts) > 1:
        result = {"kind": "several", "choices": recognise.several(handheld, texts)}
    else:
        result = await recognise.resolve(handheld, texts[0], chosen)
    if number := _receipt_in(result):
        inspector.inspect(handheld, number)
    text = texts[0] if texts else ""
    look = LOOKS.get(result["kind"], "plain")
    context = {"found": result, "look": look, "go": _way(result), "text": text}
    return context | _shown_of(request, result, text, chosen)


def _receipt_in(result: dict[str, Any]) -> str:
    """The number of a receipt, genuine or not: who scans one looks into a vehicle's right to stand.

    A proof is scanned by the attendant whom it is shown to for paid; others check it elsewhere.
    """
    if result["kind"] == "receipt":
        return str(result["receipt"]["number"])
    told = result["kind"] == "no-receipt" or result.get("what") == "receipt"
    return str(result["name"]) if told else ""


def _shown_of(request: Request, result: dict[str, Any], text: str, chosen: str) -> dict[str, Any]:
    """What the screen of one kind of thing shows besides."""
    match result["kind"]:
        case "charge":
            charge = tile(handheld_of(request), result["charge"]["id"])
            return {"charge": charge, "look": "green" if charge["look"] == "paid" else "plain"}
        case "consumer-qris":
            return _collecting(request, chosen)
        case "pass":
            return covered_pages.facts(request, text, chosen)
        case "voucher":
            return voucher_pages.facts(request, result, text, chosen)
        case "receipt":
            return _receipt_facts(request, result["receipt"])
        case "card":
            unasked = result["duty"] == "unknown" and result["verdict"] == "valid"
            return {"look": "amber" if unasked else CARD_LOOKS.get(result["verdict"], "red")}
        case "proof":
            return _proof_facts(request, result)
    return {}


def _way(result: dict[str, Any]) -> str:
    match result["kind"]:
        case "charge":
            return f"/charges/{result['charge']['id']}"
        case "stay":
            return f"/stays/{result['stay']['id']}"
        case "spot":
            return f"/spots/{result['spot']['code']}"
    return ""


def _collecting(request: Request, chosen: str) -> dict[str, Any]:
    """Where and for which vehicle the driver's wallet is asked; the spot worked at is offered."""
    spots = service.spots(handheld_of(request))
    spot = next((spot for spot in spots if spot["code"] == chosen), None)
    return {"spots": spots, "spot": spot, "classes": list(VehicleClass)}


def _proof_facts(request: Request, result: dict[str, Any]) -> dict[str, Any]:
    master = handheld_of(request).store.master_data()
    proof = result.get("proof") or {}
    told = {"paid_at": proof.get("paid_at"), "taken_at": result.get("taken_at")}
    moments = {
        name: datetime.fromisoformat(at).astimezone(prices.zone_of(master))
        for name, at in told.items()
        if at
    }
    place = (prices.spot_in(master, str(proof.get("spot"))) or {}).get("place", "")
    facts = {"proof": proof, "place": place, "old_list": offline.old_list(handheld_of(request))}
    return {"look": PROOF_LOOKS[result["verdict"]], **facts, **moments}


def _receipt_facts(request: Request, receipt: dict[str, Any]) -> dict[str, Any]:
    local = prices.zone_of(handheld_of(request).store.master_data())
    paid_at = datetime.fromisoformat(receipt["paid_at"]).astimezone(local)
    return {"receipt": receipt, "paid_at": paid_at}


ROUTES = [
    Route("/scan", scan, methods=["GET"]),
    Route("/scan", scanned, methods=["POST"]),
    Route("/fragments/found", found_fragment, methods=["POST"]),
]
