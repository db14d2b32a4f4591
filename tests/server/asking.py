"""Asking a route as somebody, and whether the answer is what the table of rights says."""

import re
from collections.abc import Sequence

import httpx

from server.access import Rule
from server.database import new_id
from server.identity.models import ROOT, Role
from server.office.case_list import CASES

WORDS = dict.fromkeys(("spot", "code", "number", "id_", "name", "account"), "x") | {
    "format_": "json"
}
"""For what is no UUID in a path. There is no such spot: its events would never end."""
STRANGERS = {"not-signed-in", "device-not-active", "device-not-found"}
"""Why one is refused who is no officer; whose device is not known is not let in either."""


OF_A_UNIT = {
    "/office/attendants/{attendant_id}": "SELECT id FROM attendants",
    "/office/closures/{closure_id}": "SELECT id FROM closures",
    "/office/charges/{charge_id}": "SELECT id FROM charges",
    "/office/complaints/{complaint_id}": "SELECT id FROM complaints",
    "/office/notices/{number}": "SELECT number FROM notices",
    "/office/devices/{device_id}": "SELECT id FROM devices",
    "/office/shifts/{shift_id}": "SELECT id FROM shifts",
    "/office/quarantine/{case_id}": "SELECT id FROM quarantine_cases",
    "/office/signs/{code}": "SELECT s.code FROM spots s JOIN sign_cases c ON c.spot_id = s.id",
    "/office/sign-cases/{case_id}": "SELECT id FROM sign_cases",
    "/office/unended-stays/{case_id}": "SELECT parking_session_id FROM unended_stays",
    "/office/casework/{kind}/{case_id}": f"SELECT kind, id FROM ({CASES}) t",
}
"""Where an office's route tells of a thing that is in some unit, or of its parts; and which."""
ELSEWHERE = (Role.BENDAHARA, Role.VERIFIKATOR, Role.KOORDINATOR)
"""Roles that between them may all that officers of units may."""
FORM = {
    "why": "uji", "words": "uji", "assignee": "", "version": "1", "event": "damaged",
    "receipt": "PSR-2026-000001", "name": "Uji", "to": str(ROOT), "decision": "approve",
    "spot": "PSR-001-U", "day": "1", "starts": "07:00", "ends": "17:00",
}  # fmt: skip
"""What the forms of these routes ask for."""
OF_NO_UNIT = ("/office/account/", "/office/map/tiles/", "/office/reports/")
"""What stands in these paths is no such thing."""


def about(rule: Rule) -> str | None:
    """The path in OF_A_UNIT that a route is about; KeyError of one that nobody decided on."""
    if not (rule.officers and rule.of_units and "{" in rule.path):
        return None
    if rule.path.startswith(OF_NO_UNIT):
        return None
    for path in OF_A_UNIT:
        if rule.path == path or rule.path.startswith(f"{path}/"):
            return path
    raise KeyError(rule.path)


def asker(rule: Rule) -> Role:
    """Of ELSEWHERE, one whose role and unit leave it this route."""
    return next(role for role in ELSEWHERE if rule.lets_in_of_unit(role))


def at(rule: Rule, path: str, values: Sequence[object]) -> str:
    """The route's address of one of the things that OF_A_UNIT finds."""
    told = iter(values)
    own = re.sub(r"{\w+}", lambda _: str(next(told)), path)
    parts = rule.path.removeprefix(path)
    return own + re.sub(r"{(\w+)}", lambda found: str(ROOT) if "_id" in found[1] else "1", parts)


def address(rule: Rule) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: WORDS.get(found[1]) or str(new_id()), rule.path)


async def ask(api: httpx.AsyncClient, rule: Rule) -> tuple[int, str]:
    """The status, and why it was refused."""
    async with api.stream(rule.method, address(rule)) as answer:
        told = answer.headers.get("content-type", "")
        slug = (await answer.aread() and answer.json()["slug"]) if "problem" in told else ""
        return answer.status_code, slug


def as_told_of_unit(rule: Rule, role: Role, status: int, slug: str) -> bool:
    """Whether an officer of a unit was let in just as far as the rule says."""
    if rule.lets_in_of_unit(role):
        return slug not in {"not-signed-in", "role-not-allowed", "unit-not-allowed"}
    if rule.officers:
        return status == 403 and slug in {"role-not-allowed", "unit-not-allowed"}
    return as_told(rule, role, status, slug)


def as_told(rule: Rule, role: Role | None, status: int, slug: str) -> bool:
    """Whether nobody, or who has a role, was let in just as far as the rule says."""
    if rule.public or (role is not None and rule.lets_in(role)):  # as far as what is missing
        return slug not in {"not-signed-in", "role-not-allowed"}
    if rule.officers:
        return (status, slug) == (
            (401, "not-signed-in") if role is None else (403, "role-not-allowed")
        )
    if "acquirer" in rule.others:
        return status >= 400  # answered in the acquirer's own form
    return slug in STRANGERS
