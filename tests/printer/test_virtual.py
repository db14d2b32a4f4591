import contextlib
import os
import socket
import time

import PIL.Image
import pytest

import printer
from printer import File, Network, Result, State, UnknownFault
from printer.hardware import Faults
from printer.interpreter import interpret
from printer.virtual import VirtualPrinter, running
from tests.printer.samples import LINK, karcis, read_qr

DESK = printer.profile("generic-80")
PLAIN = printer.profile("generic-58")
EPSON = printer.profile("epson-tm-t20")


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for(path):
    wait_until(path.exists)


@contextlib.contextmanager
def on_the_line(tmp_path, *faults, profile=DESK):
    """A client of a printer with these faults, and the printer, to play a person at it."""
    with (
        running(profile, tmp_path, Faults.parse(faults)) as machine,
        socket.create_connection(("127.0.0.1", machine.port), timeout=30) as client,
    ):
        yield client, machine


def ask(client, request, size=1):
    client.sendall(request)
    reply = b""
    while len(reply) < size:
        reply += client.recv(size - len(reply))
    return reply


def is_silent(client, for_s=0.3):
    client.settimeout(for_s)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(30)
    return True


def texts(tmp_path):
    return [path.read_text().split() for path in sorted(tmp_path.glob("*.txt"))]


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
    (expected,) = interpret(data, profile)
    assert (tmp_path / "receipt-0001.bin").read_bytes() == expected.data
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
    assert (tmp_path / "receipt-0001.txt").read_text() == "setengah\n"


def test_power_lost_at_a_byte_drops_the_connection_once(tmp_path):
    with running(DESK, tmp_path, Faults(cut_at=10)) as machine:
        with socket.create_connection(("127.0.0.1", machine.port), timeout=30) as client:
            client.sendall(b"12345\n7890abc\n")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with socket.create_connection(("127.0.0.1", machine.port), timeout=30) as client:
            client.sendall(b"lagi\n\x1dV\x00\x1dr\x01")
            assert client.recv(1) == b"\x00"
    assert (tmp_path / "receipt-0001.txt").read_text() == "12345\n"
    assert (tmp_path / "receipt-0002.txt").read_text() == "lagi\n"


def test_a_second_client_waits_for_the_first(tmp_path):
    with running(DESK, tmp_path) as machine:
        address = ("127.0.0.1", machine.port)
        first = socket.create_connection(address, timeout=30)
        first.sendall(b"\x10\x04\x01")
        assert first.recv(1) == b"\x16"
        with socket.create_connection(address, timeout=0.3) as second:
            second.sendall(b"\x10\x04\x01")
            with pytest.raises(TimeoutError):
                second.recv(1)
            first.close()
            second.settimeout(30)
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


# --- each fault as a client meets it ---


@pytest.mark.parametrize(
    ("fault", "part", "state", "replies"),
    [
        ("paper-out:0", "paper", "full", b"\x1e\x32\x12\x7e"),
        ("cover-open", "cover", "closed", b"\x1e\x16\x12\x12"),
        ("hot-head", "head", "cool", b"\x1e\x52\x52\x12"),
    ],
)
def test_what_stops_it_is_told_and_a_person_can_end_it(tmp_path, fault, part, state, replies):
    with on_the_line(tmp_path, fault) as (client, machine):
        questions = b"".join(b"\x10\x04" + bytes([n]) for n in (1, 2, 3, 4))
        assert ask(client, b"A\n\x1dV\x00\x1dr\x01" + questions, 4) == replies
        assert is_silent(client)
        machine.do(part, state)
        assert client.recv(1) == b"\x00"
    assert texts(tmp_path) == [["A"]]


def test_a_hot_head_cools_by_itself_and_loses_nothing(tmp_path):
    with on_the_line(tmp_path, "hot-head:2") as (client, _):
        assert ask(client, b"A\nB\nC\nD\n\x1dV\x00\x10\x04\x03\x1dr\x01") == b"\x12"
        assert ask(client, b"\x10\x04\x03") == b"\x52"
        assert client.recv(1) == b"\x00"
    assert texts(tmp_path) == [["A", "B", "C", "D"]]


def test_a_jammed_knife_leaves_the_text_on_paper(tmp_path):
    with on_the_line(tmp_path, "cutter-jam") as (client, machine):
        client.sendall(b"A\n\x1dV\x00\x1dr\x01")
        assert is_silent(client)
        assert ask(client, b"\x10\x04\x03") == b"\x1a"
        machine.do("knife", "free")
        assert client.recv(1) == b"\x00"
    assert texts(tmp_path) == [["A"]]


@pytest.mark.parametrize(
    ("faults", "profile", "rest"),
    [
        ((), EPSON, [["C", "D"]]),
        ((), PLAIN, []),
        (("loses-buffer",), EPSON, []),
        (("keeps-buffer",), PLAIN, [["C", "D"]]),
    ],
    ids=["epson", "cheap", "loses", "keeps"],
)
def test_what_waited_comes_out_after_the_refill_or_never(tmp_path, faults, profile, rest):
    with on_the_line(tmp_path, "paper-out:2", *faults, profile=profile) as (client, machine):
        assert ask(client, b"A\nB\nC\nD\n\x10\x04\x04") == b"\x12"
        assert ask(client, b"\x10\x04\x04") == b"\x7e"
        machine.do("paper", "full")
        assert ask(client, b"\x10\x04\x04") == b"\x12"
    assert texts(tmp_path) == [["A", "B"], *rest]


def test_a_silent_printer_prints(tmp_path):
    with on_the_line(tmp_path, "silent") as (client, _):
        client.sendall(b"\x10\x04\x01A\n\x1dV\x00\x1dr\x01\x1da\xff")
        assert is_silent(client)
    assert texts(tmp_path) == [["A"]]


def test_a_stalled_printer_takes_nothing_more_until_it_is_switched_off(tmp_path):
    with on_the_line(tmp_path, "stall:5") as (client, machine):
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(b"A\nB\n" * 1_000_000)
        machine.do("power", "off")
        machine.do("power", "on")
        with socket.create_connection(("127.0.0.1", machine.port), timeout=30) as again:
            assert ask(again, b"D\n\x1dV\x00\x1dr\x01") == b"\x00"
    assert texts(tmp_path) == [["A", "B"], ["D"]]


def test_a_slow_printer_answers_at_once_what_is_real_time_and_the_rest_when_it_is_due(tmp_path):
    with on_the_line(tmp_path, "slow:1000") as (client, _):
        started = time.monotonic()
        assert ask(client, b"x\n" * 250 + b"\x1dr\x01\x10\x04\x01") == b"\x16"
        assert client.recv(1) == b"\x00"
        assert time.monotonic() - started > 0.4


@pytest.mark.parametrize(("patient", "kept"), [(False, ["A"]), (True, ["A", "B"])])
def test_a_tail_is_lost_to_those_who_close_at_once(tmp_path, patient, kept):
    with on_the_line(tmp_path, "drop-tail:5") as (client, _):
        client.sendall(b"A\nB\n\x1dV\x00")
        if patient:
            wait_for(tmp_path / "receipt-0001.png")
        client.close()
        wait_for(tmp_path / "receipt-0001.png")
    assert texts(tmp_path) == [kept]


def test_rubbish_is_no_status(tmp_path):
    with on_the_line(tmp_path, "wrong-status") as (client, machine):
        assert ask(client, b"\x10\x04\x01\x1dr\x01", 2) == b"\xf3\xe5"
        network = Network("127.0.0.1", machine.port)
        client.close()
        network.open(30)
        assert printer.query(network, printer.profile("generic-80"), 0.3) is State.UNKNOWN
        network.close()


def test_a_late_status_comes_late(tmp_path):
    with on_the_line(tmp_path, "late-status:0.4") as (client, _):
        started = time.monotonic()
        assert ask(client, b"\x10\x04\x01") == b"\x16"
        assert time.monotonic() - started >= 0.4


def test_a_status_that_nobody_asked_for(tmp_path):
    with on_the_line(tmp_path, "unasked-asb") as (client, machine):
        assert ask(client, b"", 4) == b"\x14\x00\x00\x00"
        machine.do("paper", "near-end")
        assert ask(client, b"", 4) == b"\x14\x00\x03\x00"


@pytest.mark.parametrize("swallows", [False, True])
def test_a_raster_cut_off_by_the_power_may_swallow_the_next_slip(tmp_path, swallows):
    faults = ["cut-at:200", *["raster-swallowed"] * swallows]
    with on_the_line(tmp_path, *faults) as (client, machine):
        client.sendall(b"\x1dv0\x00\x48\x00\x18\x00" + bytes(1728))
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        address = ("127.0.0.1", machine.port)
        with socket.create_connection(address, timeout=30) as again:
            again.sendall(b"\x1b@hilang?\n\x1dr\x01")
            assert swallows is (is_silent(again) if swallows else again.recv(1) != b"\x00")
            assert ask(again, bytes(8192) + b"\x1b@sembuh\n\x1dV\x00\x1dr\x01") == b"\x00"
    found = [line for slip in texts(tmp_path) for line in slip]
    assert ("hilang?" in found) is not swallows
    assert "sembuh" in found


def test_faults_act_together(tmp_path):
    with on_the_line(tmp_path, "near-end", "late-status:0.3", "cut-at:8") as (client, _):
        started = time.monotonic()
        assert ask(client, b"\x10\x04\x04") == b"\x1e"
        assert time.monotonic() - started >= 0.3
        client.sendall(b"A\nB\nC\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert texts(tmp_path) == [["A", "B"]]


def test_without_power_nobody_is_there(tmp_path):
    with on_the_line(tmp_path) as (client, machine):
        assert ask(client, b"A\nB\x1dI\x03\x10\x04\x01") == b"\x16"
        machine.do("power", "off")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", machine.port), timeout=30)
        machine.do("power", "on")
        with socket.create_connection(("127.0.0.1", machine.port), timeout=30) as again:
            assert ask(again, b"C\n\x1dV\x00\x1dr\x01") == b"\x00"
    assert texts(tmp_path) == [["A"], ["C"]]


def test_what_nobody_can_do_to_a_printer_is_said(tmp_path):
    with running(DESK, tmp_path) as machine, pytest.raises(UnknownFault, match="paper:out"):
        machine.do("paper", "wet")


# --- a Star and a label printer ---


@pytest.mark.parametrize("name", ["star-80", "star-58", "tspl-58"])
@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (None, State.READY),
        ("paper-out:0", State.PAPER_OUT),
        ("cover-open", State.COVER_OPEN),
        ("hot-head", State.ERROR),
        ("silent", State.UNKNOWN),
        ("wrong-status", State.UNKNOWN),
    ],
)
def test_each_language_tells_its_state(tmp_path, name, fault, state):
    profile = printer.profile(name)
    with running(profile, tmp_path, Faults.parse([fault] if fault else [])) as machine:
        network = Network("127.0.0.1", machine.port)
        network.open(30)
        patience_s = 0.3 if state is State.UNKNOWN else 30
        assert printer.query(network, profile, patience_s) is state
        machine.do("paper", "near-end")
        low = State.PAPER_NEAR_END if profile.status == "star" else State.READY
        expected = low if fault in (None, "paper-out:0") else state
        assert printer.query(network, profile, patience_s) is expected
        network.close()


@pytest.mark.parametrize(("name", "printed"), [("star-80", "ABC"), ("tspl-58", "AB")])
@pytest.mark.parametrize("fault", ["keeps-buffer", "loses-buffer"])
def test_any_printer_keeps_or_loses_what_waited(tmp_path, name, printed, fault):
    """On a label the margin above the text is the first line of the roll."""
    profile = printer.profile(name)
    slip = printer.Document((*map(printer.Text, "ABCD"), printer.Cut()))
    with on_the_line(tmp_path, "paper-out:3", fault, profile=profile) as (client, machine):
        client.sendall(printer.encode(slip, profile))
        wait_for(tmp_path / "receipt-0001.png")
        machine.do("paper", "full")
    rest = [[*"ABCD".removeprefix(printed)]] if fault == "keeps-buffer" else []
    assert texts(tmp_path) == [[*printed], *rest]


def test_a_label_printer_on_a_cable(tmp_path):
    profile = printer.profile("tspl-58")
    with running(profile, tmp_path, pty=True) as machine:
        device = machine.address.removeprefix("serial://")
        outcome = printer.send(printer.encode(karcis(), profile), File(device), profile)
        assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.READY)
        wait_for(tmp_path / "receipt-0001.png")
    assert "AKHIR" in (tmp_path / "receipt-0001.txt").read_text()


# --- over a serial cable and a file ---


def test_a_pty_is_a_serial_printer(tmp_path):
    with running(DESK, tmp_path, pty=True) as machine:
        device = machine.address.removeprefix("serial://")
        for number in (1, 2):
            outcome = printer.send(printer.encode(karcis(), DESK), File(device), DESK)
            assert (outcome.result, outcome.state) == (Result.PRINTED, State.READY)
            wait_for(tmp_path / f"receipt-000{number}.png")
        with PIL.Image.open(tmp_path / "receipt-0002.png") as picture:
            assert read_qr(picture) == LINK


def test_power_lost_on_a_serial_cable_is_silence_and_half_a_slip(tmp_path):
    with running(DESK, tmp_path, Faults(cut_at=40), pty=True) as machine:
        device = machine.address.removeprefix("serial://")
        data = b"0123456789abcde\n" * 5 + b"\x1dV\x00"
        outcome = printer.send(data, File(device), DESK, deadline_s=1)
        assert outcome.result is Result.UNCERTAIN
        machine.do("power", "off")
        assert printer.send(data, File(device), DESK, deadline_s=1).state is State.UNKNOWN
        machine.do("power", "on")
        assert printer.send(data, File(device), DESK).result is Result.PRINTED
    assert [len(lines) for lines in texts(tmp_path)] == [1, 5]


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_a_file_that_grows_is_printed_as_it_grows(tmp_path, kind):
    path = tmp_path / "lp0"
    if kind == "fifo":
        os.mkfifo(path)
    with running(DESK, tmp_path, file=path) as machine:
        assert machine.address == f"file://{path}"
        for number in (1, 2):
            outcome = printer.send(printer.encode(karcis(), DESK), File(path), DESK)
            assert outcome.result is Result.UNCERTAIN
            wait_for(tmp_path / f"receipt-000{number}.png")
    expected = interpret(printer.encode(karcis(), DESK), DESK)[0].text
    assert (tmp_path / "receipt-0002.txt").read_text().splitlines() == expected


def test_a_file_that_is_written_anew_is_read_anew(tmp_path):
    path = tmp_path / "lp0"
    path.write_bytes(b"satu\n\x1dV\x00")
    with running(DESK, tmp_path, file=path):
        wait_for(tmp_path / "receipt-0001.png")
        path.write_bytes(b"dua\n\x1dV")
        time.sleep(0.2)
        with path.open("ab") as file:
            file.write(b"\x00")
        wait_for(tmp_path / "receipt-0002.png")
    assert texts(tmp_path) == [["satu"], ["dua"]]
