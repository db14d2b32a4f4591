import socket
import threading
import time

import pytest

import printer
from printer import File, Memory, Network, Result, State, Text, send
from printer.interpreter import Faults
from printer.virtual import running
from tests.printer.samples import karcis

ACKNOWLEDGING = printer.profile("generic-58-qr")
PLAIN = printer.profile("generic-58")
DESK = printer.profile("generic-80")


def deliver(tmp_path, profile=DESK, faults=(), **limits):
    with running(profile, tmp_path, Faults.parse(faults)) as machine:
        transport = Network("127.0.0.1", machine.port)
        return send(printer.encode(karcis(), profile), transport, profile, **limits)


@pytest.mark.parametrize("profile", [ACKNOWLEDGING, DESK], ids=lambda profile: profile.name)
def test_printed_is_the_printer_s_own_word(tmp_path, profile):
    outcome = deliver(tmp_path, profile)
    assert (outcome.result, outcome.state) == (Result.PRINTED, State.READY)
    assert outcome.sent == len(printer.encode(karcis(), profile))
    assert not outcome.may_repeat
    assert (tmp_path / "receipt-0001.png").exists()


def test_a_printer_that_cannot_acknowledge_leaves_it_uncertain(tmp_path):
    outcome = deliver(tmp_path, PLAIN)
    assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.READY)
    assert (tmp_path / "receipt-0001.png").exists()


@pytest.mark.parametrize(
    ("fault", "state"), [("cover-open", State.COVER_OPEN), ("paper-out:0", State.PAPER_OUT)]
)
def test_nothing_is_sent_to_a_printer_that_cannot_print(tmp_path, fault, state):
    outcome = deliver(tmp_path, faults=[fault])
    assert (outcome.result, outcome.state, outcome.sent) == (Result.REFUSED, state, 0)
    assert outcome.may_repeat
    assert list(tmp_path.iterdir()) == []


def test_paper_that_runs_low_still_prints_and_is_told(tmp_path):
    outcome = deliver(tmp_path, faults=["near-end"])
    assert (outcome.result, outcome.state) == (Result.PRINTED, State.PAPER_NEAR_END)


def test_paper_out_while_printing_is_uncertain_and_says_so_soon(tmp_path):
    started = time.monotonic()
    outcome = deliver(tmp_path, faults=["paper-out:6"])
    assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.PAPER_OUT)
    assert time.monotonic() - started < 5
    assert "AKHIR" not in (tmp_path / "receipt-0001.txt").read_text()


def test_power_lost_while_printing_is_uncertain(tmp_path):
    outcome = deliver(tmp_path, PLAIN, ["cut-at:3000"])
    assert outcome.result is Result.UNCERTAIN
    assert not outcome.may_repeat


@pytest.mark.parametrize("byte", [1, 12, 13, 14, 60, 300, 766, 781, 782, 784, 785])
def test_a_connection_cut_at_any_byte_is_never_taken_for_printed(tmp_path, byte):
    """The status takes 12 bytes, the slip 770, the request to acknowledge 3."""
    outcome = deliver(tmp_path, ACKNOWLEDGING, [f"cut-at:{byte}"])
    if byte <= 12:
        assert list(tmp_path.iterdir()) == []
        # The last answer may overtake the reset, and then the job is under way.
        assert outcome.result is Result.NOT_SENT or (byte, outcome.result) == (12, "uncertain")
    elif byte < 785:
        assert outcome.result is Result.UNCERTAIN
    else:
        # The last byte arrived; whether its answer did is a race, and both words are true.
        assert outcome.result in (Result.UNCERTAIN, Result.PRINTED)
        assert "AKHIR" in (tmp_path / "receipt-0001.txt").read_text()


def test_a_silent_printer_is_uncertain_at_the_deadline_although_it_prints(tmp_path):
    started = time.monotonic()
    outcome = deliver(tmp_path, faults=["silent"], deadline_s=2)
    assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.UNKNOWN)
    assert time.monotonic() - started < 5
    assert (tmp_path / "receipt-0001.png").exists()


def test_a_stalled_printer_is_uncertain_and_does_not_hang(tmp_path):
    started = time.monotonic()
    outcome = deliver(tmp_path, faults=["stall"], deadline_s=1.5)
    assert outcome.result is Result.UNCERTAIN
    assert time.monotonic() - started < 5


def test_an_unreachable_printer_may_be_tried_again(listener):
    address = listener.getsockname()
    listener.close()
    outcome = send(b"x", Network(*address), DESK)
    assert (outcome.result, outcome.sent) == (Result.NOT_SENT, 0)
    assert outcome.may_repeat


def test_a_printer_that_hangs_up_before_the_job_got_nothing(peer):
    outcome = send(b"x", Network(*peer(lambda connection: None)), DESK)
    assert (outcome.result, outcome.sent) == (Result.NOT_SENT, 0)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_way_without_answers_is_uncertain_at_once(tmp_path, kind):
    transport = Memory() if kind == "memory" else File(tmp_path / "lp")
    started = time.monotonic()
    outcome = send(b"karcis", transport, DESK)
    assert (outcome.result, outcome.sent) == (Result.UNCERTAIN, 6)
    assert time.monotonic() - started < 0.5
    written = transport.data if isinstance(transport, Memory) else (tmp_path / "lp").read_bytes()
    assert written == b"karcis"  # no question that nobody would hear


def answering(after_job):
    """A printer that is ready, and says `after_job` when it was asked to acknowledge."""

    def printer_side(connection: socket.socket):
        data = b""
        while piece := connection.recv(1000):
            data += piece
            while b"\x10\x04" in data[:2] and len(data) >= 3:
                connection.sendall(bytes([0x12]))
                data = data[3:]
            if data.endswith(b"\x1dr\x01"):
                connection.sendall(after_job)
                data = b""

    return printer_side


def test_bytes_that_are_no_acknowledgement_are_not_taken_for_one(peer):
    asb = b"\x10\x00\x00\x0f"
    outcome = send(b"x\n", Network(*peer(answering(asb + b"\x12"))), DESK, deadline_s=0.8)
    assert outcome.result is Result.UNCERTAIN


def test_the_acknowledgement_is_found_among_other_bytes(peer):
    asb = b"\x10\x00\x00\x0f"
    outcome = send(b"x\n", Network(*peer(answering(b"\x11\x16" + asb + b"\x00"))), DESK)
    assert outcome.result is Result.PRINTED


def test_two_senders_take_turns(tmp_path):
    outcomes = []
    with running(DESK, tmp_path) as machine:

        def one(number):
            document = printer.Document((Text(f"Nomor {number}"), printer.Cut()))
            transport = Network("127.0.0.1", machine.port)
            outcomes.append(send(printer.encode(document, DESK), transport, DESK))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [outcome.result for outcome in outcomes] == [Result.PRINTED] * 4
    texts = sorted(path.read_text() for path in tmp_path.glob("*.txt"))
    assert texts == [f"Nomor {number}\n" for number in range(4)]
