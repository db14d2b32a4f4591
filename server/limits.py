"""A limit on how often one address or one key may ask for something that costs or tells."""

import time
from collections import deque

from fastapi import Request

from server.errors import TooManyRequests

WINDOW_S = 60.0


class RateLimit:
    """At most `per_minute` requests of one asker in this process."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._seen: dict[str, deque[float]] = {}

    def check(self, request: Request) -> None:
        """Count a request of its client address; raises TooManyRequests with seconds to wait."""
        self.count(request.client.host if request.client else "")

    def count(self, asker: str) -> None:
        """Count a request of an asker; raises TooManyRequests with the seconds to wait."""
        now = time.monotonic()
        if len(self._seen) > 10_000:
            self._seen = {a: times for a, times in self._seen.items() if times[-1] > now - WINDOW_S}
        times = self._seen.setdefault(asker, deque())
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if len(times) >= self._per_minute:
            raise TooManyRequests(retry_after_s=int(times[0] + WINDOW_S - now) + 1)
        times.append(now)
