import socket
import time

import PIL.Image
import pytest

import printer
from printer.interpreter import Faults, interpret
from printer.virtual import VirtualPrinter, running
from tests.printer.samples import LINK, karcis, read_qr

DESK = printer.profile("generic-80")
PLAIN = printer.profile("generic-58")


def wait_for(path):
    deadline = time.monotonic() + 5
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("name", printer.names())
def test_a_receipt_leaves_its_picture_its_text_and_its_bytes(tmp_path, name):
    profile = printer.profile(name)
    data = printer.encode(karcis(), profile)
    with (
        running(profile, tmp_path) as machine,
        socket.create_connection(("127.0.0.1", machine.port)) as client,
    ):
        client.sendall(data)
        wait_for(tmp_path / "receipt-0001.png")  # while the connection stays open
    assert {path.name for path in tmp_path.iterdir()} == {
        f"receipt-0001.{kind}" for kind in ("png", "txt", "bin")
    }
    assert (tmp_path / "receipt-0001.bin").read_bytes() == data
    (expected,) = interpret(data, profile)
    assert (tmp_path / "receipt-0001.txt").read_text().splitlines() == expected.text
    with PIL.Image.open(tmp_path / "receipt-0001.png") as picture:
        assert read_qr(picture) == LINK


def test_numbers_go_on_after_a_restart(tmp_path):
    for number in (1, 2):
        with (
            running(DESK, tmp_path) as machine,
            socket.create_connection(("127.0.0.1", machine.port)) as client,
        ):
            client.sendall(b"A\n\x1dV\x00B\n\x1dV\x00")
            wait_for(tmp_path / f"receipt-{2 * number:04d}.png")
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_two_receipts_on_one_connection_without_cutter(tmp_path):
    with (
        running(PLAIN, tmp_path) as machine,
        socket.create_connection(("127.0.0.1", machine.port)) as client,
    ):
        for number in (1, 2):
            client.sendall(f"\x1b@Nomor {number}\n\x1bd\x04".encode())
            wait_for(tmp_path / f"receipt-000{number}.png")
    assert (tmp_path / "receipt-0002.txt").read_text() == "Nomor 2\n"


def test_a_client_that_leaves_mid_receipt_leaves_half_a_receipt(tmp_path):
    with running(DESK, tmp_path) as machine:
        with socket.create_connection(("127.0.0.1", machine.port)) as client:
            client.sendall(b"setengah\nka")
        wait_for(tmp_path / "receipt-0001.png")
    assert (tmp_path / "receipt-0001.txt").read_text() == "setengah\nka\n"


def test_power_lost_at_a_byte_drops_the_connection_once(tmp_path):
    with running(DESK, tmp_path, Faults(cut_at=10)) as machine:
        with socket.create_connection(("127.0.0.1", machine.port), timeout=5) as client:
            client.sendall(b"12345\n7890abc\n")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with socket.create_connection(("127.0.0.1", machine.port), timeout=5) as client:
            client.sendall(b"lagi\n\x1dV\x00\x1dr\x01")
            assert client.recv(1) == b"\x00"
    assert (tmp_path / "receipt-0001.txt").read_text() == "12345\n7890\n"
    assert (tmp_path / "receipt-0002.txt").read_text() == "lagi\n"


def test_a_second_client_waits_for_the_first(tmp_path):
    with running(DESK, tmp_path) as machine:
        address = ("127.0.0.1", machine.port)
        first = socket.create_connection(address, timeout=5)
        first.sendall(b"\x10\x04\x01")
        assert first.recv(1) == b"\x16"
        with socket.create_connection(address, timeout=0.3) as second:
            second.sendall(b"\x10\x04\x01")
            with pytest.raises(TimeoutError):
                second.recv(1)
            first.close()
            second.settimeout(5)
            assert second.recv(1) == b"\x16"


async def test_it_runs_inside_an_event_loop_too(tmp_path):
    kept = []
    async with VirtualPrinter(
        DESK, tmp_path / "a" / "b", port=0, on_receipt=kept.append
    ) as machine:
        with socket.create_connection(("127.0.0.1", machine.port)):
            pass
    assert kept == []


def test_a_taken_port_is_an_error_of_the_system(listener, tmp_path):
    with (
        pytest.raises(OSError, match="in use"),
        running(DESK, tmp_path, port=listener.getsockname()[1]),
    ):
        pass
