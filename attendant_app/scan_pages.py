"""The page of the camera, and what it shows of a code: one picture, one line, one thing to do.

A typed code, a photograph and a scanner that types come here as forms and need no script.
"""

from datetime import datetime
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import prices, problems, recognise, service
from attendant_app.endpoints import handheld_of, look_at
from attendant_app.pages import page, tile, words
from domain.tariff import VehicleClass

MOST_CODES = 6

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
    "unknown-key": "amber",
    "void": "red",
    "forged": "red",
}


async def scan(request: Request) -> Response:
    service.on_shift(handheld_of(request))
    return page(request, "scan.html", camera=handheld_of(request).camera)


async def scanned(request: Request) -> Response:
    handheld = handheld_of(request)
    service.on_shift(handheld)
    try:
        context = await _found(request)
    except problems.Problem as problem:
        error = words(request, problem)
        return page(request, "scan.html", problem.status, camera=handheld.camera, error=error)
    if context["go"]:
        return RedirectResponse(context["go"], 303)
    return page(request, "scan.html", camera=handheld.camera, **context)


async def found_fragment(request: Request) -> Response:
    return page(request, "_found.html", **await _found(request))


async def _found(request: Request) -> dict[str, Any]:
    """What the form's codes or picture are; `go` is where one leads that has a page of its own."""
    handheld = handheld_of(request)
    async with request.form(max_files=1, max_fields=MOST_CODES + 1) as form:
        texts = [text for text in form.getlist("text") if isinstance(text, str) and text.strip()]
        image, chosen = form.get("image"), str(form.get("spot", request.cookies.get("spot", "")))
        if isinstance(image, UploadFile):
            texts = [seen.text for seen in await look_at(handheld, await image.read())]
    texts = list(dict.fromkeys(texts))[:MOST_CODES]
    if not texts:
        result: dict[str, Any] = {"kind": "none"}
    elif len(texts) > 1:
        result = {"kind": "several", "choices": recognise.several(handheld, texts)}
    else:
        result = await recognise.resolve(handheld, texts[0])
    context = {"found": result, "look": LOOKS.get(result["kind"], "plain"), "go": _way(result)}
    if result["kind"] == "charge":
        charge = tile(handheld, result["charge"]["id"])
        context |= {"charge": charge, "look": "green" if charge["look"] == "paid" else "plain"}
    if result["kind"] == "consumer-qris":
        context |= {"text": texts[0], **_collecting(request, chosen)}
    if result["kind"] == "receipt":
        context |= _receipt_facts(request, result["receipt"])
    if result["kind"] == "proof":
        context |= _proof_facts(request, result)
    return context


def _way(result: dict[str, Any]) -> str:
    match result["kind"]:
        case "charge":
            return f"/charges/{result['charge']['id']}"
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
    return {"look": PROOF_LOOKS[result["verdict"]], "proof": proof, "place": place, **moments}


def _receipt_facts(request: Request, receipt: dict[str, Any]) -> dict[str, Any]:
    local = prices.zone_of(handheld_of(request).store.master_data())
    paid_at = datetime.fromisoformat(receipt["paid_at"]).astimezone(local)
    return {"receipt": receipt, "paid_at": paid_at}


ROUTES = [
    Route("/scan", scan, methods=["GET"]),
    Route("/scan", scanned, methods=["POST"]),
    Route("/fragments/found", found_fragment, methods=["POST"]),
]
