import pytest
from PIL import ImageChops

import printer
from printer import Document, Qr, Text, starprnt
from printer.hardware import Hardware
from printer.interpreter import interpret, interpreter
from tests.printer.samples import LINK, SLIPS, read_qr

NARROW = printer.profile("generic-58")
WIDE = printer.profile("generic-80")
EPSON = printer.profile("epson-tm-t20")
CLEAR = bytes.fromhex("10140801031401060208")
STAR = printer.profile("star-80")
LABELS = printer.profile("tspl-58")
STAR_READY = bytes.fromhex("230600000000000000")


@pytest.mark.parametrize("name", printer.names())
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_the_same_however_its_bytes_arrive(slip, name):
    profile = printer.profile(name)
    data = printer.encode(SLIPS[slip](), profile)
    (whole,) = interpret(data, profile)
    pieces = []
    machine = interpreter(profile, on_receipt=pieces.append)
    for byte in data:
        machine.feed(bytes([byte]))
    machine.finish()
    assert [piece.text for piece in pieces] == [whole.text]
    assert ImageChops.difference(pieces[0].image, whole.image).getbbox() is None
    # What starts a Star's printing stands behind its cut.
    on_paper = data.removesuffix(starprnt.PRINT) if name == "star-80" else data
    assert whole.data == on_paper == pieces[0].data


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
    ],
)
def test_requests_are_answered(request_, reply):
    machine = interpreter(WIDE)
    assert b"".join(machine.feed(bytes([byte])) for byte in request_) == reply
    assert interpreter(WIDE).feed(request_) == reply


def test_status_is_answered_from_within_a_raster_as_printers_do():
    assert interpreter(WIDE).feed(b"\x1dv0\x00\x03\x00\x01\x00\x10\x04\x01") == b"\x16"


def test_acknowledgements_wait_for_the_paper():
    machine = interpreter(WIDE, Hardware(lines_left=2))
    assert machine.feed(b"A\nB\nC\n\x1dr\x01") == b""
    assert machine.feed(b"\x10\x04\x02\x10\x04\x04") == b"\x32\x7e"
    machine.hardware.lines_left = None
    assert machine.feed(b"") == b"\x00"


def test_a_line_that_is_not_on_paper_yet_is_not_acknowledged():
    machine = interpreter(EPSON)
    assert machine.feed(b"A\nB\x1d(H\x06\x0000WXYZ\x1d(H\x06\x0000ABCD") == b""
    assert machine.feed(b"\n") == b"7\x22ABCD\x00"
    assert machine.feed(b"B\x1dr\x01\x1b@\n") == b""  # ESC @ forgets the line


@pytest.mark.parametrize(
    ("profile", "request_", "reply"),
    [
        (EPSON, b"\x1d(H\x06\x0000ABCD", b"7\x22ABCD\x00"),
        (WIDE, b"\x1d(H\x06\x0000ABCD", b""),
        (EPSON, b"\x1dIC", b"_TM-T20\x00"),
        (EPSON, b"\x1dIB\x1dI\x02", b"_EPSON\x00\x02"),
        (WIDE, b"\x1dIC", b"_\x00"),
        (EPSON, CLEAR, b"7\x25\x00"),
        (WIDE, CLEAR, b""),
        (printer.profile("sunmi-58"), b"\x10\x04\x01\x1da\xff\x1dr\x01\x1dIC", b""),
    ],
)
def test_each_class_answers_what_it_knows(profile, request_, reply):
    assert interpreter(profile).feed(request_) == reply
    machine = interpreter(profile)
    assert b"".join(machine.feed(bytes([byte])) for byte in request_) == reply


def test_the_automatic_status_tells_each_change_once():
    machine = interpreter(WIDE)
    assert machine.feed(b"\x1da\xff") == b"\x14\x00\x00\x00"
    machine.hardware.cover_open = True
    assert machine.replies() == b"\x3c\x00\x00\x00"
    assert machine.replies() == b""
    machine.hardware.cover_open = False
    assert machine.replies() == b"\x14\x00\x00\x00"
    machine.feed(b"\x1da\x00")
    machine.hardware.hot = True
    assert machine.replies() == b""


def test_a_buffer_is_cleared_on_demand_even_within_a_raster():
    receipts = []
    machine = interpreter(EPSON, Hardware(cover_open=True), receipts.append)
    machine.feed(b"lama\n\x1dv0\x00\x10\x00\x18\x00" + bytes(30) + CLEAR + b"baru\n")
    machine.hardware.cover_open = False
    machine.print()
    machine.finish()
    assert [receipt.text for receipt in receipts] == [["baru"]]


def test_a_raster_that_was_cut_off_swallows_what_follows_until_nuls_fill_it():
    receipts = []
    machine = interpreter(WIDE, on_receipt=receipts.append)
    machine.feed(b"\x1dv0\x00\x48\x00\x18\x00" + bytes(300))
    machine.tear_off()
    machine.switch_on(raster_goes_on=True)
    machine.feed(b"\x1b@hilang\n")
    machine.feed(bytes(8192) + b"\x1b@terbaca\n\x1dV\x00")
    assert receipts[-1].text[-1] == "terbaca"
    assert not any("hilang" in line for receipt in receipts for line in receipt.text)


def test_a_star_counts_what_is_on_paper_and_not_before():
    machine = interpreter(STAR, Hardware(lines_left=2))
    told = machine.feed(b"A\n\x1b\x1eE\x00\x1b\x1ea\x01")
    assert told == STAR_READY
    assert machine.feed(b"B\nC\n\x17") == bytes.fromhex("23060800000c000000")  # no paper, no count
    machine.hardware.lines_left = None
    assert machine.feed(b"") == bytes.fromhex("230600000000000200")
    assert machine.feed(b"D\x17\x17") == b""  # the line is not on paper yet
    assert machine.feed(b"\n") == bytes.fromhex("230600000000000600")
    assert machine.feed(b"\x1b@\x1b\x1ea\x00\x17") == b""
    assert machine.feed(b"\x1b\x06\x01") == bytes.fromhex("230600000000000800")


def test_a_star_answers_at_once_what_is_real_time():
    machine = interpreter(STAR, Hardware(cover_open=True))
    answers = [machine.feed(bytes([byte])) for byte in b"A\n\x1b\x06\x01"]
    assert answers == [b""] * 4 + [bytes.fromhex("230628000000000000")]


def test_a_label_printer_tells_that_it_prints():
    machine = interpreter(LABELS, Hardware(lines_left=1))
    data = printer.encode(Document((Text("A"), Text("B"))), LABELS)
    machine.receive(data + b"\x1b!?")
    assert machine.replies() == b"\x20"
    machine.print()
    assert machine.feed(b"\x1b!?") == b"\x04"


def test_a_label_without_paper_comes_out_as_far_as_the_roll_went():
    receipts = []
    machine = interpreter(LABELS, Hardware(lines_left=2), receipts.append)
    machine.feed(printer.encode(Document((Text("A"), Text("B"), Text("C"))), LABELS))
    assert [receipt.text for receipt in receipts] == [["A"]]
    machine.hardware.lines_left = None
    machine.print()
    assert [receipt.text for receipt in receipts] == [["A"], ["B", "C"]]


def test_a_label_that_was_broken_off_in_its_picture_swallows_what_follows():
    receipts = []
    machine = interpreter(LABELS, on_receipt=receipts.append)
    machine.feed(b"CLS\r\nBITMAP 0,0,48,24,0," + bytes(300))
    machine.switch_on(raster_goes_on=True)
    slip = printer.encode(Document((Text("A"),)), LABELS)
    machine.feed(slip)
    assert receipts == []
    machine.feed(bytes(8192) + b"\r\n" + slip)
    assert [receipt.text for receipt in receipts] == [["A"]]


@pytest.mark.parametrize("recover", [b"\x10\x05\x01", b"\x10\x05\x02"])
def test_a_jammed_knife_stops_it_with_the_text_on_paper(recover):
    receipts = []
    machine = interpreter(WIDE, Hardware(knife_sticks=True), receipts.append)
    machine.feed(b"A\n\x1dV\x00B\n\x1dr\x01")
    assert [receipt.text for receipt in receipts] == [["A"]]
    assert machine.feed(b"\x10\x04\x02\x10\x04\x03") == b"\x52\x1a"
    assert machine.feed(recover) == (b"\x00" if recover[2] == 1 else b"")
    assert machine.feed(b"\x10\x04\x03") == b"\x12"


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
    machine = interpreter(WIDE, on_receipt=receipts.append)
    machine.feed(b"A\n" * 1000)
    assert len(receipts) == 2
