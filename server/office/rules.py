"""Rules that steer money: what is in force, and how two officers change it."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import QueryParams

from domain.mdr import MerchantCriteria
from domain.tariff import VehicleClass
from server import pages
from server.database import Transaction, TransactionsDep
from server.errors import InvalidRequest, Problem, language_of
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office.signed_in import OfficerDep, allowed, confirmed
from server.office.taken_out import What, csv_file
from server.pages import Blank, DayOrNone
from server.payments.wiring import WiringDep
from server.rules import changes, service, standing
from server.rules.changes import Wanted
from server.rules.kinds import WEEKDAYS, Act
from server.rules.standing import Standing
from server.rules.states import Kind
from server.spots import service as spots
from server.spots.states import ProposalState

router = APIRouter(prefix="/rules")
TEMPLATES = Path(__file__).parent / "templates"
Why = Annotated[str, Form(min_length=1, max_length=200)]
PERCENTS = ("attendant_bp", "third_party_bp", "rate_bp")
FORMS = tuple(kind for kind in Kind if kind is not Kind.TARIFF_BACK)


@router.get("")
async def rules_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    today = wired.books.day(datetime.now(UTC))
    rules: dict[tuple[str, bool], list[Standing]] = defaultdict(list)
    for one in await standing.every(db):
        rules[one.rule.kind, one.state(today) == "past"].append(one)
    return pages.render(
        request,
        TEMPLATES,
        "rules.html",
        books=wired.books,
        kinds=[(kind, rules[kind, False], rules[kind, True]) for kind in FORMS],
        proposed=await service.waiting(db),
        zones=dict(await spots.zone_names(db)),
        today=today,
        may_propose=Right.PROPOSE_RULE in MAY[Role(officer.role)],
    )


@router.get("/new/{kind}")
async def new_page(
    kind: Kind,
    request: Request,
    officer: Annotated[Officer, allowed(Right.PROPOSE_RULE)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    """What is asked for stands in the page's address; with it, what it would change."""
    now = datetime.now(UTC)
    today = wired.books.day(now)
    zones = dict(await spots.zone_names(db))
    asked = request.query_params
    shown: dict[str, Any] = {"rule": None, "effects": None, "refused": None, "told": ""}
    if set(asked) - {"lang"}:
        try:
            rule = service.parsed(_told(kind, asked))
            shown |= {"rule": rule.said(zones), "begins": rule.begins}
            shown["effects"] = await service.preview(db, officer.id, rule, today=today, now=now)
            shown["told"] = rule.model_dump_json()
        except Problem as exc:
            shown["refused"] = exc.body(language_of(request))
    return pages.render(
        request,
        TEMPLATES,
        "rule-new.html",
        books=wired.books,
        kind=kind,
        asked=asked,
        zones=zones,
        weekdays=WEEKDAYS,
        criteria=list(MerchantCriteria),
        wheels=list(VehicleClass),
        tomorrow=today + timedelta(days=1),
        today=today,
        **shown,
    )


def _told(kind: Kind, asked: QueryParams) -> dict[str, Any]:
    """A form's fields as the rule has them: what is blank is left out, per cent are basis points.

    Raises InvalidRequest.
    """
    told: dict[str, Any] = {"kind": kind.value}
    for name, value in asked.items():
        if name == "lang" or not value.strip():
            continue
        told[name] = _basis_points(value) if name in PERCENTS else value.strip()
    if kind is Kind.PAYOUT:
        told["weekdays"] = asked.getlist("weekdays")
    if kind is Kind.PASSES:
        told["zones"] = asked.getlist("zones")
    return told


def _basis_points(value: str) -> int:
    whole, _, part = value.strip().replace(".", ",").partition(",")
    if not whole.isdecimal() or len(whole) > 3 or (part and not part.isdecimal()) or len(part) > 2:
        raise InvalidRequest(f"{value[:20]}: 0 … 100, 2 ,..")
    return int(whole) * 100 + int(part.ljust(2, "0"))


@router.post("/proposals")
async def propose(
    officer: Annotated[Officer, confirmed(Right.PROPOSE_RULE)],
    db: Transaction,
    wired: WiringDep,
    rule: Annotated[str, Form(max_length=5_000)],
    reason: Annotated[str, Form(min_length=1, max_length=500)],
) -> Response:
    """`rule` is what the page showed, as JSON."""
    try:
        told = json.loads(rule)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest(str(exc)) from exc
    if not isinstance(told, dict):
        raise InvalidRequest("rule")
    now = datetime.now(UTC)
    today = wired.books.day(now)
    asked = await service.propose(
        db, officer.id, service.parsed(told), reason, today=today, now=now
    )
    return RedirectResponse(f"/office/rules/proposals/{asked}", 303)


@router.get("/proposals/{proposal_id}")
async def proposal_page(
    proposal_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    now = datetime.now(UTC)
    one = await service.found(db, proposal_id)
    rights, waits = MAY[Role(officer.role)], one.state is ProposalState.REQUESTED
    own = one.proposed_by == officer.id
    effects, refused = None, None
    if waits:
        act = Act(one.id, "", wired.books.day(now), now)
        try:
            effects = await service.effects(db, one.rule, act)
        except Problem as exc:
            refused = exc.body(language_of(request))
    return pages.render(
        request,
        TEMPLATES,
        "rule-proposal.html",
        books=wired.books,
        one=one,
        effects=effects,
        refused=refused,
        zones=dict(await spots.zone_names(db)),
        today=wired.books.day(now),
        may_decide=waits and not own and Right.DECIDE_RULE in rights,
        may_withdraw=waits and own and Right.PROPOSE_RULE in rights,
    )


@router.post("/proposals/{proposal_id}/decision")
async def decide(
    proposal_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_RULE)],
    db: Transaction,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Why,
) -> Response:
    now = datetime.now(UTC)
    today = wired.books.day(now)
    approve = decision == "approve"
    await service.decide(
        db, officer.id, proposal_id, approve=approve, why=why, today=today, now=now
    )
    return RedirectResponse(f"/office/rules/proposals/{proposal_id}", 303)


@router.post("/proposals/{proposal_id}/withdrawal")
async def withdraw(
    proposal_id: UUID,
    officer: Annotated[Officer, confirmed(Right.PROPOSE_RULE)],
    db: Transaction,
    why: Why,
) -> Response:
    await service.withdraw(db, officer.id, proposal_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/rules/proposals/{proposal_id}", 303)


# The log of changes

OfKind = Annotated[str, Query(pattern=f"^({'|'.join([*Kind, changes.TARIFF])})?$")]
InState = Annotated[str, Query(pattern=f"^({'|'.join(ProposalState)})?$")]
First = Annotated[DayOrNone, Query(alias="from")]
Last = Annotated[DayOrNone, Query(alias="to")]


@router.get("/changes")
async def changes_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    kind: OfKind = "",
    state: InState = "",
    first: First = None,
    last: Last = None,
    after: Annotated[UUID | None, Blank] = None,
) -> Response:
    wanted = Wanted(kind, state, first, last)
    rows = await changes.some(db, wanted, wired.books.timezone, after)
    chosen = {
        name: str(value)
        for name, value in (("kind", kind), ("state", state), ("from", first), ("to", last))
        if value
    }
    more, rows = len(rows) > changes.PAGE, rows[: changes.PAGE]
    return pages.render(
        request,
        TEMPLATES,
        "rule-changes.html",
        books=wired.books,
        rows=rows,
        kinds=[*Kind, changes.TARIFF],
        states=list(ProposalState),
        wanted=wanted,
        chosen=urlencode(chosen),
        next_page=urlencode({**chosen, "after": rows[-1].id}) if more else "",
        is_first=after is None,
    )


@router.get("/changes.csv")
async def changes_csv(
    request: Request,
    officer: OfficerDep,
    transactions: TransactionsDep,
    wired: WiringDep,
    kind: OfKind = "",
    state: InState = "",
    first: First = None,
    last: Last = None,
) -> Response:
    async def lines() -> AsyncIterator[str]:
        async with transactions.begin() as db:
            wanted = Wanted(kind, state, first, last)
            language = language_of(request)
            async for line in changes.as_csv(db, wanted, wired.books.timezone, language):
                yield line

    if first and last and last < first:
        raise InvalidRequest("from, to: the first day first")
    now = datetime.now(UTC)
    today = wired.books.day(now)
    asked = {"kind": kind, "state": state, "from": str(first or ""), "to": str(last or "")}
    what = What(
        "perubahan-aturan",
        first or min(last or today, today),
        last or max(first or today, today),
        {name: told for name, told in asked.items() if told},
    )
    return await csv_file(transactions, officer, what, "perubahan-aturan.csv", lines(), now=now)
