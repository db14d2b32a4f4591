import pytest

import printer
from printer import Columns, Cut, Document, Feed, Qr, Text
from printer.escpos import to_bytes
from printer.layout import Raster

NARROW = printer.profile("generic-58")
WIDE = printer.profile("generic-80")
START = b"\x1b@\x1c.\x1bt\x00"


def encoded(*items, profile=WIDE):
    data = printer.encode(Document(items), profile)
    assert data.startswith(START)
    return data.removeprefix(START)


def test_a_plain_line_is_its_text_and_a_line_feed():
    assert encoded(Text("Tunai")) == b"Tunai\n"


def test_styles_are_sent_when_they_change_and_only_then():
    assert encoded(Text("A", bold=True), Text("B", bold=True, height=2), Text("C")) == (
        b"\x1bE\x01A\n" + b"\x1d!\x01B\n" + b"\x1bE\x00\x1d!\x00C\n"
    )


def test_double_width_is_in_the_high_nibble():
    assert encoded(Text("A", width=2)) == b"\x1d!\x10A\n"


def test_a_blank_line_is_a_feed_that_no_printer_swallows():
    assert encoded(Text(""), Text(" ", height=2), Feed(3)) == b"\x1bd\x01\x1bd\x02\x1bd\x03"


def test_the_cut_is_the_profile_s():
    assert encoded(Cut()) == b"\x1dVB\x00"
    assert encoded(Cut(), profile=NARROW) == b"\x1bd\x04"


def test_a_native_qr_is_five_functions_of_gs_k():
    assert encoded(Qr("KARCIS-UJI", ec="Q")) == (
        b"\x1bd\x01\x1ba\x01"
        b"\x1d(k\x04\x001A2\x00"
        b"\x1d(k\x03\x001C\x06"
        b"\x1d(k\x03\x001E\x32"
        b"\x1d(k\x0d\x001P0KARCIS-UJI"
        b"\x1d(k\x03\x001Q0"
        b"\x1ba\x00\x1bd\x01"
    )


def test_the_length_of_a_long_qr_has_two_bytes():
    assert b"\x1d(k\x2f\x011P0" in encoded(Qr("a" * 300))


def test_a_printer_without_qr_never_sees_gs_k():
    assert b"\x1d(k" not in encoded(Qr("KARCIS-UJI"), profile=NARROW)


@pytest.mark.parametrize("rows", [1, 23, 24, 25, 47, 48, 49, 96, 200])
def test_rasters_go_in_bands_of_at_most_24_rows(rows):
    data = to_bytes([Raster(b"\x5a" * 3 * rows, 3)], WIDE).removeprefix(START + b"\x1ba\x01")
    seen = 0
    while data.startswith(b"\x1dv0"):
        width, height = data[4] + 256 * data[5], data[6] + 256 * data[7]
        assert width == 3
        assert 1 <= height <= 24
        assert data[8 : 8 + width * height] == b"\x5a" * width * height
        data = data[8 + width * height :]
        seen += height
    assert seen == rows
    assert data == b"\x1ba\x00"  # and no line feed that one class of printers would swallow


def test_text_goes_out_in_the_code_page_that_was_chosen():
    profile = printer.profile("epson-tm-t20")
    assert encoded(Text("Désa ½ km² – 30°"), profile=profile) == b"D\x82sa \xab km\xfd - 30\xf8\n"
    assert encoded(Text("Désa ½ km² – 30°")) == b"Desa 1/2 km2 - 30o\n"


def test_data_cannot_command_the_printer():
    evil = "\x1b@\x1dV\x00\x10\x04\x01\x1bp0\x7f\x9b\n"
    data = encoded(Text(evil), Columns(evil, evil))
    assert {byte for byte in data if byte < 0x20 or byte > 0x7E} == {0x0A}
