"""What can become of a tariff that one officer proposes and another decides."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.states import follow


class ProposalState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ProposalEvent(StrEnum):
    """WITHDRAWN: by who proposed it."""

    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


PROPOSAL_TABLE: Mapping[tuple[ProposalState, ProposalEvent], ProposalState] = MappingProxyType(
    {
        (ProposalState.REQUESTED, ProposalEvent.APPROVED): ProposalState.APPROVED,
        (ProposalState.REQUESTED, ProposalEvent.DECLINED): ProposalState.DECLINED,
        (ProposalState.REQUESTED, ProposalEvent.WITHDRAWN): ProposalState.WITHDRAWN,
    }
)


def advance(state: ProposalState, event: ProposalEvent) -> ProposalState:
    """The next state; raises TransitionRefused."""
    return follow(PROPOSAL_TABLE, state, event)
