"""The rows of the fault catalogue: what is done to whoever takes the payments.

A row plays on one stage and leaves the judging to it; what only it can see, it tallies itself.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.faults import acquiring, crashes, races, returning, telling
from tests.faults.stage import Stage


@dataclass(frozen=True)
class Row:
    """`alone`: it breaks what other rows stand on, too; all others are played together."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]
    gated: bool = False
    alone: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


MINUTE = {"KARCIS_CHARGE_LIFETIME_S": "60", "KARCIS_ACQUIRER_TIMEOUT_S": "5"}
"""The shortest life of a code, and patience: what is played there is no slow acquirer."""

ROWS = (
    Row("T1", "server killed at each named point", crashes.kill_server),
    Row("T2", "postmaster killed under 8 drivers", crashes.kill_postmaster, alone=True),
    Row("T3", "3 % of COMMIT answers lost", crashes.lose_commits, gated=True),
    Row("T4", "database away, stuck, or read-only", crashes.ail_database, alone=True),
    Row("T11", "notification duplicated, 100 at once", telling.tell_again),
    Row("T12", "notified in every state, at any time", telling.tell_at_any_time,
        environment=MINUTE),
    Row("T13", "notification forged", telling.forge),
    Row("T14", "acquirer silent, slow, or talking nonsense", acquiring.answer_badly),
    Row("T15", "acquirer flaps, forgets, or is paid twice", acquiring.change_its_mind),
    Row("T17", "payment races expiry", races.race_expiry, environment=MINUTE),
    Row("T18", "spot re-issued, old code paid", races.reissue_spots),
    Row("T19", "refunds race each other and the settlement", returning.race_refunds),
)  # fmt: skip
