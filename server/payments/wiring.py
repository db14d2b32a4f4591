"""What `create_app` puts together for payments, and how endpoints get at it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from server.announcements import Announcer
from server.payments.acquirer import Acquirer
from server.payments.books import Books
from server.payments.callbacks import SnapListener
from server.settings import Settings


@dataclass(frozen=True)
class Wiring:
    """The acquirer and how to know its voice, the announcer, the books, and the settings."""

    acquirer: Acquirer
    listener: SnapListener
    announcer: Announcer
    books: Books
    settings: Settings


def wiring(request: Request) -> Wiring:
    found: Wiring = request.app.state.payments
    return found


WiringDep = Annotated[Wiring, Depends(wiring)]
