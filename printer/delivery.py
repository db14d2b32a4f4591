"""Send encoded bytes and find out what became of them, without ever guessing "printed".

Ask for the status, write, then wait for the printer's own word. It runs in order after the data
before it, and not at all while the printer is offline, so silence means "not known".
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from printer import status
from printer.errors import Lost, NotSent, Partial, TransportError
from printer.profiles import Profile
from printer.status import Ear, Reply, State
from printer.transports import Transport

_STATUS_DEADLINE_S = 1.0
_POLL_S = 1.0
_LINGER_S = 2.0  # some printers drop the tail when the connection closes at once
_SETTLE_S = 2.0
_QUIET_S = 0.2

RECOVER = b"\x10\x05\x02"  # DLE ENQ 2: leave a recoverable error, and forget what was received
CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8: forget what was received
# What a half-received command still waits for, then a reset. More than a band of any picture that
# `escpos` makes; commands longer than this are only healed by switching the printer off and on.
FLUSH = {
    "escpos": bytes(8192) + b"\x1b@",  # ESC @
    "starprnt": bytes(8192) + b"\x18\x1b@",  # CAN, ESC @
    "tspl": bytes(8192) + b"\r\n",
}


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


@dataclass(frozen=True, slots=True)
class Token:
    """What is sent behind a job, and how to know the answer that only its end can have caused."""

    request: bytes
    answers: Callable[[Reply], bool]


def token(profile: Profile) -> Token | None:
    """The best acknowledgement the profile knows; None if it knows none."""
    match profile.acknowledge:
        case "gs-h":
            # GS ( H fn 48 with an id of our own: an answer to an earlier job has another.
            own = bytes(random.choices(range(0x20, 0x7F), k=4))  # noqa: S311 - no secret
            return Token(b"\x1d(H\x06\x0000" + own, lambda reply: reply == Reply("gs-h", own))
        case "gs-r":
            # GS r 1, the paper sensor: any answer that does not tell of an end of paper.
            return Token(
                b"\x1dr\x01", lambda reply: reply.kind == "gs-r" and not reply.state.blocks
            )
        case "star":
            # ESC RS E 0 clears the ETB counter, ESC RS a 1 has it told, ETB counts when printed.
            return Token(
                b"\x1b\x1eE\x00\x1b\x1ea\x01\x17",
                lambda reply: status.star_count(reply.data) == 1 and not reply.state.blocks,
            )
    return None


def send(
    data: bytes,
    transport: Transport,
    profile: Profile,
    *,
    deadline_s: float = 15.0,
    recover: bool = False,
    before_first_byte: Callable[[], None] = lambda: None,
) -> Outcome:
    """Print `data` through the closed `transport`, which is closed again afterwards.

    Takes `deadline_s` seconds at most, beside what a line of known speed needs for the bytes, and
    the linger of closing. Failures of the way are outcomes,
    not exceptions. With `recover`, after a job that ended uncertain, the printer is first rid of
    what that may have left in it: half a command, lines it still holds, an error that waits.
    `before_first_byte` is called when the printer was asked and `data` is about to leave; what it
    raises keeps them here.
    """
    end = time.monotonic() + deadline_s
    try:
        transport.open(deadline_s)
    except TransportError as error:
        return Outcome(Result.NOT_SENT, State.UNKNOWN, 0, str(error))
    end += transport.line_s(len(data) + (len(FLUSH[profile.language]) if recover else 0))
    linger_s = _LINGER_S
    try:
        outcome = _Delivery(transport, profile, end).run(data, recover, before_first_byte)
        if outcome.result is Result.PRINTED or not outcome.sent:
            linger_s = 0.1  # no tail is left to wait for
    finally:
        transport.close(linger_s)
    return outcome


class _Delivery:
    """One job on an open transport, until `end` of the monotonic clock."""

    def __init__(self, transport: Transport, profile: Profile, end: float) -> None:
        self._transport = transport
        self._profile = profile
        self._end = end
        self._state = State.UNKNOWN
        self._token = token(profile) if transport.answers else None

    def run(self, data: bytes, recover: bool, before_first_byte: Callable[[], None]) -> Outcome:
        try:
            self._ask()
            if recover:
                self._recover()
        except TransportError as error:
            return self._outcome(Result.NOT_SENT, 0, str(error))
        if self._state.blocks:
            return self._outcome(Result.REFUSED, 0, f"the printer says: {self._state}")
        before_first_byte()
        try:
            self._write(data + self._token.request if self._token else data)
        except NotSent as error:
            return self._outcome(Result.NOT_SENT, 0, str(error))
        except TransportError as error:
            self._explain()
            return self._outcome(Result.UNCERTAIN, min(error.sent, len(data)), str(error))
        try:
            if self._token:
                return self._acknowledged(self._token, len(data))
            self._ask()
        except TransportError as error:
            return self._outcome(Result.UNCERTAIN, len(data), str(error))
        return self._outcome(Result.UNCERTAIN, len(data), "this printer does not acknowledge")

    def _outcome(self, result: Result, sent: int, detail: str) -> Outcome:
        return Outcome(result, self._state, sent, detail)

    @property
    def _left_s(self) -> float:
        return self._end - time.monotonic()

    def _ask(self) -> None:
        limit_s = min(_STATUS_DEADLINE_S, self._left_s)
        self._state = status.query(self._transport, self._profile, limit_s)

    def _explain(self) -> None:
        """Why nothing more was taken, where that can be known without writing."""
        fault = status.decode_port(self._transport.port_status())
        if fault.blocks:
            self._state = fault

    def _write(self, data: bytes) -> None:
        """Hand over `data`, on slow ways no faster than the profile says the printer digests it."""
        transport, profile = self._transport, self._profile
        size = profile.chunk_bytes if transport.paced and profile.chunk_bytes else len(data)
        pace = profile.pace_bytes_s if transport.paced else 0
        for sent in range(0, len(data), size):
            piece = data[sent : sent + size]
            due = time.monotonic() + (len(piece) / pace if pace else 0)
            try:
                transport.write(piece, self._left_s)
            except TransportError as error:
                if not sent:
                    raise
                kind = Lost if isinstance(error, Lost) else Partial
                raise kind(str(error), sent + error.sent) from None
            time.sleep(max(0.0, due - time.monotonic()))

    def _acknowledged(self, expected: Token, sent: int) -> Outcome:
        """Wait for the answer, asking meanwhile whether cover or paper stopped the printing."""
        ear = Ear(self._profile.language)
        asked = False
        ask_at = time.monotonic() + _POLL_S
        while (now := time.monotonic()) < self._end:
            if now >= ask_at:
                self._explain()
                if self._profile.status == "dle-eot":
                    self._transport.write(status.DLE_EOT + b"\x02", self._left_s)
                asked, ask_at = True, now + _POLL_S
            for reply in ear.hear(self._transport.read(1, min(ask_at, self._end) - now)):
                # Unasked, a DLE EOT reply was provoked by 10 04 n in a raster; n is not known.
                known = reply.kind != "dle-eot" or asked
                told = status.decode({2: reply.data[0]}) if reply.kind == "dle-eot" else reply.state
                if known and told is not State.UNKNOWN:
                    self._state = told
                if expected.answers(reply):
                    if self._state is State.ERROR:  # it has passed: this answer came in order
                        self._state = State.READY
                    return self._outcome(Result.PRINTED, sent, "the printer acknowledged")
            # A head that is too hot prints on when it has cooled, so an error is waited out.
            if self._state.blocks and self._state is not State.ERROR:
                break
        stopped = f"stopped while printing: {self._state}"
        detail = stopped if self._state.blocks else "no acknowledgement in time"
        return self._outcome(Result.UNCERTAIN, sent, detail)

    def _recover(self) -> None:
        if self._profile.acknowledge == "gs-h" and self._transport.answers:
            # Heard even while the printer is stopped, so that a refill does not print the rest.
            end = time.monotonic() + min(_STATUS_DEADLINE_S, self._left_s)
            if status.answer(self._transport, CLEAR, "escpos", "cleared", end):
                return
        if self._state is State.ERROR and self._profile.language == "escpos":
            self._transport.write(RECOVER, self._left_s)
            self._ask()
        if not self._state.blocks:
            self._flush()

    def _flush(self) -> None:
        """Complete what is half received, and let late answers to earlier jobs come and go."""
        barrier = token(self._profile) if self._transport.answers else None
        self._write(FLUSH[self._profile.language] + (barrier.request if barrier else b""))
        if barrier:
            quiet_s = min(_SETTLE_S, self._left_s)
            while quiet_s > 0 and self._transport.read(64, quiet_s):
                quiet_s = min(_QUIET_S, self._left_s)
