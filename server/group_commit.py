"""Work that arrives together shares one transaction, and a bad piece of it falls out alone.

The next group forms while others commit, so that nobody waits for a timer: at one client a group is
one piece of work, under load it is many, and the cost of a commit is divided by them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from server.errors import database_gone, in_the_way

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

MOST = 64
"""The largest group: a lock is held no longer than so many pieces of work take."""
LANES = 2
"""Groups under way at once: one is prepared here while the database is busy with the other."""
QUIET_TURNS = 6
"""After so many turns of the event loop without new work, what was on its way has come."""


@dataclass(frozen=True)
class _Waiting(Generic[Work, Outcome]):
    work: Work
    done: "asyncio.Future[Outcome]"


class GroupCommit(Generic[Work, Outcome]):
    """Hands groups of work to `commit`, a few groups at a time.

    `commit` does a group in one transaction and tells the outcome of each piece in order, or raises
    and has done nothing. A group that raises is done again in halves, so that an exception reaches
    only the piece that causes it. A database out of reach is everybody's, and so is a lock that
    somebody else holds: to wait for it once more in every half would keep all later work waiting.
    `keys` names what two pieces under way may not both touch; the later one waits for the earlier.
    Of `lanes` groups under way at once, one makes the largest groups: enough for what only reads.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Work]], Awaitable[Sequence[Outcome]]],
        keys: Callable[[Work], Sequence[Hashable]] = lambda _work: (),
        lanes: int = LANES,
    ) -> None:
        self._commit = commit
        self._keys = keys
        self._most_lanes = lanes
        self._waiting: deque[_Waiting[Work, Outcome]] = deque()
        self._under_way: set[Hashable] = set()
        self._busy = 0
        self._lanes: set[asyncio.Task[None] | None] = set()

    async def do(self, work: Work) -> Outcome:
        """The outcome of a piece of work, once its group is committed; or what it raised.

        A caller that is cancelled meanwhile does not take its work back.
        """
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, done))
        if len(self._lanes) < self._most_lanes:
            self._lanes.add(asyncio.create_task(self._work()))
        return await done

    async def _work(self) -> None:
        """Do groups until nothing is left but what another lane's end will set free."""
        try:
            while True:
                await self._gather()
                group, keys = self._next_group()
                if not group:
                    return
                self._under_way |= keys
                self._busy += 1
                try:
                    await self._do(group)
                finally:
                    self._busy -= 1
                    self._under_way -= keys
        finally:
            # Here, not when the task has ended: what arrives in between must find a lane.
            self._lanes.discard(asyncio.current_task())

    async def _gather(self) -> None:
        """Let come what is on its way already: no timer, but until the event loop has nothing new.

        Whoever was answered by the last group asks again within a moment, and would else find that
        a group of one or two has just left.
        """
        quiet, known = 0, len(self._waiting)
        while quiet < QUIET_TURNS and known < MOST:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == known else 0
            known = len(self._waiting)

    def _next_group(self) -> tuple[list[_Waiting[Work, Outcome]], set[Hashable]]:
        group: list[_Waiting[Work, Outcome]] = []
        keys: set[Hashable] = set()
        passed: set[Hashable] = set()
        later: list[_Waiting[Work, Outcome]] = []
        fair = ceil(
            len(self._waiting) / (self._most_lanes - self._busy)
        )  # the rest is the other lanes'
        while self._waiting and len(group) < min(fair, MOST):
            piece = self._waiting.popleft()
            touched = self._keys(piece.work)
            if all(taken.isdisjoint(touched) for taken in (keys, passed, self._under_way)):
                group.append(piece)
                keys.update(touched)
            else:
                later.append(piece)
                passed.update(touched)  # whoever comes after it stays after it
        self._waiting.extendleft(reversed(later))
        return group, keys

    async def _do(self, group: Sequence[_Waiting[Work, Outcome]]) -> None:
        try:
            outcomes = await self._commit([piece.work for piece in group])
        except Exception as exc:
            if len(group) == 1 or database_gone(exc) or in_the_way(exc):
                for piece in group:
                    if not piece.done.done():
                        piece.done.set_exception(exc)
                return
            middle = len(group) // 2
            await self._do(group[:middle])
            await self._do(group[middle:])
            return
        for piece, outcome in zip(group, outcomes, strict=True):
            if not piece.done.done():
                piece.done.set_result(outcome)
