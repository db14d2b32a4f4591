"""Every slip on every printer: its bytes, and what a reader that knows no encoder makes of them."""

import os
from pathlib import Path

import pytest

import printer
from attendant_app.slips import Printing
from printer.interpreter import interpret
from tests.attendant_app.slip_samples import AT, SLIPS, WITA

FOLDER = Path(__file__).parents[2] / "fixtures" / "slips"
PRINTINGS = {
    **{name: (name, Printing(WITA)) for name in SLIPS},
    "copy": ("receipt", Printing(WITA, copy=1, reprinted_at=AT)),
}


@pytest.mark.parametrize("name", printer.names())
def test_golden(name: str) -> None:
    profile = printer.profile(name)
    sent, read = b"", ""
    for title, (slip, how) in PRINTINGS.items():
        data = printer.encode(SLIPS[slip](how), profile)
        (receipt,) = interpret(data, profile)
        sent += data
        read += f"== {title}\n" + "".join(f"{line}\n" for line in receipt.text)
    if os.environ.get("KARCIS_GOLDEN") == "1":
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.bin").write_bytes(sent)
        (FOLDER / f"{name}.txt").write_text(read, encoding="utf-8")
    assert (FOLDER / f"{name}.txt").read_text(encoding="utf-8") == read
    assert (FOLDER / f"{name}.bin").read_bytes() == sent
