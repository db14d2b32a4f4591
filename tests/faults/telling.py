"""T11 to T13: notifications that come twice, late, out of order, or from somebody else."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.settings import Settings
from tests.faults.crashes import pay_once
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

    `before` are faults loaded before the charge is asked for, `then` those loaded before paying.
    """

    name: str
    state: str
    flags: tuple[str, ...]
    before: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    payments: tuple[str, ...] = ("pay",)
    after_expiry: bool = False


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
    Arrival("after expiry", "expired", ("late",), payments=("late",), after_expiry=True),
    Arrival("after expiry, told twice", "expired", ("late",), then=("duplicate_notifications",),
            payments=("late",), after_expiry=True),
    Arrival("after expiry, a rupiah more", "expired", ("late",), then=("pay_one_more",),
            payments=("late",), after_expiry=True),
    Arrival("never paid", "expired", (), payments=()),
)  # fmt: skip
VALUES = {"late_notifications": 3, "reorder_notifications": 3, "concurrent_notifications": 5}
EACH_ARRIVAL = 2


async def tell_at_any_time(stage: Stage) -> None:
    """T12. The matrix of state and flag; the shortest life of a code is a minute."""
    arrivals = list(ARRIVALS) * EACH_ARRIVAL
    stage.rng.shuffle(arrivals)
    spots = stage.spots
    ids = [stage.new_id() for _ in arrivals]
    await asyncio.gather(
        *(
            _arrive(stage, arrival, spots[n % len(spots)], charge_id)
            for n, (arrival, charge_id) in enumerate(zip(arrivals, ids, strict=True))
        )
    )
    stage.tally.runs = len(arrivals)
    if stage.is_ours:
        await stage.settle()
        await asyncio.gather(
            *(_as_decided(stage, *pair) for pair in zip(arrivals, ids, strict=True))
        )


async def _arrive(stage: Stage, arrival: Arrival, spot: str, charge_id: UUID) -> None:
    reference = charge_id.hex if stage.is_ours else ""
    for fault in arrival.before:
        await stage.fault(fault, reference)
    charge = await stage.ask(spot, charge_id)
    text = charge and await stage.barcode(charge)
    if charge is None or text is None:
        return
    for fault in arrival.then:
        more = {"value": VALUES[fault]} if fault in VALUES else {}
        await stage.fault(fault, reference_of(charge), **more)
    if arrival.after_expiry:
        ends = datetime.fromisoformat(charge["expires_at"])
        await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 3)
    for outcome in arrival.payments:
        await stage.pay(text, outcome)
        await asyncio.sleep(0.5)


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
