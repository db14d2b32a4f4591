"""What the page of a case of any kind says of the work on it, and what its reader may do there."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseState
from server.casework import service as casework
from server.casework.models import MOST_WORDS, CaseComment, CaseKind
from server.casework.service import RIGHTS, Told
from server.identity.models import Officer, Role
from server.identity.service import Right, rights_of
from server.office import case_list, settling
from server.office.settling import PLAIN
from server.reconciliation.claims import Source

PLACES = {
    CaseKind.DISCREPANCY: "/office/discrepancies/{}",
    CaseKind.SUSPENSE: "/office/cases/{}",
    CaseKind.REFUND: "/office/refunds/{}",
    CaseKind.UNENDED: "/office/unended-stays/{}",
    CaseKind.COUNT: "/office/shifts/{}",
    CaseKind.QUARANTINE: "/office/quarantine/{}",
    CaseKind.COMPLAINT: "/office/complaints/{}",
    CaseKind.SIGN: "/office/sign-cases/{}",
    CaseKind.CLAIM: "/office/claims/{}",
    CaseKind.TRANSFER: "/office/transfers/{}",
}
"""The page of a case of each kind."""


def place(kind: CaseKind, case_id: UUID) -> str:
    return PLACES[kind].format(case_id)


@dataclass(frozen=True)
class Board:
    """What the page of a case says of the work on it, and what this officer may do there."""

    kind: CaseKind
    case_id: UUID
    state: CaseState
    assigned: Officer | None
    assignable: Sequence[Officer]
    comments: Sequence[tuple[CaseComment, str]]
    history: Sequence[Told]
    outcomes: Sequence[str]
    proposed: Told | None
    may_work: bool
    may_propose: bool
    may_decide: bool
    may_reopen: bool
    sources: Sequence[Source] = ()
    """What may be named as the money that ends the case."""
    most_words: int = MOST_WORDS

    @property
    def path(self) -> str:
        return f"/office/casework/{self.kind}/{self.case_id}"


async def board(
    db: AsyncSession,
    officer: Officer,
    kind: CaseKind,
    case_id: UUID,
    state: CaseState,
    *,
    outcomes: Sequence[str] = (),
    sources: Sequence[Source] = (),
    reopenable: bool,
) -> Board:
    """`outcomes` are those to choose from, of a case that is ended on this very board."""
    role = Role(officer.role)
    rights = rights_of(officer)
    steps = await casework.steps_of(db, kind, case_id)
    history = await casework.history(db, kind, case_id)
    waiting = casework.proposal(steps)
    return Board(
        kind=kind,
        case_id=case_id,
        state=state,
        assigned=await casework.assigned_to(db, kind, case_id),
        assignable=await case_list.assignable(db, kind, case_id),
        comments=await casework.comments(db, kind, case_id),
        history=history,
        outcomes=outcomes,
        sources=sources,
        proposed=next((t for t in reversed(history) if waiting and t.event == "proposed"), None),
        may_work=Right.WORK_CASE in rights,
        may_propose=state is CaseState.OPEN
        and RIGHTS[kind].proposes in rights
        and (kind in PLAIN or bool(outcomes)),
        may_decide=state is CaseState.PROPOSED
        and waiting is not None
        and RIGHTS[kind].decides in rights
        and waiting.officer_id != officer.id,
        may_reopen=reopenable and state is CaseState.CLOSED and casework.works_on(role, kind),
    )


async def plain_board(
    db: AsyncSession,
    officer: Officer,
    kind: CaseKind,
    case_id: UUID,
    *,
    outcomes: Sequence[str] = (),
) -> Board:
    """Of a case that moves no money by itself, save for cash that it holds."""
    state = await settling.state(db, kind, case_id)
    closed = await settling.closed_by_officers(db, kind, case_id)
    return await board(db, officer, kind, case_id, state, outcomes=outcomes, reopenable=closed)
