"""What a receipt costs this host before the paper moves, beside python-escpos."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import printer
from bench.figure import Figure, compare
from printer import Columns, Cut, Document, Qr, Rule, Text
from printer.layout import Line, lay_out
from printer.virtual import running

ROUNDS = 7
SLIPS = 100
NUMBERS = count(1)
IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def measure() -> list[Figure]:
    with TemporaryDirectory() as folder:
        # python-escpos keeps what it read of its printers there; else it reads them at each import.
        os.environ["ESCPOS_CAPABILITIES_PICKLE_DIR"] = folder
        note = "19 lines and another QR code of 72 bytes each time; CPU time, our layout too."
        return [
            _encoding("print-native", "generic-80", note),
            _encoding("print-raster", "generic-58", note),
            compare(
                "print-import",
                "ms",
                lambda: _import_ms("printer", folder),
                "python-escpos",
                lambda: _import_ms("escpos.printer", folder),
                ROUNDS,
                "In a fresh process each; python-escpos with its cache of printers filled.",
            ),
            _status(Path(folder)),
        ]


def _encoding(name: str, profile_name: str, note: str) -> Figure:
    from escpos.printer import Dummy

    profile = printer.profile(profile_name)
    theirs = Dummy(profile="TM-T20II")

    def ours() -> None:
        printer.encode(_slip(), profile)

    def baseline() -> None:
        theirs.clear()
        for line in lines:
            theirs.set(bold=line.bold, custom_size=True, width=line.width, height=line.height)
            theirs.textln(line.text)
        theirs.qr(_link(), ec=1, size=5, native=profile.native_qr)
        theirs.cut()
        assert theirs.output

    lines = [command for command in lay_out(_slip(), profile) if isinstance(command, Line)]
    return compare(
        name, "µs", lambda: _us(ours), "python-escpos", lambda: _us(baseline), ROUNDS, note
    )


def _us(encode: Callable[[], None]) -> float:
    encode()
    started = time.process_time()
    for _ in range(SLIPS):
        encode()
    return (time.process_time() - started) / SLIPS * 1e6


def _link() -> str:
    return f"https://karcis.example/v1/receipts/KT-2026-{next(NUMBERS):06d}-7?s=Zk3vQmB0uT9xYw"


def _slip() -> Document:
    facts = [Columns(f"Keterangan {n}", f"nilai {n}") for n in range(12)]
    return Document(
        (
            Text("DINAS PERHUBUNGAN", align="center", bold=True),
            Text("KARCIS PARKIR", align="center", bold=True, width=2, height=2),
            Rule("="),
            *facts,
            Rule(),
            Columns("TOTAL", "Rp5.000", bold=True, height=2),
            Qr(_link(), max_module_dots=5),
            Text("Simpan sebagai bukti pembayaran", align="center"),
            Text("-- AKHIR --", align="center"),
            Cut(),
        )
    )


def _import_ms(module: str, folder: str) -> float:
    made = subprocess.run(
        [sys.executable, "-c", IMPORT.format(module)],
        capture_output=True,
        check=True,
        env={**os.environ, "TMPDIR": folder},
    )
    return float(made.stdout) * 1000


def _status(folder: Path) -> Figure:
    with running(printer.profile("generic-80"), folder) as virtual:
        address = ("127.0.0.1", virtual.port)
        # One after the other, since a printer serves one client at a time.
        rounds = [(_our_query(address), _their_query(address)) for _ in range(ROUNDS)]
    return Figure.of_rounds(
        "print-status",
        "µs",
        rounds,
        "python-escpos",
        "On loopback, from the virtual printer: ours asks four questions, python-escpos two.",
    )


def _our_query(address: tuple[str, int]) -> float:
    transport = printer.from_url("tcp://{}:{}".format(*address))
    transport.open(5)
    try:
        return _wait_us(lambda: printer.query(transport, printer.profile("generic-80")))
    finally:
        transport.close(0)


def _their_query(address: tuple[str, int]) -> float:
    from escpos.printer import Network

    theirs = Network(*address, timeout=5)
    theirs.open()
    try:
        return _wait_us(lambda: (theirs.is_online(), theirs.paper_status()))
    finally:
        theirs.close()


def _wait_us(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(20):
        ask()
    return (time.perf_counter() - started) / 20 * 1e6
