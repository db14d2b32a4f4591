"""T8: the way between handheld and server is a hole, one way only, flaps, or is away for hours."""

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.gate import Mode
from tests.faults.handheld_stage import HandheldStage, Handset, Unanswered
from tests.faults.handset import UPTIME

SAID_WITHIN_S = 4.0
"""Three seconds, and one for a machine that plays other rows at once."""
AWAY_S = 4.0
"""A link that is away for less flaps."""
KEPT = 3
WINDOW_H = 12
POOL = {"KARCIS_POOL_SIZE": str(KEPT)}


@dataclass(frozen=True)
class Spell:
    """How a link is away: `times`, for `away_s` each; as long as `hours` by the device's clock."""

    name: str
    mode: Mode
    away_s: float = AWAY_S
    times: int = 1
    hours: int = 0

    @property
    def flaps(self) -> bool:
        return self.away_s < AWAY_S


SPELLS = (
    Spell("black hole", Mode.READ_NOTHING),
    Spell("one way", Mode.ANSWER_NOTHING),
    Spell("flaps of 1 s", Mode.READ_NOTHING, 1.0, times=5),
    Spell("flaps of 2 s", Mode.ANSWER_NOTHING, 2.0, times=4),
    Spell("flaps of 30 s, five times as fast", Mode.READ_NOTHING, 6.0, times=2),
    Spell("8 h", Mode.READ_NOTHING, hours=8),
    Spell("13 h", Mode.READ_NOTHING, hours=13),
)


async def partition(stage: HandheldStage) -> None:
    """T8. Work goes on, nothing is green that nobody told of, and all of it arrives afterwards."""
    uptime = stage.folder / "uptime"
    _let_pass(0, uptime)
    handset = await stage.handset(**{UPTIME: str(uptime)})
    spot = stage.spots[0]
    await handset.start()
    await handset.sign_in()
    for spell in SPELLS:
        if stage.is_ours:
            await handset.call("GET", f"/spots/{spot}")
            await handset.until(lambda: _has_pool(handset))
        paid: list[str] = []
        for _ in range(spell.times):
            await _away(stage, handset, spell, spot, uptime, paid)
            stage.tally.runs += 1
            stage.tally.fired[spell.name] += 1
        await _back(stage, handset, paid)


def _let_pass(hours: int, uptime: Path) -> None:
    before_s = float(uptime.read_text()) if uptime.exists() else 0.0
    uptime.write_text(str(before_s + hours * 3600))


async def _has_pool(handset: Handset) -> bool:
    with sqlite3.connect(f"file:{handset.folder}/handheld.sqlite?mode=ro", uri=True) as db:
        sql = (
            "SELECT count(*) FROM pool WHERE vehicle_class = 'motorcycle'"
            " AND known IS NOT NULL AND used_at IS NULL"
        )
        return bool(db.execute(sql).fetchone()[0] >= KEPT)


async def _away(
    stage: HandheldStage,
    handset: Handset,
    spell: Spell,
    spot: str,
    uptime: Path,
    paid: list[str],
) -> None:
    began = time.monotonic()
    handset.gate.mode = spell.mode
    if not spell.flaps:
        await _must_say_offline(stage, handset, spell)
    _let_pass(spell.hours, uptime)
    await _work(stage, handset, spell, spot, paid)
    await asyncio.sleep(max(0.0, began + spell.away_s - time.monotonic()))
    handset.gate.mode = Mode.OPEN
    if spell.flaps:
        await asyncio.sleep(spell.away_s)


async def _must_say_offline(stage: HandheldStage, handset: Handset, spell: Spell) -> None:
    async def says_offline() -> bool:
        return not (await handset.status())["online"]

    try:
        await handset.until(says_offline, SAID_WITHIN_S)
    except Unanswered:
        stage.tally.violate("offline was not said in time", spell.name)


async def _work(
    stage: HandheldStage, handset: Handset, spell: Spell, spot: str, paid: list[str]
) -> None:
    """Two vehicles, one of whose drivers pays with a phone that has a connection; and one in cash.

    Its driver's payment is posted while the handheld knows of nothing: before its claim.
    """
    cash = await handset.take_cash(spot)
    if cash.status_code != 201:
        stage.tally.violate("cash was not recorded", f"{spell.name}: {cash.text[:80]}")
    if not stage.is_ours:
        return
    unpaid = await handset.charge(spot)
    if spell.hours > WINDOW_H:
        if (unpaid.status_code, unpaid.json().get("slug")) != (409, "offline-too-long"):
            stage.tally.violate("confirmed after the window", unpaid.text[:80])
        return
    shown = await handset.charge(spot)
    for answer in (unpaid, shown):
        if answer.status_code != 201:
            stage.tally.violate("a raw error", f"{spell.name}: {answer.text[:80]}")
            return
    if shown.json()["qris"]:
        await stage.pay(shown.json()["qris"])
        paid.append(shown.json()["id"])
    elif not spell.flaps and spell.times == 1:
        stage.tally.violate("no barcode was shown", spell.name)
    await _must_not_be_green(stage, handset, spell, unpaid.json()["id"])
    if not spell.flaps:
        await _must_not_be_green(stage, handset, spell, shown.json()["id"])


async def _must_not_be_green(
    stage: HandheldStage, handset: Handset, spell: Spell, charge_id: str
) -> None:
    screen = await handset.call("GET", f"/charges/{charge_id}")
    if screen.status_code != 200 or "charge is-paid" in screen.text:
        stage.tally.violate("green without evidence", f"{spell.name} {screen.status_code}")


async def _back(stage: HandheldStage, handset: Handset, paid: list[str]) -> None:
    if stage.is_ours:

        async def says_online() -> bool:
            return bool((await handset.status())["online"])

        await handset.until(says_online)
    await handset.synced()
    for charge_id in paid:
        await handset.paid(charge_id)
