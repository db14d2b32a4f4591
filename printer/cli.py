"""`karcis printer`: pictures and bytes of documents, a virtual printer, a test page, a queue.

Data goes to stdout, talk to stderr; exit 1 means it failed, 2 that it was asked wrongly.
"""

import asyncio
import contextlib
import dataclasses
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import printer
from printer import queue_commands, selftest
from printer.hardware import FAULTS, Faults
from printer.profiles import DEFAULT
from printer.queue_commands import plain_errors
from printer.transports.rawbt import RawBt

if TYPE_CHECKING:
    from printer.virtual import VirtualPrinter

app = typer.Typer(
    help="Receipts on thermal paper: preview, encode, a virtual printer, a test page.",
    no_args_is_help=True,
)
app.add_typer(queue_commands.app, name="queue")

ProfileName = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="Kind of printer: generic-58, generic-80…")
]
DocumentFile = Annotated[Path, typer.Argument(metavar="FILE.json", help="A document as JSON.")]

# The printer that is never short of anything: it prints what was laid out for any other.
DESKTOP = "generic-80"
MM_PER_INCH = 25.4
_STATUS_DEADLINE_S = 1.0

# What a person does about each state, in the words of the street first.
_STATES = {
    printer.State.COVER_OPEN: ("tutup printer terbuka", "the cover is open"),
    printer.State.PAPER_OUT: ("kertas habis", "out of paper"),
    printer.State.ERROR: ("printer rusak atau terlalu panas", "the printer reports an error"),
    printer.State.OFFLINE: ("printer tidak siap", "the printer is offline"),
    printer.State.PAPER_NEAR_END: ("kertas hampir habis", "paper is running low"),
    printer.State.READY: ("printer siap", "the printer is ready"),
    printer.State.UNKNOWN: ("printer tidak menjawab", "the printer does not answer"),
}
_RESULTS = {
    printer.Result.PRINTED: ("Tercetak", "Printed"),
    printer.Result.UNCERTAIN: (
        "Belum pasti, periksa kertasnya",
        "Not certain, look at the paper",
    ),
    printer.Result.REFUSED: ("Tidak dikirim", "Not sent"),
    printer.Result.NOT_SENT: ("Printer tidak terhubung", "Printer not reached"),
}


@app.command()
def discover(
    network: Annotated[
        str | None,
        typer.Option(metavar="NET", help="Also ask every host of, say, 192.168.1.0/24 at 9100."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """List the printers this host can see, and where it could not look."""
    from printer.discovery import discover as look

    with plain_errors():
        seen = look(network)
    if as_json:
        print(json.dumps(dataclasses.asdict(seen)))
        return
    for found in seen.found:
        print(f"{found.url}\t{found.says}")
    for unseen in seen.unseen:
        typer.echo(f"{unseen.place}: {unseen.why}", err=True)


@app.command()
def preview(
    file: DocumentFile,
    out: Annotated[Path, typer.Argument(metavar="OUT.png|OUT.pdf", help="Where the picture goes.")],
    profile: ProfileName = DEFAULT,
) -> None:
    """Draw a document as it will look on paper; a PDF has the true size, to be printed as such."""
    with plain_errors():
        kind = printer.profile(profile)
        paper = printer.preview(_document(file), kind)
        if out.suffix.lower() == ".pdf":
            # Black and white, because Pillow packs shades as JPEG, which blurs dots; the mark of
            # the cutter is the only grey.
            dots = paper.point(lambda shade: 255 if shade == 255 else 0).convert("1")
            dots.save(out, format="PDF", resolution=kind.dots_per_mm * MM_PER_INCH)
        else:
            paper.save(out, format="PNG")


@app.command()
def encode(
    file: DocumentFile,
    out: Annotated[Path, typer.Argument(metavar="OUT.bin", help="Where the bytes go.")],
    profile: ProfileName = DEFAULT,
) -> None:
    """Write the bytes that print a document."""
    with plain_errors():
        out.write_bytes(printer.encode(_document(file), printer.profile(profile)))


@app.command()
def virtual(
    port: Annotated[
        int, typer.Option(help="TCP port; 0 picks a free one.", min=0, max=65535)
    ] = 9100,
    out: Annotated[Path, typer.Option(help="Folder for the receipts.")] = Path("data/printer"),
    profile: ProfileName = DESKTOP,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    pty: Annotated[
        bool, typer.Option("--pty", help="Be a serial printer instead: a new device.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(help="Print a file or FIFO instead, as it grows.", dir_okay=False),
    ] = None,
    page: Annotated[
        int | None,
        typer.Option(
            help="Port of a web page that shows the paper; 0 picks one.", min=0, max=65535
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULT", help=f"{FAULTS}; may be given several times."),
    ] = None,
) -> None:
    """Be a printer until Ctrl-C: each receipt becomes a .png, .txt and .bin."""
    from printer.virtual import VirtualPrinter

    with plain_errors():
        if pty and file is not None:
            raise printer.BadAddress("a printer is at a pty or at a file, not at both")
        machine = VirtualPrinter(
            printer.profile(profile),
            out,
            Faults.parse(fault or []),
            host=host,
            port=port,
            pty=pty,
            file=file,
            on_receipt=lambda path: typer.echo(str(path), err=True),
        )
        asyncio.run(_serve(machine, page))


async def _serve(machine: "VirtualPrinter", page: int | None) -> None:
    """Until a signal comes; where everything is goes to stdout as one JSON line."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(machine)
        ready: dict[str, str | int] = {"url": machine.address, "out": str(machine.out)}
        if machine.address.startswith("tcp:"):
            ready["port"] = machine.port
        if page is not None:
            from printer.page import serving

            ready["page"] = await stack.enter_async_context(serving(machine, page))
        print(json.dumps(ready), flush=True)
        await stop.wait()


@app.command("test")
def send_test_page(
    to: Annotated[str, typer.Option(metavar="URL", help="tcp://host:9100 or file:///dev/usb/lp0")],
    profile: ProfileName = DESKTOP,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as one JSON line.")] = False,
) -> None:
    """Print a test page and say in words what became of it; `fit` reads its letters."""
    with plain_errors():
        kind = printer.profile(profile)
        transport = printer.from_url(to)
    page = selftest.page(kind, _told(transport, kind))
    outcome = printer.send(page, transport, kind)
    if as_json:
        print(json.dumps(dataclasses.asdict(outcome)))
    elif isinstance(transport, RawBt):
        print(transport.link)
        typer.echo("buka di HP yang ada RawBT / open on the phone that has RawBT", err=True)
    else:
        for result, state in zip(_RESULTS[outcome.result], _STATES[outcome.state], strict=True):
            print(f"{result}: {state}.")
        typer.echo(outcome.detail, err=True)
    if outcome.result is not printer.Result.PRINTED:
        raise typer.Exit(1)


@app.command()
def fit(
    came_out: Annotated[str, typer.Argument(metavar="LETTERS", help="As in ADE.")],
    profile: ProfileName = DESKTOP,
) -> None:
    """Name the profiles for a printer, by the letters of its test page that came out right."""
    with plain_errors():
        found = selftest.fitting(came_out, printer.profile(profile).language)
    for name in found:
        print(name)
    if not found:
        typer.echo("tidak ada profil yang cocok / no profile fits", err=True)
        raise typer.Exit(1)


def _told(transport: printer.Transport, kind: printer.Profile) -> str:
    """What the printer says of itself, for its own paper; the print is tried whatever it says."""
    state = printer.State.UNKNOWN
    if transport.answers:
        with contextlib.suppress(printer.TransportError):
            transport.open(_STATUS_DEADLINE_S)
            try:
                state = printer.query(transport, kind, _STATUS_DEADLINE_S)
            finally:
                # It serves one at a time, and has to see that we are gone before the page comes.
                transport.close(_STATUS_DEADLINE_S)
    return _STATES[state][0]


def _document(file: Path) -> printer.Document:
    return printer.Document.from_json(file.read_bytes())


if __name__ == "__main__":
    app()
