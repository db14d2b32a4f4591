"""Files of acquirer and bank: each way they come broken is refused, saying where and why."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from server.errors import FileRefused
from server.reconciliation import settlements, sheets, statements
from server.reconciliation.matching import batch_named

FIXTURES = Path(__file__).parents[3] / "fixtures" / "settlements"
CSV = (FIXTURES / "clean.csv").read_bytes()
STATEMENT = (FIXTURES / "clean.sta").read_bytes()
HEADER = CSV.splitlines()[0]


def in_line(number: int, old: bytes, new: bytes) -> bytes:
    """The clean settlement file with one change in one line (the header is line 1)."""
    lines = CSV.splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    return b"".join(lines)


def replaced(old: bytes, new: bytes) -> bytes:
    assert old in STATEMENT
    return STATEMENT.replace(old, new, 1)


def test_a_settlement_file_is_read_to_the_rupiah() -> None:
    rows = settlements.read(CSV).rows
    assert [row.line_number for row in rows] == [2, 3, 4, 5]
    assert (rows[2].gross_rp, rows[2].mdr_rp, rows[2].net_rp) == (10_000, 70, 9930)
    assert rows[3].paid_at == datetime(2026, 11, 21, 16, 59, tzinfo=UTC)
    assert rows[0].settlement_date == date(2026, 11, 21)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + CSV,
        CSV.replace(b"\n", b"\r\n"),
        CSV.rstrip(b"\n"),
        CSV + b"\n\n",
        CSV.replace(b"Bank Contoh", b'"Bank, Contoh\nSyariah"'),
    ],
    ids=["byte-order-mark", "crlf", "no-last-newline", "blank-lines", "quoted"],
)
def test_the_same_lines_are_read_however_they_are_written(content: bytes) -> None:
    read, clean = settlements.read(content).rows, settlements.read(CSV).rows
    assert [r.net_rp for r in read] == [r.net_rp for r in clean]


def test_spaces_around_a_name_are_no_part_of_it() -> None:
    padded = in_line(5, b"BCH-20261121-0002", b"BCH-20261121-0002 ")
    padded = padded.replace(b"kami-4", b" kami-4").replace(b"ACQ-4", b"ACQ-4  ")
    assert settlements.read(padded) == settlements.read(CSV)


def test_a_refusal_is_told_in_both_languages() -> None:
    with pytest.raises(FileRefused) as refusal:
        settlements.read(in_line(3, b"IDR", b"USD"))
    assert refusal.value.english == "line 3: currency is not IDR"
    assert refusal.value.indonesian == "baris 3: mata uang bukan IDR"
    assert str(refusal.value) == f"{refusal.value.indonesian} / {refusal.value.english}"


BAD_SETTLEMENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "line 1: columns missing: batch_id, currency, gross"),
    "not text": (b"\xff\xfe" + CSV, "byte 0: not UTF-8"),
    "another encoding": (in_line(2, b"Contoh", b"Cont\xf6h"), "not UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "not UTF-8"),
    "NUL": (in_line(3, b"ACQ-2", b"ACQ\0-2"), "line 3: not text"),
    "semicolons": (CSV.replace(b",", b";"), "line 1: columns missing"),
    "column missing": (CSV.replace(b",mdr,", b",fee,", 1), "line 1: columns missing: mdr"),
    "column twice": (CSV.replace(b"issuer", b"gross", 1), "line 1: a column stands twice"),
    "cut off": (CSV[: CSV.rindex(b",IDR")], "line 5: not as many fields"),
    "field too many": (in_line(4, b"PAYMENT", b"PAYMENT,x"), "line 4: not as many fields"),
    "unclosed quote": (in_line(5, b"Bank", b'"Bank'), "line "),
    "a total at the end": (CSV + b"TOTAL,18000\n", "line 6: not as many fields"),
    "other currency": (in_line(3, b"IDR", b"USD"), "line 3: currency is not IDR"),
    "cents": (in_line(3, b",4000,", b",4000.50,"), "line 3: gross is not whole rupiah"),
    "thousands dots": (in_line(4, b",10000,", b",10.000,"), "line 4: gross is not whole rupiah"),
    "other digits": (in_line(2, b",2000,14,", ",٢٠٠٠,14,".encode()), "line 2: gross is not whole"),
    "too large": (
        in_line(2, b",2000,14,", b"," + b"9" * 16 + b",0,"),
        "line 2: gross is not whole",
    ),
    "beyond any day": (
        in_line(2, b",2000,14,1986,", b",10000000001,0,10000000001,"),
        "line 2: gross is more than 10000000000 rupiah",
    ),
    "header only": (HEADER + b"\n", "the file holds no lines"),
    "batch of no name": (
        in_line(2, b"BCH-20261121-0001", b"BCH 01"),
        "line 2: batch_id is shorter",
    ),
    "no amount": (in_line(2, b",2000,14,", b",,0,"), "line 2: gross is not whole rupiah"),
    "one rupiah off": (in_line(4, b",9930,", b",9931,"), "line 4: gross less mdr is not net"),
    "time without zone": (in_line(2, b"+07:00", b""), "line 2: transaction_time has no zone"),
    "not a time": (in_line(2, b"2026-11-21T", b"21/11/2026 "), "line 2: transaction_time is not"),
    "not a day": (in_line(2, b",2026-11-21,", b",2026-02-30,"), "line 2: settlement_date is not"),
    "year one": (in_line(2, b",2026-11-21T", b",0001-11-21T"), "line 2: transaction_time is in"),
    "far future": (in_line(2, b",2026-11-21,", b",9999-11-21,"), "line 2: settlement_date is in"),
    "no batch": (in_line(5, b"BCH-20261121-0002", b" "), "line 5: batch_id is empty"),
    "no reference": (in_line(5, b"ACQ-4", b""), "line 5: reference_no is empty"),
    "endless reference": (in_line(5, b"ACQ-4", b"A" * 3000), "line 5: reference_no is no name"),
    "control character": (in_line(5, b"kami-4", b"kami\x1b4"), "line 5: partner_reference_no is"),
    "huge field": (in_line(3, b"Bank", b"B" * 200_000), "line 3: field larger"),
    "same payment twice": (CSV + CSV.splitlines(True)[2], "line 6: the same payment stands twice"),
}


@pytest.mark.parametrize(("content", "says"), BAD_SETTLEMENTS.values(), ids=BAD_SETTLEMENTS)
def test_a_bad_settlement_file_is_refused_with_line_and_reason(content: bytes, says: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        settlements.read(content)
    assert str(refusal.value).startswith(says) or says in str(refusal.value)


def test_a_statement_is_read_to_the_rupiah() -> None:
    rows = statements.read(STATEMENT)
    assert {(row.account, row.statement_reference) for row in rows} == {
        ("0011223344", "STM20261121/325/1/2026-11-20")
    }
    assert [(r.line_number, r.amount_rp) for r in rows] == [(1, 5958), (2, 11_916)]
    assert rows[0].value_date == date(2026, 11, 21)
    assert "BCH-20261121-0001" in "".join(rows[0].narrative.split())


@pytest.mark.parametrize(
    ("mark", "closing", "amount_rp"),
    [(b"RC", b"1005958", -5958), (b"d", b"1005958", -5958), (b"RD", b"1017874", 5958)],
)
def test_a_reversal_moves_the_other_way(mark: bytes, closing: bytes, amount_rp: int) -> None:
    content = replaced(b"C5958,00", mark + b"5958,00").replace(b"1017874", closing)
    assert statements.read(content)[0].amount_rp == amount_rp


def test_a_narrative_in_subfields_is_read_whole() -> None:
    told = replaced(b"PENCAIRAN QRIS BATCH BCH-", b"166?00PENCAIRAN?20BATCH BC?21H-")
    (row, _) = statements.read(told)
    assert batch_named(row.narrative, ["BCH-20261121-0001"]) is not None


@pytest.mark.parametrize("told", [b"//BCH-20261121-0009", b"//B1\r\nPAYOUT BCH-20261121-0009"])
def test_a_name_may_stand_in_the_bank_s_own_reference(told: bytes) -> None:
    (row, _) = statements.read(replaced(b"NONREF", b"NONREF" + told))
    assert batch_named(row.narrative, ["BCH-20261121-0009"]) is not None


BAD_STATEMENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "line 1: columns missing"),
    "not text": (b"\xff" + STATEMENT, "not UTF-8"),
    "a settlement file": (CSV, "line 1: columns missing"),
    "NUL": (replaced(b"PENCAIRAN", b"\0"), "line 6: not text"),
    "no closing balance": (STATEMENT[: STATEMENT.index(b":62F:")], "no final closing balance"),
    "no opening balance": (replaced(b":60F:C261120IDR1000000,00\r\n", b""), "no final opening"),
    "no number": (replaced(b":28C:325/1\r\n", b""), "no statement number"),
    "beyond any day": (
        replaced(b"C5958,00", b"C10000000001,00").replace(b"1017874", b"10001011917"),
        "movement 1: more than 10000000000 rupiah",
    ),
    "no account": (replaced(b":25:0011223344\r\n", b""), "no account identification"),
    "movement lost": (
        replaced(b":61:2611211121C5958,00NTRFNONREF\r\n", b""),
        "the movements do not lead from the opening to the closing balance",
    ),
    "one rupiah off": (replaced(b"C5958,00", b"C6001,00"), "the movements do not lead"),
    "a second statement that does not add up": (
        STATEMENT + replaced(b"C5958,00", b"C6001,00"),
        "the movements do not lead",
    ),
    "a second statement of another account": (
        STATEMENT + replaced(b"0011223344", b"9988776655"),
        "several accounts in one file",
    ),
    "a movement of the second statement": (
        STATEMENT + replaced(b"C5958,00", b"C5958,50"),
        "movement 3: an amount is not whole rupiah",
    ),
    "debit for credit": (replaced(b"C5958,00", b"D5958,00"), "the movements do not lead"),
    "cents": (replaced(b"C5958,00", b"C5958,50"), "an amount is not whole rupiah"),
    "other currency": (STATEMENT.replace(b"IDR", b"USD"), "movement 1: currency is not IDR"),
    "not a date": (replaced(b":61:2611211121C", b":61:2613411121C"), "not an MT940 statement"),
}


@pytest.mark.parametrize(("content", "says"), BAD_STATEMENTS.values(), ids=BAD_STATEMENTS)
def test_a_bad_statement_is_refused_with_its_reason(content: bytes, says: str) -> None:
    with pytest.raises(FileRefused, match=says):
        statements.read(content)


@pytest.mark.parametrize("read", [settlements.read, statements.read])
def test_a_file_too_large_is_not_even_read(
    read: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MAX_BYTES", 10)
    with pytest.raises(FileRefused, match="larger than"):
        read(CSV)
