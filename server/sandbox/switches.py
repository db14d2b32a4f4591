"""The board: a person loads faults, moves the clock and sees what became of recent orders.

Forms only, without JavaScript; the same decisions as the JSON controls.
"""

from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.sandbox.acquirer import Acquirer
from server.sandbox.control import ControlError, load, move_clock
from server.sandbox.faults import FAULTS, GROUPS, Fault
from server.sandbox.pages import acquirer_of, error, language_of, page
from server.sandbox.tables import Order
from server.sandbox.words import Language

_ORDERS_SHOWN = 20


async def board(request: Request) -> Response:
    return _board(request)


def _board(request: Request, problem: ControlError | None = None) -> Response:
    acquirer, language = acquirer_of(request), language_of(request)
    counts = acquirer.truth.fault_counts()
    sentence = None
    if problem is not None:
        sentence = problem.indonesian if language == "id" else problem.english
    return page(
        request,
        "board.html",
        400 if problem else 200,
        here="/sandbox?",
        error=sentence,
        opened=request.query_params.get("open", ""),
        groups=[_group(name, language, counts) for name in GROUPS],
        armed=[
            _does(row["name"], language) | row
            for row in acquirer.truth.faults()
            if row["remaining"] > 0
        ],
        fired=sum(fired for _, fired in counts.values()),
        now=acquirer.now().isoformat(),
        offset_s=acquirer.truth.clock_offset_ms / 1000,
        orders=[_line(acquirer, order) for order in acquirer.truth.recent_orders(_ORDERS_SHOWN)],
    )


def _group(name: str, language: Language, counts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    faults = [fault for fault in FAULTS.values() if fault.group == name]
    told = [_told(fault, language, counts) for fault in faults]
    return {
        "name": name,
        "title": GROUPS[name][language == "en"],
        "faults": told,
        "units": {fault.unit for fault in faults if fault.unit},
        "armed": sum(fault["armed"] for fault in told),
        "fired": sum(fault["fired"] for fault in told),
    }


def _told(fault: Fault, language: Language, counts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    armed, fired = counts.get(fault.name, (0, 0))
    return _does(fault.name, language) | {"armed": armed, "fired": fired}


def _does(name: str, language: Language) -> dict[str, Any]:
    fault = FAULTS[name]
    return {
        "name": name,
        "does": fault.english if language == "en" else fault.indonesian,
        "row": fault.row,
        "unit": fault.unit,
        "default": fault.default,
    }


def _line(acquirer: Acquirer, order: Order) -> dict[str, Any]:
    code = acquirer.truth.consumer_code(order_id=order.id) if order.channel == "cpm" else None
    return {
        "page": f"/wallet/codes/{code.id}" if code else f"/wallet/bills/{order.reference_no}",
        "reference": order.partner_reference_no,
        "channel": order.channel.upper(),
        "amount_rp": order.amount_rp,
        "state": acquirer.state(order).value,
        "at": acquirer.truth.iso(order.created_ms),
        "payments": len(acquirer.paid(order)),
        "refunded_rp": sum(done.amount_rp for done in acquirer.truth.refunds_of(order)),
    }


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=0, max_fields=len(FAULTS) + 8, max_part_size=256)
    except HTTPException:
        raise error("bad_request", 400) from None


def _number(text: object, kind: type[int] | type[float]) -> object:
    """What was typed as a number; None for an empty field, the text itself for nonsense."""
    if text in (None, ""):
        return None
    try:
        return kind(str(text))
    except ValueError:
        return text


async def arm(request: Request) -> Response:
    """Loads every ticked fault of one group, or none of them when one field is wrong."""
    acquirer, form = acquirer_of(request), await _form(request)
    times = _number(form.get("times"), int)
    value = _number(form.get("value"), float)
    try:
        for name in form.getlist("fault"):
            load(acquirer, name, 1 if times is None else times, form.get("reference", ""), value)
    except ControlError as problem:
        return _board(request, problem)
    group = form.get("group")
    return _back(group if isinstance(group, str) and group in GROUPS else "")


async def clear(request: Request) -> Response:
    truth = acquirer_of(request).truth
    with truth.transaction():
        truth.clear_faults()
    return _back("")


async def clock(request: Request) -> Response:
    form = await _form(request)
    try:
        move_clock(acquirer_of(request), _number(form.get("offset_s"), float))
    except ControlError as problem:
        return _board(request, problem)
    return _back("")


def _back(group: str) -> Response:
    """See-other, so that a reload arms nothing; the group stays open."""
    return RedirectResponse(f"/sandbox?open={group}#{group}" if group else "/sandbox", 303)


routes = [
    Route("/sandbox", board),
    Route("/sandbox/board/arm", arm, methods=["POST"]),
    Route("/sandbox/board/clear", clear, methods=["POST"]),
    Route("/sandbox/board/clock", clock, methods=["POST"]),
]
