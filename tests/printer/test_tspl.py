import pytest

import printer
from printer import Columns, Cut, Document, DocumentError, Feed, Image, Qr, Text
from printer.interpreter import interpret
from tests.printer.samples import LINK, logo, read_qr

LABELS = printer.profile("tspl-58")


def encoded(*items):
    return printer.encode(Document(items), LABELS)


def lines(*items):
    return encoded(*items).split(b"\r\n")


def test_a_label_is_as_wide_as_the_roll_and_as_high_as_its_content():
    assert lines(Text("Tunai"), Text("Lunas", height=2), Feed(1)) == [
        b"",
        b"SIZE 58 mm,20 mm",  # 30 + 48 + 30 dots and two margins
        b"GAP 0 mm,0 mm",
        b"DIRECTION 0",
        b"REFERENCE 40,0",
        b"CODEPAGE 437",
        b"CLS",
        b'TEXT 0,24,"2",0,1,1,"Tunai"',
        b'TEXT 0,54,"2",0,1,2,"Lunas"',
        b"PRINT 1,1",
        b"",
    ]


def test_a_cut_begins_another_label():
    data = encoded(Text("A"), Cut(), Cut(), Text("B"), Cut())
    assert [label.text for label in interpret(data, LABELS)] == [["A"], ["B"]]
    assert data.count(b"PRINT 1,1") == 2


def test_a_quotation_mark_cannot_end_the_text():
    text = 'A" \\["] \\[R]\r\nPRINT 9'
    assert lines(Text(text))[7] == rb'TEXT 0,24,"2",0,1,1,"A\["] /[\["]] /[R]  PRINT 9"'
    (label,) = interpret(encoded(Text(text)), LABELS)
    assert label.text == ['A" /["] /[R]  PRINT 9']


def test_the_qr_code_is_of_model_2_and_centred():
    assert b'QRCODE 129,54,Q,6,A,0,M2,S7,"KARCIS-UJI"' in lines(Qr("KARCIS-UJI", ec="Q"))


def test_a_module_is_never_larger_than_the_command_takes():
    assert b'QRCODE 87,84,M,10,A,0,M2,S7,"KARCIS-UJI"' in lines(
        Qr("KARCIS-UJI", max_module_dots=16)
    )


def test_the_qr_code_reads_back():
    (label,) = interpret(encoded(Qr(LINK)), LABELS)
    assert read_qr(label.image) == LINK


def test_a_qr_code_with_a_quotation_mark_reads_back():
    (label,) = interpret(encoded(Qr('{"no": 7}')), LABELS)
    assert read_qr(label.image) == '{"no": 7}'


def test_a_qr_code_that_cannot_be_written_down_is_refused():
    with pytest.raises(DocumentError, match="label printer"):
        encoded(Qr("a\\[R]b"))


def test_in_a_bitmap_a_set_bit_is_white():
    data = encoded(Image(logo(), dither="none"))
    header = b"BITMAP 144,24,12,104,0,"
    bits = data[data.index(header) + len(header) :][: 12 * 104]
    assert bits[-12 * 8 :] == b"\xff" * 12 * 8  # the white below the picture
    assert bits[12 * 16 : 12 * 16 + 2] == b"\x00\x00"  # the black sign
    black = interpret(data, LABELS)[0].image.histogram()[0]
    assert black == sum((byte ^ 0xFF).bit_count() for byte in bits)


def test_data_cannot_command_the_printer():
    evil = '\x1b!R\x1b@"\r\nSELFTEST\r\n\x7f\x9b'
    data = encoded(Text(evil), Columns(evil, evil))
    assert {byte for byte in data if byte < 0x20 or byte > 0x7E} == {0x0A, 0x0D}
    assert not any(line.startswith(b"SELFTEST") for line in data.split(b"\r\n"))


def test_a_label_that_breaks_off_prints_nothing():
    assert interpret(encoded(Text("A"), Image(logo()))[:-20], LABELS) == []
