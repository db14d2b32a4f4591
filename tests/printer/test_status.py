import threading
import time

import pytest

from printer import Memory, Network, State, query
from printer.status import decode, is_reply

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


def test_other_bytes_are_not_taken_for_replies():
    assert all(is_reply(byte) for byte in (0x12, 0x16, 0x1E, 0x72))
    assert not any(is_reply(byte) for byte in (0x00, 0x0F, 0x10, 0x11, 0x13, 0x37, 0x92))


def test_a_late_reply_is_not_taken_for_the_next_one(peer):
    def printer(connection):
        connection.sendall(b"\x72")  # paper out, to a question of long ago
        while request := connection.recv(3):
            connection.sendall(bytes([READY[request[2]]]))

    network = Network(*peer(printer))
    network.open(1)
    time.sleep(0.1)
    assert query(network) is State.READY
    network.close()


def test_a_printer_that_stops_answering_is_unknown_in_time(peer):
    done = threading.Event()

    def printer(connection):
        connection.recv(3)
        connection.sendall(b"\x16")
        done.wait(10)

    network = Network(*peer(printer))
    network.open(1)
    started = time.monotonic()
    assert query(network, 0.3) is State.UNKNOWN
    assert time.monotonic() - started < 1
    done.set()
    network.close()


def test_rubbish_between_replies_is_passed_over(peer):
    def printer(connection):
        while request := connection.recv(3):
            connection.sendall(b"\x11\x00\xff" + bytes([READY[request[2]]]))

    network = Network(*peer(printer))
    network.open(1)
    assert query(network) is State.READY
    network.close()


def test_a_way_without_answers_is_unknown():
    assert query(Memory(), 0.1) is State.UNKNOWN
