import base64
import json
import os
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pypdfium2
import pytest
from typer.testing import CliRunner

import printer
from printer.cli import app
from printer.hardware import Faults
from printer.interpreter import interpret
from printer.virtual import running
from tests.printer.samples import LINK, RECEIPTS, karcis, read_qr

KARCIS = str(RECEIPTS / "karcis.json")


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_preview_writes_a_picture(tmp_path):
    assert run("preview", KARCIS, tmp_path / "out.png").exit_code == 0
    with PIL.Image.open(tmp_path / "out.png") as picture:
        assert picture.width == 464
        assert read_qr(picture) == LINK


def test_encode_writes_the_bytes_of_the_profile(tmp_path):
    out = tmp_path / "out.bin"
    assert run("encode", KARCIS, out, "--profile", "generic-80").exit_code == 0
    assert out.read_bytes() == (RECEIPTS / "karcis.generic-80.bin").read_bytes()


@pytest.mark.parametrize("command", ["preview", "encode"])
@pytest.mark.parametrize(
    ("content", "options", "code", "message"),
    [
        ("{}", [], 1, 'list "items"'),
        (None, [], 1, "No such file"),
        ('{"items": [{"type": "qr", "data": "' + "a" * 1400 + '"}]}', [], 1, "shorten its text"),
        ('{"items": []}', ["--profile", "epson"], 2, "generic-80"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, command, content, options, code, message):
    file = tmp_path / "in.json"
    if content is not None:
        file.write_text(content)
    result = run(command, file, tmp_path / "out", *options)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_the_test_page_says_printed_in_two_languages(tmp_path):
    with running(printer.profile("generic-80"), tmp_path) as machine:
        result = run("test", "--to", f"tcp://127.0.0.1:{machine.port}")
    assert result.exit_code == 0
    assert result.stdout == "Tercetak: printer siap.\nPrinted: the printer is ready.\n"


def test_the_test_page_names_the_reason_when_it_fails(tmp_path):
    with running(printer.profile("generic-80"), tmp_path, Faults(paper_out=0)) as machine:
        url = f"tcp://127.0.0.1:{machine.port}"
        words, as_json = run("test", "--to", url), run("test", "--to", url, "--json")
    assert (words.exit_code, as_json.exit_code) == (1, 1)
    assert words.stdout == "Tidak dikirim: kertas habis.\nNot sent: out of paper.\n"
    assert json.loads(as_json.stdout)["state"] == "paper-out"


def test_the_test_page_for_an_app_is_a_link_to_open(tmp_path):
    result = run("test", "--to", "rawbt:", "--profile", "generic-58")
    link = result.stdout.strip().removeprefix("rawbt:base64,")
    (page,) = interpret(base64.b64decode(link), printer.profile("generic-58"))
    assert "AKHIR UJI CETAK" in page.text[-1]
    assert (result.exit_code, "RawBT" in result.stderr) == (1, True)


def test_a_wrong_address_is_a_usage_error():
    result = run("test", "--to", "printer")
    assert result.exit_code == 2
    assert "tcp://HOST[:PORT]" in result.stderr


@pytest.mark.parametrize(("profile", "dots_mm"), [("generic-80", 8), ("epson-tm-t88", 180 / 25.4)])
def test_a_pdf_has_the_true_size_and_the_very_dots(tmp_path, profile, dots_mm):
    out = tmp_path / "slip.pdf"
    assert run("preview", KARCIS, out, "--profile", profile).exit_code == 0
    paper = printer.preview(karcis(), printer.profile(profile))
    with pypdfium2.PdfDocument(out) as document:
        (sheet,) = document
        width_mm, height_mm = (points / 72 * 25.4 for points in sheet.get_size())
        (image,) = sheet.get_objects()
        drawn = image.get_bitmap().to_pil().convert("L")
    assert width_mm == pytest.approx(80, abs=0.05)
    assert height_mm == pytest.approx(paper.height / dots_mm, abs=0.05)
    assert (np.asarray(drawn) == np.where(np.asarray(paper) == 255, 255, 0)).all()
    assert read_qr(drawn) == LINK


def test_the_letters_of_a_test_page_name_the_profiles_that_fit():
    narrow = run("fit", "aef")
    assert (narrow.exit_code, narrow.stdout) == (0, "generic-58\n")
    assert run("fit", "ABCDEFG").stdout.split()[0] == "generic-80"
    assert run("fit", "D").exit_code == 1


def test_the_virtual_printer_tells_its_port_and_stops_when_asked(tmp_path):
    command = [sys.executable, "-m", "printer.cli", "virtual", "--port", "0", "--out", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        port = json.loads(process.stdout.readline())["port"]
        result = run("test", "--to", f"tcp://127.0.0.1:{port}")
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=60)
    assert result.exit_code == 0
    assert process.returncode == 0
    assert talk.decode().split() == [os.fspath(tmp_path / "receipt-0001.png")]


@pytest.mark.parametrize(
    "options",
    [
        ["--fault", "fire"],
        ["--profile", "epson"],
        ["--pty", "--file", "x"],
        ["--port", "70000"],
        ["--page", "-1"],
    ],
)
def test_a_virtual_printer_that_cannot_be_is_a_usage_error(tmp_path, options):
    assert run("virtual", "--port", 0, "--out", tmp_path, *options).exit_code == 2


def test_a_taken_port_is_said_in_a_sentence(listener, tmp_path):
    result = run("virtual", "--port", listener.getsockname()[1], "--out", tmp_path)
    assert result.exit_code == 1
    assert "in use" in result.stderr


def test_importing_the_package_loads_nothing_heavy():
    heavy = "{'PIL', 'numpy', 'segno', 'qrcode', 'asyncio', 'typer'}"
    code = f"import printer, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
