"""What the screens show of a scanned voucher, and the form by which it is taken."""

from datetime import date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from attendant_app import prices, service, vouchers
from attendant_app.endpoints import body_of, handheld_of, text_in
from attendant_app.runtime import new_id
from domain.tariff import VehicleClass

LOOKS = {
    "good": "plain",
    "used": "red",
    "void": "red",
    "forged": "red",
    "expired": "amber",
    "unknown-key": "amber",
}


def facts(request: Request, result: dict[str, Any], text: str, chosen: str) -> dict[str, Any]:
    """What `_voucher.html` shows; `payable` are the vehicles whose price the voucher covers."""
    handheld = handheld_of(request)
    voucher, spots = result.get("voucher"), service.spots(handheld)
    spot = next((spot for spot in spots if spot["code"] == chosen), None)
    used_at = result.get("used_at")
    local = prices.zone_of(handheld.store.master_data())
    return {
        "look": LOOKS[result["verdict"]],
        "voucher": voucher,
        "valid_until": voucher and date.fromisoformat(voucher["valid_until"]),
        "used_at": used_at and datetime.fromisoformat(used_at).astimezone(local),
        "text": text,
        "spots": spots,
        "spot": spot,
        "payable": [name for name in VehicleClass if _covers(voucher, spot, name)],
        # Made here, so that sending the form twice redeems the voucher once.
        "charge_id": new_id(),
    }


def _covers(
    voucher: dict[str, Any] | None, spot: dict[str, Any] | None, name: VehicleClass
) -> bool:
    if voucher is None or spot is None or voucher["vehicle_class"] not in (None, name.value):
        return False
    offer = spot["offers"][name.value]
    return offer is not None and offer["amount_rp"] <= voucher["value_rp"]


async def take(request: Request) -> Response:
    async with request.form(max_files=0, max_fields=8) as form:
        told = {
            name: str(form.get(name, "")) for name in ("spot", "vehicle_class", "voucher", "id")
        }
    charge = await vouchers.take(
        handheld_of(request),
        told["spot"],
        told["vehicle_class"],
        told["voucher"],
        told["id"] or None,
    )
    return RedirectResponse(f"/charges/{charge.id}", 303)


async def post_voucher_charge(request: Request) -> Response:
    handheld, body = handheld_of(request), await body_of(request)
    wanted = (text_in(body, name) for name in ("spot", "vehicle_class", "voucher"))
    charge = await vouchers.take(handheld, *wanted)
    return JSONResponse(service.view(handheld, charge), 201)


ROUTES = [
    Route("/vouchers", take, methods=["POST"]),
    Route("/api/voucher-charges", post_voucher_charge, methods=["POST"]),
]
