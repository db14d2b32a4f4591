"""What can become of what one officer prepares and another decides: closes of days, deposits."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.states import follow


class CloseState(StrEnum):
    """REOPENING: locked still, while a second officer has not agreed to open the day again."""

    PREPARED = "prepared"
    LOCKED = "locked"
    DECLINED = "declined"
    REOPENING = "reopening"
    REOPENED = "reopened"


class CloseEvent(StrEnum):
    LOCKED = "locked"
    DECLINED = "declined"
    REOPENING_ASKED = "reopening_asked"
    REOPENING_APPROVED = "reopening_approved"
    REOPENING_REFUSED = "reopening_refused"


CLOSE_TABLE: Mapping[tuple[CloseState, CloseEvent], CloseState] = MappingProxyType(
    {
        (CloseState.PREPARED, CloseEvent.LOCKED): CloseState.LOCKED,
        (CloseState.PREPARED, CloseEvent.DECLINED): CloseState.DECLINED,
        (CloseState.LOCKED, CloseEvent.REOPENING_ASKED): CloseState.REOPENING,
        (CloseState.REOPENING, CloseEvent.REOPENING_APPROVED): CloseState.REOPENED,
        (CloseState.REOPENING, CloseEvent.REOPENING_REFUSED): CloseState.LOCKED,
    }
)

CLOSED = frozenset({CloseState.LOCKED, CloseState.REOPENING})
"""The day is closed."""
LIVE = CLOSED | {CloseState.PREPARED}
"""No other close of the day can be prepared."""


def advance_close(state: CloseState, event: CloseEvent) -> CloseState:
    """The next state; raises TransitionRefused."""
    return follow(CLOSE_TABLE, state, event)


class RemittanceState(StrEnum):
    """SEEN: its transfer was seen on the statement of the collecting account."""

    PREPARED = "prepared"
    APPROVED = "approved"
    DECLINED = "declined"
    SEEN = "seen"


class RemittanceEvent(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"
    SEEN = "seen"


REMITTANCE_TABLE: Mapping[tuple[RemittanceState, RemittanceEvent], RemittanceState] = (
    MappingProxyType(
        {
            (RemittanceState.PREPARED, RemittanceEvent.APPROVED): RemittanceState.APPROVED,
            (RemittanceState.PREPARED, RemittanceEvent.DECLINED): RemittanceState.DECLINED,
            (RemittanceState.APPROVED, RemittanceEvent.SEEN): RemittanceState.SEEN,
        }
    )
)


def advance_remittance(state: RemittanceState, event: RemittanceEvent) -> RemittanceState:
    """The next state; raises TransitionRefused."""
    return follow(REMITTANCE_TABLE, state, event)


class RunState(StrEnum):
    PREPARED = "prepared"
    APPROVED = "approved"
    DECLINED = "declined"


class RunEvent(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"


RUN_TABLE: Mapping[tuple[RunState, RunEvent], RunState] = MappingProxyType(
    {
        (RunState.PREPARED, RunEvent.APPROVED): RunState.APPROVED,
        (RunState.PREPARED, RunEvent.DECLINED): RunState.DECLINED,
    }
)


class LineState(StrEnum):
    """DROPPED: its run was declined. FAILED: the bank did not pay; it is owed as before."""

    WAITING = "waiting"
    PAID = "paid"
    FAILED = "failed"
    DROPPED = "dropped"


class LineEvent(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    DROPPED = "dropped"


LINE_TABLE: Mapping[tuple[LineState, LineEvent], LineState] = MappingProxyType(
    {
        (LineState.WAITING, LineEvent.PAID): LineState.PAID,
        (LineState.WAITING, LineEvent.FAILED): LineState.FAILED,
        (LineState.WAITING, LineEvent.DROPPED): LineState.DROPPED,
    }
)


def advance_run(state: RunState, event: RunEvent) -> RunState:
    """The next state; raises TransitionRefused."""
    return follow(RUN_TABLE, state, event)


def advance_line(state: LineState, event: LineEvent) -> LineState:
    """The next state; raises TransitionRefused."""
    return follow(LINE_TABLE, state, event)
