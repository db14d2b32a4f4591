"""What can become of an attendant: let in by two officers, stopped by one."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.states import follow


class AttendantState(StrEnum):
    REQUESTED = "requested"
    ACTIVE = "active"
    STOPPED = "stopped"


class AttendantEvent(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"
    STOPPED = "stopped"


_S, _E = AttendantState, AttendantEvent

ATTENDANT_TABLE: Mapping[tuple[AttendantState, AttendantEvent], AttendantState] = MappingProxyType(
    {
        (_S.REQUESTED, _E.APPROVED): _S.ACTIVE,
        (_S.REQUESTED, _E.DECLINED): _S.STOPPED,
        (_S.ACTIVE, _E.STOPPED): _S.STOPPED,
        (_S.STOPPED, _E.APPROVED): _S.ACTIVE,
        (_S.STOPPED, _E.DECLINED): _S.STOPPED,
    }
)


def advance(state: AttendantState, event: AttendantEvent) -> AttendantState:
    """The next state; raises TransitionRefused."""
    return follow(ATTENDANT_TABLE, state, event)
