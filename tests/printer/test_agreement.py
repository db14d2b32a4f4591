"""Our bytes beside those of encoders written elsewhere: python-escpos, and three on npm."""

import io
import json
import re
import shutil
import subprocess

import PIL.Image
import pytest

import printer
from printer import Cut, Document, Image, Qr, Text, escpos, starprnt
from printer.interpreter import interpret
from tests.printer.samples import LINK, RECEIPTS, logo, read_qr

ENCODERS = RECEIPTS.parent / "encoders"
RECORDED = {
    name: bytes.fromhex(data)
    for name, data in json.loads((ENCODERS / "recorded.json").read_text()).items()
}
LANGUAGES = {"esc-pos": printer.profile("epson-tm-t20"), "star-prnt": printer.profile("star-80")}
EPSON, STAR = LANGUAGES.values()
SYMBOLS = [("KARCIS-UJI", 6, "Q"), (LINK, 5, "M"), ("a" * 300, 4, "L")]
SLIP = Document(
    (
        Text("TOTAL Rp5.000", bold=True, height=2),
        Text("LUNAS", width=2),
        Text("½ jam"),
        Cut(),
    )
)


@pytest.fixture(scope="module")
def dummy(tmp_path_factory):
    """python-escpos's printer that keeps its bytes."""
    with pytest.MonkeyPatch.context() as patch:
        # Else every import leaves a folder behind.
        patch.setenv("ESCPOS_CAPABILITIES_PICKLE_DIR", str(tmp_path_factory.mktemp("escpos")))
        from escpos.printer import Dummy

        return Dummy(profile="TM-T20II")


def test_what_is_recorded_is_what_they_make():
    if shutil.which("node") is None or not (ENCODERS / "node_modules").is_dir():
        pytest.skip("no Node or no npm packages here: see fixtures/encoders/README.md")
    made = subprocess.run(
        ["node", "record.mjs"], cwd=ENCODERS, capture_output=True, check=True, timeout=60
    )
    assert {name: bytes.fromhex(data) for name, data in json.loads(made.stdout).items()} == RECORDED


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("data", "dots", "ec"), SYMBOLS)
def test_a_native_qr_is_that_of_receipt_printer_encoder(language, data, dots, ec):
    theirs = RECORDED[f"{language} qr {ec.lower()}"].removesuffix(starprnt.PRINT)
    ours = printer.encode(Document((Qr(data, ec=ec, max_module_dots=dots),)), LANGUAGES[language])
    assert theirs.removesuffix(b"\n\r") in ours


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_slip_says_the_same_as_that_of_receipt_printer_encoder(language):
    profile = LANGUAGES[language]
    theirs, ours = RECORDED[f"{language} text"], printer.encode(SLIP, profile)
    (their_receipt,) = interpret(theirs, profile)
    (our_receipt,) = interpret(ours, profile)
    assert their_receipt.text == our_receipt.text == ["TOTAL Rp5.000", "LUNAS", "½ jam"]


def test_the_commands_are_those_of_receipt_printer_encoder():
    for command in (
        escpos.INIT + escpos.LEAVE_KANJI,
        escpos.CODEPAGE + b"\x00",
        escpos.BOLD + b"\x01",
        escpos.BOLD + b"\x00",
        escpos.SIZE + b"\x01",
        escpos.SIZE + b"\x10",
    ):
        assert command in RECORDED["esc-pos text"]
        assert command in printer.encode(SLIP, EPSON)
    for command in (
        starprnt.INIT,
        starprnt.CODEPAGE + b"\x01",
        *starprnt.BOLD.values(),
        starprnt.SIZE + b"\x01\x00",
        starprnt.SIZE + b"\x00\x01",
        starprnt.PRINT,
    ):
        assert command in RECORDED["star-prnt text"] + starprnt.PRINT
        assert command in printer.encode(SLIP, STAR)


@pytest.mark.parametrize(("command", "profile"), [("escpos", EPSON), ("starsbcs", STAR)])
def test_our_readers_read_the_text_of_receiptline(command, profile):
    (receipt,) = interpret(RECORDED[f"receiptline {command}"], profile)
    assert [receipt.text[0], receipt.text[-1]] == ["KARCIS", "AKHIR"]
    assert "NoKT-2026-000123-7" in receipt.text  # it places by dots, we by spaces


def test_our_reader_of_star_reads_the_qr_code_of_receiptline():
    (receipt,) = interpret(RECORDED["receiptline starsbcs"], STAR)
    assert read_qr(receipt.image) == LINK


def test_a_raster_for_star_is_that_of_receiptline():
    theirs = RECORDED["receiptline starsbcs"]
    header = b"\x1b\x1dS\x01\x03\x00\x1e\x00\x00"
    dots = theirs[theirs.index(header) + len(header) :][: 3 * 30]
    picture = PIL.Image.frombytes("1", (24, 30), dots, "raw", "1;I")
    ours = printer.encode(Document((Image(_png(picture), dither="none"),)), STAR)
    rows = rb"\x1b\x1dS\x01\x03\x00[\x18\x0e]\x00\x00(.*?)(?=\x1b)"  # bands of 24 and 14 rows
    assert b"".join(re.findall(rows, ours, re.DOTALL))[: 3 * 30] == dots
    assert theirs.count(b"\x1bd3") == 1  # and its cut is ours, in decimal digits
    assert starprnt.CUT["partial"] == b"\x1bd\x03"


@pytest.mark.parametrize(("data", "dots", "ec"), SYMBOLS)
def test_a_native_qr_is_that_of_python_escpos(dummy, data, dots, ec):
    dummy.clear()
    dummy.qr(data, ec="LMQH".index(ec), size=dots, native=True)
    theirs = dummy.output
    ours = printer.encode(Document((Qr(data, ec=ec, max_module_dots=dots),)), EPSON)
    assert theirs
    assert theirs in ours


def test_a_raster_is_that_of_python_escpos(dummy):
    dummy.clear()
    dummy.image(PIL.Image.open(io.BytesIO(logo())), impl="bitImageRaster", fragment_height=24)
    ours = printer.encode(Document((Image(logo(), dither="none"),)), EPSON)
    assert dummy.output.count(escpos.RASTER) == 4
    assert dummy.output in ours


def test_text_is_that_of_python_escpos(dummy):
    dummy.clear()
    dummy.charcode("CP437")
    dummy.set(bold=True, custom_size=True, width=1, height=2)
    dummy.textln("TOTAL Rp5.000")
    dummy.set(bold=False, custom_size=True, width=2, height=1)
    dummy.textln("LUNAS")
    dummy.set(custom_size=True, width=1, height=1)
    dummy.textln("½ jam")
    (theirs,) = interpret(dummy.output, EPSON)
    (ours,) = interpret(printer.encode(SLIP, EPSON), EPSON)
    assert theirs.text == ours.text
    assert dummy.output.count(b"\x1bt\x00") == 1


LABEL = Document((Text("TOTAL Rp5.000"), Text("LUNAS", height=2), Qr("KARCIS-UJI", ec="Q")))
LABELS = printer.profile("tspl-58")


def test_a_label_s_commands_are_those_of_label_printer():
    """It writes spaces after commas and an alignment of text; we name the mask of a QR code."""
    theirs = RECORDED["tspl label"].decode().replace(", ", ",").split("\n")
    theirs = [line.replace(',0,"', ',"') if "TEXT" in line else line for line in theirs]
    ours = printer.encode(LABEL, LABELS).decode().replace(",S7,", ",").split("\r\n")
    more = {"GAP 0 mm,0 mm", "DIRECTION 0", "REFERENCE 40,0", "CODEPAGE 437"}
    assert [line for line in ours if line not in more][1:] == [
        line for line in theirs if line not in more | {"DIRECTION 0,0"}
    ]


def test_our_reader_reads_the_label_of_label_printer():
    (label,) = interpret(RECORDED["tspl label"], LABELS)
    assert label.text == ["TOTAL Rp5.000", "LUNAS", "[QR KARCIS-UJI]"]
    assert read_qr(label.image) == "KARCIS-UJI"


def _png(picture):
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()
