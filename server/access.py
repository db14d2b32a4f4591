"""Who may ask for what: the table of routes and roles, read from the routes themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from server.identity import auth
from server.identity.models import Role
from server.identity.service import MAY, WITHIN_UNIT, Right
from server.office import signed_in

OTHERS = {
    auth.required_shift: "handheld on shift",
    auth.signing_device: "handheld",
    auth.pushing_device: "handheld",
    auth.key_holder: "program with a key",
}
INTRODUCTION = """# Who may ask for what

Written by `make golden` from the routes themselves, and compared by a test, which also asks each of
them as nobody and as every role. What has no mark is refused: without signing in with
`not-signed-in`, without the right with `role-not-allowed`. What each role may do and see is `MAY`
in `server/identity/service.py`. `GET /office` sends who may not see it to where they may be.

An officer of a unit (docs/sign-in.md) is let in only where *of a unit* has a mark, too, and finds
there only what is of that unit and below; everywhere else the refusal is `unit-not-allowed`.

"""


@dataclass(frozen=True)
class Rule:
    """Whom a route lets in. Without `others` and `officers` that is everybody."""

    method: str
    path: str
    others: frozenset[str]
    officers: bool
    rights: frozenset[Right]
    of_units: bool = False
    """Whether officers of a unit are let in, too, to what is of their unit."""

    @property
    def public(self) -> bool:
        return not (self.others or self.officers)

    def lets_in(self, role: Role) -> bool:
        return self.public or (self.officers and self.rights <= MAY[role])

    def lets_in_of_unit(self, role: Role) -> bool:
        return self.lets_in(role) and (self.public or self.of_units)


def rules(app: FastAPI) -> list[Rule]:
    """Of every route, in the order of their paths."""
    found = [
        _rule(method, route, route.original_route)
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    ]
    return sorted(found, key=lambda rule: (rule.path, rule.method))


def _rule(method: str, route: RouteContext, original: APIRoute) -> Rule:
    if "acquirer" in original.tags:  # its handlers answer what is signed
        return Rule(method, str(route.path), frozenset({"acquirer"}), False, frozenset())
    calls = list(_calls(route.dependant))
    rights = frozenset(call.right for call in calls if isinstance(call, signed_in.Holder))
    return Rule(
        method,
        str(route.path),
        frozenset(OTHERS[call] for call in calls if _named(call)),
        signed_in.signed_in in calls,
        rights,
        # Without asking for an officer, a route is about whoever signed in alone.
        rights <= WITHIN_UNIT
        and (
            signed_in.keeps_to_units(original.endpoint) or signed_in.signed_in_officer not in calls
        ),
    )


def _named(call: Any) -> bool:
    return getattr(call, "__hash__", None) is not None and call in OTHERS


def _calls(dependant: Any) -> Iterator[Any]:
    """Everything that is asked before a route answers."""
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def table(app: FastAPI) -> str:
    """As a page of the documentation."""
    roles = list(Role)
    lines = [
        f"| | everybody | {' | '.join(roles)} | of a unit | others |",
        f"|---|---|{'---|' * len(roles)}---|---|",
    ]
    for rule in rules(app):
        marks = ["✓" if rule.public else "", *("✓" if rule.lets_in(role) else "" for role in roles)]
        marks.append("✓" if rule.officers and rule.of_units else "")
        others = ", ".join(sorted(rule.others))
        lines.append(f"| `{rule.method} {rule.path}` | {' | '.join(marks)} | {others} |")
    return INTRODUCTION + "\n".join(lines) + "\n"
