"""Hand-off to RawBT, an Android app that owns the printer: the job becomes a link to open there.

Nothing comes back from the app, so what was handed off is always uncertain.
"""

import base64

from printer.transports.memory import Memory

_PACKAGE = "ru.a402d.rawbtprinter"


class RawBt(Memory):
    """Collects a job; `link` or `intent` then hands it to the app, each time it is opened."""

    @property
    def link(self) -> str:
        """For a browser or another app on the same telephone."""
        return f"rawbt:base64,{self._encoded()}"

    @property
    def intent(self) -> str:
        """For Chrome, which offers the app's page in the store where it is missing."""
        return f"intent:base64,{self._encoded()}#Intent;scheme=rawbt;package={_PACKAGE};end;"

    def _connect(self, deadline_s: float) -> None:
        self.data.clear()

    def _encoded(self) -> str:
        return base64.b64encode(self.data).decode()
