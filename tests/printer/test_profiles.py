import pytest

import printer

QUIRKS = {"ignores-esc-j", "eats-lf-after-raster", "loses-buffer"}


@pytest.mark.parametrize("name", printer.names())
def test_a_profile_is_geometrically_possible(name):
    profile = printer.profile(name)
    assert profile.dots % 8 == 0
    assert profile.columns * 12 <= profile.dots <= profile.paper_dots
    assert profile.columns % 2 == 0  # double width must fill the paper
    assert profile.cutter in {"none", "partial", "full"}
    assert profile.language in {"escpos", "starprnt", "tspl"}
    assert profile.status in {"dle-eot", "star", "tspl", "none"}
    assert profile.acknowledge in {"gs-h", "gs-r", "star", "none"}
    "Pp".encode(profile.charset)
    assert profile.quirks <= QUIRKS


def test_the_classes_sold_in_indonesia_are_there():
    assert (printer.profile("generic-58").dots, printer.profile("generic-58").columns) == (384, 32)
    assert (printer.profile("generic-80").dots, printer.profile("generic-80").columns) == (576, 48)
    assert not printer.profile("generic-58").native_qr


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(
        printer.UnknownProfile, match="generic-58, generic-58-qr, generic-80, epson"
    ):
        printer.profile("oki")
