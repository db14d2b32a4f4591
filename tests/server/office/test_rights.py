"""Who may do what in the office: every form times every role, and nothing for a wrong password."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from server import sample
from server.database import Transactions, new_id
from server.identity import service as identity
from server.identity.models import Role
from server.identity.service import MAY, Right
from server.office import endpoints
from server.office.signed_in import confirm
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

RIGHTS = {
    "/office/settlement": Right.TAKE_IN_FILES,
    "/office/statement": Right.TAKE_IN_FILES,
    "/office/settlement/preview": Right.TAKE_IN_FILES,
    "/office/statement/preview": Right.TAKE_IN_FILES,
    "/office/reconcile": Right.RECONCILE,
    "/office/close": Right.CLOSE_DAY,
    "/office/days/{day}/decision": Right.LOCK_DAY,
    "/office/days/{day}/reopening": Right.CLOSE_DAY,
    "/office/days/{day}/reopening/decision": Right.LOCK_DAY,
    "/office/ledger/deposits": Right.RECORD_DEPOSIT,
    "/office/deposits": Right.MAKE_REMITTANCE,
    "/office/deposits/{remittance_id}/decision": Right.DECIDE_REMITTANCE,
    "/office/payouts": Right.PAY_SHARES,
    "/office/payouts/accounts": Right.PAY_SHARES,
    "/office/payouts/accounts/{account_id}/decision": Right.DECIDE_PAYOUT,
    "/office/payouts/{run_id}/decision": Right.DECIDE_PAYOUT,
    "/office/payouts/{run_id}/bank.csv": Right.PAY_SHARES,
    "/office/payouts/{run_id}/results": Right.PAY_SHARES,
    "/office/payouts/results": Right.PAY_SHARES,
    "/office/payouts/results/preview": Right.PAY_SHARES,
    "/office/acquirers/switch": Right.SWITCH_ACQUIRER,
    "/office/acquirers/choices": Right.CHOOSE_ACQUIRER,
    "/office/acquirers/choices/{choice_id}/decision": Right.DECIDE_ACQUIRER,
    "/office/acquirers/choices/{choice_id}/withdrawal": Right.SWITCH_ACQUIRER,
    "/office/tariffs/{zone}/proposals": Right.PROPOSE_TARIFF,
    "/office/tariffs/proposals/{proposal_id}/decision": Right.DECIDE_TARIFF,
    "/office/tariffs/proposals/{proposal_id}/withdrawal": Right.PROPOSE_TARIFF,
    "/office/rules/proposals": Right.PROPOSE_RULE,
    "/office/rules/proposals/{proposal_id}/decision": Right.DECIDE_RULE,
    "/office/rules/proposals/{proposal_id}/withdrawal": Right.PROPOSE_RULE,
    "/office/vouchers/issues": Right.ISSUE_VOUCHERS,
    "/office/vouchers/proposals/{proposal_id}/decision": Right.DECIDE_VOUCHERS,
    "/office/vouchers/proposals/{proposal_id}/withdrawal": Right.ISSUE_VOUCHERS,
    "/office/vouchers/{number}/voids": Right.ISSUE_VOUCHERS,
    "/office/vouchers/{number}/sheets": Right.ISSUE_VOUCHERS,
    "/office/charges/{charge_id}/refunds": Right.REQUEST_REFUND,
    "/office/charges/{charge_id}/cancel": Right.CANCEL_CHARGE,
    "/office/refunds/{refund_id}/decision": Right.DECIDE_REFUND,
    "/office/refunds/{refund_id}/transfer": Right.RECORD_TRANSFER,
    "/office/refunds/{refund_id}/withdrawal": Right.DECIDE_REFUND,
    "/office/cases/{case_id}/proposal": Right.PROPOSE_CASE,
    "/office/cases/{case_id}/decision": Right.DECIDE_CASE,
    "/office/casework/{kind}/{case_id}/assignment": Right.WORK_CASE,
    "/office/casework/{kind}/{case_id}/comments": Right.WORK_CASE,
    "/office/casework/{kind}/{case_id}/proposal": Right.WORK_CASE,
    "/office/casework/{kind}/{case_id}/decision": Right.DECIDE_CASE,
    "/office/casework/{kind}/{case_id}/reopening": Right.WORK_CASE,
    "/office/devices/codes": Right.MANAGE_DEVICES,
    "/office/devices/{device_id}/changes": Right.MANAGE_DEVICES,
    "/office/devices/{device_id}/codes": Right.MANAGE_DEVICES,
    "/office/devices/{device_id}/wipe": Right.MANAGE_DEVICES,
    "/office/devices/{device_id}/decision": Right.APPROVE_DEVICE,
    "/office/attendants": Right.MANAGE_ATTENDANTS,
    "/office/attendants/decisions": Right.APPROVE_ATTENDANT,
    "/office/attendants/{attendant_id}/particulars": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/stop": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/requests": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/pin": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/moves": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/moves/{move_id}/decision": Right.APPROVE_ATTENDANT,
    "/office/attendants/{attendant_id}/assignments": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/assignments/{assignment_id}/end": Right.MANAGE_ATTENDANTS,
    "/office/attendants/cards": Right.MANAGE_ATTENDANTS,
    "/office/attendants/{attendant_id}/cards": Right.MANAGE_ATTENDANTS,
    "/office/shifts/{shift_id}/end": Right.CLOSE_SHIFT,
    "/office/complaints/{complaint_id}/answer": Right.ANSWER_COMPLAINT,
    "/office/corrections": Right.TAKE_IN_FILES,
    "/office/corrections/{correction_id}/decision": Right.DECIDE_CASE,
    "/office/corrections/{correction_id}/withdrawal": Right.TAKE_IN_FILES,
    "/office/closures": Right.CLOSE_STREET,
    "/office/closures/{closure_id}/end": Right.CLOSE_STREET,
    "/office/spots/files/{kind}/preview": Right.MANAGE_SPOTS,
    "/office/spots/files/{kind}": Right.MANAGE_SPOTS,
    "/office/spots/signs": Right.MANAGE_SPOTS,
    "/office/signs/{code}/changes": Right.SETTLE_SIGN,
    "/office/signs/{code}/photo": Right.SETTLE_SIGN,
    "/office/officers": Right.MANAGE_OFFICERS,
    "/office/officers/{officer_id}/requests": Right.MANAGE_OFFICERS,
    "/office/officers/{officer_id}/requests/{request_id}/decision": Right.APPROVE_OFFICER,
    "/office/officers/{officer_id}/switch-off": Right.MANAGE_OFFICERS,
    "/office/officers/{officer_id}/setup-code": Right.MANAGE_OFFICERS,
    "/office/officers/{officer_id}/sign-ins/{sign_in_id}/end": Right.MANAGE_OFFICERS,
    "/office/reports/{name}/schedules": Right.SEE_WORK,
    "/office/reports/schedules/{schedule_id}/end": Right.SEE_WORK,
    "/office/units": Right.MANAGE_OFFICERS,
    "/office/units/moves": Right.MANAGE_OFFICERS,
    "/office/units/moves/{move_id}/decision": Right.APPROVE_OFFICER,
    "/office/notices/{number}/withdraw": Right.SETTLE_NOTICE,
    "/office/notices/{number}/paid": Right.SETTLE_NOTICE,
}
OPEN_TO_ALL = {
    "/office/sign-in",
    "/office/sign-out",
    "/office/first-sign-in",
    "/office/sign-in/passkey/options",
    "/office/sign-in/passkey",
}
OF_ONESELF = {
    "/office/account/second-factor",
    "/office/account/totp",
    "/office/account/totp/confirmation",
    "/office/account/totp/removal",
    "/office/account/recovery-codes",
    "/office/account/password",
    "/office/account/sign-ins/end-others",
    "/office/account/passkeys/begin",
    "/office/account/passkeys",
    "/office/account/passkeys/{credential}/removal",
    "/office/confirm/passkey",
    "/office/account/sign-ins/{sign_in_id}/end",
}
"""Of every officer's own account."""


def forms(
    router: APIRouter, prefix: str = "", unless: Callable[..., Any] | None = None
) -> set[str]:
    """The paths of all forms of a router and of those it includes, `unless` they ask for that."""
    found = set()
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            found |= forms(inner, prefix + router.prefix, unless)
        elif (
            isinstance(route, APIRoute)
            and "POST" in route.methods
            and not asks_for(route.dependant, unless)
        ):
            found.add(prefix + route.path)
    return found


def asks_for(dependant: Dependant, what: Callable[..., Any] | None) -> bool:
    return what is not None and any(
        one.call is what or asks_for(one, what) for one in dependant.dependencies
    )


def test_every_form_of_the_office_has_its_right_decided_here() -> None:
    assert forms(endpoints.router) == set(RIGHTS) | OPEN_TO_ALL | OF_ONESELF


NOT_CONFIRMED = {
    "/office/settlement/preview",
    "/office/statement/preview",
    "/office/payouts/results/preview",
    "/office/spots/files/{kind}/preview",
    "/office/reconcile",
    "/office/casework/{kind}/{case_id}/assignment",
    "/office/casework/{kind}/{case_id}/comments",
    "/office/reports/{name}/schedules",
    "/office/reports/schedules/{schedule_id}/end",
}
"""They look, compare, have reports made, say who works at what: no money or right moves by them."""


def test_every_other_form_asks_once_more_who_is_at_the_screen() -> None:
    assert forms(endpoints.router, unless=confirm) & set(RIGHTS) == NOT_CONFIRMED


async def sign_in(api: httpx.AsyncClient, login: str, password: str) -> None:
    api.cookies.clear()
    answer = await api.post("/office/sign-in", data={"login": login, "password": password})
    assert answer.status_code == 303


@pytest.mark.parametrize("role", Role)
async def test_a_form_is_refused_to_every_role_without_its_right(
    api: httpx.AsyncClient, transactions: Transactions, role: Role, subtests: pytest.Subtests
) -> None:
    async with transactions.begin() as db:
        await identity.add_officer(db, login="uji", name="Uji", role=role, password="uji")
    await sign_in(api, "uji", "uji")
    for path, right in RIGHTS.items():
        with subtests.test(path):
            filled = path
            for name in (
                "kind",
                "charge_id",
                "refund_id",
                "case_id",
                "device_id",
                "attendant_id",
                "assignment_id",
                "shift_id",
                "stay_id",
                "complaint_id",
                "officer_id",
                "request_id",
                "remittance_id",
                "proposal_id",
                "choice_id",
                "run_id",
                "sign_in_id",
                "number",
            ):
                filled = filled.replace(f"{{{name}}}", str(new_id()))
            answer = await api.post(filled)
            if right in MAY[role]:  # let through, to be told what is missing
                assert answer.json()["slug"] in {"invalid-request", "confirmation-needed"}
            else:
                assert (answer.status_code, answer.json()["slug"]) == (403, "role-not-allowed")


async def test_nothing_is_decided_on_a_wrong_password(api: httpx.AsyncClient, app: FastAPI) -> None:
    await sign_in(api, sample.CHECKER, CHECKER_PASSWORD)
    decision = {"decision": "approve", "password": PASSWORD}
    answer = await api.post(f"/office/refunds/{new_id()}/decision", data=decision)
    assert (answer.status_code, answer.json()["slug"]) == (403, "password-refused")


@pytest.mark.parametrize("asked_of", ["money", "all"])
async def test_who_must_have_a_second_factor_does_nothing_without(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, asked_of: str
) -> None:
    settings = app.state.settings.model_copy(update={"second_factor": asked_of})
    app.state.settings = settings
    async with transactions.begin() as db:
        await identity.add_officer(
            db, login="kenal", name="Uji", role=Role.KOORDINATOR, password="uji"
        )
    await sign_in(api, "kenal", "uji")
    seen = await api.get("/office/shifts")
    assert seen.status_code == (200 if asked_of == "money" else 403)
    await sign_in(api, sample.CHECKER, CHECKER_PASSWORD)
    assert (await api.get("/office")).headers["location"] == "/office/account"
    assert (await api.get("/office/account")).status_code == 200
    for path in ("/office/refunds", "/office/shifts"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["slug"]) == (403, "second-factor-needed")
    decision = {"decision": "approve", "password": CHECKER_PASSWORD}
    answer = await api.post(f"/office/refunds/{new_id()}/decision", data=decision)
    assert answer.json()["slug"] == "second-factor-needed"
