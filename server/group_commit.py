"""Work that arrives together shares one transaction, and a bad piece of it falls out alone.

The next group forms while the last one commits, so that nobody waits for a timer: at one client a
group is one piece of work, under load it is many, and the cost of a commit is divided by them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.errors import database_gone, in_the_way

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

MOST = 64
"""The largest group: a lock is held no longer than so many pieces of work take."""


@dataclass(frozen=True)
class _Waiting(Generic[Work, Outcome]):
    work: Work
    done: "asyncio.Future[Outcome]"


class GroupCommit(Generic[Work, Outcome]):
    """Hands groups of work to `commit`, one group at a time.

    `commit` does a group in one transaction and tells the outcome of each piece in order, or raises
    and has done nothing. A group that raises is done again in halves, so that an exception reaches
    only the piece that causes it. A database out of reach is everybody's, and so is a lock that
    somebody else holds: to wait for it once more in every half would keep all later work waiting.
    `keys` names what two pieces of one group may not both touch; the later one waits for the next.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Work]], Awaitable[Sequence[Outcome]]],
        keys: Callable[[Work], Sequence[Hashable]],
    ) -> None:
        self._commit = commit
        self._keys = keys
        self._waiting: deque[_Waiting[Work, Outcome]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def do(self, work: Work) -> Outcome:
        """The outcome of a piece of work, once its group is committed; or what it raised.

        A caller that is cancelled meanwhile does not take its work back.
        """
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self._waiting:
            await self._do(self._next_group())

    def _next_group(self) -> list[_Waiting[Work, Outcome]]:
        group: list[_Waiting[Work, Outcome]] = []
        taken: set[Hashable] = set()
        later: list[_Waiting[Work, Outcome]] = []
        while self._waiting and len(group) < MOST:
            piece = self._waiting.popleft()
            keys = self._keys(piece.work)
            if taken.isdisjoint(keys):
                group.append(piece)
            else:
                later.append(piece)
            taken.update(keys)  # also of those that wait: they stay in the order they came in
        self._waiting.extendleft(reversed(later))
        return group

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
