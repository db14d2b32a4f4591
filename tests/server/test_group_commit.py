"""Work in groups: what waits goes together, and only what is bad fails."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from asyncpg.exceptions import DeadlockDetectedError, LockNotAvailableError
from sqlalchemy.exc import DBAPIError

from server.group_commit import LANES, MOST, GroupCommit


class Recorder:
    """Commits groups of numbers, each of them doubled; equal in the last digits is one thing."""

    def __init__(self, refuse: Callable[[Sequence[int]], Exception | None]) -> None:
        self.refuse = refuse
        self.groups: list[list[int]] = []
        self.under_way: list[Sequence[int]] = []
        self.most_at_once = 0
        self.work = GroupCommit(self.commit, lambda number: (number % 1_000,))

    async def commit(self, group: Sequence[int]) -> list[int]:
        self.under_way.append(group)
        self.most_at_once = max(self.most_at_once, len(self.under_way))
        things = [number % 1_000 for busy in self.under_way for number in busy]
        assert len(set(things)) == len(things), "one thing is touched twice at once"
        self.groups.append(list(group))
        await asyncio.sleep(0.001)
        self.under_way.remove(group)
        refusal = self.refuse(group)
        if refusal is not None:
            raise refusal
        return [2 * number for number in group]

    async def do(self, *numbers: int) -> list[int | BaseException]:
        return await asyncio.gather(*map(self.work.do, numbers), return_exceptions=True)


def willing(_group: Sequence[int]) -> None:
    return None


async def test_one_piece_waits_for_nobody_and_many_go_together() -> None:
    recorder = Recorder(willing)
    assert await recorder.do(7) == [14]
    assert await recorder.do(*range(200)) == [2 * number for number in range(200)]
    sizes = [len(group) for group in recorder.groups]
    assert (sizes[0], sum(sizes), max(sizes)) == (1, 201, MOST)
    assert len(sizes) <= 6
    assert recorder.most_at_once == LANES, "one is prepared while the database does the other"


async def test_a_bad_piece_falls_out_alone() -> None:
    bad = {13, 40}
    recorder = Recorder(lambda group: ValueError("bad") if bad & set(group) else None)
    outcomes = await recorder.do(*range(60))
    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, ValueError) == (number in bad)
        assert number in bad or outcome == 2 * number
    assert await recorder.do(1) == [2], "and the next are done as ever"


async def test_two_pieces_about_one_thing_are_done_one_after_the_other() -> None:
    recorder = Recorder(willing)
    await recorder.do(5, 1_005, 6, 2_005)
    order = [number for group in recorder.groups for number in group if number % 1_000 == 5]
    assert order == [5, 1_005, 2_005]


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionRefusedError(),
        *(
            DBAPIError("UPDATE", None, driver_error)
            for driver_error in (LockNotAvailableError("x"), DeadlockDetectedError("x"))
        ),
    ],
)
async def test_what_is_everybodys_trouble_is_not_tried_again_in_halves(failure: Exception) -> None:
    recorder = Recorder(lambda _group: failure)
    outcomes = await recorder.do(*range(32))
    assert outcomes == [failure] * 32
    assert sorted(number for group in recorder.groups for number in group) == list(range(32))


async def test_a_caller_that_leaves_does_not_take_the_others_along() -> None:
    recorder = Recorder(willing)
    leaving, staying = (asyncio.create_task(recorder.work.do(number)) for number in (1, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 4
    assert await recorder.do(3) == [6]
