from typing import Any

import pytest

import qris
from qris import Verdict
from qris.explain import Row
from tests.qris.samples import CONSUMER, PAYLOADS, TEXTS, seal


def rows(text: str) -> dict[str, Row]:
    return {row.path: row for row in qris.explain(text).rows}


@pytest.mark.parametrize("sample", [*PAYLOADS, *CONSUMER], ids=lambda s: s["name"])
def test_verdict_code_and_warnings_of_every_fixture(sample: dict[str, Any]) -> None:
    explained = qris.explain(sample["text"])
    assert explained.verdict == sample["verdict"]
    assert explained.code == sample["code"]
    if sample["code"] is None:
        assert sorted(finding.code for finding in explained.warnings) == sample["warnings"]


def test_every_tag_has_a_name_and_a_meaning() -> None:
    found = rows(TEXTS["dynamic"])
    assert list(found) == [
        *("00", "01", "26", "26.00", "26.01", "26.02", "26.03", "51", "51.00", "51.02", "51.03"),
        *("52", "53", "54", "58", "59", "60", "61", "62", "62.01", "62.07", "63"),
    ]
    assert found["01"] == Row("01", "Point of initiation", "12", "dynamic: for one payment")
    assert found["26.01"].note == "acquirer 93600099 (NNS)"
    assert found["51.02"].name == "National merchant id (NMID)"
    assert found["51.03"].note == "public service agency"
    assert found["52"].note == "parking lots and garages"
    assert found["54"].note == "2.000"
    assert found["62.07"] == Row("62.07", "Terminal label", "HP07")
    assert found["63"].note == "correct"


def test_rarer_tags_are_named_too() -> None:
    assert rows(TEXTS["card-account"])["04"].name == "Card account (Mastercard)"
    assert rows(TEXTS["transfer"])["40.04"].name == "Bank identifier (BIC)"
    assert rows(TEXTS["transfer"])["40"].name == "Transfer account"
    assert rows(TEXTS["language"])["64.01"] == Row("64.01", "Merchant name", "駐車場")
    unreserved = rows(TEXTS["unreserved-and-reserved"])
    assert unreserved["65"].name == "Reserved"
    assert unreserved["80"].name == "Template of another payment system"
    assert unreserved["80.00"].name == "Globally unique identifier"
    assert unreserved["80.01"].name == "Reserved or proprietary"
    assert rows(TEXTS["opaque-62"])["62.50"].name == "Template of a payment system"
    assert rows(TEXTS["prompt-value"])["62.01"].note == "the payer's app asks for it"
    assert rows(TEXTS["amount-cents"])["54"].note == ""


def test_the_broken_tag_is_marked() -> None:
    assert "longer than allowed" in rows(TEXTS["name-26"])["59"].note
    assert rows(TEXTS["criteria-unknown"])["26.03"].note == "The merchant criteria is unknown."


def test_an_absent_tag_gets_a_row_of_its_own() -> None:
    row = rows(TEXTS["no-postal-code"])["61"]
    assert (row.name, row.value) == ("Postal code", "")
    assert "mandatory" in row.note
    assert rows(TEXTS["bare-merchant"])["26.02"].name == "Merchant id"


def test_a_wrong_crc_is_computed_anew() -> None:
    right = TEXTS["static"][-4:]
    assert rows(TEXTS["crc-wrong"])["63"].note.startswith(f"computed {right}; ")


def test_what_cannot_be_read_comes_last() -> None:
    explained = qris.explain(TEXTS["truncated"])
    assert [row.path for row in explained.rows[:2]] == ["00", "01"]
    assert explained.rows[-1].name == "Unreadable"
    text = "".join(f"{row.path}{len(row.value):02d}{row.value}" for row in explained.rows[:-1])
    assert text + explained.rows[-1].value == TEXTS["truncated"]


def test_a_damaged_template_is_read_as_far_as_it_goes() -> None:
    explained = qris.explain(TEXTS["template-overrun"])
    assert explained.code == "malformed-tlv"
    unreadable = [row for row in explained.rows if row.name == "Unreadable"]
    assert [(row.path, row.value) for row in unreadable] == [("26", "0099ID.CO.CONTOH.WWW")]
    assert any(row.path == "59" for row in explained.rows)


def test_characters_that_disturb_a_screen_are_escaped() -> None:
    assert rows(TEXTS["bidi-name"])["59"].value == "PARKIR\\u202eHOTNOC"
    explained = qris.explain("\x1b[2J\ud800")
    assert explained.rows == (Row("", "Unreadable", "\\x1b[2J\\ud800", ""),)


def test_surrogates_before_the_crc_do_not_stop_it() -> None:
    explained = qris.explain(TEXTS["static"].replace("PARKIR", "PARK\ud800R"))
    assert explained.code == "text-not-unicode"
    assert explained.rows[-1].path == "63"
    assert "UTF-8" in explained.rows[-1].note


def test_a_payer_s_code_is_explained() -> None:
    found = rows(TEXTS["long-ber"])
    assert found["85"].value == "CPV01"
    assert found["61.4F"] == Row("61.4F", "Application identifier (AID)", "A0000006022020", "QRIS")
    assert found["61.5F20"].value == "SITI CONTOH"
    assert found["61.63.9F74"].name == "Issuer QRIS data"
    assert rows(TEXTS["long-raw"]).keys() == found.keys()
    assert rows(TEXTS["foreign"])["61.4F"].note.endswith("(another AID).")


def test_a_broken_payer_s_code_is_explained_as_far_as_it_goes() -> None:
    assert qris.explain(TEXTS["truncated-cpm"]).rows[-1].name == "Unreadable"
    assert [row.name for row in qris.explain(TEXTS["bad-base64"]).rows] == ["Unreadable"]
    assert rows(TEXTS["only-85"])["61"].name == "Application template"


def test_a_foreign_code_is_explained() -> None:
    explained = qris.explain(seal(TEXTS["singapore"]))
    assert explained.verdict is Verdict.NOT_QRIS
    assert "not QRIS" in rows(TEXTS["singapore"])["58"].note


def test_a_text_beyond_all_bounds_is_cut() -> None:
    explained = qris.explain("x" * 100_000)
    assert explained.code == "text-too-long"
    assert sum(len(row.value) for row in explained.rows) < 3000


def test_other_types_are_a_programming_error() -> None:
    with pytest.raises(TypeError):
        qris.explain(None)  # type: ignore[arg-type]
