"""Asking a route as somebody, and whether the answer is what the table of rights says."""

import re

import httpx

from server.access import Rule
from server.database import new_id
from server.identity.models import Role

WORDS = dict.fromkeys(("spot", "code", "number", "id_", "name", "account"), "x") | {
    "format_": "json"
}
"""For what is no UUID in a path. There is no such spot: its events would never end."""
STRANGERS = {"not-signed-in", "device-not-active", "device-not-found"}
"""Why one is refused who is no officer; whose device is not known is not let in either."""


def address(rule: Rule) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: WORDS.get(found[1]) or str(new_id()), rule.path)


async def ask(api: httpx.AsyncClient, rule: Rule) -> tuple[int, str]:
    """The status, and why it was refused."""
    async with api.stream(rule.method, address(rule)) as answer:
        told = answer.headers.get("content-type", "")
        slug = (await answer.aread() and answer.json()["slug"]) if "problem" in told else ""
        return answer.status_code, slug


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
