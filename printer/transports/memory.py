"""No printer at all: the bytes are kept."""

from printer.transports.way import Transport


class Memory(Transport):
    """Keeps what was written in `data`; never answers."""

    answers = False

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes, deadline_s: float) -> None:
        """Append to `data`."""
        self.data += data

    def read(self, size: int, deadline_s: float) -> bytes:
        """Silence."""
        return b""

    def _connect(self, deadline_s: float) -> None:
        pass

    def _disconnect(self, linger_s: float) -> None:
        pass
