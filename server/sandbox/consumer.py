"""The payer's own code: made in the wallet, shown to the merchant, followed until it is charged."""

import io
from typing import Any

import segno
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from server.sandbox import cpm
from server.sandbox.acquirer import Acquirer, State
from server.sandbox.pages import (
    WalletError,
    acquirer_of,
    error,
    form_of,
    json_of,
    language_of,
    page,
)
from server.sandbox.tables import ConsumerCode

_MAX_DELAY_S = 86_400
_MAX_VALIDITY_S = 3_600


def make(acquirer: Acquirer, outcome: object, delay_s: object, validity_s: object) -> ConsumerCode:
    """A fresh code, or WalletError when it is asked for in a way that means nothing."""
    if outcome not in cpm.OUTCOMES:
        raise error("bad_consumer")
    if type(delay_s) not in (int, float) or type(validity_s) not in (int, float):
        raise error("bad_consumer")
    assert isinstance(delay_s, int | float)
    assert isinstance(validity_s, int | float)
    if not 0 <= delay_s <= _MAX_DELAY_S or not 0 < validity_s <= _MAX_VALIDITY_S:
        raise error("bad_consumer")
    return cpm.show(acquirer, str(outcome), delay_s=delay_s, validity_s=validity_s)


def _told(acquirer: Acquirer, code: ConsumerCode) -> dict[str, Any]:
    order = None if code.order_id is None else acquirer.truth.order(id=code.order_id)
    if order is not None:
        state = acquirer.state(order).value
    else:
        state = "shown" if acquirer.now_ms() < code.expires_ms else State.EXPIRED.value
    return {
        "id": code.id,
        "qris": code.qr_content,
        "outcome": code.outcome,
        "expires_at": acquirer.truth.iso(code.expires_ms),
        "state": state,
        "amount_rp": order.amount_rp if order else None,
        "partner_reference_no": order.partner_reference_no if order else None,
        "picture": f"/wallet/codes/{code.id}.svg",
    }


async def create(request: Request) -> Response:
    """For programs `{"outcome"?, "delay_s"?, "validity_s"?}` → 201 with the text to show."""
    acquirer = acquirer_of(request)
    if request.headers.get("content-type", "").startswith("application/json"):
        body = await json_of(request)
        code = make(
            acquirer,
            body.get("outcome", "pay"),
            body.get("delay_s", cpm.PENDING_S),
            body.get("validity_s", cpm.VALIDITY_S),
        )
        return JSONResponse(_told(acquirer, code), 201)
    try:
        form = await form_of(request)
        code = make(acquirer, form.get("outcome"), cpm.PENDING_S, cpm.VALIDITY_S)
    except WalletError as problem:
        return _choices(request, problem)
    return RedirectResponse(f"/wallet/codes/{code.id}", 303)


async def choices(request: Request) -> Response:
    """Where the payer decides what the code will do when it is charged."""
    return _choices(request)


def _choices(request: Request, problem: WalletError | None = None) -> Response:
    sentence = problem.sentence[language_of(request)] if problem else None
    status = problem.status if problem else 200
    return page(request, "codes.html", status, error=sentence, outcomes=cpm.OUTCOMES)


def _code(request: Request) -> ConsumerCode:
    code = acquirer_of(request).truth.consumer_code(id=request.path_params["id"])
    if code is None:
        raise error("no_code", 404)
    return code


async def shown(request: Request) -> Response:
    """The code as a page; `.json` and `.svg` behind the same address for programs."""
    code = _code(request)
    told = _told(acquirer_of(request), code)
    told |= {"payer": code.payer_name, "issuer": code.issuer_name}
    return page(request, "shown.html", code=told)


async def told(request: Request) -> Response:
    return JSONResponse(_told(acquirer_of(request), _code(request)))


async def picture(request: Request) -> Response:
    image = io.BytesIO()
    symbol = segno.make_qr(_code(request).qr_content, error="m", boost_error=False)
    symbol.save(image, kind="svg", border=4, scale=4, light="#fff", svgclass=None, lineclass=None)
    return Response(image.getvalue(), media_type="image/svg+xml")


routes = [
    Route("/wallet/codes", create, methods=["POST"]),
    Route("/wallet/codes", choices),
    Route("/wallet/codes/{id}.svg", picture),
    Route("/wallet/codes/{id}.json", told),
    Route("/wallet/codes/{id}", shown),
]
