"""What must hold for any text and any bytes on any printer profile."""

import contextlib
import re

from hypothesis import given
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
)
from printer.interpreter import Interpreter, interpret
from printer.layout import Line, lay_out, to_ascii
from printer.status import decode
from tests.printer.samples import read_qr

profiles = st.sampled_from(printer.names()).map(printer.profile)
aligns = st.sampled_from(["left", "center", "right"])
sizes = st.sampled_from([1, 2])
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
            assert all(" " <= char <= "~" for char in command.text)


@given(st.one_of(texts, columns), profiles)
def test_no_character_is_lost_or_invented(item, profile):
    source = item.text if isinstance(item, Text) else item.left + item.right
    laid_out = "".join(line.text for line in lay_out(Document((item,)), profile))
    assert sorted(squeezed(laid_out)) == sorted(squeezed(to_ascii(source)))


@given(st.text(max_size=40), st.text("0123456789.", min_size=1, max_size=13), profiles, sizes)
def test_a_number_that_fits_a_line_is_never_broken(label, digits, profile, width):
    amount = f"Rp{digits}"
    lines = lay_out(Document((Columns(label, amount, width=width),)), profile)
    assert any(line.text.endswith(amount) for line in lines)


@given(documents, profiles)
def test_what_was_laid_out_is_what_the_printer_reads(document, profile):
    laid_out = [
        command.text.rstrip()
        for command in lay_out(document, profile)
        if isinstance(command, Line) and command.text.strip()
    ]
    receipts = interpret(printer.encode(document, profile), profile)
    assert [line for receipt in receipts for line in receipt.text] == laid_out


@given(st.text(min_size=1, max_size=120), profiles)
def test_a_qr_code_reads_back_or_is_refused(data, profile):
    with contextlib.suppress(DocumentError):
        item = Qr(data)
        (receipt,) = interpret(printer.encode(Document((item,)), profile), profile)
        if data.isascii():
            assert read_qr(receipt.image) == data


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
    machine = Interpreter(profile)
    for piece in pieces:
        machine.feed(piece)
    machine.finish()


@given(st.dictionaries(st.integers(1, 4), st.integers(0, 255), max_size=3))
def test_a_printer_that_left_a_question_open_is_never_ready(replies):
    assert decode(replies) not in (State.READY, State.PAPER_NEAR_END)
