"""Real-time status: DLE EOT replies -> one typed state. Silence is never taken for ready.

Bits after Epson's ESC/POS reference, DLE EOT n; the same in Bixolon's and Citizen's manuals.
"""

import time
from collections.abc import Mapping
from enum import StrEnum

from printer.transports import Transport

DLE_EOT = b"\x10\x04"


class State(StrEnum):
    """What the printer says of itself, the most pressing thing first."""

    COVER_OPEN = "cover-open"
    PAPER_OUT = "paper-out"
    ERROR = "error"
    OFFLINE = "offline"
    PAPER_NEAR_END = "paper-near-end"
    READY = "ready"
    UNKNOWN = "unknown"

    @property
    def blocks(self) -> bool:
        """True if nothing may be sent: it would stay in the buffer and come out at a bad moment."""
        return self in _BLOCKING


_BLOCKING = {State.COVER_OPEN, State.PAPER_OUT, State.ERROR, State.OFFLINE}


def is_reply(byte: int) -> bool:
    """True for a DLE EOT reply; tells it from ASB (10h), GS r (bit 4 clear) and XON/XOFF."""
    return byte & 0x93 == 0x12


def decode(replies: Mapping[int, int]) -> State:
    """The state told by the replies to DLE EOT n, by n = 1 printer, 2 offline, 3 error, 4 paper.

    A fault counts as soon as one reply shows it; ready needs all four.
    """
    printer, offline, error, paper = (replies.get(n, 0) for n in (1, 2, 3, 4))
    if offline & 0x04:
        return State.COVER_OPEN
    if offline & 0x20 or paper & 0x60:
        return State.PAPER_OUT
    if offline & 0x40 or error & 0x6C:
        return State.ERROR
    if printer & 0x08:
        return State.OFFLINE
    if len(replies) < 4:
        return State.UNKNOWN
    return State.PAPER_NEAR_END if paper & 0x0C else State.READY


def query(transport: Transport, deadline_s: float = 1.0) -> State:
    """Ask the open `transport` and decode; `UNKNOWN` if the printer does not answer in time.

    Raises `NotSent`, `Partial` or `Lost` if the way to the printer fails.
    """
    end = time.monotonic() + deadline_s
    while transport.read(64, 0):  # a late reply to an earlier question would be taken for this one
        pass
    replies: dict[int, int] = {}
    for n in (1, 2, 3, 4):
        # One at a time: replies do not say which question they answer.
        transport.write(DLE_EOT + bytes([n]), end - time.monotonic())
        reply = _reply(transport, end)
        if reply is None:
            break
        replies[n] = reply
    return decode(replies)


def _reply(transport: Transport, end: float) -> int | None:
    while (left := end - time.monotonic()) > 0:
        data = transport.read(1, left)
        if not data:
            return None
        if is_reply(data[0]):
            return data[0]
    return None
