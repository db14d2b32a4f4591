"""Where a screen asks for a slip, once more for a marked copy, and says that it came out."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import paperwork, printing, problems, shifts
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


ROUTES = [
    Route("/slips/{kind}/{record_id}", ask, methods=["POST"]),
    Route("/slips/{kind}/{record_id}/seen", seen, methods=["POST"]),
    Route("/slips/{kind}/{record_id}/open", open_in_app),
    Route("/fragments/slips/{kind}/{record_id}", fragment),
]
