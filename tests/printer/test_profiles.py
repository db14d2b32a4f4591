import re
from pathlib import Path

import pytest

import printer
from printer.hardware import FAULTS
from printer.transports import FORMS

MANUAL = (Path(__file__).parents[2] / "docs" / "printers.md").read_text(encoding="utf-8")

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


def test_the_manual_names_each_profile_fault_and_way():
    faults = re.findall(r"[a-z][a-z-]+", FAULTS)
    assert [name for name in (*printer.names(), *faults) if f"`{name}" not in MANUAL] == []
    assert [way for way in FORMS if f"| `{way}:" not in MANUAL] == []


@pytest.mark.parametrize("name", printer.names())
def test_the_manual_tells_of_a_profile_what_it_says(name):
    (row,) = re.findall(rf"^\|.*`{name}`.*\d+ dots.*$", MANUAL, re.MULTILINE)
    profile = printer.profile(name)
    assert f"| {profile.paper_mm} mm, {profile.dots} dots" in row
    assert f"| {profile.columns} |" in row
    assert ("drawn by the printer" in row) is profile.native_qr
    assert f"| {profile.cutter} |" in row
    assert ("| yes (" in row) is (profile.acknowledge != "none")
