"""What every state table shares: one way to advance, one refusal, one drawing.

A table is a read-only mapping from (state, event) to the next state. What it does not list is
refused, so a state machine is complete by construction and its diagram is never out of date.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

State = TypeVar("State", bound=StrEnum)
Happening = TypeVar("Happening", bound=StrEnum)


class TransitionRefused(ValueError):
    """The table has no edge for this event in this state; nothing was changed."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{event} is refused in state {state}")
        self.state = state
        self.event = event


def follow(table: Mapping[tuple[State, Happening], State], state: State, event: Happening) -> State:
    """The state that ``event`` leads to; raises TransitionRefused where the table has no edge."""
    try:
        return table[(state, event)]
    except KeyError:
        raise TransitionRefused(state, event) from None


def diagram(table: Mapping[tuple[State, Happening], State]) -> str:
    """A Mermaid state diagram of a table, in the table's order.

    A state nothing leads to is an entry, a state nothing leaves is an end. Ends with a newline.
    """
    sources = [state for state, _ in table]
    targets = list(table.values())
    entries = dict.fromkeys(state for state in sources if state not in targets)
    ends = dict.fromkeys(state for state in targets if state not in sources)
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state}" for state in entries]
    lines += [f"    {state} --> {target}: {event}" for (state, event), target in table.items()]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines) + "\n"
