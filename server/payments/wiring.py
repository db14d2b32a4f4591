"""What `create_app` puts together for payments, and how endpoints get at it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from server.announcements import Announcer
from server.payments.acquirer import Acquirer
from server.payments.books import Books
from server.payments.issuing import Issuer
from server.payments.notifications import Inbox
from server.settings import Settings


@dataclass(frozen=True)
class Wiring:
    """An acquirer, where its charges are issued and its notifications heard; and what all need."""

    acquirer: Acquirer
    issuer: Issuer
    inbox: Inbox
    consumer_inbox: Inbox
    announcer: Announcer
    books: Books
    settings: Settings


async def wiring(request: Request) -> Wiring:  # async, or FastAPI runs it in a thread
    found: Wiring = request.app.state.payments
    return found


WiringDep = Annotated[Wiring, Depends(wiring)]
