import os
import pty
import threading
import time
import tty

import pytest

from printer import Busy, File, Lost, Network, NotSent, Partial


def test_a_closed_transport_sends_nothing(tmp_path):
    for transport in (Network("127.0.0.1"), File(tmp_path / "lp0")):
        with pytest.raises(NotSent, match="not open"):
            transport.write(b"x", 30)
        transport.close()


def test_jobs_are_appended_to_a_plain_file(tmp_path):
    file = File(tmp_path / "out.bin")
    for job in (b"satu", b"dua"):
        file.open(30)
        file.write(job, 30)
        assert not file.answers
        assert file.read(1, 30) == b""
        file.close()
    assert (tmp_path / "out.bin").read_bytes() == b"satudua"


def test_a_missing_device_is_not_made_into_a_file():
    with pytest.raises(NotSent, match="No such file"):
        File("/dev/karcis-no-such-printer").open(30)


def test_a_folder_is_not_sent(tmp_path):
    with pytest.raises(NotSent, match="directory"):
        File(tmp_path).open(30)


def test_a_pipe_without_reader_stalls_and_breaks_like_a_device(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = File(path)
    with pytest.raises(NotSent):
        file.open(30)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file.open(30)
    with pytest.raises(Partial) as caught:
        file.write(b"x" * 1_000_000, 0.1)
    assert 0 < caught.value.sent < 1_000_000
    with pytest.raises(NotSent, match="took 0 of 1 bytes"):
        file.write(b"x", 0.1)
    os.close(reader)
    with pytest.raises(NotSent, match="went away"):
        file.write(b"x", 0.1)
    file.close()


def test_a_device_answers():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    device = File(os.ttyname(theirs))
    device.open(30)
    assert device.answers
    device.write(b"\x10\x04\x01", 30)
    assert os.read(ours, 10) == b"\x10\x04\x01"
    assert device.read(1, 0.05) == b""
    os.write(ours, b"\x16")
    assert device.read(1, 30) == b"\x16"
    device.close()
    os.close(theirs)
    os.close(ours)


def test_a_device_that_is_closed_at_once_still_gets_what_it_was_slow_to_take():
    """usblp throws away at the close what the printer has not taken."""
    read_end, write_end = os.pipe()
    device = File(f"/dev/fd/{write_end}")
    arrived = bytearray()

    def slow_printer():
        time.sleep(0.2)
        while len(arrived) < 65_536 and (data := os.read(read_end, 65_536)):
            arrived.extend(data)

    printer = threading.Thread(target=slow_printer)
    device.open(30)
    device.write(b"x" * 65_536, 30)
    started = time.monotonic()
    printer.start()
    device.close(linger_s=30)
    assert time.monotonic() - started > 0.1
    printer.join(30)
    assert len(arrived) == 65_536
    os.close(read_end)
    os.close(write_end)


def test_a_device_that_hung_up_is_lost():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    device = File(os.ttyname(theirs))
    device.open(30)
    os.close(theirs)
    os.close(ours)
    with pytest.raises(Lost):
        device.read(1, 0.2)
    with pytest.raises(NotSent, match="went away"):
        device.write(b"x", 0.2)
    device.close()


def test_what_is_no_usb_printer_has_no_port_status(tmp_path):
    ours, theirs = pty.openpty()
    for path in (os.ttyname(theirs), tmp_path / "file"):
        device = File(path)
        device.open(30)
        assert device.port_status() is None
        device.close()
    os.close(theirs)
    os.close(ours)


def test_one_device_by_two_names_has_one_owner(tmp_path):
    (tmp_path / "lp").touch()
    (tmp_path / "by-name").symlink_to("lp")
    first, second = File(tmp_path / "lp"), File(tmp_path / "by-name")
    first.open(30)
    with pytest.raises(Busy):
        second.open(0.1)
    first.close()
    second.open(30)
    second.close()
