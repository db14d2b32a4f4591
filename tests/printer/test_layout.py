import io

import PIL.Image
import pytest

import printer
from printer import Columns, Cut, Document, DocumentError, Feed, Image, Qr, QrTooWide, Rule, Text
from printer.layout import GAP_ROWS, Line, NativeQr, Raster, lay_out, to_charset

NARROW = printer.profile("generic-58")
WIDE = printer.profile("generic-80")


def lines(*items, profile=NARROW):
    return [command.text for command in lay_out(Document(items), profile)]


def png(picture):
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def test_a_label_stands_left_and_its_value_right():
    assert lines(Columns("TOTAL", "Rp5.000")) == ["TOTAL                    Rp5.000"]


def test_a_long_value_wraps_beside_its_label():
    assert lines(Columns("Lokasi", "Jl. Merdeka Ruas 3, sisi utara depan Pasar")) == [
        "Lokasi  Jl. Merdeka Ruas 3, sisi",
        "utara depan Pasar".rjust(32),
    ]


def test_a_value_too_long_for_the_rest_of_the_line_goes_below_whole():
    assert lines(Columns("Referensi jaringan (RRN)", "632811004711")) == [
        "Referensi jaringan (RRN)        ",
        "                    632811004711",
    ]


def test_a_value_longer_than_a_line_loses_nothing():
    value = "1234567890" * 8
    laid_out = lines(Columns("Nomor", value))
    assert "".join(line.strip() for line in laid_out[1:]) == value


def test_an_amount_in_double_width_keeps_all_its_digits():
    assert lines(Columns("TOTAL", "Rp12.345.678", width=2)) == [
        "TOTAL           ",
        "    Rp12.345.678",
    ]


def test_a_label_without_value_has_no_blank_line_after_it():
    assert lines(Columns("Setoran harian juru parkir malam hari", "")) == [
        "Setoran harian juru parkir malam",
        "hari".ljust(32),
    ]


def test_a_no_break_space_keeps_a_plate_on_one_line():
    assert lines(Text("Kendaraan dengan nomor B\xa01234\xa0XYZ")) == [
        "Kendaraan dengan nomor".ljust(32),
        "B 1234 XYZ".ljust(32),
    ]


def test_a_number_with_hyphens_is_not_broken_at_them():
    assert lines(Text("Simpan bukti bernomor KT-2026-000123-7"))[1].strip() == "KT-2026-000123-7"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Rp5.000 – lunas", "Rp5.000 - lunas"),
        ("“karcis” ‘asli’…", "\"karcis\" 'asli'..."),
        ("✓ sah ✗ batal 2×", "v sah x batal 2x"),
        ("Désa Çukur Ñ", "Desa Cukur N"),
        ("m² № ½", "m2 No 1/2"),
        ("停車", "??"),
        ("a\x1b@\x1dV\x00b\x7f\x9bc", "a@Vbc"),
        ("baris\nbaru\ttab\u2028", "baris baru tab "),
        ("a\u200bb\u202ec", "abc"),
        ("\ud800", "?"),
    ],
)
def test_text_becomes_printable_ascii(text, printed):
    assert to_charset(text, "ascii") == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Désa Çukur Ñ", "Désa Çukur Ñ"),
        ("Désa".replace("é", "e\u0301"), "Désa"),
        ("m² № ½ 30° √", "m² No ½ 30° √"),
        ("“2×” – 5 €…", '"2x" - 5 EUR...'),
        ("a\x1b\x85\x9b\u200bb\xadc", "abc"),
        ("停車 ☺", "?? ?"),
    ],
)
def test_text_keeps_what_the_code_page_has(text, printed):
    assert to_charset(text, "cp437") == printed


def test_a_symbol_for_the_printer_has_blank_lines_for_a_quiet_zone():
    commands = lay_out(Document((Qr("A" * 60),)), WIDE)
    assert commands == [Feed(1), NativeQr("A" * 60, "M", 6), Feed(1)]


def test_a_long_qr_gets_smaller_modules():
    assert lay_out(Document((Qr("a" * 300),)), printer.profile("generic-58-qr"))[1] == NativeQr(
        "a" * 300, "M", 4
    )


@pytest.mark.parametrize("name", printer.names())
def test_a_qr_that_cannot_fit_is_an_error_and_not_a_blank(name):
    with pytest.raises(QrTooWide, match="shorten its text"):
        lay_out(Document((Qr("a" * 1400),)), printer.profile(name))


def test_a_cut_on_a_printer_without_cutter_feeds_past_the_tear_bar():
    assert lay_out(Document((Cut(),)), NARROW) == [Feed(4)]
    assert lay_out(Document((Cut(),)), WIDE) == [Cut()]


def test_a_rule_crosses_the_paper():
    assert lines(Rule("="), profile=WIDE) == ["=" * 48]


def test_a_picture_becomes_black_dots_on_white():
    picture = PIL.Image.new("RGBA", (10, 2), (0, 0, 0, 0))  # transparent is white
    picture.putpixel((0, 0), (0, 0, 0, 255))
    picture.putpixel((9, 1), (0, 0, 0, 255))
    assert lay_out(Document((Image(png(picture), dither="none"),)), NARROW) == [
        Raster(b"\x80\x00\x00\x40" + bytes(2 * GAP_ROWS), 2)
    ]


@pytest.mark.parametrize("command", [b"\x10\x04\x01", b"\x10\x05\x02", b"\x10\x14\x01"])
def test_no_picture_holds_a_command_that_printers_obey_within_it(command):
    picture = PIL.Image.frombytes("1", (24, 1), command, "raw", "1;I")
    (raster,) = lay_out(Document((Image(png(picture), dither="none"),)), NARROW)
    assert isinstance(raster, Raster)
    drawn = raster.data[:3]
    assert drawn == b"\x11" + command[1:], "one dot more"


def test_a_grey_picture_is_dithered_to_its_shade():
    (raster,) = lay_out(Document((Image(png(PIL.Image.new("L", (64, 64), 128))),)), NARROW)
    assert isinstance(raster, Raster)
    assert 0.45 < sum(byte.bit_count() for byte in raster.data) / 64**2 < 0.55


@pytest.mark.parametrize(("shade", "black"), [(0, 64), (64, 48), (128, 32), (192, 16), (255, 0)])
def test_ordered_dithering_fills_a_square_in_proportion(shade, black):
    picture = png(PIL.Image.new("L", (8, 8), shade))
    (raster,) = lay_out(Document((Image(picture, dither="ordered"),)), NARROW)
    assert isinstance(raster, Raster)
    assert sum(byte.bit_count() for byte in raster.data) == black


def test_ordered_dithering_spreads_its_dots_evenly():
    picture = png(PIL.Image.new("L", (16, 16), 128))
    (raster,) = lay_out(Document((Image(picture, dither="ordered"),)), NARROW)
    assert isinstance(raster, Raster)
    assert raster.data[: 2 * 16] == b"\x55\x55\xaa\xaa" * 8


def test_a_picture_wider_than_the_paper_shrinks():
    (raster,) = lay_out(Document((Image(png(PIL.Image.new("L", (1152, 300), 0))),)), WIDE)
    assert isinstance(raster, Raster)
    assert (raster.width_bytes, len(raster.data)) == (72, 72 * (150 + GAP_ROWS))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\nrubbish",
        png(PIL.Image.new("1", (2100, 2100))),
        png(PIL.Image.new("1", (8, 2000))),
        png(PIL.Image.new("L", (40, 40), 90))[:-30],
    ],
    ids=["empty", "gif", "broken", "too many pixels", "too high", "cut off"],
)
def test_an_unfit_picture_is_a_document_error(data):
    with pytest.raises(DocumentError, match="picture"):
        lay_out(Document((Image(data),)), NARROW)


def test_styles_travel_with_every_line_of_a_paragraph():
    commands = lay_out(
        Document((Text("satu dua tiga empat", bold=True, width=2, height=2),)), NARROW
    )
    assert commands == [
        Line("satu dua tiga   ", True, 2, 2),
        Line("empat           ", True, 2, 2),
    ]
