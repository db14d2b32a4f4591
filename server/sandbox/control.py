"""What only a sandbox has: its truth laid open, faults on demand, and the day ended at will."""

import json
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from server.sandbox import settlement, snap
from server.sandbox.acquirer import Acquirer
from server.sandbox.fields import read_body

FAULTS = frozenset(
    {f"{operation.name}_{kind}" for operation in snap.OPERATIONS for kind in snap.FAULT_KINDS}
    | {
        "drop_notifications",
        "duplicate_notifications",
        "notify_wrong_amount",
        "notify_bad_signature",
        "tokens_revoked",
    }
)
_MAX_BODY_BYTES = 4_096


class ControlError(Exception):
    """A request this sandbox cannot follow, said in both languages."""

    def __init__(self, code: str, indonesian: str, english: str) -> None:
        super().__init__(code)
        self.code = code
        self.indonesian = indonesian
        self.english = english


def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ControlError)
    body = {"error": error.code, "message": error.indonesian, "message_en": error.english}
    return JSONResponse(body, 400)


async def _json(request: Request) -> dict[str, Any]:
    text = await read_body(request, _MAX_BODY_BYTES)
    if text is None:
        raise ControlError("too_long", "Isi permintaan terlalu panjang.", "The body is too long.")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ControlError("not_json", "Isi harus objek JSON.", "The body must be a JSON object.")
    return body


def _date(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ControlError(
            "bad_date", "Tanggal harus berbentuk 2026-11-21.", "A date looks like 2026-11-21."
        ) from None


def _acquirer(request: Request) -> Acquirer:
    acquirer: Acquirer = request.app.state.acquirer
    return acquirer


async def truth(request: Request) -> Response:
    chosen = request.query_params.get("date")
    day = None if chosen is None else _date(chosen).isoformat()
    ledger = _acquirer(request).truth
    return JSONResponse({**ledger.everything(day), "faults": ledger.faults()})


async def faults(request: Request) -> Response:
    """Loads a fault (`{"fault", "times"?, "reference"?, "value"?}`) or clears all of them."""
    acquirer = _acquirer(request)
    if request.method == "GET":
        return JSONResponse({"known": sorted(FAULTS), "faults": acquirer.truth.faults()})
    body = await _json(request)
    if body.get("clear") is True:
        with acquirer.truth.transaction():
            acquirer.truth.clear_faults()
        return JSONResponse({"faults": acquirer.truth.faults()})
    name, times = body.get("fault"), body.get("times", 1)
    reference, value = body.get("reference", ""), body.get("value", 1)
    if not isinstance(name, str) or name not in FAULTS:
        known = ", ".join(sorted(FAULTS))
        raise ControlError("unknown_fault", f"Gangguan yang dikenal: {known}", f"Known: {known}")
    if (
        not (type(times) is int and 1 <= times <= 1_000_000)
        or not (isinstance(reference, str) and reference.isascii())
        or not (type(value) in (int, float) and 0 <= value <= 3_600)
    ):
        raise ControlError(
            "bad_fault",
            "times 1 sampai 1000000, reference teks, value 0 sampai 3600.",
            "times is 1 to 1000000, reference a text, value 0 to 3600.",
        )
    with acquirer.truth.transaction():
        if name == "tokens_revoked":
            acquirer.truth.revoke_tokens()
        else:
            acquirer.truth.add_fault(name, times=times, reference=reference, value=value)
    return JSONResponse({"faults": acquirer.truth.faults()}, 201)


async def day_end(request: Request) -> Response:
    day = _date((await _json(request)).get("date"))
    return JSONResponse(settlement.day_end(_acquirer(request), day))


async def day_end_file(request: Request) -> Response:
    settings = _acquirer(request).settings
    day = _date(request.path_params["date"])
    if request.url.path.endswith(".csv"):
        path, kind = settlement.settlement_file(settings, day), "text/csv; charset=utf-8"
    else:
        path, kind = settlement.statement_file(settings, day), "text/plain; charset=us-ascii"
    if not path.exists():
        body = {
            "error": "no_day_end",
            "message": "Hari itu belum ditutup.",
            "message_en": "That day has not been ended.",
        }
        return JSONResponse(body, 404)
    return FileResponse(path, media_type=kind, filename=path.name)


async def alive(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


routes = [
    Route("/livez", alive),
    Route("/sandbox/truth", truth),
    Route("/sandbox/faults", faults, methods=["GET", "POST"]),
    Route("/sandbox/day-end", day_end, methods=["POST"]),
    Route("/sandbox/day-end/{date}/settlement.csv", day_end_file),
    Route("/sandbox/day-end/{date}/statement.sta", day_end_file),
]
