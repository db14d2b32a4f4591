"""The page that asks why a driver wants money back."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from attendant_app import refund_wishes
from attendant_app.endpoints import handheld_of
from attendant_app.pages import page, tile


async def ask(request: Request) -> Response:
    handheld = handheld_of(request)
    charge = refund_wishes.wishable(handheld, request.path_params["charge_id"])
    return page(
        request,
        "refund_wish.html",
        charge=tile(handheld, charge.id),
        reasons=refund_wishes.REASONS,
    )


async def wish(request: Request) -> Response:
    charge_id = request.path_params["charge_id"]
    async with request.form(max_files=0, max_fields=2) as form:
        reason = str(form.get("reason", ""))
    refund_wishes.wish(handheld_of(request), charge_id, reason)
    return RedirectResponse(f"/charges/{charge_id}", 303)


ROUTES = [
    Route("/charges/{charge_id}/refund-wish", ask, methods=["GET"]),
    Route("/charges/{charge_id}/refund-wish", wish, methods=["POST"]),
]
