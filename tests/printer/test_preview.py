import importlib

import pytest
from PIL import ImageChops

import printer
from printer.interpreter import interpret
from tests.printer.samples import ESCPOS, LINK, SLIPS, karcis, read_qr


@pytest.mark.parametrize("name", [*ESCPOS, "star-58"])
@pytest.mark.parametrize("slip", SLIPS)
def test_preview_and_virtual_printer_draw_the_same_paper(slip, name):
    """Dot by dot, save inside a QR code of the printer's own: its mask is the printer's choice."""
    document, profile = SLIPS[slip](), printer.profile(name)
    ours = printer.preview(document, profile)
    (receipt,) = interpret(printer.encode(document, profile), profile)
    assert ours.size == receipt.image.size
    assert read_qr(ours) == read_qr(receipt.image)
    difference = ImageChops.difference(ours, receipt.image).getbbox()
    if not profile.native_qr:
        assert difference is None
    elif difference:
        left, top, right, bottom = difference
        assert right - left <= 300
        assert bottom - top <= 300
        assert abs((left + right) - ours.width) <= 80


@pytest.mark.parametrize("name", ESCPOS)
def test_the_picture_is_as_wide_as_the_roll_and_its_qr_reads(name):
    profile = printer.profile(name)
    picture = printer.preview(karcis(), profile)
    assert picture.width == profile.paper_dots
    assert read_qr(picture) == LINK


def test_an_empty_document_is_a_blank_strip():
    picture = printer.preview(printer.Document(()), printer.profile("generic-58"))
    assert picture.getextrema() == (255, 255)


def test_the_function_keeps_its_name_although_the_module_shares_it():
    importlib.import_module("printer.preview")
    assert callable(printer.preview)
