"""Notifications posted per second when all payments fall in one zone, against all zones in turn.

All receipts are then numbered in one series, whose row every transaction locks.
"""

from bench import ground as grounds
from bench.confirm import PER_ROUND, ROUNDS, over_http
from bench.figure import Figure, compare

ZONE = "PSR-%"


def measure() -> list[Figure]:
    with grounds.ground() as ground:
        over_http(ground, PER_ROUND)
        return [
            compare(
                "hot",
                "notifications/s",
                lambda: over_http(ground, PER_ROUND, ZONE),
                "payments of all zones",
                lambda: over_http(ground, PER_ROUND),
                rounds=ROUNDS,
                note=f"{grounds.CLIENTS} clients; outbox rows written in both.",
            )
        ]
