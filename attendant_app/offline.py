"""How long this handheld has been alone, and what it may still show unasked.

Told by the clock that runs since the device was started, which nobody sets. Only over a restart of
the device its calendar clock counts too, and one that was set back adds nothing: what had passed
before is kept.
"""

import functools
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attendant_app import prices
from attendant_app.runtime import Handheld, device_time
from attendant_app.store import stamp
from domain.events import EventKind

KEPT_EVERY_S = 30.0
"""How far what is on the disk may lag: so much more is counted where the process is killed."""
WINDOW_S = 12 * 3600
LIMIT_COUNT = 20
LIMIT_RP = 100_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def uptime_s() -> float:
    """Since the device was started, sleep included."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@functools.cache
def boot() -> str:
    """Which start of the device this is; no process outlives it."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def heard(handheld: Handheld) -> None:
    """The server has just answered."""
    if _kept(handheld) is None or alone_s(handheld) >= KEPT_EVERY_S:
        _keep(handheld, 0.0)


def note(handheld: Handheld) -> None:
    """The server does not answer: keep how long, and let screens count down."""
    kept = _kept(handheld)
    spent_s = alone_s(handheld)
    if kept is None or kept["boot"] != boot() or uptime_s() - kept["uptime_s"] >= KEPT_EVERY_S:
        _keep(handheld, spent_s)
        handheld.bell.ring()


def _keep(handheld: Handheld, spent_s: float) -> None:
    handheld.store.db.execute(
        "INSERT INTO alone VALUES (1, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " boot = excluded.boot, uptime_s = excluded.uptime_s, spent_s = excluded.spent_s,"
        " at = excluded.at",
        (boot(), uptime_s(), spent_s, stamp(device_time())),
    )


def _kept(handheld: Handheld) -> dict[str, Any] | None:
    """What stood when it was last written down: the start, its clock, and how long had passed."""
    row = handheld.store.db.execute("SELECT boot, uptime_s, spent_s, at FROM alone").fetchone()
    return dict(row) if row else None


def alone_s(handheld: Handheld) -> float:
    """Since the server last answered; too much by KEPT_EVERY_S at most."""
    kept = _kept(handheld)
    if kept is None:
        return 0.0
    if kept["boot"] == boot() and uptime_s() >= kept["uptime_s"]:
        passed_s = uptime_s() - float(kept["uptime_s"])
    else:
        passed_s = (device_time() - datetime.fromisoformat(kept["at"])).total_seconds()
    return float(kept["spent_s"]) + max(0.0, passed_s)


@dataclass(frozen=True)
class Window:
    """What is left of the time and of the sums that this handheld is trusted with while alone."""

    left_s: int
    count: int
    amount_rp: int
    limit_count: int
    limit_rp: int

    @property
    def over(self) -> bool:
        return self.left_s <= 0

    def has_room_for(self, amount_rp: int) -> bool:
        return self.count < self.limit_count and self.amount_rp + amount_rp <= self.limit_rp

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "over": self.over, "full": not self.has_room_for(1)}


def window(handheld: Handheld) -> Window:
    policy = (handheld.store.master_data() or {}).get("offline") or {}
    shift = handheld.store.shift()
    count, amount_rp = unconfirmed(handheld, shift.id) if shift else (0, 0)
    left_s = int(policy.get("window_s", WINDOW_S)) - alone_s(handheld)
    return Window(
        left_s=max(0, int(left_s)),
        count=count,
        amount_rp=amount_rp,
        limit_count=int(policy.get("limit_count", LIMIT_COUNT)),
        limit_rp=int(policy.get("limit_rp", LIMIT_RP)),
    )


def unconfirmed(handheld: Handheld, shift_id: str) -> tuple[int, int]:
    """What was shown from the pool on a shift, and what vouchers were taken, that neither the
    office nor a proof has told of: how often, and for how many rupiah.
    """
    row = handheld.store.db.execute(
        "SELECT count(*) AS n, coalesce(sum(c.quoted_rp), 0) AS rp FROM charges c"
        " LEFT JOIN pool p ON p.charge_id = c.id WHERE c.shift_id = ? AND c.sync <> 'sent'"
        " AND (p.charge_id IS NOT NULL OR c.kind = 'voucher')"
        " AND NOT EXISTS (SELECT 1 FROM events WHERE kind = 'proof_taken'"
        " AND json_extract(body, '$.charge_id') = c.id)",
        (shift_id,),
    ).fetchone()
    return row["n"], row["rp"]


def is_over(handheld: Handheld) -> bool:
    """Whether nothing may be confirmed here before the server has answered again."""
    return not handheld.link.online and window(handheld).over


def is_proved(handheld: Handheld, charge_id: str) -> bool:
    """Whether the driver of a charge showed its proof here: the office's word, read offline."""
    event = handheld.store.first_event(EventKind.PROOF_TAKEN, charge_id=charge_id)
    return event is not None


def old_list(handheld: Handheld) -> datetime | None:
    """When the office last told which proofs are void, unless that was today."""
    told_at = handheld.store.master_data_at()
    local = prices.zone_of(handheld.store.master_data())
    if told_at is None:
        return None
    told = datetime.fromisoformat(told_at).astimezone(local)
    # Less a second: a clock that is corrected meanwhile must not make a list of tomorrow.
    today = (handheld.office_time() - timedelta(seconds=1)).astimezone(local)
    return told if told.date() < today.date() else None
