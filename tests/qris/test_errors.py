import copy
import pickle
import re

import pytest

import qris
from tests.qris.samples import CONSUMER, PAYLOADS, STATIC

# Codes that no text in the fixtures can show.
_ELSEWHERE = {"text-too-long", "text-not-unicode", "not-representable"}


def test_every_code_is_exercised() -> None:
    shown = {s["code"] for s in (*PAYLOADS, *CONSUMER) if s["code"]}
    shown |= {code for s in (*PAYLOADS, *CONSUMER) for code in s["warnings"]}
    shown.add("not-cpm")
    assert shown | _ELSEWHERE == set(qris.ERROR_CODES)


def test_codes_are_kebab_case_and_have_both_languages() -> None:
    for code, sentences in qris.ERROR_CODES.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert set(sentences) == {"id", "en"}
        assert all(sentence.endswith(".") for sentence in sentences.values())
    assert qris.NOTICES.issubset(qris.ERROR_CODES)


def test_an_error_reads_as_a_sentence_and_survives_copying() -> None:
    error = qris.QrisError("missing-tag", "60", "why", (qris.Finding("transfer", "40"),))
    assert str(error) == "missing-tag: A mandatory tag is missing. (tag 60, why)"
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.code, twin.path, twin.detail) == ("missing-tag", "60", "why")
        assert twin.warnings == error.warnings


def test_a_finding_reads_as_a_sentence() -> None:
    assert str(qris.Finding("raw-length")).startswith("raw-length: Lengths above 127")
    assert str(qris.Finding("transfer", "40")).endswith("(tag 40)")


def test_errors_do_not_quote_values() -> None:
    text = qris.encode(STATIC).replace("PARKIR KAB CONTOH", "RAHASIA KAB CONTO")
    with pytest.raises(qris.QrisError) as caught:
        qris.parse(text)
    assert "RAHASIA" not in str(caught.value)
