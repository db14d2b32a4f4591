"""Where a screen asks for a slip, once more for a marked copy, and says that it came out."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import earnings, paperwork, printing, problems, shifts
from attendant_app.endpoints import handheld_of
from attendant_app.pages import page

PAGES = {
    "receipt": "charges",
    "entry": "stays",
    "void": "stays",
    "payment": "charges",
    "wish": "charges",
    "refund": "charges",
    "shift": "shifts",
    "deposit": "shifts",
    "notice": "notices",
    "share": "shares",
}


def _slip(request: Request) -> tuple[str, str]:
    kind, record_id = request.path_params["kind"], request.path_params["record_id"]
    if kind not in PAGES:
        raise problems.NotFound
    if PAGES[kind] != "shifts":  # what is left of a closed shift is printed after it
        shifts.signed_in(handheld_of(request))
    return kind, record_id


def _back(request: Request, kind: str, record_id: str) -> Response:
    """To the slip itself: on a small screen it stands below what scrolls."""
    slip = f"{kind}-{record_id}"
    if kind == paperwork.REFUND:
        record_id = paperwork.charge_of_refund(handheld_of(request), record_id)
    return RedirectResponse(f"/{PAGES[kind]}/{record_id}#{slip}", 303)


async def ask(request: Request) -> Response:
    kind, record_id = _slip(request)
    printing.ask(handheld_of(request), kind, record_id)
    return _back(request, kind, record_id)


async def seen(request: Request) -> Response:
    kind, record_id = _slip(request)
    printing.seen(handheld_of(request), kind, record_id)
    return _back(request, kind, record_id)


async def open_in_app(request: Request) -> Response:
    """A link, not a form: the policy lets a form lead nowhere else."""
    kind, record_id = _slip(request)
    link = printing.hand_off(handheld_of(request), kind, record_id)
    return RedirectResponse(link, 303) if link else _back(request, kind, record_id)


async def fragment(request: Request) -> Response:
    kind, record_id = _slip(request)
    told: dict[str, Any] = {"kind": kind, "id": record_id, "live": True}
    return page(request, "_slip.html", **told)


async def shares(request: Request) -> Response:
    """What the attendant on shift was paid out, as far as the office has told."""
    handheld = handheld_of(request)
    own = shifts.signed_in(handheld)
    found = earnings.share_slips(handheld, own.attendant)
    return page(request, "shares.html", slips=found)


async def share(request: Request) -> Response:
    handheld = handheld_of(request)
    own = shifts.signed_in(handheld)
    for slip in earnings.share_slips(handheld, own.attendant) or ():
        if slip.number == request.path_params["number"]:
            return page(request, "share.html", slip=slip)
    raise problems.NotFound


ROUTES = [
    Route("/shares", shares),
    Route("/shares/{number}", share),
    Route("/slips/{kind}/{record_id}", ask, methods=["POST"]),
    Route("/slips/{kind}/{record_id}/seen", seen, methods=["POST"]),
    Route("/slips/{kind}/{record_id}/open", open_in_app),
    Route("/fragments/slips/{kind}/{record_id}", fragment),
]
