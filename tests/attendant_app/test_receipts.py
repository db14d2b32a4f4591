"""What the paper says, read back from the bytes a printer gets."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from attendant_app import receipts
from domain.receipt import ReceiptFacts
from printer.document import Document, Qr
from printer.escpos import encode
from printer.profiles import profile
from tests.attendant_app.builders import receipt_json

WITA = ZoneInfo("Asia/Makassar")
AT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def facts(**changes: object) -> ReceiptFacts:
    return ReceiptFacts.from_json(receipt_json(**changes))  # type: ignore[arg-type]


def lines(document: Document, name: str = "generic-58-qr") -> list[str]:
    """The printable text between the commands; a QR's payload counts as one more line."""
    data = encode(document, profile(name))
    text = "".join(chr(byte) if 32 <= byte < 127 or byte == 10 else "\x00" for byte in data)
    return [line.rsplit("\x00", 1)[-1].rstrip() for line in text.split("\n")]


def test_a_receipt_says_what_is_due() -> None:
    receipt = facts()
    printed = lines(receipts.document(receipt, WITA))
    text = "\n".join(printed)
    for due in (
        "Dinas Perhubungan",
        "Kabupaten Contoh",
        "KARCIS PARKIR",
        "Perda Kab. Contoh No. 1 Tahun",
        "DA 1*** AB",
        "Motor (R2)",
        "Jl. Merdeka Ruas 3",
        "Pasar Martapura",
        "21/11/2026 15:06 WITA",
        "Rp2.000",
        "LUNAS",
        "612345678901",
        "CEK KEASLIAN KARCIS",
        "0800-0000-000",
    ):
        assert due in text, due
    assert text.count(receipt.number) >= 3
    assert any(line.strip() == f"-- AKHIR {receipt.number} --" for line in printed)
    assert "SALINAN" not in text
    assert all(len(line) <= 32 for line in printed)


def test_the_code_under_the_title_is_the_verification_address() -> None:
    codes = [i for i in receipts.document(facts(), WITA).items if isinstance(i, Qr)]
    assert [code.data for code in codes] == [facts().verify_url]


def test_a_copy_says_so_at_top_and_bottom_with_its_time() -> None:
    printed = lines(receipts.document(facts(), WITA, copy=2, reprinted_at=AT))
    marks = [index for index, line in enumerate(printed) if "*** SALINAN KE-2 ***" in line]
    title = next(index for index, line in enumerate(printed) if "KARCIS PARKIR" in line)
    end = next(index for index, line in enumerate(printed) if "AKHIR" in line)
    assert len(marks) == 2
    assert marks[0] < title < marks[1] < end
    for mark in marks:
        words = " ".join(" ".join(printed[mark + 1 : mark + 3]).split())
        assert words == "Dicetak ulang 21/11/2026 16:30 WITA"
    with pytest.raises(ValueError, match="copy"):
        receipts.document(facts(), WITA, copy=1)


def test_long_names_wrap_and_nothing_is_cut() -> None:
    place = "Jalan Jenderal Ahmad Yani Kilometer Tiga Puluh Delapan Setengah"
    attendant = "Muhammad Ahmad Rifani bin Abdurrahman Al Banjari"
    receipt = facts(place=place, attendant_name=attendant, agency="Dinas " + "Perhubungan " * 6)
    for name in ("generic-58", "generic-58-qr", "generic-80"):
        printed = lines(receipts.document(receipt, WITA), name)
        together = "".join("".join(printed).split())
        assert "".join(place.split()) in together.replace("Lokasi", "", 1) or all(
            word in together for word in place.split()
        )
        assert all(word in together for word in attendant.split())


def test_facts_that_are_not_there_leave_no_empty_row() -> None:
    receipt = facts(plate=None, attendant_code=None, attendant_name=None, rrn=None)
    text = "\n".join(lines(receipts.document(receipt, WITA)))
    assert not any(word in text for word in ("Nopol", "Petugas", "RRN"))


def test_control_characters_in_names_send_no_commands() -> None:
    receipt = facts(attendant_name="Budi\x1b@\x1dV\x00")
    data = encode(receipts.document(receipt, WITA), profile("generic-58"))
    assert b"\x1dV\x00" not in data
    assert data.count(b"\x1b@") == 1


@pytest.mark.parametrize(
    ("zone", "words"),
    [("Asia/Jakarta", "15:30 WIB"), ("Asia/Jayapura", "17:30 WIT"), ("UTC", "08:30 UTC+0")],
)
def test_times_carry_their_zone(zone: str, words: str) -> None:
    assert receipts.moment(AT, ZoneInfo(zone)) == f"21/11/2026 {words}"
