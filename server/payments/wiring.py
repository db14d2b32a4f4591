"""What `create_app` puts together for payments, and how endpoints get at it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from server.announcements import Announcer
from server.payments.acquirer import Acquirer
from server.payments.books import Books
from server.payments.notifications import Inbox
from server.settings import Settings


@dataclass(frozen=True)
class Wiring:
    """The acquirer, where its notifications are heard, the announcer, books and settings."""

    acquirer: Acquirer
    inbox: Inbox
    consumer_inbox: Inbox
    announcer: Announcer
    books: Books
    settings: Settings


async def wiring(request: Request) -> Wiring:  # async, or FastAPI runs it in a thread
    found: Wiring = request.app.state.payments
    return found


WiringDep = Annotated[Wiring, Depends(wiring)]
