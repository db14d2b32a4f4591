"""What the office says the attendant on shift earned and owes: its last word, kept with its age."""

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from attendant_app import prices, server_api
from attendant_app.runtime import Handheld
from attendant_app.store import Shift

REFRESH_S = 60.0
LOOK_S = 2.0
IDLE_S = 5.0
SLIPS = "slips"
SLIPS_OF = "slips_of"
"""The last payout that was known when the office told the slips."""


@dataclass(frozen=True)
class Earnings:
    """The office's answer to one attendant, and how old it is by the office's clock."""

    told: dict[str, Any]
    age_s: int
    is_of_today: bool

    @property
    def share(self) -> str:
        """The attendant's part in per cent: one number, or from the least to the most."""
        return _parts(self.told["attendant_bp"])

    @property
    def payout_on(self) -> date:
        return date.fromisoformat(self.told["payout_on"])

    @property
    def last_payout_on(self) -> date | None:
        """When a share was paid out last, as far as the office has told."""
        told = self.told.get("last_payout_at")
        return None if told is None else datetime.fromisoformat(told).date()


@dataclass(frozen=True)
class ShareSlip:
    """A share that was paid out, as the office told it to the attendant who got it."""

    told: dict[str, Any]

    @property
    def number(self) -> str:
        return str(self.told["number"])

    @property
    def part(self) -> str:
        return _parts(self.told["parts_bp"])

    @property
    def paid_on(self) -> date:
        return date.fromisoformat(self.told["paid_on"])

    @property
    def span(self) -> tuple[date, date] | None:
        first, last_day = self.told["first_day"], self.told["last_day"]
        return (date.fromisoformat(first), date.fromisoformat(last_day)) if first else None


def _parts(parts_bp: list[int]) -> str:
    """One number in per cent, or from the least to the most."""
    parts = [f"{int(bp) / 100:g}" for bp in parts_bp]
    return "–".join(dict.fromkeys((parts[0], parts[-1]))) if parts else "0"


def share_slips(handheld: Handheld, attendant: str) -> list[ShareSlip] | None:
    """The newest first, None while the office has not told; of nobody else who signed in here."""
    told = _body(handheld, attendant).get(SLIPS)
    return None if told is None else [ShareSlip(slip) for slip in told]


def _body(handheld: Handheld, attendant: str) -> dict[str, Any]:
    row = handheld.store.db.execute(
        "SELECT body FROM earnings WHERE attendant = ?", (attendant,)
    ).fetchone()
    return {} if row is None else dict(json.loads(row["body"]))


def last(handheld: Handheld, attendant: str) -> Earnings | None:
    told = _body(handheld, attendant)
    if not told:
        return None
    age = handheld.office_time() - datetime.fromisoformat(told["as_of"])
    today = prices.business_days(handheld.store.master_data()).of(handheld.office_time())
    return Earnings(told, max(0, int(age.total_seconds())), told["day"] == str(today))


async def follow(handheld: Handheld) -> None:
    """Ask at sign-in, each minute, and a moment after a charge on this device was paid."""
    asked, again_at = None, 0.0
    while True:
        heard = handheld.bell.rings
        stands = _stands(handheld)
        if (stands != asked or time.monotonic() > again_at) and await _ask(handheld):
            asked, again_at = stands, time.monotonic() + REFRESH_S
        await asyncio.sleep(LOOK_S * random.uniform(0.8, 1.2))  # noqa: S311 - spreading load
        await handheld.bell.wait(heard, IDLE_S)


def _stands(handheld: Handheld) -> tuple[object, ...]:
    """What the sums of the office hang on, as far as this device can tell."""
    row = handheld.store.db.execute(
        "SELECT (SELECT id FROM shifts WHERE ended_at IS NULL),"
        " (SELECT max(changed_at) FROM charges WHERE state = 'paid')"
    ).fetchone()
    return tuple(row)


async def _ask(handheld: Handheld) -> bool:
    shift = handheld.store.shift()
    if shift is None or shift.token is None or not handheld.link.online:
        return False
    path = "/v1/shifts/current/earnings"
    try:
        answer = await server_api.call(handheld.http, "GET", path, token=shift.token)
        told = answer.body | await _slips(handheld, shift, answer.body)
    except (server_api.NoAnswer, server_api.Refusal):
        return False
    handheld.store.db.execute(
        "INSERT INTO earnings VALUES (?, ?)"
        " ON CONFLICT (attendant) DO UPDATE SET body = excluded.body",
        (shift.attendant, json.dumps(told)),
    )
    handheld.bell.ring()
    return True


async def _slips(handheld: Handheld, shift: Shift, told: dict[str, Any]) -> dict[str, Any]:
    """What was paid out before, kept here; asked for anew once something else was paid."""
    known = _body(handheld, shift.attendant)
    kept = {key: known[key] for key in (SLIPS, SLIPS_OF) if key in known}
    last_payout = told.get("last_payout_at")
    if kept.get(SLIPS_OF, "") == last_payout:
        return kept
    if last_payout is None:
        return {SLIPS: [], SLIPS_OF: None}
    path = "/v1/shifts/current/share-slips"
    try:
        answer = await server_api.call(handheld.http, "GET", path, token=shift.token)
    except server_api.Refusal:  # an older office, which knows no slips until it is renewed
        return kept if kept.get(SLIPS) else {}
    return {SLIPS: answer.body["slips"], SLIPS_OF: last_payout}
