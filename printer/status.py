"""What printers say of themselves: bytes -> one typed state. Silence is never taken for ready.

Bits after Epson's ESC/POS reference (DLE EOT, GS a, GS r, GS ( H; the same in Bixolon's and
Citizen's manuals), Star's StarPRNT specification (appendix 2, ASB), TSC's TSPL manual (ESC ! ?)
and the USB printer class (GET_PORT_STATUS).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from printer.profiles import Profile
from printer.transports import Transport

DLE_EOT = b"\x10\x04"
STAR_ASK = b"\x1b\x1ea\x00\x1b\x06\x01"  # ESC RS a 0: nothing unasked, then ESC ACK SOH
TSPL_ASK = b"\x1b!?"  # ESC ! ?
_SETTLING_S = 0.05
_BLOCK_BYTES = 82  # longest GS I text, with its header and NUL


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


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing the printer said, and its bytes.

    - `dle-eot`: one byte. - `asb`: 4 bytes of ESC/POS, 7 to 31 of Star. - `gs-r`: one byte.
    - `gs-h`: the four bytes of the id. - `cleared`: none; the buffers are (DLE DC4 8).
    - `text`: what GS I told. - `tspl`: one byte.
    """

    kind: Literal["dle-eot", "asb", "gs-r", "gs-h", "cleared", "text", "tspl"]
    data: bytes

    @property
    def state(self) -> State:
        """What this reply alone tells; UNKNOWN if nothing."""
        match self.kind, self.data:
            case "asb", data if len(data) == 4:
                return _asb(data)
            case "asb", data:
                return _star(data)
            case "gs-r", data if data[0]:
                return State.PAPER_OUT if data[0] & 0x0C else State.PAPER_NEAR_END
            case "tspl", data:
                return _tspl(data[0])
        return State.UNKNOWN


class Ear:
    """Takes what a printer sends, in whatever pieces, apart into replies; drops what is none."""

    def __init__(self, language: str) -> None:
        self._next = {"escpos": _escpos, "starprnt": _starprnt, "tspl": _tspl_byte}[language]
        self._heard = b""

    def hear(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes, in order."""
        self._heard += data
        replies = []
        while self._heard:
            size, reply = self._next(self._heard)
            if size == 0:
                break
            self._heard = self._heard[size:]
            if reply:
                replies.append(reply)
        return replies


# Each takes the first reply off what was heard: the bytes used, none while it is unfinished.
_Taken = tuple[int, Reply | None]


def _escpos(heard: bytes) -> _Taken:
    first = heard[0]
    if first & 0x93 == 0x12:
        return 1, Reply("dle-eot", heard[:1])
    if first & 0x93 == 0x10:
        rest = heard[1:4]
        if any(byte & 0x90 for byte in rest):
            return 1, None
        return (4, Reply("asb", heard[:4])) if len(rest) == 3 else (0, None)
    if first & 0xF0 == 0:
        return 1, Reply("gs-r", heard[:1])
    if first in b"7_":  # 37h: responses of GS ( H and DLE DC4; 5Fh: text of GS I
        return _block(heard)
    return 1, None


def _block(heard: bytes) -> _Taken:
    body, end, _ = heard[1:_BLOCK_BYTES].partition(b"\0")
    if any(not 0x20 <= byte <= 0x7E for byte in body):
        return 1, None
    if not end:
        return (1, None) if len(body) == _BLOCK_BYTES - 1 else (0, None)
    if heard[0] == ord("_"):
        return len(body) + 2, Reply("text", body)
    if body[:1] == b'"' and len(body) == 5:
        return len(body) + 2, Reply("gs-h", body[1:])
    if body == b"%":
        return len(body) + 2, Reply("cleared", b"")
    return 1, None


def _starprnt(heard: bytes) -> _Taken:
    size = _star_number(heard[0])
    if heard[0] & 0x91 != 0x01 or size < 7:
        return 1, None
    if any(byte & 0x91 for byte in heard[1:size]):
        return 1, None
    return (size, Reply("asb", heard[:size])) if len(heard) >= size else (0, None)


def _tspl_byte(heard: bytes) -> _Taken:
    return 1, None if heard[0] & 0x40 else Reply("tspl", heard[:1])


# --- what the bits mean ---


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


def decode_port(status: int | None) -> State:
    """GET_PORT_STATUS tells faults only: many printers answer 18h whatever happens, some 00h."""
    if not status:
        return State.UNKNOWN
    if status & 0x20:
        return State.PAPER_OUT
    if not status & 0x08:
        return State.ERROR
    return State.UNKNOWN if status & 0x10 else State.OFFLINE


def _asb(data: bytes) -> State:
    printer, error, paper, _ = data
    if printer & 0x20:
        return State.COVER_OPEN
    if paper & 0x0C:
        return State.PAPER_OUT
    if error & 0x6C:
        return State.ERROR
    if printer & 0x08:
        return State.OFFLINE
    return State.PAPER_NEAR_END if paper & 0x03 else State.READY


def _star(data: bytes) -> State:
    printer, error, recoverable, paper = data[2:6]
    if printer & 0x20:
        return State.COVER_OPEN
    if paper & 0x08:
        return State.PAPER_OUT
    if error & 0x6C or recoverable & 0x0A:
        return State.ERROR
    if printer & 0x08:
        return State.OFFLINE
    return State.PAPER_NEAR_END if paper & 0x04 else State.READY


def star_count(data: bytes) -> int | None:
    """The ETB counter of a Star ASB, 0 to 31; None if it is too short to have one."""
    return _star_number(data[7]) if len(data) >= 8 else None


def _star_number(byte: int) -> int:
    """The five bits of a number as Star's ASB spreads them, around one that is always 0."""
    return byte >> 2 & 0x18 | byte >> 1 & 0x07


def _tspl(byte: int) -> State:
    if byte & 0x01:
        return State.COVER_OPEN
    if byte & 0x04:
        return State.PAPER_OUT
    if byte & 0x8A:  # jam, no ribbon, other
        return State.ERROR
    # 10h is paused; 20h, printing, is no fault.
    return State.OFFLINE if byte & 0x10 else State.READY


# --- asking ---


def query(transport: Transport, profile: Profile, deadline_s: float = 1.0) -> State:
    """Ask the open `transport` as the profile says; `UNKNOWN` if no answer comes in time.

    The USB port's own status is asked where the printer itself told nothing. Raises `NotSent`,
    `Partial` or `Lost` if the way to the printer fails.
    """
    state = State.UNKNOWN
    if transport.answers and profile.status != "none":
        end = time.monotonic() + deadline_s
        ask = {"dle-eot": _ask_dle_eot, "star": _ask_star, "tspl": _ask_tspl}[profile.status]
        if _silent(transport, end):
            state = ask(transport, end)
    return decode_port(transport.port_status()) if state is State.UNKNOWN else state


def _silent(transport: Transport, end: float) -> bool:
    """Pass over what was said before, or a late reply to an earlier question would pass for this.

    False if it never ends: whatever is there, it does not wait for questions.
    """
    while transport.read(64, 0):
        if time.monotonic() >= end:
            return False
    return True


def _ask_dle_eot(transport: Transport, end: float) -> State:
    """What the printer says; a fault only when it says so twice.

    A reply that comes late, to a question that was given up, is taken for the next one's and moves
    all that follow by one. No fault is hidden by that, but a sound printer's cover seems open.
    """
    state = _four_replies(transport, end)
    if not state.blocks:
        return state
    transport.read(64, min(_SETTLING_S, max(0, end - time.monotonic())))
    again = _four_replies(transport, end) if _silent(transport, end) else State.UNKNOWN
    return state if again is State.UNKNOWN else again


def _four_replies(transport: Transport, end: float) -> State:
    replies: dict[int, int] = {}
    for n in (1, 2, 3, 4):
        # One at a time: replies do not say which question they answer.
        reply = answer(transport, DLE_EOT + bytes([n]), "escpos", "dle-eot", end)
        if reply is None:
            break
        replies[n] = reply.data[0]
    return decode(replies)


def _ask_star(transport: Transport, end: float) -> State:
    reply = answer(transport, STAR_ASK, "starprnt", "asb", end)
    return reply.state if reply else State.UNKNOWN


def _ask_tspl(transport: Transport, end: float) -> State:
    reply = answer(transport, TSPL_ASK, "tspl", "tspl", end)
    return reply.state if reply else State.UNKNOWN


def answer(
    transport: Transport, question: bytes, language: str, kind: str, end: float
) -> Reply | None:
    """The first reply of that kind to `question` before `end`, of the monotonic clock.

    Others are passed over. Raises `NotSent`, `Partial` or `Lost`.
    """
    transport.write(question, end - time.monotonic())
    ear = Ear(language)
    while (left := end - time.monotonic()) > 0:
        for reply in ear.hear(transport.read(1, left)):
            if reply.kind == kind:
                return reply
    return None
