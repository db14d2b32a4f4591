import os
import pty
import socket
import struct
import threading
import time
import tty

import pytest

from printer import BadAddress, File, Lost, Memory, Network, NotSent, Partial, from_url

BIG = b"x" * 20_000_000  # more than loopback buffers hold


def reset(connection):
    """Close so that the other side sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_bytes_arrive_and_replies_come_back(peer):
    arrived = []

    def printer(connection):
        arrived.append(connection.recv(100))
        connection.sendall(b"\x12")
        while connection.recv(100):
            pass

    network = Network(*peer(printer))
    network.open(1)
    network.write(b"\x10\x04\x01", 1)
    assert network.read(1, 1) == b"\x12"
    network.close()
    assert arrived == [b"\x10\x04\x01"]


def test_nobody_listening_is_not_sent(listener):
    address = listener.getsockname()
    listener.close()
    with pytest.raises(NotSent, match="cannot reach 127"):
        Network(*address).open(1)


def test_a_name_that_does_not_exist_is_not_sent():
    with pytest.raises(NotSent, match="cannot reach"):
        Network("printer.invalid").open(1)


def test_a_stalled_printer_does_not_hang_the_writer(peer):
    done = threading.Event()
    network = Network(*peer(lambda connection: done.wait(10)))
    network.open(1)
    started = time.monotonic()
    with pytest.raises(Partial) as caught:
        network.write(BIG, 0.3)
    network.close(linger_s=0.2)
    assert time.monotonic() - started < 2
    assert 0 < caught.value.sent < len(BIG)
    done.set()


def test_a_connection_that_breaks_while_writing_is_lost(peer):
    def printer(connection):
        connection.recv(1000)
        reset(connection)

    network = Network(*peer(printer))
    network.open(1)
    with pytest.raises(Lost) as caught:
        network.write(BIG, 5)
    assert 0 < caught.value.sent < len(BIG)
    network.close()


def test_silence_is_empty_and_takes_no_longer_than_the_deadline(peer):
    done = threading.Event()
    network = Network(*peer(lambda connection: done.wait(10)))
    network.open(1)
    started = time.monotonic()
    assert network.read(1, 0.2) == b""
    assert 0.15 < time.monotonic() - started < 1
    network.close(linger_s=0)
    done.set()


def test_reading_from_a_printer_that_hung_up_is_lost(peer):
    network = Network(*peer(lambda connection: None))
    network.open(1)
    with pytest.raises(Lost, match="closed"):
        network.read(1, 2)
    network.close()


def test_reading_after_a_reset_is_lost(peer):
    def printer(connection):
        connection.recv(1)
        reset(connection)

    network = Network(*peer(printer))
    network.open(1)
    network.write(b"x", 1)
    with pytest.raises(Lost, match="went away"):
        network.read(1, 2)
    network.close()


def test_closing_waits_for_the_tail_although_replies_are_unread(peer):
    arrived = bytearray()

    def slow_printer(connection):
        connection.sendall(b"\x14\x00\x00\x0f")  # an unasked status that nobody reads
        while data := connection.recv(8192):
            arrived.extend(data)
            time.sleep(0.005)

    network = Network(*peer(slow_printer))
    network.open(1)
    network.write(b"x" * 300_000, 5)
    network.close(linger_s=5)
    assert len(arrived) == 300_000


def test_a_closed_transport_sends_nothing(tmp_path):
    for transport in (Network("127.0.0.1"), File(tmp_path / "lp0")):
        with pytest.raises(NotSent, match="not open"):
            transport.write(b"x", 1)
        transport.close()


def test_jobs_are_appended_to_a_plain_file(tmp_path):
    file = File(tmp_path / "out.bin")
    for job in (b"satu", b"dua"):
        file.open(1)
        file.write(job, 1)
        assert not file.answers
        assert file.read(1, 1) == b""
        file.close()
    assert (tmp_path / "out.bin").read_bytes() == b"satudua"


def test_a_missing_device_is_not_made_into_a_file():
    with pytest.raises(NotSent, match="No such file"):
        File("/dev/karcis-no-such-printer").open(1)


def test_a_folder_is_not_sent(tmp_path):
    with pytest.raises(NotSent, match="directory"):
        File(tmp_path).open(1)


def test_a_pipe_without_reader_stalls_and_breaks_like_a_device(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = File(path)
    with pytest.raises(NotSent):
        file.open(1)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file.open(1)
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
    device.open(1)
    assert device.answers
    device.write(b"\x10\x04\x01", 1)
    assert os.read(ours, 10) == b"\x10\x04\x01"
    assert device.read(1, 0.05) == b""
    os.write(ours, b"\x16")
    assert device.read(1, 1) == b"\x16"
    device.close()
    os.close(theirs)
    os.close(ours)


def test_memory_keeps_what_was_written():
    memory = Memory()
    memory.open(1)
    memory.write(b"a", 1)
    memory.write(b"b", 1)
    assert memory.read(1, 1) == b""
    memory.close()
    assert memory.data == b"ab"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "printer",
        "http://printer:9100",
        "tcp://",
        "tcp://printer:99999",
        "tcp://printer:0",
        "tcp://printer/path",
        "tcp://[::1",
        "file://host/dev/usb/lp0",
        "file:lp0",
        "/dev/usb/lp0",
    ],
)
def test_a_url_of_no_transport_is_a_bad_address(url):
    with pytest.raises(BadAddress):
        from_url(url)


def test_urls_name_their_transport(tmp_path):
    assert from_url("tcp://10.0.0.7")._address == ("10.0.0.7", 9100)
    assert from_url("tcp://[::1]:9101")._address == ("::1", 9101)
    assert str(from_url("file:///tmp/a%20b")._path) == "/tmp/a b"
