import pytest
from PIL import ImageChops

import printer
from printer import Document, Qr, Text, UnknownFault
from printer.interpreter import Faults, Interpreter, interpret
from tests.printer.samples import LINK, SLIPS, read_qr

NARROW = printer.profile("generic-58")
WIDE = printer.profile("generic-80")


@pytest.mark.parametrize("name", printer.names())
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_the_same_however_its_bytes_arrive(slip, name):
    profile = printer.profile(name)
    data = printer.encode(SLIPS[slip](), profile)
    (whole,) = interpret(data, profile)
    pieces = []
    machine = Interpreter(profile, on_receipt=pieces.append)
    for byte in data:
        machine.feed(bytes([byte]))
    machine.finish()
    assert [piece.text for piece in pieces] == [whole.text]
    assert ImageChops.difference(pieces[0].image, whole.image).getbbox() is None
    assert whole.data == data == pieces[0].data


@pytest.mark.parametrize("name", printer.names())
def test_the_qr_code_reads_back(name):
    profile = printer.profile(name)
    (receipt,) = interpret(printer.encode(Document((Qr(LINK),)), profile), profile)
    assert read_qr(receipt.image) == LINK


def test_a_printer_without_qr_prints_nothing_for_gs_k():
    data = printer.encode(Document((Text("A"), Qr("B"))), WIDE)
    (receipt,) = interpret(data, NARROW)
    assert receipt.text == ["A"]


def test_a_qr_wider_than_the_paper_prints_nothing_as_on_the_real_ones():
    data = printer.encode(Document((Text("A"), Qr("B" * 120))), WIDE).replace(b"1C\x06", b"1C\x10")
    (receipt,) = interpret(data, WIDE)
    assert receipt.text == ["A"]


def test_a_long_line_wraps_at_the_last_column():
    (receipt,) = interpret(b"\x1b@" + b"x" * 40 + b"\n", NARROW)
    assert receipt.text == ["x" * 32, "x" * 8]


def test_a_line_feed_after_a_raster_is_eaten_by_one_class_only():
    raster = b"\x1dv0\x00\x01\x00\x08\x00" + b"\xff" * 8
    heights = [interpret(raster + b"\nA\n", profile)[0].image.height for profile in (NARROW, WIDE)]
    assert heights[1] - heights[0] == 30


def test_bands_are_one_picture_in_the_text():
    raster = b"\x1dv0\x00\x02\x00\x18\x00" + b"\xff" * 48
    (receipt,) = interpret(raster * 2 + b"7\n" + raster, WIDE)
    assert receipt.text == ["[gambar 16x48]", "7", "[gambar 16x24]"]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"\x10\x04\x01", b"\x16"),
        (b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04", b"\x16\x12\x12\x12"),
        (b"\x10\x04\x09", b""),
        (b"\x1dr\x01", b"\x00"),
        (b"\x1dr1", b"\x00"),
        (b"\x1d(H\x06\x0000ABCD", b"7\x22ABCD\x00"),
    ],
)
def test_requests_are_answered(request_, reply):
    machine = Interpreter(WIDE)
    assert b"".join(machine.feed(bytes([byte])) for byte in request_) == reply
    assert Interpreter(WIDE).feed(request_) == reply


def test_status_is_answered_from_within_a_raster_as_printers_do():
    assert Interpreter(WIDE).feed(b"\x1dv0\x00\x03\x00\x01\x00\x10\x04\x01") == b"\x16"


def test_acknowledgements_wait_for_the_paper():
    machine = Interpreter(WIDE, Faults(paper_out=2))
    assert machine.feed(b"A\nB\nC\n\x1dr\x01") == b""
    assert machine.stopped
    assert machine.feed(b"\x10\x04\x02\x10\x04\x04") == b"\x32\x7e"


def test_an_open_cover_is_told_in_two_replies():
    machine = Interpreter(WIDE, Faults(cover_open=True))
    assert machine.feed(b"\x10\x04\x01\x10\x04\x02") == b"\x1e\x16"


def test_commands_of_other_encoders_do_not_become_text():
    noise = (
        b"\x1b-\x01\x1bM\x00\x1b!\x00\x1bR\x00\x1b{\x00\x1bc3\x00\x1b$\x00\x00\x1bp\x00\x19\xfa"
        b"\x1b2\x1b3\x1e\x1bD\x08\x10\x00\x1bJ\x10\x1b*\x00\x02\x00AB\x1c&\x1c.\x1c!\x00"
        b"\x1dL\x00\x00\x1dW\x00\x02\x1dB\x00\x1dh\x50\x1dw\x02\x1da\xff\x1dI\x01"
        b"\x1d(L\x02\x0002\x1dkA\x03123\x1dk\x04AB\x00\x1d8L\x02\x00\x00\x0002\x10\x14\x01\x00\x01"
    )
    (receipt,) = interpret(noise + b"Tunai\n", WIDE)
    assert receipt.text == ["Tunai"]


def test_esc_exclamation_sets_all_three_styles():
    (plain,) = interpret(b"A\n", WIDE)
    (styled,) = interpret(b"\x1b!\x38A\n", WIDE)
    assert styled.image.height == plain.image.height + 18
    assert styled.image.histogram()[0] > 4 * plain.image.histogram()[0]


def test_endless_paper_is_torn_off():
    receipts = []
    machine = Interpreter(WIDE, on_receipt=receipts.append)
    machine.feed(b"A\n" * 1000)
    assert len(receipts) == 2


@pytest.mark.parametrize("spec", ["", "fire", "paper-out", "paper-out:x", "cut-at:-1", "silent:3"])
def test_an_unknown_fault_lists_the_known_ones(spec):
    with pytest.raises(UnknownFault, match="paper-out:LINES"):
        Faults.parse([spec])


def test_faults_add_up():
    assert Faults.parse(["stall", "near-end", "paper-out:4"]) == Faults(
        paper_out=4, near_end=True, stall=0
    )
