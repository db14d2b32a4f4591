"""The commands `karcis handheld` and `karcis scan`."""

import json
import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from attendant_app import app, scanner, settings
from attendant_app.device_key import DeviceKeyError
from attendant_app.store import Store, StoreInUseError


class Server(uvicorn.Server):
    """Tells systemd that it started; ends open event streams, so that a stop waits for none."""

    def __init__(self, config: uvicorn.Config, application: Starlette) -> None:
        super().__init__(config)
        self._application = application

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and (place := os.environ.get("NOTIFY_SOCKET")):
            _tell_systemd(place)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.state.handheld.bell.close()
        await super().shutdown(sockets)


def handheld(
    camera: Annotated[
        str, typer.Option(help="A camera's number or a film, where the browser has no camera.")
    ] = "",
) -> None:
    """Run the attendant's handheld (settings: HANDHELD_…); open its page in a browser."""
    try:
        chosen = settings.from_environment()
        chosen = replace(chosen, camera=camera or chosen.camera)
        store = Store(chosen.data)
    except (settings.SettingsError, StoreInUseError, OSError) as error:
        _fail(str(error))
    try:
        application = app.create_app(chosen, store)
        server = Server(
            uvicorn.Config(
                application,
                host=chosen.host,
                port=chosen.port,
                access_log=False,
                log_level="warning",
                timeout_graceful_shutdown=3,
            ),
            application,
        )
        # The server hands its stop signal on when it is done; by then there is nothing to stop.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        server.run()
    except DeviceKeyError as error:
        _fail(str(error))
    finally:
        store.close()
    if not server.started:
        raise typer.Exit(1)


def scan(
    files: Annotated[list[Path], typer.Argument(help="Pictures: JPEG, PNG or WebP.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line a file; this is the only form.")
    ] = False,
) -> None:
    """Read the QR codes in pictures; one JSON line a file."""
    failed = False
    for file in files:
        try:
            picture = scanner.unpack(file.read_bytes())
            started = time.perf_counter()
            texts = scanner.decode(picture)
        except OSError as error:
            print(f"{file}: {error.strerror or error}", file=sys.stderr)
            failed = True
            continue
        except scanner.PictureError as error:
            print(f"{file}: not a picture that can be read ({error.reason})", file=sys.stderr)
            failed = True
            continue
        taken_ms = round((time.perf_counter() - started) * 1000, 1)
        print(json.dumps({"file": str(file), "texts": texts, "ms": taken_ms}, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def _tell_systemd(place: str) -> None:
    """That the page answers (sd_notify), so that the kiosk's browser opens no error page."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(place.replace("@", "\0", 1) if place.startswith("@") else place)
        manager.send(b"READY=1")


def _fail(reason: str) -> None:
    print(f"karcis handheld: {reason}", file=sys.stderr)
    raise typer.Exit(1)
