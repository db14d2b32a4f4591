"""What the paper says, read back from the bytes a printer gets and from its picture."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import PIL.Image
import pytest
import pyzbar.pyzbar
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ImageFilter

from attendant_app import slips
from attendant_app.slips import Office, Printing, Vehicle, slip_number
from domain import check_digit
from domain.receipt import receipt_number
from domain.tariff import HIGHEST_RP, FlatRate, HourlyRate, VehicleClass
from printer.document import Columns, Document, Qr, Text
from printer.encoding import encode
from printer.interpreter import interpret
from printer.layout import Line, lay_out
from printer.preview import preview
from printer.profiles import profile
from tests.attendant_app.slip_samples import (
    AT,
    DEPOSIT,
    OFFICE,
    PAYMENT,
    RECORD,
    SHIFT,
    SLIPS,
    WITA,
    facts,
    refund_facts,
)

WIDTHS = {32: "generic-58", 42: "epson-tm-t88", 48: "generic-80"}
LANGUAGES = ("id", "en")


def lines(document: Document, name: str = "generic-58-qr") -> list[str]:
    """The printable text between the commands; a QR's payload counts as one more line."""
    data = encode(document, profile(name))
    text = "".join(chr(byte) if 32 <= byte < 127 or byte == 10 else "\x00" for byte in data)
    return [line.rsplit("\x00", 1)[-1].rstrip() for line in text.split("\n")]


def test_a_receipt_says_what_is_due() -> None:
    receipt = facts()
    printed = lines(slips.receipt(receipt, Printing(WITA)))
    text = "\n".join(printed)
    for due in (
        "Dinas Perhubungan",
        "Kabupaten Contoh",
        "KARCIS PARKIR",
        "Perda Kab. Contoh No. 1 Tahun",
        "Porporasi elektronik No.",
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
    codes = [i for i in slips.receipt(facts(), Printing(WITA)).items if isinstance(i, Qr)]
    assert [code.data for code in codes] == [facts().verify_url]


def test_a_copy_says_so_at_top_and_bottom_with_its_time() -> None:
    printed = lines(slips.receipt(facts(), Printing(WITA, "id", 2, AT)))
    marks = [index for index, line in enumerate(printed) if "*** SALINAN KE-2 ***" in line]
    title = next(index for index, line in enumerate(printed) if "KARCIS PARKIR" in line)
    end = next(index for index, line in enumerate(printed) if "AKHIR" in line)
    assert len(marks) == 2
    assert marks[0] < title < marks[1] < end
    for mark in marks:
        words = " ".join(" ".join(printed[mark + 1 : mark + 3]).split())
        assert words == "Dicetak ulang 21/11/2026 16:30 WITA"
    with pytest.raises(ValueError, match="copy"):
        Printing(WITA, copy=1)


def test_long_names_wrap_and_nothing_is_cut() -> None:
    place = "Jalan Jenderal Ahmad Yani Kilometer Tiga Puluh Delapan Setengah"
    attendant = "Muhammad Ahmad Rifani bin Abdurrahman Al Banjari"
    receipt = facts(place=place, attendant_name=attendant, agency="Dinas " + "Perhubungan " * 6)
    for name in ("generic-58", "generic-58-qr", "generic-80"):
        printed = lines(slips.receipt(receipt, Printing(WITA)), name)
        together = "".join("".join(printed).split())
        assert "".join(place.split()) in together.replace("Lokasi", "", 1) or all(
            word in together for word in place.split()
        )
        assert all(word in together for word in attendant.split())


def test_facts_that_are_not_there_leave_no_empty_row() -> None:
    receipt = facts(plate=None, attendant_code=None, attendant_name=None, rrn=None)
    text = "\n".join(lines(slips.receipt(receipt, Printing(WITA))))
    assert not any(word in text for word in ("Nopol", "Petugas", "RRN"))


def test_control_characters_in_names_send_no_commands() -> None:
    receipt = facts(attendant_name="Budi\x1b@\x1dV\x00")
    data = encode(slips.receipt(receipt, Printing(WITA)), profile("generic-58"))
    assert b"\x1dV\x00" not in data
    assert data.count(b"\x1b@") == 1


@pytest.mark.parametrize(
    ("zone", "words"),
    [("Asia/Jakarta", "15:30 WIB"), ("Asia/Jayapura", "17:30 WIT"), ("UTC", "08:30 UTC+0")],
)
def test_times_carry_their_zone(zone: str, words: str) -> None:
    assert Printing(ZoneInfo(zone)).moment(AT) == f"21/11/2026 {words}"


def printed(document: Document, columns: int) -> list[str]:
    """Its lines as laid out for that width, each to its full length at single width."""
    commands = lay_out(document, profile(WIDTHS[columns]))
    return [c.text for c in commands if isinstance(c, Line)]


@pytest.mark.parametrize("name", SLIPS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("columns", WIDTHS)
def test_what_a_printer_makes_of_a_slip_is_what_was_laid_out(
    name: str, language: str, columns: int
) -> None:
    document = SLIPS[name](Printing(WITA, language))
    kind = profile(WIDTHS[columns])
    (slip,) = interpret(encode(document, kind), kind)
    text = [line for line in slip.text if not line.startswith("[")]
    assert text == [line.rstrip() for line in printed(document, columns) if line.strip()]
    assert re.search("AKHIR ([A-Z0-9-]+)", text[-1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_what_is_paid_is_called_a_receipt(language: str) -> None:
    how = Printing(WITA, language)
    says = {name: "\n".join(printed(make(how), 48)) for name, make in SLIPS.items()}
    paid = {"id": "LUNAS", "en": " PAID"}[language]
    assert [name for name, text in says.items() if paid in text.replace("NOT PAID", "")] == [
        "receipt"
    ]
    assert {"id": "BUKAN BUKTI PEMBAYARAN", "en": "NOT A RECEIPT"}[language] in says["payment"]
    titles = {
        name: document.items[index - 1]
        for name, make in SLIPS.items()
        for document in [make(how)]
        for index, item in enumerate(document.items)
        if isinstance(item, Qr)
    }
    assert set(titles) == {"entry", "payment", "receipt", "notice", "refund"}
    assert len({title.text for title in titles.values() if isinstance(title, Text)}) == 5


def test_a_payment_slip_says_until_when_and_to_whom() -> None:
    text = " ".join(" ".join(printed(SLIPS["payment"](Printing(WITA)), 32)).split())
    for due in ("Rp25.000", "Berlaku sampai 21/11/2026 16:45 WITA", "PARKIR KAB CONTOH", "4711"):
        assert due in text


def test_a_shift_slip_says_what_is_missing_and_what_is_owed() -> None:
    text = " ".join(" ".join(printed(SLIPS["shift"](Printing(WITA)), 32)).split())
    assert "KURANG Rp500" in text
    assert "Wajib setor Rp43.000" in text
    untold = slips.shift(replace(SHIFT, owed_rp=None, share_rp=None), OFFICE, Printing(WITA))
    assert "Wajib setor" not in "\n".join(printed(untold, 32))


def test_a_deposit_slip_leaves_room_for_what_only_the_bank_knows() -> None:
    blank = "\n".join(printed(SLIPS["deposit"](Printing(WITA)), 32))
    assert re.search("Slip bank +_{8}", blank)
    told = slips.deposit(replace(DEPOSIT, reference="BPD 0047-11"), OFFICE, Printing(WITA))
    assert "BPD 0047-11" in "\n".join(printed(told, 32))


def test_the_number_of_a_slip_is_its_record_s_and_has_a_check_character() -> None:
    number = slip_number("MASUK", RECORD)
    assert number == slip_number("MASUK", RECORD)
    assert check_digit.is_valid(number)
    assert number != slip_number("MASUK", RECORD[:-1] + "2")
    with pytest.raises(ValueError, match="UUID"):
        slip_number("MASUK", "not an id")


# Any facts


names = st.text(max_size=120)
amounts = st.one_of(st.integers(0, 10**12), st.sampled_from([0, 999_999_999_999]))
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - given a zone below
    datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
numbers = st.one_of(
    st.integers(1, 10**9 - 1).map(lambda sequence: receipt_number("MTG-2026", sequence)),
    st.uuids().map(lambda record: slip_number("TUGAS", str(record))),
)
vehicles = st.builds(
    Vehicle,
    st.sampled_from(VehicleClass),
    st.just("MTG-012-3"),
    names,
    names,
    st.sampled_from(["", "DA 8••• AB", "KH 1••• ABC"]),
    names,
)
offices = st.builds(Office, names, names, names, names)
rates = st.one_of(
    st.none(),
    st.builds(FlatRate, st.integers(0, HIGHEST_RP)),
    st.builds(HourlyRate, st.integers(0, HIGHEST_RP), st.integers(0, HIGHEST_RP), st.none()),
)
printings = st.builds(
    Printing,
    st.sampled_from([WITA, ZoneInfo("Asia/Jayapura"), ZoneInfo("America/St_Johns")]),
    st.sampled_from(LANGUAGES),
    st.integers(0, 99),
    moments,
)
of_any_facts = st.one_of(
    st.builds(
        slips.entry,
        st.builds(slips.Entry, numbers, vehicles, moments, names, rates),
        offices,
        printings,
    ),
    st.builds(
        slips.payment,
        st.builds(
            slips.PaymentCode,
            numbers,
            vehicles,
            amounts,
            st.just(PAYMENT.qris),
            names,
            st.just("4711"),
            moments,
        ),
        offices,
        printings,
    ),
    st.builds(
        slips.shift,
        st.builds(
            slips.ClosedShift,
            numbers,
            names,
            moments,
            moments,
            st.integers(0, 10**4),
            amounts,
            st.integers(0, 10**4),
            amounts,
            amounts,
            amounts,
            st.none() | amounts,
            st.none() | amounts,
        ),
        offices,
        printings,
    ),
    st.builds(
        slips.deposit,
        st.builds(slips.Deposit, numbers, names, numbers, amounts, st.none() | amounts, moments),
        offices,
        printings,
    ),
    st.builds(
        slips.void,
        st.builds(slips.Void, numbers, numbers, vehicles, moments, moments, names),
        offices,
        printings,
    ),
    st.builds(
        slips.refund_wish,
        st.builds(slips.RefundWish, numbers, numbers, vehicles, amounts, names, moments),
        offices,
        printings,
    ),
    st.builds(
        slips.receipt,
        st.builds(
            lambda number, name, rp: facts(
                number=number,
                place=name,
                zone=name,
                attendant_name=name,
                agency=name,
                regency=name,
                regulation=name,
                complaint=name,
                porporasi=name,
                amount_rp=rp,
            ),
            st.integers(1, 10**9 - 1).map(lambda sequence: receipt_number("MTG-2026", sequence)),
            names,
            st.integers(1, 10**12),
        ),
        printings,
    ),
    st.builds(
        slips.refund,
        st.builds(
            lambda name, rp: replace(
                refund_facts(), agency=name, reason=name, method=name, paid_rp=rp, amount_rp=rp
            ),
            names,
            st.integers(1, 10**12),
        ),
        printings,
    ),
)


@given(of_any_facts, st.sampled_from(list(WIDTHS)))
def test_whatever_the_facts_lines_fit_and_numbers_stay_whole(
    document: Document, columns: int
) -> None:
    kind = profile(WIDTHS[columns])
    commands = lay_out(document, kind)
    found = [command for command in commands if isinstance(command, Line)]
    assert all(len(line.text) == columns // line.width for line in found)
    assert all(line.text.isprintable() for line in found)
    end = found[-1].text.split()
    number = next(word for word in end if word not in ("--", "AKHIR"))
    assert end in (["--", "AKHIR", number, "--"], ["AKHIR", number])
    text = [line.text for line in found]
    assert text.index(next(line for line in text if number in line)) < len(text) // 2
    whole = [
        item.right
        for item in document.items
        if isinstance(item, Columns) and re.fullmatch(r"Rp[0-9.]+|[A-Z]+-[A-Z0-9-]+", item.right)
    ]
    for value in [number, *whole]:
        assert any(value in line for line in text), value
    # Between ESC @ and the end: the names sent no command of their own.
    assert encode(document, kind).count(b"\x1b@") == 1


# Its code, on paper that faded, seen by a camera that moved, from a head with dead dots


def worn(slip: PIL.Image.Image, seed: int, dead_dots: int) -> NDArray[np.uint8]:
    """The picture after fading (unevenly, with grain), blur, and columns that print nothing."""
    rng = np.random.default_rng(seed)
    dots = np.asarray(slip.convert("L")) < 128
    (code,) = zxingcpp.read_barcodes(np.asarray(slip), zxingcpp.BarcodeFormat.QRCode)
    across = np.arange(code.position.top_left.x, code.position.top_right.x)
    dots[:, rng.choice(across, dead_dots, replace=False)] = False
    y, x = np.mgrid[: dots.shape[0], : dots.shape[1]]
    ink = rng.uniform(90, 150) + rng.uniform(0, 50) * x / x.max() + rng.uniform(0, 40) * y / y.max()
    paper = rng.uniform(215, 240)
    shades = np.where(dots, np.minimum(ink, paper - 45), paper) + rng.normal(0, 8, dots.shape)
    picture = PIL.Image.fromarray(shades.clip(0, 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(1, 2))))


def by_zxing(picture: NDArray[np.uint8]) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormat.QRCode)]


def by_zbar(picture: NDArray[np.uint8]) -> list[str]:
    kinds = [pyzbar.pyzbar.ZBarSymbol.QRCODE]
    return [code.data.decode() for code in pyzbar.pyzbar.decode(picture, symbols=kinds)]


TRIES = 10


@pytest.mark.parametrize("name", ["entry", "payment", "receipt", "refund"])
@pytest.mark.parametrize("columns", [32, 48])
def test_a_worn_slip_s_code_still_reads(name: str, columns: int) -> None:
    """A dead dot through a corner mark is what zbar stumbles over, whatever the size of the modules
    or the error correction; then the number under the code is typed.
    """
    document = SLIPS[name](Printing(WITA))
    slip = preview(document, profile(WIDTHS[columns]))
    ((place, code),) = [(n, i) for n, i in enumerate(document.items) if isinstance(i, Qr)]
    faded = [worn(slip, seed, dead_dots=0) for seed in range(TRIES)]
    assert [by_zxing(picture) for picture in faded] == [[code.data]] * TRIES
    assert [by_zbar(picture) for picture in faded] == [[code.data]] * TRIES
    dead = [worn(slip, seed, dead_dots=2) for seed in range(TRIES)]
    assert [by_zxing(picture) for picture in dead] == [[code.data]] * TRIES
    read = [by_zbar(picture) for picture in dead]
    assert read.count([code.data]) >= TRIES // 2
    assert all(texts in ([code.data], []) for texts in read), "wrong is worse than nothing"
    assert isinstance(below := document.items[place + 1], Text)
    assert check_digit.is_valid(below.text)
