"""The rows of the fault catalogue: what is done to whoever takes the payments.

A row plays on one stage and leaves the judging to it; what only it can see, it tallies itself.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults import (
    acquiring,
    allowing,
    camera,
    clocks,
    crashes,
    disks,
    dying,
    enrolling,
    evidence,
    filing,
    partition,
    plates,
    powerless,
    printing,
    races,
    returning,
    sending,
    tampering,
    telling,
    whole,
)
from tests.faults.handheld_stage import HandheldStage
from tests.faults.stage import Stage


@dataclass(frozen=True)
class Row:
    """`alone`: it breaks what other rows stand on, too; all others are played together.

    `play` is given a stage of the kind `on`.
    """

    name: str
    title: str
    play: Callable[[Any], Awaitable[None]]
    gated: bool = False
    alone: bool = False
    on: type[Stage] = Stage
    environment: Mapping[str, str] = field(default_factory=dict)


PATIENT = {"KARCIS_ACQUIRER_TIMEOUT_S": "5"}
"""What is played there is no slow acquirer, however busy the machine is."""
MINUTE = {"KARCIS_CHARGE_LIFETIME_S": "60", **PATIENT}
"""The shortest life of a code."""

ROWS = (
    Row("T1", "server killed at each named point", crashes.kill_server),
    Row("T2", "postmaster killed under 8 drivers", crashes.kill_postmaster, alone=True),
    Row("T3", "3 % of COMMIT answers lost", crashes.lose_commits, gated=True),
    Row("T4", "database away, stuck, or read-only", crashes.ail_database, alone=True),
    Row("T5", "handheld killed at every write of a shift", dying.kill_handheld,
        on=HandheldStage, environment=PATIENT),
    Row("T6", "power lost, unsynced pages dropped", powerless.lose_power),
    Row("T7", "handheld's disk full or failing", disks.fill_disk, on=HandheldStage),
    Row("T8", "no way between handheld and server", partition.partition,
        on=HandheldStage, environment=partition.POOL),
    Row("T9", "events sent twice, in parts, out of order", sending.send_oddly),
    Row("T10", "events forged, forked, restored, revoked", sending.send_falsely,
        on=HandheldStage),
    Row("T11", "notification duplicated, 100 at once", telling.tell_again),
    Row("T12", "notified in every state, at any time", telling.tell_at_any_time,
        environment=MINUTE),
    Row("T13", "notification forged", telling.forge),
    Row("T14", "acquirer silent, slow, or talking nonsense", acquiring.answer_badly),
    Row("T15", "acquirer flaps, forgets, or is paid twice", acquiring.change_its_mind),
    Row("T16", "one proof before two handhelds", whole.show_twice),
    Row("T17", "payment races expiry", races.race_expiry, environment=MINUTE),
    Row("T18", "spot re-issued, old code paid", races.reissue_spots),
    Row("T19", "refunds race each other and the settlement", returning.race_refunds),
    Row("T20", "handheld's clock wrong, jumping, or of 1970", clocks.mistell, on=HandheldStage),
    Row("T22", "printer fails, or who prints dies", printing.print_badly, on=printing.PaperStage),
    Row("T23", "settlement files wrong in every way, importers killed", filing.take_in_files,
        environment=PATIENT),
    Row("T24", "the bank merges, splits, delays, takes back", filing.read_statements,
        environment=PATIENT),
    Row("T27", "records tampered with by the database's owner", tampering.tamper,
        environment={**PATIENT, "KARCIS_JOBS": "false"}),
    Row("T28", "asked for beyond one's rights, or another's", allowing.ask_for_more),
    Row("T29", "enrolment codes and keys stolen, copied", enrolling.enrol_badly, on=HandheldStage),
    Row("T35", "the whole, simulated from seeds", whole.simulate, alone=True),
    Row("T30", "signs covered, altered, swapped", evidence.cover_signs),
    Row("T31", "false evidence before the camera", evidence.show_fakes),
    Row("T37", "plates said, aged, and erased when asked", plates.say_plates,
        environment={**PATIENT, **plates.OPEN}),
    Row("T32", "codes badly seen, and no camera", camera.show_clips, on=HandheldStage),
)  # fmt: skip
