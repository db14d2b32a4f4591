"""An answer made once for everybody who asks, until the next one is due.

So many askers cost the database no more than one, and nobody learns more by asking often.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import TypeVar

Made = TypeVar("Made")

MOST_KEPT = 64
"""Periods are asked for freely; the answer that was made first is dropped for another one."""


class Editions:
    """What was made, by what it is, until it is no longer the newest."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[datetime, object]] = {}
        self._making = asyncio.Lock()

    async def get(
        self, key: Hashable, edition: datetime, make: Callable[[], Awaitable[Made]]
    ) -> Made:
        """What `make` gives, made once for a key's edition and one at a time."""
        async with self._making:
            known = self._kept.get(key)
            if known is not None and known[0] == edition:
                return known[1]  # type: ignore[return-value]
            made = await make()
            self._kept.pop(key, None)
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (edition, made)
            return made
