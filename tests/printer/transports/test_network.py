import socket
import struct
import threading
import time

import pytest

from printer import Lost, Network, NotSent, Partial

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
    network.open(30)
    network.write(b"\x10\x04\x01", 30)
    assert network.read(1, 30) == b"\x12"
    network.close()
    assert arrived == [b"\x10\x04\x01"]


def test_nobody_listening_is_not_sent(listener):
    address = listener.getsockname()
    listener.close()
    with pytest.raises(NotSent, match="cannot reach 127"):
        Network(*address).open(30)


@pytest.mark.parametrize("name", ["printer.invalid", "printer..local", "p" * 70])
def test_a_name_that_does_not_exist_or_cannot_is_not_sent(name):
    with pytest.raises(NotSent, match="cannot reach"):
        Network(name).open(30)


def test_a_stalled_printer_does_not_hang_the_writer(peer):
    done = threading.Event()
    network = Network(*peer(lambda connection: done.wait(60)))
    network.open(30)
    with pytest.raises(Partial) as caught:
        network.write(BIG, 0.3)
    network.close(linger_s=0.2)
    assert 0 < caught.value.sent < len(BIG)
    done.set()


def test_a_connection_that_breaks_while_writing_is_lost(peer):
    def printer(connection):
        connection.recv(1000)
        reset(connection)

    network = Network(*peer(printer))
    network.open(30)
    with pytest.raises(Lost) as caught:
        network.write(BIG, 30)
    assert 0 < caught.value.sent < len(BIG)
    network.close()


def test_silence_is_empty_and_takes_no_longer_than_the_deadline(peer):
    done = threading.Event()
    network = Network(*peer(lambda connection: done.wait(60)))
    network.open(30)
    started = time.monotonic()
    assert network.read(1, 0.2) == b""
    assert time.monotonic() - started > 0.15
    network.close(linger_s=0)
    done.set()


def test_reading_from_a_printer_that_hung_up_is_lost(peer):
    network = Network(*peer(lambda connection: None))
    network.open(30)
    with pytest.raises(Lost, match="closed"):
        network.read(1, 30)
    network.close()


def test_reading_after_a_reset_is_lost(peer):
    def printer(connection):
        connection.recv(1)
        reset(connection)

    network = Network(*peer(printer))
    network.open(30)
    network.write(b"x", 30)
    with pytest.raises(Lost, match="went away"):
        network.read(1, 30)
    network.close()


def test_closing_waits_for_the_tail_although_replies_are_unread(peer):
    arrived = bytearray()

    def slow_printer(connection):
        connection.sendall(b"\x14\x00\x00\x0f")  # an unasked status that nobody reads
        while data := connection.recv(8192):
            arrived.extend(data)
            time.sleep(0.005)

    network = Network(*peer(slow_printer))
    network.open(30)
    network.write(b"x" * 300_000, 30)
    network.close(linger_s=30)
    assert len(arrived) == 300_000
