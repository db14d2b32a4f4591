"""Runs one call of the partner under the faults loaded for it, whatever its dialect.

An answer may fail to come, come late, or come out unreadable, before or after the call was booked.
"""

import asyncio
import json
from collections.abc import Callable

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from server.sandbox.acquirer import Acquirer, Outcome, PaymentRefused
from server.sandbox.fields import Refused
from server.sandbox.tables import Order

_REFUSALS = {
    "500": (500, "00", "General Error"),
    "429": (429, "00", "Too Many Requests"),
    "409_external_id": (409, "00", "Conflict"),
    "409_reference": (409, "01", "Duplicate partnerReferenceNo"),
    "504": (504, "00", "Timeout"),
}
# A call ends in one of these ways at most; a delay may come on top.
_ENDINGS = (
    *_REFUSALS,
    "no_answer_before_booking",
    "no_answer_after_booking",
    "504_after_booking",
    "html",
    "wrong_schema",
    "truncated",
    "slow_loris",
)
_HTML = "<!doctype html><title>Sedang dalam perbaikan</title><p>Silakan coba lagi nanti.</p>"


class NoAnswer(Response):
    """Starts an answer and stops: the server process then cuts the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 504, "headers": headers})


class Truncated(Response):
    """Promises the whole answer and sends the first half of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        half = bytes(self.body)[: len(self.body) // 2]
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        await send({"type": "http.response.body", "body": half, "more_body": True})


class SlowLoris(Response):
    """Sends the answer in drops, evenly over `seconds`."""

    seconds = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.body)
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        for at in range(len(body)):
            await asyncio.sleep(self.seconds / len(body))
            drop = body[at : at + 1]
            await send({"type": "http.response.body", "body": drop, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def under_faults(
    acquirer: Acquirer, call: str, reference: str, book: Callable[[], Response]
) -> Response:
    """The answer to `call`; `book` does the work. Raises Refused where a fault refuses.

    A call meets the faults loaded when it arrives: a delayed one takes none loaded meanwhile.
    """

    def take(kind: str) -> float | None:
        return acquirer.truth.take_fault(f"{call}_{kind}", reference)

    delay_s = take("delay")
    kind, value = next(((k, v) for k in _ENDINGS if (v := take(k)) is not None), ("", 0.0))
    if delay_s is not None:
        await asyncio.sleep(delay_s)
    if kind in _REFUSALS:
        raise Refused(*_REFUSALS[kind])
    if kind == "no_answer_before_booking":
        return NoAnswer()
    response = book()
    if call == "generate":
        await _pay_before_answer(acquirer, reference)
    if kind == "504_after_booking":
        raise Refused(504, "00", "Timeout")
    return _distorted(response, kind, value)


def _distorted(response: Response, kind: str, value: float) -> Response:
    body, status, media_type = bytes(response.body), response.status_code, response.media_type
    if kind == "no_answer_after_booking":
        return NoAnswer()
    if kind == "html":
        return HTMLResponse(_HTML)
    if kind == "wrong_schema":
        return Response(_misshapen(body), status, media_type=media_type)
    if kind == "truncated":
        return Truncated(body, status, media_type=media_type)
    if kind == "slow_loris":
        drip = SlowLoris(body, status, media_type=media_type)
        drip.seconds = value
        return drip
    return response


def _misshapen(body: bytes) -> bytes:
    """Says success as before, but every other field is a list of what it should be."""
    said = json.loads(body)
    kept = ("responseCode", "responseMessage", "status_code", "status_message")
    return json.dumps({name: v if name in kept else [v] for name, v in said.items()}).encode()


async def _pay_before_answer(acquirer: Acquirer, reference: str) -> None:
    """The payer is faster than our answer: the partner hears of the money first."""
    wait_s = acquirer.truth.take_fault("notify_before_answer", reference)
    order = acquirer.truth.order(partner_reference_no=reference)
    if wait_s is None or order is None:
        return
    try:
        acquirer.pay(order, Outcome.PAY)
    except PaymentRefused:
        return
    await _told_once(acquirer, order, wait_s)


async def _told_once(acquirer: Acquirer, order: Order, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s):
            while not acquirer.truth.attempts_ended(order):  # noqa: ASYNC110 - the ledger has no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        return
