"""A limit on how often one address, spot or key may ask for something that costs or tells.

It counts in this process: so many processes allow so many times as much, and a restart forgets.
"""

import time
from ipaddress import IPv6Address, ip_address

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from server.errors import TooManyRequests


class RateLimit:
    """At most `per_minute` requests of one asker within any minute."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def check(self, request: Request) -> None:
        """Count a request of its client address; raises TooManyRequests with seconds to wait."""
        self.count(address_of(request))

    def count(self, asker: str) -> None:
        """Count a request of an asker; raises TooManyRequests with the seconds to wait."""
        if not self._window.hit(self._item, asker):
            resets_at = self._window.get_window_stats(self._item, asker).reset_time
            wait_s = max(0, int(resets_at - time.time())) + 1
            raise TooManyRequests(retry_after_s=wait_s)


def address_of(request: Request) -> str:
    """Whom a request counts for: an IPv4 address, or the network of an IPv6 one.

    One subscriber has a whole /64 (RFC 6177), and could ask from as many addresses as he likes.
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
