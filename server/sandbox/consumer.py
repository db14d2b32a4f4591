"""The payer's own code: made in the wallet, shown to the merchant, followed until it is charged."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.sandbox import cpm
from server.sandbox.acquirer import Acquirer, State
from server.sandbox.pages import acquirer_of, error, json_of
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
    """`{"outcome"?, "delay_s"?, "validity_s"?}` → 201 with the text to show."""
    acquirer, body = acquirer_of(request), await json_of(request)
    code = make(
        acquirer,
        body.get("outcome", "pay"),
        body.get("delay_s", 5),
        body.get("validity_s", cpm.VALIDITY_S),
    )
    return JSONResponse(_told(acquirer, code), 201)


routes = [Route("/wallet/codes", create, methods=["POST"])]
