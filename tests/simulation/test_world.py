"""The simulated whole holds on a few seeds here, on 300 in `make faults` (T35), and plays again."""

from collections.abc import Iterator
from typing import Any

import pytest

from server.sandbox import settlement
from tests.simulation import one_proof
from tests.simulation.served import Ground, ServedOffice, served_on
from tests.simulation.world import play

BAD = (4, 19)
"""In the first a handheld once took one proof twice, its code having been read twice at once."""


@pytest.mark.parametrize("seed", BAD)
def test_whatever_happens_nothing_is_lost_and_nothing_is_said_twice(seed: int) -> None:
    played = play(seed)
    assert played.violations == {}, played.examples
    assert played.stored > 20


def test_a_seed_plays_again_to_the_last_event() -> None:
    first, again = play(5), play(5)
    assert (first.log, first.fired, first.stored) == (again.log, again.fired, again.stored)


def test_the_same_invariants_catch_a_naive_office_and_its_handhelds() -> None:
    lost = play(12, naive=True).violations
    assert lost["I2 one request became several charges"]
    assert lost["I2 a charge was paid more than once"]
    assert lost["I4 an event the screen had told is gone"]


@pytest.fixture(scope="module")
def ground(cluster: str) -> Iterator[Ground]:
    with served_on(cluster) as ground:
        yield ground


def test_the_same_holds_of_the_server_itself_to_the_rupiah(ground: Ground) -> None:
    played = play(1003, office=ground.office)
    assert played.liveness
    assert played.violations == {}, played.examples
    assert played.stored > 20


def test_the_same_invariants_catch_a_server_that_hears_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It acknowledges each notification at its door, forgets it, nobody inquires, and the bank
    holds back a payment.
    """
    statement: Any = settlement.statement_mt940
    monkeypatch.setattr(ServedOffice, "hear", lambda *_: True)
    monkeypatch.setattr(ServedOffice, "look_after", lambda *_: None)
    monkeypatch.setattr(
        settlement,
        "statement_mt940",
        lambda *told: statement(*told[:-1], told[-1][1:]),
    )
    lost = play(1003, office=ground.office).violations
    assert lost["I7 money the acquirer took is in no book"]
    assert lost["I9 a charge was never settled"]
    assert lost["the office found itself wrong"]


@pytest.mark.parametrize("shape", one_proof.SHAPES)
def test_one_proof_before_two_handhelds_is_one_green_or_one_case(shape: str) -> None:
    assert one_proof.play(1, shape).watch.violations == {}
    assert one_proof.play(1, shape, naive=True).watch.violations
