"""Changing a rule that steers money: one officer proposes it, another decides, and it holds.

What a proposal would change is found by doing it and undoing it again, so that the words on the
page, the refusals and the approval come of the same code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.states import TransitionRefused
from server.database import new_id
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import ROOT, Officer
from server.identity.service import MAY, Right
from server.reports.table import Said
from server.rules import standing
from server.rules.kinds import RULE, Act, Rule, RuleOverlaps, TariffBack
from server.rules.models import RuleProposal
from server.rules.standing import Effects
from server.spots import service as spots
from server.spots.states import ProposalEvent, ProposalState, advance


class RuleProposalNotFound(NotFound):
    slug = "rule-proposal-not-found"
    title_id = "Usulan aturan ini tidak ada"
    title_en = "There is no such proposal of a rule"


class RuleProposalDecided(Problem):
    slug = "rule-proposal-decided"
    status = 409
    title_id = "Usulan aturan ini sudah diputuskan atau ditarik"
    title_en = "This proposal of a rule was decided or withdrawn already"


class RuleProposalOpen(Problem):
    slug = "rule-proposal-open"
    status = 409
    title_id = "Usulan yang sama sudah menunggu keputusan"
    title_en = "The same proposal waits for a decision already"


class OwnRuleProposal(Problem):
    slug = "own-rule-proposal"
    status = 403
    title_id = "Yang mengusulkan aturan tidak boleh memutuskannya"
    title_en = "Who proposed the rule may not decide it"


class NotOwnRuleProposal(Problem):
    slug = "not-own-rule-proposal"
    status = 403
    title_id = "Hanya yang mengusulkan aturan boleh menariknya"
    title_en = "Only who proposed the rule may withdraw it"


class RuleTooSoon(Problem):
    slug = "rule-too-soon"
    status = 409
    title_id = "Aturan ini paling cepat berlaku besok"
    title_en = "This rule is in force tomorrow at the earliest"


class RuleUnchanged(Problem):
    slug = "rule-unchanged"
    status = 409
    title_id = "Aturannya sudah seperti itu"
    title_en = "The rule is so already"


class RuleNeedsTwo(Problem):
    slug = "rule-needs-two"
    status = 403
    title_id = "Aturan diubah oleh dua petugas: usulkan dengan `karcis rule propose`"
    title_en = "A rule is changed by two officers: propose it with `karcis rule propose`"


@dataclass(frozen=True)
class Proposed:
    """A proposal with its names, as people see it."""

    id: UUID
    rule: Rule
    said: Said
    reason: str
    state: ProposalState
    proposed_by: UUID
    maker: str
    proposed_at: datetime
    checker: str
    decided_at: datetime | None
    why: str


def parsed(told: Mapping[str, Any]) -> Rule:
    """Raises InvalidRequest in words."""
    try:
        return RULE.validate_python(dict(told))
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise InvalidRequest(f"{where}: {first['msg']}".removeprefix(": ")) from exc


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    rule: Rule,
    reason: str,
    *,
    today: date,
    now: datetime,
) -> UUID:
    """Ask that a rule is put in force. Returns the proposal's id.

    Raises RoleNotAllowed, InvalidRequest, RuleTooSoon, RuleUnchanged, RuleProposalOpen, or what
    putting it in force would.
    """
    maker = await identity.acting(db, officer_id, Right.PROPOSE_RULE)
    if not reason.strip():
        raise InvalidRequest("reason")
    made = RuleProposal(
        id=new_id(),
        kind=rule.kind,
        body=rule.model_dump(mode="json"),
        reason=reason.strip(),
        state=ProposalState.REQUESTED.value,
        proposed_by=maker.id,
        proposed_at=now,
        why="",
    )
    try:
        async with db.begin_nested():
            db.add(made)
    except IntegrityError as exc:
        if "uq_rule_proposals_open" in str(exc):
            raise RuleProposalOpen from exc
        raise
    await effects(db, rule, Act(made.id, maker.login, today, now))
    return made.id


async def preview(
    db: AsyncSession, officer_id: UUID, rule: Rule, *, today: date, now: datetime
) -> Effects:
    """What a rule would change; raises what proposing it would. Nothing is kept."""
    trial = await db.begin_nested()
    try:
        proposal = await propose(db, officer_id, rule, "-", today=today, now=now)
        return await effects(db, rule, Act(proposal, "", today, now))
    finally:
        await trial.rollback()


async def effects(db: AsyncSession, rule: Rule, act: Act) -> Effects:
    """What a proposal changes if it is approved now; raises what approving it would."""
    before = await standing.every(db)
    trial = await db.begin_nested()
    try:
        await _apply(db, rule, act)
        found = standing.compared(before, await standing.every(db))
    finally:
        await trial.rollback()
    if not found and not isinstance(rule, TariffBack):
        raise RuleUnchanged
    return found


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    proposal_id: UUID,
    *,
    approve: bool,
    why: str,
    today: date,
    now: datetime,
) -> None:
    """Put what another officer proposed in force, or decline it.

    Raises RoleNotAllowed, RuleProposalNotFound, OwnRuleProposal, RuleProposalDecided, RuleTooSoon,
    or what putting it in force does.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_RULE)
    row = await _locked(db, proposal_id)
    if row.proposed_by == checker.id:
        raise OwnRuleProposal
    after = _after(row, ProposalEvent.APPROVED if approve else ProposalEvent.DECLINED)
    row.state, row.decided_by, row.decided_at, row.why = after, checker.id, now, why.strip()
    await db.flush()
    if approve:
        maker = await db.get_one(Officer, row.proposed_by)
        who = f"{maker.login}, {checker.login}"
        await _apply(db, RULE.validate_python(row.body), Act(row.id, who, today, now))


async def withdraw(
    db: AsyncSession, officer_id: UUID, proposal_id: UUID, why: str, *, now: datetime
) -> None:
    """Raises RoleNotAllowed, RuleProposalNotFound, NotOwnRuleProposal or RuleProposalDecided."""
    maker = await identity.acting(db, officer_id, Right.PROPOSE_RULE)
    row = await _locked(db, proposal_id)
    if row.proposed_by != maker.id:
        raise NotOwnRuleProposal
    row.state = _after(row, ProposalEvent.WITHDRAWN)
    row.decided_by, row.decided_at, row.why = maker.id, now, why.strip()
    await db.flush()


async def refuse_unless_alone(db: AsyncSession) -> None:
    """One person sets rules only while nobody is there to check; raises RuleNeedsTwo."""
    checkers = [role.value for role, rights in MAY.items() if Right.DECIDE_RULE in rights]
    there = select(Officer.id).where(
        Officer.role.in_(checkers), Officer.unit_id == ROOT, Officer.switched_off_at.is_(None)
    )
    if await db.scalar(there.limit(1)) is not None:
        raise RuleNeedsTwo


async def found(db: AsyncSession, proposal_id: UUID) -> Proposed:
    """Raises RuleProposalNotFound."""
    rows = await _told(db, _named().where(RuleProposal.id == proposal_id))
    if not rows:
        raise RuleProposalNotFound
    return rows[0]


async def waiting(db: AsyncSession) -> Sequence[Proposed]:
    """The oldest first."""
    waits = RuleProposal.state == ProposalState.REQUESTED
    return await _told(db, _named().where(waits).order_by(RuleProposal.id))


async def latest(db: AsyncSession, limit: int) -> Sequence[Proposed]:
    """Those that wait first, then the newest."""
    waits = RuleProposal.state == ProposalState.REQUESTED
    return await _told(db, _named().order_by(waits.desc(), RuleProposal.id.desc()).limit(limit))


def _named() -> Select[Any]:
    maker = select(Officer.name).where(Officer.id == RuleProposal.proposed_by)
    checker = select(Officer.name).where(Officer.id == RuleProposal.decided_by)
    return select(
        RuleProposal, maker.scalar_subquery(), func.coalesce(checker.scalar_subquery(), "")
    )


async def _told(db: AsyncSession, asked: Select[Any]) -> list[Proposed]:
    zones = dict(await spots.zone_names(db))
    told = []
    for row, maker, checker in await db.execute(asked):
        rule = RULE.validate_python(row.body)
        told.append(
            Proposed(
                id=row.id,
                rule=rule,
                said=rule.said(zones),
                reason=row.reason,
                state=ProposalState(row.state),
                proposed_by=row.proposed_by,
                maker=maker,
                proposed_at=row.proposed_at,
                checker=checker,
                decided_at=row.decided_at,
                why=row.why,
            )
        )
    return told


async def _locked(db: AsyncSession, proposal_id: UUID) -> RuleProposal:
    row = await db.scalar(
        select(RuleProposal)
        .where(RuleProposal.id == proposal_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise RuleProposalNotFound
    return row


def _after(row: RuleProposal, event: ProposalEvent) -> str:
    try:
        return advance(ProposalState(row.state), event).value
    except TransitionRefused as exc:
        raise RuleProposalDecided from exc


async def _apply(db: AsyncSession, rule: Rule, act: Act) -> None:
    if rule.ahead and rule.begins <= act.today:
        raise RuleTooSoon
    try:
        async with db.begin_nested():
            await rule.apply(db, act)
    except IntegrityError as exc:
        if "one_in_force" in str(exc):
            raise RuleOverlaps from exc
        raise
