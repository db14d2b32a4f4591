import os
import pty
import sys
import threading
import time
import tty

import pytest

from printer import Lost, NotInstalled, NotSent, Partial
from printer.transports import serial as serial_lines
from printer.transports.serial import Serial

pytest.importorskip("serial")


@pytest.fixture
def line():
    """The printer's end of a serial line, and the path of ours."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(theirs)
    os.close(ours)


def test_bytes_go_and_replies_come(line):
    printer, path = line
    serial = Serial(path, 115_200)
    serial.open(30)
    serial.write(b"\x10\x04\x01", 30)
    assert os.read(printer, 10) == b"\x10\x04\x01"
    assert serial.read(16, 0.05) == b""
    os.write(printer, b"\x16")
    assert serial.read(16, 30) == b"\x16"  # at once, not when 16 have come
    serial.close()


def test_a_stalled_printer_is_partial_with_the_true_count_and_closing_does_not_hang(line):
    printer, path = line
    serial = Serial(path)
    serial.open(30)
    with pytest.raises(Partial) as caught:
        serial.write(b"x" * 100_000, 0.2)
    with pytest.raises(NotSent):
        serial.write(b"x", 0.1)
    arrived = os.read(printer, 100_000)
    os.set_blocking(printer, False)
    try:
        while data := os.read(printer, 100_000):
            arrived += data
    except BlockingIOError:
        pass
    assert 0 < len(arrived) == caught.value.sent < 100_000
    serial.close(linger_s=0.2)


def test_a_slow_reader_gets_all_within_the_deadline(line):
    printer, path = line
    arrived = bytearray()

    def read_slowly():
        while len(arrived) < 30_000:
            arrived.extend(os.read(printer, 1000))
            time.sleep(0.005)

    reader = threading.Thread(target=read_slowly, daemon=True)
    reader.start()
    serial = Serial(path)
    serial.open(30)
    serial.write(b"x" * 30_000, 30)
    serial.close(linger_s=0.5)
    reader.join(30)
    assert len(arrived) == 30_000


def test_a_line_that_hangs_up_is_lost(line):
    ours, theirs = pty.openpty()
    serial = Serial(os.ttyname(theirs))
    serial.open(30)
    os.close(theirs)
    os.close(ours)
    with pytest.raises(Lost):
        serial.read(1, 0.2)
    serial.close()


def test_closing_gives_a_slow_line_the_time_for_what_its_driver_holds(line, monkeypatch):
    """A pty has no speed and holds nothing, so the driver's count and the clock are played."""
    held, slept = [4096], []
    monkeypatch.setattr(serial_lines, "_unsent", lambda fd: held[-1])
    monkeypatch.setattr(time, "sleep", slept.append)
    serial = Serial(line[1], 9600)
    serial.open(30)
    serial.close(linger_s=2)
    assert sum(slept) == pytest.approx(2 + 4096 / 960)


def test_a_speed_that_no_line_has_is_not_sent(line):
    with pytest.raises(NotSent, match="cannot open"):
        Serial(line[1], 99_999_999_999).open(30)


def test_a_missing_line_is_not_sent():
    with pytest.raises(NotSent, match="cannot open"):
        Serial("/dev/karcis-no-such-line").open(30)


def test_without_pyserial_the_extra_is_named(line, monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(NotInstalled, match=r"karcis\[serial\]"):
        Serial(line[1]).open(30)
