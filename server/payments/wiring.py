"""What `create_app` puts together for payments, and how endpoints get at it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from domain.payment import ChargeKind
from server.announcements import Announcer
from server.payments.acquirer import Acquirers
from server.payments.books import Books
from server.payments.issuing import Issuer
from server.payments.notifications import Inbox
from server.settings import Settings


@dataclass(frozen=True)
class Wiring:
    """The acquirers, where charges are issued and notifications heard; and what all need."""

    acquirers: Acquirers
    issuer: Issuer
    inboxes: Mapping[tuple[str, ChargeKind], Inbox]
    """Where each acquirer is heard, by its name and the kind of charge it speaks of."""
    announcer: Announcer
    books: Books
    settings: Settings

    @property
    def inbox(self) -> Inbox:
        """Where the first acquirer is heard of merchants' barcodes."""
        return self.inboxes[self.acquirers.first.profile.name, ChargeKind.MPM]


async def wiring(request: Request) -> Wiring:  # async, or FastAPI runs it in a thread
    found: Wiring = request.app.state.payments
    return found


WiringDep = Annotated[Wiring, Depends(wiring)]
