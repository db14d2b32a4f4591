"""What every way to a printer can do, and who may use one: one owner a printer on this host."""

import time
from abc import ABC, abstractmethod

from printer.errors import NotSent
from printer.transports.owner import Claim


class Transport(ABC):
    """Carries bytes to one printer and back. Durations are seconds from the call, and are kept.

    `answers` is False if nothing ever comes back this way, so that waiting for it is idle; `paced`
    is True where the way takes bytes faster than a slow printer behind it can. `open` claims
    `address` for this owner until `close`; an empty one is nobody else's.
    """

    answers = True
    paced = False
    address = ""

    _claim: Claim | None = None

    def open(self, deadline_s: float) -> None:
        """Connect. Raises `Busy` while another owner holds the printer, else `NotSent`."""
        end = time.monotonic() + deadline_s
        claim = Claim(self.address, deadline_s)
        try:
            self._connect(max(0.0, end - time.monotonic()))
        except BaseException:
            claim.release()
            raise
        self._claim = claim

    @abstractmethod
    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand over all of `data`. Raises `NotSent`, `Partial` or `Lost`, each with `sent`."""

    @abstractmethod
    def read(self, size: int, deadline_s: float) -> bytes:
        """1 to `size` bytes as soon as there are any; empty on silence. Raises `Lost`."""

    def port_status(self) -> int | None:
        """The status byte of the USB printer class (GET_PORT_STATUS); None where there is none."""
        return None

    def line_s(self, size: int) -> float:
        """Seconds that so many bytes need on a line of known speed; 0 where it has none."""
        return 0.0

    def close(self, linger_s: float = 2.0) -> None:
        """Let the tail go out for at most `linger_s`, then disconnect. Never raises.

        What a serial line's driver still holds has its time on the line besides.
        """
        try:
            self._disconnect(linger_s)
        finally:
            claim, self._claim = self._claim, None
            if claim is not None:
                claim.release()

    @abstractmethod
    def _connect(self, deadline_s: float) -> None:
        """Open the connection itself. Raises `NotSent`."""

    @abstractmethod
    def _disconnect(self, linger_s: float) -> None:
        """Close the connection itself, open or not. Never raises."""


class Indirect(Transport):
    """Goes by another way, which is looked for anew each time it is opened."""

    _way: Transport | None = None

    @abstractmethod
    def _find(self) -> Transport:
        """The way to go by, not yet open. Raises `NotSent` where there is none."""

    def _connect(self, deadline_s: float) -> None:
        way = self._find()
        way.open(deadline_s)
        self._way, self.answers = way, way.answers

    def write(self, data: bytes, deadline_s: float) -> None:
        """Hand the bytes to the system's driver; that is not yet the printer."""
        self._opened().write(data, deadline_s)

    def read(self, size: int, deadline_s: float) -> bytes:
        """What the printer said; `Lost` when it went away."""
        return self._opened().read(size, deadline_s)

    def port_status(self) -> int | None:
        """As the way itself has it."""
        return self._opened().port_status()

    def line_s(self, size: int) -> float:
        """As the way itself has it."""
        return self._opened().line_s(size)

    def _disconnect(self, linger_s: float) -> None:
        way, self._way = self._way, None
        if way is not None:
            way.close(linger_s)

    def _opened(self) -> Transport:
        if self._way is None:
            raise NotSent("the printer is not open")
        return self._way
