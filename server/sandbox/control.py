"""What only a sandbox has: its truth laid open, faults on demand, and the day ended at will."""

import json
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from server.sandbox import report, settlement
from server.sandbox.acquirer import Acquirer
from server.sandbox.faults import FAULTS, GROUPS
from server.sandbox.fields import read_body
from server.sandbox.pages import acquirer_of

_MAX_TIMES = 1_000_000
_MAX_VALUE = 86_400
_MAX_OFFSET_S = 40 * 86_400
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


async def truth(request: Request) -> Response:
    chosen = request.query_params.get("date")
    day = None if chosen is None else _date(chosen).isoformat()
    ledger = acquirer_of(request).truth
    return JSONResponse({**report.everything(ledger, day), "faults": ledger.faults()})


def _faults_told(acquirer: Acquirer) -> dict[str, Any]:
    """The table of faults, each with how often it is loaded and has fired."""
    counts = acquirer.truth.fault_counts()
    return {
        "known": sorted(FAULTS),
        "fired": {name: counts.get(name, (0, 0))[1] for name in FAULTS},
        "faults": acquirer.truth.faults(),
        "table": [
            {
                "name": fault.name,
                "group": fault.group,
                "group_name": dict(zip(("id", "en"), GROUPS[fault.group], strict=True)),
                "does": {"id": fault.indonesian, "en": fault.english},
                "row": fault.row,
                "unit": fault.unit,
                "default": fault.default,
                "armed": counts.get(fault.name, (0, 0))[0],
                "fired": counts.get(fault.name, (0, 0))[1],
            }
            for fault in FAULTS.values()
        ],
    }


async def faults(request: Request) -> Response:
    """Loads a fault (`{"fault", "times"?, "reference"?, "value"?}`) or clears all of them."""
    acquirer = acquirer_of(request)
    if request.method == "GET":
        return JSONResponse(_faults_told(acquirer))
    body = await _json(request)
    if body.get("clear") is True:
        with acquirer.truth.transaction():
            acquirer.truth.clear_faults()
        return JSONResponse({"faults": acquirer.truth.faults()})
    load(
        acquirer,
        body.get("fault"),
        body.get("times", 1),
        body.get("reference", ""),
        body.get("value"),
    )
    return JSONResponse({"faults": acquirer.truth.faults()}, 201)


def load(acquirer: Acquirer, name: object, times: object, reference: object, value: object) -> None:
    """Loads one fault; a value of None is the fault's own. Raises ControlError."""
    if not isinstance(name, str) or name not in FAULTS:
        known = ", ".join(sorted(FAULTS))
        raise ControlError("unknown_fault", f"Gangguan yang dikenal: {known}", f"Known: {known}")
    value = FAULTS[name].default if value is None else value
    if (
        type(times) is not int
        or not 1 <= times <= _MAX_TIMES
        or not (isinstance(reference, str) and reference.isascii())
        or not isinstance(value, int | float)
        or isinstance(value, bool)
        or not 0 <= value <= _MAX_VALUE
    ):
        raise ControlError(
            "bad_fault",
            f"times 1 sampai {_MAX_TIMES}, reference teks, value 0 sampai {_MAX_VALUE}.",
            f"times is 1 to {_MAX_TIMES}, reference a text, value 0 to {_MAX_VALUE}.",
        )
    with acquirer.truth.transaction():
        if name == "tokens_revoked":  # happens now, not at some later call
            acquirer.truth.add_fault(name, times=1, reference="", value=value)
            acquirer.truth.take_fault(name)
            acquirer.truth.revoke_tokens()
        else:
            acquirer.truth.add_fault(name, times=times, reference=reference, value=value)


async def clock(request: Request) -> Response:
    """The acquirer's clock; `{"offset_s"}` moves it, durably, against real time."""
    acquirer = acquirer_of(request)
    if request.method == "POST":
        move_clock(acquirer, (await _json(request)).get("offset_s"))
    told = {
        "now": acquirer.now().astimezone(acquirer.settings.zone).isoformat(),
        "offset_s": acquirer.truth.clock_offset_ms / 1000,
    }
    return JSONResponse(told)


def move_clock(acquirer: Acquirer, offset_s: object) -> None:
    if (
        not isinstance(offset_s, int | float)
        or isinstance(offset_s, bool)
        or abs(offset_s) > _MAX_OFFSET_S
    ):
        raise ControlError(
            "bad_offset",
            f"offset_s adalah detik, -{_MAX_OFFSET_S} sampai {_MAX_OFFSET_S}.",
            f"offset_s is in seconds, -{_MAX_OFFSET_S} to {_MAX_OFFSET_S}.",
        )
    acquirer.truth.set_clock_offset(round(offset_s * 1000))
    acquirer.wake.set()


async def day_end(request: Request) -> Response:
    day = _date((await _json(request)).get("date"))
    return JSONResponse(settlement.day_end(acquirer_of(request), day))


async def day_end_file(request: Request) -> Response:
    settings = acquirer_of(request).settings
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
    Route("/sandbox/clock", clock, methods=["GET", "POST"]),
    Route("/sandbox/day-end", day_end, methods=["POST"]),
    Route("/sandbox/day-end/{date}/settlement.csv", day_end_file),
    Route("/sandbox/day-end/{date}/statement.sta", day_end_file),
]
