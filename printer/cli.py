"""`karcis printer`: pictures and bytes of documents, a virtual printer, and a test page.

Data goes to stdout, talk to stderr; exit 1 means it failed, 2 that it was asked wrongly.
"""

import asyncio
import contextlib
import dataclasses
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import printer
from printer.profiles import DEFAULT

app = typer.Typer(
    help="Receipts on thermal paper: preview, encode, a virtual printer, a test page.",
    no_args_is_help=True,
)

ProfileName = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="Kind of printer: generic-58, generic-80…")
]
DocumentFile = Annotated[Path, typer.Argument(metavar="FILE.json", help="A document as JSON.")]

# The printer that is never short of anything: it prints what was laid out for any other.
DESKTOP = "generic-80"

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
def preview(
    file: DocumentFile,
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="Where the picture goes.")],
    profile: ProfileName = DEFAULT,
) -> None:
    """Draw a document as it will look on paper."""
    with _plain_errors():
        printer.preview(_document(file), printer.profile(profile)).save(out, format="PNG")


@app.command()
def encode(
    file: DocumentFile,
    out: Annotated[Path, typer.Argument(metavar="OUT.bin", help="Where the bytes go.")],
    profile: ProfileName = DEFAULT,
) -> None:
    """Write the bytes that print a document."""
    with _plain_errors():
        out.write_bytes(printer.encode(_document(file), printer.profile(profile)))


@app.command()
def virtual(
    port: Annotated[int, typer.Option(help="TCP port; 0 picks a free one.")] = 9100,
    out: Annotated[Path, typer.Option(help="Folder for the receipts.")] = Path("data/printer"),
    profile: ProfileName = DESKTOP,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT",
            help="paper-out:LINES, near-end, cover-open, silent, stall[:BYTES], cut-at:BYTES; "
            "may be given several times.",
        ),
    ] = None,
) -> None:
    """Be a printer on TCP until Ctrl-C: each receipt becomes a .png, .txt and .bin."""
    from printer.interpreter import Faults
    from printer.virtual import VirtualPrinter

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with VirtualPrinter(
            printer.profile(profile),
            out,
            Faults.parse(fault or []),
            host=host,
            port=port,
            on_receipt=lambda path: typer.echo(str(path), err=True),
        ) as machine:
            print(json.dumps({"port": machine.port, "out": str(out)}), flush=True)
            await stop.wait()

    with _plain_errors():
        asyncio.run(serve())


@app.command("test")
def send_test_page(
    to: Annotated[str, typer.Option(metavar="URL", help="tcp://host:9100 or file:///dev/usb/lp0")],
    profile: ProfileName = DESKTOP,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as one JSON line.")] = False,
) -> None:
    """Print a test page and say in words what became of it."""
    with _plain_errors():
        kind = printer.profile(profile)
        transport = printer.from_url(to)
    outcome = printer.send(printer.encode(ruler_page(kind), kind), transport, kind)
    if as_json:
        print(json.dumps(dataclasses.asdict(outcome)))
    else:
        for result, state in zip(_RESULTS[outcome.result], _STATES[outcome.state], strict=True):
            print(f"{result}: {state}.")
        typer.echo(outcome.detail, err=True)
    if outcome.result is not printer.Result.PRINTED:
        raise typer.Exit(1)


def ruler_page(profile: printer.Profile) -> printer.Document:
    """A page whose look tells whether the profile is the right one for the printer."""
    ruler = "".join(str(column % 10) for column in range(1, profile.columns + 1))
    return printer.Document(
        (
            printer.Text("UJI CETAK", align="center", bold=True, width=2, height=2),
            printer.Text("Test page", align="center"),
            printer.Rule("="),
            printer.Columns("Profil", profile.name),
            printer.Columns("Lebar", f"{profile.dots} dots, {profile.columns} kolom"),
            printer.Columns("QR", "oleh printer" if profile.native_qr else "sebagai gambar"),
            printer.Columns("Pemotong", "tidak ada" if profile.cutter == "none" else "ada"),
            printer.Rule(),
            printer.Text("Satu baris, ujung ke ujung:"),
            printer.Text(ruler),
            printer.Text("Tebal / bold", bold=True),
            printer.Columns("TOTAL", "Rp5.000", bold=True, height=2),
            printer.Text("QR harus terbaca: KARCIS-UJI"),
            printer.Qr("KARCIS-UJI"),
            printer.Text("-- AKHIR UJI CETAK --", align="center"),
            printer.Cut(),
        )
    )


def _document(file: Path) -> printer.Document:
    return printer.Document.from_json(file.read_bytes())


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """A wrong name, file or document is told in a sentence, not in a stack trace."""
    try:
        yield
    except (printer.UnknownProfile, printer.BadAddress, printer.UnknownFault) as error:
        typer.echo(f"karcis printer: {error}", err=True)
        raise typer.Exit(2) from None
    except (printer.PrinterError, OSError) as error:
        typer.echo(f"karcis printer: {error}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
