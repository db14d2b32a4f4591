"""What a complaint can be about, and what can become of it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.states import follow


class ComplaintKind(StrEnum):
    """PAID_NOT_RECORDED: the wallet shows a payment that the books do not. SIGN: a sign, or a
    sticker on it, that may not be ours. NOTICE: an objection to an inspector's notice.
    """

    OVERCHARGED = "overcharged"
    NO_RECEIPT = "no_receipt"
    QR_NOT_OFFERED = "qr_not_offered"
    ATTENDANT = "attendant"
    SIGN = "sign"
    PAID_NOT_RECORDED = "paid_not_recorded"
    NOTICE = "notice"
    OTHER = "other"


class ComplaintState(StrEnum):
    """ANSWERED: the office has told the driver something, and is not done yet."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


class ComplaintEvent(StrEnum):
    """REOPENED: an officer looks into it once more; what was answered stands until then."""

    ANSWERED = "answered"
    CLOSED = "closed"
    REOPENED = "reopened"


class ComplaintOutcome(StrEnum):
    """How the office ended it: right, wrong, or not to be found out."""

    UPHELD = "upheld"
    NOT_UPHELD = "not_upheld"
    UNCLEAR = "unclear"


COMPLAINT_TABLE: Mapping[tuple[ComplaintState, ComplaintEvent], ComplaintState] = MappingProxyType(
    {
        (ComplaintState.OPEN, ComplaintEvent.ANSWERED): ComplaintState.ANSWERED,
        (ComplaintState.ANSWERED, ComplaintEvent.ANSWERED): ComplaintState.ANSWERED,
        (ComplaintState.ANSWERED, ComplaintEvent.CLOSED): ComplaintState.CLOSED,
        (ComplaintState.CLOSED, ComplaintEvent.REOPENED): ComplaintState.ANSWERED,
    }
)


def advance(state: ComplaintState, event: ComplaintEvent) -> ComplaintState:
    """The next state; raises TransitionRefused."""
    return follow(COMPLAINT_TABLE, state, event)
