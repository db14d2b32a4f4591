"""Public payloads kept outside the repository, judged row by row; skipped where they are absent."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import qris

_SIBLING = Path(__file__).parents[2].parent / "shared"
_FILE = Path(os.environ.get("KARCIS_SHARED") or _SIBLING) / "data" / "qris" / "payloads.tsv"


def _rows() -> Iterator[tuple[str, str]]:
    for line in _FILE.read_text("utf-8").split("\n")[1:]:
        if line:
            text, verdict, _ = line.split("\t")
            yield text.replace("\\n", "\n"), verdict


def _judge(text: str) -> str:
    try:
        payload = qris.parse(text)
    except qris.QrisError as error:
        return "NOT-QRIS" if error.code == "not-qris" else "INVALID"
    breached = any(not finding.is_notice for finding in payload.warnings)
    return "VALID-EMV/QRIS-WARN" if breached else "VALID"


@pytest.mark.skipif(not _FILE.is_file(), reason="no corpus: set KARCIS_SHARED to its folder")
def test_every_row_is_judged_right() -> None:
    wrong = {
        number: (verdict, _judge(text))
        for number, (text, verdict) in enumerate(_rows(), start=2)
        if _judge(text) != verdict
    }
    assert wrong == {}


@pytest.mark.skipif(not _FILE.is_file(), reason="no corpus: set KARCIS_SHARED to its folder")
def test_every_valid_row_is_written_back() -> None:
    for text, verdict in _rows():
        if verdict == "VALID":
            payload = qris.parse(text)
            assert qris.parse(qris.encode(payload)) == payload
