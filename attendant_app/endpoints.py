"""The local HTTP API, as the page and the end-to-end command use it: HTTP only, no decisions."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from attendant_app import barcode, closing, printing, problems, recognise, scanner, service, shifts
from attendant_app.paperwork import RECEIPT
from attendant_app.runtime import Handheld

HEARTBEAT_S = 15.0


def handheld_of(request: Request) -> Handheld:
    """The handheld of the screens: the real one, or the one of practice while that lasts."""
    training = request.app.state.training
    handheld: Handheld = training.handheld if training else request.app.state.handheld
    return handheld


async def body_of(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError) as error:
        raise problems.InvalidRequest("not JSON") from error
    if not isinstance(body, dict):
        raise problems.InvalidRequest("not a JSON object")
    return body


def text_in(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise problems.InvalidRequest(name)
    return value


async def get_status(request: Request) -> Response:
    return JSONResponse(full_status(handheld_of(request)))


def full_status(handheld: Handheld) -> dict[str, Any]:
    return {**service.status(handheld), "printer": printing.printer_status(handheld)}


async def post_enrol(request: Request) -> Response:
    handheld = handheld_of(request)
    await shifts.enrol(handheld, text_in(await body_of(request), "code"))
    return JSONResponse(full_status(handheld))


async def post_sign_in(request: Request) -> Response:
    handheld, body = handheld_of(request), await body_of(request)
    await shifts.sign_in(handheld, text_in(body, "attendant"), text_in(body, "pin"))
    return JSONResponse(full_status(handheld))


async def post_close_shift(request: Request) -> Response:
    handheld, body = handheld_of(request), await body_of(request)
    made = await closing.close(
        handheld, _whole_in(body, "counted_rp"), _whole_in(body, "held_seen", 0)
    )
    return JSONResponse({**asdict(made), "difference_rp": made.difference_rp})


def _whole_in(body: dict[str, Any], name: str, default: int | None = None) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise problems.InvalidRequest(name)
    return value


async def get_spots(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    return JSONResponse({"spots": service.spots(handheld)})


async def post_charge(request: Request) -> Response:
    body = await body_of(request)
    plate, minutes = _text_or_none(body, "plate"), body.get("minutes")
    if minutes is not None and (not isinstance(minutes, int) or isinstance(minutes, bool)):
        raise problems.InvalidRequest("minutes")
    charge = await service.request_charge(
        handheld_of(request),
        text_in(body, "spot"),
        text_in(body, "vehicle_class"),
        plate,
        minutes,
        _text_or_none(body, "consumer_qr"),
    )
    return JSONResponse(service.view(handheld_of(request), charge), 201)


async def post_cash_charge(request: Request) -> Response:
    handheld, body = handheld_of(request), await body_of(request)
    charge = await service.take_cash(
        handheld,
        text_in(body, "spot"),
        text_in(body, "vehicle_class"),
        _text_or_none(body, "plate"),
    )
    return JSONResponse(service.view(handheld, charge), 201)


def _text_or_none(body: dict[str, Any], name: str) -> str | None:
    text = body.get(name)
    if text is not None and not isinstance(text, str):
        raise problems.InvalidRequest(name)
    return text


async def get_charges(request: Request) -> Response:
    handheld = handheld_of(request)
    shifts.signed_in(handheld)
    charges = [service.view(handheld, charge) for charge in handheld.store.charges()]
    return JSONResponse({"charges": charges})


def _charge_view(request: Request) -> dict[str, Any]:
    handheld = handheld_of(request)
    shifts.signed_in(handheld)
    charge = service.charge_or_problem(handheld, request.path_params["charge_id"])
    return service.view(handheld, charge)


async def get_charge(request: Request) -> Response:
    return JSONResponse(_charge_view(request))


async def get_barcode_svg(request: Request) -> Response:
    return Response(_barcode(request, barcode.svg), media_type="image/svg+xml")


async def get_barcode_png(request: Request) -> Response:
    return Response(_barcode(request, barcode.png), media_type="image/png")


def _barcode(request: Request, draw: Callable[[str], str | bytes]) -> str | bytes:
    return _drawn(_charge_view(request)["qris"], draw)


def _drawn(text: str | None, draw: Callable[[str], str | bytes]) -> str | bytes:
    if not text:
        raise problems.NoBarcode
    try:
        return draw(text)
    except barcode.BarcodeError as error:
        raise problems.NoBarcode(str(error)) from error


async def get_page_svg(request: Request) -> Response:
    """The QR of the driver's own page, where the proof stands once the charge is paid."""
    return Response(_drawn(_charge_view(request)["page"], barcode.svg), media_type="image/svg+xml")


async def get_receipt_svg(request: Request) -> Response:
    """The QR of the receipt's own page, for a driver's phone where there is no paper."""
    view = _charge_view(request)
    if view["state"] != "paid" or not view["receipt"]:
        raise problems.NoReceipt
    drawn = _drawn(str(view["receipt"]["verify_url"]), barcode.svg)
    return Response(drawn, media_type="image/svg+xml")


async def get_charge_events(request: Request) -> Response:
    handheld = handheld_of(request)
    _charge_view(request)

    def facts() -> dict[str, Any]:
        view = _charge_view(request)
        return {**view, "print": _print(handheld, view)}

    return event_stream(handheld, "charge", facts)


async def get_events(request: Request) -> Response:
    handheld = handheld_of(request)
    return event_stream(handheld, "changed", lambda: full_status(handheld), always=True)


def event_stream(
    handheld: Handheld, name: str, facts: Callable[[], dict[str, Any]], *, always: bool = False
) -> StreamingResponse:
    """Server-sent events: the facts at once, then at each ring (if changed, unless `always`)."""

    async def stream() -> AsyncIterator[str]:
        last = ""
        while not handheld.bell.closing:
            heard = handheld.bell.rings
            try:
                data = json.dumps(facts())
            except problems.Problem:
                return
            if always or data != last:
                yield f"event: {name}\ndata: {data}\n\n"
                last = data
            else:
                yield ": still here\n\n"
            await handheld.bell.wait(heard, HEARTBEAT_S)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def post_scan(request: Request) -> Response:
    """A picture, raw or as the `image` part of a form: its texts, and what the only one means."""
    handheld = handheld_of(request)
    shifts.on_shift(handheld)
    started = time.perf_counter()
    texts = [sighting.text for sighting in await look_at(handheld, await _picture_of(request))]
    taken_ms = round((time.perf_counter() - started) * 1000)
    return JSONResponse({"texts": texts, "ms": taken_ms, "result": await _meaning(handheld, texts)})


async def post_frame(request: Request) -> Response:
    """One frame of a live camera: the texts in it, and where. What they mean is asked once.

    It needs no shift: a device that is being enrolled has none.
    """
    handheld = handheld_of(request)
    data, started = await request.body(), time.perf_counter()
    async with handheld.watching:
        seen = await _read(lambda: _watch(handheld, data))
    taken_ms = round((time.perf_counter() - started) * 1000)
    codes = [{"text": code.text, "corners": code.corners.tolist()} for code in seen]
    return JSONResponse({"codes": codes, "ms": taken_ms})


async def look_at(handheld: Handheld, data: bytes) -> list[scanner.Sighting]:
    """Reads a picture in memory, off the event loop."""
    async with handheld.reading:
        return await _read(lambda: scanner.look(scanner.unpack(data)))


async def codes_in(handheld: Handheld, form: FormData) -> list[str]:
    """What a camera's page sent: the texts of codes, or a picture that is read for them."""
    image = form.get("image")
    if isinstance(image, UploadFile):
        return [seen.text for seen in await look_at(handheld, await image.read())]
    return [text for text in form.getlist("text") if isinstance(text, str)]


def _watch(handheld: Handheld, data: bytes) -> list[scanner.Sighting]:
    if handheld.watcher is None:
        handheld.watcher = scanner.Watcher()
    return handheld.watcher.look(scanner.unpack(data))


async def _read(look: Callable[[], list[scanner.Sighting]]) -> list[scanner.Sighting]:
    try:
        return await asyncio.to_thread(look)
    except scanner.PictureError as error:
        raise problems.PictureRefused(error.reason) from error


async def _picture_of(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=4) as form:
        image = form.get("image")
        if not isinstance(image, UploadFile):
            raise problems.InvalidRequest("image")
        return await image.read()


async def _meaning(handheld: Handheld, texts: list[str]) -> dict[str, Any]:
    if not texts:
        return {"kind": "none"}
    if len(texts) == 1:
        return await recognise.resolve(handheld, texts[0])
    # Guessing which of two codes was meant is how money goes to a stranger.
    return {"kind": "several", "choices": recognise.several(handheld, texts)}


async def get_camera_frame(request: Request) -> Response:
    handheld = handheld_of(request)
    if handheld.camera is None:
        raise problems.NotFound
    return Response(await handheld.camera.frame(), media_type="image/jpeg")


async def get_typed(request: Request) -> Response:
    return JSONResponse(recognise.typed(handheld_of(request), request.query_params.get("text", "")))


async def post_resolve(request: Request) -> Response:
    text = text_in(await body_of(request), "text")
    return JSONResponse({"result": await recognise.resolve(handheld_of(request), text)})


def _print(handheld: Handheld, view: dict[str, Any]) -> dict[str, Any]:
    return printing.status(handheld, RECEIPT, view["id"])


async def get_print(request: Request) -> Response:
    return JSONResponse(_print(handheld_of(request), _charge_view(request)))


async def post_reprint(request: Request) -> Response:
    view = _charge_view(request)
    printing.ask(handheld_of(request), RECEIPT, view["id"])
    return JSONResponse(_print(handheld_of(request), view), 202)


async def post_print_confirm(request: Request) -> Response:
    view = _charge_view(request)
    printing.seen(handheld_of(request), RECEIPT, view["id"])
    return JSONResponse(_print(handheld_of(request), view))


ROUTES = [
    Route("/api/status", get_status),
    Route("/api/events", get_events),
    Route("/api/enrol", post_enrol, methods=["POST"]),
    Route("/api/sign-in", post_sign_in, methods=["POST"]),
    Route("/api/close-shift", post_close_shift, methods=["POST"]),
    Route("/api/spots", get_spots),
    Route("/api/charges", get_charges, methods=["GET"]),
    Route("/api/charges", post_charge, methods=["POST"]),
    Route("/api/cash-charges", post_cash_charge, methods=["POST"]),
    Route("/api/charges/{charge_id}", get_charge),
    Route("/api/charges/{charge_id}/barcode.svg", get_barcode_svg),
    Route("/api/charges/{charge_id}/barcode.png", get_barcode_png),
    Route("/api/charges/{charge_id}/page.svg", get_page_svg),
    Route("/api/charges/{charge_id}/receipt.svg", get_receipt_svg),
    Route("/api/charges/{charge_id}/events", get_charge_events),
    Route("/api/charges/{charge_id}/print", get_print),
    Route("/api/charges/{charge_id}/reprint", post_reprint, methods=["POST"]),
    Route("/api/charges/{charge_id}/print-confirm", post_print_confirm, methods=["POST"]),
    Route("/api/scan", post_scan, methods=["POST"]),
    Route("/api/frames", post_frame, methods=["POST"]),
    Route("/api/camera.jpg", get_camera_frame),
    Route("/api/typed", get_typed),
    Route("/api/resolve", post_resolve, methods=["POST"]),
]
