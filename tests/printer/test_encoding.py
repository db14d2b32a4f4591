import os

import pytest

import printer
from printer import Document
from printer.interpreter import interpret
from tests.printer.samples import RECEIPTS, SLIPS


@pytest.mark.parametrize("name", printer.names())
@pytest.mark.parametrize("slip", SLIPS)
def test_golden(slip, name):
    """Bytes by the encoder, text by the interpreter, compared with the files and so each other."""
    document, profile = SLIPS[slip](), printer.profile(name)
    data = printer.encode(document, profile)
    (receipt,) = interpret(data, profile)
    text = "".join(f"{line}\n" for line in receipt.text)
    source, stem = RECEIPTS / f"{slip}.json", RECEIPTS / f"{slip}.{name}"
    if os.environ.get("KARCIS_GOLDEN") == "1":
        RECEIPTS.mkdir(parents=True, exist_ok=True)
        source.write_text(document.to_json(), encoding="utf-8")
        stem.with_suffix(stem.suffix + ".bin").write_bytes(data)
        stem.with_suffix(stem.suffix + ".txt").write_text(text, encoding="utf-8")
    assert Document.from_json(source.read_bytes()) == document
    assert stem.with_suffix(stem.suffix + ".bin").read_bytes() == data
    assert stem.with_suffix(stem.suffix + ".txt").read_text(encoding="utf-8") == text
