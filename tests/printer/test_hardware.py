import itertools

import pytest

from printer import State, UnknownFault
from printer.hardware import Faults, Hardware
from printer.status import Ear, decode, star_count

FLAGS = ("cover_open", "near_end", "hot", "jammed")


@pytest.mark.parametrize("set_", list(itertools.product([False, True], repeat=len(FLAGS))))
@pytest.mark.parametrize("lines_left", [0, 5, None])
def test_what_it_says_is_what_it_is(set_, lines_left):
    hardware = Hardware(**dict(zip(FLAGS, set_, strict=True)), lines_left=lines_left)
    replies = {n: hardware.dle_eot(n) for n in (1, 2, 3, 4)}
    assert all(reply & 0x93 == 0x12 for reply in replies.values())
    if hardware.cover_open:
        expected = State.COVER_OPEN
    elif lines_left == 0:
        expected = State.PAPER_OUT
    elif hardware.hot or hardware.jammed:
        expected = State.ERROR
    else:
        expected = State.PAPER_NEAR_END if hardware.near_end else State.READY
    assert decode(replies) is expected
    assert bool(replies[1] & 0x08) is hardware.stopped is expected.blocks

    first, error, paper, last = hardware.asb()
    assert first & 0x93 == 0x10
    assert [first & 0x08 > 0, first & 0x20 > 0] == [hardware.stopped, hardware.cover_open]
    assert [error & 0x40 > 0, error & 0x08 > 0] == [hardware.hot, hardware.jammed]
    assert [paper & 0x03 > 0, paper & 0x0C > 0] == [
        hardware.near_end or lines_left == 0,
        lines_left == 0,
    ]
    assert last == 0
    assert hardware.gs_r() & 0x90 == 0

    (star,) = Ear("starprnt").hear(hardware.star_asb(5))
    assert (star.state, star_count(star.data)) == (expected, 5)
    (label,) = Ear("tspl").hear(bytes([hardware.tspl(printing=True)]))
    assert label.state is (State.READY if expected is State.PAPER_NEAR_END else expected)


@pytest.mark.parametrize(
    "spec",
    ["", "fire", "paper-out", "paper-out:x", "cut-at:-1", "silent:3", "slow:0", "late-status"],
)
def test_an_unknown_fault_lists_the_known_ones(spec):
    with pytest.raises(UnknownFault, match="paper-out:LINES"):
        Faults.parse([spec])


def test_faults_add_up():
    assert Faults.parse(["stall", "near-end", "paper-out:4", "late-status:0.5"]) == Faults(
        paper_out=4, near_end=True, stall=0, late_status=0.5
    )
