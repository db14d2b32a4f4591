import socket
import threading
import time

import pytest

import printer
from printer import File, Memory, Network, Result, State, Text, send
from printer.hardware import Faults
from printer.status import STAR_ASK
from printer.virtual import running
from tests.printer.samples import karcis

ACKNOWLEDGING = printer.profile("generic-58-qr")
PLAIN = printer.profile("generic-58")
DESK = printer.profile("generic-80")
STAR = printer.profile("star-80")


def deliver(tmp_path, profile=DESK, faults=(), **limits):
    with running(profile, tmp_path, Faults.parse(faults)) as machine:
        transport = Network("127.0.0.1", machine.port)
        return send(printer.encode(karcis(), profile), transport, profile, **limits)


@pytest.mark.parametrize("profile", [ACKNOWLEDGING, DESK, STAR], ids=lambda profile: profile.name)
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


def test_paper_out_while_printing_is_uncertain_and_says_so(tmp_path):
    outcome = deliver(tmp_path, faults=["paper-out:6"], deadline_s=600)  # long before that
    assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.PAPER_OUT)
    assert "AKHIR" not in (tmp_path / "receipt-0001.txt").read_text()


@pytest.mark.parametrize("profile", [DESK, STAR], ids=lambda profile: profile.name)
def test_a_head_that_is_too_hot_is_waited_for(tmp_path, profile):
    outcome = deliver(tmp_path, profile, ["hot-head:6"], deadline_s=60)
    assert (outcome.result, outcome.state) == (Result.PRINTED, State.READY)
    assert "AKHIR" in (tmp_path / "receipt-0001.txt").read_text()


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
    outcome = deliver(tmp_path, faults=["silent"], deadline_s=2)
    assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.UNKNOWN)
    assert (tmp_path / "receipt-0001.png").exists()


def test_a_stalled_printer_is_uncertain_and_does_not_hang(tmp_path):
    outcome = deliver(tmp_path, faults=["stall"], deadline_s=1.5)
    assert outcome.result is Result.UNCERTAIN


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
def test_a_way_without_answers_is_uncertain_and_asked_nothing(tmp_path, kind):
    transport = Memory() if kind == "memory" else File(tmp_path / "lp")
    outcome = send(b"karcis", transport, DESK)
    assert (outcome.result, outcome.sent) == (Result.UNCERTAIN, 6)
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


def served(tmp_path, faults, profile, jobs):
    """Send each job, given with whether to recover first, to one printer with those faults."""
    with running(profile, tmp_path, Faults.parse(faults)) as machine:
        data = printer.encode(karcis(), profile)
        for recover in jobs:
            yield (
                machine,
                send(
                    data, Network("127.0.0.1", machine.port), profile, deadline_s=6, recover=recover
                ),
            )


def slips(tmp_path):
    return [path.read_text() for path in sorted(tmp_path.glob("*.txt"))]


@pytest.mark.parametrize("recover", [False, True])
def test_a_picture_cut_off_half_way_swallows_the_next_slip_unless_recovered(tmp_path, recover):
    faults = ["cut-at:3000", "raster-swallowed"]
    for _ in served(tmp_path, faults, PLAIN, [False, recover]):
        pass
    assert ("DINAS PERHUBUNGAN" in slips(tmp_path)[-1]) is recover


def test_a_jammed_cutter_is_told_to_go_on_before_the_copy(tmp_path):
    jobs = [False, False, True]
    found = [outcome for _, outcome in served(tmp_path, ["cutter-jam"], DESK, jobs)]
    assert [outcome.result for outcome in found] == [
        Result.UNCERTAIN,
        Result.REFUSED,
        Result.PRINTED,
    ]
    assert [outcome.state for outcome in found][:2] == [State.ERROR, State.ERROR]


def test_what_waits_in_a_printer_without_paper_is_forgotten_before_the_refill(tmp_path):
    profile, found = printer.profile("epson-tm-t20"), []
    for machine, outcome in served(tmp_path, ["paper-out:6"], profile, [False, True, False]):
        found.append(outcome.result)
        if len(found) == 2:
            machine.hardware.lines_left = None
    assert found == [Result.UNCERTAIN, Result.REFUSED, Result.PRINTED]
    assert "".join(slips(tmp_path)).count("AKHIR") == 1


def epson(answer):
    """A printer that is ready, and answers GS ( H with what `answer` makes of the id."""

    def printer_side(connection: socket.socket):
        data = b""
        while piece := connection.recv(1000):
            data += piece
            while data[:2] == b"\x10\x04" and len(data) >= 3:
                connection.sendall(b"\x12")
                data = data[3:]
            if data[-11:-4] == b"\x1d(H\x06\x0000":
                connection.sendall(b'7"' + answer(data[-4:]) + b"\0")
                data = b""

    return printer_side


@pytest.mark.parametrize(
    ("answer", "result"),
    [(lambda own: own, Result.PRINTED), (lambda own: own[1:] + b"!", Result.UNCERTAIN)],
)
def test_only_our_own_id_is_an_acknowledgement(peer, answer, result):
    transport = Network(*peer(epson(answer)))
    profile, patience_s = printer.profile("epson-tm-t20"), 30 if result is Result.PRINTED else 1.5
    assert send(b"x\n", transport, profile, deadline_s=patience_s).result is result


def test_a_star_that_told_its_status_and_did_not_count_is_not_believed(tmp_path):
    ask, data, before_etb = len(STAR_ASK), len(printer.encode(karcis(), STAR)), 8
    outcome = deliver(tmp_path, STAR, [f"stall:{ask + data + before_etb}"], deadline_s=1)
    assert (outcome.result, outcome.state) == (Result.UNCERTAIN, State.READY)
    assert "AKHIR" in slips(tmp_path)[0]


class SlowWay(Memory):
    """A way that takes bytes faster than its printer prints them, until `room` is full."""

    paced = True

    def __init__(self, room=1_000_000):
        super().__init__()
        self.room, self.sizes = room, []

    def write(self, data, deadline_s):
        self.sizes.append(len(data))
        taken = data[: self.room - len(self.data)]
        self.data += taken
        if len(taken) < len(data):
            raise (printer.Partial if taken else printer.NotSent)("full", len(taken))


def test_a_slow_way_is_fed_in_the_pieces_and_at_the_pace_of_the_profile():
    way, started = SlowWay(), time.monotonic()
    assert send(bytes(6000), way, ACKNOWLEDGING).sent == 6000
    assert time.monotonic() - started > 0.45  # 12 000 bytes a second
    assert max(way.sizes) == ACKNOWLEDGING.chunk_bytes == 256


@pytest.mark.parametrize(("recover", "at_least_s"), [(False, 30), (True, 43)])
def test_a_slow_line_has_the_time_it_needs(recover, at_least_s):
    """12 000 bytes at 9600 baud take 12.5 s, and the 8 kB that heal a printer before 8.5 s."""

    class Line(SlowWay):
        def line_s(self, size):
            return size / 960

        def write(self, data, deadline_s):
            if not self.sizes:
                assert deadline_s > at_least_s
            super().write(data, deadline_s)

    assert send(bytes(12_000), Line(), PLAIN, deadline_s=30, recover=recover).sent == 12_000


@pytest.mark.parametrize("room", [512, 600])
def test_all_pieces_count_when_a_later_one_is_refused(room):
    outcome = send(bytes(6000), SlowWay(room), ACKNOWLEDGING)
    assert (outcome.result, outcome.sent) == (Result.UNCERTAIN, room)
