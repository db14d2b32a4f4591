"""Signing in by card: the card fills in who it is, the PIN is asked as ever."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import cards, problems
from attendant_app.cards import Verdict
from attendant_app.endpoints import codes_in, handheld_of
from attendant_app.pages import page, words
from attendant_app.scanner import MOST_CODES
from domain.card import is_card


async def card_scan(request: Request) -> Response:
    return page(request, "card_scan.html", camera=handheld_of(request).camera)


async def card_scanned(request: Request) -> Response:
    camera = handheld_of(request).camera
    try:
        context = await _read(request)
    except problems.Problem as problem:
        error = words(request, problem)
        return page(request, "card_scan.html", problem.status, camera=camera, error=error)
    if context["go"]:
        return RedirectResponse(context["go"], 303)
    return page(request, "card_scan.html", camera=camera, **context)


async def card_fragment(request: Request) -> Response:
    return page(request, "_card_read.html", **await _read(request))


async def _read(request: Request) -> dict[str, Any]:
    """The first card among the codes in view; `go` is the sign-in that it fills in."""
    handheld = handheld_of(request)
    async with request.form(max_files=1, max_fields=MOST_CODES) as form:
        texts = await codes_in(handheld, form)
    text = next((text.strip() for text in texts if is_card(text.strip())), None)
    if text is None:
        return {"verdict": "none", "go": ""}
    reading = cards.judge(handheld, text)
    if reading.card is None or reading.verdict is not Verdict.VALID:
        return {"verdict": reading.verdict.value, "go": ""}
    return {
        "verdict": reading.verdict.value,
        "name": reading.card.name,
        "go": f"/sign-in?{urlencode({'attendant': reading.card.attendant})}",
    }


ROUTES = [
    Route("/sign-in/card", card_scan, methods=["GET"]),
    Route("/sign-in/card", card_scanned, methods=["POST"]),
    Route("/fragments/card", card_fragment, methods=["POST"]),
]
