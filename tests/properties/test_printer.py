"""What must hold for any text and any bytes on any printer profile."""

import contextlib
import re
import struct
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

import printer
from printer import (
    Columns,
    Cut,
    Document,
    DocumentError,
    Feed,
    Qr,
    Rule,
    State,
    Text,
    escpos,
    starprnt,
)
from printer.interpreter import interpret, interpreter
from printer.layout import Line, Raster, lay_out, to_charset
from printer.status import Ear, decode
from tests.printer.samples import read_qr

profiles = st.sampled_from(printer.names()).map(printer.profile)
aligns = st.sampled_from(["left", "center", "right"])
sizes = st.sampled_from([1, 2])
levels = st.sampled_from(["L", "M", "Q", "H"])
modules = st.integers(4, 16)
texts = st.builds(Text, st.text(max_size=80), aligns, st.booleans(), sizes, sizes)
values = st.text(max_size=80)
columns = st.builds(Columns, st.text(max_size=50), values, st.booleans(), sizes, sizes)
feeds = st.builds(Feed, st.integers(1, 9))
items = st.one_of(texts, columns, st.just(Rule()), feeds, st.just(Cut()))
documents = st.lists(items, max_size=6).map(lambda found: Document(tuple(found)))


def squeezed(text):
    return re.sub(r"\s", "", text)


@given(documents, profiles)
def test_every_line_fills_the_paper_exactly(document, profile):
    for command in lay_out(document, profile):
        if isinstance(command, Line):
            assert len(command.text) == profile.columns // command.width
            assert command.text.isprintable()
            assert len(command.text.encode(profile.charset)) == len(command.text)


@given(st.one_of(texts, columns), profiles)
def test_no_character_is_lost_or_invented(item, profile):
    source = item.text if isinstance(item, Text) else item.left + item.right
    laid_out = "".join(line.text for line in lay_out(Document((item,)), profile))
    assert sorted(squeezed(laid_out)) == sorted(squeezed(to_charset(source, profile.charset)))


@given(st.text(max_size=40), st.text("0123456789.", min_size=1, max_size=13), profiles, sizes)
def test_a_number_that_fits_a_line_is_never_broken(label, digits, profile, width):
    amount = f"Rp{digits}"
    lines = lay_out(Document((Columns(label, amount, width=width),)), profile)
    assert any(line.text.endswith(amount) for line in lines)


@settings(deadline=None)  # a glyph is drawn when it is first printed
@given(documents, profiles)
def test_what_was_laid_out_is_what_the_printer_reads(document, profile):
    laid_out = [
        command.text.rstrip()
        for command in lay_out(document, profile)
        if isinstance(command, Line) and command.text.strip()
    ]
    receipts = interpret(printer.encode(document, profile), profile)
    assert [line for receipt in receipts for line in receipt.text] == laid_out


@settings(deadline=None)  # the readers of QR codes take their time on a busy machine
@given(st.text(min_size=1, max_size=120), levels, modules, profiles)
def test_a_qr_code_reads_back_or_is_refused(data, ec, dots, profile):
    with contextlib.suppress(DocumentError):
        item = Qr(data, ec, dots)
        (receipt,) = interpret(printer.encode(Document((item,)), profile), profile)
        if data.isascii():
            assert read_qr(receipt.image) == data


@settings(deadline=None)  # a large symbol takes its reader a while
@given(st.integers(1, 2000), levels, modules, profiles)
def test_a_long_qr_code_is_drawn_within_the_paper_or_refused(size, ec, dots, profile):
    with contextlib.suppress(DocumentError):
        data = printer.encode(Document((Qr("a" * size, ec, dots),)), profile)
        (receipt,) = interpret(data, profile)
        (line,) = receipt.text
        picture = re.fullmatch(r"\[gambar (\d+)x\d+\]", line)
        assert int(picture[1]) <= profile.dots if picture else line == f"[QR {'a' * size}]"


@given(st.text(st.characters(max_codepoint=0x9F), max_size=80), profiles)
def test_control_characters_do_not_reach_the_printer(text, profile):
    spaced = re.sub(r"[\t\n\r\v\f]", " ", text)
    harmless = "".join(char for char in spaced if unicodedata.category(char) != "Cc")
    with_them, without = (
        printer.encode(Document((Text(data), Columns(data, data))), profile)
        for data in (text, harmless)
    )
    assert with_them == without


RASTERS = st.sampled_from(
    [
        (escpos.to_bytes, printer.profile("generic-58"), b"\x1dv0\0", b""),
        (starprnt.to_bytes, printer.profile("star-58"), b"\x1b\x1dS\1", b"\0"),
    ]
)


@given(st.binary(min_size=1, max_size=48), st.integers(1, 200), RASTERS)
def test_a_raster_goes_in_low_bands_whose_lengths_are_true(row, rows, language):
    to_bytes, profile, command, last_argument = language
    sent = to_bytes([Raster(row * rows, len(row))], profile)
    sent = sent[sent.index(command) :]
    heights = []
    while sent.startswith(command):
        width, height = struct.unpack_from("<HH", sent, len(command))
        head = len(command) + 4 + len(last_argument)
        assert width == len(row)
        assert sent[head : head + width * height] == row * height
        sent = sent[head + width * height :]
        heights.append(height)
    assert sum(heights) == rows
    assert all(1 <= height <= 24 for height in heights)


@given(documents)
def test_json_round_trip(document):
    assert Document.from_json(document.to_json()) == document


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_json_is_a_document_or_a_document_error(text):
    with contextlib.suppress(DocumentError):
        Document.from_json(text)


commands = st.sampled_from(
    [b"\x1b", b"\x1d", b"\x1c", b"\x10", b"\x1dv0", b"\x1d(k", b"\x1b@", b"\x1dV"]
)


@given(st.lists(st.binary(max_size=12) | commands, max_size=40), profiles)
def test_no_bytes_break_the_interpreter(pieces, profile):
    machine = interpreter(profile)
    for piece in pieces:
        machine.feed(piece)
    machine.finish()


star_commands = st.sampled_from(
    [b"\x1b", b"\x1b\x1d", b"\x1b\x1dS\1\2\0", b"\x1b\x1dyD1\0", b"\x1b\x1dyP", b"\x1bd3", b"\x1bi"]
)
tspl_commands = st.sampled_from(
    [
        b"CLS\r\n",
        b"SIZE 58 mm,",
        b'TEXT 0,9,"2",0,1,1,"',
        b"BITMAP 0,0,2,9,0,",
        b'QRCODE 9,9,M,4,A,0,"',
        b'"\n',
        b"\\[R]",
        b"PRINT 1\n",
    ]
)


@settings(deadline=None)  # a glyph is drawn when it is first printed
@given(st.lists(st.binary(max_size=12) | star_commands | tspl_commands, max_size=40))
def test_no_bytes_break_the_other_readers(pieces):
    for name in ("star-58", "tspl-58"):
        interpret(b"".join(pieces), printer.profile(name))


@given(st.dictionaries(st.integers(1, 4), st.integers(0, 255), max_size=3))
def test_a_printer_that_left_a_question_open_is_never_ready(replies):
    assert decode(replies) not in (State.READY, State.PAPER_NEAR_END)


languages = st.sampled_from(["escpos", "starprnt", "tspl"])


@given(languages, st.lists(st.binary(max_size=9), max_size=20))
def test_what_is_heard_does_not_depend_on_how_it_was_cut(language, pieces):
    ear = Ear(language)
    in_pieces = [reply for piece in pieces for reply in ear.hear(piece)]
    assert in_pieces == Ear(language).hear(b"".join(pieces))


@given(st.binary(max_size=60), st.binary(min_size=4, max_size=4), st.binary(max_size=60))
def test_an_id_that_was_not_sent_is_never_heard(before, own, after):
    replies = Ear("escpos").hear(before + after)
    whole = b'7"' + own + b"\0"
    if whole not in before + after:
        assert all(reply.data != own for reply in replies if reply.kind == "gs-h")


@given(st.lists(st.text("ABCxyz019", min_size=4, max_size=4), max_size=5), st.data())
def test_ids_are_heard_among_unasked_statuses(ids, data):
    other = st.sampled_from([b"", b"\x14\x00\x00\x0f", b"\x16", b"\x11", b"\xff\x80"])
    stream = b"".join(data.draw(other) + b'7"' + own.encode() + b"\0" for own in ids)
    heard = [reply.data.decode() for reply in Ear("escpos").hear(stream) if reply.kind == "gs-h"]
    assert heard == ids
