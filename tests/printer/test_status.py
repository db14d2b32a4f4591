import threading
import time

import pytest

from printer import Memory, Network, State, profile, query
from printer.status import Ear, decode, decode_port, star_count

DESK = profile("generic-80")
READY = {1: 0x16, 2: 0x12, 3: 0x12, 4: 0x12}


@pytest.mark.parametrize(
    ("replies", "state"),
    [
        (READY, State.READY),
        (READY | {1: 0x12}, State.READY),
        (READY | {1: 0x1E}, State.OFFLINE),
        (READY | {1: 0x1E, 2: 0x16}, State.COVER_OPEN),
        (READY | {2: 0x32}, State.PAPER_OUT),
        (READY | {4: 0x72}, State.PAPER_OUT),
        (READY | {4: 0x1E}, State.PAPER_NEAR_END),
        (READY | {2: 0x52}, State.ERROR),
        (READY | {3: 0x16}, State.ERROR),  # mechanical
        (READY | {3: 0x1A}, State.ERROR),  # cutter
        (READY | {3: 0x32}, State.ERROR),  # unrecoverable
        (READY | {3: 0x52}, State.ERROR),  # hot head
        ({}, State.UNKNOWN),
        ({1: 0x16, 2: 0x12, 3: 0x12}, State.UNKNOWN),
        ({2: 0x16}, State.COVER_OPEN),
    ],
)
def test_replies_become_one_state(replies, state):
    assert decode(replies) is state


def test_every_state_either_blocks_or_not():
    blocking = {State.COVER_OPEN, State.PAPER_OUT, State.ERROR, State.OFFLINE}
    free = {State.PAPER_NEAR_END, State.READY, State.UNKNOWN}
    assert blocking | free == set(State)
    assert {state for state in State if state.blocks} == blocking


@pytest.mark.parametrize(
    ("heard", "kinds"),
    [
        (b"\x12\x16\x1e\x72", ["dle-eot"] * 4),
        (b"\x00\x03", ["gs-r", "gs-r"]),
        (b"\x11\x13\x92\x80\xff\x60", []),  # XON, XOFF, noise
        (b"\x14\x00\x00\x0f\x00", ["asb", "gs-r"]),
        (b"\x10\x12\x16", ["dle-eot", "dle-eot"]),  # a lone 10h is no status
        (b'7"ABCD\x00\x00', ["gs-h", "gs-r"]),
        (b'7"ABC\x00', ["gs-r"]),  # too short an id: only its NUL is left
        (b"7%\x00_TM-T20\x00", ["cleared", "text"]),
        (b"_" + b"A" * 200 + b"\x12", ["dle-eot"]),  # a text without an end is noise
    ],
)
def test_what_is_heard_is_told_apart(heard, kinds):
    assert [reply.kind for reply in Ear("escpos").hear(heard)] == kinds


@pytest.mark.parametrize(
    ("language", "heard", "state"),
    [
        ("escpos", "14 00 00 0f", State.READY),
        ("escpos", "14 00 03 0f", State.PAPER_NEAR_END),
        ("escpos", "1c 00 0c 0f", State.PAPER_OUT),
        ("escpos", "3c 00 0f 0f", State.COVER_OPEN),
        ("escpos", "1c 08 00 0f", State.ERROR),
        ("escpos", "1c 00 00 0f", State.OFFLINE),
        ("escpos", "00", State.UNKNOWN),  # GS r: paper is there, which is not all of ready
        ("escpos", "03", State.PAPER_NEAR_END),
        ("escpos", "0c", State.PAPER_OUT),
        ("starprnt", "23 06 00 00 00 00 00 00 00", State.READY),
        ("starprnt", "0f 00 00 00 00 04 00", State.PAPER_NEAR_END),
        ("starprnt", "23 06 08 00 00 08 00 00 00", State.PAPER_OUT),
        ("starprnt", "23 06 28 00 00 08 00 00 00", State.COVER_OPEN),
        ("starprnt", "23 06 08 08 00 00 00 00 00", State.ERROR),
        ("starprnt", "23 06 08 00 00 00 00 00 00", State.OFFLINE),
        ("tspl", "00", State.READY),
        ("tspl", "20", State.READY),
        ("tspl", "01", State.COVER_OPEN),
        ("tspl", "04", State.PAPER_OUT),
        ("tspl", "05", State.COVER_OPEN),
        ("tspl", "02", State.ERROR),
        ("tspl", "08", State.ERROR),
        ("tspl", "80", State.ERROR),
        ("tspl", "10", State.OFFLINE),
    ],
)
def test_each_reply_means_a_state(language, heard, state):
    (reply,) = Ear(language).hear(bytes.fromhex(heard))
    assert reply.state is state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (None, State.UNKNOWN),
        (0x18, State.UNKNOWN),  # what many printers say whatever happens
        (0x00, State.UNKNOWN),
        (0x38, State.PAPER_OUT),
        (0x30, State.PAPER_OUT),
        (0x10, State.ERROR),
        (0x08, State.OFFLINE),
    ],
)
def test_a_usb_port_tells_of_faults_only(status, state):
    assert decode_port(status) is state


def test_a_star_counts_the_jobs_it_has_printed():
    for count in range(32):
        told = (count & 0x18) << 2 | (count & 0x07) << 1
        assert star_count(bytes([0x21, 6, 0, 0, 0, 0, 0, told])) == count
    assert star_count(bytes(7)) is None


class Port(Memory):
    """A USB printer that answers nothing but its port's status."""

    def __init__(self, status):
        super().__init__()
        self.status = status

    def port_status(self):
        return self.status


def test_where_the_printer_is_silent_its_port_is_asked():
    assert query(Port(0x38), DESK) is State.PAPER_OUT
    assert query(Port(0x18), DESK) is State.UNKNOWN
    assert query(Port(0x38), profile("sunmi-58")) is State.PAPER_OUT


def test_a_late_reply_is_not_taken_for_the_next_one(peer):
    def printer(connection):
        connection.sendall(b"\x72")  # paper out, to a question of long ago
        while request := connection.recv(3):
            connection.sendall(bytes([READY[request[2]]]))

    network = Network(*peer(printer))
    network.open(30)
    time.sleep(0.1)
    assert query(network, DESK, 30) is State.READY
    network.close()


def test_replies_that_a_late_one_has_moved_are_no_open_cover(peer):
    def printer(connection):
        late = b"\x16"  # to a question that was given up, but not yet there when the next is asked
        while request := connection.recv(3):
            connection.sendall(late + bytes([READY[request[2]]]))
            late = b""

    network = Network(*peer(printer))
    network.open(30)
    assert query(network, DESK, 30) is State.READY
    network.close()


def test_a_printer_that_stops_answering_is_unknown_in_time(peer):
    done = threading.Event()

    def printer(connection):
        connection.recv(3)
        connection.sendall(b"\x16")
        done.wait(60)

    network = Network(*peer(printer))
    network.open(30)
    assert query(network, DESK, 0.3) is State.UNKNOWN
    done.set()
    network.close()


def test_a_line_that_never_stops_talking_is_unknown_in_the_end(peer):
    def noise(connection):
        while True:  # until we hang up
            connection.sendall(b"\xff" * 1000)

    network = Network(*peer(noise))
    network.open(30)
    assert query(network, DESK, 0.3) is State.UNKNOWN
    network.close(linger_s=0)


def test_rubbish_between_replies_is_passed_over(peer):
    def printer(connection):
        while request := connection.recv(3):
            connection.sendall(b"\x11\x00\xff" + bytes([READY[request[2]]]))

    network = Network(*peer(printer))
    network.open(30)
    assert query(network, DESK, 30) is State.READY
    network.close()


def test_a_way_without_answers_is_unknown():
    assert query(Memory(), DESK, 0.1) is State.UNKNOWN
