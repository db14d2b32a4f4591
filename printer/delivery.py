"""Send encoded bytes and find out what became of them, without ever guessing "printed".

Ask for the status, write, then wait for the printer's own word (GS r runs in order after the data
before it, and not at all while the printer is offline, so silence means "not known").
"""

import time
from dataclasses import dataclass
from enum import StrEnum

from printer import status
from printer.errors import Lost, NotSent, TransportError
from printer.profiles import Profile
from printer.status import State
from printer.transports import Transport

ACKNOWLEDGE = b"\x1dr\x01"  # GS r 1: paper sensor status, here as a token that comes back
_STATUS_DEADLINE_S = 1.0
_POLL_S = 1.0
_LINGER_S = 2.0  # some printers drop the tail when the connection closes at once


class Result(StrEnum):
    """What is known about the paper."""

    PRINTED = "printed"  # the printer acknowledged the end of the job
    UNCERTAIN = "uncertain"  # bytes left this host, no acknowledgement: a person must look
    REFUSED = "refused"  # the printer said beforehand that it cannot print; nothing was sent
    NOT_SENT = "not-sent"  # the printer could not be reached; nothing was sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result, the last state the printer told, bytes handed over, and a sentence of detail."""

    result: Result
    state: State
    sent: int
    detail: str

    @property
    def may_repeat(self) -> bool:
        """True if sending the same bytes again cannot print twice."""
        return self.result in (Result.REFUSED, Result.NOT_SENT)


def send(
    data: bytes, transport: Transport, profile: Profile, *, deadline_s: float = 15.0
) -> Outcome:
    """Print `data` through the closed `transport`, which is closed again afterwards.

    Takes `deadline_s` seconds at most, and the linger of closing. Failures of the way are outcomes,
    not exceptions.
    """
    end = time.monotonic() + deadline_s
    try:
        transport.open(deadline_s)
    except TransportError as error:
        return Outcome(Result.NOT_SENT, State.UNKNOWN, 0, str(error))
    outcome = None
    try:
        outcome = _deliver(data, transport, profile, end)
    finally:
        # After an acknowledgement there is no tail left to wait for.
        printed = outcome is not None and outcome.result is Result.PRINTED
        transport.close(linger_s=0.1 if printed else _LINGER_S)
    return outcome


def _deliver(data: bytes, transport: Transport, profile: Profile, end: float) -> Outcome:
    state = State.UNKNOWN
    asks = profile.status and transport.answers
    acknowledges = profile.acknowledge == "gs-r" and transport.answers
    try:
        if asks:
            state = status.query(transport, min(_STATUS_DEADLINE_S, end - time.monotonic()))
    except TransportError as error:
        return Outcome(Result.NOT_SENT, state, 0, str(error))
    if state.blocks:
        return Outcome(Result.REFUSED, state, 0, f"the printer says: {state}")

    try:
        transport.write(data + ACKNOWLEDGE if acknowledges else data, end - time.monotonic())
    except NotSent as error:
        return Outcome(Result.NOT_SENT, state, 0, str(error))
    except TransportError as error:
        return Outcome(Result.UNCERTAIN, state, error.sent, str(error))

    try:
        if acknowledges:
            return _acknowledged(len(data), transport, end, state)
        if asks:
            state = status.query(transport, min(_STATUS_DEADLINE_S, end - time.monotonic()))
    except TransportError as error:
        return Outcome(Result.UNCERTAIN, state, len(data), str(error))
    return Outcome(Result.UNCERTAIN, state, len(data), "this printer does not acknowledge")


def _acknowledged(sent: int, transport: Transport, end: float, state: State) -> Outcome:
    """Wait for the GS r reply, asking meanwhile whether cover or paper stopped the printing."""
    asb_left = 0
    asked = False
    ask_at = time.monotonic() + _POLL_S
    while (now := time.monotonic()) < end:
        if now >= ask_at:
            transport.write(status.DLE_EOT + b"\x02", end - now)
            asked, ask_at = True, now + _POLL_S
        for byte in transport.read(1, min(ask_at, end) - now):
            if asb_left:
                asb_left -= 1
            elif byte & 0x93 == 0x10:  # a status nobody asked for (ASB): three more bytes follow
                asb_left = 3
            elif status.is_reply(byte):
                # Unasked, it was provoked by 10 04 n inside a raster and n is not known.
                fault = status.decode({2: byte}) if asked else State.UNKNOWN
                if fault.blocks:
                    detail = f"stopped while printing: {fault}"
                    return Outcome(Result.UNCERTAIN, fault, sent, detail)
            elif byte & 0x90 == 0:
                told = State.PAPER_NEAR_END if byte & 0x03 else state
                return Outcome(Result.PRINTED, told, sent, "the printer acknowledged")
    raise Lost("no acknowledgement in time", sent)
