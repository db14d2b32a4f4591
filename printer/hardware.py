"""The hardware of the virtual printer: what a script or a person did to it, what it says of itself.

The bytes are written down a second time here, apart from `status`, so that a mistake in reading
them shows. Bits after Epson's ESC/POS reference (DLE EOT n, GS a, GS r), Star's StarPRNT
specification (ASB) and TSC's TSPL manual (ESC ! ?).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from printer.errors import UnknownFault


@dataclass(slots=True)
class Hardware:
    """The state just now; every field may be changed at any time, and counts for the next byte."""

    power: bool = True
    cover_open: bool = False
    near_end: bool = False
    hot: bool = False
    jammed: bool = False
    lines_left: int | None = None  # until the roll is empty; None: it never is
    lines_to_heat: int | None = None  # until the head is too hot, once
    knife_sticks: bool = False  # the next cut jams

    @property
    def paper_out(self) -> bool:
        return self.lines_left == 0

    @property
    def stopped(self) -> bool:
        """True while it is offline: data stays in the buffer, only real-time commands count."""
        return self.cover_open or self.paper_out or self.hot or self.jammed

    def use(self, lines: int) -> None:
        """So many lines were printed or fed."""
        if self.lines_left is not None:
            self.lines_left = max(0, self.lines_left - lines)
        if self.lines_to_heat is not None:
            self.lines_to_heat -= lines
            if self.lines_to_heat <= 0:
                self.hot, self.lines_to_heat = True, None

    def cut(self) -> None:
        """The knife came down."""
        if self.knife_sticks:
            self.jammed, self.knife_sticks = True, False

    def dle_eot(self, n: int) -> int:
        """The reply to DLE EOT n: 1 printer, 2 cause of being offline, 3 error, 4 paper."""
        match n:
            case 1:
                return 0x16 | 0x08 * self.stopped
            case 2:
                error = self.hot or self.jammed
                return 0x12 | 0x04 * self.cover_open | 0x20 * self.paper_out | 0x40 * error
            case 3:
                return 0x12 | 0x08 * self.jammed | 0x40 * self.hot
            case _:
                return 0x12 | 0x0C * (self.near_end or self.paper_out) | 0x60 * self.paper_out

    def asb(self) -> bytes:
        """The four bytes of the automatic status: printer, error, paper, none."""
        return bytes(
            (
                0x14 | 0x08 * self.stopped | 0x20 * self.cover_open,
                0x08 * self.jammed | 0x40 * self.hot,
                self.gs_r() | 0x0C * self.paper_out,
                0,
            )
        )

    def gs_r(self) -> int:
        """The reply to GS r 1. It never tells of an empty roll, for then it does not come."""
        return 0x03 * (self.near_end or self.paper_out)

    def star_asb(self, count: int) -> bytes:
        """Star's automatic status, nine bytes with the count of ended documents (0 to 31)."""
        printer = 0x08 * self.stopped | 0x20 * self.cover_open
        error = 0x08 * self.jammed | 0x40 * self.hot
        paper = 0x04 * (self.near_end or self.paper_out) | 0x08 * self.paper_out
        counted = (count & 0x18) << 2 | (count & 0x07) << 1
        return bytes((0x23, 0x06, printer, error, 0, paper, 0, counted, 0))

    def tspl(self, *, printing: bool) -> int:
        """The reply to ESC ! ?. It has no bit for a roll that is nearly empty."""
        faults = 0x01 * self.cover_open | 0x02 * self.jammed | 0x04 * self.paper_out
        return faults | 0x80 * self.hot | 0x20 * printing


_FLAGS = (
    "near-end",
    "cover-open",
    "silent",
    "wrong-status",
    "unasked-asb",
    "raster-swallowed",
    "keeps-buffer",
    "loses-buffer",
    "cutter-jam",
)
_COUNTS = ("paper-out", "cut-at", "stall", "slow", "drop-tail", "hot-head")
_ZERO_IF_BARE = ("stall", "hot-head")

FAULTS = (
    "paper-out:LINES, near-end, cover-open, hot-head[:LINES], cutter-jam, cut-at:BYTES, "
    "raster-swallowed, keeps-buffer, loses-buffer, stall[:BYTES], slow:BYTES_PER_S, "
    "drop-tail:BYTES, silent, wrong-status, late-status:SECONDS, unasked-asb"
)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, as scripted; any of them together. Counts are per printer."""

    paper_out: int | None = None  # lines until the roll is empty
    near_end: bool = False
    cover_open: bool = False
    hot_head: int | None = None  # lines until the head is too hot, once; it cools by itself
    cutter_jam: bool = False  # at the first cut
    cut_at: int | None = None  # bytes until the power fails, once; then it is as after switching on
    raster_swallowed: bool = False  # the half raster of that moment eats what comes next
    keeps_buffer: bool = False  # what waited comes out after a refill, whatever the profile says
    loses_buffer: bool = False  # or is gone
    stall: int | None = None  # bytes until it reads no further, connection kept
    slow: int | None = None  # bytes it prints in a second
    drop_tail: int | None = None  # last bytes that are lost when the connection closes at once
    silent: bool = False  # prints, but never answers
    wrong_status: bool = False  # answers rubbish
    late_status: float = 0.0  # seconds until an answer is on its way
    unasked_asb: bool = False  # sends its status at each change, without GS a

    @classmethod
    def parse(cls, specs: Iterable[str]) -> "Faults":
        """From the words of `FAULTS`, one a string. Raises `UnknownFault`."""
        played: dict[str, Any] = {}
        for spec in specs:
            name, colon, count = spec.partition(":")
            field = name.replace("-", "_")
            if (name in _FLAGS or name in _ZERO_IF_BARE) and not colon:
                played[field] = True if name in _FLAGS else 0
            elif name in _COUNTS and count.isdecimal() and (name != "slow" or int(count)):
                played[field] = int(count)
            elif name == "late-status" and count.replace(".", "", 1).isdecimal():
                played[field] = float(count)
            else:
                raise UnknownFault(f"no fault {spec!r}; there are: {FAULTS}")
        return cls(**played)

    def hardware(self) -> Hardware:
        """The state that the printer begins in."""
        return Hardware(
            cover_open=self.cover_open,
            near_end=self.near_end,
            hot=self.hot_head == 0,
            lines_left=self.paper_out,
            lines_to_heat=self.hot_head or None,
            knife_sticks=self.cutter_jam,
        )


NO_FAULTS = Faults()
