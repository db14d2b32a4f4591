"""The README's promise: one paid parking, end to end, by one command."""

import json
import subprocess
import sys
from pathlib import Path

import zxingcpp
from PIL import Image

CHAIN = [
    "attendant signs in at the handheld",
    "the spot's sign is read and is genuine",
    "a spot's barcode is issued",
    "the handheld reads it from a picture",
    "a wallet reads the same picture and pays",
    "the notification posts, the handheld is green",
    "the receipt is printed, its QR read back",
    "settlement and bank statement arrive",
    "the day reconciles to zero difference",
]


def test_one_paid_parking_from_barcode_to_reconciled_statement(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "once", "--data", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [step["step"] for step in told["steps"]] == CHAIN

    with Image.open(tmp_path / "barcode.png") as picture:
        assert zxingcpp.read_barcode(picture).text.startswith("000201")
    with Image.open(tmp_path / "receipt.png") as paper:
        verify_url = zxingcpp.read_barcode(paper.convert("L")).text
    assert verify_url.encode() != b""
    rows = (tmp_path / "settlement.csv").read_text().splitlines()
    assert len(rows) == 2
    assert ":62F:" in (tmp_path / "statement.sta").read_text()
    number = verify_url.rsplit("/", 1)[1]
    assert number.encode() in (tmp_path / "receipt.bin").read_bytes()
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False)
    assert left.stdout == b"", "no process is left behind"
