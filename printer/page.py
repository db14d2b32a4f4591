"""The virtual printer's page: its lamps, its buttons, and the paper as it grows.

`GET /` for people; `GET /state` and `POST /do/PART/STATE` (`paper/out`, `cover/open`, …) also for
programs. No person is known here: it shall be reachable only by those who may see the receipts.
"""

import asyncio
import contextlib
import io
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from printer.errors import UnknownFault
from printer.virtual import VirtualPrinter

_HERE = Path(__file__).parent
_TEMPLATES = Jinja2Templates(_HERE / "templates")
_SLIPS = 12  # earlier ones are only in the folder
_BREATH_S = 0.1  # at least so long between two words that something changed
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_WORDS = {
    "title": ("Printer virtual", "Virtual printer"),
    "language": ("English", "Bahasa Indonesia"),
    "ready": ("Siap", "Ready"),
    "off": ("Mati", "Switched off"),
    "cover_open": ("Tutup terbuka", "Cover open"),
    "paper_out": ("Kertas habis", "Out of paper"),
    "hot": ("Kepala cetak terlalu panas", "Print head too hot"),
    "jammed": ("Pisau macet", "Knife jammed"),
    "near_end": ("Kertas hampir habis", "Paper is running low"),
    "lamps": ("Lampu", "Lamps"),
    "lamp_power": ("Daya", "Power"),
    "lamp_error": ("Gangguan", "Error"),
    "lamp_paper": ("Kertas", "Paper"),
    "lamp_line": ("Terhubung", "Connected"),
    "lit": ("menyala", "lit"),
    "dark": ("padam", "dark"),
    "waiting": ("byte menunggu di memori", "bytes wait in the memory"),
    "buttons": ("Mainkan printer", "Play the printer"),
    "paper/full": ("Isi kertas", "Refill the paper"),
    "paper/near-end": ("Kertas hampir habis", "Paper runs low"),
    "paper/out": ("Kertas habis", "Paper runs out"),
    "cover/open": ("Buka tutup", "Open the cover"),
    "cover/closed": ("Tutup kembali", "Close the cover"),
    "head/hot": ("Kepala jadi panas", "Head gets hot"),
    "head/cool": ("Dinginkan kepala", "Cool the head"),
    "knife/jammed": ("Pisau macet", "Knife jams"),
    "knife/free": ("Bebaskan pisau", "Free the knife"),
    "power/off": ("Matikan", "Switch off"),
    "power/on": ("Nyalakan", "Switch on"),
    "paper": ("Kertas yang sedang keluar", "Paper coming out"),
    "no_paper": ("Belum ada yang dicetak di kertas ini.", "Nothing is on this paper yet."),
    "slips": ("Struk sebelumnya", "Earlier slips"),
    "no_slips": ("Belum ada struk.", "No slips yet."),
}


def application(machine: VirtualPrinter) -> Starlette:
    """The page of that printer, to be served in the printer's own event loop."""
    app = Starlette(
        routes=[
            Route("/", _show),
            Route("/state", _tell),
            Route("/do/{part}/{state}", _do, methods=["POST"]),
            Route("/paper.png", _show_paper),
            Route("/slips/{number:int}.png", _show_slip),
            Route("/events", _events),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[
            # Or a page of any site could read receipts by pointing its own name at this address.
            Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(machine.host)),
            Middleware(_Headers),
        ],
    )
    app.state.machine = machine
    app.state.ending = False
    return app


def _machine(request: Request) -> VirtualPrinter:
    machine: VirtualPrinter = request.app.state.machine
    return machine


async def _show(request: Request) -> Response:
    machine = _machine(request)
    language = "en" if request.query_params.get("lang") == "en" else "id"
    facts = {
        "language": language,
        "t": {key: words[language == "en"] for key, words in _WORDS.items()},
        "machine": machine,
        "reasons": _reasons(machine),
        "lamps": _lamps(machine),
        "buttons": _buttons(machine),
        "slip": machine.interpreter.slip,
        "slips": _slips(machine),
    }
    return _TEMPLATES.TemplateResponse(request, "virtual.html", facts)


async def _tell(request: Request) -> Response:
    return JSONResponse(_state(_machine(request)))


async def _do(request: Request) -> Response:
    machine = _machine(request)
    if request.headers.get("origin") not in (None, f"http://{request.headers['host']}"):
        raise HTTPException(403, "another site's page asks for this")
    try:
        await machine.change(request.path_params["part"], request.path_params["state"])
    except UnknownFault as error:
        raise HTTPException(404, str(error)) from None
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/?{request.url.query}", 303)
    return JSONResponse(_state(machine))


async def _show_paper(request: Request) -> Response:
    picture = io.BytesIO()
    _machine(request).interpreter.slip.image.save(picture, format="PNG")
    return Response(picture.getvalue(), media_type="image/png")


async def _show_slip(request: Request) -> Response:
    path = _machine(request).out / f"receipt-{request.path_params['number']:04d}.png"
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path)


async def _events(request: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        while not request.app.state.ending:
            yield "data: changed\n\n"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await _machine(request).changed()
            await asyncio.sleep(_BREATH_S)

    return StreamingResponse(stream(), media_type="text/event-stream")


class _Headers:
    """What each answer carries: the policy, and that nothing is kept."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


class _Server(uvicorn.Server):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Ctrl-C is the command's."""
        return contextlib.nullcontext()


@contextlib.asynccontextmanager
async def serving(machine: VirtualPrinter, port: int) -> AsyncIterator[str]:
    """Serve the page beside the printer, on `port` or a free one for 0; its URL.

    Raises `OSError` if the port is taken.
    """
    app = application(machine)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,
    )
    with socket.create_server((machine.host, port)) as listening:
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://{machine.host}:{listening.getsockname()[1]}"
        finally:
            app.state.ending = server.should_exit = True
            await task


def _hosts(host: str) -> list[str]:
    return ["127.0.0.1", "localhost"] if host in ("127.0.0.1", "localhost") else ["*"]


def _paper(machine: VirtualPrinter) -> str:
    hardware = machine.hardware
    return "out" if hardware.paper_out else "near-end" if hardware.near_end else "full"


def _state(machine: VirtualPrinter) -> dict[str, Any]:
    hardware = machine.hardware
    return {
        "power": "on" if hardware.power else "off",
        "cover": "open" if hardware.cover_open else "closed",
        "paper": _paper(machine),
        "head": "hot" if hardware.hot else "cool",
        "knife": "jammed" if hardware.jammed else "free",
        "connected": machine.connected,
        "waiting_bytes": machine.interpreter.waiting,
        "lines": machine.interpreter.slip.text,
    }


def _reasons(machine: VirtualPrinter) -> list[str]:
    """Why it does not print, else that it soon will not, else that it is ready: keys of words."""
    hardware = machine.hardware
    if not hardware.power:
        return ["off"]
    stops = [key for key in ("cover_open", "paper_out", "hot", "jammed") if getattr(hardware, key)]
    return stops or (["near_end"] if hardware.near_end else ["ready"])


def _lamps(machine: VirtualPrinter) -> list[tuple[str, bool]]:
    hardware = machine.hardware
    return [
        ("power", hardware.power),
        ("error", hardware.power and hardware.stopped),
        ("paper", hardware.power and _paper(machine) != "full"),
        ("line", machine.connected),
    ]


def _buttons(machine: VirtualPrinter) -> list[tuple[str, list[str]]]:
    """By part, the states it can be brought to from where it is."""
    now = _state(machine)
    states = {
        "paper": ["full", "near-end", "out"],
        "cover": ["open", "closed"],
        "head": ["hot", "cool"],
        "knife": ["jammed", "free"] if machine.profile.cutter != "none" else [],
        "power": ["off", "on"],
    }
    return [(part, [to for to in states[part] if to != now[part]]) for part in states]


def _slips(machine: VirtualPrinter) -> list[tuple[int, str]]:
    """Number and text of the latest slips, the newest first."""
    texts = {
        int(found[1]): path
        for path in machine.out.glob("receipt-*.txt")
        if (found := re.fullmatch(r"receipt-(\d{4,})", path.stem))
    }
    latest = sorted(texts, reverse=True)[:_SLIPS]
    return [(number, texts[number].read_text("utf-8")) for number in latest]
