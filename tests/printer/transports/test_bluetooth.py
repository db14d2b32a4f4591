import os
import pty
import socket
import threading
import time
import tty

import pytest

from printer import Lost, NotSent, Partial
from printer.transports import bluetooth
from printer.transports.bluetooth import Bluetooth

MAC = "AA:BB:CC:DD:EE:FF"


@pytest.fixture
def radio(monkeypatch):
    """Bluetooth sockets, played by those of TCP: the calls on them are the same."""
    monkeypatch.setattr(socket, "AF_BLUETOOTH", socket.AF_INET, raising=False)
    monkeypatch.setattr(socket, "BTPROTO_RFCOMM", 0, raising=False)


@pytest.mark.usefixtures("radio")
def test_bytes_go_and_replies_come_and_the_tail_has_its_time(peer):
    arrived = []

    def printer(connection):
        arrived.append(connection.recv(100))
        connection.sendall(b"\x16")
        connection.recv(1)

    way = Bluetooth(*peer(printer))
    way.open(30)
    way.write(b"\x10\x04\x01", 30)
    assert way.read(1, 30) == b"\x16"
    started = time.monotonic()
    way.close(linger_s=0.3)
    assert time.monotonic() - started > 0.25
    assert arrived == [b"\x10\x04\x01"]


@pytest.mark.usefixtures("radio")
def test_a_stalled_printer_is_partial_and_one_that_hung_up_is_lost(peer):
    done = threading.Event()
    way = Bluetooth(*peer(lambda connection: done.wait(60)))
    way.open(30)
    with pytest.raises(Partial):
        way.write(b"x" * 20_000_000, 0.2)
    done.set()
    with pytest.raises(Lost):
        way.read(1, 30)
    way.close(linger_s=0)


@pytest.mark.usefixtures("radio")
def test_a_printer_that_is_off_is_not_sent(listener):
    address = listener.getsockname()
    listener.close()
    with pytest.raises(NotSent, match="cannot reach"):
        Bluetooth(*address).open(30)


class TestWithoutBluetoothSockets:
    @pytest.fixture(autouse=True)
    def bound(self, tmp_path, monkeypatch):
        monkeypatch.delattr(socket, "AF_BLUETOOTH", raising=False)
        monkeypatch.setattr(bluetooth, "TTYS", tmp_path)

    def test_the_device_bound_to_the_address_is_used(self, tmp_path, monkeypatch):
        pytest.importorskip("serial")
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        (tmp_path / "rfcomm0").mkdir()
        (tmp_path / "rfcomm0" / "address").write_text("00:00:00:00:00:00\n")
        (tmp_path / "rfcomm3").mkdir()
        (tmp_path / "rfcomm3" / "address").write_text(MAC + "\n")
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev" / "rfcomm3").symlink_to(os.ttyname(theirs))
        monkeypatch.setattr(bluetooth, "DEVICES", tmp_path / "dev")
        way = Bluetooth(MAC.lower())
        way.open(30)
        way.write(b"karcis", 30)
        assert os.read(ours, 10) == b"karcis"
        way.close(linger_s=0)
        os.close(theirs)
        os.close(ours)

    def test_an_unbound_address_says_how_to_bind_it(self):
        with pytest.raises(NotSent, match=f"rfcomm bind 0 {MAC} 1"):
            Bluetooth(MAC).open(30)
