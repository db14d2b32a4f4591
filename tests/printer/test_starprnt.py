import pytest

import printer
from printer import Columns, Cut, Document, Feed, Qr, Text
from printer.interpreter import interpret
from printer.layout import Raster
from printer.starprnt import to_bytes
from tests.printer.samples import LINK, read_qr

WIDE = printer.profile("star-80")
NARROW = printer.profile("star-58")
START = b"\x1b@\x18\x1b\x1eF\x00\x1bz\x01\x1b\x1dt\x01"
END = b"\x1b\x1dP0\x1b\x1dP1"


def encoded(*items, profile=WIDE):
    data = printer.encode(Document(items), profile)
    assert data.startswith(START)
    assert data.endswith(END)
    return data.removeprefix(START).removesuffix(END)


def test_styles_are_sent_when_they_change_and_only_then():
    assert encoded(Text("A", bold=True), Text("B", bold=True, height=2), Text("C", width=2)) == (
        b"\x1bEA\n" + b"\x1bi\x01\x00B\n" + b"\x1bF\x1bi\x00\x01C\n"
    )


def test_text_goes_out_in_the_code_page_that_was_chosen():
    assert encoded(Text("Désa ½ –")) == b"D\x82sa \xab -\n"


def test_a_feed_longer_than_the_command_takes_is_sent_in_pieces():
    assert encoded(Feed(127), Feed(255)) == b"\x1ba\x7f" + b"\x1ba\x7f\x1ba\x7f\x1ba\x01"


def test_the_cut_is_the_profile_s():
    assert encoded(Cut()) == b"\x1bd\x03"
    assert encoded(Cut(), profile=NARROW) == b"\x1ba\x04"


def test_a_native_qr_is_five_functions_of_esc_gs_y():
    assert encoded(Qr("KARCIS-UJI", ec="Q")) == (
        b"\x1ba\x01\x1b\x1da\x01"
        b"\x1b\x1dyS0\x02"
        b"\x1b\x1dyS2\x06"
        b"\x1b\x1dyS1\x02"
        b"\x1b\x1dyD1\x00\x0a\x00KARCIS-UJI"
        b"\x1b\x1dyP"
        b"\x1b\x1da\x00\x1ba\x01"
    )


def test_a_module_is_never_larger_than_the_command_takes():
    assert b"\x1b\x1dyS2\x08" in encoded(Qr("KARCIS-UJI", max_module_dots=16))


@pytest.mark.parametrize("rows", [1, 24, 25, 48, 200])
def test_rasters_go_in_bands_of_at_most_24_rows(rows):
    data = to_bytes([Raster(b"\x5a" * 3 * rows, 3)], WIDE)
    data = data.removeprefix(START + b"\x1b\x1da\x01").removesuffix(b"\x1b\x1da\x00" + END)
    seen = 0
    while data:
        assert data[:4] == b"\x1b\x1dS\x01"
        width, height = data[4] + 256 * data[5], data[6] + 256 * data[7]
        assert (width, data[8]) == (3, 0)
        assert 1 <= height <= 24
        data = data[9 + width * height :]
        seen += height
    assert seen == rows


def test_data_cannot_command_the_printer():
    evil = "\x1b@\x1bd2\x10\x04\x01\x18\x7f\x9b\n"
    data = encoded(Text(evil), Columns(evil, evil))
    assert {byte for byte in data if byte < 0x20 or byte == 0x7F} == {0x0A}


@pytest.mark.parametrize("profile", [WIDE, NARROW])
def test_the_qr_code_reads_back(profile):
    (receipt,) = interpret(printer.encode(Document((Qr(LINK),)), profile), profile)
    assert read_qr(receipt.image) == LINK


def test_a_qr_wider_than_the_paper_prints_nothing_as_on_the_real_ones():
    data = printer.encode(Document((Text("A"), Qr("B" * 300))), WIDE)
    (receipt,) = interpret(data.replace(b"S2\x06", b"S2\x08"), NARROW)
    assert receipt.text == ["A"]


def test_every_cut_ends_a_receipt():
    data = printer.encode(Document((Text("A"), Cut(), Text("B"), Cut())), WIDE)
    assert [receipt.text for receipt in interpret(data, WIDE)] == [["A"], ["B"]]


def test_commands_of_other_encoders_do_not_become_text():
    noise = (
        b"\x1b@\x1b\x1ea\x00\x1b\x1eF\x00\x1b \x00\x1bs00\x1bz1\x12\x1bl\x00\x1bQ\x30\x1b-0\x1b5"
        b"\x1b\x1dA\x00\x00\x1b\x1dR\x00\x00\x1bR\x00\x1b\x1d\x03\x01\x00\x00"
    )
    (receipt,) = interpret(noise + b"Tunai\n", WIDE)
    assert receipt.text == ["Tunai"]
