"""T11 to T13: notifications that come twice, late, out of order, or from somebody else."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.settings import Settings
from tests.faults.crashes import pay_once
from tests.faults.returning import Officers, officers_of
from tests.faults.stage import SECRET, UNHEARD, Stage, reference_of
from tests.server.payments.test_notifications import forged_and_odd
from tests.server.payments.voice import NOTIFY, Voice

SUCCESS = "2005200"


def voice_of(stage: Stage) -> Voice:
    """The acquirer's own voice, to say what the sandbox would not."""
    key = load_pem_private_key((stage.folder.parent / "keys/acquirer.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return Voice(key, SECRET, Settings().acquirer_merchant_id)


async def tell_again(stage: Stage) -> None:
    """T11. Twice by the sandbox, then a hundred times at once by its voice."""
    voice = voice_of(stage)
    await stage.fault("duplicate_notifications", times=20)
    for _ in range(20):
        await pay_once(stage)
    charge = await stage.ask(stage.spots[0], stage.new_id())
    assert charge is not None
    reference = reference_of(charge)
    await stage.fault("drop_notifications", reference, times=UNHEARD)
    await stage.pay(charge["qris"])
    notifications = (await stage.truth())["notifications"]
    content = next(n["body"] for n in notifications if reference in n["body"]).encode()

    async def tell() -> bool:
        headers = voice.headers(content, at=datetime.now(UTC))
        answer = await stage.call("POST", NOTIFY, content=content, headers=headers)
        return answer is not None and answer.json()["responseCode"] == SUCCESS

    heard = await asyncio.gather(*(tell() for _ in range(100)))
    stage.tally.fired["said again at once"] = len(heard)
    stage.tally.violations["not acknowledged"] += heard.count(False)
    stage.tally.runs = 120


# T12: in every state of a charge, money of every kind


@dataclass(frozen=True)
class Arrival:
    """What happens to a charge, and what must be in its books in the end.

    `before` are faults loaded before the charge is asked for, `then` those loaded before paying;
    `ended` is how the charge comes to an end before `payments` are made. `lost` attempts to tell of
    it are repeated by DOKU's plan, and nobody can inquire meanwhile.
    """

    name: str
    state: str
    flags: tuple[str, ...]
    before: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    payments: tuple[str, ...] = ("pay",)
    ended: str = ""
    lost: int = 0


ARRIVALS = (
    Arrival("while issuing", "paid", ("exact",), before=("notify_before_answer",), payments=()),
    Arrival("while unknown", "paid", ("exact",), before=("generate_no_answer_after_booking",)),
    Arrival("while issued", "paid", ("exact",)),
    Arrival("told late", "paid", ("exact",), then=("late_notifications",)),
    Arrival("told twice", "paid", ("exact",), then=("duplicate_notifications",)),
    Arrival("told by five at once", "paid", ("exact",), then=("concurrent_notifications",)),
    Arrival("a rupiah more", "expired", ("over",), then=("pay_one_more",)),
    Arrival("a rupiah less", "expired", ("under",), then=("pay_one_less",)),
    Arrival("paid twice", "paid", ("duplicate", "exact"), payments=("twice",)),
    Arrival("paid again later", "paid", ("duplicate", "exact"), payments=("pay", "twice")),
    Arrival("paid twice, told in any order", "paid", ("duplicate", "exact"),
            then=("reorder_notifications",), payments=("twice",)),
    Arrival("after expiry", "expired", ("late",), payments=("late",), ended="expired"),
    Arrival("after expiry, told twice", "expired", ("late",), then=("duplicate_notifications",),
            payments=("late",), ended="expired"),
    Arrival("after expiry, a rupiah more", "expired", ("late",), then=("pay_one_more",),
            payments=("late",), ended="expired"),
    Arrival("after cancelling", "cancelled", ("late",), payments=("late",), ended="cancelled"),
    Arrival("after cancelling, told twice", "cancelled", ("late",),
            then=("duplicate_notifications",), payments=("late",), ended="cancelled"),
    Arrival("after a cancelling that got lost", "cancelled", ("late",), then=("cancel_lost",),
            ended="cancelled"),
    Arrival("told after the refund", "refunded", ("exact",), then=("notify_after_refund",),
            payments=(), ended="refunded"),
    Arrival("paid again after the refund", "refunded", ("duplicate", "exact"),
            payments=("twice",), ended="refunded"),
    Arrival("never paid", "expired", (), payments=()),
)  # fmt: skip
DOKU_WAITS_S = (1_800, 21_600, 43_200)
LATE_ARRIVALS = tuple(
    arrival
    for lost in range(1, len(DOKU_WAITS_S) + 1)
    for arrival in (
        Arrival(f"paid in time, {lost} x lost", "expired", ("late",), lost=lost),
        Arrival(f"after expiry, {lost} x lost", "expired", ("late",), payments=("late",),
                ended="expired", lost=lost),
        Arrival(f"after cancelling, {lost} x lost", "cancelled", ("late",), payments=("late",),
                ended="cancelled", lost=lost),
        Arrival(f"paid again after the refund, {lost} x lost", "refunded", ("duplicate", "exact"),
                payments=("twice",), ended="refunded", lost=lost),
    )
)  # fmt: skip
"""What is told half an hour, six hours and twelve hours after the attempts before it were lost."""
VALUES = {"late_notifications": 3, "reorder_notifications": 3, "concurrent_notifications": 5}
EACH_ARRIVAL = 2
UNANSWERED = 10_000
TOLD_WITHIN_S = 3.0
EXPIRED_WITHIN_S = 150.0
"""A code's minute, the minute that unanswered inquiries may hold its expiry up, and some more."""


async def tell_at_any_time(stage: Stage) -> None:
    """T12. The matrix of state and flag; the shortest life of a code is a minute."""
    arrivals = [*ARRIVALS * EACH_ARRIVAL, *LATE_ARRIVALS]
    stage.rng.shuffle(arrivals)
    ids = [stage.new_id() for _ in arrivals]
    asking = asyncio.Semaphore(8)
    async with officers_of(stage) as officers:
        await asyncio.gather(
            *(
                _arrive(officers, asking, arrival, stage.spots[n % len(stage.spots)], charge_id)
                for n, (arrival, charge_id) in enumerate(zip(arrivals, ids, strict=True))
            )
        )
    stage.tally.runs = len(arrivals)
    for passed_s in accumulate(DOKU_WAITS_S):
        await stage.wallet.post("/sandbox/clock", json={"offset_s": passed_s})
        await asyncio.sleep(TOLD_WITHIN_S)
    if stage.is_ours:
        await stage.settle()
        for arrival, charge_id in zip(arrivals, ids, strict=True):
            await _as_decided(stage, arrival, charge_id)


async def _arrive(
    officers: Officers, asking: asyncio.Semaphore, arrival: Arrival, spot: str, charge_id: UUID
) -> None:
    stage, reference = officers.stage, charge_id.hex if officers.stage.is_ours else ""
    async with asking:
        for fault in arrival.before:
            await stage.fault(fault, reference)
        charge = await stage.ask(spot, charge_id)
        text = charge and await stage.barcode(charge)
    if charge is None or text is None:
        return
    for fault in arrival.then:
        more = {"value": VALUES[fault]} if fault in VALUES else {}
        await stage.fault(fault, reference_of(charge), **more)
    await _end(officers, arrival.ended, charge, text)
    if arrival.lost:
        await stage.fault("query_500", reference_of(charge), times=UNANSWERED)
        await stage.fault("doku_schedule", reference_of(charge))
        await stage.fault("drop_notifications", reference_of(charge), times=arrival.lost)
    for outcome in arrival.payments:
        await stage.pay(text, outcome)
        await asyncio.sleep(0.5)
    if arrival.lost and stage.is_ours:
        await stage.seen(charge, arrival.state, EXPIRED_WITHIN_S)


async def _end(officers: Officers, ended: str, charge: dict[str, Any], text: str) -> None:
    """Let the code expire, cancel it, or have it paid and the money given back."""
    stage = officers.stage
    if ended == "expired":
        ends = datetime.fromisoformat(charge["expires_at"])
        await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 3)
        if stage.is_ours:
            # Until the acquirer has said that nobody paid, a payment is still in time.
            await stage.seen(charge, "expired", EXPIRED_WITHIN_S)
    elif ended == "cancelled":
        await officers.cancel(charge)
    elif ended == "refunded":
        await stage.pay(text)
        if await stage.seen(charge, "paid", 30.0 if stage.is_ours else 2.0):
            await officers.give_back(charge)


async def _as_decided(stage: Stage, arrival: Arrival, charge_id: UUID) -> None:
    rows = await stage.rows("SELECT state FROM charges WHERE id = $1", charge_id)
    money = await stage.rows("SELECT flag FROM money WHERE charge_id = $1 ORDER BY flag", charge_id)
    seen = (rows[0]["state"] if rows else "", tuple(row["flag"] for row in money))
    if seen != (arrival.state, arrival.flags):
        stage.tally.violate("other state or flag", f"{arrival.name}: {seen}")


# T13: said by somebody else, or not meant so

OWN_FORGERIES = (
    "notify_bad_signature", "notify_altered_byte", "notify_reserialised", "notify_old_timestamp",
    "notify_future_timestamp", "notify_swapped_algorithm", "notify_other_merchant",
    "notify_wrong_amount", "notify_amount_less", "notify_other_currency",
    "notify_unknown_reference", "notify_oversized", "notify_duplicate_keys",
    "notify_replayed_external_id",
)  # fmt: skip


async def forge(stage: Stage) -> None:
    """T13. Our own vectors by the acquirer's voice, then the sandbox's own forgeries."""
    charge = await stage.ask(stage.spots[0], stage.new_id(), vehicle_class="car")
    assert charge is not None
    vectors = forged_and_odd(voice_of(stage), UUID(charge["id"]), datetime.now(UTC))
    for name, sent in vectors.items():
        before = await _audited(stage)
        answer = await stage.call("POST", NOTIFY, content=sent.content, headers=sent.headers)
        if stage.is_ours and await _audited(stage) - before != 1:
            stage.tally.violate("not one audit row", name)
        if stage.is_ours and (answer is None or answer.is_success):
            stage.tally.violate("a forgery was believed", name)
    for forgery in OWN_FORGERIES:
        await stage.fault(forgery)
        await pay_once(stage)
        await asyncio.sleep(0.3)
    stage.tally.fired["forged or odd vector"] = len(vectors)
    stage.tally.runs = len(vectors) + len(OWN_FORGERIES)


async def _audited(stage: Stage) -> int:
    if not stage.is_ours:
        return 0
    count: int = (await stage.rows("SELECT count(*) FROM notifications"))[0][0]
    return count
